"""Where blobs lie, and the rules by which they come and go: ``blobs/ab/<sha256>``.

A blob is often there before the row that names it: its bytes are taken in first. So that nobody drops them in between,
publishing renews a blob's age and taking off spares the young ones. Both are one step for all processes that share the
root: publishing locks the directory shared, taking off locks it alone. The age is that of the inode's change time,
which a rename or a change of mode sets and nobody can forge; modification times stay those that the tools gave
(docs/adr/0006-bytes.md).
"""

import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from araneus.model.file import Location

GRACE: Final = 3600.0
"""Seconds for which a blob is safe without a row."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SHELF: Final = re.compile(r"[0-9a-f]{2}")
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_ONLY: Final = 0o444
_LAYOUT: Final = "one-level"
_THREADS: Final = 8
T = TypeVar("T")
R = TypeVar("R")


class Shelves:
    """The blobs below ``root``. ``grace`` is in seconds; ``clock`` gives seconds since 1970, as file systems do."""

    def __init__(self, root: Path, grace: float = GRACE, clock: Callable[[], float] = time.time) -> None:
        self._blobs = root / "blobs"
        self._grace = grace
        self._clock = clock
        self._incoming = root / "incoming"
        for folder in (self._blobs, self._incoming):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._raise_deep()

    def place(self, digest: str) -> Path:
        """Where the blob of this digest lies when it is there."""
        return self._blobs / digest[:2] / digest

    def publish(self, *finished: tuple[Path, str]) -> None:
        """Give finished files, each with its digest, their places, young from now on. A blob that was there stays and
        becomes young again. Durable when this returns."""
        shelves: set[Path] = set()
        with self._locked(fcntl.LOCK_SH):
            for name, digest in finished:
                place = self.place(digest)
                if place.parent not in shelves and not place.parent.is_dir():
                    place.parent.mkdir(exist_ok=True, mode=0o700)
                    shelves.add(self._blobs)
                shelves.add(place.parent)
                name.chmod(_READ_ONLY)
                if not _stays(place, name):
                    name.rename(place)
        side_by_side(_sync_folder, list(shelves))

    def renew(self, descriptor: int, digest: str) -> bool:
        """Make a blob young again, when the open file is that blob; else nothing happens."""
        with self._locked(fcntl.LOCK_SH):
            try:
                same = os.path.samestat(self.place(digest).lstat(), os.fstat(descriptor))
            except FileNotFoundError:
                return False
            if same:
                os.fchmod(descriptor, _READ_ONLY)
            return same

    def take_off(self, location: Location) -> Path | None:
        """Take a blob from its place unless it is young; the file to be removed, or None. Other locations have none.

        Quick whatever the size. A file that nobody removes is found by the sweep of what was on its way in.
        """
        digest = location.removeprefix("blob:")
        if digest == location or not _DIGEST.fullmatch(digest):
            return None
        removed = self._incoming / f"off-{secrets.token_hex(16)}"
        with self._locked(fcntl.LOCK_EX):
            if not self.is_old(location):
                return None
            self.place(digest).rename(removed)
        return removed

    def is_old(self, location: Location) -> bool:
        """Whether the blob is there, and was last published longer ago than the grace."""
        try:
            changed = self.place(location.removeprefix("blob:")).lstat().st_ctime
        except FileNotFoundError:
            return False
        return self._clock() - changed >= self._grace

    def batches(self, size: int = 500) -> Iterator[list[Location]]:
        """The locations of all blobs, some at a time; what comes or goes meanwhile may be among them or not."""
        batch: list[Location] = []
        for shelf in _folders(self._blobs):
            for name in _names(shelf):
                if _DIGEST.fullmatch(name):
                    batch.append(f"blob:{name}")
                if len(batch) >= size:
                    yield batch
                    batch = []
        yield batch

    def _raise_deep(self) -> None:
        """Blobs lay a level deeper once, ``ab/cd/``: making a directory for nearly every blob took longer than all the
        rest. Move what lies there up, once; whoever else starts now waits."""
        done = self._blobs / _LAYOUT
        if done.exists():
            return
        with self._locked(fcntl.LOCK_EX):
            deep = [inner for outer in _folders(self._blobs) for inner in _folders(outer)]
            for inner in deep:
                for name in _names(inner):
                    (inner / name).rename(inner.parent / name)
                inner.rmdir()
            for shelf in {inner.parent for inner in deep}:
                _sync_folder(shelf)
            done.touch()
            _sync_folder(self._blobs)

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        # An open file of its own, for the threads of one process exclude each other too.
        descriptor = os.open(self._blobs, _FOLDER)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)


def _stays(place: Path, name: Path) -> bool:
    """Whether the blob is there already; the new file of the same bytes is then dropped. Put in its place it would take
    the old one away under a sandbox that is just binding it, whose job could not start."""
    try:
        there = place.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(there.st_mode) or there.st_size != name.lstat().st_size:
        return False
    place.chmod(_READ_ONLY)
    name.unlink()
    return True


def _folders(outer: Path) -> list[Path]:
    return [outer / name for name in sorted(_names(outer)) if _SHELF.fullmatch(name)]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - a path object for each of a million names costs seconds
    except (FileNotFoundError, NotADirectoryError):
        return []


def side_by_side(act: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """The results of ``act`` for each thing, in order. What waits for the disk waits together: eight files are synced
    in the time of one."""
    if len(things) < 2:
        return [act(thing) for thing in things]
    with ThreadPoolExecutor(min(_THREADS, len(things)), thread_name_prefix="storage") as pool:
        return list(pool.map(act, things))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
