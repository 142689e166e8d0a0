"""Requirements and hints: reading them, and handing them down to the processes inside.

Used by the processes stage of `araneus.cwl.load`. The normal form of each class is a mapping of its fields, without
``class``; map forms are lists (``envDef`` holds ``{envName, envValue}``, ``packages`` holds ``{package, ...}``),
``expressionLib`` and InitialWorkDirRequirement's ``listing`` are lists (or ``listing`` one expression), and files in a
``listing`` have their place (`references.place_files`).
Source: CWL v1.2, "Requirements and hints", "Requirement inheritance".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from araneus.cwl import fields
from araneus.cwl.draft2.types import Names
from araneus.cwl.process import Listing
from araneus.cwl.read_bindings import is_expression
from araneus.cwl.references import place_files
from araneus.cwl.scope import Scope
from araneus.cwl.typedsl import TypeNames

Classes: TypeAlias = dict[str, Mapping[str, Any]]

_CWLTOOL: Final = "http://commonwl.org/cwltool#"
_CWL: Final = ("https://w3id.org/cwl/cwl#", "cwl:")
_FORMER_EXTENSIONS: Final = {
    "InplaceUpdateRequirement": "InplaceUpdateRequirement",
    "LoadListingRequirement": "LoadListingRequirement",
    "TimeLimit": "ToolTimeLimit",
    "WorkReuse": "WorkReuse",
    "NetworkAccess": "NetworkAccess",
}
_FIELDS: Final[dict[str, frozenset[str]]] = {
    "InlineJavascriptRequirement": frozenset({"expressionLib"}),
    "SchemaDefRequirement": frozenset({"types"}),
    "DockerRequirement": frozenset(
        {"dockerPull", "dockerLoad", "dockerFile", "dockerImport", "dockerImageId", "dockerOutputDirectory"}
    ),
    "SoftwareRequirement": frozenset({"packages"}),
    "InitialWorkDirRequirement": frozenset({"listing"}),
    "EnvVarRequirement": frozenset({"envDef"}),
    "ShellCommandRequirement": frozenset(),
    "ResourceRequirement": frozenset(
        {"coresMin", "coresMax", "ramMin", "ramMax", "tmpdirMin", "tmpdirMax", "outdirMin", "outdirMax"}
    ),
    "LoadListingRequirement": frozenset({"loadListing"}),
    "InplaceUpdateRequirement": frozenset({"inplaceUpdate"}),
    "ToolTimeLimit": frozenset({"timelimit"}),
    "WorkReuse": frozenset({"enableReuse"}),
    "NetworkAccess": frozenset({"networkAccess"}),
    "StepInputExpressionRequirement": frozenset(),
    "ScatterFeatureRequirement": frozenset(),
    "MultipleInputFeatureRequirement": frozenset(),
    "SubworkflowFeatureRequirement": frozenset(),
}
_NUMBER: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_INSTANCES: Final = frozenset({"sbg:AWSInstanceType", "sbg:GoogleInstanceType", "sbg:AzureInstanceType"})
_SPELLINGS: Final = {"sbg:saveLogs": "sbg:SaveLogs"}


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a process gets from the workflows and steps around it."""

    requirements: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    types: TypeNames | None = None
    names: Names | None = None
    """The named types of processes in sbg:draft-2."""

    def with_own(self, requirements: Classes, hints: Classes, types: TypeNames | None = None) -> "Inherited":
        """What holds inside, where these are declared: the inner class replaces the outer, whole. Instance types are
        the platform's, and go the other way: the outer one holds."""
        merged = {**self.requirements, **requirements}
        outer = {name: each for name, each in self.hints.items() if name in _INSTANCES}
        kept = {name: each for name, each in {**self.hints, **hints, **outer}.items() if name not in merged}
        return Inherited(merged, kept, types if types is not None else self.types, self.names)


def read(node: Mapping[str, Any], scope: Scope) -> tuple[Classes, Classes]:
    """The requirements and hints that a process or step itself declares, without its type definitions.

    Unknown classes are ignored among hints (kept when they are namespaced, as ``sbg:`` ones are) and noted as
    unsupported among requirements, except ``sbg:`` ones.
    """
    return _section(node, scope, "requirements"), _section(node, scope, "hints")


def _section(node: Mapping[str, Any], scope: Scope, section: str) -> Classes:
    found: Classes = {}
    for given, entry, inner in _entries(scope, node, section):
        name = class_name(given, inner)
        if name in _FIELDS:
            found[name] = _known(name, entry, inner, strict=section == "requirements")
        elif ":" in given:
            if section == "requirements" and not given.startswith("sbg:"):
                inner.unsupported(f"the requirement {given[:80]!r} is not supported; as a hint it would be ignored")
            name = _SPELLINGS.get(given, given)
            add_foreign(found, name, {key: value for key, value in entry.items() if key != "class"})
        elif section == "requirements":
            inner.unsupported(f"the requirement {given[:80]!r} is not known{fields.meant(given, _FIELDS)}")
    return found


def _entries(scope: Scope, node: Mapping[str, Any], section: str) -> Iterable[tuple[str, Mapping[str, Any], Scope]]:
    """The entries of a section. Hints may be ignored, so one that says nothing is a doubt and no mistake."""
    value = node.get(section)
    if section == "hints" and isinstance(value, list):
        kept = [each for each in value if isinstance(each, list) or (isinstance(each, dict) and each.get("class"))]
        if len(kept) < len(value):
            scope.doubt(
                "an entry without a 'class' is ignored: write - class: SoftwareRequirement, for example", section
            )
        node = {section: kept}
    return fields.entries(scope, node, section, "class")


def class_name(given: str, scope: Scope) -> str:
    """The name of a requirement class in CWL v1.2, where it has one: also for former extensions of cwltool."""
    full = scope.expand(given)
    for prefix in _CWL:
        full = full.removeprefix(prefix)
    if given.startswith("cwltool:"):
        full = _CWLTOOL + given.removeprefix("cwltool:")
    if full.startswith(_CWLTOOL):
        return _FORMER_EXTENSIONS.get(full.removeprefix(_CWLTOOL), given)
    return full if full in _FIELDS else given


class _Several(list[Any]):
    """The values of one class so far: a list of our own, that grows in place."""


def add_foreign(found: Classes, name: str, entry: Mapping[str, Any]) -> None:
    """A class that is given several times (``sbg:SaveLogs``) keeps all its values, as one list."""
    if name not in found or "value" not in entry:
        found[name] = entry
        return
    held = found[name].get("value")
    values = held if isinstance(held, _Several) else _Several(held if isinstance(held, list) else [held])
    values.extend(entry["value"] if isinstance(entry["value"], list) else [entry["value"]])
    found[name] = {**found[name], "value": values}


def _known(name: str, entry: Mapping[str, Any], scope: Scope, *, strict: bool) -> Mapping[str, Any]:
    if strict:
        fields.known_fields(scope, entry, _FIELDS[name] | {"class", "doc", "label"})
    read = _READERS.get(name)
    if read is not None:
        return read(entry, scope)
    if name == "DockerRequirement":
        return {key: fields.text(scope, entry, key) for key in _FIELDS[name] if entry.get(key) is not None}
    return {key: entry[key] for key in _FIELDS[name] if entry.get(key) is not None}


def _javascript(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    return {"expressionLib": list(fields.texts(scope, entry, "expressionLib"))}


def _resources(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for key in sorted(_FIELDS["ResourceRequirement"]):
        value = entry.get(key)
        if value is None:
            continue
        if isinstance(value, float) and scope.version < 2 and not value.is_integer():
            scope.problem(f"the fraction {value} needs CWL v1.2; round it up or raise cwlVersion", key)
        elif _is_number(value) and value < 0:
            scope.problem(f"must not be negative, but is {value}", key)
        elif not _is_number(value) and not isinstance(value, str):
            scope.problem(f"must be a number or an expression, not {fields.kind_of(value)}", key)
        elif isinstance(value, str) and _NUMBER.fullmatch(value):
            found[key] = _unquoted(value, scope, key)
        elif isinstance(value, str) and not is_expression(value):
            scope.problem(f"must be a number or an expression, not the text {value[:40]!r}", key)
        else:
            found[key] = value
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _environment(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    found: list[dict[str, str]] = []
    for name, each, inner in fields.entries(scope, entry, "envDef", "envName", "envValue", required=True):
        fields.known_fields(inner, each, ("envName", "envValue"))
        value = fields.text(inner, each, "envValue")
        if value is None:
            inner.problem("needs a text 'envValue'")
        elif "=" in name or "\x00" in name:
            inner.problem(f"{name[:80]!r} cannot be the name of an environment variable")
        else:
            found.append({"envName": name, "envValue": value})
    return {"envDef": found}


def _packages(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    listed = fields.entries(scope, entry, "packages", "package", "specs")
    return {"packages": [{**each, "package": name} for name, each, _ in listed]}


def _work_directory(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    listing = entry.get("listing")
    inner = scope.at("listing", listing)
    if isinstance(listing, str):
        return {"listing": listing}
    if isinstance(listing, dict):
        listing = [listing]
    if not isinstance(listing, list):
        inner.problem(f"must be a list or an expression, not {fields.kind_of(listing)}")
        return {"listing": []}
    for index, item in enumerate(listing):
        _check_dirent(item, inner.at(index, item))
    return {"listing": place_files(listing, inner.base)}


def _check_dirent(item: Any, scope: Scope) -> None:
    if isinstance(item, list):
        for index, each in enumerate(item):
            _check_dirent(each, scope.at(index, each))
    elif isinstance(item, dict) and "class" not in item:
        fields.known_fields(scope, item, ("entry", "entryname", "writable"))
        if "entry" not in item:
            scope.problem("is required", "entry")
        elif item["entry"] is not None and not isinstance(item["entry"], str | dict | list):
            scope.problem(f"must be text or an expression, not {fields.kind_of(item['entry'])}", "entry")
        fields.text(scope, item, "entryname")
        fields.flag(scope, item, "writable", False)
    elif isinstance(item, dict):
        if item["class"] not in ("File", "Directory"):
            scope.problem(f"must be File or Directory, not {str(item['class'])[:80]!r}", "class")
    elif item is not None and not isinstance(item, str):
        scope.problem(f"must be text, a mapping or an expression, not {fields.kind_of(item)}")


def _unquoted(value: str, scope: Scope, key: str) -> int | float:
    scope.doubt(f"{value!r} is text, and taken for a number: leave the quotes out", key)
    return float(value) if "." in value else int(value)


def _time_limit(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    value = entry.get("timelimit")
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = _unquoted(value, scope, "timelimit")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < 0:
            scope.problem(f"must not be negative, but is {value}", "timelimit")
    elif not is_expression(value):
        scope.problem(f"must be a number of seconds or an expression, not {fields.kind_of(value)}", "timelimit")
    return {"timelimit": value}


def _flag_reader(key: str) -> Callable[[Mapping[str, Any], Scope], Mapping[str, Any]]:
    def read_flag(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
        value = entry.get(key)
        if isinstance(value, str) and value.casefold() in fields.SWITCHES:
            return {key: fields.flag(scope, entry, key, False)}
        if not isinstance(value, bool) and not is_expression(value):
            scope.problem(f"must be true, false or an expression, not {fields.kind_of(value)}", key)
        return {key: value}

    return read_flag


def _load_listing(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    listing = fields.choice(scope, entry, "loadListing", Listing)
    return {} if listing is None else {"loadListing": listing.value}


_READERS: Final[dict[str, Callable[[Mapping[str, Any], Scope], Mapping[str, Any]]]] = {
    "InlineJavascriptRequirement": _javascript,
    "ResourceRequirement": _resources,
    "EnvVarRequirement": _environment,
    "SoftwareRequirement": _packages,
    "InitialWorkDirRequirement": _work_directory,
    "ToolTimeLimit": _time_limit,
    "WorkReuse": _flag_reader("enableReuse"),
    "NetworkAccess": _flag_reader("networkAccess"),
    "InplaceUpdateRequirement": _flag_reader("inplaceUpdate"),
    "LoadListingRequirement": _load_listing,
}


def type_names(node: Mapping[str, Any], scope: Scope, outer: TypeNames | None) -> TypeNames | None:
    """The types that the process' own SchemaDefRequirement defines, before those of the processes around it."""
    own: TypeNames | None = None
    for section in ("requirements", "hints"):
        if not isinstance(node.get(section), list | dict):
            continue
        for given, entry, inner in _entries(scope, node, section):  # the report keeps each problem once
            if class_name(given, inner) == "SchemaDefRequirement":
                own = own or TypeNames(outer)
                named = {**entry, "types": _named(entry.get("types"), inner)}
                for name, definition, place in fields.entries(inner, named, "types", "name", required=True):
                    own.define(name, definition, place)
    if own is not None:
        own.build_all()
    return own or outer


def _named(types: Any, scope: Scope) -> Any:
    """The definitions without those that have no name: that is allowed, but nothing can use them."""
    if not isinstance(types, list):
        return types
    named = [each for each in types if not isinstance(each, dict) or "name" in each or "type" not in each]
    if len(named) < len(types):
        scope.doubt("holds a type without a name, which nothing can use", "types")
    return named
