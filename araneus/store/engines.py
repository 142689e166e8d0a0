"""How connections to each kind of database are made: pragmas, isolation, and driver errors in our own words.

Readers run without transactions (every statement sees the newest commit) and cannot write. Writers run BEGIN IMMEDIATE
on SQLite, so that two of them queue instead of failing, and READ COMMITTED on PostgreSQL.
"""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import ExceptionContext

from araneus.model.errors import AraneusError, Fault, Refusal

BUSY_SECONDS = 60.0
_CONNECT_SECONDS = 10
_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    # FULL: a commit is on the disk when it returns. WAL with NORMAL may lose the last ones when the power goes.
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -16000",
    "PRAGMA trusted_schema = OFF",
)
_ISOLATION: dict[bool, dict[str, Any]] = {True: {}, False: {"isolation_level": "AUTOCOMMIT"}}
_TOO_BIG = (OverflowError, UnicodeEncodeError)
_PG_DISK_FULL = "53100"


class DatabaseUnavailable(AraneusError):
    """The database cannot be opened as configured; the message says what to do."""


def prepare_sqlite_file(path: Path) -> None:
    """Create the database file (readable by its owner alone) when it is absent, and switch it to WAL.

    Raises `DatabaseUnavailable` when the directory is missing, the file is no database, or WAL cannot be had.
    """
    if not path.is_absolute():
        raise DatabaseUnavailable(f"SQLite path {path} is relative: write sqlite:////absolute/path.db (four slashes).")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        mode = _switch_to_wal(path)
    except OSError as error:
        raise DatabaseUnavailable(f"Cannot open the database file {path}: {error.strerror}.") from error
    except sqlite3.DatabaseError as error:
        raise DatabaseUnavailable(f"Cannot use {path} as a database: {error}.") from error
    if mode != "wal":
        raise DatabaseUnavailable(
            f"SQLite cannot use write-ahead logging for {path} (it answers {mode!r}): put it on a local file system."
        )


def _switch_to_wal(path: Path) -> str:
    """The journal mode after asking for WAL. SQLite does not wait for a lock here, so this does."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        finally:
            connection.close()


def sqlite_engine(path: Path, *, write: bool) -> Engine:
    """An engine on a prepared file whose transactions begin at once when it writes, and that refuses writes else."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"check_same_thread": False, "isolation_level": None, "timeout": BUSY_SECONDS},
        poolclass=None if write else NullPool,
        **_ISOLATION[write],
    )

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in _PRAGMAS:
            dbapi_connection.execute(pragma)
        if not write:
            dbapi_connection.execute("PRAGMA query_only = ON")

    if write:

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "handle_error", _in_our_words)
    return engine


def postgres_engine(url: URL, *, write: bool) -> Engine:
    """An engine on a server. A dead connection is noticed and replaced when it is taken from the pool."""
    engine = create_engine(
        url,
        connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "araneus"},
        poolclass=None if write else NullPool,
        **({"pool_size": 8, "max_overflow": 24, "pool_pre_ping": True} if write else {}),
        **_ISOLATION[write],
    )

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _record: Any) -> None:
        usual = dbapi_connection.autocommit
        dbapi_connection.autocommit = True
        dbapi_connection.execute("SET TIME ZONE 'UTC'")
        if not write:
            dbapi_connection.execute("SET default_transaction_read_only = on")
            # Lists are asked for again and again, and to plan one takes longer than to run it. What a plan would have
            # to know of the parameters, the queries say themselves (`store.task_pages`).
            dbapi_connection.execute("SET plan_cache_mode = force_generic_plan")
        dbapi_connection.autocommit = usual

    event.listen(engine, "handle_error", _in_our_words)
    return engine


def _in_our_words(context: ExceptionContext) -> None:
    """Raise a `Refusal` for what callers can cause: unstorable text, endless numbers, a full disk."""
    error = context.original_exception
    if isinstance(error, _TOO_BIG) or context.sqlalchemy_exception.__class__.__name__ == "DataError":
        reason = "a text holds a NUL or an unpaired surrogate character, or a number is out of range"
        raise Refusal(Fault.BAD_REQUEST, f"The request cannot be stored or looked up: {reason}.") from error
    code = getattr(error, "sqlite_errorcode", None)
    if (code is not None and code & 0xFF == sqlite3.SQLITE_FULL) or getattr(error, "sqlstate", None) == _PG_DISK_FULL:
        raise Refusal(Fault.STORAGE_FULL, "The disk of the database is full; free some space and try again.") from error
