"""Wake-ups through PostgreSQL: NOTIFY and LISTEN. Loaded only with that database, for its driver is slow to load."""

import contextlib
import select
import socket
import threading
from typing import Any

import psycopg

from araneus.store.database import DatabaseUnavailable

CHANNEL = "araneus"
_CONNECT_SECONDS = 5
_RETRY_SECONDS = 1.0


class Notifier:
    """Sends NOTIFY on a connection of its own, made when it is first needed."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: psycopg.Connection | None = None

    def send(self) -> None:
        """Notify; never raises."""
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
        """Close the connection."""
        with self._lock:
            self._drop()


class Subscription:
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
        """Stop the thread and close everything."""
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
