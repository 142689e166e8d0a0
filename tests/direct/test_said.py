"""What `araneus cwl` says when something failed: on standard error, readable, with the place of the logs."""

import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from araneus.executors import jobdir
from araneus.scheduler.kept_logs import keep_logs

TOOL = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "requirements": {"EnvVarRequirement": {"envDef": {"DB_PASSWORD": "hunter2hunter2"}}},
    "inputs": {"reads": "File"},
    "outputs": [],
    "baseCommand": ["sh", "-c"],
    "arguments": [
        'echo "reading $0"; [ "${0%B.fastq}" = "$0" ] || { echo "truncated [$DB_PASSWORD]" >&2; exit 1; }; sleep 20',
        "$(inputs.reads.basename)",
    ],
}
WORKFLOW = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "requirements": {"ScatterFeatureRequirement": {}},
    "inputs": {"files": "File[]"},
    "outputs": [],
    "steps": {"align": {"run": TOOL, "scatter": "reads", "in": {"reads": "files"}, "out": []}},
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    for name in "AB":
        (tmp_path / f"sample_{name}.fastq").write_text(name)
    # The shell's own ${...} is no expression.
    text = json.dumps(WORKFLOW).replace("${0%B.fastq}", "\\\\${0%B.fastq}")
    (tmp_path / "align.cwl").write_text(text)
    files = [{"class": "File", "path": f"sample_{name}.fastq"} for name in "AB"]
    (tmp_path / "job.json").write_text(json.dumps({"files": files}))
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "araneus", "cwl", "--containers", "none", "--quiet", *arguments]


def environment(directory: Path, **more: str) -> Mapping[str, str]:
    return {**os.environ, "TMPDIR": str(directory / "kept"), "TERM": "xterm", **more}


def test_a_failure_is_told_with_its_place_and_its_logs(directory: Path) -> None:
    done = subprocess.run(
        command("align.cwl", "job.json"),
        cwd=directory, env=environment(directory), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    *lines, logs = done.stderr.splitlines()
    assert lines == [
        "Job align_2_s failed with exit code 1.",
        "Where: align, element 2 of 2 (sample_B.fastq)",
        "The last lines of its standard error:",
        "truncated [***]",
    ]
    kept = Path(logs.removeprefix("Logs: "))
    assert kept.parent == directory / "kept"
    assert {path.name for path in kept.iterdir()} == {"cmd.log", "job.err.log", "job.json", "job.out.log"}
    assert (kept / "job.out.log").read_text() == "reading sample_B.fastq\n"
    assert list((directory / "kept").iterdir()) == [kept]


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_a_terminal_gets_the_first_line_in_red(directory: Path, more: dict[str, str], coloured: bool) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("align.cwl", "job.json"), cwd=directory, env=environment(directory, **more), stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        text = b""
        try:
            while piece := os.read(ours, 4096):
                text += piece
        except OSError:  # that is how the end of a terminal is told
            pass
        finally:
            os.close(ours)
    assert process.returncode == 1
    first = b"Job align_2_s failed with exit code 1."
    assert text.startswith(b"\x1b[1;31m" + first + b"\x1b[0m\r\n" if coloured else first + b"\r\n")
    assert text.count(b"\x1b") == (2 if coloured else 0)


def test_a_mistake_in_the_document_cannot_steer_the_terminal(directory: Path) -> None:
    (directory / "bad.cwl").write_text(json.dumps({**TOOL, "inputs": {"x": "\x1b[2Jint\x07"}}))
    done = subprocess.run(
        command("bad.cwl"), cwd=directory, env=environment(directory), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "unknown type" in done.stderr
    assert not set(done.stderr) & {"\x1b", "\x07"}


def job_directory(directory: Path) -> Path:
    made = directory / "job"
    (made / jobdir.WORK).mkdir(parents=True)
    return made


def test_what_a_tool_put_in_the_place_of_a_log_is_left_alone(tmp_path: Path) -> None:
    made = job_directory(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (made / jobdir.STDERR).symlink_to(tmp_path / "secret")
    os.mkfifo(made / jobdir.STDOUT)
    assert keep_logs(made) is None
    (made / jobdir.COMMAND_LOG).write_text("bwa mem\n")
    kept = keep_logs(made)
    assert kept is not None
    assert [path.name for path in kept.iterdir()] == [jobdir.COMMAND_LOG]
    shutil.rmtree(kept)
    assert keep_logs(tmp_path / "nowhere") is None


def test_a_tree_of_any_depth_leaves_with_the_run(directory: Path) -> None:
    dig = "import os\nfor _ in range(2000):\n  os.mkdir('deep'); os.chdir('deep')\nos.chmod('.', 0)"
    (directory / "deep.cwl").write_text(json.dumps({**TOOL, "inputs": {}, "baseCommand": ["python3", "-c", dig],
                                                    "arguments": []}))  # fmt: skip
    done = subprocess.run(
        command("deep.cwl"), cwd=directory, env=environment(directory), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    assert list((directory / "kept").iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_outputs_are_json_whatever_characters_are_in_them(directory: Path, encoding: str) -> None:
    same = {"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "true", "inputs": {"text": "string"},
            "outputs": {"text": {"type": "string", "outputBinding": {"outputEval": "$(inputs.text)"}}}}  # fmt: skip
    (directory / "same.cwl").write_text(json.dumps(same))
    for text in ("größe ☃", "a\ud800b"):
        (directory / "text.json").write_text(json.dumps({"text": text}))
        done = subprocess.run(
            command("same.cwl", "text.json"),
            cwd=directory, env=environment(directory, PYTHONIOENCODING=encoding), capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert json.loads(done.stdout) == {"text": text}
