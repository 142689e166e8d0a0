"""Tasks: the only place that writes a status, the history of each task, and the hot reads."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy import (
    delete as delete_from,
)
from sqlalchemy import (
    insert as insert_into,
)

from araneus.model.access import Permissions
from araneus.model.errors import ConcurrentChange, Fault, Refusal
from araneus.model.task import Event, Progress, Status, Task
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.constraints import refusing
from araneus.store.prepared import Prepared, PreparedIn
from araneus.store.shape import Shape
from araneus.store.task_pages import ORDERS, SHAPES, TASKS, page, shape_for

__all__ = [
    "ORDERS",
    "active",
    "apps_active",
    "children",
    "delete",
    "events",
    "get",
    "get_for",
    "get_many_for",
    "ids_active",
    "insert",
    "left_creating",
    "page",
    "save",
    "set_progress",
    "status_counts",
]

_table = tables.tasks
_events = Shape(Event, tables.events)
_ACTIVE: ColumnElement[bool] = literal_column("tasks.status IN ('CREATING', 'QUEUED', 'RUNNING', 'ABORTING')")
"""The condition of the index ``tasks_active``, word for word: with parameters neither planner would recognise it."""

_GET = Prepared(select(*TASKS.columns).where(_table.c.id == bindparam("task")))
_GET_FOR = Prepared(
    select(*TASKS.columns, tables.members.c.permissions)
    .join(tables.members, tables.members.c.project == _table.c.project)
    .where(_table.c.id == bindparam("task"), tables.members.c.username == bindparam("username"))
)
_SHOWN_FOR = {
    shape: PreparedIn(
        select(*shape.columns)
        .join(tables.members, tables.members.c.project == _table.c.project)
        .where(tables.members.c.username == bindparam("username")),
        _table.c.id,
    )
    for shape in SHAPES
}


def insert(conn: Connection, *tasks: Task, events: Sequence[Event] = ()) -> None:
    """Add tasks of one project. Raises `Refusal` PROJECT_NOT_FOUND when the project is gone.

    Children that a batch makes and submits at once come with the ``events`` that say so.
    """
    if not tasks:
        return
    project = tasks[0].project
    if any(task.project != project for task in tasks):
        raise ValueError("insert() takes the tasks of one project at a time")
    standing = {task.id: task.status for task in tasks}
    if any(standing.get(event.task) is not event.after for event in events):
        raise ValueError("insert() takes events that led the tasks to where they stand, and no others")
    gone = Refusal(Fault.PROJECT_NOT_FOUND, f"Project {project!r} does not exist.")
    _count(conn, project, len(tasks), gone)
    with refusing(conn, missing=gone):
        conn.execute(insert_into(_table), [TASKS.values(task) for task in tasks])
    if events:
        conn.execute(insert_into(tables.events), [_events.values(event) for event in events])


def get(conn: Connection, task_id: str) -> Task | None:
    """The task, whoever asks."""
    row = _GET.first(conn, {"task": task_id})
    return None if row is None else TASKS.read(row)


def get_for(conn: Connection, task_id: str, username: str) -> tuple[Task, Permissions] | None:
    """The task and what a member of its project may do there; None for everybody else. One query."""
    row = _GET_FOR.first(conn, {"task": task_id, "username": username})
    return None if row is None else (TASKS.read(row), TASKS.rest(row)[0])


def get_all_for(
    conn: Connection, task_ids: Collection[str], username: str, *, needed: frozenset[str]
) -> dict[str, Task]:
    """Those of the tasks that are in projects of the user, by id. They have the fields that are ``needed``, others may
    be missing: they are to be shown and no more. One query for each hundred."""
    shape = shape_for(needed)
    return {task.id: task for task in shape.parts(_SHOWN_FOR[shape].all(conn, task_ids, username=username))}


def get_many_for(conn: Connection, task_ids: Collection[str], username: str) -> dict[str, Task]:
    """Those of the tasks that exist in projects of the user, by id."""
    found: dict[str, Task] = {}
    for some in chunks(task_ids):
        rows = conn.execute(
            select(*TASKS.columns)
            .join(tables.members, tables.members.c.project == _table.c.project)
            .where(_table.c.id.in_(some), tables.members.c.username == username)
        )
        found.update((task.id, task) for task in TASKS.read_all(rows))
    return found


def save(conn: Connection, before: Task, after: Task, event: Event | None = None) -> Task:
    """Write the fields in which ``after`` differs from ``before``, and the event, in the caller's transaction.

    Answers ``after`` with its new version. Raises `ConcurrentChange` when the row has moved on since ``before`` was
    read, or is gone: read again and decide anew. A changed status without its event, or the reverse, is a mistake of
    the caller (ValueError); so is a changed identity.
    """
    moved = before.status is not after.status
    if moved and (event is None or (event.before, event.after) != (before.status, after.status)):
        raise ValueError(f"status {before.status} -> {after.status} of task {before.id} needs the event that says so")
    if event is not None and event.task != before.id:
        raise ValueError(f"the event is about task {event.task}, not {before.id}")
    changed = TASKS.changes(before, after)
    if changed.keys() & {"id", "project", "created_by", "created_time", "version"}:
        raise ValueError(f"task {before.id} cannot change its {', '.join(sorted(changed))}")
    changed["version"] = before.version + 1
    result = conn.execute(
        update(_table).where(_table.c.id == before.id, _table.c.version == before.version).values(**changed)
    )
    if result.rowcount != 1:
        raise ConcurrentChange(f"task {before.id} changed since version {before.version} of it was read")
    if event is not None:
        conn.execute(insert_into(tables.events), _events.values(event))
    return replace(after, version=before.version + 1)


def set_progress(conn: Connection, task_id: str, progress: Progress) -> None:
    """Write how far a task is, without a new version: progress contradicts nobody's decision."""
    conn.execute(update(_table).where(_table.c.id == task_id).values(progress=progress))


def delete(conn: Connection, task: Task) -> None:
    """Delete a task with its history, as it was read. Raises `ConcurrentChange` when it has moved on or is gone."""
    # The project before its tasks, as whoever deletes it locks them.
    held = select(tables.projects.c.id).where(tables.projects.c.id == task.project)
    conn.execute(held.with_for_update(key_share=True)).first()
    result = conn.execute(delete_from(_table).where(_table.c.id == task.id, _table.c.version == task.version))
    if result.rowcount != 1:
        raise ConcurrentChange(f"task {task.id} changed since version {task.version} of it was read")
    _count(conn, task.project, -1)


def active(conn: Connection) -> list[Task]:
    """Every task that the scheduler has to care for, oldest first: CREATING, QUEUED, RUNNING and ABORTING ones."""
    query = select(*TASKS.columns).where(_ACTIVE).order_by(_table.c.created_time, _table.c.id)
    return TASKS.read_all(conn.execute(query))


def ids_active(conn: Connection) -> list[tuple[str, Status, int]]:
    """Id, status and version of the tasks that `active` answers, in the same order: cheap enough for every wake-up."""
    query = select(_table.c.id, _table.c.status, _table.c.version).where(_ACTIVE)
    rows = conn.execute(query.order_by(_table.c.created_time, _table.c.id))
    return [(task_id, status, version) for task_id, status, version in rows]


def apps_active(conn: Connection) -> set[str]:
    """The apps, with their revisions, of the tasks that `active` answers."""
    return set(conn.execute(select(_table.c.app).where(_ACTIVE).distinct()).scalars())


def left_creating(conn: Connection, before: datetime) -> list[Task]:
    """The parents of batches that were run before a moment and still have no children, oldest first."""
    waiting = (_ACTIVE, _table.c.status == Status.CREATING, _table.c.start_time < before)
    query = select(*TASKS.columns).where(*waiting).order_by(_table.c.created_time, _table.c.id)
    return TASKS.read_all(conn.execute(query))


def children(conn: Connection, parent: str, statuses: Collection[Status]) -> list[Task]:
    """The children of a batch that stand in one of these statuses, oldest first."""
    here = (_table.c.parent == parent, _table.c.status.in_(sorted(statuses)))
    query = select(*TASKS.columns).where(*here).order_by(_table.c.created_time, _table.c.id)
    return TASKS.read_all(conn.execute(query))


def status_counts(conn: Connection, parent: str) -> dict[Status, int]:
    """How many children of a batch stand where; statuses without a child are left out."""
    query = select(_table.c.status, func.count()).where(_table.c.parent == parent).group_by(_table.c.status)
    return dict(row for row in conn.execute(query))


def events(conn: Connection, task_id: str) -> list[Event]:
    """What happened to a task, in order."""
    query = select(*_events.columns).where(tables.events.c.task == task_id).order_by(tables.events.c.id)
    return _events.read_all(conn.execute(query))


def _count(conn: Connection, project: str, more: int, gone: Refusal | None = None) -> None:
    """Keep the number of tasks of a project; this also makes creators and the deletion of a project take turns."""
    total = tables.projects.c.tasks_total
    result = conn.execute(
        update(tables.projects).where(tables.projects.c.id == project).values(tasks_total=total + more)
    )
    if gone is not None and not result.rowcount:
        raise gone
