"""Types as values: what fits, what is said of what does not, and which ports may feed which."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.scope import Report, Scope
from araneus.cwl.typedsl import PRIMITIVES, TypeNames, build_type
from araneus.cwl.types import (
    ANY,
    DIRECTORY,
    FILE,
    NULL,
    ArrayType,
    EnumType,
    Primitive,
    RecordField,
    RecordType,
    Type,
    UnionType,
    compatible,
    describe,
    is_optional,
    matches,
    union,
    without_null,
)

STRING, INT, LONG, DOUBLE = (Primitive(name) for name in ("string", "int", "long", "double"))
PAIR = RecordType(
    name="pair", fields=(RecordField(name="left", type=FILE), RecordField(name="right", type=union([NULL, FILE])))
)
COLOUR = EnumType(symbols=("red", "blue"))


def typed(node: Any) -> Type:
    """The type of a document's ``type``; anything wrong with it fails the test."""
    report = Report()
    kind = build_type(node, Scope(report), TypeNames())
    assert report.settle() == ()
    return kind


def file(**more: Any) -> dict[str, Any]:
    return {"class": "File", "path": "/data/reads.fq", **more}


TYPES = st.recursive(
    st.sampled_from(sorted(PRIMITIVES)).map(Primitive) | st.just(COLOUR),
    lambda inner: (
        inner.map(lambda kind: ArrayType(items=kind))
        | st.lists(inner, min_size=1, max_size=3).map(union)
        | st.lists(inner, max_size=3).map(
            lambda kinds: RecordType(
                fields=tuple(RecordField(name=f"f{number}", type=kind) for number, kind in enumerate(kinds))
            )
        )
    ),
    max_leaves=8,
)


def values(kind: Type) -> st.SearchStrategy[Any]:
    """Values of a type."""
    if isinstance(kind, ArrayType):
        return st.lists(values(kind.items), max_size=3)
    if isinstance(kind, EnumType):
        return st.sampled_from(kind.symbols)
    if isinstance(kind, RecordType):
        return st.fixed_dictionaries({each.name: values(each.type) for each in kind.fields})
    if isinstance(kind, UnionType):
        return st.one_of([values(option) for option in kind.options])
    plain: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "float": st.floats(allow_nan=False) | st.integers(),
        "double": st.floats(allow_nan=False) | st.integers(),
        "string": st.text(max_size=5),
        "File": st.just(file()),
        "Directory": st.just({"class": "Directory", "listing": []}),
        "Any": st.text(max_size=5) | st.integers() | st.just(file()),
    }
    return plain[kind.name]


@given(TYPES.flatmap(lambda kind: st.tuples(st.just(kind), values(kind))))
def test_a_value_of_a_type_fits_it(pair: tuple[Type, Any]) -> None:
    kind, value = pair
    assert matches(kind, value) == []
    assert matches(union([kind, NULL]), None) == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class", "path", "f0", "secondaryFiles", "listing"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(TYPES, JUNK)
def test_any_value_fits_or_is_told_why_not(kind: Type, value: Any) -> None:
    for problem in matches(kind, value):
        assert problem.what
        assert problem.where == "" or problem.where[0] in "[."


@given(TYPES)
def test_a_type_may_feed_itself_and_any(kind: Type) -> None:
    assert compatible(kind, kind)
    assert compatible(kind, ANY) == (kind != NULL)
    assert compatible(kind, union([kind, NULL]))
    assert describe(kind)


@given(TYPES, TYPES)
def test_what_is_incompatible_shares_no_value(source: Type, sink: Type) -> None:
    shared = [value for value in SAMPLES if not matches(source, value) and not matches(sink, value)]
    if shared:
        assert compatible(source, sink)


SAMPLES: list[Any] = [None, True, 1, 2**40, 1.5, "red", "x", file(), {"class": "Directory", "path": "d"}]


@pytest.mark.parametrize(
    ("kind", "value", "where", "what"),
    [
        (INT, 2**31, "", "32 bits"),
        (INT, True, "", "integer"),
        (INT, 1.5, "", "integer"),
        (LONG, 2**63, "", "64 bits"),
        (LONG, -(2**63) - 1, "", "64 bits"),
        (DOUBLE, True, "", "number"),
        (DOUBLE, "1.5", "", "number"),
        (STRING, 1, "", "text"),
        (STRING, None, "", "not null"),
        (ANY, None, "", "not null"),
        (Primitive("boolean"), "true", "", "true or false"),
        (COLOUR, "green", "", "red, blue"),
        (ArrayType(items=INT), "x", "", "list"),
        (ArrayType(items=INT), [1, "x", 3], "[1]", "integer"),
        (ArrayType(items=FILE), [file(), {"class": "Directory", "path": "d"}], "[1].class", "File"),
        (FILE, "/data/reads.fq", "", "File"),
        (FILE, {"path": "x"}, ".class", "nothing"),
        (FILE, {"class": ["File"], "path": "x"}, ".class", "list"),
        (FILE, {"class": "File"}, "", "path"),
        (FILE, file(path=3), ".path", "text"),
        (FILE, file(secondaryFiles=[file(), "x"]), ".secondaryFiles[1]", "File"),
        (FILE, file(secondaryFiles="x"), ".secondaryFiles", "list"),
        (DIRECTORY, {"class": "Directory", "listing": [{"class": "Fil"}]}, ".listing[0].class", "File"),
        (PAIR, {"right": file()}, ".left", "required"),
        (PAIR, {"left": {"class": "File"}}, ".left", "path"),
        (PAIR, [], "", "record pair"),
        (union([NULL, ArrayType(items=FILE)]), [file(), 3], "[1]", "File"),
        (union([NULL, FILE, ArrayType(items=FILE)]), 3, "", "File or File[]"),
        (union([STRING, FILE]), {"class": "File"}, "", "path"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(kind: Type, value: Any, where: str, what: str) -> None:
    [problem] = matches(kind, value)
    assert problem.where == where
    assert what in problem.what


def test_all_problems_come_at_once_but_not_without_end() -> None:
    assert [problem.where for problem in matches(ArrayType(items=INT), ["a", 1, "b"])] == ["[0]", "[2]"]
    assert len(matches(ArrayType(items=INT), ["x"] * 100_000)) == 100


def test_a_file_nested_in_itself_without_end_is_refused() -> None:
    value = file()
    for _ in range(500):
        value = file(secondaryFiles=[value])
    assert "levels deep" in matches(FILE, value)[0].what


@pytest.mark.parametrize(
    ("source", "sink", "fits"),
    [
        (INT, LONG, True),
        (INT, DOUBLE, True),
        (DOUBLE, INT, True),
        (INT, STRING, False),
        (STRING, INT, False),
        (STRING, COLOUR, True),
        (COLOUR, STRING, True),
        (COLOUR, EnumType(symbols=("green",)), False),
        (COLOUR, EnumType(symbols=("green", "red")), True),
        (COLOUR, INT, False),
        (FILE, DIRECTORY, False),
        (FILE, ArrayType(items=FILE), False),
        (union([NULL, FILE]), FILE, True),
        (NULL, FILE, False),
        (NULL, ANY, False),
        (ANY, FILE, True),
        (union([INT, STRING]), FILE, False),
        (ArrayType(items=STRING), ArrayType(items=INT), False),
        (PAIR, RecordType(fields=(RecordField(name="left", type=FILE),)), True),
        (PAIR, RecordType(fields=(RecordField(name="left", type=INT),)), False),
        (RecordType(fields=()), PAIR, False),
        (FILE, PAIR, False),
    ],
)
def test_what_may_feed_what(source: Type, sink: Type, fits: bool) -> None:
    assert compatible(source, sink) is fits


def test_types_that_grow_out_of_hand_are_compared_in_bounded_time() -> None:
    left: Type = INT
    right: Type = LONG
    for _ in range(40):
        left = RecordType(fields=(RecordField(name="a", type=left), RecordField(name="b", type=left)))
        right = RecordType(fields=(RecordField(name="a", type=right), RecordField(name="b", type=right)))
    assert compatible(left, right)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("string?", "string?"),
        ("File[]", "File[]"),
        ("string[][]?", "string[][]?"),
        ("int?[]", "list of (int?)"),
        (["null", "File", "File"], "File?"),
        ([None, "int"], "int?"),
        (["null", ["int", "string"]], "null or int or string"),
        ({"type": "array", "items": ["null", "File"]}, "list of (File?)"),
        ({"type": "array", "items": "string[]"}, "string[][]"),
        ({"type": "enum", "symbols": ["#main/port/a", "b/c"]}, "one of a, b/c"),
        ({"type": "record", "name": "#main/pair", "fields": {"x": "int"}}, "record pair"),
        ({"type": "record", "fields": [{"name": "x"}]}, "record"),
        ({"type": "string"}, "string"),
        ("https://w3id.org/cwl/cwl#Directory", "Directory"),
    ],
)
def test_types_of_documents(node: Any, words: str) -> None:
    assert describe(typed(node)) == words


@pytest.mark.parametrize(
    "node",
    [
        "strin",
        "File{}",
        "string" + "[]" * 100_000,
        "string" + "?" * 100_000,
        3,
        True,
        [],
        {},
        {"type": "array"},
        {"type": "array", "items": None, "x": 1},
        {"type": "enum", "symbols": [1]},
        {"type": "map"},
        {"type": "record", "fields": [{"type": "int"}]},
        {"type": "record", "fields": [{"name": "x", "type": "int"}, {"name": "x", "type": "int"}]},
    ],
)
def test_types_that_are_none_are_noted(node: Any) -> None:
    report = Report()
    build_type(node, Scope(report, "inputs/x/type"), TypeNames())
    with pytest.raises(Exception, match="inputs/x/type"):
        report.settle()


def test_optional_and_what_is_left_without_null() -> None:
    kind = union([NULL, FILE])
    assert is_optional(kind)
    assert not is_optional(ANY)
    assert without_null(kind) == FILE
    assert without_null(NULL) == NULL
