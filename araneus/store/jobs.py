"""Jobs and attempts of running tasks. Writes take many rows at once: a scatter has ten thousand jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, literal_column, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.dialects import postgresql, sqlite

from araneus.model.job import Attempt, Job, Outcome
from araneus.store import tables
from araneus.store.shape import Shape

_jobs = Shape(Job, tables.jobs)
_attempts = Shape(Attempt, tables.attempts)
_KEY = ("task", "key")
_CHANGING = ("name", "status", "outputs", "outcome", "command_line", "started_on", "ended_on")
_OPEN: ColumnElement[bool] = literal_column("attempts.ended_on IS NULL")


def _upsert(dialect: Any) -> Any:
    statement = dialect.insert(tables.jobs)
    return statement.on_conflict_do_update(
        index_elements=_KEY, set_={name: statement.excluded[name] for name in _CHANGING}
    )


_UPSERT = {"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)}
_END = (
    update(tables.attempts)
    .where(tables.attempts.c.id == bindparam("attempt"), tables.attempts.c.ended_on.is_(None))
    .values(outcome=bindparam("how"), ended_on=bindparam("when"))
)


def upsert(conn: Connection, jobs: Sequence[Job]) -> None:
    """Write jobs, new or changed; the row of a key keeps its ``created_on``. No key may stand twice in ``jobs``."""
    if jobs:
        conn.execute(_UPSERT[conn.dialect.name], [_jobs.values(job) for job in jobs])


def for_task(conn: Connection, task_id: str) -> list[Job]:
    """The jobs of a task in the order in which they became known."""
    table = tables.jobs
    query = select(*_jobs.columns).where(table.c.task == task_id).order_by(table.c.created_on, table.c.key)
    return _jobs.read_all(conn.execute(query))


def insert_attempts(conn: Connection, attempts: Sequence[Attempt]) -> None:
    """Add attempts; their jobs are there already."""
    if attempts:
        conn.execute(insert_into(tables.attempts), [_attempts.values(attempt) for attempt in attempts])


def end_attempt(conn: Connection, attempt_id: str, outcome: Outcome, ended_on: datetime) -> bool:
    """Write how an attempt ended, once: False when it has ended before, and the first outcome stays."""
    return conn.execute(_END, {"attempt": attempt_id, "how": outcome, "when": ended_on}).rowcount > 0


def end_attempts(conn: Connection, ends: Sequence[tuple[str, Outcome, datetime]]) -> None:
    """Write how many attempts ended, each at most once."""
    if ends:
        conn.execute(_END, [{"attempt": attempt, "how": how, "when": when} for attempt, how, when in ends])


def open_attempts(conn: Connection) -> list[Attempt]:
    """The attempts of all tasks that have not ended, oldest first."""
    table = tables.attempts
    return _attempts.read_all(
        conn.execute(select(*_attempts.columns).where(_OPEN).order_by(table.c.created_on, table.c.id))
    )


def attempts_for(conn: Connection, task_id: str) -> list[Attempt]:
    """The attempts of a task, by job and number."""
    table = tables.attempts
    query = select(*_attempts.columns).where(table.c.task == task_id).order_by(table.c.key, table.c.number)
    return _attempts.read_all(conn.execute(query))
