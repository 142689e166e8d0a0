"""Packing: the document and all that it names, in one; what comes out stands alone and means the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import DocumentError
from araneus.cwl.load import load_document, load_path
from araneus.cwl.pack import MAX_TEXT, pack
from araneus.cwl.process import Workflow

TOOL = """\
cwlVersion: v1.1
class: CommandLineTool
$namespaces: {edam: 'http://edamontology.org/'}
requirements:
  SchemaDefRequirement: {types: [{$import: types.yml}]}
  InlineJavascriptRequirement: {expressionLib: [{$include: lib.js}]}
  InitialWorkDirRequirement: {listing: [{class: File, location: sub/a%20b.txt}, {class: Directory, path: sub}]}
inputs:
  record: types.yml#pair
  script:
    type: File
    format: edam:format_1
    secondaryFiles: [.idx, ^.alt?, "$(self.basename + '.js')"]
    default: {class: File, location: script.py, basename: other.py}
outputs: {out: stdout}
baseCommand: cat
stdout: o
"""
FILES = {
    "tools/tool.cwl": TOOL,
    "tools/types.yml": "name: pair\ntype: record\nfields: [{name: a, type: int}]",
    "tools/lib.js": "function f() { return 1 }",
    "tools/script.py": "print('ü')",
    "tools/script.py.idx": "index",
    "tools/script.alt": "alternative",
    "tools/sub/a b.txt": "text",
    "tools/sub/deep/x": "",
    "graph.cwl": """\
cwlVersion: v1.2
$graph:
- {id: echo, class: CommandLineTool, inputs: {x: Any}, outputs: [], baseCommand: 'true'}
- id: inner
  class: Workflow
  inputs: {x: Any}
  outputs: []
  steps: [{id: s, run: '#echo', in: {x: x}, out: []}]
""",
    "main.cwl": """\
cwlVersion: v1.2
class: Workflow
requirements: {SubworkflowFeatureRequirement: {}}
inputs:
  record: Any
outputs:
  out: {type: File, outputSource: tool/out}
steps:
  tool: {run: tools/tool.cwl, in: {record: record}, out: [out]}
  inner: {run: graph.cwl#inner, in: {x: tool/out}, out: []}
  imported: {run: {$import: tools/tool.cwl}, in: {record: record}, out: [out]}
""",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def packed(path: Path, fragment: str | None = None) -> dict[str, Any]:
    found = json.loads(json.dumps(pack(path, fragment)))
    assert isinstance(found, dict)
    return found


def test_a_workflow_stands_alone_and_means_the_same(directory: Path) -> None:
    before, after = load_path(directory / "main.cwl"), load_document(packed(directory / "main.cwl"))
    assert isinstance(before, Workflow)
    assert isinstance(after, Workflow)
    for step, again in zip(before.steps, after.steps, strict=True):
        assert step.run.cwl_version == again.run.cwl_version
        assert [(port.id, port.type) for port in step.run.inputs] == [(port.id, port.type) for port in again.run.inputs]
    text = json.dumps(packed(directory / "main.cwl"))
    assert str(directory) not in text
    assert "$import" not in text
    assert "http://edamontology.org/format_1" in str(after.steps[0].run.inputs)


def test_files_of_the_document_become_literals(directory: Path) -> None:
    tool = packed(directory / "tools/tool.cwl")
    script = tool["inputs"]["script"]["default"]
    assert script == {
        "class": "File",
        "basename": "other.py",
        "contents": "print('ü')",
        "secondaryFiles": [
            {"class": "File", "basename": "script.py.idx", "contents": "index"},
            {"class": "File", "basename": "script.alt", "contents": "alternative"},
        ],
    }
    file, folder = tool["requirements"]["InitialWorkDirRequirement"]["listing"]
    assert file == {"class": "File", "basename": "a b.txt", "contents": "text"}
    assert folder["basename"] == "sub"
    assert [item["basename"] for item in folder["listing"]] == ["a b.txt", "deep"]
    assert folder["listing"][1]["listing"] == [{"class": "File", "basename": "x", "contents": ""}]


def test_one_process_of_several(directory: Path) -> None:
    inner = packed(directory / "graph.cwl", "inner")
    assert inner["cwlVersion"] == "v1.2"
    assert inner["steps"][0]["run"]["class"] == "CommandLineTool"


def test_what_the_platform_wrote_is_left_as_it_is(directory: Path) -> None:
    (directory / "sbg.cwl").write_text(
        "{class: CommandLineTool, cwlVersion: v1.2, baseCommand: x, outputs: [], inputs: {f: {type: File, "
        "'sbg:suggestedValue': {class: File, path: 5f3b0c9de4b0a1c2d3e4f5a6}}}}"
    )
    value = packed(directory / "sbg.cwl")["inputs"]["f"]["sbg:suggestedValue"]
    assert value == {"class": "File", "path": "5f3b0c9de4b0a1c2d3e4f5a6"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("script.py", b"\xff\xfe", "script.py is not UTF-8 text"),
        ("script.py", b"x" * (MAX_TEXT + 1), "script.py is larger than 4 MiB"),
        ("script.py", None, "script.py cannot be read"),
        ("types.yml", None, "types.yml"),
    ],
)
def test_what_cannot_be_taken_along_is_named(directory: Path, name: str, content: bytes | None, words: str) -> None:
    (directory / "tools" / name).unlink()
    if content is not None:
        (directory / "tools" / name).write_bytes(content)
    with pytest.raises(DocumentError, match=words):
        pack(directory / "main.cwl")


def test_a_circle_is_refused(directory: Path) -> None:
    (directory / "a.cwl").write_text(
        "{class: Workflow, cwlVersion: v1.2, inputs: [], outputs: [], steps: {s: {run: a.cwl, in: [], out: []}}}"
    )
    with pytest.raises(DocumentError, match="circle"):
        pack(directory / "a.cwl")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("command", [["pack"], ["lint", "--fail-on=never", "--json"], ["lint", "--fail-on=never"]])
def test_any_characters_are_printed(tmp_path: Path, command: list[str], encoding: str) -> None:
    text = '{"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "echo", "inputs": {"größe": {'
    text += '"type": "string", "default": "a\\ud800"}}, "outputs": [], "sbg:größe\\ud800": 1,'
    text += ' "stdout": "$(inputs.größe\\ud800)"}'
    (tmp_path / "größe.cwl").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "araneus", *command, "größe.cwl"],
        cwd=tmp_path, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    if command[-1] != "--fail-on=never":
        json.loads(done.stdout)


def test_the_command_prints_the_document_or_what_is_wrong(directory: Path) -> None:
    command = [sys.executable, "-m", "araneus", "pack"]
    done = subprocess.run([*command, "main.cwl"], cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == packed(directory / "main.cwl")
    for document, words in (("graph.cwl#gone", "#gone"), ("nothing.cwl", "there is no such document")):
        done = subprocess.run([*command, document], cwd=directory, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr
