"""What both halves of a server have in common: the word to the supervisor, its death, the clock, what is opened."""

import json
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from araneus.config import Settings
from araneus.storage.posix import PosixStorage
from araneus.store.database import Database

LAST_RESORT = 8.0
"""Seconds that a half may take to stop before it is ended."""


@dataclass(frozen=True, slots=True)
class Word:
    """The way to tell the supervisor: ``descriptor`` is the write end of its pipe, ``half`` our name."""

    descriptor: int
    half: str

    def say(self, **facts: Any) -> None:
        """One line of JSON, in one write (so that two halves do not mix); lost when nobody listens any more."""
        line = json.dumps({"half": self.half, **facts})
        if len(line) >= select.PIPE_BUF:
            line = json.dumps({"half": self.half, **{key: str(value)[:400] for key, value in facts.items()}})
        try:
            os.write(self.descriptor, line.encode() + b"\n")
        except OSError:
            return


def clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, for as long as the context lasts."""
    database = Database.open(settings.database_url)
    try:
        yield database
    finally:
        database.close()


def build_storage(settings: Settings) -> PosixStorage:
    """Where bytes are, made if absent."""
    for directory in (settings.storage_directory, settings.jobs_directory):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return PosixStorage(settings.storage_directory, settings.jobs_directory)


def watch_parent(descriptor: int, stop: Callable[[], object]) -> None:
    """Call ``stop`` when the other end of the pipe is closed; end the process if that does not help in time."""

    def watch() -> None:
        select.select([descriptor], [], [])
        stop()
        time.sleep(LAST_RESORT)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
