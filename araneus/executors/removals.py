"""Ending containers, off the scheduler's thread, until it is known that nothing is left of them.

An engine that is busy may still be making a container when the client that asked for it is killed: whoever removes it
at that moment is told that there is none, and a moment later there is one, for ever. So an end that has removed nothing
is tried again some times.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Sequence
from typing import Final

from araneus.executors.enclosure import Engine

PAUSES: Final = (1.0, 5.0, 30.0)
"""Seconds before each further try."""
_THREADS: Final = 4
_TOGETHER: Final = 8
"""Containers that one call of an engine removes."""


class Removals:
    """Works in a few daemon threads, each started when it is first needed."""

    def __init__(self, pauses: Sequence[float] = PAUSES) -> None:
        self._pauses = tuple(pauses)
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, str, int, Engine]] = []
        self._order = itertools.count()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def end(self, attempt: str, engine: Engine) -> None:
        """Kill and remove the attempt's container. Returns at once."""
        with self._changed:
            self._add(attempt, engine, 0, 0.0)
            if len(self._threads) < _THREADS:
                name = f"araneus-remove-{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
                self._threads[-1].start()
            self._changed.notify()

    def close(self, patience: float) -> None:
        """Try all that is owed once more, now, and wait for that at most so many seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _add(self, attempt: str, engine: Engine, tries: int, pause: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + pause, next(self._order), attempt, tries, engine))

    def _run(self) -> None:
        while batch := self._take():
            engine = batch[0][2]
            removed = engine.end([attempt for attempt, _, _ in batch])
            with self._changed:
                for attempt, tries, _ in batch:
                    if attempt not in removed and tries < len(self._pauses) and not self._closed:
                        self._add(attempt, engine, tries + 1, self._pauses[tries])
                self._changed.notify()

    def _take(self) -> list[tuple[str, int, Engine]]:
        """What is due, of one engine; empty when this is closed and nothing is owed."""
        with self._changed:
            while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
            batch: list[tuple[str, int, Engine]] = []
            while self._due and len(batch) < _TOGETHER:
                due, _, attempt, tries, engine = self._due[0]
                if (due > time.monotonic() and not self._closed) or (batch and engine is not batch[0][2]):
                    break
                heapq.heappop(self._due)
                batch.append((attempt, tries, engine))
            return batch
