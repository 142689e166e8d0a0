"""Jobs and attempts of running tasks. Writes take many rows at once: a scatter has ten thousand jobs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, literal_column, select, update
from sqlalchemy import insert as insert_into
from sqlalchemy.dialects import postgresql, sqlite

from araneus.model.failure import FailedJob
from araneus.model.job import Attempt, Job, JobStatus, Outcome
from araneus.model.task import Status
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.shape import Shape

_jobs = Shape(Job, tables.jobs)
_shown = Shape(Job, tables.jobs, without={"outputs", "outcome"})
_attempts = Shape(Attempt, tables.attempts)
_KEY = ("task", "key")
_CHANGING = ("name", "status", "outputs", "outcome", "command_line", "started_on", "ended_on", "reuse")
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

_SEEN = (
    update(tables.attempts)
    .where(tables.attempts.c.id == bindparam("attempt"), tables.attempts.c.ended_on.is_(None))
    .values(logs=bindparam("seen"))
)


def _of_task(shape: Shape[Job]) -> Select[Any]:
    table = tables.jobs
    # Ordered by the primary key here and by time in `_in_time`: a sort within SQLite costs 0.15 ms even for one row.
    return select(*shape.columns).where(table.c.task == bindparam("of")).order_by(table.c.key)


def _in_time(jobs: list[Job]) -> list[Job]:
    return sorted(jobs, key=attrgetter("created_on"))


_FOR_TASK = _of_task(_jobs)
_SHOWN_FOR_TASK = _of_task(_shown)
_ATTEMPTS_FOR = (
    select(*_attempts.columns)
    .where(tables.attempts.c.task == bindparam("of"))
    .order_by(tables.attempts.c.key, tables.attempts.c.number)
)
_FATES = (
    select(
        tables.attempts.c.id,
        tables.tasks.c.status,
        tables.tasks.c.end_time,
        tables.projects.c.settings,
        tables.attempts.c.logs,
        tables.attempts.c.outcome,
    )
    .join(tables.tasks, tables.tasks.c.id == tables.attempts.c.task)
    .join(tables.projects, tables.projects.c.id == tables.tasks.c.project)
    .where(tables.attempts.c.id.in_(bindparam("some", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an attempt's task, and the settings of its project, which say how long traces are kept. ``logs``
    are the files that were seen while an attempt ran that was stopped: nobody has copied them (`Attempt.logs`)."""

    status: Status
    ended_on: datetime | None
    settings: Mapping[str, Any]
    logs: tuple[str, ...] = ()


def upsert(conn: Connection, jobs: Sequence[Job]) -> None:
    """Write jobs, new or changed; the row of a key keeps its ``created_on``. No key may stand twice in ``jobs``."""
    if jobs:
        conn.execute(_UPSERT[conn.dialect.name], [_jobs.values(job) for job in jobs])


def for_task(conn: Connection, task_id: str) -> list[Job]:
    """The jobs of a task in the order in which they became known."""
    return _in_time(_jobs.read_all(conn.execute(_FOR_TASK, {"of": task_id})))


def shown_for_task(conn: Connection, task_id: str) -> list[Job]:
    """As `for_task`, without outputs and outcomes (they are None): what execution details show."""
    return _in_time(_shown.read_all(conn.execute(_SHOWN_FOR_TASK, {"of": task_id})))


def failed_of_children(conn: Connection, parent: str) -> dict[str, FailedJob]:
    """The job that failed first in each failed child of a batch, by task id; a task may have failed without one."""
    table, of = tables.jobs, tables.tasks
    query = (
        select(table.c.task, table.c.key, table.c.outcome)
        .join(of, of.c.id == table.c.task)
        .where(of.c.parent == parent, of.c.status == Status.FAILED, table.c.status == JobStatus.FAILED)
        .order_by(table.c.task, table.c.ended_on.desc(), table.c.key)
    )
    rows = conn.execute(query)
    return {task: FailedJob(key=key, outcome=outcome) for task, key, outcome in rows if outcome is not None}


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


def note_logs(conn: Connection, seen: Mapping[str, tuple[str, ...]]) -> None:
    """Write which files of running attempts can be read as logs, by attempt id; those that have ended stay as they
    are."""
    if seen:
        conn.execute(_SEEN, [{"attempt": attempt, "seen": paths} for attempt, paths in seen.items()])


def open_attempts(conn: Connection) -> list[Attempt]:
    """The attempts of all tasks that have not ended, oldest first."""
    table = tables.attempts
    return _attempts.read_all(
        conn.execute(select(*_attempts.columns).where(_OPEN).order_by(table.c.created_on, table.c.id))
    )


def attempts_for(conn: Connection, task_id: str) -> list[Attempt]:
    """The attempts of a task, by job and number."""
    return _attempts.read_all(conn.execute(_ATTEMPTS_FOR, {"of": task_id}))


def outcome_of(conn: Connection, attempt_id: str) -> Outcome | None:
    """How an attempt ended; None while it has not, and for one that is gone."""
    query = select(tables.attempts.c.outcome).where(tables.attempts.c.id == attempt_id)
    outcome: Outcome | None = conn.execute(query).scalar()
    return outcome


def fates(conn: Connection, attempt_ids: Collection[str]) -> dict[str, Fate]:
    """What became of the tasks of these attempts, by attempt id; attempts without a row are left out."""
    found: dict[str, Fate] = {}
    for some in chunks(attempt_ids):
        for attempt, status, ended_on, settings, seen, outcome in conn.execute(_FATES, {"some": some}):
            left = seen if outcome is not None and not outcome.logs else ()
            found[attempt] = Fate(status, ended_on, settings, left)
    return found


def copied_logs(conn: Connection, copied: Mapping[str, tuple[str, ...]]) -> None:
    """Write which files of attempts that were stopped have been copied, by attempt id: the paths in the order of their
    numbers, the empty text for one that is gone."""
    for attempt, paths in copied.items():
        outcome = outcome_of(conn, attempt)
        if outcome is not None and not outcome.logs:
            query = update(tables.attempts).where(tables.attempts.c.id == attempt)
            conn.execute(query.values(outcome=replace(outcome, logs=paths)))
