"""Uploads on their way in, and the parts that have arrived."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into
from sqlalchemy.dialects import postgresql, sqlite

from araneus.model.errors import Fault, Refusal
from araneus.model.upload import Part, Upload
from araneus.store import tables
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.shape import Shape

_table = tables.uploads
_uploads = Shape(Upload, _table)
_parts = Shape(Part, tables.upload_parts)


def insert(conn: Connection, upload: Upload) -> None:
    """Add an upload. Raises `Refusal` PROJECT_NOT_FOUND when its project is gone."""
    gone = Refusal(Fault.PROJECT_NOT_FOUND, f"Project {upload.project!r} does not exist.")
    with refusing(conn, missing=gone):
        conn.execute(insert_into(_table), _uploads.values(upload))


def get(conn: Connection, upload_id: str) -> Upload | None:
    """The upload, whoever asks."""
    row = conn.execute(select(*_uploads.columns).where(_table.c.id == upload_id)).first()
    return None if row is None else _uploads.read(row)


def delete(conn: Connection, upload_id: str) -> bool:
    """Forget an upload and its parts. False when it is gone already: completing and aborting it exclude each other."""
    return conn.execute(delete_from(_table).where(_table.c.id == upload_id)).rowcount > 0


def page(conn: Connection, *, username: str, offset: int, limit: int) -> Page[Upload]:
    """The uploads that a user began, oldest first."""
    mine = _table.c.created_by == username
    query = select(*_uploads.columns).where(mine).order_by(_table.c.initiated, _table.c.id).offset(offset).limit(limit)
    total = conn.execute(select(func.count()).select_from(_table).where(mine)).scalar_one()
    return Page(_uploads.read_all(conn.execute(query)), total)


def in_project(conn: Connection, project: str) -> list[Upload]:
    """The uploads into a project, oldest first: their bytes have to be dropped when the project goes."""
    query = select(*_uploads.columns).where(_table.c.project == project).order_by(_table.c.initiated, _table.c.id)
    return _uploads.read_all(conn.execute(query))


def begun_before(conn: Connection, moment: datetime) -> list[Upload]:
    """The uploads that were begun before a moment and are still under way."""
    return _uploads.read_all(conn.execute(select(*_uploads.columns).where(_table.c.initiated < moment)))


def put_part(conn: Connection, upload_id: str, part: Part) -> None:
    """Write a part whose bytes have arrived, in place of an earlier one of its number.

    Raises `Refusal` UPLOAD_NOT_FOUND when the upload was completed or aborted meanwhile.
    """
    dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(tables.upload_parts)
    written = {name: statement.excluded[name] for name in ("size", "etag", "reported")}
    gone = Refusal(Fault.UPLOAD_NOT_FOUND, "Requested upload does not exist; it may be complete or aborted.")
    with refusing(conn, missing=gone):
        conn.execute(
            statement.on_conflict_do_update(index_elements=["upload", "number"], set_=written),
            _parts.values(part) | {"upload": upload_id},
        )


def report_part(conn: Connection, upload_id: str, number: int) -> bool:
    """Mark a part as reported by the client. False when no such part has arrived."""
    table = tables.upload_parts
    changed = conn.execute(
        update(table).where(table.c.upload == upload_id, table.c.number == number).values(reported=True)
    )
    return changed.rowcount > 0


def parts(conn: Connection, upload_id: str) -> list[Part]:
    """The parts that have arrived, by number."""
    table = tables.upload_parts
    query = select(*_parts.columns).where(table.c.upload == upload_id).order_by(table.c.number)
    return _parts.read_all(conn.execute(query))


def ids(conn: Connection) -> Collection[str]:
    """The ids of all uploads: what else lies in the directory of parts was left behind by a crash."""
    return set(conn.execute(select(_table.c.id)).scalars())
