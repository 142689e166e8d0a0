"""CWL values as plain JSON: what a task carries in and out, and what an engine passes between jobs.

A value is ``None``, a bool, int, float or str, a list of values, or a dict of values. A dict whose ``class`` is
``File`` or ``Directory`` is a file value (CWL v1.2 CommandLineTool, sections "File" and "Directory"). Between the
scheduler and the engine a file value always has ``location`` (see `model.file.Location`) unless it is a literal
(``contents`` for a File, ``listing`` for a Directory).
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""A JSON value. The recursive type is left to the validators of `araneus.cwl.types`: they check, mypy cannot."""

FileValue: TypeAlias = dict[str, Any]
"""A dict with ``class`` File or Directory."""


def is_file_value(value: Value) -> bool:
    """Whether the value is a File or a Directory object."""
    return isinstance(value, dict) and value.get("class") in ("File", "Directory")


def file_values(value: Value) -> Iterator[FileValue]:
    """Every File and Directory in a value, outermost first, without their secondary files and listings."""
    if is_file_value(value):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from file_values(item)
    elif isinstance(value, list):
        for item in value:
            yield from file_values(item)


def map_file_values(value: Value, change: Callable[[FileValue], Value]) -> Value:
    """A copy of the value in which every File and Directory (as `file_values` finds them) went through ``change``."""
    if is_file_value(value):
        return change(value)
    if isinstance(value, dict):
        return {key: map_file_values(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [map_file_values(item, change) for item in value]
    return value
