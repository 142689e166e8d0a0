"""Months of costs: what the tasks cost that ended in a calendar month, once it is over. Nobody has to pay.

An invoice is not stored: bills never change, so the sum of a month that is over does not either. Its id is the month,
``YYYYMM``, inside a billing group.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime

_ID = re.compile(r"([0-9]{4})([0-9]{2})")


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The month in which a moment lies."""
        there = moment.astimezone(UTC)
        return cls(there.year, there.month)

    @classmethod
    def parse(cls, text: str) -> "Month | None":
        """The month of an id; None for a text that is none."""
        found = _ID.fullmatch(text)
        if found is None or not 1 <= int(found[2]) <= 12 or not 1 <= int(found[1]) < MAXYEAR:
            return None
        return cls(int(found[1]), int(found[2]))

    @property
    def id(self) -> str:
        """``YYYYMM``."""
        return f"{self.year:04}{self.number:02}"

    @property
    def first(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def next(self) -> "Month":
        """The month after it."""
        return Month(self.year + 1, 1) if self.number == 12 else Month(self.year, self.number + 1)


def months_over(first: datetime, now: datetime) -> Iterator[Month]:
    """The months from that of ``first`` on that are over, the earliest first."""
    month = Month.of(first)
    while month.next.first <= now:
        yield month
        month = month.next
