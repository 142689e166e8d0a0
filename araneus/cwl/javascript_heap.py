"""The memory of the process of `javascript_worker`, as its C library sees it. Imports nothing of Araneus.

Memory that the engine loses when it runs out of it stays lost; what is merely free is given back, so that a script that
used much does not leave the next one with less. Where the C library is not glibc 2.33 or newer nothing is known, and
the limit of the address space is all there is.
"""

import contextlib
import ctypes
from typing import Any


class _Counts(ctypes.Structure):
    """``struct mallinfo2``, mallinfo(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    ]


class Heap:
    """What is allocated, in bytes. Made before the first script, for the functions are looked up by name."""

    def __init__(self) -> None:
        self._count: Any = None
        with contextlib.suppress(AttributeError, OSError):
            library = ctypes.CDLL(None)
            self._count, self._trim = library.mallinfo2, library.malloc_trim
            self._count.restype = _Counts
        self._first = self._allocated()

    def grown(self) -> int:
        """How much more is allocated than when this was made; what is free goes back to the system."""
        if self._count is None:
            return 0
        self._trim(0)
        return self._allocated() - self._first

    def _allocated(self) -> int:
        if self._count is None:
            return 0
        counts = self._count()
        return int(counts.uordblks + counts.hblkhd)
