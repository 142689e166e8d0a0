"""App bodies that are wrong or unsupported: what is said of each mistake, and where."""

from typing import Any

import pytest

from araneus.cwl.errors import DocumentError, Problem, UnsupportedError
from araneus.cwl.load import examine, load_document
from tests.cwl.loading import COPY, load_tool, load_workflow, problems, step, tool, workflow


def test_unknown_requirements_are_unsupported_unless_they_are_hints() -> None:
    with pytest.raises(UnsupportedError) as caught:
        load_document(tool(requirements={"MagicRequirement": {}, "arv:RunInContainer": {}}))
    assert [problem.where for problem in caught.value.problems] == [
        "requirements/MagicRequirement",
        "requirements/arv:RunInContainer",
    ]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (tool(cwlVersion="sbg:draft-3"), "sbg:draft-3"),
        (tool(cwlVersion="draft-3"), "draft-3"),
        (tool(cwlVersion="v1.3.0-dev1"), "v1.3"),
        ({"class": "nextflow", "cwlVersion": None, "app_content": {}}, "Nextflow"),
        ({"class": "WDL"}, "WDL"),
        (tool(**{"class": "Operation"}), "placeholder"),
        (workflow(steps={"a": step(tool(cwlVersion="draft-3"))}), "steps/a/run"),
    ],
)
def test_other_languages_and_versions_are_unsupported(document: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        load_document(document)


def test_foreign_fields_are_kept_or_ignored_and_misspelt_ones_refused() -> None:
    found = load_tool(
        **{"sbg:x": 1, "fdn_meta": {}, "$schemas": ["x"]},
        inputs={"a": {"type": "int", "fdn_format": "x", "sbg:y": 2}},
    )
    assert found.extensions == {"sbg:x": 1, "fdn_meta": {}, "$schemas": ["x"]}
    assert found.inputs[0].extensions == {"sbg:y": 2}
    found_problems = problems(
        tool(
            baseComand="x",
            inputs={"a": {"type": "int", "inputBindings": {}}},
            outputs={"o": {"type": "File", "output_binding": {"glob": "x"}, "outputBinding": {"globs": "x"}}},
        )
    )
    assert "did you mean 'baseCommand'" in found_problems[""]
    assert "did you mean 'inputBinding'" in found_problems["inputs/a"]
    assert "did you mean 'outputBinding'" in found_problems["outputs/o"]
    assert "did you mean 'glob'" in found_problems["outputs/o/outputBinding"]


def test_all_problems_come_at_once_with_their_places() -> None:
    found = problems(
        workflow(
            iputs={},
            inputs=[{"id": "x", "type": "string"}, {"id": "x", "type": "int"}, {"id": "y"}],
            outputs={"o": {"type": "File", "outputSource": "nowhere/z"}},
            steps={
                "align": step(
                    tool(inputs={"reads": "File", "n": "int"}), **{"in": {"reads": "x", "n": {"source": "zz"}}}
                ),
                "twice": {"run": COPY, "in": {"x": "align/out"}, "scatter": ["q", "x"]},
                "bare": {"in": [], "out": []},
            },
        )
    )
    assert found["inputs"] == "the id 'x' is given twice"
    assert found["inputs/y/type"] == "is required"
    assert "neither an input" in found["outputs/o"]
    assert "neither an input" in found["steps/align/in/n"]
    assert found["steps/twice/out"] == "is required"
    assert "'q' is not an input of the step" in found["steps/twice/scatter"]
    assert "dotproduct" in found["steps/twice/scatterMethod"]
    assert found["steps/bare/run"] == "is required"
    assert "did you mean 'inputs'" in found[""]


def test_links_that_cannot_fit_are_refused() -> None:
    found = problems(
        workflow(
            inputs={"text": "string", "files": "File[]", "one": "File", "directory": "Directory"},
            outputs={
                "number": {"type": "int", "outputSource": "ok/y"},
                "list": {"type": "File[]", "outputSource": ["ok/y", "text"]},
                "single": {"type": "string", "outputSource": ["text", "text"]},
            },
            steps={
                "ok": step(COPY, **{"in": {"x": "files"}, "out": ["y"]}),
                "text": step(COPY, **{"in": {"x": "text"}}),
                "directory": step(COPY, **{"in": {"x": "directory"}}),
                "scattered": step(COPY, **{"in": {"x": "text"}, "scatter": "x"}),
                "missing": step(COPY),
                "computed": step(COPY, **{"in": {"x": {"source": "text", "valueFrom": "$(self)"}}}),
                "extra": step(COPY, **{"in": {"x": "one", "more": "text"}, "out": ["y", "z"]}),
            },
        )
    )
    assert set(found) == {
        "outputs/number",
        "outputs/list",
        "outputs/single",
        "steps/text/in/x",
        "steps/directory/in/x",
        "steps/scattered/in/x",
        "steps/missing/in",
    }
    assert found["steps/text/in/x"] == "the source 'text' gives string, which cannot be File"


def test_scattered_and_conditional_steps_change_the_types_of_their_outputs() -> None:
    numbers = tool(inputs={"n": "int"}, outputs={"o": "int"})
    load_workflow(
        inputs={"n": "int[]"},
        outputs={
            "flat": {"type": "int[]", "outputSource": "one/o"},
            "nested": {"type": "int[][]", "outputSource": "two/o"},
            "maybe": {"type": "int?", "outputSource": "three/o"},
            "picked": {"type": "int", "outputSource": ["three/o", "four/o"], "pickValue": "first_non_null"},
        },
        steps={
            "one": step(numbers, **{"in": {"n": "n"}, "out": ["o"], "scatter": "n"}),
            "two": step(
                tool(inputs={"n": "int", "m": "int"}, outputs={"o": "int"}),
                **{
                    "in": {"n": "n", "m": "n"},
                    "out": ["o"],
                    "scatter": ["n", "m"],
                    "scatterMethod": "nested_crossproduct",
                },
            ),
            "three": step(numbers, **{"in": {"n": {"default": 1}}, "out": ["o"], "when": "$(false)"}),
            "four": step(numbers, **{"in": {"n": {"default": 1}}, "out": ["o"], "when": "$(true)"}),
        },
    )
    found = problems(
        workflow(
            inputs={"n": "int[]"},
            outputs={"o": {"type": "int", "outputSource": "one/o"}},
            steps={"one": step(numbers, **{"in": {"n": "n"}, "out": ["o"], "scatter": "n"})},
        )
    )
    assert found == {"outputs/o": "the source 'one/o' gives int[], which cannot be int"}


def test_steps_that_wait_for_each_other_are_named() -> None:
    one = {"run": COPY, "out": ["y"]}
    found = problems(
        workflow(
            inputs={"f": "File"},
            steps={
                "free": one | {"in": {"x": "f"}},
                "a": one | {"in": {"x": "b/y"}},
                "b": one | {"in": {"x": "c/y"}},
                "c": one | {"in": {"x": "a/y"}},
                "after": one | {"in": {"x": "c/y"}},
            },
        )
    )
    assert found == {"steps": "these steps wait for each other in a circle: a, b, c"}


def test_broken_links_are_told_apart_from_unreadable_documents() -> None:
    document = workflow(inputs={"x": "string"}, steps={"one": step(COPY, **{"in": {"x": "nowhere"}})})
    examined = examine(document)
    assert [port.id for port in examined.process.inputs] == ["x"]
    assert [problem.where for problem in examined.broken] == ["steps/one/in/x"]
    with pytest.raises(DocumentError):
        load_document(document)
    with pytest.raises(DocumentError):
        examine(document | {"inputs": {"x": "strin"}})
    assert examine(tool()).broken == ()


@pytest.mark.parametrize("run", ["other.cwl", "file:///etc/passwd", "https://example.org/x.cwl", "#nobody", "../x#y"])
def test_runs_outside_of_an_app_body_are_refused(run: str) -> None:
    assert "points outside" in problems(workflow(steps={"a": step(run)}))["steps/a/run"]


@pytest.mark.parametrize("directive", ["$import", "$include", "$mixin"])
def test_directives_in_an_app_body_are_refused_with_their_place(directive: str) -> None:
    found = problems(tool(hints=[{directive: "/etc/passwd"}]))
    assert "points outside" in found["hints/0"]
    found = problems(tool(requirements={"InlineJavascriptRequirement": {"expressionLib": [{directive: "x.js"}]}}))
    assert "points outside" in found["requirements/InlineJavascriptRequirement/expressionLib/0"]


def test_graphs_without_a_main_process_name_what_there_is() -> None:
    graph = {"cwlVersion": "v1.2", "$graph": [tool(id="one"), tool(id="#two")]}
    assert "#one, #two" in problems(graph)[""]
    assert load_document({"cwlVersion": "v1.2", "$graph": [tool(id="one")]}).id == "one"
    twice = {"cwlVersion": "v1.2", "$graph": [tool(id="main"), tool(id="#main")]}
    assert "#main" in problems(twice)[""]


def test_a_workflow_that_runs_itself_is_refused() -> None:
    graph = [workflow(id="main", steps={"a": step("#other")}), workflow(id="other", steps={"b": step("#main")})]
    found = problems({"cwlVersion": "v1.2", "$graph": graph})
    assert found == {"steps/a/run/steps/b/run": "a workflow must not run itself, directly or through others"}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"cwlVersion": "v1.0", "requirements": {"ResourceRequirement": {"coresMin": 0.5}}}, "coresMin"),
        ({"cwlVersion": "v1.1", "requirements": {"ResourceRequirement": {"ramMin": 0.5}}}, "ramMin"),
        (
            {"cwlVersion": "v1.0", "inputs": {"a": {"type": "File", "secondaryFiles": {"pattern": "x"}}}},
            "secondaryFiles",
        ),
    ],
)
def test_syntax_of_later_versions_is_refused_in_earlier_ones(fields: dict[str, Any], where: str) -> None:
    [place] = problems(tool(**fields))
    assert where in place
    load_document(tool(**fields | {"cwlVersion": "v1.2"}))


@pytest.mark.parametrize("version", ["v1.0", "v1.1"])
def test_conditions_need_the_latest_version(version: str) -> None:
    conditional = step(tool(), when="$(true)")
    assert "'when'" in problems(workflow(cwlVersion=version, steps={"a": conditional}))["steps/a"]
    picking = {"o": {"type": "Any", "outputSource": "x", "pickValue": "first_non_null"}}
    assert "'pickValue'" in problems(workflow(cwlVersion=version, inputs={"x": "int"}, outputs=picking))["outputs/o"]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"cwlVersion": None}, "cwlVersion"),
        ({"cwlVersion": "v9"}, "cwlVersion"),
        ({"cwlVersion": 1.2}, "cwlVersion"),
        ({"class": "Tool"}, "class"),
        ({"class": ["CommandLineTool"]}, "class"),
        ({"inputs": None}, "inputs"),
        ({"inputs": "x"}, "inputs"),
        ({"inputs": [{"type": "int"}]}, "inputs/0"),
        ({"inputs": {"a": None}}, "inputs/a"),
        ({"baseCommand": {}}, "baseCommand"),
        ({"arguments": [1]}, "arguments/0"),
        ({"arguments": "x"}, "arguments"),
        ({"stdout": 1}, "stdout"),
        ({"successCodes": ["0"]}, "successCodes"),
        ({"inputs": {"a": "stdin", "b": "stdin"}}, "inputs"),
        ({"inputs": {"a": "stdin"}, "stdin": "x"}, "inputs"),
        ({"inputs": {"a": {"type": "int", "inputBinding": {"position": 1.5}}}}, "inputs/a/inputBinding/position"),
        ({"inputs": {"a": {"type": "int", "inputBinding": []}}}, "inputs/a/inputBinding"),
        (
            {"inputs": {"a": {"type": "File", "secondaryFiles": [{"required": True}]}}},
            "inputs/a/secondaryFiles/0/pattern",
        ),
        ({"inputs": {"a": {"type": "File", "loadListing": "all"}}}, "inputs/a/loadListing"),
        ({"outputs": {"a": {"type": "File", "outputBinding": {"glob": [1]}}}}, "outputs/a/outputBinding/glob"),
        ({"requirements": {"ToolTimeLimit": {"timelimit": -1}}}, "requirements/ToolTimeLimit/timelimit"),
        ({"requirements": {"ToolTimeLimit": {"timelimit": "long"}}}, "requirements/ToolTimeLimit/timelimit"),
        ({"requirements": {"ResourceRequirement": {"coresMin": "many"}}}, "requirements/ResourceRequirement/coresMin"),
        ({"requirements": {"ResourceRequirement": {"ramMin": -1}}}, "requirements/ResourceRequirement/ramMin"),
        (
            {"requirements": {"EnvVarRequirement": {"envDef": {"A=B": "x"}}}},
            "requirements/EnvVarRequirement/envDef/A=B",
        ),
        (
            {"requirements": {"EnvVarRequirement": {"envDef": {"A": 1}}}},
            "requirements/EnvVarRequirement/envDef/A/envValue",
        ),
        ({"requirements": {"InitialWorkDirRequirement": {}}}, "requirements/InitialWorkDirRequirement/listing"),
        ({"requirements": [{"x": 1}]}, "requirements/0"),
        ({"requirements": {"DockerRequirement": {"dockerPull": 1}}}, "requirements/DockerRequirement/dockerPull"),
        ({"requirements": {"SchemaDefRequirement": {}}}, "requirements/SchemaDefRequirement/types"),
    ],
)
def test_mistakes_in_tools_are_told_with_their_place(fields: dict[str, Any], where: str) -> None:
    assert where in problems(tool(**fields))


def test_problems_read_well() -> None:
    assert str(Problem("steps/a", "is wrong")) == "steps/a: is wrong"
    with pytest.raises(DocumentError, match="inputs/a/type: unknown type 'strng'"):
        load_document(tool(inputs={"a": "strng"}))
