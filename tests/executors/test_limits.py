"""What an attempt may use, decided by values."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.executors.docker import limit_options
from araneus.executors.limits import Limits, Policy, job_memory, limits_for
from araneus.model.job import Resources

POLICY = Policy(memory=8000, headroom=1.5)
STRICT = Policy(memory=8000, strict=True)


@pytest.mark.parametrize(
    ("asked", "memory", "strict"),
    [
        ({}, 8000, 1024),
        ({"memory": 1000, "memory_stated": True}, 1500, 1000),
        ({"memory": 6000, "memory_stated": True}, 8000, 6000),
        ({"memory": 8, "memory_stated": True}, 256, 16),
        ({"memory": 0, "memory_stated": True}, 256, 16),
        ({"memory": 1000, "memory_stated": True, "memory_max": 4000}, 4000, 4000),
        ({"memory": 1000, "memory_stated": True, "memory_max": 1000}, 1000, 1000),
        ({"memory": 1000, "memory_stated": True, "memory_max": 10}, 1000, 1000),
        ({"memory": 1, "memory_stated": True, "memory_max": 1}, 16, 16),
        ({"memory": 1000, "memory_stated": True, "memory_max": 10**9}, 8000, 8000),
    ],
)
def test_memory(asked: dict[str, Any], memory: int, strict: int) -> None:
    assert limits_for(Resources(**asked), POLICY).memory == memory
    assert limits_for(Resources(**asked), STRICT).memory == strict


@pytest.mark.parametrize(
    ("asked", "cores", "strict", "weight"),
    [
        ({}, None, 1.0, 1.0),
        ({"cores": 2.5}, None, 2.5, 2.5),
        ({"cores": 2, "cores_max": 4}, 4, 4, 2),
        ({"cores": 2, "cores_max": 1}, 2, 2, 2),
        ({"cores": 0.0}, None, 0.0, 0.01),
    ],
)
def test_cores(asked: dict[str, Any], cores: float | None, strict: float, weight: float) -> None:
    found = limits_for(Resources(**asked), POLICY)
    assert (found.cores, found.weight) == (cores, weight)
    assert limits_for(Resources(**asked), STRICT).cores == strict


def test_the_options_of_an_engine() -> None:
    limits = Limits(memory=100, cores=None, weight=2, processes=50, badness=900)
    assert limit_options(limits, 4) == (
        "--memory", "100m", "--memory-swap", "100m", "--cpu-shares", "2048", "--pids-limit", "50",
        "--oom-score-adj", "900",
    )  # fmt: skip
    quotas = {0.0: "0.01", 0.5: "0.5", 3: "3", 64: "4"}
    for cores, text in quotas.items():
        options = limit_options(replace(limits, cores=cores), 4)
        assert options[options.index("--cpus") + 1] == text
    assert "2" in limit_options(replace(limits, weight=0.0001), 4)
    assert limit_options(replace(limits, cores=1), 4, {"pids"}) == ("--pids-limit", "50", "--oom-score-adj", "900")


def test_who_asked_for_less_is_ended_sooner() -> None:
    found = [limits_for(Resources(memory=memory), POLICY).badness for memory in (0, 80, 4000, 8000, 9000)]
    assert found == [1000, 990, 500, 1, 1]


@given(
    memory=st.integers(0, 2**53),
    most=st.none() | st.integers(1, 2**53),
    stated=st.booleans(),
    all_=st.integers(0, 2**40),
)
def test_nobody_may_use_more_than_there_is_for_all(memory: int, most: int | None, stated: bool, all_: int) -> None:
    asked = Resources(memory=memory, memory_stated=stated, memory_max=most)
    for policy in (Policy(memory=all_), Policy(memory=all_, strict=True)):
        found = limits_for(asked, policy)
        assert found.memory <= max(all_, 16)
        assert 1 <= found.badness <= 1000
        if memory <= all_:
            assert found.memory >= memory


@pytest.mark.parametrize(
    ("machine", "jobs"),
    [(512, 256), (1024, 512), (4096, 3584), (16384, 14746), (24576, 22528), (1 << 20, (1 << 20) - 2048)],
)
def test_jobs_never_have_all_the_memory(machine: int, jobs: int) -> None:
    assert job_memory(machine) == jobs
