"""Lanes: work that may block, on a few threads, one piece at a time for each key.

The loop posts a piece of work for a task and later takes its result; the descriptor of `Lanes` becomes readable when
results wait. A piece that hangs holds its own lane and one thread, never the loop or another lane's order.
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result(Generic[T]):
    """What a piece of work gave: ``value``, or the exception that it raised."""

    key: str
    value: T | None = None
    error: BaseException | None = None


class Lanes(Generic[T]):
    """A pool of daemon threads. `post` and `take` are for one thread, the loop's."""

    def __init__(self, threads: int) -> None:
        self._work: deque[tuple[str, Callable[[], T]]] = deque()
        self._results: deque[Result[T]] = deque()
        self._available = threading.Semaphore(0)
        self._busy: set[str] = set()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closed = False
        self._closing = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, name=f"lane-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def post(self, key: str, work: Callable[[], T]) -> None:
        """Do the work on a thread. The key must not be `busy`."""
        assert key not in self._busy, key
        self._busy.add(key)
        self._work.append((key, work))
        self._available.release()

    def busy(self, key: str) -> bool:
        """Whether work of this key was posted and its result was not taken yet."""
        return key in self._busy

    def take(self) -> list[Result[T]]:
        """The results that came in since the last call; their keys are free again."""
        with contextlib.suppress(BlockingIOError):
            while len(os.read(self._reader, 4096)) == 4096:
                pass
        taken = []
        while self._results:
            taken.append(self._results.popleft())
        self._busy.difference_update(result.key for result in taken)
        return taken

    def fileno(self) -> int:
        """Readable when `take` has something."""
        return self._reader

    def wake(self) -> None:
        """Make the descriptor readable; from any thread or signal handler."""
        with self._closing:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._writer, b"w")

    def close(self, timeout: float) -> None:
        """Take no more work and wait up to ``timeout`` seconds for the work in hand; what is late is left behind."""
        self._work.clear()
        for _ in self._threads:
            self._available.release()
        for thread in self._threads:
            thread.join(timeout / max(1, len(self._threads)))
        with self._closing:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

    def _serve(self) -> None:
        while True:
            self._available.acquire()
            try:
                key, work = self._work.popleft()
            except IndexError:
                return
            try:
                result: Result[T] = Result(key, value=work())
            except Exception as error:
                result = Result(key, error=error)
            self._results.append(result)
            del work, result
            self.wake()
