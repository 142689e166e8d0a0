"""Connections, transactions and the state of the schema. Everything in `store` takes a Connection that comes from here.

One `Database` serves all threads of a process; after a fork, open a new one.
"""

import select
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from araneus.model.errors import AraneusError
from araneus.store.engines import DatabaseUnavailable, postgres_engine, prepare_sqlite_file, sqlite_engine
from araneus.store.migrations import REVISIONS
from araneus.store.turnstile import Turnstile

__all__ = ["Connection", "Database", "DatabaseUnavailable", "WrongSchema", "is_away", "was_cut"]

_SQLITE = "sqlite:///"
_SQLITE_AWAY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_POSTGRES_AWAY = ("08", "57", "53300")
"""SQLSTATEs: connection exceptions, a server that stops or starts, too many connections."""
_KEPT_READERS = 16
_PING_AFTER_SECONDS = 5.0
_RESTART_SECONDS = 5.0
"""How long a PostgreSQL server that was there is waited for: it may be restarted, and scripts end at an error."""
_AGAIN_SECONDS = 0.1


class WrongSchema(AraneusError):
    """The tables are not those of this version of Araneus; the message says what to do."""


def was_cut(error: BaseException) -> bool:
    """Whether this is about a connection that was lost while it was used: what changes nothing can be done again."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def is_away(error: BaseException) -> bool:
    """Whether the database did not answer, for a reason that passes: nothing is wrong with what it was asked."""
    if was_cut(error):
        return True
    if not isinstance(error, OperationalError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _SQLITE_AWAY
    state = getattr(error.orig, "sqlstate", None)
    return state is None or state.startswith(_POSTGRES_AWAY)


class Database:
    """SQLite in a file, or PostgreSQL.

    ``dialect`` is ``sqlite`` or ``postgresql``; ``url`` is what it was opened with (it may hold a password: do not
    log it); ``path`` is the database file of SQLite, else None.
    """

    def __init__(self, url: str, reader: Engine, writer: Engine, path: Path | None) -> None:
        self.url = url
        self.path = path
        self.dialect = "sqlite" if path is not None else "postgresql"
        self._reader = reader
        self._writer = writer
        self._idle: deque[tuple[Connection, float]] = deque()
        self._gate = threading.Lock()
        self._turnstile = Turnstile(path) if path is not None else None
        self._thread = threading.local()
        self._seen = False
        self._away = (0.0, 0.0)

    @classmethod
    def open(cls, url: str) -> "Database":
        """Open ``sqlite:////absolute/path.db`` or ``postgresql://user@host/name``.

        A missing SQLite file is created, empty. Raises `DatabaseUnavailable` for other addresses and unusable files.
        """
        if url.startswith(_SQLITE):
            # Not make_url: a path may hold '?', '#' and '%'.
            path = Path(url.removeprefix(_SQLITE))
            prepare_sqlite_file(path)
            return cls(url, sqlite_engine(path, write=False), sqlite_engine(path, write=True), path)
        try:
            parsed = make_url(url)
        except ArgumentError:
            parsed = None
        if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
            raise DatabaseUnavailable(
                "The database address must be sqlite:////absolute/path.db or postgresql://user@host/name."
            )
        parsed = parsed.set(drivername="postgresql+psycopg")
        return cls(url, postgres_engine(parsed, write=False), postgres_engine(parsed, write=True), None)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that cannot write. Every statement sees what was committed before it."""
        connection = self._take()
        try:
            yield connection
        except DBAPIError as error:
            if error.connection_invalidated:
                connection.close()
                self._close_idle()  # they were there before, and have been cut with it
            raise
        finally:
            self._give_back(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block and durable from then on; rolled back by an exception.

        On SQLite writers of all threads and processes take turns, so keep the block short. A block within another of
        the same thread is a mistake and raises RuntimeError.
        """
        if getattr(self._thread, "writing", False):
            raise RuntimeError("write() inside write() of the same thread: pass the connection on")
        self._thread.writing = True
        try:
            if self._turnstile is None:
                with self._reached(self._writer) as connection, connection.begin():
                    yield connection
            else:
                # First among the threads, then among the processes, then SQLite's own lock.
                with self._gate, self._turnstile, self._writer.begin() as connection:
                    yield connection
        finally:
            self._thread.writing = False

    def migrate(self) -> None:
        """Bring the tables to this version. Quick when they are; safe when several processes start together.

        Raises `WrongSchema` when they belong to a newer version, and leaves them alone.
        """
        if self._revision() == REVISIONS[-1]:
            return
        # Alembic takes longer to import than all the rest of a start.
        from araneus.store.upgrade import upgrade  # noqa: PLC0415

        with self.write() as connection:
            if self.dialect == "postgresql":
                _check_server(connection)
            upgrade(connection)
        self.check()

    def check(self) -> None:
        """Raise `WrongSchema` unless the tables are exactly those of this version."""
        revision = self._revision()
        if revision is None:
            raise WrongSchema("The database has no tables yet: run its migration (araneus init).")
        if revision not in REVISIONS:
            raise WrongSchema(
                f"The database was written by a newer Araneus (its schema is {revision!r}, this version knows up to"
                f" {REVISIONS[-1]!r}): upgrade Araneus, or restore a backup from before."
            )
        if revision != REVISIONS[-1]:
            raise WrongSchema(f"The database has the older schema {revision!r}: migrate it to {REVISIONS[-1]!r} first.")

    def close(self) -> None:
        """Close all idle connections. The object must not be used afterwards."""
        self._close_idle()
        self._reader.dispose()
        self._writer.dispose()
        if self._turnstile is not None:
            self._turnstile.close()
            self._turnstile = None

    def _revision(self) -> str | None:
        try:
            with self.read() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return None
                found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except OperationalError as error:
            # The first that a process does: here an address is wrong, or nobody is there.
            reason = " ".join(str(error.orig).split())
            raise DatabaseUnavailable(f"The database does not answer: {reason}") from error
        return found

    def _take(self) -> Connection:
        while True:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return self._reached(self._reader)
            if self.dialect == "sqlite":
                return connection
            if not _hung_up(connection):
                if time.monotonic() - since < _PING_AFTER_SECONDS:
                    return connection
                try:
                    connection.execute(text("SELECT 1"))
                except OperationalError:
                    pass
                else:
                    return connection
            connection.close()

    def _reached(self, engine: Engine) -> Connection:
        """A new connection. A server that was there before is waited for as long as a restart takes: by all together,
        so that nobody waits in line for it when it stays away."""
        while True:
            try:
                connection = engine.connect()
            except OperationalError:
                if not self._seen or self.path is not None or self._away_for() >= _RESTART_SECONDS:
                    raise
                time.sleep(_AGAIN_SECONDS)
            else:
                self._seen, self._away = True, (0.0, 0.0)
                return connection

    def _away_for(self) -> float:
        """Seconds since the server was first found away, now that it is again."""
        now = time.monotonic()
        since, last = self._away
        if now - last > _RESTART_SECONDS:
            since = now
        self._away = (since, now)
        return now - since

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop()[0].close()

    def _give_back(self, connection: Connection) -> None:
        if connection.closed or connection.invalidated or len(self._idle) >= _KEPT_READERS:
            connection.close()
        else:
            self._idle.append((connection, time.monotonic()))


def _hung_up(connection: Connection) -> bool:
    """Whether a connection to PostgreSQL that nobody uses was closed by the server: then there is something to read."""
    poll = select.poll()
    poll.register(connection.connection.driver_connection.fileno(), select.POLLIN)  # type: ignore[union-attr]
    return bool(poll.poll(0))


def _check_server(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise DatabaseUnavailable(
            f"The PostgreSQL database has the encoding {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0."
        )
