"""Lanes: work that may block, on a few threads, one piece at a time for each key.

The loop posts a piece of work for a task and later takes its result; the descriptor of `Lanes` becomes readable when
results wait. A piece that hangs holds its own lane and one thread, never the loop or another lane's order. Pieces that
hang all together (the scripts of one person's tasks, each for as long as a script may take) do not hold all threads:
whoever holds the fewest is served first, and nobody holds the last of them.
"""

import contextlib
import os
import threading
from collections import Counter, deque
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
        self._work: dict[str, deque[tuple[str, Callable[[], T]]]] = {}
        self._held: Counter[str] = Counter()
        self._most = max(1, threads - max(1, threads // 4))
        self._results: deque[Result[T]] = deque()
        self._change = threading.Condition()
        self._stopped = False
        self._busy: set[str] = set()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._closed = False
        self._closing = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, name=f"lane-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def post(self, key: str, work: Callable[[], T], owner: str = "") -> None:
        """Do the work on a thread, for an owner, who gets three quarters of them at most. No key that is `busy`."""
        assert key not in self._busy, key
        self._busy.add(key)
        with self._change:
            self._work.setdefault(owner, deque()).append((key, work))
            self._change.notify()

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
        with self._change:
            self._work.clear()
            self._stopped = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join(timeout / max(1, len(self._threads)))
        with self._closing:
            self._closed = True
            os.close(self._reader)
            os.close(self._writer)

    def _next(self) -> tuple[str, str, Callable[[], T]] | None:
        """Owner, key and work of the next piece; None when there will be none. Waits."""
        with self._change:
            while not self._stopped:
                free = [owner for owner in self._work if self._held[owner] < self._most]
                if free:
                    owner = min(free, key=self._held.__getitem__)
                    pieces = self._work.pop(owner)
                    key, work = pieces.popleft()
                    if pieces:
                        self._work[owner] = pieces  # behind the others
                    self._held[owner] += 1
                    return owner, key, work
                self._change.wait()
        return None

    def _done(self, owner: str) -> None:
        with self._change:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            if owner in self._work:
                self._change.notify()

    def _serve(self) -> None:
        while (piece := self._next()) is not None:
            owner, key, work = piece
            del piece
            try:
                result: Result[T] = Result(key, value=work())
            except Exception as error:
                result = Result(key, error=error)
            self._results.append(result)
            self._done(owner)
            del work, result
            self.wake()
