"""The end of a server that leaves nothing behind (`jobs.end_with_server`): its tasks are aborted before it goes.

The loop does the work, as for any abort; here it is asked for, and waited for.
"""

import time
from collections.abc import Callable
from datetime import datetime

import structlog

from araneus.model.task import TRANSITIONS, Status, step
from araneus.scheduler.record import ACTOR
from araneus.store import tasks
from araneus.store.database import Database

_PATIENCE = 6.0
_PAUSE = 0.02
_log = structlog.get_logger("araneus.scheduler")


def abort_and_wait(database: Database, wake: Callable[[], None], clock: Callable[[], datetime]) -> None:
    """Abort all tasks, ``wake`` the loop that ends them, and wait until it has, 6 seconds at most. Never raises."""
    try:
        abort_all(database, clock())
        wake()
        deadline = time.monotonic() + _PATIENCE
        while _active(database) and time.monotonic() < deadline:
            time.sleep(_PAUSE)
    except Exception:
        _log.exception("tasks_not_aborted")


def abort_all(database: Database, now: datetime) -> None:
    """Ask for the end of every task that is being created, queued or running."""
    for identity in _active(database):
        with database.write() as connection:
            task = tasks.get(connection, identity)
            if task is None or Status.ABORTING not in TRANSITIONS[task.status]:
                continue
            changed, event = step(task, Status.ABORTING, now=now, actor=ACTOR, message="the server was stopped")
            tasks.save(connection, task, changed, event)


def _active(database: Database) -> list[str]:
    with database.read() as connection:
        return [identity for identity, _, _ in tasks.ids_active(connection)]
