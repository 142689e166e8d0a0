"""Repairs about booleans that stand where a number is wanted: the peer takes them, because Python does.

By the letter such a value is no number and must be refused, as is any text in its place.
"""

import json
import re
from typing import Any, Final

from tests.oracle.case import Case
from tests.oracle.repairs import copied

_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
_KNOWN: Final = frozenset({*_NUMBERS, "null", "boolean", "Any", "string", "File", "Directory"})
_NO_NUMBER: Final = "no number"


def with_text_for_booleans(case: Case) -> Case:
    """Text in the place of booleans where an input must be a number, and may be no boolean."""
    case = copied(case)
    for name, entry in _entries(case.document["inputs"]).items():
        for holder, key in ((case.job, name), (entry, "default")):
            if key in holder:
                holder[key] = _without_booleans(holder[key], entry.get("type"))
    return case


def with_text_for_boolean_outputs(case: Case) -> Case:
    """Text in the place of booleans that outputEval or cwl.output.json give where an output must be a number."""
    case = copied(case)
    if case.document["class"] != "CommandLineTool":
        return case
    for name, entry in _entries(case.document["outputs"]).items():
        if not _is_number(entry.get("type")):
            continue
        binding = entry.get("outputBinding", {})
        if "outputEval" in binding and "InlineJavascriptRequirement" in json.dumps(case.document):
            binding["outputEval"] = _guarded(binding["outputEval"])
        said = f'"{name}": '
        case.document["baseCommand"] = [
            re.sub(f"{said}(?:true|false)", f'{said}"{_NO_NUMBER}"', word) for word in case.document["baseCommand"]
        ]
    return case


def _guarded(script: str) -> str:
    """JavaScript that gives what the script gives, or text for a boolean."""
    whole = re.fullmatch(r"\s*\$\((.*)\)\s*|\s*\$\{(.*)\}\s*", script, re.DOTALL)
    if whole is None:
        return script
    expression = f"({whole[1]})" if whole[1] is not None else f"(function() {{{whole[2]}}})()"
    return f"${{var found = {expression}; return typeof found == 'boolean' ? '{_NO_NUMBER}' : found;}}"


def _entries(section: Any) -> dict[str, dict[str, Any]]:
    """The ports of a section by name; what is only a type stands here with nothing to change beside it."""
    if isinstance(section, list):
        return {entry["id"]: entry for entry in section}
    return {name: entry if isinstance(entry, dict) else {"type": entry} for name, entry in section.items()}


def _is_number(kind: Any) -> bool:
    """Whether a type takes numbers, and neither booleans nor text."""
    options = _allowed(kind)
    names = {option for option in options if isinstance(option, str)}
    return names <= _KNOWN and bool(names & _NUMBERS) and not names & {"boolean", "Any", "string"}


def _without_booleans(value: Any, kind: Any) -> Any:
    if isinstance(value, bool):
        return _NO_NUMBER if _is_number(kind) else value
    inner = [option for option in _allowed(kind) if isinstance(option, dict)]
    if isinstance(value, list):
        items = [option["items"] for option in inner if "items" in option]
        return [_without_booleans(item, items) for item in value] if items else value
    if isinstance(value, dict):
        fields = {field["name"]: field["type"] for option in inner for field in _members_of(option)}
        return {key: _without_booleans(item, fields.get(key)) for key, item in value.items()}
    return value


def _allowed(kind: Any) -> list[Any]:
    """What a type allows, with its short forms written out."""
    if isinstance(kind, list):
        return [option for each in kind for option in _allowed(each)]
    if isinstance(kind, str) and kind.endswith("?"):
        return ["null", *_allowed(kind[:-1])]
    if isinstance(kind, str) and kind.endswith("[]"):
        return [{"type": "array", "items": kind[:-2]}]
    return [kind]


def _members_of(kind: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a record, in the form of a list."""
    fields = kind.get("fields", [])
    if isinstance(fields, list):
        return fields
    return [{"name": name, **(each if isinstance(each, dict) else {"type": each})} for name, each in fields.items()]
