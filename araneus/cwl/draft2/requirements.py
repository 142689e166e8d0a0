"""Requirements and hints of sbg:draft-2 to those of CWL v1.2.

The dialect has no classes that must be understood: what is not known is left out, with a note. Used by
`araneus.cwl.draft2.processes`. Source: http://docs.rabix.io/cwl-draft-2-extensions; rabix/bunny, rabix-bindings-sb.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl.bindings import Script
from araneus.cwl.draft2 import texts
from araneus.cwl.draft2.types import Names
from araneus.cwl.requirements import Classes, Inherited, add_foreign
from araneus.cwl.scope import Scope
from araneus.model.values import Value

_CPU: Final = "sbg:CPURequirement"
_MEMORY: Final = "sbg:MemRequirement"
_SPELLINGS: Final = {
    "sbg:CpuRequirement": _CPU,
    "CPURequirement": _CPU,
    "CpuRequirement": _CPU,
    "sbg:MemoryRequirement": _MEMORY,
    "MemoryRequirement": _MEMORY,
    "MemRequirement": _MEMORY,
    "sbg:saveLogs": "sbg:SaveLogs",
}
_NAMES: Final = frozenset({"SchemaDefRequirement", "IORequirement", "sbg:OpenStackInstanceHint"})
_OF_V1: Final = frozenset(
    {"ShellCommandRequirement", "SubworkflowFeatureRequirement", "ScatterFeatureRequirement"}
    | {"MultipleInputFeatureRequirement", "StepInputExpressionRequirement", "SoftwareRequirement"}
)
"""What editors leave in such documents, and what says nothing in them."""
_AMOUNTS: Final = ("coresMin", "coresMax", "ramMin", "ramMax", "tmpdirMin", "tmpdirMax", "outdirMin", "outdirMax")
_IMAGE: Final = ("dockerPull", "dockerImageId", "dockerLoad", "dockerFile", "dockerImport", "dockerOutputDirectory")


def read(node: Mapping[str, Any], scope: Scope) -> tuple[Classes, Classes]:
    """The requirements and hints that a process or step declares, in the normal form of CWL v1.2.

    An image is required wherever it stands, as are files and variables; instance types and ``sbg:`` classes are hints.
    Of several images or amounts the first counts, and those among the requirements before those among the hints; files
    and variables add up.
    """
    required: Classes = {}
    hints: Classes = {}
    libraries: list[str] = []
    for section in ("requirements", "hints"):
        for given, entry, inner in fields.entries(scope, _with_class(node, section, scope), section, "class"):
            name = _SPELLINGS.get(given.removeprefix("cwl:"), given.removeprefix("cwl:"))
            if name == "ExpressionEngineRequirement":
                libraries += _library(entry, inner, "engineConfig")
            elif name == "InlineJavascriptRequirement":
                libraries += _library(entry, inner, "expressionLib")
            elif name in _REQUIRED:
                found = _REQUIRED[name](entry, inner)
                if found is not None:
                    _add(required, *found)
            elif name in (_CPU, _MEMORY):
                hints.update({**_amount(name, entry, inner), **hints})
            elif name == "ResourceRequirement":
                hints |= {name: _numbers(entry)}
            elif ":" in name and name not in _NAMES:
                _add_hint(hints, name, entry)
            elif name not in _NAMES and name not in _OF_V1:
                inner.doubt(f"{given[:80]!r} is not known in sbg:draft-2, and left out")
    if libraries:
        required["InlineJavascriptRequirement"] = {"expressionLib": libraries}
    return required, hints


def _with_class(node: Mapping[str, Any], section: str, scope: Scope | None = None) -> Mapping[str, Any]:
    """The section, less what says nothing in it: an empty text for all, and entries without a class."""
    value = node.get(section)
    if not value:
        return {}
    if not isinstance(value, list):
        return {section: value}
    kept: list[Any] = []
    for index, entry in enumerate(value):
        if not isinstance(entry, list | dict) or (isinstance(entry, dict) and not entry.get("class")):
            if scope is not None:
                scope.at(section).at(index).doubt("has no class, and is left out")
        else:
            kept.append(entry)
    return {section: kept}


def _add(required: Classes, name: str, found: Mapping[str, Any]) -> None:
    before = required.get(name, {})
    if "envDef" in before:
        named = {each["envName"] for each in before["envDef"]}
        found = {"envDef": [*before["envDef"], *(each for each in found["envDef"] if each["envName"] not in named)]}
    elif "listing" in before:
        found = {"listing": [*before["listing"], *found["listing"]]}
    elif before:
        return
    required[name] = found


def type_names(node: Mapping[str, Any], scope: Scope, outer: Names | None) -> Names:
    """The types that SchemaDefRequirement names, before those of the processes around."""
    names = Names(outer)
    for section in ("requirements", "hints"):
        for given, entry, inner in fields.entries(scope, _with_class(node, section), section, "class"):
            if given == "SchemaDefRequirement":
                for name, definition, place in fields.entries(inner, entry, "types", "name"):
                    names.define(name, definition, place)
    return names


def crossed(inherited: Inherited) -> Inherited:
    """What a process of one dialect inherits from one of the other: nothing in which expressions stand."""
    return Inherited(_without_expressions(inherited.requirements), _without_expressions(inherited.hints))


def _without_expressions(classes: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {
        name: entry
        for name, entry in classes.items()
        if name not in {"InlineJavascriptRequirement", "ShellCommandRequirement"} and not _holds_expression(entry)
    }


def _holds_expression(value: Value) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_expression(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_expression(item) for item in value)
    return isinstance(value, Script) or (isinstance(value, str) and ("$(" in value or "${" in value))


def _library(entry: Mapping[str, Any], scope: Scope, key: str) -> list[str]:
    """The texts of a library, as they are: what looks like an expression in them is JavaScript."""
    return [text for text in fields.texts(scope, entry, key) if text.strip()]


def _docker(entry: Mapping[str, Any], scope: Scope) -> tuple[str, Mapping[str, Any]] | None:
    """The image. Ids beside a name are those that an image once had elsewhere."""
    given = {key: texts.plain(scope, entry, key) for key in _IMAGE}
    found = {key: value for key, value in given.items() if value}
    if "dockerPull" in found:
        found.pop("dockerImageId", None)
    return ("DockerRequirement", found) if found else None


def _files(entry: Mapping[str, Any], scope: Scope) -> tuple[str, Mapping[str, Any]] | None:
    """CreateFileRequirement: names and contents, both texts or expressions."""
    listing: list[Mapping[str, Any]] = []
    definitions = entry.get("fileDef")
    place = scope.at("fileDef")
    for index, each in enumerate(definitions if isinstance(definitions, list) else [definitions]):
        inner = place.at(index)
        if each is None or (isinstance(each, dict) and not any(each.values())):
            continue  # what an editor leaves of a file that was begun
        if not isinstance(each, dict):
            inner.problem(f"must be a mapping, not {fields.kind_of(each)}")
            continue
        name = texts.field(inner, each, "filename")
        content = texts.field(inner, each, "fileContent")
        if name is None or name == "":
            inner.problem("is required", "filename")
        else:
            listing.append({"entryname": name, "entry": "" if content is None else content})
    return ("InitialWorkDirRequirement", {"listing": listing}) if listing else None


def _variables(entry: Mapping[str, Any], scope: Scope) -> tuple[str, Mapping[str, Any]] | None:
    found: list[Mapping[str, Any]] = []
    for name, each, inner in fields.entries(scope, entry, "envDef", "envName", "envValue"):
        value = texts.field(inner, each, "envValue")
        if "=" in name or "\0" in name:
            inner.problem(f"{name[:80]!r} cannot be the name of an environment variable")
        elif value is None:
            inner.problem("is required", "envValue")
        else:
            found.append({"envName": name, "envValue": value})
    return ("EnvVarRequirement", {"envDef": found}) if found else None


_REQUIRED: Final[dict[str, Callable[[Mapping[str, Any], Scope], tuple[str, Mapping[str, Any]] | None]]] = {
    "DockerRequirement": _docker,
    "CreateFileRequirement": _files,
    "EnvVarRequirement": _variables,
}


def _amount(name: str, entry: Mapping[str, Any], scope: Scope) -> Classes:
    """Cores or MiB. 0 leaves it to the machine, which is what nothing means, too."""
    value = entry.get("value")
    if texts.is_script(value):
        return {name: {"value": texts.read(value, scope.at("value"))}}
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text) if text else None
        except ValueError:
            scope.problem(f"must be a number or an expression, not the text {text[:40]!r}", "value")
            return {}
    if value is None or value == 0:
        return {}
    if isinstance(value, bool) or not isinstance(value, int | float):
        scope.problem(f"must be a number or an expression, not {fields.kind_of(value)}", "value")
    elif not 0 < value < 2**53:
        scope.problem(f"must be between 0 and 2^53, but is {str(value)[:40]}", "value")
    else:
        return {name: {"value": value}}
    return {}


def _numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A class of CWL v1 that editors add: its numbers count where the dialect's own classes say nothing."""
    given = {key: entry.get(key) for key in _AMOUNTS}
    return {
        key: value
        for key, value in given.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**53
    }


def _add_hint(hints: Classes, name: str, entry: Mapping[str, Any]) -> None:
    kept = {key: value for key, value in entry.items() if key != "class"}
    if not any(texts.is_script(value) for value in kept.values()):
        add_foreign(hints, name, kept)
