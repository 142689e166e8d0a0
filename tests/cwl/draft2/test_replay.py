"""Recorded runs of draft-2 workflows: each job is answered with what it gave; the same jobs come with the same inputs.

The records were made by another executor. It wrote single files as lists of one, gave staged inputs other paths, and
found out the sizes and checksums of some files later than others.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.expressions import evaluator_for
from araneus.cwl.inputs import check_values
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.engine.execution import Execution, ExecutionStatus
from araneus.model.job import Outcome, Reason
from araneus.model.values import is_file_value

SHARED = Path(__file__).resolve().parents[4] / "shared"
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
