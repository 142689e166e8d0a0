"""Inputs of a process: what is missing or wrong, and what is filled in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.errors import InputError
from araneus.cwl.inputs import check_values, complete
from araneus.cwl.load import load_document
from araneus.cwl.process import Process
from araneus.model.job import Reason

READS = {"class": "File", "path": "5f500135e4b0370371c051b1", "name": "reads.fq"}


def process(**inputs: Any) -> Process:
    return load_document(
        {"class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": inputs, "outputs": {}, "baseCommand": "true"}
    )


ALIGN = process(
    reads="File[]",
    reference={"type": "File", "secondaryFiles": [".fai"]},
    threads={"type": "int", "default": 4},
    mode={"type": ["null", {"type": "enum", "symbols": ["fast", "exact"]}]},
    label="string?",
    anything={"type": "Any", "default": {"a": [1]}},
)
GOOD: dict[str, Any] = {"reads": [READS], "reference": READS}


def test_good_values_have_no_problems() -> None:
    assert check_values(ALIGN, GOOD) == []
    assert check_values(ALIGN, GOOD | {"threads": 8, "mode": "fast", "label": None, "unknown": object()}) == []


def test_all_problems_come_at_once_with_their_place() -> None:
    values = {"reads": [READS, {"class": "Directory", "path": "x"}], "threads": 2**40, "mode": "slow", "label": 3}
    found = {problem.where: problem.what for problem in check_values(ALIGN, values)}
    assert set(found) == {"reads[1].class", "reference", "threads", "mode", "label"}
    assert "is required (File)" in found["reference"]
    assert "fast, exact" in found["mode"]


def test_defaults_and_nulls_are_filled_in_and_unknown_inputs_left_out() -> None:
    found = complete(ALIGN, GOOD | {"threads": None, "unknown": 1})
    assert found == GOOD | {"threads": 4, "mode": None, "label": None, "anything": {"a": [1]}}
    assert list(found) == [port.id for port in ALIGN.inputs]


def test_what_is_wrong_is_an_input_error() -> None:
    with pytest.raises(InputError) as caught:
        complete(ALIGN, {})
    assert [problem.where for problem in caught.value.problems] == ["reads", "reference"]
    assert caught.value.reason is Reason.BAD_INPUT


def test_a_default_that_does_not_fit_is_found_when_it_is_used() -> None:
    tool = process(threads={"type": "int", "default": "many"})
    assert complete(tool, {"threads": 1}) == {"threads": 1}
    with pytest.raises(InputError, match="threads: must be an integer"):
        complete(tool, {})


def test_a_null_default_is_no_value_for_a_required_port() -> None:
    tool = process(threads={"type": "int", "default": None}, label={"type": "string?", "default": None})
    assert complete(tool, {"threads": 1}) == {"threads": 1, "label": None}
    with pytest.raises(InputError, match="default is null"):
        complete(tool, {})


@pytest.mark.parametrize("values", [{}, {"any": None}])
def test_any_is_not_null(values: dict[str, Any]) -> None:
    assert [problem.where for problem in check_values(process(any="Any"), values)] == ["any"]


def test_false_and_zero_and_empty_are_values() -> None:
    tool = process(
        flag={"type": "boolean", "default": True},
        count={"type": "int", "default": 1},
        names={"type": "string[]", "default": ["x"]},
        text={"type": "string", "default": "x"},
    )
    empty = {"flag": False, "count": 0, "names": [], "text": ""}
    assert complete(tool, empty) == empty


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["class", "path", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([port.id for port in ALIGN.inputs]), JSON))
def test_any_input_object_is_completed_or_refused(values: dict[str, Any]) -> None:
    problems = check_values(ALIGN, values)
    if problems:
        with pytest.raises(InputError):
            complete(ALIGN, values)
    else:
        found = complete(ALIGN, values)
        assert check_values(ALIGN, found) == []
        assert complete(ALIGN, found) == found
