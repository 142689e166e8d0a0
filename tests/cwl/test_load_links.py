"""Links between steps that are not as they should be: which of them keep a workflow from running, and which do not."""

from typing import Any

import pytest

from araneus.cwl.load import examine, load_document
from araneus.cwl.process import Workflow
from araneus.cwl.types import describe
from tests.cwl.loading import COPY, problems, step, tool, workflow


def doubts(document: dict[str, Any]) -> dict[str, str]:
    """What is doubtful in a document that can run, by place."""
    found = examine(document)
    assert found.broken == ()
    return {problem.where: problem.what for problem in found.doubts}


def copied(source: str, **fields: Any) -> dict[str, Any]:
    return step(COPY, **{"in": {"x": source}, "out": ["y"]} | fields)


def test_a_listed_output_that_nothing_uses_need_not_exist() -> None:
    document = workflow(inputs={"f": "File"}, steps={"one": copied("f", out=["y", "yy"])})
    assert doubts(document) == {
        "steps/one/out": "what the step runs has no output 'yy', which nothing uses; did you mean 'y'?"
    }
    found = load_document(document)
    assert isinstance(found, Workflow)
    assert found.steps[0].outputs == ("y",)


@pytest.mark.parametrize("user", ["step", "output"])
def test_a_listed_output_that_something_uses_must_exist(user: str) -> None:
    steps = {"one": copied("f", out=["y", "lost"])}
    outputs = {}
    if user == "step":
        steps["two"] = copied("one/lost")
    else:
        outputs = {"o": {"type": "File?", "outputSource": "one/lost"}}
    found = problems(workflow(inputs={"f": "File"}, steps=steps, outputs=outputs))
    assert found == {"steps/one/out": "what the step runs has no output 'lost', which is used elsewhere"}


def test_a_used_output_need_not_be_listed() -> None:
    document = workflow(
        inputs={"f": "File"},
        steps={"one": copied("f", out=[]), "two": copied("#main/one/y")},
        outputs={"o": {"type": "File", "outputSource": "one/y"}},
    )
    assert doubts(document) == {"steps/one/out": "the output 'y' is used, but not listed"}
    found = load_document(document)
    assert isinstance(found, Workflow)
    assert found.steps[0].outputs == ("y",)
    assert found.steps[1].inputs[0].source == ("one/y",)


def test_a_step_may_be_used_before_it_stands() -> None:
    document = workflow(inputs={"f": "File"}, steps={"two": copied("one/y"), "one": copied("f", out=[])})
    assert list(doubts(document)) == ["steps/one/out"]


def test_an_output_without_a_source_is_null() -> None:
    outputs = {"o": "File", "p": "File?"}
    assert doubts(workflow(outputs=outputs)) == {
        "outputs/o/outputSource": "has no outputSource and will always be null"
    }


@pytest.mark.parametrize(
    ("source", "near"),
    [
        ("reeds", "reads"),
        ("aling/y", "align/y"),
        ("align/Y", "align/y"),
        ("y", "align/y"),
        ("#main/aling/y", "align/y"),
        ("quite_another", None),
    ],
)
def test_the_nearest_source_is_named(source: str, near: str | None) -> None:
    document = workflow(id="#main", inputs={"reads": "File"}, steps={"align": copied("reads"), "index": copied(source)})
    said = problems(document)["steps/index/in/x"]
    assert (near is None) == ("did you mean" not in said)
    assert near is None or said.endswith(f"did you mean {near!r}?")


def test_the_nearest_port_is_named_when_a_scatter_misses() -> None:
    said = problems(workflow(inputs={"f": "File[]"}, steps={"one": copied("f", scatter="X")}))["steps/one/scatter"]
    assert said == "'X' is not an input of the step; did you mean 'x'?"


def test_what_the_platform_takes_without_a_requirement_is_taken() -> None:
    """Scatter, expressions and several sources need requirements by the letter; the platform asks for none."""
    document = workflow(
        inputs={"f": "File[]", "s": "string"},
        steps={
            "one": copied("f", scatter="x"),
            "two": step(
                tool(inputs={"s": "string"}), **{"in": {"s": {"source": ["s", "s"], "valueFrom": "${return self[0];}"}}}
            ),
            "three": step(workflow(inputs={"s": "string"}), **{"in": {"s": {"source": "s", "valueFrom": "$(self)"}}}),
        },
    )
    assert doubts(document) == {}


@pytest.mark.parametrize(
    ("kind", "default", "taken", "type_"),
    [
        ({"type": "enum", "symbols": ["0", "1"]}, 1, "1", "one of 0, 1"),
        (["null", {"type": "enum", "symbols": ["0", "1"]}], 1, "1", "one of 0, 1 or null"),
        ({"type": "enum", "symbols": ["true", "false"]}, True, "true", "one of true, false"),
        ("string", 2.5, "2.5", "string"),
        ("string[]", [1, "a"], ["1", "a"], "string[]"),
        ("int", 2.0, 2, "int"),
        ("int?", "7", 7, "int?"),
        ("float", "1e3", 1000.0, "float"),
        ("boolean", "True", True, "boolean"),
        ("int", 20_000_000_000, 20_000_000_000, "long"),
        ("int[]?", [20_000_000_000], [20_000_000_000], "long[]?"),
    ],
)
def test_a_default_in_another_spelling_is_put_right(kind: Any, default: Any, taken: Any, type_: str) -> None:
    document = tool(inputs={"a": {"type": kind, "default": default}})
    assert doubts(document)["inputs/a/default"].startswith("the default does not fit and is taken as")
    [port] = load_document(document).inputs
    assert (port.default, type(port.default), describe(port.type)) == (taken, type(taken), type_)


@pytest.mark.parametrize(
    ("kind", "default"), [("int", "x"), ("File", "x"), ("string[]", "a"), ("boolean", "yes?"), ("int", 2**70)]
)
def test_a_default_that_cannot_be_meant_stays_and_is_told(kind: Any, default: Any) -> None:
    document = tool(inputs={"a": {"type": kind, "default": default}})
    assert doubts(document)["inputs/a/default"].startswith("the default does not fit: must be") or default == 2**70
    assert load_document(document).inputs[0].default == default


def test_a_default_of_a_step_is_spelled_as_its_port_wants() -> None:
    inner = tool(inputs={"n": {"type": "enum", "symbols": ["1", "2"]}, "m": "int"})
    links = {"n": {"default": 2}, "m": {"default": 2}}
    found = load_document(workflow(steps={"one": step(inner, **{"in": links})}))
    assert isinstance(found, Workflow)
    assert [each.default for each in found.steps[0].inputs] == ["2", 2]


def test_a_list_of_files_for_a_single_one_is_told() -> None:
    one = step(tool(inputs={"x": "File"}), **{"in": {"x": "i"}})
    document = workflow(inputs={"i": "File[]"}, steps={"s": one})
    assert doubts(document) == {"steps/s/in/x": "the source 'i' gives File[], of which File takes the first alone"}
    for kind in ("File?", "File"):
        assert doubts(workflow(inputs={"i": kind}, steps={"s": one})) == {}
    several = step(tool(inputs={"x": "File[]"}), **{"in": {"x": "i"}})
    assert doubts(workflow(inputs={"i": "File"}, steps={"s": several})) == {}


def test_a_type_definition_needs_no_name_but_is_of_no_use_then() -> None:
    types = {"SchemaDefRequirement": {"types": [{"type": "enum", "symbols": ["a"]}, record() | {"name": "r"}]}}
    assert doubts(tool(inputs={"x": "r"}, requirements=types)) == {
        "requirements/SchemaDefRequirement/types": "holds a type without a name, which nothing can use"
    }


def test_shortcuts_for_streams_stand_at_ports_of_tools() -> None:
    found = problems(tool(inputs={"x": "stdout", "y": {"type": "stderr"}}, outputs={"z": "stdin"}))
    assert found == {
        "inputs/x/type": "'stdout' is the type of an output", "inputs/y/type": "'stderr' is the type of an output",
        "outputs/z/type": "'stdin' is the type of an input",
    }  # fmt: skip
    passed = workflow(inputs={"f": "File"}, steps={}, outputs={"o": {"type": "stdout", "outputSource": "f"}})
    assert doubts(passed) == {"outputs/o/type": "'stdout' is a type of tools alone, and taken for File"}


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "record", "fields": fields}


@pytest.mark.parametrize(
    ("given", "wanted", "why"),
    [
        ({"id": "string"}, {"id": "string", "lane": "int"}, "it has no field 'lane'"),
        ({"id": "string"}, {"id": "File"}, "its field 'id' is string, where File is wanted"),
    ],
)
@pytest.mark.parametrize("listed", [False, True])
def test_a_record_that_is_none_says_what_it_lacks(
    given: dict[str, str], wanted: dict[str, str], why: str, listed: bool
) -> None:
    def kind(fields: dict[str, str]) -> Any:
        return {"type": "array", "items": record(**fields)} if listed else record(**fields)

    user = tool(inputs={"x": {"type": kind(wanted)}}, outputs={})
    found = problems(
        workflow(inputs={"samples": {"type": kind(given)}}, steps={"one": step(user, **{"in": {"x": "samples"}})})
    )
    assert found["steps/one/in/x"].endswith(f": {why}")


def test_optional_types_of_which_only_null_fits_are_doubtful() -> None:
    user = tool(inputs={"x": "File[]?"}, outputs={})
    steps = {"one": step(user, **{"in": {"x": "names"}})}
    assert doubts(workflow(inputs={"names": "string[]?"}, steps=steps)) == {
        "steps/one/in/x": "the source 'names' gives string[]?, of which File[]? takes null alone"
    }
    assert doubts(workflow(inputs={"names": "File?"}, steps=steps)) == {}
