"""Long lists of values in pieces that both databases take as parameters of one statement."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
_PIECE = 500


def chunks(values: Collection[T]) -> Iterator[list[T]]:
    """The values in lists of at most 500."""
    rest = iter(values)
    while piece := list(islice(rest, _PIECE)):
        yield piece
