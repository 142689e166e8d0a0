"""Long lists of values in pieces that both databases take as parameters of one statement."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
_PIECE = 500


def chunks(values: Collection[T], most: int = _PIECE) -> Iterator[list[T]]:
    """The values in lists of at most 500, or of as many as is said."""
    rest = iter(values)
    while piece := list(islice(rest, most)):
        yield piece
