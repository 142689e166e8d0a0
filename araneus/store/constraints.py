"""Violated constraints become refusals, and the transaction stays usable."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from araneus.model.errors import Fault, Refusal

_UNIQUE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505"}
_REFERENCE = {"SQLITE_CONSTRAINT_FOREIGNKEY", "23503"}


@contextmanager
def refusing(conn: Connection, *, taken: Refusal | None = None, missing: Refusal | None = None) -> Iterator[None]:
    """Run the block in a savepoint. Raises ``taken`` when a unique value was there already and ``missing`` when a
    reference points nowhere (or a row that is being deleted is still referred to); the block is undone, the rest of
    the transaction is not.
    """
    savepoint = conn.begin_nested()
    try:
        yield
    except IntegrityError as error:
        savepoint.rollback()
        refusal = _choose(error, taken, missing)
        if refusal is None:
            raise
        raise refusal from error
    except Refusal as refusal:
        # Other failures, a full disk for one, have ended the whole transaction, and the savepoint with it.
        if refusal.fault is Fault.BAD_REQUEST:
            savepoint.rollback()
        raise
    savepoint.commit()


def _choose(error: IntegrityError, taken: Refusal | None, missing: Refusal | None) -> Refusal | None:
    of_sqlite = isinstance(error.orig, sqlite3.Error)
    code = getattr(error.orig, "sqlite_errorname" if of_sqlite else "sqlstate", None)
    if code in _UNIQUE:
        return taken
    return missing if code in _REFERENCE else None
