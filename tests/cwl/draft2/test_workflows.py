"""Workflows of sbg:draft-2: steps, links, scatter, loose types; tools of one version inside workflows of another."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import DocumentError
from araneus.cwl.expression_tool import run_expression
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import examine, load_document, load_path
from araneus.cwl.pack import pack
from araneus.cwl.process import MISSING, CommandLineTool, ExpressionTool, LinkMerge, Process, ScatterMethod, Workflow
from araneus.engine.execution import Execution, ReadyJob
from araneus.model.job import Outcome, Reason
from tests.cwl.draft2.documents import (
    array,
    bound,
    draft2_tool,
    draft2_workflow,
    expression,
    load_workflow,
    output,
    port,
    step,
)

DONE = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
FILES = [{"class": "File", "path": f"{name}.txt", "basename": f"{name}.txt"} for name in "abc"]
TAKES_FILE = draft2_tool(inputs=[port("x", "File")], outputs=[output("y", "File", glob="*")])
TAKES_FILES = draft2_tool(inputs=[port("x", array("File"))], outputs=[output("y", array("File"), glob="*")])
V1_TOOL = {
    "class": "CommandLineTool", "cwlVersion": "v1.0", "id": "new", "baseCommand": "cat",
    "requirements": {"InlineJavascriptRequirement": {}},
    "inputs": {"x": {"type": "File", "inputBinding": {"valueFrom": "$(self.basename)"}}},
    "outputs": {"y": {"type": "File", "outputBinding": {"glob": "$(inputs.x.basename)"}}},
}  # fmt: skip


def played(
    process: Process, inputs: Mapping[str, Any], answers: Mapping[str, Any], javascript: JavaScript
) -> Execution:
    """The execution at its end; each job gives what stands under its step, or its own inputs."""
    execution = Execution(process, inputs, lambda each: evaluator_for(each, javascript))
    waiting: list[ReadyJob] = execution.start()
    while waiting:
        job = waiting.pop(0)
        given = answers.get(job.key, answers.get(job.key.split("/")[0], {"y": job.inputs.get("x")}))
        waiting += execution.finish(job.key, DONE, given)
    return execution


def fed(sink: dict[str, Any], source: Any, value: Any, javascript: JavaScript, **fields: Any) -> Any:
    """What a step gets at its port x when a source of the workflow has a value; the failure when it fails."""
    seen: list[Any] = []
    document = draft2_workflow(inputs=[port("i", source)], steps=[step("s", sink, {"x": ["#i"]}, **fields)])
    execution = Execution(load_document(document), {"i": value}, lambda each: evaluator_for(each, javascript))
    for job in execution.start():
        seen.append(job.inputs["x"])
        execution.finish(job.key, DONE, {"y": None})
    if execution.failure is not None:
        return execution.failure.outcome.message
    return seen


def test_ids_sources_and_ports_become_short() -> None:
    process = load_workflow(
        inputs=[port("in.put", "File"), port("n", "int")],
        steps=[
            step("A", TAKES_FILE, {"x": "#in.put"}),
            step("B.1", TAKES_FILE, {"x": ["#A.y"], "more": {"default": 5}}),
        ],
        outputs=[{"id": "#out", "type": "File", "source": "#B.1.y"}, {"id": "#two", "type": "File", "source": ["#n"]}],
    )
    assert [(each.id, each.outputs) for each in process.steps] == [("A", ("y",)), ("B.1", ("y",))]
    assert [(each.id, each.source, each.default) for each in process.steps[1].inputs][1][2] == 5
    assert process.steps[0].inputs[0].source == ("in.put",)
    assert process.steps[1].inputs[0].source == ("A/y",)
    assert [each.source for each in process.outputs] == [("B.1/y",), ("n",)]
    assert process.steps[1].inputs[0].link_merge is None


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("File", MISSING), (["null", "int"], MISSING), (array("string"), MISSING), ("boolean", MISSING),
        (["null", {"type": "enum", "symbols": ["a"], "name": "e"}], MISSING),
        ("string", ""), (["null", "string"], ""), ({"type": "enum", "symbols": ["", "a"], "name": "e"}, ""),
    ],
)  # fmt: skip
def test_an_empty_text_is_a_default_only_where_it_fits(kind: Any, taken: Any) -> None:
    """The R package writes one at every port."""
    examined = examine(draft2_tool(inputs=[port("x", kind, default="")], outputs=[output("y") | {"default": ""}]))
    assert examined.process.inputs[0].default is taken or examined.process.inputs[0].default == taken
    assert examined.doubts == ()
    sink = draft2_tool(inputs=[port("x", kind)])
    (found,) = load_workflow(steps=[step("s", sink, {"x": {"default": ""}})]).steps[0].inputs
    assert found.default is taken or found.default == taken


def test_a_step_without_an_id_is_called_as_its_ports_say() -> None:
    unnamed = step("S", TAKES_FILE, {"x": "#i"})
    del unnamed["id"]
    process = load_workflow(inputs=[port("i", "File")], steps=[unnamed])
    assert process.steps[0].id == "S"


def test_outputs_that_are_used_and_not_listed_or_listed_and_not_there() -> None:
    one = step("S", TAKES_FILE, {"x": "#i"}) | {"outputs": [{"id": "#S.gone"}]}
    process = load_workflow(
        inputs=[port("i", "File")], steps=[one], outputs=[{"id": "#o", "type": "File", "source": ["#S.y"]}]
    )
    assert process.steps[0].outputs == ("y",)


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"outputs": [{"id": "#o", "type": "File", "source": ["#S.Y"]}]}, "outputs/o", "did you mean 'S.y'"),
        ({"steps": [step("S", TAKES_FILE, {"x": "#nope"})]}, "steps/S/inputs/S.x", "neither an input"),
        ({"steps": [step("S", TAKES_FILE, {"x": "#S.y"})]}, "steps", "circle"),
        ({"steps": [step("S", TAKES_FILE, {"x": "#i"}, scatter="#S.z")]}, "steps/S/scatter", "'z'"),
        ({"steps": [{"inputs": []}]}, "steps/0", "'id'"),
        ({"steps": [{"id": "#S", "inputs": []}]}, "steps/S/run", "required"),
        ({"steps": [step("S", "#nope")]}, "steps/S/run", "points outside"),
        ({"steps": [step("S", TAKES_FILE), step("S", TAKES_FILE)]}, "steps", "twice"),
    ],
)
def test_mistakes_have_their_place(fields: dict[str, Any], place: str, words: str) -> None:
    base = {"inputs": [port("i", "File")], "steps": [step("S", TAKES_FILE, {"x": "#i"})]}
    with pytest.raises(DocumentError) as caught:
        load_document(draft2_workflow(**base | fields))
    assert any(problem.where == place and words in problem.what for problem in caught.value.problems), str(caught.value)


def test_a_broken_workflow_still_has_its_ports() -> None:
    found = examine(draft2_workflow(inputs=[port("i", "File")], steps=[step("S", TAKES_FILE, {"x": "#nope"})]))
    assert [each.id for each in found.process.inputs] == ["i"]
    assert len(found.broken) == 1


@pytest.mark.parametrize(
    ("sink", "source", "value", "seen"),
    [
        (TAKES_FILE, "File", FILES[0], [FILES[0]]),
        (TAKES_FILES, "File", FILES[0], [[FILES[0]]]),
        (TAKES_FILES, array("File"), FILES, [FILES]),
        (TAKES_FILES, array("File"), FILES[:1], [FILES[:1]]),
        (TAKES_FILE, array("File"), FILES[:1], [FILES[0]]),
        (TAKES_FILE, array("File"), FILES, [FILES[0]]),
        (TAKES_FILES, array(array("File")), [FILES[:2], FILES[2:]], [FILES]),
        (TAKES_FILES, array("File"), None, [None]),
        (TAKES_FILES, array(array(array("File"))), [[FILES[:1], FILES[1:2]], [FILES[2:]]], [FILES]),
        (TAKES_FILE, array(array("File")), [FILES[:2], FILES[2:]], [FILES[0]]),
        (draft2_tool(inputs=[port("x", ["null", "File"])]), array("File"), [], [None]),
        (draft2_tool(inputs=[port("x", array(array("File")))]), array(array("File")), [FILES], [[FILES]]),
        (draft2_tool(inputs=[port("x", "string")]), "int", 3, [3]),
        (draft2_tool(inputs=[port("x", "int")]), "string", "3", ["3"]),
        (draft2_tool(inputs=[port("x", "int")]), "float", 2.5, [2.5]),
        (draft2_tool(inputs=[port("x", array("string"))]), "string", "a", ["a"]),
        (draft2_tool(inputs=[port("x", {"type": "enum", "symbols": ["a"], "name": "e"})]), "string", "b", ["b"]),
        (draft2_tool(inputs=[port("x", ["null", "string"])]), "File", FILES[0], [FILES[0]]),
        (TAKES_FILES, array(["null", "File"]), [None, FILES[0]], [[None, FILES[0]]]),
        (draft2_tool(inputs=[port("x", array("string"))]), array(array("string")), [["a"], ["b"]], [["a", "b"]]),
    ],
)
def test_loose_types_between_ports(sink: Any, source: Any, value: Any, seen: Any, javascript: JavaScript) -> None:
    assert fed(sink, source, value, javascript) == seen


def test_an_optional_value_fails_only_when_it_is_missing(javascript: JavaScript) -> None:
    assert "required" in fed(TAKES_FILE, ["null", "File"], None, javascript) or "must be" in fed(
        TAKES_FILE, ["null", "File"], None, javascript
    )


def test_types_that_cannot_fit_are_a_doubt_and_fail_when_they_come(javascript: JavaScript) -> None:
    document = draft2_workflow(inputs=[port("i", "string")], steps=[step("S", TAKES_FILE, {"x": "#i"})])
    examined = examine(document)
    assert examined.broken == ()
    assert ["cannot be File" in doubt.what for doubt in examined.doubts] == [True]
    assert "File" in fed(TAKES_FILE, "string", "text", javascript)


def test_an_input_that_is_not_connected_is_a_doubt() -> None:
    examined = examine(draft2_workflow(steps=[step("S", TAKES_FILE)]))
    assert examined.broken == ()
    assert "not connected" in examined.doubts[0].what


@pytest.mark.parametrize(
    ("merge", "values", "expected"),
    [
        (None, (FILES[0], FILES[1]), FILES[:2]),
        (None, (FILES[0], None), FILES[:1]),
        (None, (None, None), []),
        (None, (FILES[:2], FILES[2]), FILES),
        ("merge_nested", (FILES[:2], FILES[2:]), FILES),
        ("merge_flattened", (FILES[:2], FILES[2:]), FILES),
    ],
)
def test_several_sources(merge: str | None, values: Any, expected: Any, javascript: JavaScript) -> None:
    link = {"source": ["#i", "#j"]} | ({"linkMerge": merge} if merge else {})
    process = load_workflow(
        inputs=[port("i", ["null", "File", *array("File")]), port("j", ["null", "File", *array("File")])],
        steps=[step("S", TAKES_FILES, {"x": link})],
        outputs=[{"id": "#o", "type": array("File"), "source": ["#S.y"]}],
    )
    assert process.steps[0].inputs[0].link_merge == (LinkMerge(merge) if merge else None)
    execution = played(process, dict(zip("ij", values, strict=True)), {}, javascript)
    assert execution.outputs == {"o": expected}


@pytest.mark.parametrize(
    ("kind", "value", "sink", "outputs"),
    [
        (array("File"), FILES, TAKES_FILE, FILES),
        (array("File"), FILES[:1], TAKES_FILE, FILES[:1]),
        (array("File"), [], TAKES_FILE, []),
        (array(array("File")), [FILES[:2], FILES[2:]], TAKES_FILES, [FILES[:2], FILES[2:]]),
        (array(array("File")), [FILES[:1], FILES[1:2]], TAKES_FILE, FILES[:2]),
    ],
)
def test_scatter(kind: Any, value: Any, sink: Any, outputs: Any, javascript: JavaScript) -> None:
    """Workflow outputs keep the list that a scatter makes, whatever their type says."""
    process = load_workflow(
        inputs=[port("i", kind)],
        steps=[step("S", sink, {"x": ["#i"]}, scatter="#S.x")],
        outputs=[{"id": "#o", "type": ["File"], "source": ["#S.y"]}],
    )
    assert process.steps[0].scatter == ("x",)
    execution = played(process, {"i": value}, {}, javascript)
    assert execution.outputs == {"o": outputs}


@pytest.mark.parametrize(
    ("sink", "merge", "values", "jobs"),
    [
        (TAKES_FILE, None, (FILES[0], FILES[1]), FILES[:2]),
        (TAKES_FILE, None, (FILES[:2], FILES[2:]), FILES),
        (TAKES_FILE, None, (FILES[:2], FILES[2]), FILES),
        (TAKES_FILE, None, (FILES[:2], None), FILES[:2]),
        (TAKES_FILE, "merge_nested", (FILES[0], FILES[1]), FILES[:2]),
        (TAKES_FILE, "merge_flattened", (FILES[:2], FILES[2:]), FILES),
        (TAKES_FILES, None, (FILES[:2], FILES[2:]), [FILES[:2], FILES[2:]]),
        (TAKES_FILES, "merge_nested", (FILES[:2], FILES[2:]), [FILES[:2], FILES[2:]]),
    ],
)
def test_several_sources_of_a_scattered_port(
    sink: Any, merge: str | None, values: Any, jobs: Any, javascript: JavaScript
) -> None:
    """Every file has its job; a port that takes lists has one for each source."""
    link = {"source": ["#i", "#j"]} | ({"linkMerge": merge} if merge else {})
    either = ["null", "File", *array("File")]
    process = load_workflow(
        inputs=[port("i", either), port("j", either)],
        steps=[step("S", sink, {"x": link}, scatter="#S.x")],
        outputs=[{"id": "#o", "type": array("File"), "source": ["#S.y"]}],
    )
    assert played(process, dict(zip("ij", values, strict=True)), {}, javascript).outputs == {"o": jobs}


@pytest.mark.parametrize(
    ("kind", "merge", "expected"),
    [
        (array("File"), None, FILES),
        (array("File"), "merge_flattened", FILES),
        (array(array("File")), None, [FILES[:2], FILES[2:]]),
    ],
)
def test_several_sources_of_an_output(kind: Any, merge: str | None, expected: Any, javascript: JavaScript) -> None:
    source = {"source": ["#i", "#j", "#none"]} | ({"linkMerge": merge} if merge else {})
    process = load_workflow(
        inputs=[port("i", array("File")), port("j", array("File")), port("none", array("File"))],
        outputs=[{"id": "#o", "type": kind} | source],
    )
    assert played(process, {"i": FILES[:2], "j": FILES[2:]}, {}, javascript).outputs == {"o": expected}


def test_a_scattered_port_needs_a_list(javascript: JavaScript) -> None:
    assert "needs a list" in fed(TAKES_FILE, "File", FILES[0], javascript, scatter="#s.x")


def test_scatter_forms_and_methods(javascript: JavaScript) -> None:
    two = draft2_tool(inputs=[port("x", "File"), port("n", "int")], outputs=[output("y")])
    ports = {"x": "#i", "n": "#n"}
    inputs = [port("i", array("File")), port("n", array("int"))]
    process = load_workflow(inputs=inputs, steps=[step("S", two, ports, scatter=["#S.x", "#S.n"])])
    assert process.steps[0].scatter_method is ScatterMethod.DOTPRODUCT
    seen = [(job.inputs["x"], job.inputs["n"]) for job in Execution(
        process, {"i": FILES, "n": [1, 2, 3]}, lambda each: evaluator_for(each, javascript)).start()]  # fmt: skip
    assert seen == list(zip(FILES, [1, 2, 3], strict=True))
    crossed = step("S", two, ports, scatter=["#S.x", "#S.n"], scatterMethod="flat_crossproduct")
    assert load_workflow(inputs=inputs, steps=[crossed]).steps[0].scatter_method is ScatterMethod.FLAT_CROSSPRODUCT
    nothings: list[Any] = [None, "", []]
    for nothing in nothings:
        assert load_workflow(steps=[step("S", two, scatter=nothing)]).steps[0].scatter == ()


def test_versions_are_inherited_and_mixed(javascript: JavaScript) -> None:
    bare = {key: value for key, value in TAKES_FILE.items() if key != "cwlVersion"}
    bare["outputs"] = [output("y", glob=expression("$job.inputs.x.name"))]
    inner = {"class": "Workflow", "cwlVersion": "v1.2", "inputs": {"x": "File"},
             "steps": {"t": {"run": V1_TOOL, "in": {"x": "x"}, "out": ["y"]}},
             "outputs": {"y": {"type": "File", "outputSource": "t/y"}}}  # fmt: skip
    old = step("old", bare, {"x": "#i"})
    new = {
        "id": "#new",
        "run": V1_TOOL,
        "inputs": [{"id": "#new.x", "source": ["#old.y"]}],
        "outputs": [{"id": "#new.y"}],
    }
    sub = {"id": "#sub", "run": inner, "inputs": [{"id": "#sub.x", "source": "#new.y"}], "outputs": [{"id": "#sub.y"}]}
    process = load_workflow(
        inputs=[port("i", "File")], steps=[old, new, sub], outputs=[{"id": "#o", "type": "File", "source": "#sub.y"}]
    )
    assert [each.run.cwl_version for each in process.steps] == ["sbg:draft-2", "v1.0", "v1.2"]
    assert played(process, {"i": FILES[0]}, {}, javascript).outputs == {"o": FILES[0]}
    assert process.steps[1].run.requirement("ShellCommandRequirement") is None


def test_draft_2_inside_cwl_v1(javascript: JavaScript) -> None:
    document = {
        "class": "Workflow", "cwlVersion": "v1.2", "inputs": {"i": "File[]"},
        "requirements": {
            "ScatterFeatureRequirement": {}, "InlineJavascriptRequirement": {"expressionLib": ["'use strict'"]},
            "ResourceRequirement": {"ramMin": "$(inputs.x.size)"}, "EnvVarRequirement": {"envDef": {"V": "w"}},
        },
        "steps": {
            "s": {"run": TAKES_FILE | {"hints": [{"class": "sbg:CPURequirement", "value": expression("1 + 1")}]},
                  "scatter": "x", "in": {"x": "i"}, "out": ["y"]},
            "t": {"run": V1_TOOL, "scatter": "x", "in": {"x": "s/y"}, "out": ["y"]},
        },
        "outputs": {"o": {"type": "File[]", "outputSource": "t/y"}},
    }  # fmt: skip
    process = load_document(document)
    assert isinstance(process, Workflow)
    tool = process.steps[0].run
    assert isinstance(tool, CommandLineTool)
    assert (tool.cwl_version, tool.requirement("ResourceRequirement")) == ("sbg:draft-2", None)
    assert tool.requirement("EnvVarRequirement") is not None
    assert tool.requirement("InlineJavascriptRequirement") is None
    assert played(process, {"i": FILES}, {}, javascript).outputs == {"o": FILES}


def test_what_expressions_stand_in_does_not_cross_into_cwl_v1() -> None:
    process = load_workflow(
        hints=[
            {"class": "sbg:CPURequirement", "value": expression("2")},
            {"class": "sbg:MemRequirement", "value": 500},
        ],
        inputs=[port("i", "File")],
        steps=[{"id": "#n", "run": V1_TOOL, "inputs": [{"id": "#n.x", "source": "#i"}], "outputs": []}],
    )
    assert process.steps[0].run.requirement("sbg:CPURequirement") is None
    assert process.steps[0].run.requirement("sbg:MemRequirement") == {"value": 500}


UNMARKED = {"class": "CommandLineTool", "inputs": [], "outputs": [], "baseCommand": "a"}


@pytest.mark.parametrize(
    "document",
    [
        UNMARKED | {"inputs": [port("x")]},
        UNMARKED | {"inputs": [port("x")], "cwlVersion": None},
        UNMARKED | {"inputs": [port("x")], "cwlVersion": ""},
        UNMARKED | {"baseCommand": [expression("'a'")]},
        UNMARKED | {"requirements": [{"class": "ExpressionEngineRequirement", "id": "#cwl-js-engine"}]},
        {"class": "Workflow", "inputs": [], "outputs": [], "steps": [{"id": "s", "run": UNMARKED, "inputs": []}]},
    ],
)
def test_old_exports_without_a_version(document: dict[str, Any]) -> None:
    assert load_document(document).cwl_version == "sbg:draft-2"


@pytest.mark.parametrize(
    "fields",
    [
        {"baseCommand": [expression("'echo'")]},
        {"arguments": [{"valueFrom": expression("1")}]},
        {"inputs": [bound("x", "File", valueFrom=expression("$self.path"))]},
        {"outputs": [output("o", "File", glob=expression("'*'"))]},
        {"stdout": expression("'out'")},
    ],
)
@pytest.mark.parametrize("version", ["v1.0", "v1.2"])
def test_a_tool_that_says_it_is_of_cwl_v1_and_cannot_be(fields: dict[str, Any], version: str) -> None:
    loaded = examine(draft2_tool(**fields, cwlVersion=version))
    assert loaded.process.cwl_version == "sbg:draft-2"
    (doubt,) = [each for each in loaded.doubts if each.where == "cwlVersion"]
    assert doubt.what == f"says {version}, but is written in sbg:draft-2, and taken for that"
    # What it runs, or what runs it, is of the version that it has.
    inner = {key: value for key, value in draft2_tool(**fields).items() if key != "cwlVersion"}
    given = {"x": {"default": 1}} if "inputs" in fields else {}
    outer = {"class": "Workflow", "cwlVersion": version, "inputs": {}, "outputs": {},
             "steps": {"s": {"run": inner, "in": given, "out": []}}}  # fmt: skip
    workflow = load_document(outer)
    assert isinstance(workflow, Workflow)
    assert (workflow.cwl_version, workflow.steps[0].run.cwl_version) == (version, "sbg:draft-2")


def test_a_workflow_that_says_it_is_of_cwl_v1_and_cannot_be(javascript: JavaScript) -> None:
    inner = draft2_tool(cwlVersion="v1.0", inputs=[port("x", "int")], outputs=[output("o", "File", glob="*")])
    document = draft2_workflow(
        cwlVersion="v1.0", inputs=[port("i", "int")], steps=[step("S", inner, {"x": "#i"})],
        outputs=[{"id": "#o", "type": "File", "source": "#S.o"}],
    )  # fmt: skip
    workflow = load_document(document)
    assert isinstance(workflow, Workflow)
    assert workflow.cwl_version == "sbg:draft-2"
    assert workflow.steps[0].run.cwl_version == "v1.0"
    assert workflow.outputs[0].source == ("S/o",)


@pytest.mark.parametrize(
    "fields",
    [
        {"hints": [{"class": "sbg:MemRequirement", "value": expression("1")}]},
        {"inputs": [{"id": "#x", "type": "Any", "default": expression("1")}]},
        {"sbg:job": {"inputs": {"x": expression("1")}}, "inputs": [{"id": "x", "type": "int?", "inputBinding": {}}]},
    ],
)
def test_what_converted_documents_still_hold_says_nothing_of_their_version(fields: dict[str, Any]) -> None:
    document = {"class": "CommandLineTool", "cwlVersion": "v1.0", "inputs": [], "outputs": [], "baseCommand": "true"}
    assert load_document(document | fields).cwl_version == "v1.0"


def test_a_document_without_version_and_marks_is_refused() -> None:
    with pytest.raises(DocumentError, match="cwlVersion"):
        load_document({"class": "CommandLineTool", "inputs": {"x": "File"}, "outputs": {}, "baseCommand": "a"})


def test_references_to_other_files(tmp_path: Path) -> None:
    (tmp_path / "tool.json").write_text(json.dumps(TAKES_FILE))
    for run in ("tool.json", {"import": "tool.json"}):
        document = draft2_workflow(inputs=[port("i", "File")], steps=[step("s", run, {"x": "#i"})])
        (tmp_path / "wf.json").write_text(json.dumps(document))
        process = load_path(tmp_path / "wf.json")
        assert isinstance(process, Workflow)
        assert [each.id for each in process.steps[0].run.inputs] == ["x"]
        with pytest.raises(DocumentError, match="outside of the document"):
            load_document(document)
        packed = load_document(pack(tmp_path / "wf.json"))
        assert isinstance(packed, Workflow)
        assert packed.steps[0].run == process.steps[0].run


def test_instance_types_of_workflows_go_before_those_of_steps_and_tools() -> None:
    hints = [[{"class": "sbg:AWSInstanceType", "value": name}] for name in ("workflow", "step", "tool")]
    tool = draft2_tool(hints=hints[2])
    for outer, inner, expected in ((hints[0], hints[1], "workflow"), ([], hints[1], "step"), ([], [], "tool")):
        process = load_workflow(hints=outer, steps=[step("s", tool, hints=inner)])
        assert process.steps[0].run.hints["sbg:AWSInstanceType"] == {"value": expected}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"id": "https://cgc-api.sbgenomics.com/v2/apps/user/project/my-tool/3/raw/"}, "my-tool"),
        ({"id": "user/project/my-tool/3"}, "my-tool"),
        ({"id": "x", "sbg:id": "user/project/my-tool/3"}, "my-tool"),
        ({"id": "#main"}, "main"),
        ({"label": "A tool"}, "A tool"),
    ],
)
def test_names_of_apps(given: dict[str, Any], name: str) -> None:
    document = {key: value for key, value in draft2_tool().items() if key != "id"} | given
    assert load_document(document).id == name


def test_an_expression_tool(javascript: JavaScript) -> None:
    document = {
        "class": "ExpressionTool", "cwlVersion": "sbg:draft-2", "inputs": [port("n", "int")],
        "outputs": [{"id": "#m", "type": "int"}], "expression": expression("{ return {m: $job.inputs.n + 1} }"),
    }  # fmt: skip
    process = load_document(document)
    assert isinstance(process, ExpressionTool)
    assert run_expression(process, {"n": 1}, evaluator_for(process, javascript)) == {"m": 2}


def test_what_editors_leave_at_the_inputs_of_workflows_says_nothing() -> None:
    process = load_workflow(inputs=[bound("i", "File", prefix="-i", loadContents=True)])
    assert (process.inputs[0].binding, process.inputs[0].load_contents) == (None, False)


def test_inputs_of_workflows_have_the_secondary_files_of_the_tools_behind_them() -> None:
    tool = draft2_tool(inputs=[bound("x", "File", secondaryFiles=["bai", "^.dict"])], outputs=[])
    inner = draft2_workflow(inputs=[port("y", "File")], steps=[step("s", tool, {"x": "#y"})])
    process = load_workflow(
        inputs=[port("i", "File"), port("j", "File")],
        steps=[step("w", inner, {"y": ["#i"]}), step("s", tool, {"x": "#i"})],
    )
    assert [(each.pattern, each.required) for each in process.inputs[0].secondary_files] == [
        (".bai", False), ("^.dict", False)]  # fmt: skip
    assert process.inputs[1].secondary_files == ()


COPY = draft2_tool(id="#copy", inputs=[port("x", "File")], outputs=[output("y", glob="*")])
SPELLINGS: dict[str, dict[str, Any]] = {
    "without marks": {
        "inputs": [{"id": "i", "type": "File"}], "outputs": [{"id": "o", "type": "File", "source": "S.y"}],
        "steps": [{"id": "S", "run": COPY, "inputs": [{"id": "S.x", "source": "i"}], "outputs": [{"id": "S.y"}]}],
    },
    "as in CWL v1": {
        "inputs": {"i": "File"}, "outputs": {"o": {"type": "File", "source": "S/y"}},
        "steps": {"S": {"run": COPY, "in": [{"id": "x", "source": "i"}], "out": ["y"]}},
    },
    "a graph": {
        "class": None, "$graph": [COPY, draft2_workflow(
            id="#main", inputs=[port("i", "File")], outputs=[{"id": "#o", "type": "File", "source": ["#S.y"]}],
            steps=[step("S", "#copy", {"x": "#i"}, outputs=[{"id": "#S.y"}])])],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_other_spellings_of_the_same_workflow(name: str) -> None:
    document = {key: value for key, value in (draft2_workflow() | SPELLINGS[name]).items() if value is not None}
    process = load_document(document)
    assert isinstance(process, Workflow)
    assert [port.id for port in process.inputs] == ["i"]
    assert [(port.id, port.source) for port in process.outputs] == [("o", ("S/y",))]
    assert [(each.id, each.source) for each in process.steps[0].inputs] == [("x", ("i",))]
    assert process.steps[0].outputs == ("y",)
