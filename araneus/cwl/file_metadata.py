"""Metadata that a tool's output binding gives to the files it finds.

Used by `cwl.outputs`, for sbg:draft-2 and for the same keys in CWL v1. Source: rabix/bunny, rabix-bindings-sb;
docs/cwl.md.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from araneus.cwl.errors import OutputError, Problem
from araneus.cwl.process import OutputBinding, Script
from araneus.model.values import FileValue, Value, file_values, map_file_values


def with_metadata(
    value: FileValue,
    binding: OutputBinding,
    inputs: Mapping[str, Value],
    evaluate: Callable[[Value, FileValue], Value],
    where: str = "sbg:metadata",
) -> FileValue:
    """The file with what it inherits and what the binding says of it, which wins. Null is nothing.

    ``evaluate(text, file)`` gives the value of what may be an expression. Inputs that do not exist, and those without
    files, give nothing and take nothing away. Raises `OutputError` when what an expression gives for all is no mapping.
    """
    found: dict[str, Any] = dict(value.get("metadata") or {})
    found |= common_metadata(file for name in binding.inherit_metadata_from for file in file_values(inputs.get(name)))
    seen = {**value, "metadata": found}
    own = _evaluated(binding.metadata, lambda text: evaluate(text, seen))
    if own is not None and not isinstance(own, dict):
        raise OutputError(Problem(where, "must give a mapping of keys to values"))
    found = {**found, **{key: item for key, item in (own or {}).items() if item is not None}}
    return {**value, "metadata": found} if found else value


def _evaluated(value: Value | Script, evaluate: Callable[[Value], Value]) -> Value:
    """What the document says of the metadata, all of which may be expressions, at any depth."""
    if isinstance(value, Mapping):
        return {key: _evaluated(item, evaluate) for key, item in value.items()}
    if isinstance(value, list):
        return [_evaluated(item, evaluate) for item in value]
    return evaluate(value)


def shared_with_secondary(primary: FileValue) -> FileValue:
    """The file with its metadata on those of its secondary files of which nothing was said: an index belongs to the
    same sample. Folders have none."""
    metadata, beside = primary.get("metadata"), primary.get("secondaryFiles")
    if not metadata or not beside:
        return primary
    shared = [
        item if item["class"] != "File" or "metadata" in item else {**item, "metadata": dict(metadata)}
        for item in beside
    ]
    return {**primary, "secondaryFiles": shared}


def with_own_metadata(outputs: Mapping[str, Value]) -> dict[str, Value]:
    """The outputs of a tool in which a secondary file that is an output of its own, with metadata, has the same
    metadata there."""
    own = {
        _place(file): file["metadata"]
        for value in outputs.values()
        for file in file_values(value)
        if file["class"] == "File" and file.get("metadata") and _place(file) is not None
    }

    def settled(file: FileValue) -> FileValue:
        if not file.get("secondaryFiles"):
            return file
        beside = [
            {**item, "metadata": dict(own[_place(item)])} if _place(item) in own else item
            for item in file["secondaryFiles"]
        ]
        return {**file, "secondaryFiles": beside}

    return {port: map_file_values(value, settled) for port, value in outputs.items()}


def _place(file: FileValue) -> Value:
    return file.get("location") or file.get("path")


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
