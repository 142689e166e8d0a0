"""Documents made to hurt: each ends in an error of ours, or loads, within moments."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import CWLError, DocumentError, UnsupportedError
from araneus.cwl.load import examine, load_document
from araneus.cwl.types import matches

PATIENCE = 4.0
"""Seconds of processor time; the documents here take a tenth of it on an idle machine."""

TOOL: dict[str, Any] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "inputs": {"x": "Any?"},
    "outputs": {"o": "File?"},
}


def workflow(steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": {"x": "string"},
        "outputs": {},
        "steps": steps,
    } | fields


def graph(*processes: dict[str, Any]) -> dict[str, Any]:
    return {"cwlVersion": "v1.2", "$graph": list(processes)}


def step(run: Any, source: Any = "x", **fields: Any) -> dict[str, Any]:
    return {"in": {"x": source}, "out": ["o"], "run": run} | fields


def doubled(levels: int, **fields: Any) -> dict[str, Any]:
    """Each workflow runs the next twice: 2 ** levels jobs when written out."""
    middle = [
        workflow(
            {name: step(f"#w{number + 1}", **fields) for name in "ab"},
            id=f"w{number}",
            outputs={"o": {"type": "File?", "outputSource": "a/o"}},
        )
        for number in range(levels)
    ]
    return graph(workflow({"a": step("#w0")}, id="main"), *middle, TOOL | {"id": f"w{levels}"})


def deep(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = dict(TOOL)
    inner = document
    for _ in range(levels):
        inner["sbg:x"] = {}
        inner = inner["sbg:x"]
    return document


def types(count: int, fields: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
    """A tool with many record types."""
    named = [{"name": f"t{number}", "type": "record", "fields": fields(number)} for number in range(count)]
    named.append({"name": f"t{count}", "type": "enum", "symbols": ["a"]})
    return TOOL | {"requirements": {"SchemaDefRequirement": {"types": named}}, "inputs": {"x": "t0"}}


def holding_itself() -> dict[str, Any]:
    document: dict[str, Any] = {"class": "Workflow", "cwlVersion": "v1.2"}
    document["steps"] = document
    return document


CIRCLE = {f"s{number}": step("#t", f"s{(number + 1) % 10_000}/o") for number in range(10_000)}


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (graph(workflow(CIRCLE, id="main"), TOOL | {"id": "t"}), "wait for each other"),
        (workflow({f"s{number}": step(dict(TOOL)) for number in range(10_000)}), "more than 2000 processes"),
        (doubled(24), "more than 100000 steps"),
        (doubled(24, requirements={"InlineJavascriptRequirement": {}}), "more than 2000 processes"),
        (doubled(400), "nested more than 32"),
        (deep(100_000), "nested more than 100 levels"),
        (holding_itself(), "nested more than 100 levels"),
        (types(40, lambda number: {"a": f"t{number + 1}", "b": f"t{number + 1}"}), "larger than 2000 parts"),
        (types(5000, lambda number: {"a": f"t{number + 1}"}), "nested more than 40 levels"),
        (TOOL | {"inputs": {"x": [{"type": "enum", "symbols": [str(each)]} for each in range(20_000)]}}, "2000 parts"),
        (TOOL | {"inputs": {"x": "string" + "[]" * 1_000_000}}, "suffixes"),
        (TOOL | {"inputs": {"x": "string" + "?" * 1_000_000}}, "suffixes"),
        (TOOL | {"inputs": [None] * 100_000, "outputs": [None] * 100_000}, "may be more problems"),
        (TOOL | {f"k{number}": 1 for number in range(100_000)}, "unknown fields"),
        (TOOL | {"inputs": {"x": {"type": "int"} | {f"k{number}": 1 for number in range(100_000)}}}, "unknown fields"),
        (TOOL | {"inputs": {"x": {"type": "int", "k" * 1_000_000: 1}}}, "unknown field"),
        (workflow({}, outputs={"o": {"type": "int", "outputSource": "#" + "a/" * 500_000}}), "neither an input"),
        (TOOL | {"inputs": {"k" * 1_000_000: {f"k{number}": 1 for number in range(90)}}}, "unknown field"),
        (TOOL | {"inputs": {"k" * 257: "int"}}, "longer than 256"),
        (TOOL | {"class": {"CommandLineTool": []}}, "class"),
        (TOOL | {"sbg:x": float("nan")}, "not a JSON number"),
        (TOOL | {"sbg:x": {1: 2}}, "is not text"),
        (None, "must be a mapping"),
        ([TOOL], "must be a mapping"),
    ],
)
def test_hostile_documents_are_refused_in_moments(document: Any, what: str) -> None:
    began = time.process_time()
    with pytest.raises(DocumentError, match=what) as caught:
        load_document(document)
    assert time.process_time() - began < PATIENCE
    assert len(caught.value.problems) < 210
    assert all(len(str(problem)) < 2000 for problem in caught.value.problems)


def test_a_type_that_holds_itself_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="contains itself"):
        load_document(types(2, lambda number: {"a": f"t{1 - number}?"}))


def test_a_wide_workflow_loads_in_moments() -> None:
    wide = {f"s{number}": step("#t") for number in range(10_000)}
    ports = {f"p{number}": "string" for number in range(3_000)}
    broad = step(TOOL | {"inputs": ports}) | {"in": dict.fromkeys(ports, "x")}
    began = time.process_time()
    load_document(graph(workflow(wide | {"broad": broad}, id="main"), TOOL | {"id": "t"}))
    assert time.process_time() - began < PATIENCE


def test_a_caller_that_is_deep_in_its_own_stack_gets_an_error_too() -> None:
    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
        else:
            load_document(doubled(20))

    with pytest.raises(DocumentError):
        descend(820)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "File", "#main", "$(x)", "int[]?", "a/b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "class", "name", "items", "fields", "run", "in"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
SEED = workflow(
    {
        "one": step(
            TOOL | {"inputs": {"x": {"type": "File?", "inputBinding": {"position": 1}, "secondaryFiles": [".x"]}}}
        ),
        "two": step(
            "#inner", "one/o", scatter=["x"], scatterMethod="dotproduct", when="$(true)", hints=[{"class": "sbg:x"}]
        ),
    },
    inputs=[{"id": "x", "type": {"type": "array", "items": "File"}, "default": [{"class": "File", "location": "a"}]}],
    outputs={"o": {"type": "Any", "outputSource": ["one/o", "two/o"], "pickValue": "all_non_null"}},
    requirements={
        "SchemaDefRequirement": {"types": [{"name": "t", "type": "record", "fields": {"a": "int"}}]},
        "EnvVarRequirement": {"envDef": {"A": "b"}},
        "InitialWorkDirRequirement": {"listing": [{"entry": "$(1)", "entryname": "x"}]},
        "ResourceRequirement": {"coresMin": 1},
    },
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a tree."""
    if isinstance(value, dict):
        return [(value, key) for key in value] + [place for item in value.values() for place in places(item)]
    if isinstance(value, list):
        return [(value, key) for key in range(len(value))] + [place for item in value for place in places(item)]
    return []


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, 10_000), JSON), min_size=1, max_size=4))
def test_a_document_with_anything_anywhere_loads_or_is_refused(changes: list[tuple[int, Any]]) -> None:
    document = json.loads(json.dumps(graph(SEED | {"id": "main"}, TOOL | {"id": "inner"})))
    for number, value in changes:
        found = places(document)
        container, key = found[number % len(found)]
        container[key] = value
    before = json.dumps(document)
    try:
        process = examine(document).process
        for port in process.inputs:
            matches(port.type, None)
    except CWLError:
        pass
    assert json.dumps(document) == before
