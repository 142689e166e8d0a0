"""A task that waits for room is QUEUED: before its first job, and between jobs; back and forth."""

import time
from typing import Any

from araneus.model.task import Progress, Status, Task
from araneus.scheduler.loop import Options
from tests.scheduler.house import House, small, tool

OPTIONS = Options(poll=0.2, patience=0.2, queue_after=0.3)
WHOLE = {"class": "ResourceRequirement", "coresMin": 1, "ramMin": 10}
AGAIN = [Status.QUEUED, Status.RUNNING]


def sleeper(seconds: float) -> dict[str, Any]:
    return tool(f"sleep {seconds}", requirements=[WHOLE])


def passed(house: House, task: Task) -> list[Status | None]:
    return [event.after for event in house.events(task.id)]


def shown(task: Task) -> Progress:
    assert task.progress is not None
    return task.progress


def test_a_task_without_room_is_queued_until_it_has_some(house: House) -> None:
    first, second = house.install(sleeper(2), "first"), house.install(sleeper(0.1), "second")
    with house.scheduling(house.executor(cores=1), OPTIONS):
        running = house.queue(first)
        house.wait_for(running, frozenset({Status.RUNNING}))
        waiting = house.queue(second)
        house.wait_for(waiting, frozenset({Status.RUNNING}))
        house.wait_for(waiting, frozenset({Status.QUEUED}))
        assert house.task(running).status is Status.RUNNING
        done = house.wait(waiting)
        assert passed(house, house.wait(running)) == [*AGAIN, Status.COMPLETED]
    assert passed(house, done) == [*AGAIN, *AGAIN, Status.COMPLETED]
    assert shown(done).queued_duration > 500
    assert shown(done).execution_duration <= shown(done).running_duration


def test_between_two_jobs(house: House) -> None:
    """The second job wants the whole machine, which a task that came after the first job still uses."""
    made = {"o": {"type": "File", "outputBinding": {"glob": "o"}}}
    one = tool("sleep 1; echo 1 > o", outputs=made, requirements=[small()])
    two = tool("sleep 0.1", inputs={"x": "File"}, requirements=[WHOLE])
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": {},
        "outputs": {},
        "steps": {
            "one": {"run": one, "in": {}, "out": ["o"]},
            "two": {"run": two, "in": {"x": "one/o"}, "out": []},
        },
    }
    flow = house.install(document, "flow")
    busy = house.install(tool("sleep 3", requirements=[small(0.5)]), "busy")
    with house.scheduling(house.executor(cores=1), OPTIONS):
        task, other = house.queue(flow), house.queue(busy)
        done = house.wait(task)
        house.wait(other)
    assert passed(house, done) == [*AGAIN, *AGAIN, Status.COMPLETED]
    assert shown(done).queued_duration > 500
    assert 1000 <= shown(done).execution_duration <= shown(done).running_duration


def test_what_was_queued_again_goes_on_after_a_restart_and_can_be_aborted(house: House) -> None:
    first, second = house.install(sleeper(5), "first"), house.install(sleeper(0.1), "second")
    with house.scheduling(house.executor(cores=1), OPTIONS):
        running = house.queue(first)
        house.wait_for(running, frozenset({Status.RUNNING}))
        one, two = house.queue_many(second, [{}, {}])
        while not all(passed(house, house.task(task)) == [*AGAIN, Status.QUEUED] for task in (one, two)):
            assert house.task(running).status is Status.RUNNING
            time.sleep(0.02)
    house.abort(two)
    with house.scheduling(house.executor(cores=1), OPTIONS):
        assert house.wait(one).status is Status.COMPLETED
        assert house.wait(two).status is Status.ABORTED
        assert house.wait(running).status is Status.COMPLETED
