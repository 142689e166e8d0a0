"""What a sweep removes from job directories and uploads, and what it leaves."""

import fcntl
import os
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from araneus.executors import jobdir
from araneus.model.ids import new_upload_id, new_uuid
from araneus.model.job import log_ids
from araneus.model.task import Status
from araneus.model.upload import Upload
from araneus.scheduler.housekeeping import Housekeeping, Premises, Swept, is_over
from araneus.store import projects, uploads
from araneus.store.jobs import Fate
from tests.scheduler.house import OWNER, PROJECT, House, now, small, tool

KEPT = timedelta(hours=24)


def keeper(
    house: House, *, after: timedelta = timedelta(0), delay: float = 5.0, interval: float = 60.0
) -> Housekeeping:
    premises = Premises(
        storage=house.directory / "blobs", uploads=house.directory / "uploads", jobs=house.jobs_directory
    )
    return Housekeeping(house.database, premises, clock=lambda: now() + after, delay=delay, interval=interval)


def ended_task(house: House) -> tuple[str, Path]:
    """A task that ended a moment ago, and the directory of its job."""
    app = house.install(tool("echo hello; mkdir -p deep/er; echo x > deep/er/file", requirements=[small()]))
    with house.scheduling():
        task = house.queue(app)
        assert house.wait(task).status is Status.COMPLETED
    return task, Path(house.attempts(task)[0].directory)


def test_working_directories_leave_after_the_hours_of_the_project(any_house: House) -> None:
    house = any_house
    task, directory = ended_task(house)
    assert keeper(house, after=KEPT - timedelta(minutes=1)).sweep() == Swept()
    assert (directory / "work" / "deep" / "er" / "file").exists()
    assert keeper(house, after=KEPT + timedelta(seconds=1)).sweep() == Swept(working=1)
    assert not any((directory / name).exists() for name in ("work", "tmp", "inputs"))
    for name, identity in log_ids(house.attempts(task)[0].id).items():
        assert (directory / name).exists(), name
        location = house.file(identity).location
        assert location is not None
        house.storage.size(location)
    assert (directory / jobdir.STDOUT).read_text() == "hello\n"
    assert keeper(house, after=KEPT * 30).sweep() == Swept()


def change_settings(house: House, **kept: object) -> None:
    with house.database.write() as connection:
        project = projects.get(connection, PROJECT)
        assert project is not None
        projects.save(connection, replace(project, settings={**project.settings, "intermediate_files": kept}))


def test_other_hours_and_unlimited_retention(house: House) -> None:
    _, directory = ended_task(house)
    change_settings(house, retention="UNLIMITED", duration=1)
    assert keeper(house, after=KEPT * 1000).sweep() == Swept()
    change_settings(house, retention="LIMITED", duration=2)
    assert keeper(house, after=timedelta(hours=1.9)).sweep() == Swept()
    assert keeper(house, after=timedelta(hours=2)).sweep() == Swept(working=1)
    assert not (directory / "work").exists()


def test_running_tasks_keep_everything(house: House, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    app = house.install(tool(f"echo x > kept; until [ -e {sign} ]; do sleep 0.02; done; cat kept"))
    with house.scheduling():
        task = house.queue(app)
        house.wait_for(task, frozenset({Status.RUNNING}))
        deadline = time.monotonic() + 20
        while not any(house.jobs_directory.glob(f"*/{jobdir.WORK}/kept")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert keeper(house, after=KEPT * 1000).sweep() == Swept()
        sign.touch()
        assert house.wait(task).status is Status.COMPLETED


def test_a_directory_whose_task_is_gone_leaves_when_its_process_has_left(house: House) -> None:
    gone, beside = house.jobs_directory / new_uuid(), house.jobs_directory / "not-an-attempt"
    for directory in (gone, beside):
        (directory / "work" / "x").mkdir(parents=True)
    lock = jobdir.claim(gone)
    assert lock is not None
    assert keeper(house).sweep() == Swept()
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)
    assert keeper(house).sweep() == Swept(jobs=1)
    assert not gone.exists()
    assert beside.exists()


def test_parts_of_uploads_that_are_no_more(house: House) -> None:
    known, gone = new_upload_id(), new_upload_id()
    for name in (known, gone):
        (house.directory / "uploads" / name).mkdir(parents=True)
        (house.directory / "uploads" / name / "part-1-abc").write_bytes(b"part")
    upload = Upload(
        id=known, project=PROJECT, parent=house.root, name="u", size=4, part_size=4, overwrite=False,
        created_by=OWNER, initiated=now(),
    )  # fmt: skip
    with house.database.write() as connection:
        uploads.insert(connection, upload)
    assert keeper(house).sweep() == Swept(uploads=1)
    assert (house.directory / "uploads" / known / "part-1-abc").exists()
    assert not (house.directory / "uploads" / gone).exists()


def test_it_sweeps_in_the_background_again_and_again_and_ends_soon(house: House) -> None:
    with keeper(house, delay=0.0, interval=0.05):
        for _ in range(3):
            directory = house.jobs_directory / new_uuid()
            # Made elsewhere: the sweep might come between the two directories.
            made = house.jobs_directory.parent / directory.name
            (made / "work").mkdir(parents=True)
            made.rename(directory)
            deadline = time.monotonic() + 10
            while directory.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
    directory = house.jobs_directory / new_uuid()
    directory.mkdir()
    time.sleep(0.2)
    assert directory.exists()
    began = time.monotonic()
    with keeper(house):
        pass
    assert time.monotonic() - began < 2


AT = datetime.fromisoformat("2026-03-04T05:06:07+00:00")


@pytest.mark.parametrize(
    ("status", "hours", "settings", "over"),
    [
        (Status.COMPLETED, 24, {"intermediate_files": {"retention": "LIMITED", "duration": 24}}, True),
        (Status.FAILED, 23.9, {"intermediate_files": {"retention": "LIMITED", "duration": 24}}, False),
        (Status.ABORTED, 24, {}, True),
        (Status.COMPLETED, 24, {"intermediate_files": None}, True),
        (Status.COMPLETED, 10_000, {"intermediate_files": {"retention": "UNLIMITED", "duration": 24}}, False),
        (Status.RUNNING, 10_000, {}, False),
        (Status.ABORTING, 10_000, {}, False),
    ],
)
def test_when_intermediate_files_have_been_kept_long_enough(
    status: Status, hours: float, settings: dict[str, object], over: bool
) -> None:
    assert is_over(Fate(status, AT, settings), AT + timedelta(hours=hours)) is over
    assert not is_over(Fate(status, None, settings), AT + timedelta(hours=hours))
