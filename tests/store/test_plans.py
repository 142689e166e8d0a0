"""No list walks through a whole table: what the planners of both databases say about every query that is asked."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from araneus.model.division import Role
from araneus.model.errand import EntryState
from araneus.model.ids import AppId, ProjectId
from araneus.model.task import Status
from araneus.store import (
    apps,
    charges,
    divisions,
    errands,
    files,
    jobs,
    members,
    projects,
    tasks,
    tokens,
    trees,
    uploads,
    users,
)
from araneus.store.database import Database
from araneus.testing import rows

P, F, U = "u0/p0", "f" * 24, "u0"
_WINDOW: dict[str, Any] = {"offset": 0, "limit": 25}

QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "token": lambda conn: users.by_token(conn, "d", rows.START),
    "email": lambda conn: users.by_email(conn, "a@b"),
    "billing group": lambda conn: users.in_billing_group(conn, "g"),
    "tokens": lambda conn: tokens.list_for(conn, U),
    "project": lambda conn: projects.get_for(conn, P, U),
    "projects": lambda conn: projects.page(
        conn, username=U, owner=U, name="x", category="y", tags=["a", "b"], **_WINDOW
    ),
    "project names": lambda conn: projects.taken_names(conn, U, "p"),
    "members": lambda conn: members.page(conn, P, **_WINDOW),
    "shared project": lambda conn: members.share_project(conn, U, "u1"),
    "file": lambda conn: files.get(conn, F),
    "files by id": lambda conn: files.get_many(conn, [F, "0" * 24]),
    "folder": lambda conn: files.page(conn, parent=F, **_WINDOW),
    "folder, names": lambda conn: files.page(conn, parent=F, names=["a", "b"], **_WINDOW),
    "folder, metadata": lambda conn: files.page(conn, parent=F, metadata={"k": ["v", "w"], "l": ["x"]}, **_WINDOW),
    "folder, tags": lambda conn: files.page(conn, parent=F, tags=["t"], **_WINDOW),
    "folder, origin": lambda conn: files.page(conn, parent=F, origin_task="t", **_WINDOW),
    "file by name": lambda conn: files.in_folder(conn, F, "name"),
    "children": lambda conn: files.children_count(conn, F),
    "location": lambda conn: files.blobs_referenced(conn, "blob:x"),
    "locations": lambda conn: files.referenced(conn, ["blob:x", "blob:y"]),
    "shown jobs": lambda conn: jobs.shown_for_task(conn, "t"),
    "fates": lambda conn: jobs.fates(conn, ["a", "b"]),
    "active apps": tasks.apps_active,
    "app": lambda conn: apps.get(conn, P, "echo"),
    "app revision": lambda conn: apps.get(conn, P, "echo", 1),
    "app revisions": lambda conn: apps.revisions(conn, P, "echo"),
    "apps": lambda conn: apps.page(conn, username=U, terms=["x", "y"], **_WINDOW),
    "apps of a project": lambda conn: apps.page(conn, username=U, project=P, with_raw=True, **_WINDOW),
    "apps of an owner": lambda conn: apps.page(conn, username=U, owner=U, **_WINDOW),
    "apps by id": lambda conn: apps.page(conn, username=U, ids=[AppId(ProjectId("u0", "p0"), "echo")], **_WINDOW),
    "task": lambda conn: tasks.get_for(conn, "t", U),
    "tasks by id": lambda conn: tasks.get_many_for(conn, ["t", "u"], U),
    "tasks": lambda conn: tasks.page(conn, username=U, **_WINDOW),
    "tasks of a project": lambda conn: tasks.page(conn, username=U, project=P, **_WINDOW),
    "tasks by status": lambda conn: tasks.page(conn, username=U, project=P, status=Status.DRAFT, **_WINDOW),
    "children of a batch": lambda conn: tasks.page(conn, username=U, parent="t0", **_WINDOW),
    "batches": lambda conn: tasks.page(conn, username=U, project=P, batch=True, **_WINDOW),
    "tasks by date": lambda conn: tasks.page(
        conn, username=U, created_from=rows.at(0), created_to=rows.at(9), ended_to=rows.at(9), **_WINDOW
    ),
    "tasks by name": lambda conn: tasks.page(conn, username=U, order_by="name", **_WINDOW),
    "tasks by start": lambda conn: tasks.page(conn, username=U, project=P, order_by="start_time", **_WINDOW),
    "tasks, far page": lambda conn: tasks.page(conn, username=U, project=P, offset=20, limit=2),
    "active tasks": tasks.active,
    "active ids": tasks.ids_active,
    "events": lambda conn: tasks.events(conn, "t"),
    "status counts": lambda conn: tasks.status_counts(conn, "t"),
    "jobs": lambda conn: jobs.for_task(conn, "t"),
    "attempts": lambda conn: jobs.attempts_for(conn, "t"),
    "open attempts": jobs.open_attempts,
    "uploads": lambda conn: uploads.page(conn, username=U, **_WINDOW),
    "uploads of a project": lambda conn: uploads.in_project(conn, P),
    "parts": lambda conn: uploads.parts(conn, "u"),
    "projects of a group": lambda conn: projects.in_billing_group(conn, "g"),
    "sizes": lambda conn: trees.sizes(conn, [P]),
    "bills": lambda conn: charges.page(conn, "g", first=rows.START, behind=rows.START, **_WINDOW),
    "costs": lambda conn: charges.costs(conn, ["t", "u"], ["t"]),
    "costs by project": lambda conn: charges.by_project(conn, "g"),
    "uses": lambda conn: charges.uses(conn, ["t", "u"]),
    "uses of children": lambda conn: charges.uses_of_children(conn, "t0"),
    "tasks without a bill": lambda conn: charges.unsettled(conn, 50),
    "division of a user": lambda conn: divisions.of_user(conn, U),
    "users of a division": lambda conn: divisions.members(conn, "d", role=Role.ADMIN, **_WINDOW),
    "teams": lambda conn: divisions.teams(conn, "d", of=U, **_WINDOW),
    "members of a team": lambda conn: divisions.team_members(conn, "t", **_WINDOW),
    "errand": lambda conn: errands.get(conn, "1"),
    "errands": lambda conn: errands.page(conn, username=U, **_WINDOW),
    "open errands": errands.any_open,
    "entries": lambda conn: errands.entries_in(conn, "1", EntryState.READY, last_first=True, limit=5),
    "last entry": lambda conn: errands.last_number(conn, "1"),
    "result of an errand": lambda conn: errands.result(conn, "1"),
    "scroll": lambda conn: trees.after(conn, F, "name", limit=5),
    "scroll, filtered": lambda conn: trees.after(
        conn, F, "name", which=trees.Filter(names=["a"], tags=["t"], origin_task="t"), limit=5
    ),
}


@contextmanager
def _statements(conn: Connection) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        seen.append((statement, parameters))

    event.listen(conn, "before_cursor_execute", note)
    yield seen
    event.remove(conn, "before_cursor_execute", note)


def _plans(conn: Connection, question: Callable[[Connection], object], explain: str) -> list[str]:
    with _statements(conn) as seen:
        question(conn)
    plans = []
    for statement, parameters in list(seen):
        found = conn.exec_driver_sql(f"{explain} {statement}", parameters)
        plans.append("\n".join(str(row[-1]) for row in found))
    assert plans
    return plans


def _fill(database: Database) -> None:
    """Enough rows for a scan to look expensive."""
    with database.write() as conn:
        for number in range(40):
            users.insert(conn, rows.user(f"u{number}"))
            project = rows.add_project(conn, rows.project(f"u{number}/p{number}", tags=("a", "b")))
            files.insert(
                conn,
                *(
                    rows.file(project, f"f{index}", metadata={"k": "v", "l": f"{index}"}, tags=("t",), origin_task="t")
                    for index in range(60)
                ),
            )
            apps.insert(conn, rows.app(project.id, raw={"class": "X", "number": number}))
            made = [
                rows.task(project.id, f"t{number}" if index == 0 else f"t{number}-{index}", status=Status.COMPLETED)
                for index in range(80)
            ]
            tasks.insert(conn, *made)
            done = [rows.job(task.id, "a") for task in made]
            jobs.upsert(conn, done)
            jobs.insert_attempts(conn, [rows.attempt(job, ended_on=rows.START) for job in done])


@pytest.mark.parametrize("question", QUESTIONS)
def test_sqlite_uses_an_index(filled_sqlite: Database, question: str) -> None:
    with filled_sqlite.read() as conn:
        for plan in _plans(conn, QUESTIONS[question], "EXPLAIN QUERY PLAN"):
            # A scan of a subquery goes over rows that were searched for; one of a partial index has only what is asked.
            scans = [line for line in plan.splitlines() if line.startswith("SCAN")]
            partial = "(tasks|attempts|errands) USING (COVERING )?INDEX (tasks_active|attempts_open|errands_open)"
            harmless = re.compile(rf"SCAN (\(subquery|anon|CONSTANT|{partial})")
            assert [line for line in scans if not harmless.match(line)] == [], plan


@pytest.mark.postgres
@pytest.mark.parametrize("question", QUESTIONS)
def test_postgresql_uses_an_index(filled_postgresql: Database, question: str) -> None:
    with filled_postgresql.read() as conn:
        conn.exec_driver_sql("SET enable_seqscan = off")
        try:
            plans = _plans(conn, QUESTIONS[question], "EXPLAIN")
        finally:
            conn.exec_driver_sql("RESET enable_seqscan")
    for plan in plans:
        # With sequential scans discouraged, one that is left is one that no index could replace.
        assert "Seq Scan" not in plan, plan


@pytest.fixture(scope="module")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with some thousand rows."""
    database = Database.open(f"sqlite:///{tmp_path_factory.mktemp('plans')}/x.db")
    database.migrate()
    _fill(database)
    yield database
    database.close()


@pytest.fixture(scope="module")
def filled_postgresql(request: pytest.FixtureRequest) -> Iterator[Database]:
    """The same on PostgreSQL, with statistics."""
    server = request.getfixturevalue("server")
    url = server.create_database()
    database = Database.open(url)
    database.migrate()
    _fill(database)
    with database.write() as conn:
        conn.execute(text("ANALYZE"))
    yield database
    database.close()
    server.drop_database(url)
