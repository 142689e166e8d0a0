"""``araneus lint`` as people and CI use it: words, places, exit codes; and every app that there is."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import CWLError
from araneus.cwl.load import load_path
from araneus.lint.rules import lint
from araneus.linting import run_lint_command

APPS = Path(__file__).parent.parent.parent.parent / "shared" / "apps"
DOCUMENT = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sort]
requirements:
  DockerRequirement: {dockerPull: "alpine:3.20"}
  ResourceRequirement: {ramMin: 4}
inputs: {}
outputs: {}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.cwl"
    path.write_text(DOCUMENT)
    return path


def araneus(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "araneus", "lint", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_what_it_prints(app: Path) -> None:
    done = araneus(str(app))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == (
        f"{app}: requirements/ResourceRequirement, line 6, column 3: warning memory-tiny [platform, cwl, araneus]"
    )
    assert "4 of them are set aside" in lines[1]
    assert "write 4096" in lines[2]
    assert done.stderr == "app.cwl: 1 warning\n"


@pytest.mark.parametrize(
    ("options", "code"), [([], 1), (["--fail-on", "error"], 0), (["--fail-on", "never"], 0), (["--for", "cwl"], 1)]
)
def test_exit_codes(app: Path, options: list[str], code: int) -> None:
    assert araneus(*options, str(app)).returncode == code


def test_a_clean_app(app: Path) -> None:
    app.write_text(DOCUMENT.replace("ramMin: 4", "ramMin: 4000"))
    done = araneus(str(app))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "app.cwl: nothing that behaves differently elsewhere\n"


@pytest.mark.parametrize("text", ["class: Nonsense", "{", "", DOCUMENT.replace("sort", "${")])
def test_what_is_no_app(app: Path, text: str) -> None:
    app.write_text(text)
    done = araneus(str(app))
    assert "Traceback" not in done.stderr
    assert done.returncode == 2 or "${" in text
    assert done.stderr.startswith("error: ") or "${" in text


def test_no_such_file(tmp_path: Path) -> None:
    done = araneus(str(tmp_path / "none.cwl"))
    assert done.returncode == 2
    assert "none.cwl" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_app_of_several_files(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outer = app.with_name("outer.cwl")
    steps = "steps: {one: {run: app.cwl, in: {}, out: []}}"
    outer.write_text(f"cwlVersion: v1.2\nclass: Workflow\ninputs: {{}}\noutputs: {{}}\n{steps}\n")
    assert run_lint_command(str(outer), as_json=True) == 1
    found = {each["code"]: each for each in json.loads(capsys.readouterr().out)}
    assert found["memory-tiny"]["where"].startswith("steps/one/run")
    assert found["memory-tiny"]["at"] == "line 5, column 15"
    assert "'app.cwl'" in found["several-files"]["what"]


def documents() -> list[Any]:
    found = sorted([*(APPS / "packed").glob("*.json"), *(APPS / "draft2").rglob("*.json")])
    return [pytest.param(path, id=path.name[:60]) for path in found] or [
        pytest.param(None, marks=pytest.mark.skip(reason="there are no apps in ../shared/apps"))
    ]


@pytest.mark.parametrize("path", documents())
def test_something_can_be_said_of_every_app(path: Path) -> None:
    try:
        process = load_path(path)
    except CWLError:
        return  # a job, a recorded run, or an app that is broken
    for finding in lint(process):
        assert finding.what
        assert finding.advice
        assert not finding.where.startswith("/")


def codes(path: Path, capsys: pytest.CaptureFixture[str]) -> set[str]:
    run_lint_command(str(path), as_json=True)
    return {each["code"] for each in json.loads(capsys.readouterr().out)}


def test_what_the_loader_lets_through(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not {"lenient", "several-files", "draft-2"} & codes(app, capsys)
    app.write_text(DOCUMENT.replace("outputs: {}", "hints: [{x: 1}]\noutputs: {}"))
    assert "lenient" in codes(app, capsys)


def test_a_tool_of_draft_2(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tool = {"class": "CommandLineTool", "cwlVersion": "sbg:draft-2", "id": "x", "baseCommand": ["true"]}
    app.write_text(json.dumps({**tool, "inputs": [], "outputs": []}))
    assert "draft-2" in codes(app, capsys)


def test_a_document_of_another_version_than_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    word = {"class": "Expression", "engine": "#cwl-js-engine", "script": "'true'"}
    document = {"class": "CommandLineTool", "cwlVersion": "v1.0", "inputs": [], "outputs": [], "baseCommand": [word]}
    app = tmp_path / "app.json"
    app.write_text(json.dumps(document))
    assert "wrong-version" in codes(app, capsys)
    app.write_text(json.dumps(document | {"cwlVersion": "sbg:draft-2"}))
    assert "wrong-version" not in codes(app, capsys)
