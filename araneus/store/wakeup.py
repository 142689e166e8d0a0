"""How the HTTP half tells the running half that there is something to do.

SQLite: a datagram on a unix socket beside the database file. PostgreSQL: NOTIFY. A wake-up carries nothing and may be
lost; whoever listens looks at the database, and does so now and then unasked.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from araneus.store.database import Database, DatabaseUnavailable

_LONGEST_SOCKET_PATH = 100


class _Sending(Protocol):
    def send(self) -> None: ...

    def close(self) -> None: ...


class _Hearing(Protocol):
    receiver: socket.socket

    def close(self) -> None: ...


class WakeupSender:
    """Wakes the listener of a database. Serves all threads of a process."""

    def __init__(self, database: Database) -> None:
        self._sending = _sending(database)

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
        self._source = _hearing(database)

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


def _sending(database: Database) -> _Sending:
    if database.path is not None:
        return _Datagrams(_socket_path(database.path))
    from araneus.store.notifications import Notifier  # noqa: PLC0415 (SQLite does without its driver)

    return Notifier(database.url)


def _hearing(database: Database) -> _Hearing:
    if database.path is not None:
        return _Postbox(_socket_path(database.path))
    from araneus.store.notifications import Subscription  # noqa: PLC0415 (as above)

    return Subscription(database.url)


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
