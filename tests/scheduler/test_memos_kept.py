"""What becomes of remembered results: files that are deleted, ages, lost bytes, crashes, restarts."""

import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from araneus.cwl.javascript import JavaScript
from araneus.model.file import Location
from araneus.model.job import log_ids
from araneus.model.task import Status
from araneus.scheduler.apps import Apps
from araneus.scheduler.housekeeping import Housekeeping, Premises
from araneus.scheduler.run import Means, Run
from araneus.storage.shelves import Shelves
from araneus.store import files, memos
from tests.scheduler.house import PROJECT, House, now
from tests.scheduler.memoized import MEMO, counted, only_job, ran, runs, set_project, was_reused, why


def sweep(house: House, later: timedelta = timedelta(0)) -> None:
    premises = Premises(storage=house.directory / "blobs", uploads=house.directory / "up", jobs=house.jobs_directory)
    shelves = Shelves(premises.storage, grace=0.0)
    Housekeeping(house.database, premises, clock=lambda: now() + later, shelves=shelves, share=1.0).sweep()


def remove(house: House, value: Mapping[str, Any]) -> Location | None:
    with house.database.write() as connection:
        return files.delete(connection, value["path"])


def test_deleting_the_files_of_one_task_does_no_harm_to_another(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path)), house.upload("a.txt", b"made")
    first = ran(house, app, {"f": given})
    remove(house, first.outputs["out"])
    remove(house, given)
    sweep(house)
    second = ran(house, app, {"f": house.upload("a.txt", b"made")})
    assert was_reused(house, second)
    third = ran(house, app, {"f": house.upload("a.txt", b"made", house.folder("x"))})
    remove(house, second.outputs["out"])
    sweep(house)
    assert house.content(third.outputs["out"]) == b"made"
    assert runs(tmp_path) == 1


def test_what_was_not_used_for_as_long_as_the_project_says_is_gone(house: House, tmp_path: Path) -> None:
    set_project(house, intermediate_files={"retention": "LIMITED", "duration": 2})
    app, given = house.install(counted(tmp_path)), house.upload("a.txt", b"1")
    first = ran(house, app, {"f": given})
    age(house, hours=1.9)
    assert was_reused(house, ran(house, app, {"f": given}))
    age(house, hours=2.1)
    again = ran(house, app, {"f": given})
    assert why(house, again) == (f"the result of task {first.id} is older than the 2 hours that this project keeps",)
    sweep(house, timedelta(hours=3))
    with house.database.read() as connection:
        assert memos.page(connection, PROJECT, offset=0, limit=10).total == 0


def age(house: House, hours: float) -> None:
    """Make every memo look as if it had been used so long ago."""
    with house.database.write() as connection:
        found = memos.page(connection, PROJECT, offset=0, limit=100).items
        memos.use(connection, [memo.id for memo in found], now() - timedelta(hours=hours))


def test_a_result_whose_bytes_are_gone_is_made_again(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path, line="echo made > out.txt")), house.upload("a.txt", b"1")
    first = ran(house, app, {"f": given})
    location = house.file(first.outputs["out"]["path"]).location
    assert location is not None
    blob = house.storage.path(location)
    for emptied in (False, True):
        blob.chmod(0o644)
        if emptied:
            os.truncate(blob, 0)
        else:
            blob.unlink()
        again = ran(house, app, {"f": given})
        assert "cannot be put back" in why(house, again)[0]
        blob.unlink(missing_ok=True)
        house.storage.adopt(made(tmp_path))
    assert runs(tmp_path) == 3


def made(directory: Path) -> Path:
    path = directory / "made"
    path.write_bytes(b"made\n")
    path.chmod(0o644)
    return path


def test_an_invalid_result_is_not_used_again(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path)), house.upload("a.txt", b"1")
    first = ran(house, app, {"f": given})
    reuse = only_job(house, first).reuse
    assert reuse is not None
    assert reuse.memo is not None
    with house.database.write() as connection:
        assert memos.invalidate(connection, reuse.memo, "rosalind", now())
        assert not memos.invalidate(connection, reuse.memo, "rosalind", now())
    again = ran(house, app, {"f": given})
    assert why(house, again) == (f"the result of task {first.id} was made invalid by rosalind",)
    assert was_reused(house, ran(house, app, {"f": given}))


def test_files_that_the_app_wanted_kept_are_there_again(house: House, tmp_path: Path) -> None:
    hints = [{"class": "sbg:SaveLogs", "value": "*.report"}]
    line = "cat $(inputs.f.path) > out.txt; echo said > my.report"
    app, given = house.install(counted(tmp_path, line=line, hints=hints)), house.upload("a.txt", b"1")
    ran(house, app, {"f": given})
    again = ran(house, app, {"f": given})
    assert was_reused(house, again)
    (attempt,) = house.attempts(again.id)
    assert attempt.outcome is not None
    log = house.file(log_ids(attempt.id, attempt.outcome.logs)["my.report"])
    assert log.location is not None
    assert b"".join(house.storage.read(log.location)) == b"said\n"


def test_logs_that_are_gone_take_no_others_with_them(house: House, tmp_path: Path) -> None:
    """What was seen while the job ran, and removed by it later, has a number and no copy."""
    line = f"""echo x > a.log; echo y > b.log; while [ ! -e {tmp_path}/gate ]; do sleep 0.02; done; rm a.log
        echo > out.txt"""
    hints = {"sbg:SaveLogs": {"value": "*.log"}}
    app = house.install(counted(tmp_path, line) | {"hints": hints, "$namespaces": {"sbg": "https://sevenbridges.com"}})
    given = house.upload("a.txt", b"a")
    with house.scheduling():
        task = house.queue(app, {"f": given}, **MEMO)
        deadline = time.monotonic() + 20
        while not any(len(attempt.saved) == 2 for attempt in house.attempts(task)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (tmp_path / "gate").touch()
        house.wait(task)
    again = ran(house, app, {"f": given})
    assert was_reused(house, again)
    (attempt,) = house.attempts(again.id)
    assert house.content({"path": log_ids(attempt.id, attempt.saved)["b.log"]}) == b"y\n"
    assert "a.log" not in log_ids(attempt.id, attempt.saved)


def test_a_crash_between_a_hit_and_its_writing_leaves_nothing(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path)), house.upload("a.txt", b"1")
    ran(house, app, {"f": given})
    task = house.queue(app, {"f": given}, **MEMO)
    with JavaScript(workers=1, time_limit=2.0) as javascript:
        means = Means(
            database=house.database, storage=house.storage, javascript=javascript, load=Apps().load,
            jobs=house.jobs_directory, executor="local", clock=now,
        )  # fmt: skip
        facts = Run(house.task(task), means).turn([], 0)
    assert facts.memories is not None
    assert facts.memories.used
    # What the lane found out is lost with the process.
    with house.scheduling():
        assert house.wait(task).status is Status.COMPLETED
    assert was_reused(house, house.task(task))
    assert len(list(house.jobs_directory.glob("*-*"))) == 3
    sweep(house)
    assert len(list(house.jobs_directory.glob("*-*"))) == 2
    assert house.content(house.task(task).outputs["out"]) == b"1"


def test_a_job_that_ran_through_a_restart_is_remembered(house: House, tmp_path: Path) -> None:
    app = house.install(counted(tmp_path, line="sleep 1; cat $(inputs.f.path) > out.txt"))
    given = house.upload("a.txt", b"1")
    with house.scheduling():
        task = house.queue(app, {"f": given}, **MEMO)
        house.wait_for(task, frozenset({Status.RUNNING}))
        while not runs(tmp_path):
            time.sleep(0.01)
    with house.scheduling():
        assert house.wait(task).status is Status.COMPLETED
    assert why(house, house.task(task)) == ("no earlier result of this job is kept in this project",)
    assert was_reused(house, ran(house, app, {"f": given}))
    assert runs(tmp_path) == 1
