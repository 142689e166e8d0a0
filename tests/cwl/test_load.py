"""App bodies to the normal form: every form that a document may take, and what is said of mistakes."""

from typing import Any

import pytest

from araneus.cwl.load import load_document
from araneus.cwl.process import (
    MISSING,
    Binding,
    ExpressionTool,
    LinkMerge,
    Listing,
    OutputBinding,
    PickValue,
    ScatterMethod,
    SecondaryFile,
    StepInput,
    Workflow,
)
from araneus.cwl.types import FILE, ArrayType, EnumType, Primitive, RecordType, describe
from tests.cwl.loading import COPY, load_tool, load_workflow, step, tool, workflow

STRING = Primitive("string")


def test_a_tool_in_full() -> None:
    found = load_tool(
        id="#main",
        label="Sort",
        inputs=[
            {
                "id": "#main/reads",
                "type": ["null", "File"],
                "secondaryFiles": [".bai", "^.bai?"],
                "inputBinding": {"position": 2, "prefix": "-i", "separate": False, "shellQuote": False},
                "sbg:fileTypes": "BAM",
                "label": "Reads",
            }
        ],
        outputs=[{"id": "#main/sorted", "type": "File", "outputBinding": {"glob": ["*.bam", "*.sam"]}}],
        baseCommand=["samtools", "sort"],
        arguments=["-l", {"position": 1, "prefix": "-m", "valueFrom": "$(runtime.ram)M"}],
        stdout="out.txt",
        successCodes=[0, 3],
        **{"sbg:toolkit": "SAMtools"},
    )
    assert found.id == "main"
    assert found.cwl_version == "v1.2"
    assert found.base_command == ("samtools", "sort")
    assert found.arguments == ("-l", Binding(position=1, prefix="-m", value_from="$(runtime.ram)M"))
    assert found.success_codes == {0, 3}
    assert found.extensions == {"sbg:toolkit": "SAMtools"}
    [reads] = found.inputs
    assert describe(reads.type) == "File?"
    assert reads.secondary_files == (SecondaryFile(pattern=".bai"), SecondaryFile(pattern="^.bai", required=False))
    assert reads.binding == Binding(position=2, prefix="-i", separate=False, shell_quote=False)
    assert reads.default is MISSING
    assert reads.extensions == {"sbg:fileTypes": "BAM"}
    assert found.outputs[0].binding == OutputBinding(glob=("*.bam", "*.sam"))


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        ({}, {0}),
        ({"successCodes": [1]}, {0, 1}),
        ({"successCodes": [0, 1]}, {0, 1}),
        ({"successCodes": [1], "permanentFailCodes": [0]}, {1}),
        ({"temporaryFailCodes": [0]}, set()),
        ({"successCodes": [0], "permanentFailCodes": [0]}, {0}),
    ],
)
def test_zero_is_a_success_unless_it_is_named_as_a_failure(codes: dict[str, list[int]], found: set[int]) -> None:
    assert load_tool(**codes).success_codes == found


def test_maps_and_lists_of_ports_are_the_same() -> None:
    listed = load_tool(inputs=[{"id": "a", "type": "int"}, {"id": "b", "type": ["null", "string"]}])
    mapped = load_tool(inputs={"a": "int", "b": ["null", "string"]})
    assert listed.inputs == mapped.inputs
    assert [port.id for port in listed.inputs] == ["a", "b"]


def test_a_default_of_null_is_a_default() -> None:
    [given, missing] = load_tool(inputs={"a": {"type": "int?", "default": None}, "b": "int?"}).inputs
    assert given.default is None
    assert missing.default is MISSING


def test_streams_become_files_with_names_that_stay() -> None:
    document = {"inputs": {"text": "stdin"}, "outputs": {"out": "stdout", "err": {"type": "stderr"}}}
    found = load_tool(**document)
    assert [port.type for port in found.inputs] == [FILE]
    assert [port.type for port in found.outputs] == [FILE, FILE]
    assert found.stdin == "$(inputs['text'].path)"
    assert found.stdout
    assert found.stderr
    assert found.stdout != found.stderr
    assert [port.binding for port in found.outputs] == [
        OutputBinding(glob=(found.stdout,)),
        OutputBinding(glob=(found.stderr,)),
    ]
    assert load_tool(**document).stdout == found.stdout


def test_a_named_stdout_is_found_even_with_glob_characters() -> None:
    found = load_tool(outputs={"out": "stdout"}, stdout="out[1]*.txt")
    assert found.stdout == "out[1]*.txt"
    assert found.outputs[0].binding == OutputBinding(glob=("out[[]1][*].txt",))
    named = load_tool(outputs={"out": "stdout"}, stdout="$(inputs.x[0])")
    assert named.outputs[0].binding == OutputBinding(glob=("$(inputs.x[0])",))


def test_older_places_of_load_contents_are_understood() -> None:
    [port] = load_tool(cwlVersion="v1.0", inputs={"a": {"type": "File", "inputBinding": {"loadContents": True}}}).inputs
    assert port.load_contents
    [port] = load_tool(inputs={"a": {"type": "Directory", "loadListing": "shallow_listing"}}).inputs
    assert port.load_listing is Listing.SHALLOW


def test_schema_definitions_are_known_by_short_and_full_names_in_any_order() -> None:
    types = [
        {"name": "#pairs.yml/pair", "type": "record", "fields": {"left": "side", "right": "side?"}},
        {"name": "side", "type": "enum", "symbols": ["a", "b"]},
    ]
    found = load_tool(
        requirements=[{"class": "SchemaDefRequirement", "types": types}],
        inputs={"one": "#pairs.yml/pair", "many": {"type": "pair[]?"}, "elsewhere": "lib.yml#pair"},
    )
    one, many, elsewhere = (port.type for port in found.inputs)
    assert isinstance(one, RecordType)
    assert one.name == "pair"
    assert isinstance(one.fields[0].type, EnumType)
    assert describe(many) == "record pair[]?"
    assert elsewhere == one


def test_types_of_the_workflow_reach_its_tools() -> None:
    found = load_workflow(
        requirements={"SchemaDefRequirement": {"types": {"side": {"type": "enum", "symbols": ["a"]}}}},
        inputs={"s": "side"},
        steps={"one": step(tool(inputs={"s": "side"}), **{"in": {"s": "s"}})},
    )
    assert found.steps[0].run.inputs[0].type == found.inputs[0].type


def test_a_workflow_with_full_ids_becomes_short() -> None:
    document = {
        "cwlVersion": "v1.0",
        "$graph": [
            {
                "class": "Workflow",
                "id": "#main",
                "inputs": [{"id": "#main/reads", "type": {"type": "array", "items": "File"}}],
                "outputs": [{"id": "#main/all", "type": "File[]", "outputSource": "#main/sort/y"}],
                "steps": [
                    {
                        "id": "#main/sort",
                        "run": "#copy.cwl",
                        "in": [{"id": "#main/sort/x", "source": "#main/reads"}],
                        "out": [{"id": "#main/sort/y"}],
                        "scatter": ["#main/sort/x"],
                    }
                ],
            },
            tool(
                id="#copy.cwl",
                inputs=[{"id": "#copy.cwl/x", "type": "File"}],
                outputs=[{"id": "#copy.cwl/y", "type": "File"}],
            ),
        ],
    }
    found = load_document(document)
    assert isinstance(found, Workflow)
    assert found.id == "main"
    assert found.outputs[0].source == ("sort/y",)
    [sort] = found.steps
    assert (sort.id, sort.scatter, sort.outputs) == ("sort", ("x",), ("y",))
    assert sort.inputs == (StepInput(id="x", source=("reads",)),)
    assert sort.run.id == "copy.cwl"
    assert sort.run.cwl_version == "v1.2"
    assert found.cwl_version == "v1.0"


def test_ids_may_be_urls() -> None:
    base = "https://example.org/apps/main.cwl"
    found = load_document(
        {
            "cwlVersion": "v1.2",
            "$graph": [
                workflow(
                    id=f"{base}#main",
                    inputs=[{"id": f"{base}#main/x", "type": "File"}],
                    steps=[
                        {
                            "id": f"{base}#main/one",
                            "run": "https://example.org/apps/copy.cwl",
                            "in": [{"id": f"{base}#main/one/x", "source": f"{base}#main/x"}],
                            "out": [f"{base}#main/one/y"],
                        }
                    ],
                ),
                COPY | {"id": "https://example.org/apps/copy.cwl"},
            ],
        }
    )
    assert isinstance(found, Workflow)
    assert found.steps[0].inputs[0].source == ("x",)
    assert found.steps[0].run.id == "copy.cwl"


def test_a_process_without_a_version_has_that_of_the_document_it_stands_in() -> None:
    bare = {key: value for key, value in COPY.items() if key != "cwlVersion"}
    inner = workflow(
        cwlVersion="v1.1", id="inner", inputs={"f": "File"}, steps={"a": step("#copy") | {"in": {"x": "f"}}}
    )
    embedded = step(bare | {"id": "e"}) | {"in": {"x": "f"}}
    outer = workflow(
        cwlVersion="v1.0", id="main", inputs={"f": "File"}, steps={"b": step(inner) | {"in": {"f": "f"}}, "c": embedded}
    )
    found = load_document({"cwlVersion": "v1.2", "$graph": [outer, bare]})
    assert isinstance(found, Workflow)
    b, c = (each.run for each in found.steps)
    assert isinstance(b, Workflow)
    assert [found.cwl_version, b.cwl_version, c.cwl_version] == ["v1.0", "v1.1", "v1.0"]
    assert b.steps[0].run.cwl_version == "v1.2"


def test_a_tool_run_twice_alike_is_built_once() -> None:
    one = {"in": {"x": "f"}, "out": ["y"], "run": "#copy"}
    found = load_document(
        {
            "cwlVersion": "v1.2",
            "$graph": [
                COPY,
                workflow(
                    id="main", inputs={"f": "File"}, steps={"a": one, "b": one, "c": one | {"hints": {"sbg:x": {}}}}
                ),
            ],
        }
    )
    assert isinstance(found, Workflow)
    a, b, c = found.steps
    assert a.run is b.run
    assert c.run is not a.run
    assert c.run.hints == {"sbg:x": {}}


def test_inner_requirements_win_and_requirements_win_over_hints() -> None:
    def cores(number: int) -> dict[str, Any]:
        return {"ResourceRequirement": {"coresMin": number}}

    found = load_workflow(
        requirements={"InlineJavascriptRequirement": {}, "WorkReuse": {"enableReuse": False}},
        hints=cores(1) | {"DockerRequirement": {"dockerPull": "outer"}},
        steps={
            "plain": step(tool()),
            "own": step(
                tool(hints=cores(3), requirements={"DockerRequirement": {"dockerPull": "tool"}}), requirements=cores(2)
            ),
            "hint": step(tool(hints=cores(3) | {"WorkReuse": {"enableReuse": True}})),
        },
    )
    plain, own, hint = (each.run for each in found.steps)
    assert plain.requirement("ResourceRequirement") == {"coresMin": 1}
    assert plain.requirements.keys() == {"InlineJavascriptRequirement", "WorkReuse"}
    assert own.requirement("ResourceRequirement") == {"coresMin": 2}
    assert own.requirement("DockerRequirement") == {"dockerPull": "tool"}
    assert "ResourceRequirement" not in own.hints
    assert hint.requirement("ResourceRequirement") == {"coresMin": 3}
    assert hint.requirement("WorkReuse") == {"enableReuse": False}
    assert found.steps[1].hints == {"ResourceRequirement": {"coresMin": 2}}


def test_requirements_have_one_form() -> None:
    found = load_tool(
        requirements=[
            {"class": "EnvVarRequirement", "envDef": {"HOME_OF": "$(inputs.x)", "N": {"envValue": "1"}}},
            {"class": "cwltool:TimeLimit", "timelimit": 5},
            {"class": "http://commonwl.org/cwltool#WorkReuse", "enableReuse": False},
            {
                "class": "InitialWorkDirRequirement",
                "listing": [{"entry": "$(inputs.x)", "entryname": "a"}, "$(1)", None],
            },
            {"class": "sbg:AWSInstanceType", "value": "c5"},
        ],
        hints={
            "SoftwareRequirement": {"packages": {"samtools": ["https://x"], "bwa": {"version": ["1"]}}},
            "sbg:saveLogs": {"value": "*.log"},
            "NobodyKnowsThis": {"x": 1},
            "acme:Thing": {"y": 2},
        },
    )
    assert found.requirements["EnvVarRequirement"]["envDef"] == [
        {"envName": "HOME_OF", "envValue": "$(inputs.x)"},
        {"envName": "N", "envValue": "1"},
    ]
    assert found.requirements["ToolTimeLimit"] == {"timelimit": 5}
    assert found.requirements["WorkReuse"] == {"enableReuse": False}
    assert found.requirements["InitialWorkDirRequirement"]["listing"][1:] == ["$(1)", None]
    assert found.requirements["sbg:AWSInstanceType"] == {"value": "c5"}
    assert found.hints["SoftwareRequirement"]["packages"] == [
        {"specs": ["https://x"], "package": "samtools"},
        {"version": ["1"], "package": "bwa"},
    ]
    assert found.hints["sbg:SaveLogs"] == {"value": "*.log"}
    assert "NobodyKnowsThis" not in found.hints
    assert found.hints["acme:Thing"] == {"y": 2}


def test_a_foreign_hint_given_several_times_keeps_all_values() -> None:
    logs = [{"class": "sbg:SaveLogs", "value": value} for value in ("*.R", "*.sh", ["*.py"])]
    assert load_tool(hints=logs).hints == {"sbg:SaveLogs": {"value": ["*.R", "*.sh", "*.py"]}}


def test_an_expression_tool() -> None:
    found = load_document(
        {"class": "ExpressionTool", "cwlVersion": "v1.1", "inputs": [], "outputs": {"o": "int"}, "expression": "${x}"}
    )
    assert isinstance(found, ExpressionTool)
    assert (found.expression, found.cwl_version) == ("${x}", "v1.1")


def test_step_fields() -> None:
    found = load_workflow(
        inputs={"a": "File[]", "b": "int[]", "flag": "boolean"},
        outputs={
            "o": {"type": "Any", "outputSource": ["one/y"], "linkMerge": "merge_flattened", "pickValue": "all_non_null"}
        },
        steps={
            "one": step(
                tool(inputs={"x": "File", "n": "int", "s": "string"}, outputs={"y": "File"}),
                **{
                    "in": {
                        "x": {"source": ["a"], "linkMerge": "merge_flattened"},
                        "n": "b",
                        "s": {"default": "d", "valueFrom": "$(self)x", "loadContents": True},
                        "flag": "flag",
                    },
                    "out": ["y"],
                    "scatter": ["x", "n"],
                    "scatterMethod": "nested_crossproduct",
                    "when": "$(inputs.flag)",
                },
            )
        },
    )
    [one] = found.steps
    assert one.scatter_method is ScatterMethod.NESTED_CROSSPRODUCT
    assert one.when == "$(inputs.flag)"
    x, n, s, _ = one.inputs
    assert (x.source, x.source_is_list, x.link_merge) == (("a",), True, LinkMerge.FLATTENED)
    assert (n.source, n.source_is_list) == (("b",), False)
    assert (s.default, s.value_from, s.load_contents) == ("d", "$(self)x", True)
    [out] = found.outputs
    assert (out.pick_value, out.link_merge, out.source_is_list) == (PickValue.ALL_NON_NULL, LinkMerge.FLATTENED, True)


def test_file_defaults_of_app_bodies_have_no_location() -> None:
    default = {
        "class": "File",
        "location": "file:///etc/passwd",
        "secondaryFiles": [{"class": "File", "location": "x"}],
    }
    found = load_tool(
        inputs={"a": {"type": "File", "default": default}, "b": {"type": "Any", "default": {"deep": [default]}}},
        requirements={"InitialWorkDirRequirement": {"listing": [default]}},
    )
    changed = {"class": "File", "path": "file:///etc/passwd", "secondaryFiles": [{"class": "File", "path": "x"}]}
    assert found.inputs[0].default == changed
    assert found.inputs[1].default == {"deep": [changed]}
    assert found.requirements["InitialWorkDirRequirement"]["listing"] == [changed]


def test_formats_are_written_out() -> None:
    found = load_tool(
        **{"$namespaces": {"edam": "http://edamontology.org/"}},
        inputs={
            "a": {"type": "File", "format": "edam:format_2330"},
            "b": {"type": "File", "format": ["edam:x", "$(1)"]},
        },
    )
    assert found.inputs[0].format == "http://edamontology.org/format_2330"
    assert found.inputs[1].format == ["http://edamontology.org/x", "$(1)"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("owner/project/bwa-mem/12", "bwa-mem"),
        ("#main", "main"),
        ("file:///home/me/tool.cwl", "tool"),
        ("https://host/x.cwl#sort", "sort"),
    ],
)
def test_ids_of_processes(given: str, expected: str) -> None:
    assert load_tool(id=given).id == expected


def test_a_process_without_id_is_called_by_its_label_or_the_given_name() -> None:
    assert load_tool(label="Sort reads").id == "Sort reads"
    assert load_document(tool(), name="sorter").id == "sorter"


def test_arrays_keep_the_bindings_of_list_and_items() -> None:
    items = {"type": "array", "items": "string", "inputBinding": {"prefix": "-a"}}
    [port] = load_tool(inputs={"a": {"type": items, "inputBinding": {"position": 1}}}).inputs
    assert port.type == ArrayType(items=STRING, binding=Binding(prefix="-a"))
    assert port.binding == Binding(position=1)
