"""What every list query answers."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: its items in order, and how many items the whole list has."""

    items: list[T]
    total: int
