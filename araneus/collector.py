"""The interpreter's garbage collector, told what a server is.

Nearly all that a request or a job makes is freed by counting references; what has been imported never dies. Left alone,
the collector looks through all of it again and again: a tenth of the processor time of a wide scatter, and pauses in
the middle of answers.
"""

import gc

_YOUNG = 50_000
"""Objects, more made than freed, before the youngest are looked through; 700 by default."""


def spare() -> None:
    """Leave out of every later collection what exists now, and collect less often. Call it when all is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
