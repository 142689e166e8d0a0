"""Secrets that the server makes for itself, such as the key of signed URLs."""

from secrets import token_bytes

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from araneus.store import tables

_LENGTH = 32


def get_or_create(conn: Connection, name: str) -> bytes:
    """The secret of this name: 32 random bytes, made by whoever asks first. Needs a writing connection only then."""
    query = select(tables.secrets.c.value).where(tables.secrets.c.name == name)
    known = conn.execute(query).scalar()
    if known is None:
        dialect = sqlite if conn.dialect.name == "sqlite" else postgresql
        fresh = {"name": name, "value": token_bytes(_LENGTH)}
        conn.execute(dialect.insert(tables.secrets).on_conflict_do_nothing(), fresh)
        known = conn.execute(query).scalar_one()
    return bytes(known)
