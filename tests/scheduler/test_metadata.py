"""Metadata through jobs: what expressions see, what outputs get, and what a passed-through file keeps."""

from typing import Any

import pytest

from araneus.model.file import MAX_METADATA_PAIRS
from araneus.model.task import Status, Task
from tests.scheduler.house import House, small, tool

LIBRARY = """
function setMetadata(file, pairs) {
    if (!("metadata" in file)) file["metadata"] = {};
    for (var key in pairs) file["metadata"][key] = pairs[key];
    return file;
}
function inheritMetadata(files, inputs) {
    var list = [].concat(inputs || []), shared = list.length ? Object.assign({}, list[0].metadata) : {};
    list.forEach(function (one) {
        for (var key in shared) if (!one.metadata || one.metadata[key] != shared[key]) delete shared[key];
    });
    [].concat(files).forEach(function (file) { setMetadata(file, shared); });
    return files;
}
"""
JS = {"class": "InlineJavascriptRequirement", "expressionLib": [LIBRARY]}
ONE = {"sample_id": "S", "library_id": "L1"}
TWO = {"sample_id": "S", "library_id": "L2"}


def app(command: str, inputs: Any, binding: Any, kind: Any = "File", *, more: Any = (), **port: Any) -> dict[str, Any]:
    """A tool with one output."""
    outputs = {"out": {"type": kind, "outputBinding": binding, **port}}
    return tool(command, inputs=inputs, outputs=outputs, requirements=[JS, small(), *more])


def run(house: House, document: dict[str, Any], **inputs: Any) -> Task:
    with house.scheduling():
        task = house.wait(house.queue(house.install(document), inputs))
    assert task.status is Status.COMPLETED, task.progress
    return task


def metadata(house: House, value: dict[str, Any]) -> dict[str, Any]:
    """Of the project's file, which the task's output must show as it is."""
    file = house.file(value["path"])
    assert value.get("metadata", {}) == file.metadata
    return file.metadata


def test_an_output_inherits_and_sets_with_the_functions_of_the_editor(house: House) -> None:
    evaluate = "$(setMetadata(inheritMetadata(self[0], inputs.x), {'n': 7, 'none': null, 'sample_id': 'T'}))"
    document = app("echo > out", {"x": "File"}, {"glob": "out", "outputEval": evaluate})
    task = run(house, document, x=house.upload("a", b"", metadata=ONE))
    assert metadata(house, task.outputs["out"]) == {"sample_id": "T", "library_id": "L1", "n": "7"}


@pytest.mark.parametrize("given", ["x", "#x", ["x", "#y"], ["x", "nothing", "empty"]])
def test_inheriting_from_one_input_and_from_several(house: House, given: Any) -> None:
    inputs = {"x": "File[]", "y": "File?", "empty": "File?"}
    document = app("echo > out", inputs, {"glob": "out", "sbg:inheritMetadataFrom": given})
    one, two = house.upload("a", b"", metadata=ONE), house.upload("b", b"", metadata=TWO)
    both = given != ["x", "#y"]
    task = run(house, document, x=[one, two] if both else [one], y=None if both else two)
    assert metadata(house, task.outputs["out"]) == {"sample_id": "S"}


def test_what_the_binding_says_wins_over_what_is_inherited(house: House) -> None:
    says = {"library_id": "$(inputs.s)", "name": "$(self.basename)", "plain": "text", "none": "$(null)"}
    binding = {"glob": "out*", "sbg:metadata": says, "sbg:inheritMetadataFrom": "x"}
    document = app("echo > out1; echo > out2", {"x": "File", "s": "string"}, binding, "File[]")
    task = run(house, document, x=house.upload("a", b"", metadata=ONE), s="said")
    own = {"sample_id": "S", "library_id": "said", "plain": "text"}
    assert [metadata(house, value) for value in task.outputs["out"]] == [
        {**own, "name": "out1"},
        {**own, "name": "out2"},
    ]


@pytest.mark.parametrize(
    "binding",
    [
        {"outputEval": "$(inheritMetadata(self, inputs.x))"},
        {"sbg:inheritMetadataFrom": "x"},
        {"sbg:metadata": ONE},
    ],
)
def test_secondary_files_of_an_output_say_the_same(house: House, binding: dict[str, Any]) -> None:
    document = app("echo > a.bam; echo > a.bam.bai", {"x": "File"}, {"glob": "a.bam", **binding}, secondaryFiles=".bai")
    task = run(house, document, x=house.upload("a", b"", metadata=ONE))
    (index,) = task.outputs["out"]["secondaryFiles"]
    assert metadata(house, task.outputs["out"]) == metadata(house, index) == ONE


def test_a_secondary_file_of_which_the_app_says_something_keeps_that(house: House) -> None:
    evaluate = """${self[0].secondaryFiles = [{class: "File", path: "a.bam.bai", metadata: {own: "1"}}];
        return inheritMetadata(self, inputs.x);}"""
    document = app("echo > a.bam; echo > a.bam.bai", {"x": "File"}, {"glob": "a.bam", "outputEval": evaluate})
    task = run(house, document, x=house.upload("a", b"", metadata=ONE))
    (index,) = task.outputs["out"]["secondaryFiles"]
    assert (metadata(house, task.outputs["out"]), metadata(house, index)) == (ONE, {"own": "1"})


@pytest.mark.parametrize("writable", [True, False])
def test_an_input_that_is_staged_and_collected_keeps_its_metadata(house: House, writable: bool) -> None:
    listing = [{"entry": "$(inputs.x)", "writable": writable}]
    workdir = {"class": "InitialWorkDirRequirement", "listing": listing}
    value = house.upload("a.bam", b"", metadata=ONE)
    task = run(house, app("true", {"x": "File"}, {"glob": "*.bam"}, more=[workdir]), x=value)
    assert metadata(house, task.outputs["out"]) == ONE
    assert (task.outputs["out"]["path"] == value["path"]) is not writable


@pytest.mark.parametrize("kind", ["copy", "link"])
def test_an_input_that_its_port_stages_keeps_its_metadata(house: House, kind: str) -> None:
    document = app("ls a.bam", {"x": {"type": "File", "sbg:stageInput": kind}}, {"glob": "*.bam"})
    task = run(house, document, x=house.upload("a.bam", b"", metadata=ONE))
    assert metadata(house, task.outputs["out"]) == ONE


def test_a_passed_through_file_of_which_the_app_says_more_is_a_new_file(house: House) -> None:
    evaluate = {"outputEval": "$(setMetadata(inputs.x, {'group': 'g'}))"}
    value = house.upload("a.bam", b"bytes", metadata=ONE)
    task = run(house, app("true", {"x": "File"}, evaluate), x=value)
    made = task.outputs["out"]
    assert metadata(house, made) == {**ONE, "group": "g"}
    assert (made["name"], house.content(made)) == ("_1_a.bam", b"bytes")
    assert house.file(made["path"]).origin_task == task.id
    assert house.file(value["path"]).metadata == ONE


def test_a_passed_through_file_of_which_the_app_says_the_same_is_the_same_file(house: House) -> None:
    evaluate = {"outputEval": "$(setMetadata(inheritMetadata(inputs.x, inputs.x), {'n': 5}))"}
    value = house.upload("a.bam", b"bytes", metadata={**ONE, "n": "5"})
    task = run(house, app("true", {"x": "File"}, evaluate), x=value)
    assert task.outputs["out"]["path"] == value["path"]


def test_metadata_of_files_in_records(house: House) -> None:
    evaluated = {"glob": "1", "outputEval": "$(inheritMetadata(self[0], inputs.r.f))"}
    fields = [
        {"name": "eval", "type": "File", "outputBinding": evaluated},
        {"name": "key", "type": "File", "outputBinding": {"glob": "2", "sbg:inheritMetadataFrom": "r"}},
    ]
    record = {"type": "record", "name": "r", "fields": [{"name": "f", "type": "File"}, {"name": "n", "type": "int"}]}
    outputs = {"out": {"type": {"type": "record", "name": "o", "fields": fields}}}
    document = tool("echo > 1; echo > 2", inputs={"r": {"type": record}}, outputs=outputs, requirements=[JS])
    task = run(house, document, r={"f": house.upload("a", b"", metadata=ONE), "n": 1})
    assert [metadata(house, task.outputs["out"][name]) for name in ("eval", "key")] == [ONE, ONE]


def test_metadata_goes_through_scatters_and_between_files_and_lists(house: House) -> None:
    inherits = {"glob": "*.o", "outputEval": "$(inheritMetadata(self, inputs.x))"}
    each = app("echo > $(inputs.x.nameroot).o", {"x": "File"}, inherits)
    all_ = app("echo > all.o", {"x": "File[]"}, inherits)
    steps = [
        {"id": "each", "run": each, "scatter": "x", "in": [{"id": "x", "source": "xs"}], "out": ["out"]},
        {"id": "all", "run": all_, "in": [{"id": "x", "source": "each/out"}], "out": ["out"]},
        {"id": "wrap", "run": all_, "in": [{"id": "x", "source": "all/out"}], "out": ["out"]},
    ]
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"xs": "File[]"},
        "outputs": {
            "each": {"type": "File[]", "outputSource": "each/out"},
            "all": {"type": "File", "outputSource": "all/out"},
            "wrap": {"type": "File", "outputSource": "wrap/out"},
        },
        "steps": steps,
    }
    task = run(house, document, xs=[house.upload("a", b"", metadata=ONE), house.upload("b", b"", metadata=TWO)])
    assert [metadata(house, value) for value in task.outputs["each"]] == [ONE, TWO]
    assert metadata(house, task.outputs["all"]) == metadata(house, task.outputs["wrap"]) == {"sample_id": "S"}


def test_what_an_expression_tool_says_of_files_is_kept(house: House) -> None:
    document = {
        "class": "ExpressionTool",
        "cwlVersion": "v1.2",
        "requirements": [JS],
        "inputs": {"x": "File"},
        "outputs": {"same": "File", "other": "File"},
        "expression": "${return {same: inputs.x, other: setMetadata(JSON.parse(JSON.stringify(inputs.x)), {g: 'g'})}}",
    }
    value = house.upload("a", b"", metadata=ONE)
    task = run(house, document, x=value)
    assert task.outputs["same"]["path"] == value["path"]
    assert metadata(house, task.outputs["other"]) == {**ONE, "g": "g"}


@pytest.mark.parametrize(
    ("port", "binding"),
    [
        ({}, {"glob": "out", "sbg:inheritMetadataFrom": "x"}),
        ({"sbg:stageInput": "copy"}, {"glob": "*.bam"}),
        ({"sbg:stageInput": "link"}, {"glob": "*.bam"}),
    ],
)
def test_a_result_that_is_used_again_has_the_metadata_of_this_task(house: House, port: Any, binding: Any) -> None:
    document = app("echo > out", {"x": {"type": "File", **port}}, binding)
    settings = {"execution_settings": {"use_memoization": True}}
    identity = house.install(document)
    for number, said in enumerate((ONE, ONE, TWO)):
        value = house.upload("a.bam", b"", house.folder(str(number)), metadata=said)
        with house.scheduling():
            task = house.wait(house.queue(identity, {"x": value}, **settings))
        assert metadata(house, task.outputs["out"]) == said
        (job,) = house.jobs(task.id)
        assert job.reuse is not None
        assert job.reuse.reused or number != 1


@pytest.mark.parametrize("kind", ["copy", "link"])
def test_a_port_stages_the_files_of_lists_and_records_with_what_belongs_to_them(house: House, kind: str) -> None:
    record = {"type": "record", "name": "r", "fields": [{"name": "f", "type": "File", "secondaryFiles": [".bai"]}]}
    inputs = {"r": {"type": {"type": "array", "items": record}, "sbg:stageInput": kind}}
    house.upload("a.bam.bai", b"")
    task = run(house, app("ls > out", inputs, {"glob": "out"}), r=[{"f": house.upload("a.bam", b"")}])
    assert house.content(task.outputs["out"]).split() == [b"a.bam", b"a.bam.bai", b"out"]


def test_more_metadata_than_a_file_may_have(house: House) -> None:
    evaluate = """${var all = {}; for (var i = 0; i < 50000; i++) all["k" + i] = "v";
        return setMetadata(self[0], all);}"""
    task = run(house, app("echo > out", {}, {"glob": "out", "outputEval": evaluate}))
    assert len(metadata(house, task.outputs["out"])) == MAX_METADATA_PAIRS


def test_expressions_in_every_place_see_the_metadata(house: House) -> None:
    """In the order of a tool's life: what it needs, what is put in place, its words, its names, its outputs."""
    its = "$(inputs.f.metadata['sample id'])"
    secondary = [".idx", "${ return inputs.f.metadata.n == '7' ? [] : '.none'; }"]
    document = {
        "class": "CommandLineTool", "cwlVersion": "v1.2", "stdout": f"{its}.out",
        "requirements": [
            JS,
            {"class": "ResourceRequirement", "coresMin": 0.1, "ramMin": "$(Number(inputs.f.metadata.n) * 10)"},
            {"class": "EnvVarRequirement", "envDef": {"SAMPLE": its}},
            {"class": "InitialWorkDirRequirement", "listing": [{"entryname": f"{its}.cfg", "entry": f"cfg {its}"}]},
        ],
        "baseCommand": ["sh", "-c", 'echo "$@" $SAMPLE; cat *.cfg', "tool"],
        "arguments": [its, "$(inputs.f.secondaryFiles[0].metadata.kind)", "$(inputs.f.metadata.both.join('+'))",
                      "$(runtime.ram)", "$(String(inputs.none.metadata.x))"],
        "inputs": {
            "f": {"type": "File", "secondaryFiles": secondary,
                  "inputBinding": {"position": 1, "valueFrom": "$(self.metadata.n)"}},
            "none": "File",
        },
        "outputs": {
            "out": {"type": "File", "outputBinding": {"glob": f"{its}.*ut"}},
            "said": {"type": "string", "outputBinding": {"outputEval": f"said {its}"}},
        },
    }  # fmt: skip
    file = house.upload("a.txt", b"", metadata={"sample id": "S 1", "n": "7", "both": ["x", "y"]})
    house.upload("a.txt.idx", b"", metadata={"kind": "index"})
    task = run(house, document, f=file, none=house.upload("b.txt", b""))
    assert house.content(task.outputs["out"]) == b"S 1 index x+y 70 undefined 7 S 1\ncfg S 1"
    assert (task.outputs["out"]["name"], task.outputs["said"]) == ("S 1.out", "said S 1")


def test_steps_see_what_earlier_ones_said_of_files(house: House) -> None:
    """Of files that a tool made, of literals of a script, and of files that were passed through."""
    made = app("echo > out", {}, {"glob": "out", "outputEval": "$(setMetadata(self[0], {'id': 'made'}))"})
    script = """${ return {lit: {class: "File", basename: "l", contents: "", metadata: {id: "literal"}},
        same: inputs.f}; }"""
    thought = {
        "class": "ExpressionTool", "requirements": [JS], "expression": script, "inputs": {"f": "File"},
        "outputs": {"lit": "File", "same": "File"},
    }  # fmt: skip
    told = tool("echo $(inputs.label)", inputs={"f": "File", "label": "string?"}, requirements=[JS, small()])
    told |= {"stdout": "told", "outputs": {"told": "stdout"}}
    label = {"valueFrom": "$(inputs.f.metadata.id)"}
    steps: dict[str, Any] = {
        "make": {"run": made, "in": {}, "out": ["out"]},
        "think": {"run": thought, "in": {"f": "f"}, "out": ["lit", "same"]},
        "all": {"run": told, "scatter": "f", "in": {"f": ["make/out", "think/lit", "think/same"], "label": label},
                "out": ["told"]},
        "some": {"run": told, "scatter": "f", "when": "$(inputs.f.metadata.id == 'literal')", "out": ["told"],
                 "in": {"f": ["make/out", "think/lit", "think/same"], "label": label}},
    }  # fmt: skip
    features = ("Scatter", "MultipleInput")
    some = ["null", {"type": "array", "items": ["null", "File"]}]
    document = {
        "class": "Workflow", "cwlVersion": "v1.2", "inputs": {"f": "File"}, "steps": steps,
        "requirements": [JS, {"class": "StepInputExpressionRequirement"},
                         *({"class": f"{name}FeatureRequirement"} for name in features)],
        "outputs": {"all": {"type": "File[]", "outputSource": "all/told"},
                    "some": {"type": some, "outputSource": "some/told"},
                    "same": {"type": "File", "outputSource": "think/same"}},
    }  # fmt: skip
    given = house.upload("a", b"", metadata={"id": "given"})
    task = run(house, document, f=given)
    assert [house.content(value) for value in task.outputs["all"]] == [b"made\n", b"literal\n", b"given\n"]
    assert [value and house.content(value) for value in task.outputs["some"]] == [None, b"literal\n", None]
    assert task.outputs["same"]["path"] == given["path"]
