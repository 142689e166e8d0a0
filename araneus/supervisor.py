"""Keeping both halves running: what ``araneus up`` does once the data directory is ready.

The supervisor holds the listening socket, so that a restart of the API half refuses nobody, and a pipe to each half:
when the supervisor dies in whatever way, the pipe closes and the halves stop by themselves. Jobs belong to neither;
they go on. A half that dies is started again, more slowly each time.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HALVES = ("api", "scheduler")
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_CALM = 30.0
_GRACE = 10.0


def listen(host: str, port: int, patience: float = 5.0) -> socket.socket:
    """A listening socket; ``port`` 0 takes a free one. Raises OSError when the address cannot be had.

    An address in use is tried again for ``patience`` seconds: the halves of a killed supervisor are just leaving it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + patience
    while True:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen(1024)
        except OSError:
            sock.close()
            if time.monotonic() > deadline or port == 0:
                raise
            time.sleep(0.05)
        else:
            return sock


@dataclass(slots=True)
class _Half:
    name: str
    process: subprocess.Popen[bytes]
    started: float
    delay: float = _FIRST_DELAY
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts the halves and keeps them until told to stop. Owned by the main thread."""

    data: Path
    sock: socket.socket
    environment: Mapping[str, str]
    report: Callable[[str], None]
    _halves: list[_Half] = field(default_factory=list)
    _pipe: tuple[int, int] = field(default_factory=os.pipe)
    _stopping: bool = False

    def run(self, ready: Callable[[], None]) -> int:
        """Start both halves, call ``ready`` when the API answers, and return 0 after SIGINT or SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._halves = [_Half(name, self._start(name), time.monotonic()) for name in HALVES]
        announced = False
        while not self._stopping:
            if not announced and _answers(self.sock):
                announced = True
                ready()
            self._revive()
            time.sleep(0.05 if not announced else 0.5)
        self._end()
        return 0

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        read_end = self._pipe[0]
        log = self.data / "log" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "araneus.main", name, str(self.data), str(read_end), str(self.sock.fileno())]
        with log.open("ab") as stream:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=dict(self.environment),
                pass_fds=(read_end, self.sock.fileno()),
                start_new_session=True,
            )

    def _revive(self) -> None:
        now = time.monotonic()
        for half in self._halves:
            code = half.process.poll()
            if code is None:
                continue
            if half.restart_at is None:
                calm = now - half.started > _CALM
                half.delay = _FIRST_DELAY if calm else min(half.delay * 2, _LONGEST_DELAY)
                half.restart_at = now + half.delay
                self.report(
                    f"The {half.name} half ended with code {code}; starting it again in {half.delay:.1f} s."
                    f" Its log: {self.data / 'log' / half.name}.log"
                )
            elif now >= half.restart_at:
                half.process, half.started, half.restart_at = self._start(half.name), now, None

    def _end(self) -> None:
        for half in self._halves:
            if half.process.poll() is None:
                half.process.terminate()
        deadline = time.monotonic() + _GRACE
        for half in self._halves:
            try:
                half.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                half.process.kill()
                half.process.wait()


def _answers(sock: socket.socket) -> bool:
    """Whether a request gets any answer: the kernel accepts for us before the API half is up."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared with, not bound)
    try:
        with socket.create_connection((host, port), timeout=1.0) as connection:
            connection.settimeout(1.0)
            connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def environment(base: Mapping[str, str], overrides: Sequence[tuple[str, str, object]]) -> dict[str, str]:
    """The environment of the halves: ours, with the settings of the command line in it."""
    made = dict(base)
    for section, key, value in overrides:
        made[f"ARANEUS__{section}__{key}".upper()] = str(value)
    return made
