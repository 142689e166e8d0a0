"""Types of a document to type trees: ``string[]?``, lists, mappings, and names of SchemaDefRequirement.

Used by the ports stage of `araneus.cwl.load`. Source: SchemaSalad "Domain Specific Language for types", CWL v1.2
"CommandInputParameter", "SchemaDefRequirement".
"""

from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl import read_bindings as bindings
from araneus.cwl.process import Listing
from araneus.cwl.references import join
from araneus.cwl.scope import Scope, short
from araneus.cwl.types import (
    ANY,
    NULL,
    ArrayType,
    EnumType,
    Primitive,
    RecordField,
    RecordType,
    Type,
    UnionType,
    union,
)

MAX_SIZE: Final = 2000
MAX_DEPTH: Final = 40
MAX_SUFFIXES: Final = 20
PRIMITIVES: Final = frozenset(
    {"null", "boolean", "int", "long", "float", "double", "string", "File", "Directory", "Any"}
)
_INNER: Final = {"array": "items", "record": "fields", "enum": "symbols"}
_STREAMS: Final = frozenset({"stdin", "stdout", "stderr"})
_UNTYPED: Final = ["null", "Any"]
"""A field without a type may be anything: converters of the platform leave out types that were null."""
_SCHEMA_FIELDS: Final = frozenset({"type", "name", "label", "doc", "inputBinding", "outputBinding", "id"})
_FIELD_FIELDS: Final = frozenset(
    {
        "name",
        "type",
        "doc",
        "label",
        "inputBinding",
        "outputBinding",
        "secondaryFiles",
        "streamable",
        "format",
        "loadContents",
        "loadListing",
        "id",
    }
)


class TypeNames:
    """The named types that a process may use: its own SchemaDefRequirement, then those around it.

    A definition is built when it is first used, so that the order of definitions does not matter.
    """

    def __init__(self, outer: "TypeNames | None" = None) -> None:
        self._outer = outer
        self._definitions: dict[str, tuple[Mapping[str, Any], Scope]] = {}
        self._short: dict[str, str] = {}
        self._built: dict[str, Type] = {}
        self._building: set[str] = set()

    def define(self, name: str, node: Mapping[str, Any], scope: Scope) -> None:
        """Note a definition under its full name and its short name."""
        full = _full(name, scope)
        if full in self._definitions and self._definitions[full][0] is not node:
            scope.problem(f"the type {short(name)[:80]!r} is defined twice")
        self._definitions[full] = (node, scope)
        self._short.setdefault(short(name), full)

    def build_all(self) -> None:
        """Build every definition, for the problems in it."""
        for full, (_, scope) in list(self._definitions.items()):
            self._build(full, scope, 0)

    def names(self) -> list[str]:
        """The short names of all definitions, the nearest first."""
        return [*self._short, *(self._outer.names() if self._outer is not None else ())]

    def find(self, name: str, scope: Scope, depth: int = 0) -> Type | None:
        """The type of this name: the full name first, then the short one; None when nothing is known of it."""
        full = _full(name, scope)
        if full not in self._definitions:
            full = self._short.get(short(name), "")
        if full in self._definitions:
            return self._build(full, scope, depth)
        return self._outer.find(name, scope, depth) if self._outer is not None else None

    def _build(self, full: str, user: Scope, depth: int) -> Type:
        if full in self._built:
            return self._built[full]
        node, scope = self._definitions[full]
        if full in self._building:
            user.unsupported(f"the type {short(full)[:80]!r} contains itself")
            return ANY
        self._building.add(full)
        self._built[full] = build_type(node, scope, self, depth)
        self._building.discard(full)
        return self._built[full]


def _full(name: str, scope: Scope) -> str:
    if scope.base is None:
        return name if "#" in name else f"#{name}"
    return join(scope.base, name if "#" in name else f"#{name}")


def build_type(node: Any, scope: Scope, names: TypeNames, depth: int = 0) -> Type:
    """The type tree of a ``type``. What is wrong is noted in the scope; the type is then Any."""
    kind = _build(node, scope, names, depth)
    parts, levels = measure(kind)
    if parts >= MAX_SIZE or levels > MAX_DEPTH:
        scope.problem(f"the type is larger than {MAX_SIZE} parts or {MAX_DEPTH} levels, written out")
        return ANY
    return kind


def with_whole_type(entry: Mapping[str, Any], scope: Scope) -> Mapping[str, Any]:
    """A port or field whose ``items``, ``symbols`` or ``fields`` stand beside its type instead of in it, put right."""
    kind = entry.get("type")
    inner = _INNER.get(kind) if isinstance(kind, str) else None
    if inner is None or inner not in entry:
        return entry
    scope.doubt(f"{inner!r} belongs inside of the type: write type: {{type: {kind}, {inner}: ...}}", "type")
    whole = {"type": kind, inner: entry[inner]}
    return {key: value for key, value in entry.items() if key != inner} | {"type": whole}


def measure(kind: Type) -> tuple[int, int]:
    """How many types a type is made of, written out (counting stops at `MAX_SIZE`), and how many levels deep it is."""
    pending = [(kind, 1)]
    count = deepest = 0
    while pending and count < MAX_SIZE:
        one, level = pending.pop()
        count += 1
        deepest = max(deepest, level)
        if isinstance(one, ArrayType):
            pending.append((one.items, level + 1))
        elif isinstance(one, RecordType):
            pending.extend((each.type, level + 1) for each in one.fields)
        elif isinstance(one, UnionType):
            pending.extend((each, level + 1) for each in one.options)
    return count, deepest


def _build(node: Any, scope: Scope, names: TypeNames, depth: int) -> Type:
    if depth > MAX_DEPTH:
        scope.problem(f"the type is nested more than {MAX_DEPTH} levels deep")
        return ANY
    if isinstance(node, str):
        return _named(node, scope, names, depth)
    if isinstance(node, list):
        if not node:
            scope.problem("is an empty list; name at least one type")
            return ANY
        flat = enumerate(_flat(node))
        return union([_build(item, scope.at(index, item), names, depth + 1) for index, item in flat])
    if isinstance(node, dict):
        return _schema(node, scope, names, depth)
    if node is None:
        return Primitive("null")
    scope.problem(f"a type must be text, a list or a mapping, not {fields.kind_of(node)}")
    return ANY


def _flat(node: list[Any]) -> list[Any]:
    return [inner for item in node for inner in (_flat(item) if isinstance(item, list) else [item])]


def _named(name: str, scope: Scope, names: TypeNames, depth: int) -> Type:
    """A name with suffixes: ``string[][]?`` is the optional list of lists of text."""
    bare = name
    suffixes: list[str] = []
    while bare.endswith(("?", "[]")) and len(suffixes) <= MAX_SUFFIXES:
        suffixes.append("?" if bare.endswith("?") else "[]")
        bare = bare[: -len(suffixes[-1])]
    if len(suffixes) > MAX_SUFFIXES:
        scope.problem(f"a type has more than {MAX_SUFFIXES} suffixes")
        return ANY
    kind = _plain(bare, scope, names, depth)
    for suffix in reversed(suffixes):
        kind = union([NULL, kind]) if suffix == "?" else ArrayType(items=kind)
    return kind


def _plain(name: str, scope: Scope, names: TypeNames, depth: int) -> Type:
    if name in PRIMITIVES:
        return Primitive(name)
    found = names.find(name, scope, depth + 1)
    if found is not None:
        return found
    bare = short(name).removeprefix("cwl:")
    bare = bare.removeprefix("xsd:")
    if bare in PRIMITIVES and (name.startswith(("cwl:", "xsd:")) or "://" in name):
        return Primitive(bare)
    if name in _STREAMS:
        scope.problem(f"{name!r} stands alone: write type: {name}, without '?', '[]' or a list around it")
        return ANY
    if name in ("array", "record", "enum"):
        scope.problem(f"{name!r} stands inside of a type: write type: {{type: {name}, ...}}")
        return ANY
    near = fields.meant(name, {*PRIMITIVES, *names.names()})
    known = ", ".join(sorted(PRIMITIVES))
    scope.problem(f"unknown type {name[:80]!r}{near or f'; known are {known} and the names in SchemaDefRequirement'}")
    return ANY


def _schema(node: Mapping[str, Any], scope: Scope, names: TypeNames, depth: int) -> Type:
    kind = node.get("type")
    extra = _INNER.get(kind) if isinstance(kind, str) else None
    if extra is None:
        if "type" not in node:
            scope.problem("a type that is a mapping needs 'type': array, record or enum")
            return ANY
        return _build(kind, scope.at("type", kind), names, depth + 1)  # a mapping around a plain type
    allowed = _SCHEMA_FIELDS | {extra}
    if extra == "items":
        allowed |= {"secondaryFiles", "format", "loadContents", "loadListing", "streamable"}
    fields.known_fields(scope, node, allowed)
    name = fields.text(scope, node, "name")
    label = short(name) if name else None
    binding = bindings.binding(node, scope)
    if kind == "array":
        if "items" not in node:
            scope.problem("is required", "items")
            return ArrayType(items=ANY, name=label, binding=binding)
        items = _build(node["items"], scope.at("items", node["items"]), names, depth + 1)
        return ArrayType(items=items, name=label, binding=binding)
    if kind == "enum":
        symbols = tuple(_symbol(each) for each in fields.texts(scope, node, "symbols"))
        if not symbols:
            note = scope.doubt if node.get("symbols") == [] else scope.problem
            note("has no symbols, so that no text is one of them", "symbols")
        return EnumType(symbols=tuple(dict.fromkeys(symbols)), name=label, binding=binding)
    return RecordType(fields=_record_fields(node, scope, names, depth), name=label, binding=binding)


def _symbol(symbol: str) -> str:
    """Packed documents write a symbol as the full id ``#main/port/symbol``."""
    is_id = (symbol.startswith("#") and "/" in symbol) or ("://" in symbol and "#" in symbol)
    return short(symbol) if is_id else symbol


def _record_fields(node: Mapping[str, Any], scope: Scope, names: TypeNames, depth: int) -> tuple[RecordField, ...]:
    built: list[RecordField] = []
    for name, given, inner in fields.entries(scope, node, "fields", "name", "type"):
        entry = with_whole_type(given, inner)
        fields.known_fields(inner, entry, _FIELD_FIELDS)
        built.append(
            RecordField(
                name=short(name),
                type=_build(entry.get("type", _UNTYPED), inner.at("type", entry.get("type")), names, depth + 1),
                binding=bindings.binding(entry, inner),
                output_binding=bindings.output_binding(entry, inner),
                secondary_files=bindings.secondary_files(entry, inner),
                format=bindings.formats(entry, inner),
                load_contents=bindings.load_contents(entry, inner),
                load_listing=fields.choice(inner, entry, "loadListing", Listing),
                streamable=fields.flag(inner, entry, "streamable", False),
            )
        )
    fields.unique_ids(scope, [each.name for each in built], "fields")
    return tuple(built)
