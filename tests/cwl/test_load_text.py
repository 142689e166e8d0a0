"""Text to plain values: YAML 1.2's core schema, JSON, and what is refused, with its line."""

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.errors import DocumentError
from araneus.cwl.text import MAX_DEPTH, check_plain, parse_text

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff\x85")
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ0_-", max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert parse_text(json.dumps([value])) == [value]
    assert parse_text(json.dumps({"": value}, indent=1, ensure_ascii=False).encode()) == {"": value}


@given(VALUES)
def test_yaml_comes_back_as_it_was(value: Any) -> None:
    block = yaml.safe_dump({"root": value}, allow_unicode=True, default_flow_style=False)
    found = parse_text(block)["root"]
    assert json.dumps(found, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_text_is_a_value_or_a_document_error(text: str | bytes) -> None:
    try:
        value = parse_text(text)
    except DocumentError:
        return
    check_plain(value)
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("True", True),
        ("~", None),
        ("", None),
        ("2001-01-01", "2001-01-01"),
        ("12:30:45", "12:30:45"),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1_000", "1_000"),
        ("+3", 3),
        ("1e3", 1000),
        (".5", 0.5),
        ("1.", 1.0),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1),
        ("{a: b, c}", {"a": "b", "c": None}),
        ("1: 2", {"1": 2}),
        ("null: x", {"null": "x"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("- |\n  two\n  lines\n", ["two\nlines\n"]),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_yaml_is_read_by_the_core_schema(text: str, value: Any) -> None:
    found = parse_text(text)
    assert found == value
    assert type(found) is type(value) or text == "!!float 1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3", {"p": 1, "q": 3}),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", {"p": 1, "q": 2}),
        ("b: {'<<': 1}", {"<<": 1}),
        ('{"b": {"<<": {"p": 1}}}', {"<<": {"p": 1}}),
    ],
)
def test_merge_keys(text: str, value: Any) -> None:
    assert parse_text(text)["b"] == value


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (b"a: 1\nb: caf\xe9\n", "line 2, column 7", "save it as UTF-8"),
        (b"\xff\xfea\x00", "line 1", "looks like UTF-16"),
        ("a:\n\tb: 1", "line 2", "with spaces, not with tabs"),
        ('{"a": 1, // x\n "b": 2}', "line 1", "no comments"),
        ('{"a": 1,\n // x\n "b": 2}', "line 2", "no comments"),
        ('// x\n{"a": 1}', "", "JSON has none"),
        ('/* x */ {"a": 1}', "", "JSON has none"),
        ("a: @x", "line 1, column 4", "put quotes around"),
        ("a: {<<: 1}", "line 1", "takes a mapping"),
    ],
)
def test_common_mistakes_are_told_with_what_to_do(text: str | bytes, where: str, what: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_text(text)
    [problem] = caught.value.problems
    assert problem.where.startswith(where)
    assert what in problem.what


BOMB = "l0: &l0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
LADDER = "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} {'[' * 60}*a{n - 1}{']' * 60}\n" for n in range(1, 50))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: 1\nb: 2\na: 3", "line 3", "'a' is given twice"),
        ('{"a": 1,\n "a": 2}', "line 2", "'a' is given twice"),
        ("a: !!python/object:os.system x", "line 1", "tag"),
        ("a: !mine x", "line 1", "tag"),
        ("a: !!int x", "line 1", "does not fit its tag"),
        ("? [1]\n: 2", "line 1", "key must be text"),
        ("a: *nobody", "line 1", "unknown"),
        ("a: &a [*a]", "line 1", "inside its own value"),
        ("--- 1\n--- 2", "line 2", "second document"),
        ("a: .inf", "line 1", "not a JSON number"),
        ("a: 1e999", "line 1", "too large"),
        ('{"a": NaN}', "", "not a JSON number"),
        ('{"a": 1e999}', "", "not a JSON number"),
        (f"a: {'9' * 5000}", "line 1", "digits"),
        (f'{{"a": {"9" * 5000}}}', "line 1", "digits"),
        ("a: 'open", "line 1", "unexpected end"),
        ("a:\n\tb: 1", "line 2", "cannot start any token"),
        ("[" * 100_000, "", "levels deep"),
        ('{"a":' * 100_000, "", "levels deep"),
        ("- " * 100_000, "line 1", "levels deep"),
        ("[" * 101 + "]" * 101, "", "levels deep"),
        (b"\xff\xfe\x00a", "", "UTF-8"),
        (BOMB, "line", "aliases"),
        (LADDER, "", "levels deep"),
    ],
)
def test_what_cannot_be_plain_data_is_refused_at_its_line(text: str | bytes, where: str, what: str) -> None:
    began = time.process_time()
    with pytest.raises(DocumentError) as caught:
        parse_text(text)
    assert time.process_time() - began < 1
    [problem] = caught.value.problems
    assert problem.where.startswith(where)
    assert what in problem.what


def test_depth_is_allowed_up_to_the_limit() -> None:
    text = "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1)
    assert parse_text(text) is not None


@pytest.mark.parametrize("value", [{1: 2}, {"a": {2, 3}}, [float("inf")], {"a": b"x"}, [object()]])
def test_values_that_are_not_json_are_refused(value: Any) -> None:
    with pytest.raises(DocumentError):
        check_plain(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["self"] = [value]
    with pytest.raises(DocumentError, match="levels deep"):
        check_plain(value)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.23e5", 123000), ("1E3", 1000), ("-2e0", -2), ("3.0", 3.0), ("1.5e-3", 0.0015), ("1e300", 1e300), ("2.5", 2.5)],
)
def test_whole_numbers_with_an_exponent_are_whole(text: str, number: float) -> None:
    for document in (f'{{"x": {text}}}', f"x: {text}"):
        found = parse_text(document.encode())["x"]
        assert found == number
        assert type(found) is type(number)
