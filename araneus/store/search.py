"""Finding a text inside a column, without the limits and wildcards of LIKE."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class contains(FunctionElement[bool]):  # noqa: N801 - reads as the SQL function that it is
    """``contains(column, text)``: whether the text occurs in the column, byte for byte."""

    type = Boolean()
    inherit_cache = True
    name = "contains"

    def __init__(self, column: ColumnElement[str], part: str) -> None:
        super().__init__(column, part)


@compiles(contains, "sqlite")
def _sqlite(element: contains, compiler: Any, **options: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **options)}) > 0)"


@compiles(contains, "postgresql")
def _postgresql(element: contains, compiler: Any, **options: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **options)}) > 0)"
