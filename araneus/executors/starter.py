"""Starting attempts beside the loop: filling a job directory waits for the disk, and spawning for the processor.

A process that spawns another one stands still until the new one runs its program. On a machine that is busy with tools
this takes milliseconds, so a few threads do it, and `LocalExecutor.poll` hears of the result. A process that does
nothing else (`executors.apart`) is quicker without: its threads would only wait for each other.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue


class Starter:
    """Works in so many threads, each started when it is first needed; without any, in the caller's own. ``wake`` is
    called, from those threads, when `done` has something to tell. All methods belong to one thread."""

    def __init__(self, wake: Callable[[], None], threads: int) -> None:
        self._wake = wake
        self._most = threads
        self._work: SimpleQueue[tuple[str, Callable[[], int | None]] | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[str, int | Exception | None]] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def start(self, attempt: str, work: Callable[[], int | None]) -> None:
        """Do the work, which gives a process id, or None when there was nothing to start."""
        if not self._most:
            self._do(attempt, work)
            return
        self._work.put((attempt, work))
        if len(self._threads) < self._most:
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
            self._do(*item)

    def _do(self, attempt: str, work: Callable[[], int | None]) -> None:
        try:
            result: int | Exception | None = work()
        except Exception as problem:
            result = problem
        self._done.put((attempt, result))
        self._wake()
