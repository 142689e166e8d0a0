"""Inputs as plain values: what is taken from a request, how a change is merged, how values fit the ports."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api.task_inputs import BESIDE, MAX_DEPTH, file_ids, fitted, merged, taken
from araneus.cwl.process import InputPort
from araneus.cwl.types import ANY, DIRECTORY, FILE, NULL, ArrayType, Primitive, UnionType
from araneus.model.errors import Fault, Refusal
from araneus.model.values import file_values

ID = "5f0c1ab2e4b0aa11cc22dd33"
OTHER = "5f0c1ab2e4b0aa11cc22dd44"

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
files = st.fixed_dictionaries(
    {"class": st.sampled_from(["File", "file", "Directory", "DIRECTORY", "Folder"]), "path": texts.filter(bool)},
    optional={"name": texts, "location": texts, "size": st.integers(), "contents": texts, "listing": st.just([])},
)
values = st.recursive(
    scalars | texts | files,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda key: key != "class"), inner, max_size=4)
    ),
    max_leaves=20,
)
inputs = st.dictionaries(texts, values, max_size=5)


@given(inputs)
def test_files_keep_nothing_but_class_and_id(given_inputs: dict[str, Any]) -> None:
    result = taken(given_inputs)
    assert result.keys() == given_inputs.keys()
    for file in file_values(result):
        assert set(file) == {"class", "path"}
        assert file["class"] in {"File", "Directory"}


@given(inputs)
def test_taking_twice_changes_nothing(given_inputs: dict[str, Any]) -> None:
    assert taken(taken(given_inputs)) == taken(given_inputs)


@given(inputs)
def test_a_change_that_repeats_what_is_stored_changes_nothing(given_inputs: dict[str, Any]) -> None:
    stored = taken(given_inputs)
    assert taken(merged(stored, stored)) == stored


@given(inputs, inputs)
def test_a_change_touches_only_its_own_ports(first: dict[str, Any], second: dict[str, Any]) -> None:
    stored = taken(first)
    result = taken(merged(stored, second))
    assert {port: result[port] for port in stored if port not in second} == {
        port: value for port, value in stored.items() if port not in second
    }
    assert set(result) == set(first) | set(second)


def test_the_spellings_of_classes() -> None:
    result = taken({"a": {"class": "file", "path": ID}, "b": {"class": "Folder", "path": ID}})
    assert result == {"a": {"class": "File", "path": ID}, "b": {"class": "Directory", "path": ID}}


def test_secondary_files_are_taken_with_class_and_id() -> None:
    value = {"class": "File", "path": ID, "secondaryFiles": [{"class": "File", "path": OTHER, "name": "a.bai"}]}
    assert taken({"bam": value}) == {
        "bam": {"class": "File", "path": ID, "secondaryFiles": [{"class": "File", "path": OTHER}]}
    }


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("unusable", "place"),
    [
        ([1], "inputs"),
        ("text", "inputs"),
        (7, "inputs"),
        ({"a": {"class": "File"}}, "inputs.a"),
        ({"a": {"class": "File", "path": None}}, "inputs.a"),
        ({"a": {"class": "File", "path": ""}}, "inputs.a"),
        ({"a": {"class": "File", "path": 7}}, "inputs.a"),
        ({"a": {"class": "File", "location": "file:///etc/passwd"}}, "inputs.a"),
        ({"a": {"class": ["File"], "path": ID}}, "inputs.a"),
        ({"a": {"class": "File", "path": "x" * 500}}, "inputs.a"),
        ({"a": [1, {"b": {"class": "Directory"}}]}, "inputs.a[1].b"),
        ({"a": {"class": "File", "path": ID, "secondaryFiles": "x"}}, "inputs.a"),
        ({"a": {"class": "File", "path": ID, "secondaryFiles": [{"class": "File"}]}}, "inputs.a.secondaryFiles[0]"),
        ({"a": 2**64}, "inputs.a"),
        ({"a": -(2**70)}, "inputs.a"),
        ({"a": float("nan")}, "inputs.a"),
        ({"a": float("inf")}, "inputs.a"),
        ({"a": "x\x00y"}, "inputs.a"),
        ({"a": "\ud800"}, "inputs.a"),
        ({"a\x00": 1}, "inputs"),
        ({"a": nested(MAX_DEPTH + 1)}, "nested deeper"),
        ({"a": nested(100_000)}, "nested deeper"),
    ],
)
def test_unusable_inputs_are_refused_with_their_place(unusable: Any, place: str) -> None:
    with pytest.raises(Refusal) as caught:
        taken(unusable)
    assert caught.value.fault is Fault.BAD_REQUEST
    assert place in caught.value.message
    caught.value.message.encode("utf-8")


def test_null_clears_and_a_value_replaces() -> None:
    stored = {"a": 1, "b": [1, 2], "c": "x"}
    assert merged(stored, {"a": None, "b": [3]}) == {"a": None, "b": [3], "c": "x"}
    assert merged(stored, None) == stored


def test_a_partial_file_keeps_its_class_and_loses_the_secondary_files_of_the_old_one() -> None:
    stored = {"bam": {"class": "File", "path": ID, "secondaryFiles": [{"class": "File", "path": OTHER}], BESIDE: ["x"]}}
    assert merged(stored, {"bam": {"path": OTHER}}) == {"bam": {"class": "File", "path": OTHER}}
    assert merged(stored, {"bam": {"path": ID, "name": "n"}})["bam"]["secondaryFiles"]


def test_a_whole_file_replaces_the_old_one() -> None:
    stored = {"bam": {"class": "File", "path": ID, "secondaryFiles": [{"class": "File", "path": OTHER}]}}
    assert merged(stored, {"bam": {"class": "File", "path": ID}}) == {"bam": {"class": "File", "path": ID}}


def test_a_partial_record_keeps_its_other_fields() -> None:
    stored = {"r": {"a": 1, "f": {"class": "File", "path": ID}}}
    assert merged(stored, {"r": {"f": {"path": OTHER}}}) == {"r": {"a": 1, "f": {"class": "File", "path": OTHER}}}


def test_a_change_that_is_no_object_is_refused() -> None:
    with pytest.raises(Refusal):
        merged({}, [1])


def port(name: str, kind: Any) -> InputPort:
    return InputPort(id=name, type=kind)


def test_every_port_appears_and_nothing_else() -> None:
    ports = [port("a", Primitive("int")), port("b", FILE)]
    assert fitted(ports, {"a": 1, "unknown": 2}) == {"a": 1, "b": None}


FILE_VALUE = {"class": "File", "path": ID}


@pytest.mark.parametrize(
    ("kind", "wraps"),
    [
        (ArrayType(items=FILE), True),
        (UnionType((NULL, ArrayType(items=FILE))), True),
        (UnionType((NULL, ArrayType(items=DIRECTORY))), True),
        (UnionType((FILE, ArrayType(items=FILE))), False),
        (FILE, False),
        (ANY, False),
    ],
)
def test_a_single_file_at_a_port_of_lists_becomes_a_list(kind: Any, wraps: bool) -> None:
    assert fitted([port("a", kind)], {"a": FILE_VALUE}) == {"a": [FILE_VALUE] if wraps else FILE_VALUE}


def test_the_batch_input_holds_a_list_whatever_its_type() -> None:
    assert fitted([port("a", FILE)], {"a": FILE_VALUE}, listed="a") == {"a": [FILE_VALUE]}
    assert fitted([port("a", FILE)], {"a": None}, listed="a") == {"a": None}


def test_ids_of_a_value_with_those_of_secondary_files() -> None:
    value = [{"r": {"class": "File", "path": "1", "secondaryFiles": [{"class": "File", "path": "2"}], BESIDE: ["3"]}}]
    assert sorted(file_ids(value)) == ["1", "2", "3"]
