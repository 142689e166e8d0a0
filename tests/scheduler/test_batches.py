"""Parents of batches follow their children."""

from pathlib import Path

import pytest

from araneus.model.ids import new_uuid
from araneus.model.task import Status, Task, step
from araneus.scheduler.batches import parent_status
from araneus.scheduler.loop import Options
from araneus.store import tasks
from tests.scheduler.house import OWNER, PROJECT, House, now, small, tool

S = Status


@pytest.mark.parametrize(
    ("own", "children", "status"),
    [
        (S.CREATING, {}, S.CREATING),
        (S.QUEUED, {S.QUEUED: 3}, S.QUEUED),
        (S.QUEUED, {S.QUEUED: 2, S.RUNNING: 1}, S.RUNNING),
        (S.RUNNING, {S.QUEUED: 2, S.COMPLETED: 1}, S.RUNNING),
        (S.RUNNING, {S.COMPLETED: 3}, S.COMPLETED),
        (S.RUNNING, {S.COMPLETED: 2, S.FAILED: 1}, S.FAILED),
        (S.RUNNING, {S.COMPLETED: 2, S.ABORTED: 1}, S.FAILED),
        (S.ABORTING, {S.COMPLETED: 2, S.RUNNING: 1}, S.ABORTING),
        (S.ABORTING, {S.COMPLETED: 2, S.ABORTED: 1}, S.ABORTED),
    ],
)
def test_where_a_parent_belongs(own: Status, children: dict[Status, int], status: Status) -> None:
    assert parent_status(own, children) is status


def batch(house: House, app: str, inputs: list[dict[str, object]]) -> tuple[str, list[str]]:
    parent = Task(
        id=new_uuid(), project=PROJECT, app=app, name="batch", created_by=OWNER, created_time=now(), batch=True
    )
    with house.database.write() as connection:
        tasks.insert(connection, parent)
        tasks.save(connection, parent, *step(parent, Status.QUEUED, now=now(), actor=OWNER))
    return parent.id, house.queue_many(app, list(inputs), parent=parent.id)


def test_a_batch_completes_with_its_children(house: House) -> None:
    app = house.install(tool("exit $(inputs.n)", inputs={"n": "int"}, requirements=[small()]))
    with house.scheduling():
        good, children = batch(house, app, [{"n": 0}] * 5)
        bad, _ = batch(house, app, [{"n": 0}, {"n": 1}, {"n": 0}])
        done, failed = house.wait(good), house.wait(bad)
    assert done.status is Status.COMPLETED
    assert failed.status is Status.FAILED
    assert all(house.task(child).status is Status.COMPLETED for child in children)
    assert done.progress is not None
    assert failed.progress is not None
    assert (done.progress.steps_completed, done.progress.steps_total) == (5, 5)
    assert failed.progress.message == "3 of 3 tasks finished, 1 failed or aborted"
    assert house.jobs(good) == []


def test_a_batch_runs_as_soon_as_one_of_its_children_does(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    app = house.install(tool(f"while [ ! -e {gate} ]; do sleep 0.05; done", requirements=[small()]))
    with house.scheduling(options=Options(poll=60.0)):
        parent, _ = batch(house, app, [{}] * 3)
        running = house.wait_for(parent, frozenset({Status.RUNNING}))
        gate.touch()
        assert house.wait(parent).status is Status.COMPLETED
    assert running.progress is not None
    assert running.progress.message == "0 of 3 tasks finished"


def test_aborting_a_batch_aborts_its_children(house: House) -> None:
    app = house.install(tool("sleep 60"))
    with house.scheduling():
        parent, children = batch(house, app, [{}] * 6)
        house.wait_for(children[0], frozenset({Status.RUNNING}))
        house.abort(parent)
        assert house.wait(parent).status is Status.ABORTED
    assert all(house.task(child).status is Status.ABORTED for child in children)
