"""JavaScript for expressions: a pool of worker processes, each with limits of time, memory and size.

Scripts come from strangers and the engine is written in C, so they never run in this process: `javascript_worker` runs
them with an empty environment and without files, and a worker that does not answer in time, or answers nonsense, is
killed and replaced (`javascript_process`). Only JSON goes in and out. Called by `cwl.expressions`; knows no CWL.
"""

import json
import re
import threading
import time
from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import Final, Self

from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.javascript_plain import is_plain
from araneus.cwl.javascript_process import Worker, WorkerFailedError
from araneus.cwl.nesting import MAX_DEPTH, too_deep
from araneus.model.values import Value

MAX_ANSWER: Final = 32 * 2**20
"""Bytes of JSON that one evaluation may give."""
MAX_VALUE: Final = 256 * 2**20
"""Bytes of this process's memory that the value of one evaluation may take, roughly."""
MAX_REQUEST: Final = 64 * 2**20
"""Bytes of JSON that one evaluation may be given."""
MORE: Final = 4
"""How many times ``workers`` there may be while evaluations are slow."""
PATIENCE: Final = 0.05
"""Seconds that a caller waits for a worker before another one is started."""

_DENSEST: Final = 40
"""Bytes that one byte of JSON can become at most: ``{"":0},`` again and again."""
_MAX_SESSION: Final = 2**31
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


class JavaScript:
    """Evaluates JavaScript in ``workers`` processes, in more while those are held up. Thread-safe.

    Callers are served in the order in which they came. Workers start when they are needed; one more than ``workers``
    ends as soon as nobody waits. ``time_limit`` is in seconds for one evaluation, on a machine that is not too busy to
    run it; ``memory`` is MiB for one worker.
    """

    def __init__(self, workers: int = 1, time_limit: float = 5.0, memory: int = 256) -> None:
        self._time_limit = time_limit
        self._memory = memory
        self._workers = workers
        self._idle: deque[Worker] = deque()
        self._busy = 0
        self._queue: deque[object] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._sessions = 0

    def new_session(self) -> int:
        """A number for the scripts of one process of one task, which may share a context (see `run`)."""
        with self._change:
            self._sessions = self._sessions % _MAX_SESSION + 1
            return self._sessions

    def run(self, code: str, library: tuple[str, ...], variables: Mapping[str, Value], session: int = 0) -> Value:
        """What the function body ``code`` returns, after the texts of ``library``, with ``variables`` as globals.

        Nothing that a script does is seen by the next; plain ones of one `new_session` are evaluated faster. Raises
        `ExpressionError` for whatever goes wrong; its message does not quote the code.
        """
        request = _request(code, library, variables, session if not library and is_plain(code) else 0)
        worker = self._take()
        kept: Worker | None = None
        try:
            if worker is not None and not worker.alive():
                worker.kill()
                worker = None
            if worker is None:
                worker = Worker(self._time_limit, self._memory, MAX_ANSWER)
            answer = worker.ask(request)
            kept = None if worker.spent else worker
        except WorkerFailedError as failed:
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
            idle, self._idle = self._idle, deque()
            self._change.notify_all()
        for worker in idle:
            worker.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> Worker | None:
        """A worker for this caller alone, when it is its turn; None when it is to start one."""
        ticket, since = object(), time.monotonic()
        with self._change:
            self._queue.append(ticket)
            try:
                while not self._closed and not (self._queue[0] is ticket and self._has_room(since)):
                    self._change.wait(PATIENCE)
                if self._closed:
                    raise _error("the JavaScript workers have been closed")
                self._busy += 1
                # The one that has been idle longest has had the most time to get ready.
                return self._idle.popleft() if self._idle else None
            finally:
                self._queue.remove(ticket)
                self._change.notify_all()

    def _has_room(self, since: float) -> bool:
        if self._idle or self._busy < self._workers:
            return True
        return self._busy < self._workers * MORE and time.monotonic() - since >= PATIENCE

    def _give_back(self, worker: Worker | None) -> None:
        with self._change:
            self._busy -= 1
            wanted = self._queue or self._busy + len(self._idle) < self._workers
            if worker is not None and wanted and not self._closed:
                self._idle.append(worker)
                worker = None
            self._change.notify_all()
        if worker is not None:
            worker.kill()


def _request(code: str, library: tuple[str, ...], variables: Mapping[str, Value], session: int) -> bytes:
    try:
        texts = _texts(library)
        body = json.dumps({"code": code, "variables": variables}, allow_nan=False).encode("ascii")
    except (ValueError, TypeError, RecursionError) as error:
        raise _error(f"the values given to the expression are not JSON: {error}") from None
    if len(texts) + len(body) > MAX_REQUEST:
        raise _error(f"the values given to the expression are larger than {MAX_REQUEST >> 20} MiB of JSON")
    return b"".join([*(number.to_bytes(4, "big") for number in (session, len(texts), len(body))), texts, body])


@lru_cache(maxsize=64)
def _texts(library: tuple[str, ...]) -> bytes:
    return json.dumps(library).encode("ascii")


def _result(answer: bytes) -> Value:
    try:
        if _cost(answer) > MAX_VALUE:
            raise _error(f"the result holds too many values: it would take more than {MAX_VALUE >> 20} MiB of memory")
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


def _cost(answer: bytes) -> int:
    """About how many bytes of this process's memory the value of a JSON text takes."""
    if len(answer) * _DENSEST <= MAX_VALUE:
        return 0
    bare = _STRINGS.sub(b"", answer)
    return 4 * len(answer) + 64 * bare.count(b",") + 72 * bare.count(b"[") + 240 * bare.count(b"{")


def _plain_message(message: str) -> str:
    if "InternalError: interrupted" in message:
        return "the expression ran longer than its time limit"
    if "InternalError: out of memory" in message:
        return "the expression used more memory than its limit"
    return _CONTROL.sub("", message[:2000])[:1000]


def _refuse_constant(name: str) -> Value:
    raise ValueError(name)


def _error(message: str) -> ExpressionError:
    return ExpressionError(Problem("", message))
