"""The Range header. Pure. Source: RFC 9110, section 14 (byte ranges)."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Slice:
    """``length`` bytes from ``start``."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """The range lies behind the end of the bytes."""


def parse_range(header: str | None, size: int) -> Slice | None:
    """The bytes that a Range header asks for; None for all of them.

    A header that is malformed, and one with several ranges, is answered with the whole, as the RFC allows. Raises
    `Unsatisfiable`.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return Slice(size - length, length)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise Unsatisfiable
    end = min(int(last), size - 1) if last else size - 1
    return Slice(start, end - start + 1)
