"""Faults of the server and its surroundings: one task fails with a clear message, everything else goes on."""

from pathlib import Path

from araneus.model.errors import Fault, Refusal
from araneus.model.job import Job, JobStatus
from araneus.model.task import Status
from araneus.scheduler.facts import Failed
from araneus.scheduler.record import Entry, Written, record
from araneus.scheduler.writer import Trouble, Writer
from araneus.storage.base import Blob
from araneus.storage.posix import PosixStorage
from tests.scheduler.house import House, now, tool

OUT = {"out": {"type": "File", "outputBinding": {"glob": "out"}}}


class FailingStorage(PosixStorage):
    """Takes nothing in as long as ``problem`` is there."""

    problem: Exception | None = None

    def adopt(self, *paths: Path) -> list[Blob]:
        if self.problem is not None:
            raise self.problem
        return super().adopt(*paths)


def failing(house: House, problem: Exception) -> FailingStorage:
    house.storage = storage = FailingStorage(house.directory / "blobs", house.jobs_directory)
    storage.problem = problem
    return storage


def test_a_full_disk_fails_the_task_and_nothing_is_lost(house: House) -> None:
    storage = failing(house, Refusal(Fault.STORAGE_FULL, "full"))
    app = house.install(tool("echo x > out", outputs=OUT))
    with house.scheduling():
        task = house.wait(house.queue(app))
        storage.problem = OSError(28, "No space left on device")
        other = house.wait(house.queue(app))
        storage.problem = None
        assert house.wait(house.queue(app)).status is Status.COMPLETED
    for failed in (task, other):
        assert failed.status is Status.FAILED
        assert failed.progress is not None
        assert (
            failed.progress.message
            == "The task failed: no space is left on the disk. Free some and run the task again."
        )
        (attempt,) = house.attempts(failed.id)
        assert (Path(attempt.directory) / "work" / "out").read_text() == "x\n"


def test_an_unexpected_exception_fails_one_task_only(house: House) -> None:
    storage = failing(house, RuntimeError("something\nodd"))
    app = house.install(tool("echo x > out", outputs=OUT))
    with house.scheduling():
        task = house.wait(house.queue(app))
        storage.problem = None
        assert house.wait(house.queue(app)).status is Status.COMPLETED
    assert task.status is Status.FAILED
    assert task.progress is not None
    assert task.progress.message == "Internal error (see the server's log): RuntimeError: something"


def test_an_entry_that_cannot_be_written_harms_no_other(house: House) -> None:
    app = house.install(tool("true"))
    good, bad = house.queue_many(app, [{}, {}])
    entries = [
        Entry(task=bad, project="x", root="x", claim=True, verdict=Failed(message="bad \ud800 text")),
        Entry(task=good, project="x", root="x", claim=True),
    ]
    results = Writer(house.database, now).write(entries)
    assert isinstance(results[0], Trouble)
    assert not isinstance(results[1], Trouble)
    assert house.task(good).status is Status.RUNNING
    assert house.task(bad).status is Status.QUEUED


def test_an_aborting_task_takes_no_other_verdict(house: House) -> None:
    task = house.queue(house.install(tool("true")))
    house.abort(task)
    with house.database.write() as connection:
        entry = Entry(task=task, project="x", root="x", verdict=Failed(message="late"))
        (written,) = record(connection, [entry], now())
    assert written.status is Status.ABORTING
    assert house.task(task).status is Status.ABORTING


def test_a_task_that_is_gone_is_answered_with_none(house: House) -> None:
    with house.database.write() as connection:
        (written,) = record(connection, [Entry(task="gone", project="x", root="x", claim=True)], now())
    assert written.status is None


def test_jobs_of_a_task_that_is_gone_are_no_trouble(house: House) -> None:
    job = Job(task="gone", key="sort", name="sort", status=JobStatus.RUNNING, created_on=now())
    (written,) = Writer(house.database, now).write([Entry(task="gone", project="x", root="x", jobs=(job,))])
    assert written == Written("gone", None)
