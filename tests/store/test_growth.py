"""No list does more work because there is more in the tables: every filter and order, in databases of two sizes.

What is counted is exact, not a time: the steps of SQLite's virtual machine, and on PostgreSQL, with its statistics, the
rows that the scans of a plan touch. What matches stays the same; all else grows eightfold.
"""

import itertools
import re
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Connection

from araneus.model.task import Status, Task
from araneus.store import apps, errands, files, projects, tasks, trees, uploads
from araneus.store.database import Database
from araneus.testing import rows
from tests.store.test_plans import _statements

P, U = "u0/p0", "u0"
RARE = 40
SMALL, LARGE = 1_000, 8_000
_AT: dict[str, Any] = {"offset": 0, "limit": 25}
FOLDER = "e" * 24
FILTERS: dict[str, dict[str, Any]] = {
    "status": {"status": Status.FAILED},
    "batch": {"batch": True},
    "created_to": {"created_to": rows.at(100)},
    "created_from": {"created_from": rows.at(10**8)},
    "started_to": {"started_to": rows.at(100)},
    "started_from": {"started_from": rows.at(10**8)},
    "ended_to": {"ended_to": rows.at(100)},
    "ended_from": {"ended_from": rows.at(10**8)},
}
FILE_FILTERS: dict[str, dict[str, Any]] = {
    "names": {"names": ["f1", "f2"]},
    "tags": {"tags": ["rare"]},
    "metadata": {"metadata": {"k": ["rare"]}},
    "origin": {"origin_task": "rare"},
}


def _task_questions() -> Iterator[tuple[str, Callable[[Connection], object]]]:
    places: tuple[str | None, ...] = (P, None)
    for place, by, order in itertools.product(places, tasks.ORDERS, ("asc", "desc")):
        given: dict[str, Any] = {"username": U, "project": place, "order_by": by, "order": order, **_AT}
        where = place or "all projects"
        yield f"tasks of {where} by {by} {order}", partial(tasks.page, **given)
        for name, which in FILTERS.items():
            both = given | which
            yield f"tasks of {where}, {name}, by {by} {order}", partial(tasks.page, **both)


def _after(conn: Connection, *, which: trees.Filter) -> object:
    return trees.after(conn, FOLDER, "f", limit=25, which=which)


def _file_questions() -> Iterator[tuple[str, Callable[[Connection], object]]]:
    single = itertools.combinations(FILE_FILTERS, 1)
    for names in itertools.chain(single, itertools.combinations(FILE_FILTERS, 2)):
        which: dict[str, Any] = {key: value for name in names for key, value in FILE_FILTERS[name].items()}
        shown = " and ".join(names)
        yield f"files by {shown}", partial(files.page, parent=FOLDER, **which, **_AT)
        filtered = trees.Filter(**which)
        yield f"scroll by {shown}", partial(_after, which=filtered)
        yield f"count by {shown}", partial(trees.count, parent=FOLDER, which=filtered)
    yield "scroll", lambda conn: trees.after(conn, FOLDER, "g", limit=25)


QUESTIONS: dict[str, Callable[[Connection], object]] = {
    **dict(_task_questions()),
    **dict(_file_questions()),
    "a folder": lambda conn: files.page(conn, parent="d" * 24, **_AT),
    "children of a batch": lambda conn: tasks.page(conn, username=U, parent="rare0", **_AT),
    "children of a batch by name": lambda conn: tasks.page(conn, username=U, parent="rare0", order_by="name", **_AT),
    "projects": lambda conn: projects.page(conn, username=U, **_AT),
    "apps": lambda conn: apps.page(conn, username=U, **_AT),
    "apps of a project": lambda conn: apps.page(conn, username=U, project=P, **_AT),
    "uploads": lambda conn: uploads.page(conn, username=U, **_AT),
    "errands": lambda conn: errands.page(conn, username=U, **_AT),
}


def _fill(database: Database, size: int) -> None:
    """``size`` tasks and files, and as many projects of others; what is rare is always as much."""
    with database.write() as conn:
        home = rows.add_project(conn, rows.project(P, created_by=U))
        rows.add_project(conn, rows.project("u0/p1", created_by=U))
        apps.insert(conn, rows.app(P, created_by=U))
        for number in range(size // 20):
            rows.add_project(conn, rows.project(f"v{number}/p", created_by=f"v{number}"))
            apps.insert(conn, rows.app(f"v{number}/p"))
            uploads.insert(conn, rows.upload(rows.project(f"v{number}/p", created_by=f"v{number}"), f"u{number}"))
        tasks.insert(conn, *(_task(number) for number in range(size)))
        tasks.insert(conn, *(_rare(number) for number in range(RARE)))
        tasks.insert(conn, *(rows.task("u0/p1", f"other{number}") for number in range(RARE)))
        children = [rows.task(P, f"child{number}", parent="rare0", name=f"c{number}") for number in range(RARE)]
        tasks.insert(conn, *children)
        files.insert(conn, rows.folder(home, "large", id=FOLDER), rows.folder(home, "small", id="d" * 24))
        files.insert(conn, *(rows.file(home, f"f{n}", parent=FOLDER, metadata={"k": f"v{n}"}) for n in range(size)))
        rare: dict[str, Any] = {"metadata": {"k": "rare"}, "tags": ("rare",), "origin_task": "rare"}
        for parent in (FOLDER, "d" * 24):
            files.insert(conn, *(rows.file(home, f"g{n}", parent=parent, **rare) for n in range(RARE)))
    if database.dialect == "postgresql":
        with database.write() as conn:
            conn.exec_driver_sql("ANALYZE")


def _task(number: int) -> Task:
    moment = rows.at(1000 + number * 10)
    return rows.task(
        P, f"t{number}", name=f"n{number * 7919 % 10_007}", status=Status.COMPLETED, created_time=moment,
        start_time=None if number % 5 == 0 else moment, end_time=None if number % 5 == 0 else moment,
        created_by=f"c{number % 3}",
    )  # fmt: skip


def _rare(number: int) -> Task:
    moment = rows.at(number if number % 2 else 10**8 + number)
    return rows.task(
        P, f"rare{number}", status=Status.FAILED, batch=True, created_time=moment, start_time=moment, end_time=moment
    )


def _steps(conn: Connection, question: Callable[[Connection], object]) -> int:
    """Steps of the virtual machine, in tens."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    driver: Any = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(count, 10)
    question(conn)
    driver.set_progress_handler(None, 0)
    return taken


def _touched(conn: Connection, question: Callable[[Connection], object]) -> int:
    """Rows that scans give or throw away."""
    with _statements(conn) as seen:
        question(conn)
    total = 0
    # Tables of this size are read whole when a filter is thought to match a fiftieth; large ones are not.
    ways = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")
    for way in ways:
        conn.exec_driver_sql(f"SET {way} = off")
    for statement, parameters in list(seen):
        total += sum(sum(_of_scans(plan)) for plan in _plans(conn, statement, parameters))
    for way in ways:
        conn.exec_driver_sql(f"RESET {way}")
    return total


def _plans(conn: Connection, statement: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """How it is run, for these parameters and for any: a statement that comes again and again is planned once."""
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        names.append(found[1])
        return f"${len(names)}"

    driver: Any = conn.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    text = re.sub(r"%\((\w+)\)s", numbered, statement).replace("%%", "%")
    driver.execute(f"PREPARE asked AS {text}".encode())
    values = sql.SQL(", ").join(sql.Literal(parameters[name]) for name in names)
    run = sql.SQL("EXECUTE asked({})").format(values) if names else sql.SQL("EXECUTE asked")
    for mode in ("force_custom_plan", "force_generic_plan"):
        driver.execute(f"SET plan_cache_mode = {mode}".encode())
        told: Any = driver.execute(sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ") + run).fetchone()
        yield told[0][0]["Plan"]
    driver.execute("RESET plan_cache_mode")
    driver.execute("DEALLOCATE asked")


def _of_scans(node: dict[str, Any]) -> Iterator[int]:
    if "Scan" in node["Node Type"] and "Subquery" not in node["Node Type"]:
        thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        yield int((node["Actual Rows"] + thrown) * node["Actual Loops"])
    for inner in node.get("Plans", ()):
        yield from _of_scans(inner)


@pytest.fixture(scope="module")
def two_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Database]]:
    made = []
    for size in (SMALL, LARGE):
        database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('growth')}/x.db")
        database.migrate()
        _fill(database, size)
        made.append(database)
    yield made
    for database in made:
        database.close()


@pytest.fixture(scope="module")
def two_postgresql(request: pytest.FixtureRequest) -> Iterator[list[Database]]:
    server, made = request.getfixturevalue("server"), []
    for size in (SMALL, LARGE):
        database = Database.open(server.create_database())
        database.migrate()
        _fill(database, size)
        made.append(database)
    yield made
    for database in made:
        database.close()


def _costs(made: list[Database], cost: Callable[..., int], question: Callable[[Connection], object]) -> list[int]:
    found = []
    for database in made:
        with database.read() as conn:
            question(conn)  # so that statements are prepared and pages are read
            found.append(cost(conn, question))
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_sqlite_does_no_more_work(two_sqlite: list[Database], question: str) -> None:
    small, large = _costs(two_sqlite, _steps, QUESTIONS[question])
    assert large <= 2 * small + 100, (small, large)


@pytest.mark.postgres
@pytest.mark.parametrize("question", QUESTIONS)
def test_postgresql_reads_no_more_rows(two_postgresql: list[Database], question: str) -> None:
    small, large = _costs(two_postgresql, _touched, QUESTIONS[question])
    assert large <= 2 * small + 500, (small, large)
