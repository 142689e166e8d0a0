"""One scheduler per database: two would claim the same tasks."""

import fcntl
import os
from typing import TYPE_CHECKING

from araneus.store.database import Database

if TYPE_CHECKING:
    import psycopg

_LOCK_KEY = 0x41524E5504
_CONNECT_SECONDS = 10


class SchedulerLock:
    """Held by the one scheduler of a database; the system takes it from a process that dies.

    SQLite: a lock on the file ``<database>.scheduler.lock``. PostgreSQL: an advisory lock on a connection of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._file: int | None = None
        self._connection: psycopg.Connection | None = None

    def acquire(self) -> bool:
        """Whether the lock is ours now. Does not wait; True again when it was ours already and still is."""
        path = self._database.path
        if path is None:
            return self._acquire_on_server()
        if self._file is not None:
            return True
        file = os.open(f"{path}.scheduler.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._file = file
        return True

    def held(self) -> bool:
        """Whether the lock is still ours: a lost connection to PostgreSQL takes it away."""
        if self._file is not None:
            return True
        if self._connection is None:
            return False
        import psycopg  # noqa: PLC0415 (loaded already; only with PostgreSQL)

        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Let another scheduler go on. The lock file stays: removing it would let two processes lock two files."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _acquire_on_server(self) -> bool:
        if self.held():
            return True
        import psycopg  # noqa: PLC0415 (SQLite does without)

        from araneus.store.notifications import libpq_url  # noqa: PLC0415 (as above)

        url = libpq_url(self._database.url)
        connection = psycopg.connect(url, autocommit=True, connect_timeout=_CONNECT_SECONDS)
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_KEY]).fetchone()
        if row is None or not row[0]:
            connection.close()
            return False
        self._connection = connection
        return True
