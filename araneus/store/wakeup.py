"""How the HTTP half tells the running half that there is something to do.

SQLite: a datagram on a unix socket beside the database file. PostgreSQL: NOTIFY. A wake-up carries nothing and may be
lost; whoever listens looks at the database, and does so now and then unasked.
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import psycopg

from araneus.store.database import Database, DatabaseUnavailable

CHANNEL = "araneus"
_LONGEST_SOCKET_PATH = 100
_CONNECT_SECONDS = 5
_RETRY_SECONDS = 1.0


class _Sending(Protocol):
    def send(self) -> None: ...

    def close(self) -> None: ...


class WakeupSender:
    """Wakes the listener of a database. Serves all threads of a process."""

    def __init__(self, database: Database) -> None:
        path = database.path
        self._sending: _Sending = _Notifier(database.url) if path is None else _Datagrams(_socket_path(path))

    def send(self) -> None:
        """Wake the listener. Never raises, and does not wait when nobody listens."""
        self._sending.send()

    def close(self) -> None:
        """Release the socket or connection."""
        self._sending.close()


class WakeupListener:
    """Hears wake-ups of a database; one listener per database (see `store.guard`). A context manager."""

    def __init__(self, database: Database) -> None:
        """Start to listen. Raises `DatabaseUnavailable` when the socket cannot be made."""
        path = database.path
        self._source: _Postbox | _Subscription = (
            _Subscription(database.url) if path is None else _Postbox(_socket_path(path))
        )

    def fileno(self) -> int:
        """A descriptor that is readable while there are wake-ups to drain; the same for the whole life."""
        return self._source.receiver.fileno()

    def drain(self) -> bool:
        """Take all wake-ups that have arrived. Answers whether there were any; does not wait."""
        heard = False
        with contextlib.suppress(BlockingIOError):
            while True:
                self._source.receiver.recv(64)
                heard = True
        return heard

    def close(self) -> None:
        """Stop listening."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _socket_path(database: Path) -> Path:
    return database.with_name(database.name + ".wakeup")


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for the path that fits into a socket address (107 bytes)."""
    if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise DatabaseUnavailable(
            f"{path} is too long for a socket: keep the database in a directory with a shorter path."
        )
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


class _Datagrams:
    """Sends to the socket file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self) -> None:
        # Nobody listens, or more wake-ups than fit are waiting already: either way nothing is missed.
        with contextlib.suppress(OSError, DatabaseUnavailable), _short(self._path) as address:
            self._socket.sendto(b"!", address)

    def close(self) -> None:
        self._socket.close()


class _Postbox:
    """Receives on the socket file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.setblocking(False)
        try:
            self._bind()
        except OSError as error:
            self.receiver.close()
            raise DatabaseUnavailable(f"Cannot listen for wake-ups at {path}: {error.strerror}.") from error

    def _bind(self) -> None:
        # Bound under another name and renamed: takes the place of a socket that a crash left behind, without a moment
        # in which there is none.
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        # The file is born with the mode of the socket.
        os.fchmod(self.receiver.fileno(), 0o600)
        with _short(fresh) as address:
            self.receiver.bind(address)
        fresh.chmod(0o600)
        self._identity = fresh.stat().st_ino
        fresh.replace(self._path)

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._identity:
                self._path.unlink()
        self.receiver.close()


class _Notifier:
    """Sends NOTIFY on a connection of its own, made when it is first needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None

    def send(self) -> None:
        with self._lock:
            # A connection that died since the last wake-up deserves one more try.
            if not self._try_send() and not self._try_send():
                return

    def _try_send(self) -> bool:
        try:
            if self._connection is None:
                self._connection = _connect(self._url)
            self._connection.execute(f"NOTIFY {CHANNEL}")
        except psycopg.Error:
            self._drop()
            return False
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        with self._lock:
            self._drop()


class _Subscription:
    """Turns notifications into datagrams of a socket pair. A thread waits for them and connects anew when needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.receiver, self._forward = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.receiver.setblocking(False)
        self._forward.setblocking(False)
        self._stopping, self._stop = socket.socketpair()
        try:
            first = self._listen()
        except psycopg.Error as error:
            self._close_sockets()
            raise DatabaseUnavailable(f"Cannot listen for wake-ups on PostgreSQL: {error}.") from error
        self._thread = threading.Thread(target=self._run, args=(first,), name="wakeup-listener", daemon=True)
        self._thread.start()

    def _listen(self) -> psycopg.Connection:
        connection = _connect(self._url)
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _run(self, connection: psycopg.Connection | None) -> None:
        while True:
            try:
                connection = connection or self._listen()
                if self._until_stopped(connection):
                    return
            except (psycopg.Error, OSError):
                # Wake-ups may have been missed meanwhile.
                self._tell()
                if select.select([self._stopping], [], [], _RETRY_SECONDS)[0]:
                    return
            finally:
                if connection is not None:
                    connection.close()
                    connection = None

    def _until_stopped(self, connection: psycopg.Connection) -> bool:
        while True:
            watched: list[Any] = [connection, self._stopping]
            readable = select.select(watched, [], [])[0]
            if self._stopping in readable:
                return True
            for _ in connection.notifies(timeout=0):
                self._tell()
            if connection.closed:
                return False

    def _tell(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._forward.send(b"!")

    def close(self) -> None:
        self._stop.send(b"!")
        self._thread.join()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for end in (self.receiver, self._forward, self._stopping, self._stop):
            end.close()


def _connect(url: str) -> psycopg.Connection:
    return psycopg.connect(libpq_url(url), autocommit=True, connect_timeout=_CONNECT_SECONDS)


def libpq_url(url: str) -> str:
    """The address as libpq takes it: without the name of a driver."""
    scheme, separator, rest = url.partition("://")
    return scheme.partition("+")[0] + separator + rest
