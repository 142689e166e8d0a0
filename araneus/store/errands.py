"""Errands and their entries: the queue of the work and its result in one.

Whoever advances an errand holds its row (`next_open`) until the transaction ends, so that two processes never do the
same entry, and what was done is committed together with the entry that says so.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, literal_column, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.errand import Entry, EntryState, Errand
from araneus.model.errors import Fault, Refusal
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.shape import Shape

_table = tables.errands
_entries = tables.errand_entries
_errand = Shape(Errand, _table)
_entry = Shape(Entry, _entries)
_OPEN: ColumnElement[bool] = literal_column("errands.finished_on IS NULL")
_MOST_FAILURES = 10_000


def insert(conn: Connection, errand: Errand, entries: Sequence[Entry]) -> None:
    """Add an errand with what it was asked to do. Raises `Refusal` CONFLICT when the id is taken."""
    with refusing(conn, taken=Refusal(Fault.CONFLICT, "This id was given out at the same moment; retry.")):
        conn.execute(insert_into(_table), _errand.values(errand))
    add(conn, entries)


def add(conn: Connection, entries: Sequence[Entry]) -> None:
    """Add entries to an errand."""
    if entries:
        conn.execute(insert_into(_entries), [_entry.values(entry) for entry in entries])


def get(conn: Connection, errand_id: str) -> Errand | None:
    """The errand, whoever asks."""
    row = conn.execute(select(*_errand.columns).where(_table.c.id == errand_id)).first()
    return None if row is None else _errand.read(row)


def page(conn: Connection, *, username: str, offset: int, limit: int) -> Page[Errand]:
    """The errands of a user, the latest first."""
    mine = _table.c.username == username
    order = (_table.c.started_on.desc(), _table.c.id.desc())
    query = select(*_errand.columns).where(mine).order_by(*order).offset(offset).limit(limit)
    total = conn.execute(select(func.count()).select_from(_table).where(mine)).scalar_one()
    return Page(_errand.read_all(conn.execute(query)), total)


def any_open(conn: Connection) -> bool:
    """Whether there is anything to do."""
    return conn.execute(select(_table.c.id).where(_OPEN).limit(1)).first() is not None


def next_open(conn: Connection, after: str) -> Errand | None:
    """An errand that is not finished and that nobody else is at, ours until the transaction ends: the first behind the
    id ``after``, else the first of all."""
    query = select(*_errand.columns).where(_OPEN).order_by(_table.c.id).limit(1)
    for candidates in (query.where(_table.c.id > after), query):
        row = conn.execute(candidates.with_for_update(skip_locked=True)).first()
        if row is not None:
            return _errand.read(row)
    return None


def save(conn: Connection, errand: Errand) -> None:
    """Write an errand back."""
    conn.execute(update(_table).where(_table.c.id == errand.id).values(**_errand.values(errand)))


def save_entry(conn: Connection, entry: Entry) -> None:
    """Write an entry back."""
    conn.execute(update(_entries).where(*_key(entry)).values(**_entry.values(entry)))


def entries_in(
    conn: Connection, errand_id: str, state: EntryState, *, last_first: bool = False, limit: int
) -> list[Entry]:
    """The first entries of an errand in a state, by number."""
    number = _entries.c.number
    here = (_entries.c.errand == errand_id) & (_entries.c.state == state)
    query = select(*_entry.columns).where(here).order_by(number.desc() if last_first else number).limit(limit)
    return _entry.read_all(conn.execute(query))


def numbered(conn: Connection, errand_id: str, numbers: Collection[int]) -> dict[int, Entry]:
    """The entries with these numbers."""
    found: dict[int, Entry] = {}
    for some in chunks(numbers):
        here = (_entries.c.errand == errand_id) & _entries.c.number.in_(some)
        found.update(
            (entry.number, entry) for entry in _entry.read_all(conn.execute(select(*_entry.columns).where(here)))
        )
    return found


def last_number(conn: Connection, errand_id: str) -> int:
    """The highest number of an entry; 0 when there is none."""
    found = conn.execute(select(func.max(_entries.c.number)).where(_entries.c.errand == errand_id)).scalar()
    return found or 0


def result(conn: Connection, errand_id: str) -> list[Entry]:
    """What users are told in the end: the entries that were asked for, in order, then those inside folders that failed
    (10,000 at most)."""
    mine = select(*_entry.columns).where(_entries.c.errand == errand_id)
    asked = mine.where(_entries.c.above.is_(None)).order_by(_entries.c.number)
    inside = mine.where(_entries.c.above.is_not(None), _entries.c.state == EntryState.FAILED)
    failed = inside.order_by(_entries.c.number).limit(_MOST_FAILURES)
    return _entry.read_all(conn.execute(asked)) + _entry.read_all(conn.execute(failed))


def fail_open_entries(conn: Connection, errand_id: str, fault: Fault, message: str) -> tuple[int, int]:
    """Let everything that is not done yet fail. Answers how many files and how many folders that were."""
    still = _entries.c.state.in_([EntryState.WAITING, EntryState.READY, EntryState.EMPTYING])
    here = (_entries.c.errand == errand_id) & still
    folders = conn.execute(select(func.count()).select_from(_entries).where(here, _entries.c.folder)).scalar_one()
    files = conn.execute(select(func.count()).select_from(_entries).where(here, ~_entries.c.folder)).scalar_one()
    conn.execute(update(_entries).where(here).values(state=EntryState.FAILED, fault=fault, message=message))
    return files, folders


def drop_old(conn: Connection, before: datetime, limit: int = 20) -> int:
    """Forget some errands that were finished before a moment; how many."""
    old = select(_table.c.id).where(_table.c.finished_on < before).limit(limit)
    ids = list(conn.execute(old).scalars())
    conn.execute(delete_from(_table).where(_table.c.id.in_(ids)))
    return len(ids)


def _key(entry: Entry) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _entries.c.errand == entry.errand, _entries.c.number == entry.number
