"""Recorded runs of draft-2 workflows: each job is answered with what it gave; the same jobs come with the same inputs.

The records were made by another executor. It wrote single files as lists of one, gave staged inputs other paths, and
found out the sizes and checksums of some files later than others.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.command import Invocation, Layout, prepare, resources
from araneus.cwl.expressions import Evaluator, evaluator_for
from araneus.cwl.file_metadata import with_metadata
from araneus.cwl.inputs import check_values
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.cwl.process import CommandLineTool, OutputBinding, Workflow
from araneus.engine.execution import Execution, ExecutionStatus
from araneus.engine.ports import Fitter
from araneus.model.job import Outcome, Reason
from araneus.model.values import file_values, is_file_value, map_file_values

SHARED = Path(__file__).resolve().parents[4] / "shared"
LAYOUT = Layout(work="/job/work", temporary="/job/tmp", inputs="/job/inputs")
DONE = Outcome(reason=Reason.SUCCEEDED, exit_code=0)


def runs() -> list[str]:
    return sorted(path.parent.name for path in (SHARED / "apps" / "draft2" / "replay").glob("*/app.json"))


def content(value: Any) -> Any:
    """What two records of one value have in common; a list of one file is that file."""
    if isinstance(value, list):
        items = [content(item) for item in value]
        return items[0] if len(items) == 1 and is_file_value(value[0]) else items
    if is_file_value(value):
        beside = sorted(item["name"] for item in value.get("secondaryFiles") or ())
        return {"name": value["name"], "metadata": value.get("metadata") or {}, "beside": beside, "bytes": Bytes(value)}
    return value


class Bytes:
    """Size and checksum of a file: two are equal unless both say something and it is not the same."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.said = {key: value[key] for key in ("size", "checksum") if value.get(key) is not None}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bytes):
            return NotImplemented
        return all(self.said[key] == other.said[key] for key in self.said.keys() & other.said.keys())

    __hash__ = None  # type: ignore[assignment]


def contents(values: dict[str, Any]) -> dict[str, Any]:
    return {name: content(value) for name, value in values.items() if value is not None}


def recorded_name(key: str) -> str:
    """``root.step.1`` for ``step/0``."""
    parts = (str(int(part) + 1) if part.isdigit() else part for part in key.split("/"))
    return ".".join(["root", *parts])


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_bytes())


@pytest.fixture(params=runs() or ["none"])
def run(request: pytest.FixtureRequest, shared: Path) -> Path:
    return shared / "apps" / "draft2" / "replay" / str(request.param)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_recorded_run_is_repeated(run: Path, javascript: JavaScript, backwards: bool) -> None:
    process = load_document(read(run, "app.json"))
    inputs = read(run, "inputs.json")
    assert check_values(process, inputs) == []
    recorded = {job["name"]: job for job in read(run, "jobs.json")}
    execution = Execution(process, inputs, lambda each: evaluator_for(each, javascript))
    waiting, seen = execution.start(), {}
    while waiting:
        job = waiting.pop(0 if backwards else -1)
        name = recorded_name(job.key)
        assert name not in seen
        seen[name] = contents(job.inputs)
        assert seen[name] == contents(recorded[name]["inputs"]), name
        waiting += execution.finish(job.key, DONE, recorded[name]["outputs"])
    assert execution.failure is None
    assert execution.status is ExecutionStatus.SUCCEEDED
    assert seen.keys() == recorded.keys()
    assert contents(execution.outputs) == contents(read(run, "expected.json"))
    for name, value in read(run, "expected.json").items():
        assert isinstance(execution.outputs[name], type(value)), name


WRITE_THEIR_OWN = frozenset({"SBG_FASTQ_Quality_Detector"})
"""Steps whose tool names its outputs itself, with metadata, in cwl.output.json."""


def test_recorded_jobs_can_be_prepared_and_their_files_get_the_recorded_metadata(
    run: Path, javascript: JavaScript
) -> None:
    process = load_document(read(run, "app.json"))
    assert isinstance(process, Workflow)
    tools = {step.id: step.run for step in process.steps}
    compared = 0
    for job in read(run, "jobs.json"):
        step = job["name"].split(".")[1]
        tool = tools[step]
        assert isinstance(tool, CommandLineTool)
        evaluator = evaluator_for(tool, javascript)
        given = {name: map_file_values(value, as_input) for name, value in job["inputs"].items()}
        inputs = Fitter().fit(tool.inputs, given, where=job["name"])
        asked = resources(tool, inputs, evaluator)
        seen = prepare(tool, inputs, LAYOUT, asked, evaluator, locate=lambda _: Path("/dev/null"))
        for port in tool.outputs:
            binding = port.binding
            assert binding is not None
            if (binding.metadata or binding.inherit_metadata_from) and step not in WRITE_THEIR_OWN:
                for file in file_values(job["outputs"].get(port.id)):
                    assert metadata(file["name"], binding, seen, evaluator) == (file["metadata"] or {}), job["name"]
                    compared += 1
    assert compared > 0


def metadata(name: str, binding: OutputBinding, seen: Invocation, evaluator: Evaluator) -> dict[str, Any]:
    """What a file of this name would have as metadata."""

    def evaluate(text: Any, file: dict[str, Any]) -> Any:
        return evaluator.evaluate(text, inputs=seen.inputs, self_=file, runtime=seen.runtime)

    made = {"class": "File", "basename": name, "path": f"{LAYOUT.work}/{name}"}
    found: dict[str, Any] = with_metadata(made, binding, seen.inputs, evaluate).get("metadata", {})
    return found


def as_input(file: dict[str, Any]) -> dict[str, Any]:
    """A recorded file as a job gets it."""
    kept = {key: file[key] for key in ("class", "metadata") if file.get(key) is not None}
    place = {"basename": file["name"], "location": f"blob:{file['path']}", "size": file["size"] or 0}
    return kept | place | {"secondaryFiles": [as_input(each) for each in file.get("secondaryFiles") or ()]}
