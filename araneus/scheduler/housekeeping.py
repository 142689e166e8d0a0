"""What nobody needs any more leaves the disk: once after a start, then every hour, in a thread of its own.

    memos           that were not used for as long as their project keeps intermediate files
    blobs           that no file names and no running task or memo holds, once they are older than the grace of the
                    storage
    on its way in   temporary files of writers that died; parts of uploads that are complete, aborted or gone
    job directories whole, when their task is gone; their working, scratch and input directories, some hours after their
                    task ended (the project's ``intermediate_files``). Logs stay as long as the task.

Runs beside the loop, in the process that holds the scheduler's lock, with breaks between small steps: a sweep takes at
most a fifth of a core. It decides by what the database says at that moment and never touches what an active task has.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from araneus.executors import jobdir
from araneus.model.file import Location
from araneus.model.ids import is_uuid
from araneus.model.memo import kept_for
from araneus.model.task import TERMINAL
from araneus.scheduler.removal import Bin
from araneus.scheduler.saved_logs import save_seen
from araneus.storage.listing import keep_tree
from araneus.storage.posix import sweep_incoming
from araneus.storage.shelves import Shelves
from araneus.store import files, jobs, leftovers, memos, secrets, uploads
from araneus.store.chunks import chunks
from araneus.store.database import Database
from araneus.store.jobs import Fate
from araneus.store.locks import Turn, take_turn

INTERVAL: Final = 3600.0
DELAY: Final = 5.0
"""Seconds after the start, which has other things to do, before the first sweep."""
SHARE: Final = 0.2
"""The part of a core that a sweep may take."""
_AT_ONCE: Final = 50
_BIN: Final = ".removed"
_IDENTITY: Final = "database"
# The working directory last: as long as it is there, the others may be.
_WORKING: Final = (jobdir.TEMPORARY, jobdir.INPUTS, "aside", jobdir.WORK)
log = structlog.get_logger("araneus.scheduler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What one sweep removed: memos of jobs, blobs, directories of uploads, whole job directories, and working
    directories of ended tasks; ``stuck`` directories belong to somebody else and are left."""

    memos: int = 0
    blobs: int = 0
    uploads: int = 0
    jobs: int = 0
    working: int = 0
    stuck: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What is swept: the root of the storage with its blobs, the parts of uploads, the job directories."""

    storage: Path
    uploads: Path
    jobs: Path


class Housekeeping:
    """Sweeps as long as its context lasts; `sweep` does it once, for tests and for people in a hurry."""

    def __init__(
        self,
        database: Database,
        premises: Premises,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        shelves: Shelves | None = None,
        interval: float = INTERVAL,
        share: float = SHARE,
        delay: float = DELAY,
    ) -> None:
        self._database = database
        self._premises = premises
        self._shelves = shelves or Shelves(premises.storage)
        self._bin = Bin(premises.jobs / _BIN)
        self._clock = clock
        self._interval = interval
        self._share = share
        self._delay = delay
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def __enter__(self) -> "Housekeeping":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def sweep(self) -> Swept:
        """One sweep, or as much of one as there is time for before the end."""
        if not self._is_ours():
            return Swept()
        sweep_incoming(self._premises.storage)
        # Memos first: what they held may go at once.
        swept = Swept(memos=self._memos(), uploads=self._uploads(), blobs=self._blobs())
        whole, working = self._directories()
        stuck = self._bin.empty(self._breather())
        return replace(swept, jobs=whole, working=working, stuck=stuck)

    def _run(self) -> None:
        self._stop.wait(self._delay)
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                swept = self.sweep()
            except Exception:
                log.exception("sweep_failed")
            else:
                log.info("swept", seconds=round(time.monotonic() - began, 1), **_counts(swept))
            self._stop.wait(self._interval)

    def _breather(self) -> Callable[[], bool]:
        """To be called between two steps: rests in proportion to the last one; False when it is time to end."""
        since = time.monotonic()

        def rest() -> bool:
            nonlocal since
            worked = time.monotonic() - since
            stopped = self._stop.wait(worked * (1 / self._share - 1)) if worked > 0.001 else self._stop.is_set()
            since = time.monotonic() if worked > 0.001 else since
            return not stopped

        return rest

    # --- whose bytes these are ------------------------------------------------------------------------------------

    def _is_ours(self) -> bool:
        """Whether the storage belongs to this database: with another one, every blob would look unneeded."""
        with self._database.write() as connection:
            identity = secrets.get_or_create(connection, "storage").hex()
        mark = self._premises.storage / _IDENTITY
        found = mark.read_text().strip() if mark.exists() else ""
        if not found:
            mark.write_text(f"{identity}\n")
        elif found != identity:
            log.error(
                "sweep_refused",
                reason=f"{self._premises.storage} holds the bytes of another database: nothing is removed from it."
                f" If that is wrong, remove the file {mark}.",
            )
            return False
        return True

    # --- memos ----------------------------------------------------------------------------------------------------

    def _memos(self) -> int:
        """Memos that nobody has used for as long as their project keeps intermediate files."""
        with self._database.read() as connection:
            ages = memos.ages(connection)
        now = self._clock()
        old = [memo for memo, used_on, settings in ages if now - used_on >= kept_for(settings)]
        if old:
            with self._database.write() as connection:
                memos.drop(connection, old)
        return len(old)

    # --- blobs ----------------------------------------------------------------------------------------------------

    def _blobs(self) -> int:
        removed = 0
        go_on = self._breather()
        for batch in self._shelves.batches():
            removed += self._drop(self._unneeded(batch))
            if not go_on():
                break
        return removed

    def _unneeded(self, batch: Sequence[Location]) -> list[Location]:
        with self._database.read() as connection:
            needed = files.referenced(connection, batch)
        return [location for location in batch if location not in needed and self._shelves.is_old(location)]

    def _drop(self, locations: Sequence[Location]) -> int:
        """Look again while nobody can add or remove a row, and drop what still nobody names. The files themselves are
        removed after the transaction: that of a large one takes time."""
        removed: list[Path] = []
        for start in range(0, len(locations), _AT_ONCE):
            some = locations[start : start + _AT_ONCE]
            with self._database.write() as connection:
                take_turn(connection, Turn.LOCATIONS)
                needed = files.referenced(connection, some)
                off = [self._shelves.take_off(location) for location in some if location not in needed]
            removed += [path for path in off if path is not None]
        for path in removed:
            path.unlink(missing_ok=True)
        return len(removed)

    # --- uploads --------------------------------------------------------------------------------------------------

    def _uploads(self) -> int:
        """An upload's row is there before its directory, so a directory without a row is nobody's."""
        present = _directories(self._premises.uploads)
        if not present:
            return 0
        with self._database.read() as connection:
            known = uploads.ids(connection)
        trash = Bin(self._premises.uploads / _BIN)
        thrown = sum(trash.throw(self._premises.uploads / name) for name in present if name not in known)
        trash.empty(self._breather())
        return thrown

    # --- job directories ------------------------------------------------------------------------------------------

    def _directories(self) -> tuple[int, int]:
        """How many went as a whole, and of how many the working directories went."""
        whole = working = 0
        go_on = self._breather()
        for names in chunks([name for name in _directories(self._premises.jobs) if is_uuid(name)]):
            # The row of an attempt is committed before its directory is made: this look sees all of them.
            with self._database.read() as connection:
                fates = jobs.fates(connection, names)
            now, gone = self._clock(), list[str]()
            for name in names:
                directory = self._premises.jobs / name
                fate = fates.get(name)
                if fate is None:
                    whole += not jobdir.is_held(directory) and self._bin.throw(directory)
                elif is_over(fate, now) and (directory / jobdir.WORK).is_dir() and not jobdir.is_held(directory):
                    gone.append(name)
            self._keep_logs({name: fates[name] for name in gone})
            for name in gone:
                # Every part, not only the first that there is.
                working += sum(self._bin.throw(self._premises.jobs / name / part) for part in _WORKING) > 0
            if gone:
                with self._database.write() as connection:
                    leftovers.drop(connection, gone)
            if not go_on():
                break
        return whole, working

    def _keep_logs(self, gone: Mapping[str, Fate]) -> None:
        """What people read of jobs whose working directories go: their listing, and what was seen of stopped ones."""
        copied: dict[str, tuple[str, ...]] = {}
        for name, fate in gone.items():
            keep_tree(self._premises.jobs / name)
            if fate.logs:
                copied[name] = save_seen(self._premises.jobs / name, fate.logs)
        if copied:
            with self._database.write() as connection:
                jobs.copied_logs(connection, copied)


def is_over(fate: Fate, now: datetime) -> bool:
    """Whether the intermediate files of an attempt have been kept long enough: its task has ended, and the hours that
    the project keeps them have passed. A project with unlimited retention keeps them as long as the task."""
    if fate.status not in TERMINAL or fate.ended_on is None:
        return False
    return now - fate.ended_on >= kept_for(fate.settings)


def _directories(outer: Path) -> list[str]:
    """The names of the directories in a directory; none when it is not there."""
    try:
        return [entry.name for entry in outer.iterdir() if entry.name != _BIN and not entry.is_symlink()]
    except FileNotFoundError:
        return []


def _counts(swept: Swept) -> dict[str, int]:
    return {name: getattr(swept, name) for name in Swept.__slots__ if getattr(swept, name)}
