"""Multipart uploads on their way in.

Source: API reference, uploads.
"""

from dataclasses import dataclass
from datetime import datetime

MIN_PART = 5 * 1024**2
DEFAULT_PART = 32 * 1024**2
MAX_PART = 5 * 1024**3
MAX_PARTS = 10_000
MAX_SIZE = 5 * 1024**4


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload that was initialised and neither completed nor aborted. Sizes are in bytes; ``md5``, where it was
    announced, is that of the whole file, in lower-case hexadecimal."""

    id: str
    project: str
    parent: str
    name: str
    size: int | None
    part_size: int
    overwrite: bool
    created_by: str
    initiated: datetime
    md5: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part whose bytes arrived: ``etag`` is their MD5 in hexadecimal; ``reported`` when the client said so."""

    number: int
    size: int
    etag: str
    reported: bool = False


def part_size_for(size: int | None, wanted: int | None) -> int:
    """The part size in bytes that the server settles on: the wanted one, within the limits and `MAX_PARTS`."""
    part = min(max(wanted or DEFAULT_PART, MIN_PART), MAX_PART)
    if size is not None and size > part * MAX_PARTS:
        part = -(-size // MAX_PARTS)
    return part
