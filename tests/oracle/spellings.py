"""Repairs about values that are written as another type than the one that is wanted.

Booleans where a number is wanted: the peer takes them, because Python does. By the letter such a value is no number and
must be refused, as is text in its place (or a list, where text may stand). Defaults that can only be meant one way (2.0
for an int, 1 for a string): we take them as the type wants, as the platform does; the peer refuses.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from tests.oracle.case import Case
from tests.oracle.repairs import copied

_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
_INTEGERS: Final = frozenset({"int", "long"})
_KNOWN: Final = frozenset({*_NUMBERS, "null", "boolean", "Any", "string", "File", "Directory"})
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?")
_NO_NUMBERS: Final = {"string": "no number", "array": ["no number"], "record": {"no": "number"}}
"""Values that a type without this option cannot take for a number."""


def without_booleans(case: Case) -> Case:
    """What is no number in the place of booleans where an input must be a number, and may be no boolean."""
    return _rewritten(case, _no_boolean)


def with_defaults_spelled(case: Case) -> Case:
    """Defaults in the spelling that the type wants."""
    return _rewritten(case, _spelled, ("default",))


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


def _no_boolean(value: Any, kind: Any) -> Any:
    instead = _no_number(kind) if isinstance(value, bool) else None
    return value if instead is None else instead


def _spelled(value: Any, kind: Any) -> Any:
    options = _allowed(kind)
    if any(_is(value, option) for option in options):
        return value
    found = (each for option in options for each in (_as(value, option),) if each is not None)
    return next(found, value)


def _is(value: Any, option: Any) -> bool:
    if option == "Any" or isinstance(value, list | dict) or value is None:
        return True
    if isinstance(option, dict):
        return bool(option.get("type") == "enum" and value in option["symbols"])
    if isinstance(value, bool):
        return bool(option == "boolean")
    if isinstance(value, int):
        return option in _NUMBERS
    if isinstance(value, float):
        return option in ("float", "double")
    return bool(option == "string")


def _as(value: Any, option: Any) -> Any:
    """The value as this type spells it; None when it is no spelling of it."""
    if option == "string" or isinstance(option, dict):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return text if _is(text, option) else None
    if option in _NUMBERS and isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value) if "." in value or "e" in value.lower() else int(value)
    if option in _INTEGERS and isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if not isinstance(value, str) and _is(value, option) else None


def _rewritten(case: Case, scalar: Callable[[Any, Any], Any], where: tuple[str, ...] = ("job", "default")) -> Case:
    """The case with what ``scalar`` makes of each value of the job and each default, and of the type at its place."""
    case = copied(case)
    for name, entry in _entries(case.document["inputs"]).items():
        holders = {"job": (case.job, name), "default": (entry, "default")}
        for holder, key in (holders[each] for each in where):
            if key in holder:
                holder[key] = _below(holder[key], entry.get("type"), scalar)
    return case


def _below(value: Any, kind: Any, scalar: Callable[[Any, Any], Any]) -> Any:
    inner = [option for option in _allowed(kind) if isinstance(option, dict)]
    if isinstance(value, list):
        items = [option["items"] for option in inner if "items" in option]
        return [_below(item, items, scalar) for item in value] if items else value
    if isinstance(value, dict):
        fields = {field["name"]: field["type"] for option in inner for field in _members_of(option)}
        return {key: _below(item, fields.get(key), scalar) for key, item in value.items()}
    return scalar(value, kind)


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
