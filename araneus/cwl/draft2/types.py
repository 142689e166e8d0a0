"""Types of sbg:draft-2 documents to type trees. Names of SchemaDefRequirement stand with or without ``#``.

Used by the ports stage of this package. Source: cwl-avro.yml of draft 2, "Datatype", "RecordSchema", "ArraySchema",
"EnumSchema".
"""

from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl.draft2 import bindings, texts
from araneus.cwl.scope import Scope
from araneus.cwl.typedsl import MAX_DEPTH, MAX_SIZE, MAX_SUFFIXES, PRIMITIVES, measure
from araneus.cwl.types import ANY, NULL, ArrayType, EnumType, Primitive, RecordField, RecordType, Type, union

_TEXT: Final = Primitive("string")
_OTHER_NAMES: Final = {
    "any": "Any",
    "file": "File",
    "str": "string",
    "bool": "boolean",
    "integer": "int",
} | dict.fromkeys(("map", "bytes"), "Any")


class Names:
    """The named types of a process: its own before those of the processes around it."""

    def __init__(self, outer: "Names | None" = None) -> None:
        self._outer = outer
        self._nodes: dict[str, tuple[Any, Scope]] = {}
        self._built: dict[str, Type] = {}
        self._building: set[str] = set()

    def define(self, name: str, node: Mapping[str, Any], scope: Scope) -> None:
        """Note a definition."""
        self._nodes[texts.short(name)] = (node, scope)

    def find(self, name: str, scope: Scope, depth: int) -> Type | None:
        """The type of this name, None when nothing is known of it."""
        key = texts.short(name)
        if key not in self._nodes:
            return self._outer.find(name, scope, depth) if self._outer is not None else None
        if key in self._building:
            scope.unsupported(f"the type {key[:80]!r} contains itself")
            return ANY
        if key not in self._built:
            self._building.add(key)
            node, place = self._nodes[key]
            self._built[key] = build_type(node, place, self, depth)
            self._building.discard(key)
        return self._built[key]


def build_type(node: Any, scope: Scope, names: Names, depth: int = 0) -> Type:
    """The type tree of a ``type``. What is wrong is noted in the scope; the type is then Any."""
    kind = _build(node, scope, names, depth)
    parts, levels = measure(kind)
    if parts >= MAX_SIZE or levels > MAX_DEPTH:
        scope.problem(f"the type is larger than {MAX_SIZE} parts or {MAX_DEPTH} levels, written out")
        return ANY
    return kind


def _build(node: Any, scope: Scope, names: Names, depth: int) -> Type:
    if depth > MAX_DEPTH:
        scope.problem(f"the type is nested more than {MAX_DEPTH} levels deep")
        return ANY
    if node is None:
        return NULL
    if isinstance(node, str):
        return _named(node, scope, names, depth)
    if isinstance(node, list):
        if not node:
            scope.problem("is an empty list; name at least one type")
            return ANY
        return union([_build(item, scope.at(index, item), names, depth + 1) for index, item in enumerate(node)])
    if isinstance(node, dict):
        return _schema(node, scope, names, depth)
    scope.problem(f"a type must be text, a list or a mapping, not {fields.kind_of(node)}")
    return ANY


def _named(name: str, scope: Scope, names: Names, depth: int) -> Type:
    """A name; the suffixes ``[]`` and ``?`` of later versions are understood."""
    bare, suffixes = name.strip(), list[str]()
    while bare.endswith(("?", "[]")) and len(suffixes) < MAX_SUFFIXES:
        suffixes.append("?" if bare.endswith("?") else "[]")
        bare = bare[: -len(suffixes[-1])]
    known = _OTHER_NAMES.get(bare, bare)
    found = Primitive(known) if known in PRIMITIVES else names.find(bare, scope, depth + 1)
    if found is None:
        near = fields.meant(bare, PRIMITIVES) or f"; known are {', '.join(sorted(PRIMITIVES))}"
        scope.problem(f"unknown type {name[:80]!r}{near}")
        return ANY
    for suffix in reversed(suffixes):
        found = union([NULL, found]) if suffix == "?" else ArrayType(items=found)
    return found


def _schema(node: Mapping[str, Any], scope: Scope, names: Names, depth: int) -> Type:
    kind = node.get("type")
    label = node.get("name")
    name = label if isinstance(label, str) else None
    if kind == "array":
        items = _build(node["items"], scope.at("items"), names, depth + 1) if "items" in node else None
        if items is None:
            scope.problem("is required", "items")
        return ArrayType(items=items or ANY, name=name, binding=bindings.input_binding(node, scope))
    if kind == "enum":
        symbols = texts.several(scope, node, "symbols")
        if not symbols:
            scope.doubt("names no symbols, and is taken for text", "symbols")
            return _TEXT
        shown = tuple(dict.fromkeys(each for each in symbols if isinstance(each, str)))
        return EnumType(symbols=shown, name=name, binding=bindings.input_binding(node, scope))
    if kind == "record":
        return _record(node, scope, names, depth)
    if kind == "map":
        return ANY
    if "type" not in node:
        scope.problem("a type that is a mapping needs 'type': array, record, enum or map")
        return ANY
    return _build(kind, scope.at("type"), names, depth + 1)


def _record(node: Mapping[str, Any], scope: Scope, names: Names, depth: int) -> RecordType:
    built: list[RecordField] = []
    for name, entry, inner in fields.entries(scope, _with_names(node), "fields", "name", "type"):
        given = bindings.bound(entry, inner) or {}
        place = inner.at("inputBinding")
        made, made_place = bindings.output_bound(entry, inner) or ({}, inner)
        built.append(
            RecordField(
                name=texts.short(name),
                type=_build(entry.get("type"), inner.at("type"), names, depth + 1),
                binding=bindings.input_binding(entry, inner),
                output_binding=bindings.output_binding(entry, inner),
                secondary_files=(
                    *bindings.secondary_files(given, place),
                    *bindings.secondary_files(made, made_place),
                    *bindings.secondary_files(entry, inner),
                ),
                load_contents=texts.flag(place, given, "loadContents", False),
            )
        )
    fields.unique_ids(scope, [each.name for each in built], "fields")
    return RecordType(
        fields=tuple(built),
        name=node["name"] if isinstance(node.get("name"), str) else None,
        binding=bindings.input_binding(node, scope),
    )


def _with_names(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record, where some call its fields by ``id``, as ports are."""
    given = node.get("fields")
    if not isinstance(given, list):
        return node
    called = [
        {**each, "name": each["id"]} if isinstance(each, dict) and "name" not in each and "id" in each else each
        for each in given
    ]
    return {**node, "fields": called}
