"""The seam between the rest and wherever bytes are kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from araneus.model.file import Location


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that were stored: ``blob:<sha256>`` and their size in bytes."""

    location: Location
    size: int


class BlobWriter(Protocol):
    """Takes bytes in order. Nothing is visible before `commit`; a writer that is dropped leaves nothing behind."""

    def write(self, data: bytes) -> None:
        """Append bytes. Raises `model.errors.Refusal` STORAGE_FULL when there is no room."""
        ...

    def commit(self) -> Blob:
        """Make the bytes durable and visible under their content hash."""
        ...

    def abandon(self) -> None:
        """Forget what was written."""
        ...


class Storage(Protocol):
    """Immutable blobs by content hash.

    Obligations: two writers of the same bytes end with one blob; `commit` and `adopt` are durable when they return;
    a location that was never committed is not found by `path` or `read`.
    """

    def writer(self) -> BlobWriter:
        """A new writer."""
        ...

    def adopt(self, *paths: Path) -> list[Blob]:
        """Take finished files in, without copying their bytes where the file system allows (they stay readable under
        their old paths); the blobs in the order of the paths. A symbolic link is refused with ValueError; then, and
        after any other error, some of the others may have been taken in."""
        ...

    def read(self, location: Location, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes in pieces of at most 1 MiB, from ``start``. Raises FileNotFoundError."""
        ...

    def path(self, location: Location) -> Path:
        """A local path with the bytes, to be read only. Raises FileNotFoundError when they are not there."""
        ...

    def size(self, location: Location) -> int:
        """Size in bytes. Raises FileNotFoundError."""
        ...

    def delete(self, location: Location) -> None:
        """Drop the bytes, unless they were taken in a short while ago: then the sweep of the storage drops them when
        nobody has claimed them by then. Nothing happens when they are gone already."""
        ...
