"""What the HTTP half does without being asked at that moment: errands, bills, batches whose maker has died, and
forgetting what is out of date.

One thread, small steps, each a transaction of its own; killed at any moment, it goes on where it stood. Several
processes may do this on one database.
"""

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime

import structlog

from araneus.api import bills, errand_steps, expiry, launches
from araneus.api.places import drop_orphans
from araneus.api.services import Services
from araneus.model.errand import Errand, ErrandState
from araneus.model.errors import Fault, Refusal
from araneus.store import errands, users
from araneus.store.database import Connection

POLL = 2.0
"""Seconds after which another process's errand is seen; ours are told of at once."""
PAUSE = 1.0
EXPIRY_INTERVAL = 600.0
RESUME_INTERVAL = 10.0
ENTRIES = 25
"""Entries in one transaction: others may have to wait for it."""
TRIES = 3
_log = structlog.get_logger("araneus.api")


class Background:
    """Works as long as its context lasts."""

    def __init__(self, services: Services, *, poll: float = POLL) -> None:
        self._services = services
        self._poll = poll
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)
        self._last = ""
        self._failures: Counter[str] = Counter()

    def __enter__(self) -> "Background":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._services.chores.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        expired = resumed = float("-inf")
        while not self._stop.is_set():
            self._services.chores.clear()
            try:
                worked = self.work()
                worked = bills.settle(self._services) or worked
                if time.monotonic() - resumed > RESUME_INTERVAL:
                    resumed = time.monotonic()
                    launches.resume(self._services)
                if time.monotonic() - expired > EXPIRY_INTERVAL:
                    expiry.forget(self._services)
                    expired = time.monotonic()
            except Exception:
                _log.exception("background_failed")
                worked = False
                self._stop.wait(PAUSE)
            if not worked:
                self._services.chores.wait(self._poll)

    def work(self) -> bool:
        """One step of an errand; whether there was anything to do."""
        database = self._services.database
        with database.read() as conn:
            if not errands.any_open(conn):
                return False
        try:
            worked = self._advance()
        except Refusal as refusal:
            if refusal.fault is not Fault.STORAGE_FULL:
                raise
            _log.error("errand_waits", error=refusal.message)
            return False
        except Exception:
            self._failures[self._last] += 1
            raise
        self._failures.pop(self._last, None)
        return worked

    def _advance(self) -> bool:
        with self._services.database.write() as conn:
            errand = errands.next_open(conn, self._last)
            if errand is None:
                return False
            self._last = errand.id
            orphans = self._step(conn, errand)
        drop_orphans(self._services, orphans)
        return True

    def _step(self, conn: Connection, errand: Errand) -> list[str]:
        now = self._services.clock()
        user = users.get(conn, errand.username)
        if user is None or user.disabled:
            errands.save(conn, _given_up(conn, errand, now))
            return []
        failures = self._failures[errand.id]
        if failures > TRIES:
            _log.error("errand_skips", errand=errand.id)
            step = errand_steps.skip(conn, errand, now=now)
        else:
            step = errand_steps.advance(conn, errand, most=1 if failures else ENTRIES, now=now)
        errands.save(conn, step.errand)
        return step.orphans


def _given_up(conn: Connection, errand: Errand, now: datetime) -> Errand:
    """The errand with everything that is left failed."""
    message = "The account was disabled before this was done."
    files, folders = errands.fail_open_entries(conn, errand.id, Fault.ERRAND_SOURCE_FORBIDDEN, message)
    return replace(
        errand,
        state=ErrandState.FINISHED,
        finished_on=now,
        failed=errand.failed + files + folders,
        total=errand.total + folders,
    )
