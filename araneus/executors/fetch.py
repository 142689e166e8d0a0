"""Slow work with a container engine, off the scheduler's thread: fetching images, removing containers.

The threads are daemons: a server that is told to stop does not wait for an image.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from araneus.executors.base import Image
from araneus.executors.enclosure import Engine
from araneus.executors.removals import Removals

_THREADS = 4
_PATIENCE = 10.0


class Fetcher:
    """Works in a few threads; ``wake`` is called, from those threads, when `done` has something to tell."""

    def __init__(self, wake: Callable[[], None], say: Callable[[str], None]) -> None:
        self._wake = wake
        self._say = say
        self._waiting: dict[Image, list[str]] = {}
        self._guard = threading.Lock()
        self._done: SimpleQueue[tuple[str, str | Exception]] = SimpleQueue()
        self._images = _Workers("araneus-image")
        self._ends = Removals()

    def fetch(self, attempt: str, engine: Engine, image: Image) -> None:
        """Start to make the image available for this attempt; `done` tells the end. One fetch at a time per image."""
        with self._guard:
            others = self._waiting.setdefault(image, [])
            others.append(attempt)
            first = len(others) == 1
        if first:
            self._images.do(lambda: self._prepare(engine, image))

    def end(self, attempt: str, engine: Engine) -> None:
        """Kill and remove the attempt's container, also one that the engine is only making."""
        self._ends.end(attempt, engine)

    def done(self) -> list[tuple[str, str | Exception]]:
        """The attempts whose image is there (its reference) or cannot be had (why), each once. Never blocks."""
        found = []
        while True:
            try:
                found.append(self._done.get_nowait())
            except Empty:
                return found

    def close(self) -> None:
        """Take on nothing more. Images are not waited for; containers that are being removed are, for some seconds."""
        self._images.close()
        self._ends.close(_PATIENCE)

    def _prepare(self, engine: Engine, image: Image) -> None:
        result: str | Exception
        try:
            result = engine.prepare(image, self._say)
        except Exception as problem:
            result = problem
        with self._guard:
            attempts = self._waiting.pop(image)
        for attempt in attempts:
            self._done.put((attempt, result))
        self._wake()


class _Workers:
    """At most `_THREADS` threads that do what they are given, each started when it is first needed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def do(self, work: Callable[[], None]) -> None:
        self._work.put(work)
        if len(self._threads) < _THREADS:
            name = f"{self._name}-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        for _ in self._threads:
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
