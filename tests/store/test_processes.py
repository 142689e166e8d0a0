"""Several processes on one database: every write succeeds or is refused with a reason; none is lost."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import select, text

from araneus.model.task import Status
from araneus.store import files, tables, tasks
from araneus.store.database import Connection, Database
from araneus.testing import rows

_PROCESSES = 4
_TURNS = 30

_WORKER = """
import json, sys
from dataclasses import replace
from araneus.model.errors import ConcurrentChange, Refusal
from araneus.model.task import Progress
from araneus.store import files, jobs, projects, tasks
from araneus.store.database import Database
from araneus.testing import rows

database, me, turns = Database.open(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with database.read() as conn:
    project = projects.get(conn, "rfranklin/dna")
saved, won = 0, []
for turn in range(turns):
    while True:
        with database.read() as conn:
            task = tasks.get(conn, "shared")
        try:
            with database.write() as conn:
                count = task.inputs["count"] + 1
                tasks.save(conn, task, replace(task, inputs={"count": count}))
            break
        except ConcurrentChange:
            continue
    saved += 1
    own = rows.job("shared", f"{me}/{turn}")
    with database.write() as conn:
        jobs.upsert(conn, [own])
        jobs.insert_attempts(conn, [rows.attempt(own)])
        tasks.set_progress(conn, "shared", Progress(steps_completed=turn))
    try:
        with database.write() as conn:
            files.insert(conn, rows.file(project, f"file{turn}", id=rows.file_id(me * 10_000 + turn + 1)))
        won.append(turn)
    except Refusal:
        pass
print(json.dumps({"saved": saved, "won": won}))
"""


def test_no_write_is_lost_between_processes(database: Database) -> None:
    with database.write() as conn:
        project = rows.add_project(conn, rows.project())
        tasks.insert(conn, rows.task(project.id, "shared", inputs={"count": 0}, status=Status.RUNNING))
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, database.url, str(number), str(_TURNS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(_PROCESSES)
    ]
    answers = [worker.communicate(timeout=240) for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * _PROCESSES, [error for _, error in answers]
    results = [json.loads(output) for output, _ in answers]
    assert sum(result["saved"] for result in results) == _PROCESSES * _TURNS
    # Every name was won by exactly one process.
    assert sorted(turn for result in results for turn in result["won"]) == list(range(_TURNS))
    with database.read() as conn:
        task = tasks.get(conn, "shared")
        assert task is not None
        assert task.inputs == {"count": _PROCESSES * _TURNS}
        assert task.version == _PROCESSES * _TURNS
        assert files.children_count(conn, project.root_folder) == _TURNS
        assert len(conn.execute(select(tables.attempts.c.id)).all()) == _PROCESSES * _TURNS


_BUSY = """
import sys
from araneus.store import tasks
from araneus.store.database import Database
from araneus.model.task import Progress
database = Database.open(sys.argv[1])
for turn in range(10**9):
    with database.write() as conn:
        tasks.set_progress(conn, "t", Progress(steps_completed=turn))
    if turn == 0:
        print("busy", flush=True)
"""


def test_writer_comes_next_beside_a_process_that_always_writes(sqlite: Database) -> None:
    with sqlite.write() as conn:
        project = rows.add_project(conn, rows.project())
        tasks.insert(conn, rows.task(project.id, "t"))

    def turns(conn: Connection) -> int:
        task = tasks.get(conn, "t")
        assert task is not None
        return task.progress.steps_completed if task.progress else 0

    busy = subprocess.Popen([sys.executable, "-c", _BUSY, sqlite.url], stdout=subprocess.PIPE)
    try:
        assert busy.stdout is not None
        assert busy.stdout.readline() == b"busy\n"
        overtaken = []
        for _ in range(60):
            with sqlite.read() as conn:
                before = turns(conn)
            with sqlite.write() as conn:
                overtaken.append(turns(conn) - before)
    finally:
        busy.kill()
        busy.communicate()
    # The other's current turn, and perhaps one that began before we came to the gate.
    assert sorted(overtaken)[54] <= 3, overtaken


@pytest.mark.parametrize("holding", [0.5])
def test_writer_waits_for_a_writer_in_another_process(sqlite: Database, holding: float) -> None:
    code = (
        "import sys, time\n"
        "from araneus.store.database import Database\n"
        "with Database.open(sys.argv[1]).write():\n"
        "    print('holding', flush=True)\n"
        f"    time.sleep({holding})\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, sqlite.url], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"holding\n"
    with sqlite.read() as conn:
        assert conn.execute(text("SELECT count(*) FROM users")).scalar() == 0
    with sqlite.write() as conn:
        rows.add_project(conn, rows.project())
    holder.communicate()
    assert holder.returncode == 0
