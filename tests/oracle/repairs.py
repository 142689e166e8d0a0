"""Rewriting a case so that it says the same, by the letter of the specification, without what the peer does not master.

A repair takes a case and gives another one (or the same, where it finds nothing to do). Nothing but the explained part
may change: `tests.oracle.explained` runs the repaired case through both runners and wants three answers to be one.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, TypeAlias

from tests.oracle.case import Case, nodes

Repair: TypeAlias = Callable[[Case], Case]
_WHOLE = re.compile(r"\s*\$\(inputs(?:\.(\w+)|\['([^']+)'\]|\[\"([^\"]+)\"\])\)\s*")
_SELF = ("$(self)", "${return self;}", "${return Array.isArray(self) ? self.slice().reverse() : self;}")


@dataclass(frozen=True)
class _Place:
    """A port, field or list type, and the values that meet it (of a list type: the items)."""

    node: dict[str, Any]
    values: tuple[Any, ...]

    @property
    def binding(self) -> dict[str, Any] | None:
        bound: dict[str, Any] | None = self.node.get("inputBinding")
        return bound


def ports(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The inputs by name, those that are written as mappings."""
    inputs = document.get("inputs", {})
    found = {entry["id"]: entry for entry in inputs} if isinstance(inputs, list) else inputs
    return {name: entry for name, entry in found.items() if isinstance(entry, dict)}


def given(case: Case) -> dict[str, Any]:
    """The value of each input, defaults filled in."""
    found = dict.fromkeys(case.document["inputs"]) if isinstance(case.document["inputs"], dict) else {}
    found |= {name: entry.get("default") for name, entry in ports(case.document).items()}
    return found | {name: value for name, value in case.job.items() if value is not None}


def _places(case: Case) -> Iterator[_Place]:
    values = given(case)
    for name, entry in ports(case.document).items():
        if values.get(name) is not None:
            yield from _walk(entry, (values[name],))


def _walk(node: dict[str, Any], values: tuple[Any, ...]) -> Iterator[_Place]:
    """The node of a port or field, and what is below its type."""
    yield _Place(node, values)
    yield from _below(node.get("type"), values)


def _below(kind: Any, values: tuple[Any, ...]) -> Iterator[_Place]:
    for option in _options(kind):
        if option.get("type") == "array":
            items = tuple(item for value in values if isinstance(value, list) for item in value if item is not None)
            yield _Place(option, items)
            yield from _below(option["items"], items)
        elif option.get("type") == "record":
            for name, field in _fields(option):
                met = tuple(value[name] for value in values if isinstance(value, dict) and value.get(name) is not None)
                if isinstance(field, dict) and met:
                    yield from _walk(field, met)


def _options(kind: Any) -> list[dict[str, Any]]:
    return [option for option in (kind if isinstance(kind, list) else [kind]) if isinstance(option, dict)]


def _fields(record: dict[str, Any]) -> list[tuple[str, Any]]:
    fields = record["fields"]
    return list(fields.items()) if isinstance(fields, dict) else [(each["name"], each) for each in fields]


def copied(case: Case) -> Case:
    """A case of its own, to be changed."""
    return replace(case, document=deepcopy(case.document), job=deepcopy(case.job), files=dict(case.files))


def without_null_positions(case: Case) -> Case:
    """A position that is null is not there."""
    case = copied(case)
    values = given(case)
    for node in nodes(case.document):
        if isinstance(node.get("position"), str):
            named = _WHOLE.fullmatch(node["position"])
            if node["position"] == "$(null)" or (named and values.get(next(filter(None, named.groups()))) is None):
                del node["position"]
    return case


def without_idle_separate(case: Case) -> Case:
    """``separate`` says nothing where there is no prefix."""
    case = copied(case)
    for node in nodes(case.document):
        if "separate" in node and "prefix" not in node:
            del node["separate"]
    return case


def without_prefixes_of_nothing(case: Case) -> Case:
    """A list of nothing adds nothing, so its binding needs no prefix."""
    case = copied(case)
    values = given(case)
    arguments = [_Place({"inputBinding": each}, ()) for each in case.document.get("arguments", ())]
    for place in (*_places(case), *arguments):
        binding = place.binding
        if not isinstance(binding, dict) or "prefix" not in binding or "valueFrom" not in binding:
            continue
        text = binding["valueFrom"]
        named = _WHOLE.fullmatch(text)
        of_self = text in _SELF and place.values and all(value == [] for value in place.values)
        if text == "${return [];}" or of_self or (named and values.get(next(filter(None, named.groups()))) == []):
            del binding["prefix"]
            binding.pop("separate", None)
    return case


def with_positions_around_lists(case: Case) -> Case:
    """The binding at a list's type has its position around the list: where the list stands alone, it takes it along."""
    case = copied(case)
    for place in list(_places(case)):
        if place.binding is None and all(isinstance(value, list) for value in place.values):
            bound = [kind["inputBinding"] for kind in _options(place.node.get("type"))
                     if kind.get("type") == "array" and "inputBinding" in kind]  # fmt: skip
            if bound and "type" in place.node and isinstance(bound[0].get("position", 0), int):
                place.node["inputBinding"] = {"position": bound[0].get("position", 0)}
    return case


def with_types_for_any(case: Case) -> Case:
    """Any stands for the type that the value has."""
    case = copied(case)
    names = count()
    for node in nodes(case.document["inputs"]):
        if node.get("type") == "Any[]":
            node["type"] = {"type": "array", "items": "Any"}
    for place in list(_places(case)):
        for key in ("type", "items"):
            if place.values and key in place.node:
                place.node[key] = _settled(place.node[key], place.values, names)
    return case


def _settled(kind: Any, values: tuple[Any, ...], names: Iterator[int]) -> Any:
    """The type, with what its values are for an Any where they are lists or objects."""
    options = kind if isinstance(kind, list) else ["Any", "null"] if kind == "Any?" else [kind]
    if "Any" not in options or not any(isinstance(value, list | dict) for value in values):
        return kind
    found = _typed(values, names)
    return [*(found if isinstance(found, list) else [found]), *(each for each in options if each != "Any")]


def _typed(values: tuple[Any, ...], names: Iterator[int]) -> Any:
    """The type of several values, as a union of those of each; ``names`` gives new ones to records."""
    found: list[Any] = []
    lists = [value for value in values if isinstance(value, list)]
    if lists:
        items = tuple(item for each in lists for item in each)
        found.append({"type": "array", "items": _typed(items, names) if items else "string"})
    for value in values:
        if isinstance(value, dict):
            fields = [{"name": name, "type": _typed((item,), names)} for name, item in value.items()]
            found.append({"type": "record", "name": f"any{next(names)}", "fields": fields})
        elif not isinstance(value, list) and _kind(value) not in found:
            found.append(_kind(value))
    return found if len(found) > 1 else found[0]


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "long"
    return "double" if isinstance(value, float) else "string"


def with_types_settled(case: Case) -> Case:
    """Values stand in the job instead of defaults, and a union is what its value is, as far as null and lists go."""
    case = copied(case)
    for name, entry in ports(case.document).items():
        default = entry.pop("default", None)
        if case.job.get(name) is None and default is not None:
            case.job[name] = default
        if case.job.get(name) is not None and isinstance(entry["type"], list):
            entry["type"] = _one([option for option in entry["type"] if option != "null"])
    for place in list(_places(case)):
        kind = place.node.get("type")
        if isinstance(kind, list) and place.values:
            lists = {isinstance(value, list) for value in place.values}
            place.node["type"] = _one(
                [option for option in kind if option == "null" or _is_list(option) in lists] or kind
            )
    return case


def _one(options: list[Any]) -> Any:
    return options[0] if len(options) == 1 else options


def _is_list(kind: Any) -> bool:
    return isinstance(kind, dict) and kind["type"] == "array"


def with_named_types_in_place(case: Case) -> Case:
    """The name of a type stands for what SchemaDefRequirement says of it."""
    case = copied(case)
    held = case.document.get("requirements", {})
    required = [node for node in nodes(case.document) if node.get("class") == "SchemaDefRequirement"]
    required += [held["SchemaDefRequirement"]] if isinstance(held, dict) and "SchemaDefRequirement" in held else []
    named = {each["name"]: each for node in required for each in node.pop("types", ())}
    names = count()

    def placed(kind: Any) -> Any:
        if isinstance(kind, str):
            found = named.get(re.split("[#/]", kind)[-1])
            return placed({**found, "name": f"placed{next(names)}"}) if found is not None else kind
        if isinstance(kind, list):
            return [placed(option) for option in kind]
        return {key: _members(item, placed) if key in {"type", "items", "fields"} else item
                for key, item in kind.items()}  # fmt: skip

    for node in required:
        node["types"] = []
    for entry in ports(case.document).values():
        entry["type"] = placed(entry["type"])
    inputs = case.document["inputs"]
    for name, entry in inputs.items() if isinstance(inputs, dict) else ():
        inputs[name] = {"type": placed(entry)} if isinstance(entry, str) else entry
    return case


def _members(item: Any, placed: Callable[[Any], Any]) -> Any:
    return {name: placed(field) for name, field in item.items()} if _is_fields(item) else placed(item)


def _is_fields(item: Any) -> bool:
    """Whether this is the mapping of a record's fields, not a type."""
    return isinstance(item, dict) and not isinstance(item.get("type"), str | list | dict)


def with_files_before_records(case: Case) -> Case:
    """A union names File and Directory before its records: a value that says its class is no record."""
    case = copied(case)
    for node in nodes(case.document["inputs"]):
        for key in ("type", "items"):
            kind = node.get(key)
            if isinstance(kind, list) and any(option.get("type") == "record" for option in _options(kind)):
                node[key] = sorted(kind, key=lambda option: option not in ("File", "Directory"))
    return case


def with_secondary_files_said(case: Case) -> Case:
    """The job says itself which secondary files its File has, instead of the patterns of the port."""
    case = copied(case)
    for name, entry in ports(case.document).items():
        value = case.job.get(name)
        if not isinstance(value, dict) or "path" not in value or "secondaryFiles" not in entry:
            continue
        wanted = entry["secondaryFiles"] if isinstance(entry["secondaryFiles"], list) else [entry["secondaryFiles"]]
        patterns = [each if isinstance(each, str) else each["pattern"] for each in wanted]
        needed = [not isinstance(each, dict) or each.get("required") is not False for each in wanted]
        found = [_beside(case, value["path"], pattern.removesuffix("?")) for pattern in patterns]
        if case.version != "v1.0" and any(
            need and not each and not pattern.endswith("?")
            for need, each, pattern in zip(needed, found, patterns, strict=True)
        ):
            continue  # a required one is missing: by the letter a failure
        del entry["secondaryFiles"]
        said = value.get("secondaryFiles", [])
        names = {each["path"] for each in said}
        new = {each["path"]: each for each in found if each and each["path"] not in names}
        value["secondaryFiles"] = [*said, *new.values()]
    return case


def _beside(case: Case, path: str, pattern: str) -> dict[str, Any] | None:
    """The file or directory of a case that a pattern finds beside a path."""
    folder, _, name = path.rpartition("/")
    root = name.rpartition(".")[0] or name
    pattern = pattern.replace("$(self.nameroot)", root).replace("$(self.basename)", name)
    if pattern == pattern.lstrip("^") and not pattern.startswith("."):
        wanted = f"{folder}/{pattern}"
    else:
        for _ in range(len(pattern) - len(pattern.lstrip("^"))):
            name = name.rpartition(".")[0] or name
        wanted = f"{folder}/{name}{pattern.lstrip('^')}"
    if wanted in case.files:
        return {"class": "File", "path": wanted}
    is_directory = any(each.startswith(f"{wanted}/") for each in case.files)
    return {"class": "Directory", "path": wanted} if is_directory else None


def with_files_for_literals(case: Case) -> Case:
    """A File that says its contents lies beside the document instead."""
    case = copied(case)
    numbers = count()
    for node in [*nodes(case.job), *nodes([entry.get("default") for entry in ports(case.document).values()])]:
        if node.get("class") == "File" and "contents" in node and "basename" in node:
            path = f"literal{next(numbers)}/{node['basename']}"
            case.files[path] = node.pop("contents")
            node["path"] = path
    return case
