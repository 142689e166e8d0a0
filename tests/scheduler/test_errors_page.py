"""`docs/errors.md` shows what is really said: every example on it comes out of a run, word for word."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from araneus.engine.execution import Failure
from araneus.executors.cgroup_layout import Shortage
from araneus.executors.errors import outcome_of
from araneus.executors.images import unavailable
from araneus.executors.jobdir import Record
from araneus.executors.verdict import Seen, explained, out_of_memory
from araneus.model.job import Reason
from araneus.model.task import Status
from araneus.scheduler.messages import job_failed, task_logs
from tests.scheduler.house import House, small, tool
from tests.scheduler.test_trouble import failing

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
BAM = {"bam": {"type": "File", "outputBinding": {"glob": "*.bam"}}}
READS = {"reads": "File"}


def workflow(run: dict[str, Any], step: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}, {"class": "InlineJavascriptRequirement"},
                         {"class": "StepInputExpressionRequirement"}, {"class": "SubworkflowFeatureRequirement"}],
        "inputs": inputs,
        "outputs": {},
        "steps": {"align": {"run": run, "out": [], **step}},
    }  # fmt: skip


def said(house: House, document: dict[str, Any], inputs: dict[str, Any] | None = None) -> str:
    """The message of a task that fails."""
    app = house.install(document, "align")
    with house.scheduling():
        task = house.wait(house.queue(app, inputs or {}))
    assert task.status is Status.FAILED
    assert task.progress is not None
    return task.progress.message


def exit_code(house: House) -> str:
    script = (
        '[ "$(basename $(inputs.reads.path))" != sample_B.fastq ] && sleep 30; echo "[E] truncated file" >&2; exit 1'
    )
    run = tool(script.replace("$(basename", "`basename").replace(')"', '`"'), inputs=READS, requirements=[small()])
    files = [house.upload(f"sample_{name}.fastq", name.encode()) for name in "ABC"]
    step = {"scatter": "reads", "in": {"reads": "files"}}
    return said(house, workflow(run, step, files="File[]"), {"files": files})


def exit_code_127(house: House) -> str:
    return said(house, tool("bwa mem ref.fa reads.fq"))


def exit_code_in_a_nested_workflow(house: House) -> str:
    run = tool("test $(inputs.lane) != 3 || exit 139", inputs={"lane": "int"}, requirements=[small()])
    inner = workflow(run, {"scatter": "lane", "in": {"lane": "lanes"}}, lanes="int[]")
    outer = workflow(inner, {"in": {"lanes": "all"}, "scatter": "lanes"}, all="Any")
    outer["steps"]["sample"] = outer["steps"].pop("align")
    return said(house, outer, {"all": [[1, 2], [3]]})


def out_of_memory_(_: House) -> str:
    record = Record(attempt="x", cores=2.0, memory=4096, time_limit=None, enclosure="docker", stderr=None)
    outcome = explained(out_of_memory(137), Seen(shortage=Shortage.OWN), record)
    failure = Failure(key="align", name="align", outcome=outcome)
    return job_failed(failure, logs=task_logs("align"))


def time_limit(house: House) -> str:
    document = tool("echo aligning >&2; exec sleep 60", requirements=[{"class": "ToolTimeLimit", "timelimit": 1}])
    return said(house, document)


def command_not_found(house: House) -> str:
    return said(house, {**tool("x"), "requirements": [], "arguments": ["mem"], "baseCommand": "bwa"})


def image_unavailable(_: House) -> str:
    outcome = outcome_of(unavailable("'quay.io/biocontainers/bwa:0.7.71'", "manifest unknown"))
    return job_failed(Failure(key="align", name="align", outcome=outcome))


def unsupported(house: House) -> str:
    image = {"class": "DockerRequirement", "dockerPull": "quay.io/biocontainers/bwa:0.7.17"}
    return said(house, tool("bwa mem", requirements=[image]))


def not_started(house: House) -> str:
    document = {**tool("x"), "requirements": [], "arguments": [], "baseCommand": ["true", "x" * 200_000]}
    return said(house, document)


def lost(house: House) -> str:
    return said(house, tool("kill -9 $PPID; sleep 1"))


def disk_full(house: House) -> str:
    failing(house, OSError(28, "No space left on device"))
    return said(house, tool("echo x > out.bam", outputs=BAM))


def missing_output(house: House) -> str:
    return said(house, tool("echo 'no reads aligned' >&2; touch out.sam align.log", outputs=BAM))


def bad_output(house: House) -> str:
    return said(house, tool("touch a.bam b.bam", outputs=BAM))


def bad_expression(house: House) -> str:
    document = tool(
        "bwa $(inputs.options.join(' '))",
        inputs={"options": "string?"},
        requirements=[{"class": "InlineJavascriptRequirement"}],
    )
    return said(house, document)


def bad_expression_of_a_step(house: House) -> str:
    run = tool("true", inputs={"n": "int"})
    step = {"scatter": "n", "in": {"n": {"source": "ns", "valueFrom": "$(self.split('_')[0])"}}}
    return said(house, workflow(run, step, ns="int[]"), {"ns": [4, 5]})


def bad_input(house: House) -> str:
    return said(house, tool("true", inputs=READS), {"reads": {"class": "File", "path": "5f3e8a7be4b0d3a1f6b2c9d8"}})


def too_large(house: House) -> str:
    return said(house, tool("true", requirements=[small(cores=64, memory=500_000)]))


def app_invalid(house: House) -> str:
    return said(house, {**tool("true"), "inputs": {"reads": "Fil"}, "outputs": {"bam": {"type": "file"}}})


SCENARIOS: dict[str, Callable[[House], str]] = {
    function.__name__.rstrip("_"): function
    for function in (
        exit_code, exit_code_127, exit_code_in_a_nested_workflow, out_of_memory_, time_limit, command_not_found,
        image_unavailable, not_started, lost, disk_full, missing_output, bad_output, bad_expression,
        bad_expression_of_a_step, bad_input, too_large, unsupported, app_invalid,
    )
}  # fmt: skip
WITHOUT_EXAMPLE = {Reason.SUCCEEDED, Reason.CANCELLED, Reason.INTERRUPTED, Reason.REFUSED}


def examples() -> dict[str, str]:
    """The blocks of the page by the name in their first line."""
    return dict(re.findall(r"^```text (\w+)\n(.*?)\n```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def normal(message: str) -> str:
    """A message without what differs from machine to machine."""
    message = re.sub(r"on PATH \([^)]*\)", "on PATH (...)", message)
    return message.replace("\nTerminated\n", "\n")  # what some shells say on the way out


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_page_shows_what_is_said(house: House, name: str) -> None:
    assert examples().get(name) == normal(SCENARIOS[name](house))


def test_every_kind_has_an_example_and_every_example_a_run() -> None:
    assert set(examples()) == set(SCENARIOS)
    shown = {reason for reason in Reason if any(name.startswith(reason.value) for name in SCENARIOS)}
    assert set(Reason) - shown == WITHOUT_EXAMPLE
