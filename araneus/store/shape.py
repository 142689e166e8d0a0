"""How a frozen dataclass lies in a table: every field in the column of the same name."""

from collections import namedtuple
from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from sqlalchemy import Column, Result, Table


class Dataclass(Protocol):
    """Any dataclass instance."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


D = TypeVar("D", bound=Dataclass)


class Shape(Generic[D]):
    """Turns rows of a table into instances of a dataclass and back. Fields named in ``without`` have no column."""

    def __init__(self, kind: type[D], table: Table, without: Collection[str] = ()) -> None:
        self.kind = kind
        self.names = [field.name for field in fields(kind) if field.name not in without]
        self.columns: list[Column[Any]] = [table.c[name] for name in self.names]
        self._count = len(self.names)
        self._part: Any = namedtuple(kind.__name__, self.names)  # type: ignore[misc]

    def read(self, row: Sequence[Any], **more: Any) -> D:
        """The instance whose columns are the first of the row; ``more`` gives the fields without a column."""
        return self.kind(**dict(zip(self.names, row, strict=False)), **more)

    def read_all(self, result: Iterable[Sequence[Any]]) -> list[D]:
        """The instances of the rows of a result, in order."""
        kind, names = self.kind, self.names
        return [kind(**dict(zip(names, row, strict=False))) for row in _fetched(result)]

    def part(self, row: Sequence[Any]) -> D:
        """What stands for an instance where it is only shown: it has the fields with a column, all others are
        AttributeErrors. A tenth of the cost of an instance."""
        return cast("D", self._part._make(row[: self._count]))

    def parts(self, result: Iterable[Sequence[Any]]) -> list[D]:
        """`part` for all rows of a result, which have no other columns."""
        return list(map(self._part._make, _fetched(result)))

    def rest(self, row: Sequence[Any]) -> Sequence[Any]:
        """The columns of a row after those of the dataclass."""
        return row[self._count :]

    def values(self, thing: D) -> dict[str, Any]:
        """Column values of an instance."""
        return {name: getattr(thing, name) for name in self.names}

    def changes(self, before: D, after: D) -> dict[str, Any]:
        """The column values in which two instances differ."""
        return {name: getattr(after, name) for name in self.names if getattr(after, name) != getattr(before, name)}


def _fetched(result: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """All rows at once, where they are still in the database: one by one costs three times as much."""
    return result.all() if isinstance(result, Result) else result
