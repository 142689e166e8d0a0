"""Why tasks of a batch failed, told once for all that failed alike."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from araneus.model.job import Outcome, Reason
from araneus.model.task import Task

_ELEMENT = re.compile(r"/\d+(?=/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """A job that failed: its key (see `model.job`) and how it ended."""

    key: str
    outcome: Outcome

    @property
    def step(self) -> str | None:
        """The steps that lead to it, without the numbers of scattered elements; None for a task that is one tool."""
        return _ELEMENT.sub("", self.key) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Tasks that failed for one reason: in the same step, in the same way, with the same exit code.

    ``reason`` is None where no job is to blame; then the ``message``, the first line of what the first of the tasks
    says, is the same for all of them.
    """

    step: str | None
    reason: Reason | None
    exit_code: int | None
    message: str
    tasks: tuple[Task, ...]


def alike(failed: Iterable[Task], jobs: Mapping[str, FailedJob]) -> list[Alike]:
    """The tasks by reason, the most frequent reason first. ``jobs`` has the first failed job of tasks, by task id."""
    found: dict[tuple[object, ...], list[Task]] = {}
    for task in failed:
        job = jobs.get(task.id)
        which = (job.step, job.outcome.reason, job.outcome.exit_code) if job else (None, None, None, first_line(task))
        found.setdefault(which, []).append(task)
    groups = [_group(tasks, jobs.get(tasks[0].id)) for tasks in found.values()]
    return sorted(groups, key=lambda group: -len(group.tasks))


def _group(tasks: list[Task], job: FailedJob | None) -> Alike:
    return Alike(
        step=job.step if job else None,
        reason=job.outcome.reason if job else None,
        exit_code=job.outcome.exit_code if job else None,
        message=first_line(tasks[0]),
        tasks=tuple(tasks),
    )


def first_line(task: Task) -> str:
    """What a failed task says, without places, last words and logs."""
    said = str(task.errors[0].get("message", "")) if task.errors else ""
    return said.strip().partition("\n")[0]
