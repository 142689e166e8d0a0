"""Jobs on the instances that their app or task names: packed first fit, never more instances than the task may have."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.executors.base import Fit, Submission
from araneus.model.instance import Instance, InstanceTypes, most_parallel, named_type
from araneus.model.job import Attempt, Job, Resources
from araneus.model.task import Status, Task
from araneus.scheduler.admission import choose
from araneus.scheduler.facts import Prepared
from araneus.scheduler.fleets import Fleets
from araneus.scheduler.loop import Options
from tests.scheduler.house import House, now, small, tool

TYPES = InstanceTypes(sizes={"big": (8, 8192), "small": (2, 1024)}, default="small")


def waiting(number: int, task: str, cores: float, memory: int, instance: Instance | None) -> Prepared:
    size = Resources(cores=cores, memory=memory)
    attempt = Attempt(
        id=str(number), task=task, key=str(number), number=1, executor="e", directory="/d", resources=size,
        created_on=now(),
    )  # fmt: skip
    sent = Submission(attempt=str(number), directory=Path("/d"), command=(), work="/w", temporary="/t")
    job = Job(task=task, key=str(number), name="j", created_on=now())
    return Prepared(job=job, attempt=attempt, submission=sent, since=0.0, instance=instance)


KINDS = st.sampled_from(["big", "small"])
JOBS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([0.5, 1, 2, 3]), st.integers(1, 1500), KINDS), max_size=30
)


@given(JOBS, st.integers(1, 3), st.data())
def test_no_instance_holds_more_than_it_has_and_nobody_has_too_many(
    asked: list[tuple[str, float, int, str]], parallel: int, data: st.DataObject
) -> None:
    fleets = Fleets()
    jobs = [
        waiting(number, task, cores, memory, TYPES.of(kind, parallel, Resources()))
        for number, (task, cores, memory, kind) in enumerate(asked)
    ]
    queue, running = list(jobs), list[Prepared]()
    for _ in range(3 * len(jobs)):
        choice = choose(queue, lambda _: Fit.NOW, now=0, patience=60, seats=fleets)
        assert all(not one.instance.holds(one.resources) for one in choice.never if one.instance)
        queue = [one for one in queue if one not in choice.now and one not in choice.never]
        running += choice.now
        check(running, parallel)
        if not running:
            break
        over = running.pop(data.draw(st.integers(0, len(running) - 1)))
        fleets.give_back(over.attempt.id)
    assert not queue


def check(running: list[Prepared], parallel: int) -> None:
    """What runs of one task fits into so many instances, whichever job is on which."""
    totals: dict[tuple[str, str], float] = defaultdict(float)
    for one in running:
        assert one.instance is not None
        totals[one.job.task, one.instance.type] += one.resources.cores
    for (_, kind), cores in totals.items():
        assert cores <= parallel * TYPES.sizes[kind][0] + 1e-9


def test_a_task_that_is_full_holds_up_nobody_else() -> None:
    fleets, instance = Fleets(), TYPES.of("small", 1, Resources())
    jobs = [waiting(number, "a", 2, 10, instance) for number in range(1000)]
    other = waiting(1000, "b", 2, 10, instance)
    choice = choose([*jobs, other], lambda _: Fit.NOW, now=1e6, patience=60, seats=fleets)
    assert choice.now == (jobs[0], other)


@pytest.mark.parametrize(
    ("settings", "hints", "expected"),
    [
        ({}, {}, ""),
        ({"instance_type": "c4.2xlarge;ebs-gp2;2000"}, {"sbg:AWSInstanceType": {"value": "x"}}, "c4.2xlarge"),
        ({"instance_type": "AUTO"}, {"sbg:AWSInstanceType": {"value": "x"}}, ""),
        ({}, {"sbg:AWSInstanceType": {"value": "c5.xlarge;ebs-gp2;100"}}, "c5.xlarge"),
        ({}, {"sbg:GoogleInstanceType": {"value": "n1-standard-4"}}, "n1-standard-4"),
        ({}, {"sbg:AWSInstanceType": {"value": ["odd"]}}, ""),
        ({}, {"sbg:AWSInstanceType": {"value": "a\0b"}, "sbg:AzureInstanceType": {"value": "x\ud800"}}, ""),
    ],
)
def test_which_type_is_named(settings: dict[str, Any], hints: dict[str, Any], expected: str) -> None:
    assert named_type(settings, hints) == expected


@pytest.mark.parametrize(
    ("settings", "value", "expected"),
    [
        ({}, None, None),
        ({}, "3", 3),
        ({}, 2, 2),
        ({"max_parallel_instances": 4}, 2, 4),
        ({}, "many", None),
        ({}, 0, None),
    ],
)
def test_how_many_a_task_may_have(settings: dict[str, Any], value: Any, expected: int | None) -> None:
    assert most_parallel(settings, {"sbg:maxNumberOfParallelInstances": {"value": value}}) == expected


def test_a_type_that_nobody_knows_is_large_enough() -> None:
    assert TYPES.of("quantum", None, Resources(cores=99)) is None
    found = TYPES.of("quantum", 2, Resources(cores=99, memory=10))
    assert found is not None
    assert found.holds(Resources(cores=99, memory=10))


def scattered(cores: float, **hints: Any) -> dict[str, Any]:
    """Four jobs that each take a while."""
    return {
        "class": "Workflow", "cwlVersion": "v1.2", "requirements": [{"class": "ScatterFeatureRequirement"}],
        "hints": [{"class": f"sbg:{name}", "value": value} for name, value in hints.items()],
        "inputs": {"n": "int[]"}, "outputs": {},
        "steps": {"s": {"run": tool("sleep 1", inputs={"n": "int"}, requirements=[small(cores=cores)]),
                        "in": {"n": "n"}, "scatter": "n", "out": []}},
    }  # fmt: skip


def ran(house: House, document: dict[str, Any], **settings: Any) -> tuple[Task, int]:
    """The task, and how many of its jobs ran at the same time at most."""
    app = house.install(document)
    with house.scheduling(options=Options(poll=0.5, instances=TYPES)):
        ended = house.wait(house.queue(app, {"n": [1, 2, 3, 4]}, execution_settings=settings))
    changes = [(job.started_on, 1) for job in house.jobs(ended.id)] + [
        (job.ended_on, -1) for job in house.jobs(ended.id)
    ]
    level = most = 0
    for _, change in sorted((at, change) for at, change in changes if at is not None):
        level += change
        most = max(most, level)
    return ended, most


def test_jobs_share_the_instances_of_their_task(house: House) -> None:
    hint = {"AWSInstanceType": "small;ebs-gp2;100"}
    assert ran(house, scattered(1))[1] == 4
    assert ran(house, scattered(1, **hint))[1] == 2
    assert ran(house, scattered(1), instance_type="small", max_parallel_instances=2)[1] == 4
    assert ran(house, scattered(1, **hint, maxNumberOfParallelInstances="1"), instance_type="big")[1] == 4
    assert ran(house, scattered(2), max_parallel_instances=1)[1] == 1


def test_a_job_that_can_never_fit_its_instance_fails_at_once_and_says_so(house: House) -> None:
    ended, _ = ran(house, scattered(3, AWSInstanceType="small"))
    assert ended.status is Status.FAILED
    message = ended.errors[0]["message"]
    assert "it asks for 3 cores and 10 MiB of memory, its instance type small has 2 cores and 1024 MiB" in message
