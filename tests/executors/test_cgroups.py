"""Memory limits without containers, where control groups can be made."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.executors.cgroups import Cgroups
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason, Resources
from araneus.testing.executor_contract import submission, wait
from tests.executors.conftest import now
from tests.executors.test_local import _sleepers, run

HOG = "b = bytearray(200 * 1024 * 1024); print(len(b))"


@pytest.fixture
def groups() -> Iterator[Cgroups]:
    found = Cgroups.detect(f"araneus-test-{os.getpid()}")
    if found is None:
        pytest.skip("control groups for memory cannot be made by this user here")
    yield found
    found._parent.rmdir()


@pytest.fixture(params=["none", "auto"])
def executor(request: pytest.FixtureRequest, groups: Cgroups) -> Iterator[LocalExecutor]:
    containers = Containers(bare=Containers.detect(request.param).bare, groups=groups)
    executor = LocalExecutor(cores=2, memory=2048, containers=containers, clock=now, grace=0.5)
    yield executor
    executor.close()


def test_a_tool_that_takes_too_much_ends(executor: LocalExecutor, jobs: Path) -> None:
    outcome = run(executor, jobs / "a", "python", "-c", HOG, resources=Resources(memory=64)).outcome
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert "ramMin" in outcome.message
    assert run(executor, jobs / "b", "python", "-c", HOG, resources=Resources(memory=500)).outcome.exit_code == 0


def test_nothing_escapes_the_group(executor: LocalExecutor, groups: Cgroups, jobs: Path) -> None:
    script = "trap '' TERM; (env -i setsid sleep 91 </dev/null >/dev/null 2>&1 &); touch started; sleep 91"
    executor.submit(submission(jobs / "a", "sh", "-c", script, time_limit=0.5))
    assert wait(executor, ["a"], 6.0)["a"].outcome.reason is Reason.TIME_LIMIT
    assert _sleepers(jobs / "a") == []
    assert not groups.ran_out("a")


def test_a_name_cannot_leave_the_directory(groups: Cgroups) -> None:
    for name in ("../x", "a/b", "", ".."):
        with pytest.raises(OSError, match="cannot be the name"):
            groups.make(name, 1)


def test_no_groups_where_there_are_none(tmp_path: Path) -> None:
    assert Cgroups.detect(root=tmp_path) is None
