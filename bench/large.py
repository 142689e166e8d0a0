"""Lists and single objects of a large server: ``python -m bench.large [--tasks N] [--files N] [--postgresql]``.

Fills a database with that many tasks and files (kept in ``--keep DIR`` for the next time), starts one API process on it
as `bench.api` does, and prints requests per second, CPU of the server for each, and the median and p99 of the time of a
single request as every client sees it, with ``--connections`` requests in flight. ``--every`` instead asks for each
list with each filter and order that the API offers, the slowest first: none may grow with the tables.
"""

import argparse
import itertools
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import psycopg

from araneus.model.errand import Errand, ErrandKind, new_errand_id
from araneus.model.file import File
from araneus.model.project import Project
from araneus.model.task import Status, Task
from araneus.model.user import Token, token_digest
from araneus.store import apps, errands, files, projects, tasks, tokens, uploads
from araneus.store.database import Connection, Database
from araneus.testing import rows
from araneus.testing.postgres import PrivatePostgres
from bench.api import TOKEN, connect, measure, read_answer

_PIECE = 5_000
_PROJECTS = 20
_FOLDERS = 200
_CHILDREN = 500
_USER = "bench"
_ENDED = (Status.COMPLETED,) * 17 + (Status.FAILED, Status.FAILED, Status.DRAFT)
KNOWN = "000001{:02x}-0000-4000-8000-000000000000"
"""Tasks that the user sees."""
_INPUTS = {"reads": {"class": "File", "path": "f" * 24, "name": "a.fastq", "size": 1024}, "threads": 4}


def fill(database: Database, task_count: int, file_count: int) -> None:
    """Half of everything in the first project, the rest in others; the user is a member of all but the last."""
    chance = random.Random(1)
    made = [rows.project(f"{_USER}/p{number:02}", created_by=_USER) for number in range(_PROJECTS - 1)]
    made.append(rows.project("other/hidden", created_by="other"))
    with database.write() as conn:
        for project in made:
            rows.add_project(conn, project)
            apps.insert(conn, rows.app(project.id, created_by=_USER))
        tokens.insert(conn, Token(digest=token_digest(TOKEN), username=_USER, label="bench", created_on=rows.START))
        for number in range(1000):
            moment = rows.at(number)
            errands.insert(
                conn,
                Errand(id=new_errand_id(moment), username=_USER, kind=ErrandKind.COPY, total=0, started_on=moment),
                [],
            )
            uploads.insert(conn, rows.upload(made[0], f"u{number}"))
    _say("tasks", _pieces(database, _tasks(made, task_count, chance), _insert_tasks))
    _say("files", _pieces(database, _files(made, file_count, chance), files.insert))
    if database.dialect == "postgresql":
        # As the server's autovacuum would: it is off in a private one.
        with psycopg.connect(database.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")


def _tasks(made: list[Project], count: int, chance: random.Random) -> Iterator[Task]:
    parents = count // (2 * _CHILDREN)
    for number in range(count):
        project = made[0] if number % 2 else chance.choice(made)
        moment = rows.at(number * 7)
        status = chance.choice(_ENDED)
        ended = status is not Status.DRAFT
        parent = (
            f"{number % parents:08x}-0000-4000-8000-000000000000" if number >= parents and number % 4 == 1 else None
        )
        yield rows.task(
            made[0].id if parent or number < parents else project.id,
            f"{number:08x}-0000-4000-8000-000000000000",
            name=f"analysis {chance.randrange(10**6)}",
            status=status,
            inputs=_INPUTS,
            created_by=chance.choice((_USER, "other")),
            created_time=moment,
            start_time=moment + timedelta(seconds=3) if ended else None,
            end_time=moment + timedelta(seconds=chance.randrange(4, 9999)) if ended else None,
            batch=number < parents,
            parent=parent,
        )


def _insert_tasks(conn: Connection, *piece: Task) -> None:
    for _, some in itertools.groupby(sorted(piece, key=lambda task: task.project), key=lambda task: task.project):
        tasks.insert(conn, *some)


def _files(made: list[Project], count: int, chance: random.Random) -> Iterator[File]:
    folders = [
        rows.folder(made[0] if number % 2 else chance.choice(made), f"folder-{number:04}") for number in range(_FOLDERS)
    ]
    yield from folders
    for number in range(count - _FOLDERS):
        project = made[0]
        place = replace(folders[0], id=project.root_folder) if number % 20 == 0 else chance.choice(folders)
        yield rows.file(
            replace(project, id=place.project),
            f"sample-{number:07}.bam",
            parent=place.id,
            size=number,
            location=f"blob:{number:064x}",
            metadata={"sample_id": f"s{number % 1000}", "paired_end": str(number % 2)},
            tags=("bam",) if number % 3 else ("old", "bam"),
            origin_task=f"{chance.randrange(1000):08x}-0000-4000-8000-000000000000" if number % 3 == 0 else None,
        )


def _pieces(database: Database, content: Iterator[object], insert: object) -> tuple[int, float]:
    begun, count = time.perf_counter(), 0
    while piece := list(itertools.islice(content, _PIECE)):
        with database.write() as conn:
            insert(conn, *piece)  # type: ignore[operator]
        count += len(piece)
        print(f"\r{count} rows", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return count, time.perf_counter() - begun


def _say(name: str, done: tuple[int, float]) -> None:
    print(f"filled {done[0]} {name} in {done[1]:.0f} s", flush=True)


# ---- what is asked


def hot(first: str) -> list[str]:
    """The paths of the budgets; ``first`` is a folder with many files."""
    return [
        f"/v2/tasks/{KNOWN}?fields=id,status",
        f"/v2/tasks/{KNOWN}",
        "/v2/tasks?limit=100",
        f"/v2/tasks?project={_USER}/p00&limit=100",
        f"/v2/tasks?project={_USER}/p00&limit=100&fields=_all",
        f"/v2/tasks?project={_USER}/p00&limit=100&status=FAILED",
        f"/v2/files?parent={first}&limit=100",
        f"/v2/files?project={_USER}/p00&limit=100",
        f"/v2/files/scroll?parent={first}&limit=100&token=init",
        "/v2/projects?limit=100",
    ]


def every(folder: str) -> Iterator[str]:
    """Every list, with each filter alone and in pairs, in each order, and on a far page."""
    parent = "00000003-0000-4000-8000-000000000000"
    filters = {
        "project": f"{_USER}/p00", "status": "FAILED", "parent": parent, "batch": "true",
        "created_from": "2026-01-05", "created_to": "2026-01-03", "started_from": "2026-01-09T10:00:00",
        "started_to": "2026-01-03", "ended_from": "2026-01-09", "ended_to": "2026-01-03",
    }  # fmt: skip
    chosen = [(), *itertools.combinations(filters, 1), *itertools.combinations(filters, 2)]
    for names in chosen:
        which = "".join(f"&{name}={filters[name]}" for name in names)
        for by in ("created_time", "start_time", "end_time", "name", "created_by") if len(names) < 2 else ("name",):
            for order in ("asc", "desc"):
                yield f"/v2/tasks?limit=100{which}&order_by={by}&order={order}"
    yield "/v2/tasks?limit=100&offset=40000"
    yield f"/v2/tasks?limit=100&offset=40000&project={_USER}/p00"
    pairs = {
        "name": "sample-0000020.bam", "tag": "old", "origin.task": "00000003-0000-4000-8000-000000000000",
        "metadata.sample_id": "s20", "metadata.paired_end": "1",
    }  # fmt: skip
    for names in [(), *itertools.combinations(pairs, 1), *itertools.combinations(pairs, 2)]:
        which = "".join(f"&{name}={pairs[name]}" for name in names)
        for place in (f"project={_USER}/p00", f"parent={folder}"):
            yield f"/v2/files?limit=100&{place}{which}"
            yield f"/v2/files?limit=100&offset=3000&{place}{which}"
            yield f"/v2/files/scroll?limit=100&token=init&{place}{which}"
    for query in ("", "&project_owner=bench", f"&project={_USER}/p00", "&q=echo", f"&id={_USER}/p00/echo"):
        yield f"/v2/apps?limit=100{query}"
    for query in ("", "&name=p0", "&category=PRIVATE", "&tags=x"):
        yield f"/v2/projects?limit=100{query}"
    yield from ("/v2/async/files?limit=100", "/v2/upload/multipart?limit=100", f"/v2/projects/{_USER}/p00/members")


def ask_every(connection: socket.socket, folder: str) -> None:
    """Print how long each list takes: the better of two times, the slowest first."""
    taken = []
    for path in every(folder):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-SBG-Auth-Token: {TOKEN}\r\n\r\n".encode()
        laps = []
        for _ in range(2):
            lap = time.perf_counter()
            connection.sendall(request)
            try:
                read_answer(connection)
            except RuntimeError as problem:
                print(path, str(problem)[:200])
            laps.append(time.perf_counter() - lap)
        taken.append((min(laps), path))
    for seconds, path in sorted(taken, reverse=True):
        print(f"{seconds * 1000:9.1f} ms  {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--postgresql", action="store_true", help="a private PostgreSQL server instead of SQLite")
    parser.add_argument("--keep", type=Path, help="where the filled databases are, or are to stay")
    parser.add_argument("--every", action="store_true", help="each list with each filter and order")
    parser.add_argument("--first", type=int, metavar="N", help="only the first N of the paths that are measured")
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="araneus-large-")))
        directory.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{(directory / 'bench.db').resolve()}"
        if options.postgresql:
            private = PrivatePostgres(options.keep and (directory / "postgresql").resolve())
            stack.callback(private.stop)
            url = private.url()
        folder = _prepared(url, options.tasks, options.files)
        _measure(stack, directory, url, folder, options)


def _prepared(url: str, task_count: int, file_count: int) -> str:
    """Fill the database unless it is full already; a folder with some thousand files."""
    database = Database.open(url)
    try:
        database.migrate()
        with database.read() as conn:
            known = projects.get(conn, f"{_USER}/p00")
        if known is None:
            fill(database, task_count, file_count)
        with database.read() as conn:
            home = projects.get(conn, f"{_USER}/p00")
            assert home is not None
            found = files.page(conn, parent=home.root_folder, offset=0, limit=1)
        return found.items[0].id
    finally:
        database.close()


def _measure(stack: ExitStack, directory: Path, url: str, folder: str, options: argparse.Namespace) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "ARANEUS_BENCH_URL": url}
    command = [sys.executable, "-m", "bench.api", "--serve", str(directory), str(port)]
    server = subprocess.Popen(command, env=environment)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    connections = [stack.enter_context(connect(port)) for _ in range(options.connections)]
    if options.every:
        ask_every(connections[0], folder)
        return
    for path in hot(folder)[: options.first]:
        print(measure(path, connections, psutil.Process(server.pid), options.seconds), flush=True)


if __name__ == "__main__":
    main()
