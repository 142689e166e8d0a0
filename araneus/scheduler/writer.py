"""Writes the entries of one tick: all in one transaction, or one by one when that fails, so that a task whose facts
cannot be written harms no other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from araneus.model.errors import ConcurrentChange, Refusal
from araneus.scheduler.record import Entry, Written, record
from araneus.storage.base import Storage
from araneus.store import tasks
from araneus.store.database import Database

log = structlog.get_logger("araneus.scheduler")


@dataclass(frozen=True, slots=True)
class Trouble:
    """An entry that could not be written."""

    task: str
    error: Exception


class Writer:
    """Turns entries into commits."""

    def __init__(self, database: Database, clock: Callable[[], datetime], storage: Storage | None = None) -> None:
        self._database = database
        self._storage = storage
        self._clock = clock

    def write(self, entries: Sequence[Entry]) -> list[Written | Trouble]:
        """What became of each entry, in order. Never raises for what is wrong with the entries or the database.

        A name or a task that somebody changed at the same moment is decided anew.
        """
        try:
            return list(self._commit(entries))
        except (Refusal, ConcurrentChange):
            pass
        except Exception as error:
            if len(entries) == 1:
                return [self._trouble(entries[0], error)]
            log.warning("shared_write_failed", tasks=len(entries), error=str(error))
        return [self._write_one(entry) for entry in entries]

    def _write_one(self, entry: Entry) -> Written | Trouble:
        for last in (False, False, True):
            try:
                return self._commit([entry])[0]
            except (Refusal, ConcurrentChange) as error:
                if last:
                    return Trouble(entry.task, error)
            except Exception as error:
                return self._trouble(entry, error)
        raise AssertionError

    def _trouble(self, entry: Entry, error: Exception) -> Written | Trouble:
        """Jobs of a task that somebody deleted with its project have no place any more, which is no trouble."""
        try:
            with self._database.read() as connection:
                if tasks.get(connection, entry.task) is None:
                    return Written(entry.task, None)
        except Exception:
            log.exception("read_failed", task=entry.task)
        return Trouble(entry.task, error)

    def _commit(self, entries: Sequence[Entry]) -> list[Written]:
        with self._database.write() as connection:
            return record(connection, entries, self._clock(), self._storage)
