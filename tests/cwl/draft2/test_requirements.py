"""Requirements and hints of sbg:draft-2: which counts when several say the same, spellings, what is left out."""

from typing import Any

import pytest

from araneus.cwl.command import resources
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.load import examine
from tests.cwl.draft2.documents import draft2_tool, expression, load_tool, load_workflow, output, port, step
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
