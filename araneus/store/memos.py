"""Memos: what jobs made, found by the key of a job; with the bytes that they keep from being dropped."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.memo import Memo
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.locks import Turn, take_turn
from araneus.store.page import Page
from araneus.store.shape import Shape

_table = tables.memos
_memos = Shape(Memo, _table)
_WITHOUT = {"outputs", "files", "folders"}
_shown = Shape(Memo, _table, without=_WITHOUT)
_MOST: Final = 20
_FIND = (
    select(*_memos.columns)
    .where(_table.c.project == bindparam("of"), _table.c.key == bindparam("wanted"))
    .order_by(_table.c.made_on.desc(), _table.c.id)
    .limit(_MOST)
)
_SIMILAR = (
    select(*_shown.columns)
    .where(_table.c.project == bindparam("of"), _table.c.app == bindparam("by"), _table.c.job == bindparam("named"))
    .order_by(_table.c.made_on.desc(), _table.c.id)
    .limit(bindparam("most"))
)


def find(conn: Connection, project: str, key: str) -> list[Memo]:
    """The last memos of a key in a project, newest first, void or not: one for each combination of ``sources``."""
    return _memos.read_all(conn.execute(_FIND, {"of": project, "wanted": key}))


def similar(conn: Connection, project: str, app: str, job: str, most: int = 5) -> list[Memo]:
    """The last memos of the same job of an app, newest first, without what they hold."""
    return _shown.read_all(conn.execute(_SIMILAR, {"of": project, "by": app, "named": job, "most": most}))


def get(conn: Connection, memo: str) -> Memo | None:
    """A memo without what it holds."""
    row = conn.execute(select(*_shown.columns).where(_table.c.id == memo)).first()
    return None if row is None else _shown.read(row)


def sources(conn: Connection, project: str) -> list[tuple[str, ...]]:
    """The other projects whose files the tasks of a project's memos were given: each combination once."""
    query = select(_table.c.sources).where(_table.c.project == project).distinct()
    return [found for (found,) in conn.execute(query)]


def page(
    conn: Connection,
    project: str,
    *,
    sources: Collection[tuple[str, ...]] | None = None,
    offset: int,
    limit: int,
) -> Page[Memo]:
    """The memos of a project, newest first, without what they hold; only those with one of these ``sources``."""
    wanted = _table.c.project == project
    if sources is not None:
        wanted &= _table.c.sources.in_(sources)
    query = select(*_shown.columns).where(wanted).order_by(_table.c.made_on.desc(), _table.c.id)
    total = conn.execute(select(func.count()).select_from(_table).where(wanted)).scalar_one()
    return Page(_shown.read_all(conn.execute(query.offset(offset).limit(limit))), total)


def keep(conn: Connection, memos: Sequence[Memo]) -> None:
    """Add memos; each takes the place of an earlier one with its key and sources: who cannot read these has his own.
    May be done again with the same ones."""
    for memo in {(memo.project, memo.key, memo.sources): memo for memo in memos}.values():
        same = (_table.c.project == memo.project, _table.c.key == memo.key, _table.c.sources == memo.sources)
        conn.execute(delete_from(_table).where(*same))
        conn.execute(insert_into(_table), _memos.values(memo))
        locations = sorted({file.location for file in memo.files.values()})
        if locations:
            rows = [{"memo": memo.id, "location": location} for location in locations]
            conn.execute(insert_into(tables.memo_locations), rows)


def use(conn: Connection, memos: Collection[str], now: datetime) -> None:
    """Note that memos were used, which keeps them for longer."""
    for some in chunks(sorted(set(memos))):
        conn.execute(update(_table).where(_table.c.id.in_(some)).values(used_on=now))


def invalidate(conn: Connection, memo: str, by: str, now: datetime) -> bool:
    """Make a memo void and let go of what it holds; its parts stay, to say why. False when it is void or gone."""
    take_turn(conn, Turn.LOCATIONS)
    nothing: dict[str, Any] = {"outputs": {}, "files": {}, "folders": ()}
    query = update(_table).where(_table.c.id == memo, _table.c.void_on.is_(None))
    if not conn.execute(query.values(void_on=now, void_by=by, **nothing)).rowcount:
        return False
    conn.execute(delete_from(tables.memo_locations).where(tables.memo_locations.c.memo == memo))
    return True


def ages(conn: Connection) -> list[tuple[str, datetime, Mapping[str, Any]]]:
    """Every memo with when it was used last and the settings of its project."""
    projects = tables.projects
    query = select(_table.c.id, _table.c.used_on, projects.c.settings).join(projects, projects.c.id == _table.c.project)
    return [(memo, used_on, settings) for memo, used_on, settings in conn.execute(query)]


def drop(conn: Connection, memos: Collection[str]) -> None:
    """Forget memos. Bytes that nothing else names are then found by the sweep."""
    for some in chunks(memos):
        conn.execute(delete_from(_table).where(_table.c.id.in_(some)))
