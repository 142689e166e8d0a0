"""Requirements and hints of sbg:draft-2: which counts when several say the same, spellings, what is left out."""

from typing import Any

import pytest

from araneus.cwl.command import resources
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.load import examine
from araneus.cwl.types import ANY, RecordType, options
from tests.cwl.draft2.documents import (
    draft2_tool,
    draft2_workflow,
    expression,
    load_tool,
    load_workflow,
    output,
    port,
    step,
)
from tests.cwl.running import Bench


def amounts(bench: Bench, **fields: Any) -> tuple[float, int]:
    tool = load_tool(**fields)
    found = resources(tool, {}, evaluator_for(tool, bench.javascript))
    return found.cores, found.memory


def cpu(value: Any) -> dict[str, Any]:
    return {"class": "sbg:CPURequirement", "value": value}


def memory(value: Any) -> dict[str, Any]:
    return {"class": "sbg:MemRequirement", "value": value}


def test_requirements_go_before_hints_and_the_first_of_several_counts(bench: Bench) -> None:
    assert amounts(bench, requirements=[cpu(4), memory(400)], hints=[cpu(1), memory(100)]) == (4, 400)
    assert amounts(bench, hints=[cpu(4), cpu(1), memory(400), memory(100)]) == (4, 400)
    assert amounts(bench, hints=[cpu(0), memory(None), cpu(2), memory(200)]) == (2, 200)


@pytest.mark.parametrize("value", ["0", "null", "undefined", "NaN", "''", "{ }"])
def test_an_amount_of_nothing_is_the_default(bench: Bench, value: str) -> None:
    assert amounts(bench, hints=[cpu(expression(value)), memory(expression(value))]) == (1, 1024)


@pytest.mark.parametrize(("value", "expected"), [("'2'", 2), ("'512'", 512), ("Math.ceil(1.2)", 2)])
def test_an_amount_may_be_a_text(bench: Bench, value: str, expected: int) -> None:
    assert amounts(bench, hints=[memory(expression(value))]) == (1, expected)


def test_images_of_requirements_go_before_those_of_hints() -> None:
    def image(*names: str) -> list[Any]:
        return [{"class": "DockerRequirement", "dockerPull": name, "dockerImageId": ""} for name in names]

    tool = load_tool(requirements=image("", "one"), hints=image("two", "three"))
    assert tool.requirement("DockerRequirement") == {"dockerPull": "one"}
    assert load_tool(hints=image("two", "three")).requirement("DockerRequirement") == {"dockerPull": "two"}


def test_files_and_variables_add_up(bench: Bench) -> None:
    def files(**contents: str) -> dict[str, Any]:
        given = [{"filename": name, "fileContent": text} for name, text in contents.items()]
        return {"class": "CreateFileRequirement", "fileDef": given}

    def variables(**values: str) -> dict[str, Any]:
        given = [{"envName": name, "envValue": text} for name, text in values.items()]
        return {"class": "EnvVarRequirement", "envDef": given}

    tool = load_tool(
        baseCommand=["printenv X Y > e; cat a b c"],
        requirements=[files(a="1"), variables(X="first"), files(b="2")],
        hints=[variables(X="second", Y="third"), files(c="3")],
        stdout="d",
        outputs=[output("e", "string", glob="e", loadContents=True, outputEval=expression("$self[0].contents"))],
    )
    assert bench.run(tool)["e"] == "first\nthird\n"
    assert [(bench.work / name).read_text() for name in "abc"] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "name",
    ["ExpressionEngineRequirement", "IORequirement", "ShellCommandRequirement", "sbg:OpenStackInstanceHint",
     "InlineJavascriptRequirement", "SubworkflowFeatureRequirement"],
)  # fmt: skip
@pytest.mark.parametrize("section", ["requirements", "hints"])
def test_what_editors_leave_says_nothing(name: str, section: str) -> None:
    assert examine(draft2_tool(**{section: [{"class": name, "value": ""}]})).doubts == ()


def test_unknown_classes_are_a_doubt_with_a_place() -> None:
    found = examine(draft2_tool(hints=[{"class": "NoSuchRequirement"}])).doubts
    assert [(doubt.where, "NoSuchRequirement" in doubt.what) for doubt in found] == [("hints/NoSuchRequirement", True)]


def test_a_workflow_gives_its_requirements_to_steps_that_have_none(bench: Bench) -> None:
    silent, stated = draft2_tool(), draft2_tool(hints=[cpu(2)])
    process = load_workflow(
        hints=[cpu(5)],
        inputs=[port("i")],
        steps=[step("a", silent), step("b", stated), step("c", silent, hints=[cpu(3)])],
    )
    found = [resources(each.run, {}, evaluator_for(each.run, bench.javascript)).cores for each in process.steps]
    assert found == [5, 2, 3]


NOTHINGS: list[Any] = [False, "", [], None]


@pytest.mark.parametrize("nothing", NOTHINGS)
def test_what_editors_leave_for_nothing_is_nothing(nothing: Any) -> None:
    tool = draft2_tool(
        inputs=[port("x", inputBinding=nothing)],
        outputs=[{"id": "#o", "type": ["null", "File"], "outputBinding": nothing},
                 {"id": "#p", "type": ["null", "File"], "outputBinding": {"glob": "*", "sbg:metadata": nothing}}],
        arguments=nothing, hints=nothing, requirements=nothing,
    )  # fmt: skip
    examined = examine(tool)
    assert (examined.doubts, examined.broken) == ((), ())
    assert examined.process.inputs[0].binding is None
    steps = [step("S", tool, {"x": "#i"}, hints=nothing, requirements=nothing, scatter=nothing or None)]
    assert examine(draft2_workflow(inputs=[port("i")], steps=steps)).doubts == ()


def test_entries_without_a_class_are_left_out_with_a_doubt() -> None:
    found = examine(draft2_tool(hints=[{"value": 1}, None, {"class": ""}, {"class": "sbg:CPURequirement", "value": 2}]))
    assert [doubt.where for doubt in found.doubts] == ["hints/0", "hints/1", "hints/2"]
    assert found.process.requirement("sbg:CPURequirement") == {"value": 2}


@pytest.mark.parametrize("kind", ["map", "bytes", {"type": "map", "values": "string"}])
def test_types_that_are_not_told_apart_take_anything(kind: Any) -> None:
    (found,) = load_tool(inputs=[port("x", kind)]).inputs
    assert found.type == ANY


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"dockerPull": "a", "dockerImageId": ""}, {"dockerPull": "a"}),
        ({"dockerPull": "a", "dockerImageId": "3f8c29"}, {"dockerPull": "a"}),
        ({"dockerPull": "", "dockerImageId": "b"}, {"dockerImageId": "b"}),
        ({"dockerPull": None, "dockerImageId": ""}, None),
    ],
)
def test_an_image_goes_by_its_name(given: dict[str, Any], kept: dict[str, Any] | None) -> None:
    tool = load_tool(hints=[{"class": "DockerRequirement"} | given])
    assert tool.requirement("DockerRequirement") == kept
    assert kept is None or "DockerRequirement" in tool.requirements


@pytest.mark.parametrize("name", ["sbg:SaveLogs", "sbg:saveLogs"])
def test_logs_to_be_kept_are_a_hint_in_either_spelling(name: str) -> None:
    assert load_tool(hints=[{"class": name, "value": "*.log"}]).hints["sbg:SaveLogs"]


@pytest.mark.parametrize("name", ["sbg:AWSInstanceType", "sbg:GoogleInstanceType"])
def test_instance_types_are_hints(name: str) -> None:
    assert load_tool(hints=[{"class": name, "value": "c4.8xlarge"}]).hints[name] == {"value": "c4.8xlarge"}


def test_what_editors_leave_behind_is_nothing() -> None:
    begun = {"class": "CreateFileRequirement", "fileDef": [{"filename": "", "fileContent": ""}, {"filename": None}]}
    document = draft2_tool(
        hints=["words", {"any": "thing"}, 5, cpu(2)], requirements=[None, "words", begun],
        inputs=[{"id": "#x", "type": ""}, {"id": "#y", "type": []},
                {"id": "#z", "type": {"type": "record", "name": "r", "fields": [{"id": "#f", "type": "int"}]}}],
    )  # fmt: skip
    examined = examine(document)
    assert sorted(each.where for each in examined.doubts) == [
        "hints/0", "hints/1", "hints/2", "inputs/x/type", "inputs/y/type", "requirements/0", "requirements/1"
    ]  # fmt: skip
    assert examined.process.requirement("InitialWorkDirRequirement") is None
    (record,) = options(examined.process.inputs[2].type)
    assert isinstance(record, RecordType)
    assert [field.name for field in record.fields] == ["f"]
