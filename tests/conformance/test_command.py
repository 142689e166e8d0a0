"""``araneus cwl`` as a runner: standard output, exit codes, job files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ECHO = """\
class: CommandLineTool
cwlVersion: v1.2
inputs:
  word: string
  file: File?
outputs:
  said: stdout
  copies: {type: "File[]", outputBinding: {glob: "copy*"}}
baseCommand: [sh, -c, 'echo "$0"; for f in "$@"; do cp "$f" copy.txt; done; echo noise >&2']
arguments: [$(inputs.word), $(inputs.file)]
stdout: said.txt
"""


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    (tmp_path / "echo.cwl").write_text(ECHO)
    (tmp_path / "in put #1.txt").write_text("content")
    (tmp_path / "job.yml").write_text('word: hello\nfile: {class: File, path: "in put #1.txt"}\n')
    return tmp_path


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "araneus", "cwl", *arguments]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


def outputs(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_output_object_is_alone_on_standard_output(documents: Path) -> None:
    done = run("--outdir", "out dir", "--quiet", "echo.cwl", "job.yml", cwd=documents)
    found = outputs(done)
    assert done.stderr == ""
    assert found["said"] == {
        "class": "File",
        "location": (documents / "out dir/said.txt").as_uri(),
        "path": str(documents / "out dir/said.txt"),
        "basename": "said.txt",
        "nameroot": "said",
        "nameext": ".txt",
        "size": 6,
        "checksum": "sha1$f572d396fae9206628714fb2ce00f72e94f2258f",
    }
    assert Path(found["said"]["path"]).read_text() == "hello\n"
    assert [Path(copy["path"]).read_text() for copy in found["copies"]] == ["content"]
    assert sorted(path.name for path in (documents / "out dir").iterdir()) == ["copy.txt", "said.txt"]


def test_nothing_in_the_output_directory_is_overwritten(documents: Path) -> None:
    (documents / "said.txt").write_text("mine")
    found = outputs(run("echo.cwl", "job.yml", cwd=documents))
    assert (documents / "said.txt").read_text() == "mine"
    assert found["said"]["basename"] == "_1_said.txt"
    assert (documents / "_1_said.txt").read_text() == "hello\n"


def test_a_job_file_may_name_its_tool_and_override_requirements(documents: Path) -> None:
    (documents / "environment.cwl").write_text(
        "{class: CommandLineTool, cwlVersion: v1.2, inputs: {w: string}, outputs: {o: stdout}, stdout: o,"
        " requirements: {EnvVarRequirement: {envDef: {WORD: tool}}}, baseCommand: [sh, -c, 'echo $WORD']}"
    )
    (documents / "self.yml").write_text(
        "cwl:tool: environment.cwl\ncwl:requirements:\n"
        "  - {class: EnvVarRequirement, envDef: {WORD: $(inputs.w)}}\nw: job\n"
    )
    found = outputs(run("self.yml", cwd=documents))
    assert Path(found["o"]["path"]).read_text() == "job\n"


@pytest.mark.parametrize(
    ("document", "job", "code", "words"),
    [
        ("missing.cwl", None, 1, "missing.cwl: there is no such document"),
        ("echo.cwl", "missing.yml", 1, "missing.yml: the job file cannot be read"),
        ("echo.cwl", None, 1, "word"),
        ("echo.cwl", "{word: [1]}", 1, "word: "),
        ("echo.cwl", "{word: x, file: {class: File, path: nothing.txt}}", 1, "file: 'nothing.txt' cannot be read"),
        ("echo.cwl", "{word: x, file: {class: File, path: .}}", 1, "is a directory"),
        ("echo.cwl", "{word: x, file: {class: File, location: 'http://x/f'}}", 1, "is not a file of this machine"),
        ("echo.cwl", "[1]", 1, "a job file is a mapping"),
        ("echo.cwl#other", "{word: x}", 1, "other"),
        ("fail.cwl", None, 1, "failed with exit code 3.\nThe last lines of its standard error:\non purpose"),
        ("needs.cwl", None, 33, "unsupported: "),
        ("container.cwl", None, 33, "container"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_and_coded(
    documents: Path, document: str, job: str | None, code: int, words: str
) -> None:
    tool = "class: CommandLineTool\ncwlVersion: v1.2\ninputs: []\noutputs: []\n"
    (documents / "fail.cwl").write_text(tool + "baseCommand: [sh, -c, 'echo on purpose >&2; exit 3']\n")
    (documents / "needs.cwl").write_text(tool + "baseCommand: 'true'\nrequirements: [{class: FooRequirement}]\n")
    (documents / "container.cwl").write_text(
        tool + "baseCommand: 'true'\nrequirements: {DockerRequirement: {dockerPull: nowhere.invalid/x}}\n"
    )
    if job is not None and job[0] in "[{":
        (documents / "given.json").write_text(job)
        job = "given.json"
    if document == "container.cwl":
        done = run("--containers", "none", document, cwd=documents)
    else:
        done = run(document, *([job] if job else []), cwd=documents)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert words in done.stderr


def test_progress_is_said_on_standard_error(documents: Path) -> None:
    done = run("echo.cwl", "job.yml", cwd=documents)
    assert "[1/1] echo: succeeded" in done.stderr


def test_an_interruption_ends_the_tool_too(tmp_path: Path) -> None:
    (tmp_path / "sleep.cwl").write_text(
        "{class: CommandLineTool, cwlVersion: v1.2, inputs: [], outputs: [],"
        " baseCommand: [sh, -c, 'sleep 4813 & echo $$ > \"$0\"; wait'], arguments: ['" + str(tmp_path / "pid") + "']}"
    )
    command = [sys.executable, "-m", "araneus", "cwl", "--containers", "none", "sleep.cwl"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline, "the tool did not start"
            time.sleep(0.05)
        tool = int((tmp_path / "pid").read_text())
        running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in said
    with pytest.raises(ProcessLookupError):
        os.kill(tool, 0)
