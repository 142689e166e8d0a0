"""No row ever points at missing bytes, and no bytes stay for ever: processes that come and go, and are killed."""

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from araneus.api.places import drop_orphans
from araneus.api.services import ApiSettings, Services
from araneus.model.task import Status
from araneus.scheduler.facts import Completed, NewNode
from araneus.scheduler.housekeeping import Housekeeping, Premises
from araneus.scheduler.record import Entry, record
from araneus.storage.shelves import Shelves
from araneus.store import files
from tests.scheduler.contender import GRACE
from tests.scheduler.house import House, now, small, tool

LATER = 2 * 3600.0


def keeper(house: House, *, later: float = 0.0, grace: float = 3600.0) -> Housekeeping:
    """Housekeeping to whom it is ``later`` seconds than it is."""
    premises = Premises(
        storage=house.directory / "blobs", uploads=house.directory / "uploads", jobs=house.jobs_directory
    )
    shelves = Shelves(premises.storage, grace, clock=lambda: time.time() + later)
    return Housekeeping(house.database, premises, shelves=shelves, share=0.9)


def locations_on_disk(house: House) -> set[str]:
    return {location for batch in Shelves(house.directory / "blobs").batches() for location in batch}


def locations_in_rows(house: House) -> set[str]:
    return {file.location for file in house.listed().values() if file.location is not None}


def missing(house: House) -> set[str]:
    """Locations that a row names and storage does not have, at one instant."""
    with house.database.write() as connection:
        rows = files.page(connection, parent=house.root, offset=0, limit=10_000).items
        named = {row.location for row in rows if row.location is not None}
        return named - locations_on_disk(house)


def start(house: House, seed: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.scheduler.contender", house.database.url, os.fspath(house.directory)]
    process = subprocess.Popen([*command, house.root, str(seed)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_bytes_and_rows_under_contention_and_crashes(any_house: House) -> None:
    """Four processes share four contents and are killed in the middle, while a sweep follows the other."""
    house, chance = any_house, random.Random(7)
    sweeper = keeper(house, grace=GRACE)
    running = [start(house, seed) for seed in range(3)]
    most = 0
    try:
        for seed in range(10, 14):
            until = time.monotonic() + 1.6 + chance.random() * 0.4
            while time.monotonic() < until:
                sweeper.sweep()
                assert missing(house) == set()
                most = max(most, len(house.listed()))
            dying = running.pop(0)
            dying.kill()
            dying.wait(10)
            assert dying.stdout is not None
            dying.stdout.close()
            running.append(start(house, seed))
    finally:
        for process in running:
            process.kill()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()
    assert missing(house) == set()
    assert most > 0
    time.sleep(GRACE + 0.1)
    keeper(house, grace=GRACE).sweep()
    assert locations_on_disk(house) == locations_in_rows(house)
    assert list((house.directory / "blobs" / "incoming").iterdir()) == []


def test_the_sweep_leaves_what_is_young_or_named(house: House) -> None:
    house.upload("named", b"named")
    orphan = commit(house, b"orphan")
    assert keeper(house).sweep().blobs == 0
    assert keeper(house, later=LATER).sweep().blobs == 1
    assert locations_on_disk(house) == locations_in_rows(house)
    assert orphan not in locations_on_disk(house)


def commit(house: House, content: bytes) -> str:
    writer = house.storage.writer()
    writer.write(content)
    return writer.commit().location


@pytest.mark.parametrize("how", ["written", "adopted", "adopted again"])
def test_taking_bytes_in_again_makes_them_young(house: House, tmp_path: Path, how: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"again")
    location = house.storage.adopt(file)[0].location if how == "adopted again" else commit(house, b"again")
    before = house.storage.path(location).stat().st_ctime
    time.sleep(0.05)
    if how == "written":
        commit(house, b"again")
    else:
        house.storage.adopt(file)
    since = house.storage.path(location).stat().st_ctime - before
    assert since >= 0.04
    at_the_edge = Shelves(house.directory / "blobs", LATER, clock=lambda: before + LATER + since / 2)
    assert at_the_edge.take_off(location) is None
    assert Shelves(house.directory / "blobs", LATER, clock=lambda: before + LATER + since).take_off(location)


def test_modification_times_stay_those_of_the_tool(house: House, tmp_path: Path) -> None:
    file = tmp_path / "index.bai"
    file.write_bytes(b"index")
    os.utime(file, (1000, 1000))
    location = house.storage.adopt(file)[0].location
    assert house.storage.path(location).stat().st_mtime == 1000
    assert not Shelves(house.directory / "blobs").is_old(location)


def test_another_database_sweeps_nothing(house: House, tmp_path: Path) -> None:
    house.upload("named", b"named")
    keeper(house).sweep()
    other = House.build(tmp_path / "other")
    shutil.copytree(house.directory / "blobs", other.directory / "blobs", dirs_exist_ok=True)
    assert keeper(other, later=LATER).sweep().blobs == 0
    assert locations_on_disk(other) == locations_in_rows(house)
    (other.directory / "blobs" / "database").unlink()
    assert keeper(other, later=LATER).sweep().blobs == 1
    other.close()


# ---- files that are deleted while a task uses them


def delete(house: House, identity: str) -> str | None:
    """As the API does it, hours after the file came."""
    services = Services(
        database=house.database, storage=house.storage, clock=now, settings=ApiSettings(uploads=house.directory / "u")
    )
    with house.database.write() as connection:
        orphan = files.delete(connection, identity)
    drop_orphans(services, [orphan])
    return orphan


WAITING = tool(
    'until [ -e "$(inputs.sign)" ]; do sleep 0.02; done; wc -c < $(inputs.text.path); echo done',
    inputs={"text": "File", "sign": "string"},
    outputs={"out": "stdout"},
    stdout="out.txt",
    requirements=[small()],
)


def test_a_running_task_holds_files_that_are_deleted(any_house: House, tmp_path: Path) -> None:
    house, sign = any_house, tmp_path / "sign"
    text = house.upload("text", b"twelve bytes")
    location = house.file(text["path"]).location
    assert location is not None
    app = house.install(WAITING)
    with house.scheduling():
        task = house.queue(app, {"text": text, "sign": os.fspath(sign)})
        house.wait_for(task, frozenset({Status.RUNNING}))
        wait_until_started(house, task)
        assert delete(house, text["path"]) is None
        keeper(house, later=LATER).sweep()
        assert location in locations_on_disk(house)
        sign.touch()
        done = house.wait(task)
    assert done.status is Status.COMPLETED, done.errors
    assert house.content(done.outputs["out"]).split() == [b"12", b"done"]
    assert keeper(house, later=LATER).sweep().blobs == 1
    assert locations_on_disk(house) == locations_in_rows(house)


def wait_until_started(house: House, task: str) -> None:
    deadline = time.monotonic() + 20
    while not any((Path(attempt.directory) / "pid").exists() for attempt in house.attempts(task)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_task_whose_file_is_gone_before_it_is_claimed_says_so(house: House) -> None:
    text = house.upload("text", b"x")
    task = house.queue(house.install(WAITING), {"text": text, "sign": "/none"})
    delete(house, text["path"])
    with house.scheduling():
        done = house.wait(task)
    assert done.status is Status.FAILED
    assert "'text'" in done.errors[0]["message"]
    assert "deleted" in done.errors[0]["message"]


def test_a_file_deleted_before_a_restart_fails_the_task_clearly(house: House, tmp_path: Path) -> None:
    text = house.upload("text", b"x")
    app = house.install(WAITING)
    with house.scheduling():
        task = house.queue(app, {"text": text, "sign": os.fspath(tmp_path / "sign")})
        wait_until_started(house, task)
    delete(house, text["path"])
    with house.scheduling():
        done = house.wait(task)
    assert done.status is Status.FAILED
    assert "deleted" in done.errors[0]["message"]
    assert keeper(house, later=LATER).sweep().blobs == 1


def test_outputs_planned_long_ago_are_looked_for_again(house: House) -> None:
    """After a plan of hours or a sleep of the machine, a row is written only for bytes that are there."""
    app = house.install(tool("true"))
    task = house.queue(app)
    location = commit(house, b"output")
    shelves = Shelves(house.directory / "blobs", 0.0)
    for age, taken_off, fails in ((0.0, False, False), (1200.0, False, False), (1200.0, True, True)):
        node = NewNode(id=f"{int(age):024x}", name=f"out{age}", location=location, size=6)
        planned_on = now() if not age else now().replace(year=now().year - 1)
        done = Completed(outputs={}, nodes=(node,), planned_on=planned_on)
        entry = Entry(task=task, project=house.task(task).project, root=house.root, verdict=done)
        if taken_off:
            assert shelves.take_off(location) is not None
        try:
            with house.database.write() as connection:
                record(connection, [entry], now(), house.storage)
                raise Undo
        except FileNotFoundError:
            assert fails
        except Undo:
            assert not fails


class Undo(Exception):
    """Rolls back."""
