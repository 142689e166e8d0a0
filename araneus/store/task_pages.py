"""Lists of tasks: filters, orders and counting, quick at 100,000 tasks.

A list over several projects takes the first rows of each project from its index and merges them; sorting all tasks
that the user can see would cost a hundred times as much.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, func, or_, select, union_all

from araneus.model.task import Status, Task
from araneus.store import tables
from araneus.store.page import Page
from araneus.store.shape import Shape

_table = tables.tasks
TASKS = Shape(Task, _table)
_HEADS = Shape(
    Task,
    _table,
    without={
        "inputs", "outputs", "errors", "warnings", "progress", "execution_settings", "output_location", "batch_by",
        "batch_group",
    },
)  # fmt: skip
_MERGED_PLACES = 40
"""Beyond this many projects, or this many rows to skip, one sort is cheaper than merging."""
_MERGED_ROWS = 10_000


ORDERS = ("created_time", "start_time", "end_time", "name", "created_by")


def page(
    conn: Connection,
    *,
    username: str,
    project: str | None = None,
    status: Status | None = None,
    parent: str | None = None,
    batch: bool | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
    started_from: datetime | None = None,
    started_to: datetime | None = None,
    ended_from: datetime | None = None,
    ended_to: datetime | None = None,
    order_by: str = "created_time",
    order: str = "desc",
    offset: int,
    limit: int,
    whole: bool = True,
) -> Page[Task]:
    """The tasks in the user's projects that pass every filter; bounds are inclusive. Unless ``whole``, everything that
    is stored as JSON is left as in an empty task: reading it costs as much as all the rest of a list.

    ``order_by`` is one of `ORDERS`, ``order`` is ``asc`` or ``desc``; tasks without the time they are sorted by come
    last. Raises ValueError for other orders.
    """
    sorting = _Sorting(order_by, order)
    visible = _visible(conn, username, project)
    places: list[ColumnElement[bool]] = [_table.c.project == one for one in sorted(visible) if visible[one]]
    wanted: list[ColumnElement[bool]] = [
        *([] if status is None else [_table.c.status == status]),
        *([] if batch is None else [_table.c.batch == batch]),
        *_within(_table.c.created_time, created_from, created_to),
        *_within(_table.c.start_time, started_from, started_to),
        *_within(_table.c.end_time, ended_from, ended_to),
    ]
    if parent is not None:
        # Children live in the project of their parent, so its place says all that the project would.
        places = [_table.c.parent == parent] if _project_of(conn, parent) in visible else []
    if not places:
        return Page([], 0)
    filtered = bool(wanted) or parent is not None
    total = _count(conn, places, wanted) if filtered else sum(visible.values())
    if offset >= total or limit <= 0:
        return Page([], total)
    if len(places) == 1 or len(places) > _MERGED_PLACES or offset + limit > _MERGED_ROWS:
        here = sorting.apply(select(_table.c.id).where(or_(*places), *wanted), _table.c)
    else:
        here = _merged(places, wanted, sorting, offset + limit)
    chosen = here.offset(offset).limit(limit).subquery()
    shape = TASKS if whole else _HEADS
    query = select(*shape.columns).join(chosen, chosen.c.id == _table.c.id)
    return Page(shape.read_all(conn.execute(sorting.apply(query, _table.c))), total)


class _Sorting:
    """The order of a list, for the table itself and for parts of it that show the same columns."""

    def __init__(self, by: str, order: str) -> None:
        if by not in ORDERS or order not in {"asc", "desc"}:
            raise ValueError(f"tasks cannot be sorted by {by!r} {order!r}: use one of {', '.join(ORDERS)}, asc or desc")
        self.by = by
        self._descending = order == "desc"

    def apply(self, query: Select[Any], columns: Any) -> Select[Any]:
        """The query, sorted by the column and then the id of ``columns``."""
        by, identity = columns[self.by], columns["id"]
        if self._descending:
            by, identity = by.desc(), identity.desc()
        # Only where a time may be missing: no index knows of "nulls last".
        return query.order_by(by.nulls_last() if self.by in {"start_time", "end_time"} else by, identity)


def _visible(conn: Connection, username: str, project: str | None) -> dict[str, int]:
    """The projects of a user and how many tasks each has."""
    of = tables.members
    query = (
        select(tables.projects.c.id, tables.projects.c.tasks_total)
        .join(of, of.c.project == tables.projects.c.id)
        .where(of.c.username == username)
    )
    if project is not None:
        query = query.where(of.c.project == project)
    return dict(row for row in conn.execute(query))


def _project_of(conn: Connection, task_id: str) -> str | None:
    return conn.execute(select(_table.c.project).where(_table.c.id == task_id)).scalar()


def _within(column: Column[Any], first: datetime | None, last: datetime | None) -> list[ColumnElement[bool]]:
    return [*([] if first is None else [column >= first]), *([] if last is None else [column <= last])]


def _count(conn: Connection, places: Sequence[ColumnElement[bool]], wanted: Sequence[ColumnElement[bool]]) -> int:
    query = select(func.count()).select_from(_table)
    if len(places) == 1:
        return conn.execute(query.where(places[0], *wanted)).scalar_one()
    return sum(_count(conn, [place], wanted) for place in places)


def _merged(
    places: Sequence[ColumnElement[bool]], wanted: Sequence[ColumnElement[bool]], sorting: _Sorting, limit: int
) -> Select[Any]:
    """The ids of the first ``limit`` rows of all places together, from the first ``limit`` rows of each."""
    columns = [_table.c.id, _table.c[sorting.by]]
    parts = [sorting.apply(select(*columns).where(place, *wanted), _table.c).limit(limit) for place in places]
    together = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return sorting.apply(select(together.c.id), together.c)
