"""Lists of tasks: filters, orders and counting, quick at 100,000 tasks.

A list over several projects takes the first rows of each project from its index and merges them; sorting all tasks
that the user can see would cost a hundred times as much. SQLite merges row by row, where no filter comes between. Rows
without the time they are sorted by come last, which no index can say: they are a part of their own. A statement is
made once for each kind of question, and kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    Select,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)

from araneus.model.task import Status, Task
from araneus.store import tables
from araneus.store.columns import TEXT, Moment
from araneus.store.page import Page
from araneus.store.prepared import Prepared
from araneus.store.shape import Shape

S = TypeVar("S", Select[Any], CompoundSelect[Any])

_table = tables.tasks
TASKS = Shape(Task, _table)
_HEAVY = {
    "inputs", "outputs", "errors", "warnings", "progress", "execution_settings", "output_location", "batch_by",
    "batch_group",
}  # fmt: skip
_USUAL = {"id", "project", "name", "status", "batch"}
_BRIEF = _USUAL | {"app", "created_by", "created_time"}
SHAPES = (
    Shape(Task, _table, without=set(TASKS.names) - _USUAL),
    Shape(Task, _table, without=set(TASKS.names) - _BRIEF),
    Shape(Task, _table, without=_HEAVY),
    TASKS,
)
"""How much of a task is read, the least first: what is stored as JSON costs as much as all the rest of a list."""
_MERGED_PLACES = 40
"""Beyond this many projects, or this many rows to skip, one sort is cheaper than merging."""
_MERGED_ROWS = 10_000
_FEW = 2_000
"""So many matching tasks are found by their filter and sorted. More of them lie so densely that the first ones are soon
met in the order. Planners cannot know which it is; the total of the list says."""
_MAY_LACK = {"start_time", "end_time"}
_CONDITIONS: dict[str, ColumnElement[bool]] = {
    "status": _table.c.status == bindparam("status"),
    "batch": _table.c.batch == bindparam("batch"),
    "created_from": _table.c.created_time >= bindparam("created_from"),
    "created_to": _table.c.created_time <= bindparam("created_to"),
    "started_from": _table.c.start_time >= bindparam("started_from"),
    "started_to": _table.c.start_time <= bindparam("started_to"),
    "ended_from": _table.c.end_time >= bindparam("ended_from"),
    "ended_to": _table.c.end_time <= bindparam("ended_to"),
}

ORDERS = ("created_time", "start_time", "end_time", "name", "created_by")


@dataclass(frozen=True, slots=True)
class _Question:
    """What a statement depends on; all else are its parameters. ``places`` 0 means the children of a task."""

    places: int
    filters: tuple[str, ...]
    by: str = "created_time"
    descending: bool = True
    merged: bool = False
    lazy: bool = False
    few: bool = False
    shape: int = 0


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
    needed: frozenset[str] | None = None,
) -> Page[Task]:
    """The tasks in the user's projects that pass every filter; bounds are inclusive. Where the fields that are
    ``needed`` are named, the tasks have these, and others may be missing: they are to be shown and no more.

    ``order_by`` is one of `ORDERS`, ``order`` is ``asc`` or ``desc``; tasks without the time they are sorted by come
    last. Raises ValueError for other orders.
    """
    if order_by not in ORDERS or order not in {"asc", "desc"}:
        raise ValueError(f"tasks cannot be sorted by {order_by!r} {order!r}: use {', '.join(ORDERS)}, asc or desc")
    given = {
        "status": status, "batch": batch, "created_from": created_from, "created_to": created_to,
        "started_from": started_from, "started_to": started_to, "ended_from": ended_from, "ended_to": ended_to,
    }  # fmt: skip
    values = {name: value for name, value in given.items() if value is not None}
    visible = _visible(conn, username, project)
    places = sorted(one for one, tasks in visible.items() if tasks)
    if parent is not None:
        # Children live in the project of their parent, so its place says all that the project would.
        places = [parent] if _project_of(conn, parent) in visible else []
    if not places:
        return Page([], 0)
    filters, children = tuple(values), parent is not None
    total = _count(conn, places, filters, values, children=children) if values or children else sum(visible.values())
    if offset >= total or limit <= 0:
        return Page([], total)
    shape = shape_for(needed)
    merged = len(places) <= _MERGED_PLACES and offset + limit <= _MERGED_ROWS
    asked = _Question(
        places=0 if children else len(places),
        filters=filters,
        by=order_by,
        descending=order == "desc",
        merged=merged and (len(places) > 1 or order_by in _MAY_LACK),
        lazy=conn.dialect.name == "sqlite" and not values,
        few=bool(values) and total <= _FEW,
        shape=SHAPES.index(shape),
    )
    window = {"skipped": offset, "most": limit, "reach": offset + limit}
    bound = values | {f"place_{number}": place for number, place in enumerate(places)} | window
    rows = _statement(asked).all(conn, bound)
    return Page(shape.read_all(rows) if needed is None else shape.parts(rows), total)


@lru_cache(maxsize=1024)
def shape_for(needed: frozenset[str] | None) -> Shape[Task]:
    """The least of `SHAPES` that has the fields which are needed; all of them for None."""
    return TASKS if needed is None else next(one for one in SHAPES if needed <= set(one.names))


@lru_cache(maxsize=1024)
def _statement(asked: _Question) -> Prepared:
    """The page that a question asks for, with the parameters ``skipped``, ``most`` and ``reach``, their sum."""
    places, wanted = _places(asked.places), [_CONDITIONS[name] for name in asked.filters]
    here: Select[Any] | CompoundSelect[Any]
    if asked.merged and asked.lazy:
        here = _merged_lazily(places, asked)
    elif asked.merged:
        here = _merged(places, wanted, asked)
    else:
        here = _sorted(select(_table.c.id).where(or_(*places), *wanted), _table.c, asked)
    chosen = here.offset(bindparam("skipped", type_=Integer)).limit(bindparam("most", type_=Integer)).subquery()
    query = select(*SHAPES[asked.shape].columns).join(chosen, chosen.c.id == _table.c.id)
    return Prepared(_sorted(query, _table.c, asked))


def _places(count: int) -> list[ColumnElement[bool]]:
    if not count:
        return [_table.c.parent == bindparam("place_0")]
    return [_table.c.project == bindparam(f"place_{number}") for number in range(count)]


def _sorted(query: S, columns: Any, asked: _Question, *, halved: bool = False) -> S:
    """The query, sorted by the column that is asked for and then the id of ``columns``. In a ``halved`` one a time is
    there in every row or in none."""
    by, identity = _unindexed(columns[asked.by]) if asked.few else columns[asked.by], columns["id"]
    if asked.descending:
        by, identity = by.desc(), identity.desc()
    # Only where a time may be missing: no index knows of "nulls last".
    return query.order_by(by.nulls_last() if asked.by in _MAY_LACK and not halved else by, identity)


def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same values in a form that no planner takes for an index."""
    if isinstance(column.type, Moment):
        return type_coerce(column, BigInteger) + literal_column("0")
    return type_coerce(column, TEXT).op("||")(literal_column("''"))


def _merged_lazily(places: Sequence[ColumnElement[bool]], asked: _Question) -> CompoundSelect[Any]:
    """The ids of all places together in the order that is asked for: SQLite takes each next row from the one of the
    sorted parts that has it, and stops where the page ends. PostgreSQL would read all of them."""
    by = _table.c[asked.by]
    halves = [by.is_not(None), by.is_(None)] if asked.by in _MAY_LACK else [true()]
    together = union_all(*(select(_table.c.id, by).where(place, half) for place in places for half in halves))
    return _sorted(together, together.selected_columns, asked)


def _merged(
    places: Sequence[ColumnElement[bool]], wanted: Sequence[ColumnElement[bool]], asked: _Question
) -> Select[Any]:
    """The ids of the first ``reach`` rows of all places together, from the first ``reach`` rows of each part."""
    by = _table.c[asked.by]
    halves = [by.is_not(None), by.is_(None)] if asked.by in _MAY_LACK and not asked.few else [None]
    halved = len(halves) == 2
    parts = [
        _sorted(
            select(_table.c.id, by).where(place, *wanted, *([] if half is None else [half])),
            _table.c,
            asked,
            halved=halved,
        ).limit(bindparam("reach", type_=Integer))
        for place in places
        for half in halves
    ]
    together = union_all(*(select(part.subquery()) for part in parts)).subquery()
    return _sorted(select(together.c.id), together.c, asked)


_OF = tables.members
_MEMBERSHIPS = (
    select(tables.projects.c.id, tables.projects.c.tasks_total)
    .join(_OF, _OF.c.project == tables.projects.c.id)
    .where(_OF.c.username == bindparam("username"))
)
_VISIBLE = Prepared(_MEMBERSHIPS)
_VISIBLE_ONE = Prepared(_MEMBERSHIPS.where(_OF.c.project == bindparam("project")))
_PROJECT_OF = Prepared(select(_table.c.project).where(_table.c.id == bindparam("task")))


def _visible(conn: Connection, username: str, project: str | None) -> dict[str, int]:
    """The projects of a user and how many tasks each has."""
    query = _VISIBLE if project is None else _VISIBLE_ONE
    return dict(query.all(conn, {"username": username, "project": project}))


def _project_of(conn: Connection, task_id: str) -> str | None:
    project: str | None = _PROJECT_OF.scalar(conn, {"task": task_id})
    return project


def _count(
    conn: Connection, places: Sequence[str], filters: tuple[str, ...], values: dict[str, Any], *, children: bool
) -> int:
    query = _counting(_Question(places=0 if children else 1, filters=filters))
    return sum(query.scalar(conn, values | {"place_0": place}) for place in places)


@lru_cache(maxsize=1024)
def _counting(asked: _Question) -> Prepared:
    wanted = [_CONDITIONS[name] for name in asked.filters]
    return Prepared(select(func.count()).select_from(_table).where(*_places(asked.places), *wanted))
