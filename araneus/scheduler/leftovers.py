"""What a failed task leaves for inspection: the outputs of its jobs, as hidden files of its project.

They stand in no listing and cannot be inputs; execution details name them among the logs of their job. Their bytes stay
where they are, in the working directories, and go when these go (the project's ``intermediate_files``). Nothing of this
may fail a task, or make a failure other than it is. Source: execution semantics of the platform, "Outputs".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.files import file_location, local_path
from araneus.cwl.known_files import all_file_values
from araneus.cwl.outputs import collect
from araneus.cwl.process import CommandLineTool
from araneus.executors import jobdir
from araneus.model.file import File
from araneus.model.ids import new_file_id
from araneus.model.job import Attempt, Job
from araneus.model.values import Value
from araneus.scheduler.names import safe_file_name
from araneus.scheduler.publish import kept_metadata

MAX_LEFT: Final = 500
"""Files of one task."""


def partial_outputs(
    tool: CommandLineTool, invocation: Invocation, directory: Path, evaluator: Evaluator, exit_code: int | None
) -> dict[str, Value] | None:
    """What can be collected of the outputs of a job that failed, port by port; None when it is nothing."""
    found: dict[str, Value] = {}
    for port in tool.outputs:
        alone = replace(tool, outputs=(port,))
        try:
            outputs = collect(alone, invocation, directory / jobdir.WORK, evaluator, exit_code=exit_code or 0)
        except (CWLError, OSError):
            continue  # what makes an output unusable is why people look at the others
        found.update({name: value for name, value in outputs.items() if any(all_file_values(value))})
    return found or None


def leftovers(task: str, project: str, jobs: Iterable[Job], attempts: Sequence[Attempt], now: datetime) -> list[File]:
    """The rows for what the jobs of a failed task left, without a folder yet. They have no size: it does not count as
    the project's storage, and readers look at the bytes as they are."""
    homes = {f"{file_location(attempt.directory)}/": attempt.id for attempt in attempts}
    rows: dict[str, File] = {}
    for value in _files_of(jobs):
        place = _place(str(value.get("location") or ""), homes)
        if place is None or place in rows:
            continue
        if len(rows) == MAX_LEFT:
            break
        rows[place] = File(
            id=new_file_id(now.timestamp()),
            project=project,
            parent=None,
            name=safe_file_name(place.rpartition("/")[2]),
            location=place,
            hidden=True,
            origin_task=task,
            metadata=kept_metadata(value),
            created_on=now,
            modified_on=now,
        )
    return list(rows.values())


def _files_of(jobs: Iterable[Job]) -> Iterator[dict[str, Value]]:
    for job in jobs:
        yield from (value for value in all_file_values(job.outputs) if value.get("class") == "File")


def _place(location: str, homes: Mapping[str, str]) -> str | None:
    """The location below the directory of an attempt, as the storage knows it; None for any other."""
    home, found, rest = location.partition(f"/{jobdir.WORK}/")
    attempt = homes.get(f"{home}/")
    if not found or attempt is None:
        return None
    path = local_path(f"file:///{jobdir.WORK}/{rest}").as_posix()
    return f"job:{attempt}{path}" if path.isprintable() else None
