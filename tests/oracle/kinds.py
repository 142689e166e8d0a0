"""Strategies for types, and for values that have them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, TypeAlias

from hypothesis import strategies as st

from tests.oracle.case import nodes
from tests.oracle.values import FILE_NAMES, FILE_TEXTS, anything, floats, ints, longs, rarely, texts

Draw = Callable[[st.SearchStrategy[Any]], Any]
Bind: TypeAlias = "Callable[[str, Kind], dict[str, Any] | None]"
"""Draws an inputBinding (or None) for a place (field, array, record, enum) and what is bound there."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A type as a document writes it, and how to draw a value of it. ``holds`` names the leaves in it."""

    schema: Any
    value: Callable[[], Any]
    holds: frozenset[str] = frozenset()

    @property
    def is_wordy(self) -> bool:
        """Whether a value becomes words without a binding of its own for each part.

        What a boolean, a null, a record or a list becomes as an item of a list without a binding, the text does not
        say; what an Any holds is not known.
        """
        return "Any" not in self.holds and not ("array" in self.holds and self.holds & _WORDLESS)

    @property
    def is_text(self) -> bool:
        """Whether the JSON of a value is known: which fields a File shows, and where it lies, is up to the runner."""
        return not self.holds & {"File", "Directory"}

    @property
    def is_file(self) -> bool:
        """Whether a value is a File (or null), whose fields are known."""
        return "File" in self.holds and self.holds <= {"File", "optional"}


_WORDLESS: Final = frozenset({"boolean", "nulls", "record", "nested"})


@dataclass(kw_only=True)
class Pen:
    """What is drawn for one case: the source of chance, the files that were made up, the named types."""

    draw: Draw
    version: str
    id: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    named: list[dict[str, Any]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    """What the tool will leave behind."""
    numbers: Iterator[int] = field(default_factory=count)

    def chance(self, one_in: int) -> bool:
        """True once in so many."""
        return rarely(self.draw, one_in)

    def one(self, *choices: Any) -> Any:
        """One of these."""
        return self.draw(st.sampled_from(choices))

    def file(self, names: list[str] | None = None) -> dict[str, Any]:
        """A File in a directory of its own."""
        directory = f"in{next(self.numbers)}"
        name = self.one(*(names or FILE_NAMES))
        if self.chance(12):
            return {"class": "File", "basename": name, "contents": self.one(*FILE_TEXTS)}
        self.files[f"{directory}/{name}"] = self.one(*FILE_TEXTS)
        value = {"class": "File", "path": f"{directory}/{name}"}
        if self.chance(10):
            value["basename"] = "other.name"
        if self.chance(8):
            self.files[f"{directory}/beside.idx"] = "idx"
            value["secondaryFiles"] = [{"class": "File", "path": f"{directory}/beside.idx"}]  # type: ignore[assignment]
        return value

    def directory(
        self, entries: Sequence[str] = ("a.txt", "b b.txt", "sub/c.txt"), most: int = 1, *, literal: bool = True
    ) -> dict[str, Any]:
        """A Directory, or a ``literal`` one. It has one entry where an expression may see the list of them: their order
        is that of the file system."""
        name = f"dir{next(self.numbers)}"
        if literal and self.chance(12):
            return {"class": "Directory", "basename": name, "listing": [self.file(["a.txt"])]}
        self.files[f"{name}/"] = ""
        for inner in self.draw(st.lists(st.sampled_from(entries), max_size=most, unique=True)):
            self.files[f"{name}/{inner}"] = self.one(*FILE_TEXTS)
        return {"class": "Directory", "path": name}

    def primitive(self, name: str) -> Any:
        """A value of a primitive type."""
        if name == "File":
            return self.file()
        if name == "Directory":
            return self.directory()
        leaves = {
            "boolean": st.booleans(), "int": ints, "long": longs, "float": floats, "double": floats, "string": texts,
            "Any": anything, "null": st.none(),
        }  # fmt: skip
        return self.draw(leaves[name])

    def wrong(self, kind: Kind) -> Any:
        """A value that often does not have the type."""
        if self.chance(2):
            return self.draw(anything)
        return self.one(None, [], [kind.value()], True, 2**40, "no such symbol", {"class": "File", "path": "not/there"})


PRIMITIVES = ("boolean", "int", "long", "float", "double", "string", "string", "File", "Directory", "Any")


def kind(pen: Pen, depth: int, binding: Bind) -> Kind:
    """A type of at most this depth."""
    shapes = ["primitive"] * 4 + ["optional"] + (["array", "record", "enum", "union", "array"] if depth else ["enum"])
    shape = pen.one(*shapes)
    made = {
        "primitive": _primitive, "optional": _optional, "array": _array, "record": _record, "enum": _enum,
        "union": _union,
    }[shape](pen, depth, binding)  # fmt: skip
    if (
        isinstance(made.schema, dict)
        and made.schema["type"] != "array"
        and not made.holds & {"File", "Directory"}
        and pen.chance(5)
    ):
        return _as_named(pen, made)
    return made


def _as_named(pen: Pen, made: Kind) -> Kind:
    """The type moved to a SchemaDefRequirement."""
    name = f"named{next(pen.numbers)}"
    if "$named" in str(made.schema):
        return made
    pen.named.append({**made.schema, "name": name})
    schema = f"#{pen.id}/{name}" if pen.id else pen.one(f"#{name}", name)
    return Kind(schema=schema, value=made.value, holds=made.holds | {"named"})


def _primitive(pen: Pen, depth: int, binding: Bind) -> Kind:
    name = pen.one(*PRIMITIVES)
    return Kind(schema=name, value=lambda: pen.primitive(name), holds=frozenset({name}))


def _optional(pen: Pen, depth: int, binding: Bind) -> Kind:
    inner = kind(pen, depth - 1, binding) if depth else _primitive(pen, depth, binding)
    if isinstance(inner.schema, list) or str(inner.schema).endswith("?"):
        return inner
    short = isinstance(inner.schema, str) and inner.schema.isalpha() and pen.chance(2)
    schema = f"{inner.schema}?" if short else pen.one(["null", _long(inner.schema)], [_long(inner.schema), "null"])
    return Kind(schema=schema, value=lambda: None if pen.chance(3) else inner.value(), holds=inner.holds | {"optional"})


def _array(pen: Pen, depth: int, binding: Bind) -> Kind:
    items = kind(pen, depth - 1, binding)

    def value() -> Any:
        return [items.value() for _ in range(pen.one(0, 1, 2, 2, 3))]

    holds = items.holds | {"array"}
    holds |= {"nested"} if "array" in items.holds else set()
    holds |= {"nulls"} if "optional" in items.holds else set()
    if isinstance(items.schema, str) and items.schema.isalpha() and pen.chance(2):
        return Kind(schema=f"{items.schema}[]", value=value, holds=holds)
    schema: dict[str, Any] = {"type": "array", "items": _long(items.schema)}
    bound = binding("array", items)
    if bound is not None:
        schema["inputBinding"] = bound
        if "optional" in items.holds:  # the other runner evaluates it for items that are null, too
            bound.pop("valueFrom", None)
    else:  # where a list has no binding, the text does not say how its index and the positions below it are sorted
        for node in nodes(items.schema):
            if node.get("type") == "array":
                node.pop("inputBinding", None)
    return Kind(schema=schema, value=value, holds=holds)


def _long(schema: Any) -> Any:
    """The type without the abbreviations that only the field ``type`` takes."""
    if isinstance(schema, str) and schema.endswith("?"):
        return ["null", schema[:-1]]
    if isinstance(schema, str) and schema.endswith("[]"):
        return {"type": "array", "items": schema[:-2]}
    return schema


def _record(pen: Pen, depth: int, binding: Bind) -> Kind:
    fields: list[dict[str, Any]] = []
    kinds: dict[str, Kind] = {}
    holds = frozenset({"record"})
    # No field has the name of another, or of a port: which of two equal keys comes first, the text does not say.
    number = next(pen.numbers)
    letters = pen.draw(st.lists(st.sampled_from(["f", "g", "alpha", "Z"]), min_size=1, max_size=3, unique=True))
    for name in [f"{letter}{number}" for letter in letters]:
        kinds[name] = kind(pen, depth - 1, binding)
        schema_ = kinds[name].schema
        entry: dict[str, Any] = {"name": name, "type": _long(schema_) if pen.version == "v1.0" else schema_}
        bound = binding("field", kinds[name])
        if bound is not None:
            entry["inputBinding"] = bound
        fields.append(entry)
        holds |= kinds[name].holds
    schema: dict[str, Any] = {"type": "record", "name": f"rec{next(pen.numbers)}", "fields": fields}
    if pen.chance(3):
        schema["fields"] = {entry.pop("name"): entry for entry in fields}

    def value() -> Any:
        found = {name: inner.value() for name, inner in kinds.items()}
        return {name: item for name, item in found.items() if item is not None or not pen.chance(2)}

    made = Kind(schema=schema, value=value, holds=holds)
    bound = binding("record", made) if pen.version != "v1.0" else None
    if bound is not None:
        schema["inputBinding"] = bound
    return made


def _enum(pen: Pen, depth: int, binding: Bind) -> Kind:
    symbols = pen.one(["a", "b"], ["one"], ["low", "high", "a"], ["x-1", "y.2"])
    schema: dict[str, Any] = {"type": "enum", "symbols": symbols}
    if pen.chance(2):
        schema["name"] = f"enum{next(pen.numbers)}"
    made = Kind(schema=schema, value=lambda: pen.one(*symbols), holds=frozenset({"enum"}))
    bound = binding("enum", made)
    if bound is not None:
        schema["inputBinding"] = bound
    return made


def _union(pen: Pen, depth: int, binding: Bind) -> Kind:
    options = [kind(pen, depth - 1, binding) for _ in range(2)]
    if any(isinstance(option.schema, list) or str(option.schema).endswith("?") for option in options):
        return options[0]
    if any("Any" in option.holds for option in options):  # what a value is then, the order of the two would say
        return options[0]
    shapes = {"array" if "array" in str(option.schema) or "[]" in str(option.schema) else str(option.schema)
              for option in options}  # fmt: skip
    if len(shapes) == 1:  # a union of two lists is no union
        return options[0]
    holds = options[0].holds | options[1].holds | {"union"}
    return Kind(
        schema=[_long(option.schema) for option in options], value=lambda: pen.one(*options).value(), holds=holds
    )
