"""Python's interpreter, told what a server is."""

import gc
import sys

_YOUNG = 50_000
"""Objects, more made than freed, before the youngest are looked through; 700 by default."""
_TURN = 0.001
"""Seconds that a thread may compute while another one waits; 0.005 by default."""


def settle() -> None:
    """Call it when everything is imported and built, before the work begins.

    Nearly all that a request or a job makes is freed by counting references, and what has been imported never dies.
    Left alone, the collector looks through all of it again and again: a tenth of the processor time of a wide scatter,
    and pauses in the middle of answers. And a thread that only hands on what has just ended, so that the next tool can
    start, should not wait for one that collects outputs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
    sys.setswitchinterval(_TURN)
