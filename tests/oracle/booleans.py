"""Repairs about booleans that stand where a number is wanted: the peer takes them, because Python does.

By the letter such a value is no number and must be refused, as is text in its place (or a list, where text may stand).
"""

import json
import re
from typing import Any, Final

from tests.oracle.case import Case
from tests.oracle.repairs import copied

_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
_KNOWN: Final = frozenset({*_NUMBERS, "null", "boolean", "Any", "string", "File", "Directory"})
_NO_NUMBERS: Final = {"string": "no number", "array": ["no number"], "record": {"no": "number"}}
"""Values that a type without this option cannot take for a number."""


def without_booleans(case: Case) -> Case:
    """What is no number in the place of booleans where an input must be a number, and may be no boolean."""
    case = copied(case)
    for name, entry in _entries(case.document["inputs"]).items():
        for holder, key in ((case.job, name), (entry, "default")):
            if key in holder:
                holder[key] = _without_booleans(holder[key], entry.get("type"))
    return case


def without_boolean_outputs(case: Case) -> Case:
    """What is no number in the place of booleans that outputEval or cwl.output.json give for a number."""
    case = copied(case)
    if case.document["class"] != "CommandLineTool":
        return case
    for name, entry in _entries(case.document["outputs"]).items():
        instead = _no_number(entry.get("type"))
        if instead is None:
            continue
        text = json.dumps(instead)
        binding = entry.get("outputBinding", {})
        if "outputEval" in binding and "InlineJavascriptRequirement" in json.dumps(case.document):
            binding["outputEval"] = _guarded(binding["outputEval"], text)
        said = f'"{name}": '
        case.document["baseCommand"] = [
            re.sub(f"{said}(?:true|false)", said + text, word) for word in case.document["baseCommand"]
        ]
    return case


def _guarded(script: str, instead: str) -> str:
    """JavaScript that gives what the script gives, or something else for a boolean."""
    whole = re.fullmatch(r"\s*\$\((.*)\)\s*|\s*\$\{(.*)\}\s*", script, re.DOTALL)
    if whole is None:
        return script
    expression = f"({whole[1]})" if whole[1] is not None else f"(function() {{{whole[2]}}})()"
    return f"${{var found = {expression}; return typeof found == 'boolean' ? {instead} : found;}}"


def _entries(section: Any) -> dict[str, dict[str, Any]]:
    """The ports of a section by name; what is only a type stands here with nothing to change beside it."""
    if isinstance(section, list):
        return {entry["id"]: entry for entry in section}
    return {name: entry if isinstance(entry, dict) else {"type": entry} for name, entry in section.items()}


def _no_number(kind: Any) -> Any:
    """What a type that takes numbers and no booleans does not take either; None for other types."""
    options = _allowed(kind)
    names = {option for option in options if isinstance(option, str)}
    if not (names & _NUMBERS and names <= _KNOWN) or names & {"boolean", "Any"}:
        return None
    taken = names | {str(option.get("type")) for option in options if isinstance(option, dict)}
    return next((value for option, value in _NO_NUMBERS.items() if option not in taken), None)


def _without_booleans(value: Any, kind: Any) -> Any:
    if isinstance(value, bool):
        instead = _no_number(kind)
        return value if instead is None else instead
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
