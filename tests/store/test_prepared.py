"""Prepared queries give what SQLAlchemy gives, good and bad, and are seen by whoever listens to statements."""

from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, event, select
from sqlalchemy.exc import DBAPIError, StatementError

from araneus.model.errors import Fault, Refusal
from araneus.model.task import Progress, Status
from araneus.store import tables, tasks
from araneus.store.database import Database
from araneus.store.prepared import Prepared, PreparedIn
from araneus.testing import rows
from araneus.testing.postgres import PrivatePostgres

P = "rfranklin/dna"
_tasks = tables.tasks
_OF_PROJECT = (
    select(_tasks, tables.members.c.permissions)
    .join(tables.members, tables.members.c.project == _tasks.c.project)
    .where(_tasks.c.project == bindparam("project"), _tasks.c.created_time >= bindparam("since"))
    .where(_tasks.c.project != "a fixed text with 100 % and ? and :colon and $1")
    .order_by(_tasks.c.id.desc())
    .limit(bindparam("most"))
)


@pytest.fixture
def conn(database: Database) -> Any:
    """A connection to a database with three tasks."""
    with database.write() as writing:
        rows.add_project(writing, rows.project(P))
        tasks.insert(
            writing,
            rows.task(P, "a", inputs={"x": "\ud800 %s ?", "n": 2**70}, batch=True, start_time=rows.at(3)),
            rows.task(P, "b", status=Status.FAILED, errors=({"e": None},), progress=Progress(steps_total=3)),
            rows.task(P, "c", description="", parent="a", batch_by={"k": []}),
        )
    with database.read() as reading:
        yield reading


@pytest.mark.parametrize("most", [0, 1, 2, 99, 2**40])
def test_same_rows(conn: Connection, most: int) -> None:
    given = {"project": P, "since": rows.at(-1), "most": most, "another": object()}
    prepared = Prepared(_OF_PROJECT)
    usual = conn.execute(_OF_PROJECT, {name: given[name] for name in ("project", "since", "most")}).all()
    for _ in range(7):  # PostgreSQL's driver prepares what comes again and again
        assert prepared.all(conn, given) == [tuple(row) for row in usual]
    assert prepared.first(conn, given) == (tuple(usual[0]) if most else None)
    assert prepared.scalar(conn, given) == ("c" if most else None)


def test_a_row_that_was_just_written_is_seen(database: Database) -> None:
    found = Prepared(select(_tasks.c.id).where(_tasks.c.project == bindparam("project")))
    with database.write() as conn:
        rows.add_project(conn, rows.project(P))
        assert found.first(conn, {"project": P}) is None
        tasks.insert(conn, rows.task(P, "a"))
        assert found.scalar(conn, {"project": P}) == "a"
        conn.rollback()
    with database.read() as conn:
        assert found.all(conn, {"project": P}) == []


def test_errors_are_the_usual_ones(conn: Connection) -> None:
    prepared = Prepared(_OF_PROJECT)
    good = {"project": P, "since": rows.at(0), "most": 1}
    with pytest.raises(Refusal) as refused:
        prepared.all(conn, good | {"project": "\ud800"})
    assert refused.value.fault is Fault.BAD_REQUEST
    with pytest.raises(Refusal):
        prepared.all(conn, good | {"most": 2**63})
    with pytest.raises(StatementError):
        prepared.all(conn, {"project": P, "most": 1})
    with pytest.raises(StatementError):
        prepared.all(conn, good | {"since": rows.at(0).replace(tzinfo=None)})
    assert prepared.scalar(conn, good) == "c"


def test_a_parameter_that_is_a_list_is_refused(conn: Connection) -> None:
    listed = Prepared(select(_tasks.c.id).where(_tasks.c.id.in_(bindparam("ids", expanding=True))))
    with pytest.raises(ValueError, match="lists"):
        listed.all(conn, {"ids": ["a"]})


def test_listeners_see_every_statement(conn: Connection) -> None:
    seen = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    prepared, given = Prepared(_OF_PROJECT), {"project": P, "since": rows.at(0), "most": 9}
    event.listen(conn, "before_cursor_execute", note)
    listened = prepared.all(conn, given)
    event.remove(conn, "before_cursor_execute", note)
    assert len(seen) == 1
    assert [tuple(row) for row in listened] == prepared.all(conn, given)
    assert len(seen) == 1


@pytest.mark.postgres
def test_a_lost_connection_is_replaced(postgresql: Database, server: PrivatePostgres) -> None:
    count = Prepared(select(_tasks.c.id).where(_tasks.c.project == bindparam("project")))
    with postgresql.read() as conn:
        count.all(conn, {"project": P})
        server.disconnect_all()
        with pytest.raises(DBAPIError):
            count.all(conn, {"project": P})
    with postgresql.read() as conn:
        assert count.all(conn, {"project": P}) == []


@pytest.mark.parametrize("count", [0, 1, 2, 10, 11, 100, 101, 250])
def test_one_of_many_values(database: Database, count: int) -> None:
    names = [f"n{number:03}" for number in range(250)]
    with database.write() as writing:
        rows.add_project(writing, rows.project(P))
        tasks.insert(writing, *(rows.task(P, name) for name in names))
    wanted = names[:count]
    listed = PreparedIn(select(_tasks.c.id, _tasks.c.status), _tasks.c.id)
    with database.read() as conn:
        found = listed.all(conn, [*wanted, "unknown", *wanted])
        assert sorted(found) == [(name, Status.DRAFT) for name in wanted]
        assert listed.all(conn, wanted[:0]) == []
