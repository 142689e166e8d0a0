"""Knowing when an attempt ended, and waking the caller's loop: one descriptor for process ends, alarms and threads.

On Linux every watched process has a pidfd in an epoll set, so an end is known at once and costs no looking around.
Elsewhere, and for a process whose id is not known yet, an alarm makes the caller look at the job directories' locks.
"""

import contextlib
import math
import os
import select
import threading
import time
from collections.abc import Callable


class Watch:
    """Watched processes by attempt id. All methods but `wake` belong to one thread.

    ``descriptors`` False leaves pidfds aside where there are some, as on a system that has none.
    """

    TICK = 0.05
    """Seconds between looks at attempts that cannot be watched by descriptor."""

    def __init__(self, *, descriptors: bool = True) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._epoll = select.epoll() if descriptors and hasattr(select, "epoll") else None
        if self._epoll is not None:
            self._epoll.register(self._reader, select.EPOLLIN)
        self._by_descriptor: dict[int, str] = {}
        self._alarm = _Alarm(self.wake)

    def fileno(self) -> int:
        """Readable when `ready` may have something to say."""
        return self._epoll.fileno() if self._epoll is not None else self._reader

    def add(self, attempt: str, pidfd: int) -> bool:
        """Watch a pidfd, which now belongs to the watch. False, and it is closed, when this system cannot."""
        if self._epoll is None:
            os.close(pidfd)
            return False
        self._epoll.register(pidfd, select.EPOLLIN)
        self._by_descriptor[pidfd] = attempt
        return True

    def ready(self) -> list[str]:
        """The watched attempts whose process has ended; each is told once and no longer watched. Never blocks."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
        if self._epoll is None:
            return []
        ended = []
        for descriptor, _ in self._epoll.poll(0, max(1, len(self._by_descriptor) + 1)):
            attempt = self._by_descriptor.pop(descriptor, None)
            if attempt is not None:
                self._epoll.unregister(descriptor)
                os.close(descriptor)
                ended.append(attempt)
        return ended

    def wake(self) -> None:
        """Make the descriptor readable; may be called from any thread."""
        # A full pipe wakes as well as one more byte; after `close` there is nobody to wake.
        with contextlib.suppress(OSError, ValueError):
            os.write(self._writer, b"w")

    def at(self, moment: float) -> None:
        """Wake at this moment of `time.monotonic`. Only the earliest of several is kept: ask again when woken."""
        self._alarm.at(moment)

    def close(self) -> None:
        """Let go of all descriptors. What was watched goes on running. Closing again does nothing."""
        if self._writer < 0:
            return
        self._alarm.close()
        for descriptor in self._by_descriptor:
            os.close(descriptor)
        self._by_descriptor.clear()
        if self._epoll is not None:
            self._epoll.close()
        writer, self._writer = self._writer, -1
        os.close(writer)
        os.close(self._reader)


class _Alarm:
    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._moment = math.inf
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def at(self, moment: float) -> None:
        with self._changed:
            if moment >= self._moment:
                return
            self._moment = moment
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="araneus-alarm", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                left = self._moment - time.monotonic()
                if left > 0:
                    # A condition refuses to wait for centuries, which a document may ask for.
                    self._changed.wait(min(left, 3600.0))
                else:
                    self._moment = math.inf
                    self._ring()
