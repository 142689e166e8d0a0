"""What ended tasks cost: one row each, written once."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite

from araneus.model.charge import Charge, Cost, Use
from araneus.model.task import TERMINAL
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.page import Page
from araneus.store.prepared import PreparedIn
from araneus.store.shape import Shape

_table = tables.charges
_charges = Shape(Charge, _table)
_INSERT = {
    "sqlite": sqlite.insert(_table).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_table).on_conflict_do_nothing(),
}
_COSTS = PreparedIn(select(_table.c.task, _table.c.computation, _table.c.storage), _table.c.task)
_USED = tuple(tables.attempts.c[name] for name in ("task", "resources", "created_on", "ended_on"))
_USES = PreparedIn(select(*_USED), tables.attempts.c.task)
_OVERLAP = {"sqlite": 0, "postgresql": 1000}
"""Numbers of events that are looked at again: on PostgreSQL one may become visible after a later one."""


def insert(conn: Connection, charges: Sequence[Charge]) -> None:
    """Write bills; a task that has one keeps it."""
    if charges:
        conn.execute(_INSERT[conn.dialect.name], [_charges.values(charge) for charge in charges])


def unsettled(conn: Connection, limit: int) -> list[tuple[str, int]]:
    """Tasks that have ended and have no bill, with the numbers of the events that ended them, earliest first."""
    events = tables.events
    last = conn.execute(select(func.max(_table.c.event))).scalar() or 0
    query = (
        select(events.c.task, events.c.id)
        .where(
            events.c.id > last - _OVERLAP[conn.dialect.name],
            events.c.after.in_(sorted(TERMINAL)),
            ~exists().where(_table.c.task == events.c.task),
        )
        .order_by(events.c.id)
        .limit(limit)
    )
    return [(task, event) for task, event in conn.execute(query)]


def costs(conn: Connection, task_ids: Collection[str], parents: Collection[str]) -> dict[str, Cost]:
    """What the tasks cost that have a bill. ``parents`` are those of them that are parents of batches: they cost what
    their children do."""
    found = {
        task: Cost(computation=computation, storage=storage)
        for task, computation, storage in _COSTS.all(conn, task_ids)
    }
    for some in chunks([parent for parent in parents if parent in found]):
        children = conn.execute(
            select(_table.c.parent, func.sum(_table.c.computation), func.sum(_table.c.storage))
            .where(_table.c.parent.in_(some))
            .group_by(_table.c.parent)
        )
        for parent, computation, storage in children:
            found[parent] = Cost(computation=int(computation), storage=int(storage))
    return found


def uses(conn: Connection, task_ids: Collection[str]) -> dict[str, list[Use]]:
    """What the attempts of these tasks used, by task. An attempt that has not ended used nothing."""
    found: dict[str, list[Use]] = {}
    for task, resources, start, end in _USES.all(conn, task_ids):
        if end is not None:
            found.setdefault(task, []).append(Use(resources=resources, start=start, end=end))
    return found


def uses_of_children(conn: Connection, parent: str) -> dict[str, list[Use]]:
    """The same of the children of a batch."""
    tasks = tables.tasks
    return uses(conn, list(conn.execute(select(tasks.c.id).where(tasks.c.parent == parent)).scalars()))


def page(
    conn: Connection, group: str, *, first: datetime | None, behind: datetime | None, offset: int, limit: int
) -> Page[Charge]:
    """The bills of a group for tasks that ended from one moment to before another, the latest first; without the
    parents of batches."""
    wanted = _within(group, first, behind)
    order = (_table.c.ended_on.desc(), _table.c.task.desc())
    query = select(*_charges.columns).where(*wanted).order_by(*order).offset(offset).limit(limit)
    total = conn.execute(select(func.count()).select_from(_table).where(*wanted)).scalar_one()
    return Page(_charges.read_all(conn.execute(query)), total)


def earliest(conn: Connection, group: str) -> datetime | None:
    """When the first task ended that a group has a bill for."""
    query = select(_table.c.ended_on).where(*_within(group, None, None)).order_by(_table.c.ended_on).limit(1)
    return conn.execute(query).scalar()


def by_project(
    conn: Connection, group: str, *, first: datetime | None = None, behind: datetime | None = None
) -> dict[str, Cost]:
    """What the tasks of each project cost a group that ended from one moment to before another, by project id."""
    query = (
        select(_table.c.project, func.sum(_table.c.computation), func.sum(_table.c.storage))
        .where(*_within(group, first, behind))
        .group_by(_table.c.project)
        .order_by(_table.c.project)
    )
    return {
        project: Cost(computation=int(computation), storage=int(storage))
        for project, computation, storage in conn.execute(query)
    }


def latest(
    conn: Connection, group: str, limit: int, *, first: datetime | None = None, behind: datetime | None = None
) -> list[Charge]:
    """The latest bills of a group, for tasks that ended from one moment to before another."""
    return page(conn, group, first=first, behind=behind, offset=0, limit=limit).items


def _within(group: str, first: datetime | None, behind: datetime | None) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [_table.c.billing_group == group, ~_table.c.batch]
    if first is not None:
        wanted.append(_table.c.ended_on >= first)
    if behind is not None:
        wanted.append(_table.c.ended_on < behind)
    return wanted
