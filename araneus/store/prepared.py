"""Queries of the hot reads, compiled once for each kind of database and then given to its driver directly.

For each execution SQLAlchemy finds the compiled text again, describes the columns and builds a result: of the
processor time of reading one task that is two thirds on SQLite and three quarters on PostgreSQL. Once a query is
compiled, nothing of it is left but the order of its parameters and the conversion of values, as its types have them.
"""

import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import ColumnElement, Connection, Dialect, Select, bindparam
from sqlalchemy.sql.compiler import SQLCompiler

from araneus.store.chunks import chunks

Row: TypeAlias = Any
"""A tuple; what is in it depends on the query."""
_Convert: TypeAlias = Callable[[Any], Any]
_PLACEHOLDERS: Final = {"sqlite": "qmark", "postgresql": "numeric_dollar"}
_CURSOR: Final = "araneus_cursor"
_COUNTS: Final = (1, 10, 100)
"""Numbers of values for which `PreparedIn` has statements."""


class Prepared:
    """A query with named parameters, all of which must be given each time; none of them stands for a list."""

    def __init__(self, query: Select[Any]) -> None:
        self.query = query
        self._compiled: dict[str, _Compiled] = {}

    def all(self, conn: Connection, values: Mapping[str, Any]) -> list[Row]:
        """All rows, with the values that the types of the columns make. Raises what `Connection.execute` would."""
        if conn.dispatch.before_cursor_execute:  # somebody counts or traces statements
            return list(conn.execute(self.query, values))
        compiled = self._for(conn.dialect)
        try:
            rows = _cursor(conn).execute(compiled.text, compiled.bound(values)).fetchall()
        except Exception:
            # Whatever it is: SQLAlchemy meets it too, and knows what to say and what becomes of the connection.
            return list(conn.execute(self.query, values))
        return compiled.converted(rows)

    def first(self, conn: Connection, values: Mapping[str, Any]) -> Row | None:
        """The first row, if any; as `all`."""
        rows = self.all(conn, values)
        return rows[0] if rows else None

    def scalar(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        """The first value of the first row; None when there is none."""
        rows = self.all(conn, values)
        return rows[0][0] if rows else None

    def _for(self, dialect: Dialect) -> "_Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self.query, dialect)
        return found


class PreparedIn:
    """A query for the rows in which a column has one of some values."""

    def __init__(self, query: Select[Any], column: ColumnElement[Any]) -> None:
        self._of = {
            count: Prepared(query.where(column.in_([bindparam(f"value_{place}") for place in range(count)])))
            for count in _COUNTS
        }

    def all(self, conn: Connection, values: Collection[Any], **others: Any) -> list[Row]:
        """All rows, in no order. ``others`` are the query's own parameters."""
        found: list[Row] = []
        for piece in chunks(dict.fromkeys(values), _COUNTS[-1]):
            count = next(count for count in _COUNTS if len(piece) <= count)
            # A value that is named again changes nothing, and one statement serves for many numbers of values.
            filled = piece + piece[-1:] * (count - len(piece))
            named = {f"value_{place}": value for place, value in enumerate(filled)}
            found += self._of[count].all(conn, named | others)
        return found


class _Compiled:
    """A query for one kind of database."""

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        written = cast("Any", type(dialect))(paramstyle=_PLACEHOLDERS[dialect.name])
        made: SQLCompiler = query.compile(dialect=written)
        if made.literal_execute_params or made.post_compile_params:
            raise ValueError("a prepared query has no parameters that stand for lists")
        self.text = str(made)
        self._binds = [
            (name, made.binds[name].value, made.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in made.positiontup or ()
        ]
        processors = [
            column.type.dialect_impl(dialect).result_processor(dialect, None) for column in query.selected_columns
        ]
        self._conversions = [(place, convert) for place, convert in enumerate(processors) if convert is not None]

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """The parameters in the order in which the text has them. Raises KeyError when one is missing."""
        return [
            (values[name] if fixed is None else fixed) if convert is None
            else convert(values[name] if fixed is None else fixed)
            for name, fixed, convert in self._binds
        ]  # fmt: skip

    def converted(self, rows: list[Row]) -> list[Row]:
        """The rows of a driver with the values that the types make. Column by column: types are few, rows are many."""
        if not self._conversions or not rows:
            return rows
        columns: list[Any] = list(zip(*rows, strict=True))
        for place, convert in self._conversions:
            columns[place] = map(convert, columns[place])
        return list(zip(*columns, strict=True))


def _cursor(conn: Connection) -> Any:
    """A cursor of the driver. PostgreSQL's is kept with its connection: to make one costs as much as to use it."""
    fairy = conn.connection
    driver = fairy.driver_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.cursor()
    found = fairy.info.get(_CURSOR)
    if found is None:
        found = fairy.info[_CURSOR] = cast("Any", conn.dialect.dbapi).RawCursor(driver)
    return found
