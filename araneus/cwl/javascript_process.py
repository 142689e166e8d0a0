"""One process of `javascript_worker`, seen from this side: it is started, asked, watched and killed.

The pipes carry what `javascript_worker` describes. A worker is never trusted: an answer that is late, too long or no
answer ends it. Used by `javascript`, by one thread at a time.
"""

import importlib.util
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

START_LIMIT: Final = 30.0
"""Seconds that a new worker may take to start, on top of the time limit: a loaded machine is slow."""
STARVED: Final = 3.0
"""How many times its limit an evaluation may last that has not had its share of the processor yet."""

_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "LANG")
_PIECE = 2**16
_SPENT: Final = 0x80000000


class WorkerFailedError(Exception):
    """A worker gave no usable answer; it must be killed."""


class Worker:
    """One process and the pipes to it.

    ``time_limit`` is in seconds. The process stops a script by itself after four fifths of that in processor time; what
    it overlooks is ended from here a little before the limit. ``memory`` is in MiB, ``answer_limit`` in bytes.
    ``spent`` says of the last answer that it will give no other one.
    """

    def __init__(self, time_limit: float, memory: int, answer_limit: int) -> None:
        self.spent = False
        self._limit = time_limit * 0.95
        self._answer_limit = answer_limit
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        script = Path(__file__).with_name("javascript_worker.py")
        limits = (str(time_limit * 0.8), str(memory), str(answer_limit))
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script), engine_directory(), *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input = self._process.stdin.fileno()
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._output, select.POLLIN)
        self._writable.register(self._input, select.POLLOUT)
        self._new = True

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, request: bytes) -> bytes:
        """The answer to a request; raises `WorkerFailedError` when none comes in time."""
        if self._new:
            self._await_start()
        spent = self._processor_time()
        started = time.monotonic()
        deadline = _Deadline(self, started + self._limit, started + self._limit * STARVED, spent)
        self._write(request, deadline)
        answer = bytearray()
        while len(answer) < 4:
            self._read(answer, deadline)
        size = int.from_bytes(answer[:4], "big")
        self.spent, size = bool(size & _SPENT), size & ~_SPENT
        if size > self._answer_limit:
            raise WorkerFailedError("the JavaScript worker answered nonsense")
        while len(answer) < size + 4:
            self._read(answer, deadline)
        if len(answer) > size + 4:
            raise WorkerFailedError("the JavaScript worker answered nonsense")
        return bytes(memoryview(answer)[4:])

    def kill(self) -> None:
        """End the process and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def was_starved(self, spent: float) -> bool:
        """Whether the process has had less than half of its limit of the processor since it had ``spent`` seconds."""
        return self._processor_time() - spent < self._limit / 2

    def _processor_time(self) -> float:
        """Seconds of processor time so far; infinite where that cannot be seen, so that nothing is waited for."""
        try:
            # The number of another process's clock, as clock_getcpuclockid(3) makes it on Linux.
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:
            return float("inf")

    def _await_start(self) -> None:
        word = bytearray()
        started = time.monotonic()
        self._read(word, _Deadline(self, started + START_LIMIT, started + START_LIMIT, 0.0))
        if word != b"+":
            raise WorkerFailedError("the JavaScript worker did not start")
        self._new = False

    def _write(self, request: bytes, deadline: "_Deadline") -> None:
        view = memoryview(request)
        while view:
            try:
                view = view[os.write(self._input, view) :]
            except BlockingIOError:
                deadline.wait(self._writable)
            except OSError:
                raise WorkerFailedError("the JavaScript worker ended; the expression used too much memory") from None

    def _read(self, answer: bytearray, deadline: "_Deadline") -> None:
        """Add what has come to ``answer``, at least one byte."""
        while True:
            deadline.wait(self._readable)
            try:
                piece = os.read(self._output, _PIECE)
            except BlockingIOError:
                continue
            if not piece:
                raise WorkerFailedError("the JavaScript worker ended; the expression used too much memory or time")
            answer += piece
            return


class _Deadline:
    """When patience with an evaluation ends: at ``soft``, or at ``hard`` when the processor was busy elsewhere."""

    def __init__(self, worker: Worker, soft: float, hard: float, spent: float) -> None:
        self._worker = worker
        self._end = soft
        self._hard = hard
        self._spent = spent

    def wait(self, poll: select.poll) -> None:
        """Return when the pipe is ready; raises `WorkerFailedError` when it is too late."""
        while not poll.poll(max(0.0, self._end - time.monotonic()) * 1000):
            if self._end >= self._hard or not self._worker.was_starved(self._spent):
                raise WorkerFailedError("the expression ran longer than its time limit")
            self._end = min(self._hard, time.monotonic() + 0.1)


def engine_directory() -> str:
    """The directory that a worker, isolated from this process's import path, finds the engine in."""
    found = importlib.util.find_spec("_quickjs")
    if found is None or found.origin is None:
        raise WorkerFailedError("the JavaScript engine is not installed: install the package quickjs-ng")
    return str(Path(found.origin).parent)
