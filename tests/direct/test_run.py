"""Running processes in the foreground on a real executor."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.scheduler.direct import ProcessFailedError, Progress, run_process


@pytest.fixture(scope="module")
def javascript() -> Iterator[JavaScript]:
    with JavaScript() as javascript:
        yield javascript


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    executor = LocalExecutor(
        cores=2, memory=4096, containers=Containers.detect("none"), clock=lambda: datetime.now(UTC)
    )
    yield executor
    executor.close()


class Bench:
    """Runs documents below one directory."""

    def __init__(self, directory: Path, executor: LocalExecutor, javascript: JavaScript) -> None:
        self.jobs = directory / "jobs"
        self.jobs.mkdir()
        self.outdir = directory / "out"
        self.events: list[Progress] = []
        self._executor = executor
        self._javascript = javascript

    def run(self, document: dict[str, Any], **inputs: Any) -> dict[str, Any]:
        return run_process(
            load_document(document),
            inputs,
            executor=self._executor,
            directory=self.jobs,
            outdir=self.outdir,
            javascript=self._javascript,
            on_event=self.events.append,
        )


@pytest.fixture
def bench(tmp_path: Path, executor: LocalExecutor, javascript: JavaScript) -> Bench:
    return Bench(tmp_path, executor, javascript)


def shell(script: str, *, outputs: dict[str, Any] | None = None, **inputs: Any) -> dict[str, Any]:
    """A tool that runs a shell script with its inputs as arguments."""
    return {
        "class": "CommandLineTool",
        "cwlVersion": "v1.2",
        "inputs": {port: {"type": kind, "inputBinding": {}} for port, kind in inputs.items()},
        "outputs": {"o": "stdout"} if outputs is None else outputs,
        "stdout": "said.txt",
        "baseCommand": ["sh", "-c", script, "sh"],
    }


def workflow(steps: dict[str, Any], outputs: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    features = ("Scatter", "Subworkflow", "MultipleInput")
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": {f"{name}FeatureRequirement": {} for name in features}
        | {"StepInputExpressionRequirement": {}, "InlineJavascriptRequirement": {}},
        "inputs": inputs,
        "outputs": outputs,
        "steps": steps,
    }


def test_files_go_from_step_to_step_and_out(bench: Bench) -> None:
    inner = workflow(
        {
            "write": {"run": shell('echo "$1"', x="string"), "in": {"x": "x"}, "out": ["o"]},
            "twice": {"run": shell('cat "$1" "$1"', f="File"), "in": {"f": "write/o"}, "out": ["o"]},
        },
        {"o": {"type": "File", "outputSource": "twice/o"}},
        x="string",
    )
    outer = workflow(
        {
            "each": {"run": inner, "in": {"x": "words"}, "out": ["o"], "scatter": "x"},
            "all": {
                "run": shell('cat "$@"', f="File[]"),
                "in": {"f": {"source": "each/o", "valueFrom": "$(self.slice().reverse())"}},
                "out": ["o"],
            },
        },
        {"parts": {"type": "File[]", "outputSource": "each/o"}, "all": {"type": "File", "outputSource": "all/o"}},
        words="string[]",
    )
    outputs = bench.run(outer, words=["a", "b"])
    assert Path(outputs["all"]["path"]).read_text() == "b\nb\na\na\n"
    assert [Path(part["path"]).read_text() for part in outputs["parts"]] == ["a\na\n", "b\nb\n"]
    assert sorted(path.name for path in bench.outdir.iterdir()) == ["_1_said.txt", "_2_said.txt", "said.txt"]
    ended = [event for event in bench.events if event.outcome is not None]
    assert {event.name for event in ended} == {"each_1_s.write", "each_1_s.twice", "each_2_s.write", "each_2_s.twice",
                                               "all"}  # fmt: skip
    assert (ended[-1].completed, ended[-1].total) == (5, 5)


def test_a_file_may_be_linked_to_a_list_of_files_and_back(bench: Bench) -> None:
    steps = {
        "one": {"run": shell("echo one"), "in": {}, "out": ["o"]},
        "list": {
            "run": shell(
                'cp "$1" copy', f="File[]", outputs={"l": {"type": "File[]", "outputBinding": {"glob": "copy"}}}
            ),
            "in": {"f": "one/o"},
            "out": ["l"],
        },
        "back": {"run": shell('cat "$1"', f="File"), "in": {"f": "list/l"}, "out": ["o"]},
    }
    outputs = bench.run(workflow(steps, {"o": {"type": "File", "outputSource": "back/o"}}))
    assert Path(outputs["o"]["path"]).read_text() == "one\n"


def test_a_failure_names_the_job_and_ends_the_others(bench: Bench, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    wait = f"while [ ! -s {pid} ]; do sleep 0.01; done"
    steps = {
        "sleeps": {"run": shell(f"echo $$ > {pid}; sleep 4814"), "in": {}, "out": ["o"]},
        "fails": {"run": shell(f"{wait}; echo so it goes >&2; exit 7"), "in": {}, "out": ["o"]},
    }
    start = time.monotonic()
    with pytest.raises(ProcessFailedError, match=r"^Job fails failed with exit code 7\.\n.*:\nso it goes$") as caught:
        bench.run(workflow(steps, {}))
    assert time.monotonic() - start < 20
    assert (caught.value.failure.key, caught.value.failure.outcome.exit_code) == ("fails", 7)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not bench.outdir.exists()


def test_a_job_that_never_fits_says_what_it_asks_for(bench: Bench) -> None:
    large = shell("true") | {"requirements": {"ResourceRequirement": {"coresMin": 64, "ramMin": 100}}}
    with pytest.raises(ProcessFailedError, match="asks for 64 cores and 100 MiB") as caught:
        bench.run(large)
    assert caught.value.failure.outcome.reason is Reason.TOO_LARGE


def test_more_jobs_than_room_run_one_after_the_other(bench: Bench, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    script = f"echo start >> {ledger}; sleep 0.2; echo end >> {ledger}"
    wide = shell(script, x="int") | {"requirements": {"ResourceRequirement": {"coresMin": 2, "ramMin": 100}}}
    scattered = {"s": {"run": wide, "in": {"x": "l"}, "out": ["o"], "scatter": "x"}}
    bench.run(workflow(scattered, {}, l="int[]"), l=[1, 2, 3])
    assert ledger.read_text().split() == ["start", "end"] * 3


def test_a_bad_expression_in_a_tool_is_its_failure(bench: Bench) -> None:
    bad = shell("true") | {"arguments": ["$(inputs.nothing.there)"]}
    with pytest.raises(ProcessFailedError) as caught:
        bench.run(bad)
    assert caught.value.failure.outcome.reason is Reason.BAD_EXPRESSION


def test_a_missing_output_is_a_failure(bench: Bench) -> None:
    none = shell("true", outputs={"o": {"type": "File", "outputBinding": {"glob": "nothing.txt"}}})
    with pytest.raises(ProcessFailedError, match=r"nothing\.txt") as caught:
        bench.run(none)
    assert caught.value.failure.outcome.reason is Reason.MISSING_OUTPUT


def test_an_input_that_passes_through_is_copied_and_stays(bench: Bench, tmp_path: Path) -> None:
    given = tmp_path / "given.txt"
    given.write_text("mine")
    value = {"class": "File", "location": given.as_uri(), "basename": "given.txt"}
    through = workflow({}, {"o": {"type": "File", "outputSource": "f"}}, f="File")
    outputs = bench.run(through, f=value)
    assert Path(outputs["o"]["path"]).parent == bench.outdir
    Path(outputs["o"]["path"]).write_text("changed")
    assert given.read_text() == "mine"


def test_contents_are_read_for_expressions_of_the_workflow(bench: Bench) -> None:
    steps = {
        "write": {"run": shell("printf 41"), "in": {}, "out": ["o"]},
        "add": {
            "run": shell('echo "$1"', n="int"),
            "in": {"n": {"source": "write/o", "loadContents": True, "valueFrom": "$(parseInt(self.contents) + 1)"}},
            "out": ["o"],
        },
    }
    outputs = bench.run(workflow(steps, {"o": {"type": "File", "outputSource": "add/o"}}))
    assert Path(outputs["o"]["path"]).read_text() == "42\n"


def test_a_tool_without_any_room_for_its_directory_fails_and_does_not_raise(bench: Bench) -> None:
    bench.jobs.rmdir()
    bench.jobs.write_text("a file where the job directories should be")
    with pytest.raises(ProcessFailedError) as caught:
        bench.run(shell("true"))
    assert caught.value.failure.outcome.reason is not Reason.SUCCEEDED


@pytest.mark.parametrize("name", ["echo", "printf"])
def test_the_program_is_run_and_not_a_command_of_the_shell(bench: Bench, name: str) -> None:
    """The shell's own ``echo`` would make a line end of the two characters."""
    document = {
        "class": "CommandLineTool",
        "cwlVersion": "v1.2",
        "inputs": {},
        "outputs": {"o": "stdout"},
        "baseCommand": name,
        "arguments": ["--version"],
    }
    outputs = bench.run(document)
    assert "coreutils" in Path(outputs["o"]["path"]).read_text()
