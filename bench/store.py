"""What the store costs: rows written per second, microseconds of the hot read, list pages at size.

    python -m bench.store [--tasks 100000] [--files 1000000] [--postgresql]

Prints one line per figure: name, median, p95 and unit. The floor is a bare commit of one row through `sqlite3` with the
same durability, measured in the same run.
"""

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from araneus.model.job import JobStatus, Outcome, Reason
from araneus.model.project import Project
from araneus.model.task import Status
from araneus.store import files, jobs, projects, tasks
from araneus.store.database import Database
from araneus.testing import rows
from araneus.testing.postgres import PrivatePostgres

_PIECE = 10_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Benchmark of the store")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument(
        "--postgresql", action="store_true", help="measure a private PostgreSQL server instead of SQLite"
    )
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if not wanted.postgresql:
            _floor(Path(directory) / "floor.db")
        with _database(Path(directory), postgresql=wanted.postgresql) as database:
            project = _filled(database, wanted.tasks, wanted.files)
            _writes(database, project)
            _reads(database, project, wanted.tasks)


@contextmanager
def _database(directory: Path, *, postgresql: bool) -> Iterator[Database]:
    server = PrivatePostgres() if postgresql else None
    database = Database.open(server.create_database() if server else f"sqlite:///{directory}/bench.db")
    try:
        before = time.perf_counter()
        database.migrate()
        _say("first migration", [time.perf_counter() - before], "ms", 1e3)
        yield database
    finally:
        database.close()
        if server:
            server.stop()


def _filled(database: Database, task_count: int, file_count: int) -> Project:
    with database.write() as conn:
        project = rows.add_project(conn, rows.project())
        for number in range(9):
            rows.add_project(conn, rows.project(f"rfranklin/p{number}"))
    inputs = {"reads": {"class": "File", "path": "f" * 24, "name": "a.fastq", "size": 1024}, "threads": 4}
    before = time.perf_counter()
    for first in range(0, task_count, _PIECE):
        numbers = range(first, min(first + _PIECE, task_count))
        made = [
            rows.task(project.id, f"t{number}", status=Status.COMPLETED, inputs=inputs, created_time=rows.at(number))
            for number in numbers
        ]
        with database.write() as conn:
            tasks.insert(conn, *made)
    _rate("insert tasks", task_count, before)
    before = time.perf_counter()
    for first in range(0, file_count, _PIECE):
        numbers = range(first, min(first + _PIECE, file_count))
        made_files = [
            rows.file(project, f"sample_{number:07d}.bam", metadata={"sample_id": f"{number}"}) for number in numbers
        ]
        with database.write() as conn:
            files.insert(conn, *made_files)
    _rate("insert files with one metadata pair", file_count, before)
    return project


def _writes(database: Database, project: Project) -> None:
    with database.write() as conn:
        task = rows.add_task(conn, rows.task(project.id, "running"))
    made = [rows.job("running", f"scatter/{number}") for number in range(_PIECE)]
    attempts = [rows.attempt(job) for job in made]
    before = time.perf_counter()
    with database.write() as conn:
        jobs.upsert(conn, made)
        jobs.insert_attempts(conn, attempts)
    _rate("insert jobs and attempts, one transaction", 2 * _PIECE, before)
    succeeded = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
    done = [
        replace(
            job, status=JobStatus.COMPLETED, outputs={"out": {"class": "File", "location": "blob:x"}}, outcome=succeeded
        )
        for job in made
    ]
    before = time.perf_counter()
    with database.write() as conn:
        jobs.upsert(conn, done)
        jobs.end_attempts(conn, [(attempt.id, succeeded, rows.at(1)) for attempt in attempts])
    _rate("finish jobs and attempts, one transaction", 2 * _PIECE, before)
    before = time.perf_counter()
    with database.read() as conn:
        jobs.for_task(conn, "running")
    _rate("read jobs", _PIECE, before)
    current = [task]

    def save() -> None:
        with database.write() as conn:
            current[0] = tasks.save(conn, current[0], replace(current[0], description=str(time.perf_counter())))

    _time("commit of one task", save, 200, "ms", 1e3)


def _reads(database: Database, project: Project, task_count: int) -> None:
    asked = iter(range(10**9))

    def one_task() -> None:
        with database.read() as conn:
            assert tasks.get_for(conn, f"t{next(asked) * 7919 % task_count}", "rfranklin") is not None

    def permissions() -> None:
        with database.read() as conn:
            projects.permissions(conn, project.id, "rfranklin")

    def listing(**filters: object) -> Callable[[], None]:
        def ask() -> None:
            with database.read() as conn:
                tasks.page(conn, username="rfranklin", limit=100, **{"offset": 0, **filters})  # type: ignore[arg-type]

        return ask

    def folder(**filters: object) -> Callable[[], None]:
        def ask() -> None:
            with database.read() as conn:
                files.page(conn, parent=project.root_folder, limit=100, **{"offset": 0, **filters})  # type: ignore[arg-type]

        return ask

    _time("get_for, one task", one_task, 5000, "µs", 1e6)
    _time("permissions", permissions, 5000, "µs", 1e6)
    _time(f"100 of {task_count} tasks", listing(), 200, "ms", 1e3)
    _time("the same in one project", listing(project=project.id), 200, "ms", 1e3)
    _time("the same, in the middle", listing(project=project.id, offset=task_count // 2), 50, "ms", 1e3)
    _time("the same by status", listing(project=project.id, status=Status.COMPLETED), 50, "ms", 1e3)
    _time("the same by name", listing(project=project.id, order_by="name"), 20, "ms", 1e3)
    _time("100 files of the folder", folder(), 20, "ms", 1e3)
    _time("files by metadata", folder(metadata={"sample_id": ["77"]}), 200, "ms", 1e3)
    _time("files by name", folder(names=["sample_0000077.bam"]), 200, "ms", 1e3)


def _floor(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT)")

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (x) VALUES ('x')")
        connection.execute("COMMIT")

    _time("floor: bare commit of one row", commit, 200, "ms", 1e3)
    connection.close()


def _time(name: str, act: Callable[[], None], times: int, unit: str, scale: float) -> None:
    act()
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        act()
        taken.append(time.perf_counter() - before)
    _say(name, taken, unit, scale)


def _say(name: str, taken: list[float], unit: str, scale: float) -> None:
    tail = sorted(taken)[int(len(taken) * 0.95) if len(taken) > 1 else 0]
    print(f"{name:<45} {statistics.median(taken) * scale:10.2f} {tail * scale:10.2f} {unit}", flush=True)


def _rate(name: str, count: int, before: float) -> None:
    print(f"{name:<45} {count / (time.perf_counter() - before):10.0f}            rows/s", flush=True)


if __name__ == "__main__":
    main()
