"""Errands: copies, moves and deletions of many files and folders that a user leaves with the server.

An errand is the platform's asynchronous job of files. What it was asked to do, and what it finds inside folders, are
its entries; each is done at most once and keeps how it ended. Source: API reference, "Asynchronous file jobs".

    SUBMITTED -> RESOLVING (folders are opened) -> RUNNING -> FINISHED (also when entries failed)
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from araneus.model.errors import Fault
from araneus.model.file import File

MOST_ITEMS = 10_000
KEPT = timedelta(days=31)
"""How long a finished errand can be asked for: "about a month"."""
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class ErrandKind(StrEnum):
    """What is done to the files."""

    COPY = "COPY"
    MOVE = "MOVE"
    DELETE = "DELETE"


class ErrandState(StrEnum):
    """Where an errand stands; the words that the API shows."""

    SUBMITTED = "SUBMITTED"
    RESOLVING = "RESOLVING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"


class EntryState(StrEnum):
    """Where an entry stands: to be looked up, to be done, to be left empty by a move, or ended."""

    WAITING = "WAITING"
    READY = "READY"
    EMPTYING = "EMPTYING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One errand. The counts are of files, and of folders that failed."""

    id: str
    username: str
    kind: ErrandKind
    state: ErrandState = ErrandState.SUBMITTED
    total: int = 0
    completed: int = 0
    failed: int = 0
    started_on: datetime
    finished_on: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or folder of an errand.

    ``number`` gives the order: what is in a folder comes after it. ``above`` is the number of the folder's entry, None
    for what was asked for; that alone has ``project`` or ``parent`` (its destination) and ``name``. ``opened`` is the
    name of the last thing of a folder that has become an entry. ``made`` is the id of the copy, or of the folder that
    took the content; ``shown`` is the file as it is afterwards, or as it was when it could not be dealt with.
    """

    errand: str
    number: int
    above: int | None = None
    source: str
    project: str | None = None
    parent: str | None = None
    name: str | None = None
    folder: bool = False
    state: EntryState = EntryState.WAITING
    opened: str | None = None
    made: str | None = None
    shown: File | None = None
    fault: Fault | None = None
    message: str | None = None


def new_errand_id(now: datetime) -> str:
    """18 decimal digits (until 2050): milliseconds since 2020, then 20 random bits."""
    return str((int((now - _EPOCH) / timedelta(milliseconds=1)) << 20) | secrets.randbits(20))
