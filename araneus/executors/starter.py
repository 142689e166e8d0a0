"""Starting attempts beside the loop: filling a job directory waits for the disk, and spawning for the processor.

A process that spawns another one stands still until the new one runs its program. On a machine that is busy with tools
this takes milliseconds, so a few threads do it, and `LocalExecutor.poll` hears of the result.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

_THREADS = 2


class Starter:
    """Works in threads, each started when it is first needed. ``wake`` is called, from those threads, when `done` has
    something to tell. All methods belong to one thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._work: SimpleQueue[tuple[str, Callable[[], int | None]] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[str, int | Exception | None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, attempt: str, work: Callable[[], int | None]) -> None:
        """Do the work, which gives a process id, or None when there was nothing to start."""
        self._work.put((attempt, work))
        if len(self._threads) < _THREADS:
            name = f"araneus-start-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()

    def done(self) -> list[tuple[str, int | Exception | None]]:
        """What the work for each attempt gave or raised, each once. Never blocks."""
        found = []
        while True:
            try:
                found.append(self._done.get_nowait())
            except Empty:
                return found

    def close(self) -> None:
        """Start what was asked for, and wait until that is done."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            attempt, work = item
            try:
                result: int | Exception | None = work()
            except Exception as problem:
                result = problem
            self._done.put((attempt, result))
            self._wake()
