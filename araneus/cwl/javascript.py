"""JavaScript for expressions: a pool of worker processes, each with limits of time, memory and size.

Scripts come from strangers and the engine is written in C, so they never run in this process: `javascript_worker` runs
them with an empty environment and without files, and a worker that does not answer in time, or answers nonsense, is
killed and replaced. Only JSON goes in and out. Called by `cwl.expressions`; knows nothing of CWL.
"""

import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.nesting import MAX_DEPTH, too_deep
from araneus.model.values import Value

MAX_ANSWER: Final = 32 * 2**20
"""Bytes of JSON that one evaluation may give."""
MAX_REQUEST: Final = 128 * 2**20
"""Bytes of JSON that one evaluation may be given."""
START_LIMIT: Final = 30.0
"""Seconds that a new worker may take to start, on top of the time limit: a loaded machine is slow."""

_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "LANG")


class JavaScript:
    """Evaluates JavaScript in ``workers`` processes; further callers wait. Thread-safe; workers start when needed.

    ``time_limit`` is in seconds of processor time inside the worker; seen from here a quarter more of wall time is
    allowed, so that the engine's own message wins. ``memory`` is MiB of JavaScript heap.
    """

    def __init__(self, workers: int = 1, time_limit: float = 5.0, memory: int = 256) -> None:
        self._time_limit = time_limit
        self._memory = memory
        self._idle: list[_Worker | None] = [None] * workers
        self._change = threading.Condition()
        self._closed = False

    def run(self, code: str, library: tuple[str, ...], variables: Mapping[str, Value]) -> Value:
        """What the function body ``code`` returns, after the texts of ``library``, with ``variables`` as globals.

        Raises `ExpressionError` for whatever goes wrong; its message does not quote the code.
        """
        request = _request(code, library, variables)
        worker = self._take()
        kept: _Worker | None = None
        try:
            if worker is not None and not worker.alive():
                worker.kill()
                worker = None
            if worker is None:
                worker = _Worker(self._time_limit, self._memory)
            answer = worker.ask(request, self._time_limit * 1.25)
            kept = worker
        except _WorkerFailed as failed:
            raise _error(str(failed)) from None
        finally:
            if worker is not None and kept is None:
                worker.kill()
            self._give_back(kept)
        return _result(answer)

    def close(self) -> None:
        """End every idle worker; later calls of `run` fail. Evaluations under way end with their own worker."""
        with self._change:
            self._closed = True
            idle, self._idle = self._idle, []
            self._change.notify_all()
        for worker in idle:
            if worker is not None:
                worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> "_Worker | None":
        with self._change:
            while not self._idle and not self._closed:
                self._change.wait()
            if self._closed:
                raise _error("the JavaScript workers have been closed")
            return self._idle.pop()

    def _give_back(self, worker: "_Worker | None") -> None:
        with self._change:
            if not self._closed:
                self._idle.append(worker)
                self._change.notify()
                return
        if worker is not None:
            worker.kill()


class _WorkerFailed(Exception):
    """A worker gave no usable answer; it must be killed."""


class _Worker:
    """One process and the pipes to it. Used by one thread at a time."""

    def __init__(self, time_limit: float, memory: int) -> None:
        environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
        script = Path(__file__).with_name("javascript_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(script), _library_directory(), str(time_limit), str(memory), str(MAX_ANSWER)],
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
        self._new = True

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, request: bytes, limit: float) -> bytes:
        """The answer to the request within ``limit`` seconds; raises `_WorkerFailed` otherwise."""
        deadline = time.monotonic() + limit + (START_LIMIT if self._new else 0.0)
        self._write(request, deadline)
        if self._new:
            self._await_start(deadline)
            deadline = time.monotonic() + limit
            self._new = False
        size = int.from_bytes(self._read(4, deadline), "big")
        if size > MAX_ANSWER:
            raise _WorkerFailed("the JavaScript worker answered nonsense")
        return self._read(size, deadline)

    def kill(self) -> None:
        """End the process and close its pipes."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _await_start(self, deadline: float) -> None:
        if self._read(1, deadline) != b"+":
            raise _WorkerFailed("the JavaScript worker did not start")

    def _write(self, request: bytes, deadline: float) -> None:
        view = memoryview(request)
        while view:
            try:
                view = view[os.write(self._input, view) :]
            except BlockingIOError:
                _wait(self._input, select.POLLOUT, deadline)
            except OSError:
                raise _WorkerFailed("the JavaScript worker ended; the expression used too much memory") from None

    def _read(self, count: int, deadline: float) -> bytes:
        pieces = []
        while count:
            try:
                piece = os.read(self._output, min(count, 2**20))
            except BlockingIOError:
                _wait(self._output, select.POLLIN, deadline)
                continue
            if not piece:
                raise _WorkerFailed("the JavaScript worker ended; the expression used too much memory or time")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    remaining = deadline - time.monotonic()
    if remaining <= 0 or not poll.poll(remaining * 1000):
        raise _WorkerFailed("the expression ran longer than its time limit")


def _library_directory() -> str:
    """The directory that the worker, isolated from this process's import path, finds the engine in."""
    found = importlib.util.find_spec("quickjs")
    if found is None or found.origin is None:
        raise _error("the JavaScript engine is not installed: install the package quickjs-ng")
    return str(Path(found.origin).parent.parent)


def _request(code: str, library: tuple[str, ...], variables: Mapping[str, Value]) -> bytes:
    try:
        texts = json.dumps(library).encode("ascii")
        body = json.dumps({"code": code, "variables": variables}, allow_nan=False).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise _error(f"the values given to the expression are not JSON: {error}") from None
    if len(texts) + len(body) > MAX_REQUEST:
        raise _error(f"the values given to the expression are larger than {MAX_REQUEST >> 20} MiB of JSON")
    return len(texts).to_bytes(4, "big") + len(body).to_bytes(4, "big") + texts + body


def _result(answer: bytes) -> Value:
    try:
        outcome = json.loads(answer, parse_constant=_refuse_constant)
        if b"\\ud" in answer:
            json.dumps(outcome, ensure_ascii=False).encode()
    except RecursionError:
        raise _error("the result is nested too deeply") from None
    except ValueError:
        raise _error("the result is not valid JSON, or holds an unpaired surrogate character") from None
    if not isinstance(outcome, dict):
        raise _error("the JavaScript worker answered nonsense")
    if "error" in outcome:
        raise _error(_plain_message(str(outcome["error"])))
    if too_deep(outcome):
        raise _error(f"the result is nested more than {MAX_DEPTH} levels deep")
    return outcome.get("value")


def _plain_message(message: str) -> str:
    if "InternalError: interrupted" in message:
        return "the expression ran longer than its time limit"
    if "InternalError: out of memory" in message:
        return "the expression used more memory than its limit"
    return message[:1000]


def _refuse_constant(name: str) -> Value:
    raise ValueError(name)


def _error(message: str) -> ExpressionError:
    return ExpressionError(Problem("", message))
