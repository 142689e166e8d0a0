"""Each rule of ``araneus lint``: a document that it speaks of, and one beside it that it says nothing of."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from araneus.cwl.load import load_path
from araneus.lint.findings import Finding, Level, Runner
from araneus.lint.rules import at_least, for_runners, lint
from araneus.lint.scripts import undeclared

IMAGE = {"DockerRequirement": {"dockerPull": "alpine:3.20"}}
MEMORY = {"ResourceRequirement": {"ramMin": 2000, "coresMin": 1}}


def tool(**changes: Any) -> dict[str, Any]:
    """A tool that nothing can be said of, with changes."""
    requirements = {**IMAGE, **MEMORY, **changes.pop("requirements", {})}
    requirements = {name: each for name, each in requirements.items() if each is not None}
    return {
        "class": "CommandLineTool", "cwlVersion": "v1.2", "$namespaces": {"sbg": "https://sevenbridges.com"},
        "requirements": requirements, "baseCommand": ["sort"], "inputs": {}, "outputs": {}, **changes,
    }  # fmt: skip


def output(glob: str, **more: Any) -> dict[str, Any]:
    return {"o": {"type": "File", "outputBinding": {"glob": glob, **more}}}


def workflow(run: dict[str, Any], step: dict[str, Any], inputs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    inner = {key: value for key, value in run.items() if key != "$namespaces"}
    return {
        "class": "Workflow", "cwlVersion": "v1.2", "$namespaces": {"sbg": "https://sevenbridges.com"},
        "requirements": {"ScatterFeatureRequirement": {}}, "inputs": inputs, "outputs": {},
        "steps": {"one": {"run": inner, "in": {}, "out": [], **step}}, **changes,
    }  # fmt: skip


def js(text: str) -> dict[str, Any]:
    return tool(requirements={"InlineJavascriptRequirement": {}}, arguments=[text])


def takes(kind: str) -> dict[str, Any]:
    return tool(inputs={"reads": kind})


FED = {"in": {"reads": "given"}}
SCATTERED = {"in": {"n": "numbers"}, "scatter": "n", "out": ["o"]}
NUMBERED = {"inputs": {"n": "int"}, "requirements": {"InlineJavascriptRequirement": {}}}
RESULT = {"outputs": {"made": {"type": "File[]", "outputSource": "one/o"}}}

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("no-image", tool(requirements={"DockerRequirement": None}), tool()),
    (
        "image-not-pulled",
        tool(requirements={"DockerRequirement": {"dockerFile": "FROM x", "dockerImageId": "y"}}),
        tool(),
    ),
    (
        "output-directory",
        tool(requirements={"DockerRequirement": {"dockerPull": "a:1", "dockerOutputDirectory": "/o"}}),
        tool(),
    ),
    (
        "image-moves",
        tool(requirements={"DockerRequirement": {"dockerPull": "host:5000/a/b"}}),
        tool(requirements={"DockerRequirement": {"dockerPull": "host:5000/a/b:1"}}),
    ),
    (
        "image-moves",
        tool(requirements={"DockerRequirement": {"dockerPull": "a:latest"}}),
        tool(requirements={"DockerRequirement": {"dockerPull": "a@sha256:" + "0" * 64}}),
    ),
    (
        "memory-not-stated",
        tool(requirements={"ResourceRequirement": None}),
        tool(requirements={"ResourceRequirement": None}, hints={"sbg:MemRequirement": {"value": 900}}),
    ),
    ("memory-tiny", tool(requirements={"ResourceRequirement": {"ramMin": 8}}), tool()),
    (
        "max-ignored",
        tool(requirements={"ResourceRequirement": {"ramMin": 900, "ramMax": 1000}}),
        tool(requirements={"ResourceRequirement": {"ramMin": 900, "ramMax": 900}}),
    ),
    (
        "platform-resources",
        tool(hints={"sbg:CPURequirement": {"value": 4}}),
        tool(hints={"sbg:CPURequirement": {"value": 1}}),
    ),
    (
        "network",
        tool(requirements={"NetworkAccess": {"networkAccess": True}}),
        tool(requirements={"NetworkAccess": {"networkAccess": False}}),
    ),
    ("installs-software", tool(arguments=["apt-get -y install bwa && bwa"]), tool(arguments=["apt-get moo"])),
    (
        "network-not-asked",
        tool(arguments=["wget -q http://x/y"]),
        tool(arguments=["wget -q http://x/y"], cwlVersion="v1.0"),
    ),
    (
        "host-path",
        tool(arguments=["/home/me/ref.fa"]),
        tool(arguments=["$(inputs.x)/home/me/ref.fa"], inputs={"x": "string"}),
    ),
    ("reserved-log", tool(outputs=output("job.err.log")), tool(outputs=output("err.log"))),
    (
        "brace-glob",
        tool(outputs=output("*.{bam,cram}")),
        tool(outputs=output("$({a: 1, b: 2})", loadContents=False), requirements={"InlineJavascriptRequirement": {}}),
    ),
    (
        "file-metadata",
        js("$(inputs.x.metadata.sample_id)") | {"inputs": {"x": "File"}},
        js("$(inputs.x.size)") | {"inputs": {"x": "File"}},
    ),
    (
        "file-metadata",
        js("${return inputs.x['metadata']['sample id']}") | {"inputs": {"x": "File"}},
        js("the .metadata of $(inputs.x.path)") | {"inputs": {"x": "File"}},
    ),
    (
        "output-metadata",
        tool(outputs=output("a", **{"sbg:inheritMetadataFrom": "x"}), inputs={"x": "File"}),
        tool(outputs=output("a")),
    ),
    (
        "stage-input",
        tool(inputs={"x": {"type": "File", "sbg:stageInput": "copy"}}),
        tool(inputs={"x": {"type": "File", "sbg:stageInput": None}}),
    ),
    (
        "local-default",
        tool(inputs={"x": {"type": "File", "default": {"class": "File", "location": "x.txt"}}}),
        tool(inputs={"x": {"type": "File", "default": {"class": "File", "basename": "x", "contents": "x"}}}),
    ),
    (
        "suggested-value",
        tool(inputs={"x": {"type": "int", "sbg:suggestedValue": 3}}),
        tool(inputs={"x": {"type": "int", "default": 3, "sbg:suggestedValue": 3}}),
    ),
    (
        "inplace-update",
        tool(requirements={"InplaceUpdateRequirement": {"inplaceUpdate": True}}),
        tool(requirements={"InplaceUpdateRequirement": {"inplaceUpdate": False}}),
    ),
    ("undeclared-variable", js("${ out = []; return out; }"), js("${ var out = []; out = [1]; return out; }")),
    (
        "undeclared-variable",
        js("$(function() { for (i = 0; i < 2; i++) {}; x = 1; return x; }())"),
        js("NAME=$(1 + 1); x = 2"),
    ),
    ("mixed-versions", workflow(tool(cwlVersion="v1.0"), {}, {}), workflow(tool(), {}, {})),
    ("instance-type", tool(hints={"sbg:AWSInstanceType": {"value": "c4.2xlarge"}}), tool()),
    ("batch-input", tool(inputs={"x": "File"}, **{"sbg:batchInput": "#x", "sbg:batchBy": {"type": "item"}}), tool()),
    (
        "file-for-list",
        workflow(takes("File[]"), FED, {"given": "File?"}),
        workflow(takes("File[]"), FED, {"given": "File[]?"}),
    ),
    (
        "file-for-list",
        workflow(takes("File[]"), FED | {"scatter": "reads"}, {"given": "File[]"}),
        workflow(takes("File"), FED | {"scatter": "reads"}, {"given": "File[]"}),
    ),
    (
        "list-for-file",
        workflow(takes("File"), FED, {"given": "File[]"}),
        workflow(takes("File"), {"in": {"reads": {"source": "given", "valueFrom": "$(self[0])"}}}, {"given": "File[]"}),
    ),
    (
        "same-name",
        workflow(tool(outputs=output("out.txt"), **NUMBERED), SCATTERED, {"numbers": "int[]"}, **RESULT),
        workflow(tool(outputs=output("$(inputs.n).txt"), **NUMBERED), SCATTERED, {"numbers": "int[]"}, **RESULT),
    ),
]


def findings(document: dict[str, Any], folder: Path) -> tuple[Finding, ...]:
    path = folder / "app.cwl"
    path.write_text(yaml.safe_dump(document))
    return lint(load_path(path))


@pytest.mark.parametrize(("code", "spoken_of", "silent"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)])
def test_a_rule(code: str, spoken_of: dict[str, Any], silent: dict[str, Any], tmp_path: Path) -> None:
    found = [finding for finding in findings(spoken_of, tmp_path) if finding.code == code]
    assert len(found) == 1, found
    assert found[0].advice
    assert found[0].runners
    assert code not in {finding.code for finding in findings(silent, tmp_path)}


def test_nothing_is_said_of_a_plain_tool(tmp_path: Path) -> None:
    assert findings(tool(), tmp_path) == ()


def test_every_rule_has_a_case_and_a_paragraph() -> None:
    root = Path(__file__).parent.parent.parent
    written = "".join(path.read_text() for path in (root / "araneus" / "lint").glob("*.py"))
    codes = {line.split('"')[1] for line in written.splitlines() if line.strip().startswith("code=") and '"' in line}
    codes |= {"file-for-list", "list-for-file"}
    assert codes - {"draft-2", "lenient", "wrong-version"} == {case[0] for case in CASES}
    page = (root / "docs" / "portability.md").read_text()
    assert [code for code in sorted({*codes, "several-files"}) if f"| `{code}` |" not in page] == []


def test_a_tool_that_runs_twice_is_told_once(tmp_path: Path) -> None:
    inner = {
        key: value for key, value in tool(requirements={"DockerRequirement": None}).items() if key != "$namespaces"
    }
    step = {"run": inner, "in": {}, "out": []}
    document = {**workflow(tool(), {}, {}), "steps": {"a": step, "b": step, "c": step}}
    (found,) = [each for each in findings(document, tmp_path) if each.code == "no-image"]
    assert (found.where, found.also) == ("steps/a/run", 2)


def test_choosing_findings(tmp_path: Path) -> None:
    document = tool(requirements={"DockerRequirement": {"dockerPull": "a"}, "ResourceRequirement": None})
    found = findings(document | {"inputs": {"x": {"type": "File", "sbg:stageInput": "link"}}}, tmp_path)
    assert [each.code for each in found] == ["image-moves", "stage-input", "memory-not-stated"]
    assert [each.code for each in at_least(found, Level.WARNING)] == ["image-moves", "stage-input"]
    assert [each.code for each in for_runners(found, [Runner.ARANEUS])] == ["image-moves"]


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("var a = 1, b; b = 2; a = 3;", []),
        ("let {a, b} = self; a = 1; b = 2", []),
        ("function f(x, y) { x = 1; y = 2; z = 3 }", ["z"]),
        ("self.map(x => { x = 1; y = 2 })", ["y"]),
        ("a.b = 1; a == 2; c === 3; d => 4", []),
        ("// e = 1\n/* f = 2 */ var s = 'g = 3; h = 4'", []),
        ("inputs = 1; self = 2", []),
        ("x = 1;\nx = 2;\nif (y) {\n  z = 2\n}", ["x", "z"]),
    ],
)
def test_variables_that_nobody_declares(script: str, names: list[str]) -> None:
    assert undeclared(script) == names
