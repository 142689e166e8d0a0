"""Slow work with a container engine, off the scheduler's thread: fetching images, removing containers."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from araneus.executors.base import Image
from araneus.executors.enclosure import Engine

_THREADS = 4


class Fetcher:
    """Fetches in a few threads; ``wake`` is called, from those threads, when `done` has something to tell."""

    def __init__(self, wake: Callable[[], None], say: Callable[[str], None]) -> None:
        self._wake = wake
        self._say = say
        self._done: SimpleQueue[tuple[str, str | Exception]] = SimpleQueue()
        self._fetches: ThreadPoolExecutor | None = None
        self._ends: ThreadPoolExecutor | None = None

    def fetch(self, attempt: str, engine: Engine, image: Image) -> None:
        """Start to make the image available for this attempt; `done` tells the end."""
        if self._fetches is None:
            self._fetches = ThreadPoolExecutor(_THREADS, thread_name_prefix="araneus-image")
        future = self._fetches.submit(engine.prepare, image, self._say)
        future.add_done_callback(lambda ended: self._tell(attempt, ended))

    def end(self, attempt: str, engine: Engine) -> None:
        """Kill and remove the attempt's container."""
        if self._ends is None:
            self._ends = ThreadPoolExecutor(_THREADS, thread_name_prefix="araneus-remove")
        self._ends.submit(engine.end, attempt)

    def done(self) -> list[tuple[str, str | Exception]]:
        """The attempts whose image is there (its reference) or cannot be had (why), each once. Never blocks."""
        found = []
        while True:
            try:
                found.append(self._done.get_nowait())
            except Empty:
                return found

    def close(self) -> None:
        """Start nothing more; a fetch that is under way is not waited for."""
        for pool in (self._fetches, self._ends):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, attempt: str, ended: "Future[str]") -> None:
        if ended.cancelled():
            return
        problem = ended.exception()
        result: str | Exception = problem if isinstance(problem, Exception) else ended.result()
        self._done.put((attempt, result))
        self._wake()
