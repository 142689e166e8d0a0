"""Turns among writers of PostgreSQL. SQLite has one writer at a time, so nothing happens there."""

from enum import IntEnum

from sqlalchemy import Connection, text


class Turn(IntEnum):
    """What is done by one transaction at a time. The numbers are keys of advisory locks."""

    LOCATIONS = 0x41524E5502
    """Removing file rows and asking which locations are left: two at once would each see the row of the other."""

    DOCUMENTS = 0x41524E5503
    """Adding and dropping bodies of apps."""


def take_turn(conn: Connection, turn: Turn) -> None:
    """Wait until no other transaction does the same; lasts until the end of this one."""
    if conn.dialect.name == "postgresql":
        conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": turn.value})
