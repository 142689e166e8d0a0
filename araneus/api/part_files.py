"""The bytes of uploads on their way in: a directory per upload, a file per part that arrived, one file in the end.

A part's file bears its number and MD5, so that two deliveries of one part never write into each other: the database
says which one counts. Nothing here is visible to anybody before `assembled` is taken into storage.
"""

import base64
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from araneus.model.errors import Fault, Refusal
from araneus.model.upload import Part

_CHUNK = 16 * 1024**2


class PartFile:
    """A part that is arriving, in a file with a temporary name."""

    def __init__(self, directory: Path, number: int, limit: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._number = number
        self._limit = limit
        self._path = directory / f"arriving-{number}-{secrets.token_hex(8)}"
        self._file = self._path.open("xb")
        self._digest = hashlib.md5(usedforsecurity=False)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append bytes; `Refusal` UPLOAD_PART_INVALID beyond the limit."""
        self._size += len(data)
        if self._size > self._limit:
            raise Refusal(Fault.UPLOAD_PART_INVALID, f"The part is larger than {self._limit} bytes.")
        self._digest.update(data)
        self._file.write(data)

    def finish(self, announced: str | None = None) -> Part:
        """Give the part its final name. ``announced`` is its MD5 in base64 (RFC 1864), when the sender gave one: other
        bytes are a `Refusal` UPLOAD_PART_INVALID. Raises FileNotFoundError when the upload was aborted meanwhile."""
        arrived = base64.b64encode(self._digest.digest()).decode()
        if announced is not None and announced.strip() != arrived:
            raise Refusal(
                Fault.UPLOAD_PART_INVALID,
                f"The part is not what Content-MD5 announced: {arrived} arrived; send it again.",
            )
        self._file.close()
        part = Part(number=self._number, size=self._size, etag=self._digest.hexdigest())
        self._path.rename(_path(self._directory, part))
        return part

    def abandon(self) -> None:
        """Forget the bytes."""
        self._file.close()
        self._path.unlink(missing_ok=True)


@contextmanager
def assembled(directory: Path, parts: Sequence[Part]) -> Iterator[Path]:
    """One file with the bytes of the parts in order, until the end of the block.

    A single part is the file. Raises FileNotFoundError when a part's bytes are gone.
    """
    if len(parts) == 1:
        yield _path(directory, parts[0])
        return
    directory.mkdir(parents=True, exist_ok=True)
    whole = directory / f"whole-{secrets.token_hex(8)}"
    try:
        with whole.open("xb") as target:
            for part in parts:
                with _path(directory, part).open("rb") as source:
                    _append(source.fileno(), target.fileno(), part.size)
        yield whole
    finally:
        whole.unlink(missing_ok=True)


def _append(source: int, target: int, size: int) -> None:
    """Copy inside the kernel: file systems that share blocks between files copy nothing at all."""
    left = size
    while left:
        copied = os.copy_file_range(source, target, min(left, _CHUNK))
        if copied == 0:
            raise FileNotFoundError("a part is shorter than it was when it arrived")
        left -= copied


def md5_of(whole: Path, parts: Sequence[Part]) -> str:
    """The MD5 of an assembled file; that of a single part is known."""
    if len(parts) == 1:
        return parts[0].etag
    with whole.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def discard(directory: Path) -> None:
    """Drop everything of an upload."""
    shutil.rmtree(directory, ignore_errors=True)


def _path(directory: Path, part: Part) -> Path:
    return directory / f"part-{part.number}-{part.etag}"
