"""Keeping both halves running: what ``araneus up`` does once it has the data directory and the address.

The supervisor holds the listening socket, so that a restart of the API half refuses nobody, and a pipe to each half:
when the supervisor dies in whatever way, the pipe closes and the halves stop by themselves. Jobs belong to neither;
they go on. A half that dies is started again, more slowly each time; one that cannot start in the first place ends it.
Only the standard library is imported here: it stands between the user and the halves at every start.
"""

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HALVES = ("api", "scheduler")
_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0
_CALM = 30.0
_GRACE = 10.0
_LONGEST_LINE = 65536


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
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return sock


@dataclass(frozen=True, slots=True)
class Report:
    """A half works. ``fact`` is what it has to tell: the API half the first user's name, the running half how tools are
    closed off."""

    half: str
    fact: str


@dataclass(slots=True)
class _Half:
    name: str
    process: subprocess.Popen[bytes]
    started: float
    delay: float = 0.0
    restart_at: float | None = None
    was_ready: bool = False
    failure: str = ""


@dataclass(slots=True)
class Supervisor:
    """Starts the halves and keeps them until told to stop. Owned by the main thread.

    ``leash`` is a descriptor whose end of file also stops it.
    """

    data: Path
    sock: socket.socket
    environment: Mapping[str, str]
    complain: Callable[[str], None]
    leash: int | None = None
    _halves: list[_Half] = field(default_factory=list)
    _alive: tuple[int, int] = field(default_factory=os.pipe)
    _words: tuple[int, int] = field(default_factory=os.pipe)
    _signals: tuple[int, int] = field(default_factory=os.pipe)
    _heard: bytes = b""
    _stopping: bool = False

    def run(self, hear: Callable[[Report], None]) -> int:
        """Start both halves; tell ``hear`` the first time that each is ready; 0 after SIGINT, SIGTERM or SIGHUP.

        1 when a half cannot start, after a complaint that says why.
        """
        self._mind_signals()
        code = 0
        try:
            self._halves = [_Half(name, self._start(name), time.monotonic()) for name in HALVES]
            while not self._stopping and code == 0:
                self._wait()
                self._listen_to_halves(hear)
                code = self._revive()
        finally:
            self._end()
        return code

    def _mind_signals(self) -> None:
        for end in (*self._signals, self._words[0]):
            os.set_blocking(end, False)
        # The wake-up descriptor makes a signal end the wait, whenever it comes.
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _wait(self) -> None:
        due = [half.restart_at for half in self._halves if half.restart_at is not None]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        leash = [] if self.leash is None else [self.leash]
        if not self._stopping:
            ready, _, _ = select.select([self._signals[0], self._words[0], *leash], [], [], timeout)
            if self.leash in ready and not os.read(self.leash, _LONGEST_LINE):
                self._stopping = True
        with contextlib.suppress(BlockingIOError):
            os.read(self._signals[0], 4096)

    def _listen_to_halves(self, hear: Callable[[Report], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            self._heard += os.read(self._words[0], _LONGEST_LINE)
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            word = json.loads(line)
            half = next(half for half in self._halves if half.name == word["half"])
            if "failed" in word:
                half.failure = str(word["failed"])
            elif not half.was_ready:
                half.was_ready = True
                hear(Report(half.name, str(word["ready"])))

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        passed = (self._alive[0], self._words[1], self.sock.fileno())
        log = self.data / "log" / f"{name}.log"
        log.parent.mkdir(exist_ok=True, mode=0o700)
        command = [sys.executable, "-m", "araneus.main", name, str(self.data), *map(str, passed)]
        with log.open("ab") as stream:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=dict(self.environment),
                pass_fds=passed,
                start_new_session=True,
            )

    def _revive(self) -> int:
        """Start again what has ended, when it is due; 1 when a half ended by itself without ever having worked."""
        now = time.monotonic()
        for half in self._halves:
            code = half.process.poll()
            if code is None or self._stopping:
                continue
            if half.restart_at is not None:
                if now >= half.restart_at:
                    half.process, half.started, half.restart_at = self._start(half.name), now, None
                continue
            log = self.data / "log" / f"{half.name}.log"
            if not half.was_ready and code > 0:
                self.complain(half.failure or f"the {half.name} half ended with code {code}; its log: {log}")
                return 1
            calm = now - half.started > _CALM
            half.delay = 0.0 if calm else min(max(half.delay * 2, _FIRST_DELAY), _LONGEST_DELAY)
            half.restart_at = now + half.delay
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            why = f" ({half.failure})" if half.failure else ""
            self.complain(f"The {half.name} half {how}{why}; starting it again in {half.delay:.1f} s. Its log: {log}")
            half.failure = ""
        return 0

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
        signal.set_wakeup_fd(-1)


def environment(base: Mapping[str, str], overrides: Sequence[tuple[str, str, object]]) -> dict[str, str]:
    """The environment of the halves: ours, with the settings of the command line in it."""
    made = dict(base)
    for section, key, value in overrides:
        made[f"ARANEUS__{section}__{key}".upper()] = str(value)
    return made
