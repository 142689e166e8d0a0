"""CWL types as values: the tree, whether a value fits a type, and whether one port may feed another.

Pure values, no I/O. `araneus.cwl.typedsl` builds the trees from documents; `araneus.cwl.inputs` and the engine ask.
Source: CWL v1.2, "Data types" and the schemas of CommandInput*/InputRecord* types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from araneus.cwl.bindings import Binding, Listing, OutputBinding, SecondaryFile
from araneus.cwl.errors import Problem
from araneus.model.values import Value, is_file_value


@dataclass(frozen=True, slots=True)
class Primitive:
    """``null boolean int long float double string File Directory Any``."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayType:
    """A list; ``binding`` binds the list, and that of ``items`` each item."""

    items: Type
    name: str | None = None
    binding: Binding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumType:
    """One of several symbols (short names)."""

    symbols: tuple[str, ...]
    name: str | None = None
    binding: Binding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordField:
    """A field of a record: of an input record (``binding``) or of an output record (``output_binding``)."""

    name: str
    type: Type
    binding: Binding | None = None
    output_binding: OutputBinding | None = None
    secondary_files: tuple[SecondaryFile, ...] = ()
    format: Any = None
    load_contents: bool = False
    load_listing: Listing | None = None
    streamable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType:
    """A dict with known fields."""

    fields: tuple[RecordField, ...]
    name: str | None = None
    binding: Binding | None = None


@dataclass(frozen=True, slots=True)
class UnionType:
    """One of several types, tried in order."""

    options: tuple[Type, ...] = field(default_factory=tuple)


Type: TypeAlias = Primitive | ArrayType | EnumType | RecordType | UnionType

NULL = Primitive("null")
FILE = Primitive("File")
DIRECTORY = Primitive("Directory")
ANY = Primitive("Any")


def options(kind: Type) -> tuple[Type, ...]:
    """The alternatives of a type: those of a union, else the type itself."""
    return kind.options if isinstance(kind, UnionType) else (kind,)


def is_optional(kind: Type) -> bool:
    """Whether null is allowed. ``Any`` does not include null in CWL."""
    return NULL in options(kind)


def holds_files(kind: Type) -> bool:
    """Whether the type is one of files or of lists of them; or may be."""
    return any(
        option in {FILE, DIRECTORY} or (isinstance(option, ArrayType) and holds_files(option.items))
        for option in options(kind)
    )


_INT: Final = range(-(2**31), 2**31)
_LONG: Final = range(-(2**63), 2**63)
_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
MAX_FILE_DEPTH: Final = 64
"""How many directories a File may lie in, counted from the value that a port takes or gives."""
_SHOWN: Final = 60
_MAX_COMPARISONS: Final = 10_000
_MAX_PROBLEMS: Final = 100


def union(kinds: list[Type]) -> Type:
    """One type for several: nested unions are flattened, repetitions dropped; a single one stands for itself."""
    flat = tuple(dict.fromkeys(option for kind in kinds for option in options(kind)))
    return flat[0] if len(flat) == 1 else UnionType(flat)


def without_null(kind: Type) -> Type:
    """The type less its null; a type that is only null stays."""
    rest = [option for option in options(kind) if option != NULL]
    return union(rest) if rest else kind


def describe(kind: Type) -> str:
    """The type in the words of a document: ``File[]?``, ``one of a, b``, ``record person``."""
    if isinstance(kind, Primitive):
        return kind.name
    if isinstance(kind, ArrayType):
        inner = describe(kind.items)
        return f"{inner}[]" if isinstance(kind.items, Primitive | ArrayType | RecordType) else f"list of ({inner})"
    if isinstance(kind, EnumType):
        shown = ", ".join(symbol[:_SHOWN] for symbol in kind.symbols[:10])
        return f"one of {shown}" + (", ..." if len(kind.symbols) > 10 else "")
    if isinstance(kind, RecordType):
        return f"record {kind.name[:_SHOWN]}" if kind.name else "record"
    rest = without_null(kind)
    if is_optional(kind) and not isinstance(rest, UnionType):
        return f"{describe(rest)}?" if isinstance(rest, Primitive | ArrayType) else f"{describe(rest)} or null"
    return " or ".join(describe(option) for option in kind.options)


def matches(kind: Type, value: Value) -> list[Problem]:
    """What keeps the value from having the type, all of it (the first hundred problems); empty when it fits.

    ``where`` is relative to the value, to be put behind a port's id: ``""``, ``[2]``, ``.field``, ``[2].class``.
    An int is 32 bits, a long 64; float and double take integers; no number takes a boolean; ``Any`` is not null.
    """
    found: list[Problem] = []
    _match(kind, value, "", found)
    return found


def _match(kind: Type, value: Value, where: str, found: list[Problem]) -> None:
    if isinstance(kind, Primitive):
        _match_primitive(kind.name, value, where, found)
    elif isinstance(kind, ArrayType):
        if not isinstance(value, list):
            found.append(Problem(where, f"must be a list ({describe(kind)}), not {_show(value)}"))
            return
        for index, item in enumerate(value):
            if len(found) >= _MAX_PROBLEMS:
                return
            _match(kind.items, item, f"{where}[{index}]", found)
    elif isinstance(kind, EnumType):
        if not isinstance(value, str) or value not in kind.symbols:
            found.append(Problem(where, f"must be {describe(kind)}, not {_show(value)}"))
    elif isinstance(kind, RecordType):
        if not isinstance(value, dict):
            found.append(Problem(where, f"must be a {describe(kind)}, not {_show(value)}"))
            return
        for each in kind.fields:
            _match_field(each, value, where, found)
    else:
        _match_union(kind, value, where, found)


def _match_field(each: RecordField, value: dict[str, Any], where: str, found: list[Problem]) -> None:
    item = value.get(each.name)
    if item is None and not is_optional(each.type):
        found.append(Problem(f"{where}.{each.name}", f"is required ({describe(each.type)})"))
    else:
        _match(each.type, item, f"{where}.{each.name}", found)


def _match_union(kind: UnionType, value: Value, where: str, found: list[Problem]) -> None:
    attempts: list[tuple[Type, list[Problem]]] = []
    for option in kind.options:
        missing: list[Problem] = []
        _match(option, value, where, missing)
        if not missing:
            return
        attempts.append((option, missing))
    near = [missing for option, missing in attempts if _same_shape(option, value)]
    if len(near) == 1:
        found.extend(near[0])
    else:
        found.append(Problem(where, f"must be {describe(kind)}, not {_show(value)}"))


def _same_shape(kind: Type, value: Value) -> bool:
    if isinstance(kind, ArrayType):
        return isinstance(value, list)
    if isinstance(kind, EnumType):
        return isinstance(value, str)
    if isinstance(value, dict):
        if is_file_value(value):
            return isinstance(kind, Primitive) and kind.name == value["class"]
        return isinstance(kind, RecordType)
    return False


def _match_primitive(name: str, value: Value, where: str, found: list[Problem]) -> None:
    if name in {"File", "Directory"}:
        _match_file(name, value, where, found, 0)
    elif name in {"int", "long"} and isinstance(value, int) and not isinstance(value, bool):
        if value not in (_INT if name == "int" else _LONG):
            bits = 32 if name == "int" else 64
            found.append(Problem(where, f"{_show(value)} does not fit into {bits} bits ({name})"))
    elif not _PRIMITIVE_TESTS[name](value):
        found.append(Problem(where, f"must be {_NOUNS.get(name, name)}, not {_show(value)}"))


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_NOUNS: Final = {
    "null": "null",
    "boolean": "true or false",
    "int": "an integer (int)",
    "long": "an integer (long)",
    "float": "a number (float)",
    "double": "a number (double)",
    "string": "text (string)",
    "Any": "something (Any)",
}
_PRIMITIVE_TESTS: Final[dict[str, Callable[[Value], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: False,
    "long": lambda value: False,
    "float": _is_number,
    "double": _is_number,
    "string": lambda value: isinstance(value, str),
    "Any": lambda value: value is not None,
}


def _match_file(name: str, value: Value, where: str, found: list[Problem], depth: int) -> None:
    if not isinstance(value, dict):
        found.append(Problem(where, f"must be a {name}, not {_show(value)}"))
        return
    if value.get("class") != name:
        given = _show(value.get("class")) if "class" in value else "nothing"
        found.append(Problem(f"{where}.class", f"must be {name}, not {given}"))
        return
    if depth > MAX_FILE_DEPTH:
        found.append(Problem(where, f"is nested more than {MAX_FILE_DEPTH} levels deep"))
        return
    found.extend(
        Problem(f"{where}.{key}", f"must be text, not {_show(value[key])}")
        for key in ("location", "path", "basename", "contents", "format")
        if value.get(key) is not None and not isinstance(value[key], str)
    )
    literal = "contents" if name == "File" else "listing"
    if all(value.get(key) is None for key in ("location", "path", literal)):
        found.append(Problem(where, f"a {name} needs a path, a location or {literal}"))
    for key in ("secondaryFiles", "listing") if name == "Directory" else ("secondaryFiles",):
        _match_nested(value.get(key), f"{where}.{key}", found, depth)


def _match_nested(nested: Value, where: str, found: list[Problem], depth: int) -> None:
    if nested is None:
        return
    if not isinstance(nested, list):
        found.append(Problem(where, f"must be a list of Files and Directories, not {_show(nested)}"))
        return
    for index, item in enumerate(nested):
        kind = item.get("class") if isinstance(item, dict) else None
        _match_file("Directory" if kind == "Directory" else "File", item, f"{where}[{index}]", found, depth + 1)


def _show(value: Value) -> str:
    if value is None:
        return "null (nothing was given)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"a {value['class']}" if is_file_value(value) else "a record"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 200:
        return "a very large integer"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def compatible(source: Type, sink: Type) -> bool:
    """Whether some value of the source type may be one of the sink type; False means: certainly wrong.

    What depends on the value is settled when there is one: a number of one kind for another, text for an enum, an
    optional source for a required sink. Types too large to compare in a moment are taken to fit.
    """
    return _compatible(source, sink, [_MAX_COMPARISONS])


def _compatible(source: Type, sink: Type, left: list[int]) -> bool:
    left[0] -= 1
    if left[0] < 0:
        return True
    if sink == ANY:
        return source != NULL
    if source == ANY:
        return sink != NULL
    if isinstance(source, UnionType) or isinstance(sink, UnionType):
        return any(_compatible(one, other, left) for one in options(source) for other in options(sink))
    if isinstance(source, ArrayType) and isinstance(sink, ArrayType):
        return _compatible(source.items, sink.items, left)
    if isinstance(source, RecordType) and isinstance(sink, RecordType):
        given = {each.name: each.type for each in source.fields}
        return all(_compatible(given.get(each.name, NULL), each.type, left) for each in sink.fields)
    if isinstance(source, EnumType) and isinstance(sink, EnumType):
        return not set(source.symbols).isdisjoint(sink.symbols)
    if isinstance(source, EnumType) or isinstance(sink, EnumType):
        return Primitive("string") in {source, sink}
    if isinstance(source, Primitive) and isinstance(sink, Primitive):
        return source == sink or (source.name in _NUMBERS and sink.name in _NUMBERS)
    return False
