"""Metadata that a tool's output binding gives to the files it finds.

Used by `cwl.outputs`, for sbg:draft-2 and for the same keys in CWL v1. Source: rabix/bunny, rabix-bindings-sb;
docs/cwl.md.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from araneus.cwl.process import OutputBinding
from araneus.model.values import FileValue, Value, file_values


def with_metadata(
    value: FileValue, binding: OutputBinding, inputs: Mapping[str, Value], evaluate: Callable[[Value, FileValue], Value]
) -> FileValue:
    """The file with what it inherits and what the binding says of it, which wins. Null is nothing.

    ``evaluate(text, file)`` gives the value of what may be an expression. An input that does not exist gives nothing.
    """
    found: dict[str, Any] = dict(value.get("metadata") or {})
    if binding.inherit_metadata_from is not None:
        found |= common_metadata(file_values(inputs.get(binding.inherit_metadata_from)))
    seen = {**value, "metadata": found}
    own = {key: evaluate(item, seen) for key, item in binding.metadata.items()}
    found = {**found, **{key: item for key, item in own.items() if item is not None}}
    return {**value, "metadata": found} if found else value


def common_metadata(files: Iterable[FileValue]) -> dict[str, Any]:
    """The keys that every file has, with the same value."""
    common: dict[str, Any] | None = None
    for file in files:
        metadata = file.get("metadata")
        given = metadata if isinstance(metadata, dict) else {}
        if common is None:
            common = dict(given)
        else:
            common = {key: item for key, item in common.items() if key in given and _same(given[key], item)}
    return common or {}


def _same(one: Value, other: Value) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
