"""What is tried again, where, and with how much; and what never is."""

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from araneus.executors.base import Submission
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Attempt, JobStatus, Outcome, Reason, Resources
from araneus.model.task import TERMINAL, Status
from araneus.scheduler.loop import Options
from araneus.scheduler.retries import MAX_ATTEMPTS, Retries
from araneus.testing.fakes import FakeExecutor, FakeMachine
from tests.scheduler.house import House, now, small, tool

QUICK = Options(poll=0.5)


def interrupting(seconds: float) -> LocalExecutor:
    containers = Containers.detect("none")
    return LocalExecutor(
        cores=4, memory=4096, containers=containers, clock=now, grace=0.2, interrupt_after=seconds
    )  # fmt: skip


def once_slow(directory: Path) -> str:
    """A line that takes long at first, and no time once it was begun before."""
    return f"test -e {directory}/begun && exit 0; touch {directory}/begun; sleep 60"


def test_an_interrupted_job_is_tried_again_where_nobody_interrupts_it(house: House, tmp_path: Path) -> None:
    app = house.install(tool(f"echo x >> {tmp_path}/begun; test `wc -l < {tmp_path}/begun` = 1 && sleep 60; sleep 1.5"))
    with house.scheduling(interrupting(1.0)):
        ended = house.wait(house.queue(app, use_interruptible_instances=True))
    assert ended.status is Status.COMPLETED, ended.errors
    reasons = [attempt.outcome.reason for attempt in house.attempts(ended.id) if attempt.outcome]
    assert reasons == [Reason.INTERRUPTED, Reason.SUCCEEDED]
    (job,) = house.jobs(ended.id)
    assert job.status is JobStatus.COMPLETED


def test_a_task_that_may_not_be_interrupted_is_not(house: House) -> None:
    app = house.install(tool("sleep 1"))
    with house.scheduling(interrupting(0.2)):
        ended = house.wait(house.queue(app, use_interruptible_instances=False))
    assert [attempt.number for attempt in house.attempts(ended.id)] == [1]
    assert ended.status is Status.COMPLETED


def test_a_restart_remembers_the_interruption(house: House, tmp_path: Path) -> None:
    """The second attempt waits for room while the scheduler goes; the next one must not have it interrupted."""
    app = house.install(tool(once_slow(tmp_path), requirements=[small(cores=4)]))
    first = interrupting(0.5)
    with house.scheduling(first):
        task = house.queue(app, use_interruptible_instances=True)
        while not any(attempt.outcome for attempt in house.attempts(task)):
            house.wait_for(task, frozenset({Status.RUNNING, Status.QUEUED, Status.COMPLETED}))
    with house.scheduling(interrupting(0.0)):
        assert house.wait(task).status is Status.COMPLETED


def test_the_failure_of_a_tool_is_never_tried_again(house: House) -> None:
    app = house.install(tool("exit 7"))
    with house.scheduling(options=Options(poll=0.5, memory_growth=2.0)):
        ended = house.wait(house.queue(app, use_interruptible_instances=True))
    assert ended.status is Status.FAILED
    assert [attempt.number for attempt in house.attempts(ended.id)] == [1]


def test_temporary_exit_codes_are_tried_again_as_often_as_the_settings_say(house: House, tmp_path: Path) -> None:
    count = f"echo x >> {tmp_path}/$(inputs.n); test `wc -l < {tmp_path}/$(inputs.n)` = $(inputs.wins)"
    document = tool(f"{count} || exit 75", inputs={"n": "string", "wins": "int"}) | {"temporaryFailCodes": [75, 76]}
    app = house.install(document)
    permanent = house.install(document | {"permanentFailCodes": [75]})
    with house.scheduling(options=Options(poll=0.5, temporary_tries=2)):
        wins = house.wait(house.queue(app, {"n": "wins", "wins": 2}))
        loses = house.wait(house.queue(app, {"n": "loses", "wins": 3}))
        never = house.wait(house.queue(permanent, {"n": "never", "wins": 2}))
    with house.scheduling(options=Options(poll=0.5, temporary_tries=1)):
        once = house.wait(house.queue(app, {"n": "once", "wins": 2}))
    assert [task.status for task in (wins, loses, never, once)] == [Status.COMPLETED, *[Status.FAILED] * 3]
    assert [len(house.attempts(task.id)) for task in (wins, loses, never, once)] == [2, 2, 1, 1]
    assert "exit code 75" in str(loses.errors)


def test_a_restart_counts_temporary_failures(house: House, tmp_path: Path) -> None:
    """The second attempt begins under another scheduler, and is the last one all the same."""
    document = tool(f"echo x >> {tmp_path}/tries; exit 75", requirements=[small(cores=4)]) | {
        "temporaryFailCodes": [75]
    }
    app = house.install(document)
    task = house.queue(app)
    while not any(attempt.outcome for attempt in house.attempts(task)):
        with house.scheduling(options=Options(poll=0.5, temporary_tries=2)):
            house.wait_for(task, frozenset({Status.RUNNING, *TERMINAL}))
    with house.scheduling(options=Options(poll=0.5, temporary_tries=2)):
        assert house.wait(task).status is Status.FAILED
    assert len((tmp_path / "tries").read_text().splitlines()) == 2


def hungry(machine: FakeMachine, needs: int) -> FakeMachine:
    """A machine whose tool runs out of memory unless it gets what it needs."""

    def run(submission: Submission) -> int | None:
        if submission.resources.memory >= needs:
            return 0
        message = "It used more than its limit."
        machine.submissions[submission.attempt] = submission
        machine.finish(submission.attempt, Outcome(reason=Reason.OUT_OF_MEMORY, exit_code=137, message=message))
        return None

    machine.programs = {"hungry": run}
    return machine


def hunger(house: House, needs: int, growth: float, memory: int = 4096) -> tuple[Status, list[int], str]:
    document = {
        "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "hungry", "inputs": {}, "outputs": {},
        "requirements": [small(memory=1000)],
    }  # fmt: skip
    machine = hungry(FakeMachine(programs={}, clock=now), needs)
    app = house.install(document)
    with house.scheduling(FakeExecutor(machine, memory=memory), Options(poll=0.5, memory_growth=growth)):
        ended = house.wait(house.queue(app))
    sizes = [attempt.resources.memory for attempt in house.attempts(ended.id)]
    return ended.status, sizes, str(ended.errors)


def test_out_of_memory_is_tried_again_with_more_when_the_settings_say_so(house: House) -> None:
    assert hunger(house, 1900, 2.0)[:2] == (Status.COMPLETED, [1000, 2000])
    status, sizes, message = hunger(house, 1900, 1.0)
    assert (status, sizes) == (Status.FAILED, [1000])
    assert "ran out of memory" in message
    assert hunger(house, 9000, 1.5)[:2] == (Status.FAILED, [1000, 1500, 2250])


def test_more_memory_than_there_is_is_still_out_of_memory(house: House) -> None:
    status, sizes, message = hunger(house, 3000, 4.0, memory=2048)
    assert (status, sizes) == (Status.FAILED, [1000, 4000])
    assert "ran out of memory" in message
    assert "would need 4000 MiB, which this machine has not" in message


AGAIN = {Reason.LOST, Reason.REFUSED, Reason.INTERRUPTED, Reason.OUT_OF_MEMORY}
OTHERS = [reason for reason in Reason if reason not in AGAIN]


@given(st.lists(st.sampled_from(Reason), max_size=6), st.floats(1, 4), st.booleans())
def test_attempts_are_bounded_and_failures_final(reasons: list[Reason], growth: float, interruptible: bool) -> None:
    retries = Retries(interruptible=interruptible, memory_growth=growth)
    asked = Resources(memory=1000, memory_max=1500)
    for number, reason in enumerate(reasons, 1):
        resources = retries.resources("a", asked)
        attempt = Attempt(
            id="x",
            task="t",
            key="a",
            number=number,
            executor="e",
            directory="/d",
            resources=resources,
            created_on=now(),
        )
        again = retries.note(attempt, Outcome(reason=reason))
        assert not (again and (reason in OTHERS or number >= MAX_ATTEMPTS))
        if reason is Reason.OUT_OF_MEMORY and growth > 1:
            assert retries.resources("a", asked).memory == math.ceil(resources.memory * growth)
        if not again:
            break
    assert retries.resources("b", asked) == asked
    assert retries.may_be_interrupted("b") is interruptible
    if Reason.INTERRUPTED in reasons[:1]:
        assert not retries.may_be_interrupted("a")
