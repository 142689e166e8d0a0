"""Reading in a lane while the database is away: the task waits, for it would fail for good."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from araneus.store.database import is_away

T = TypeVar("T")
PATIENCE: Final = 3600.0
"""Seconds for which a lane waits."""
PAUSE: Final = 1.0
_log = structlog.get_logger("araneus.scheduler")


def persistently(read: Callable[[], T], *, patience: float = PATIENCE, pause: float = PAUSE) -> T:
    """What ``read`` gives, which is called again while the database is away. It must change nothing."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return read()
        except Exception as error:
            if not is_away(error) or time.monotonic() > deadline:
                raise
            _log.warning("database_away", error=str(error))
        time.sleep(pause)
