"""Failures that users meet often: what is said leads to the place that is to be mended."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS: dict[str, Any] = {"InlineJavascriptRequirement": {}}


def said(directory: Path, document: dict[str, Any], job: dict[str, Any] | None = None) -> str:
    """What `araneus cwl` says about a document that fails, on one line."""
    (directory / "app.cwl").write_text(json.dumps({"cwlVersion": "v1.2", **document}))
    (directory / "job.json").write_text(json.dumps(job or {}))
    command = [sys.executable, "-m", "araneus", "cwl", "--containers", "none", "--quiet", "app.cwl", "job.json"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return " ".join(done.stderr.split())


def tool(*command: str, **fields: Any) -> dict[str, Any]:
    return {"class": "CommandLineTool", "baseCommand": list(command), "inputs": {}, "outputs": {}} | fields


def workflow(**fields: Any) -> dict[str, Any]:
    return {"class": "Workflow", "inputs": {}, "outputs": {}} | fields


def test_a_value_that_does_not_fit_names_where_it_comes_from(tmp_path: Path) -> None:
    bam = {"bam": {"type": "File?", "outputBinding": {"glob": "*.bam"}}}
    steps = {
        "find": {"run": tool("true", outputs=bam), "in": {}, "out": ["bam"]},
        "sort": {"run": tool("cat", inputs={"bam": "File"}), "in": {"bam": "find/bam"}, "out": []},
    }
    assert said(tmp_path, workflow(steps=steps)) == (
        "Step sort was given inputs that do not fit: sort/bam: must be a File, not null (nothing was given); it comes"
        " from find/bam"
    )


def test_every_element_and_several_sources_name_theirs(tmp_path: Path) -> None:
    words = {"x": {"type": "string"}}
    steps = {
        "one": {
            "run": tool("echo", inputs=words), "in": {"x": {"source": ["a", "b"], "linkMerge": "merge_flattened"}},
            "scatter": "x", "out": [],
        },
    }  # fmt: skip
    found = said(tmp_path, workflow(inputs={"a": "Any", "b": "Any"}, steps=steps), {"a": ["p"], "b": [5]})
    assert "one/1/x: must be text (string), not 5; it comes from a and b" in found


def test_a_value_made_by_an_expression_names_that(tmp_path: Path) -> None:
    one = {"run": tool("echo", inputs={"x": "int"}), "in": {"x": {"source": "a", "valueFrom": "n$(self)"}}, "out": []}
    document = workflow(inputs={"a": "int"}, steps={"one": one}, requirements={"StepInputExpressionRequirement": {}})
    found = said(tmp_path, document, {"a": 1})
    assert found.endswith("one/x: must be an integer (int), not 'n1'; it comes from valueFrom, and a")


def test_what_cannot_be_picked_names_its_sources(tmp_path: Path) -> None:
    outputs = {"o": {"type": "File?", "outputSource": ["a", "b"], "pickValue": "first_non_null"}}
    found = said(tmp_path, workflow(inputs={"a": "File?", "b": "File?"}, outputs=outputs, steps={}))
    assert "outputs/o: first_non_null: all of the 2 values are null (a, b)" in found


def test_a_file_that_is_not_executable_is_no_command_that_is_missing(tmp_path: Path) -> None:
    listing = {"InitialWorkDirRequirement": {"listing": [{"entryname": "run.sh", "entry": "echo"}]}}
    found = said(tmp_path, tool("./run.sh", requirements=listing))
    assert "not found" not in found
    assert found.endswith(
        "/run.sh' is not executable: make it so (chmod +x), or begin baseCommand with what reads it, such as sh or"
        " python3."
    )


def test_a_missing_stdin_is_named(tmp_path: Path) -> None:
    found = said(tmp_path, tool("cat", stdin="reads.txt"))
    assert found == "Job app could not be started. stdin: 'reads.txt' cannot be opened: No such file or directory."


def test_an_expression_about_files_that_are_not_there_says_so(tmp_path: Path) -> None:
    binding = {"glob": "*.txt", "loadContents": True, "outputEval": "$(parseInt(self[0].contents))"}
    document = tool("touch", "a.log", outputs={"n": {"type": "int", "outputBinding": binding}}, requirements=SCRIPTS)
    found = said(tmp_path, document)
    assert "of undefined; self is empty: no file matches '*.txt'; the working directory holds 'a.log'" in found


def test_numbers_that_are_none_are_explained(tmp_path: Path) -> None:
    needs = {"ResourceRequirement": {"ramMin": "$(inputs.memory * 1000)"}}
    document = tool("true", inputs={"memory": "string"}, requirements={**SCRIPTS, **needs})
    found = said(tmp_path, document, {"memory": "8G"})
    assert "the result is or holds NaN: look at what it is calculated from" in found


@pytest.mark.parametrize(("value", "why"), [(None, "the value is null"), ("a\0b", "the value holds a NUL character")])
def test_a_variable_without_a_value(tmp_path: Path, value: str | None, why: str) -> None:
    needs = {"EnvVarRequirement": {"envDef": {"GENOME": "$(inputs.genome)"}}}
    document = tool("true", inputs={"genome": "string?"}, requirements=needs)
    assert f"EnvVarRequirement/GENOME: {why}" in said(tmp_path, document, {"genome": value})


def test_what_is_too_large_says_how_much_there_is(tmp_path: Path) -> None:
    needs = {"ResourceRequirement": {"coresMin": 5000}}
    found = said(tmp_path, tool("true", requirements=needs))
    assert "it asks for 5000 cores" in found
    assert "jobs can have at most" in found


@pytest.mark.parametrize("document", [tool("true"), workflow(steps={})])
def test_an_input_that_the_document_does_not_have_is_told(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "app.cwl").write_text(json.dumps({"cwlVersion": "v1.2", **document, "inputs": {"reads": "File?"}}))
    (tmp_path / "job.json").write_text('{"raeds": 1, "x": 2}')
    command = [sys.executable, "-m", "araneus", "cwl", "--containers", "none", "app.cwl", "job.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "'raeds' in the job is no input of the document; did you mean 'reads'?" in done.stderr
    assert "'x' in the job is no input of the document\n" in done.stderr
    quiet = subprocess.run([*command, "--quiet"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert quiet.stderr == ""
