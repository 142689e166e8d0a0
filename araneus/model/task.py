"""Tasks: what users ask for, which status may follow which, and what may change when.

    DRAFT -> CREATING | QUEUED
    CREATING -> QUEUED | RUNNING | FAILED | ABORTING
    QUEUED -> RUNNING | FAILED | ABORTING
    RUNNING -> QUEUED | COMPLETED | FAILED | ABORTING
    ABORTING -> ABORTED
    COMPLETED, FAILED, ABORTED are final

`step` is the only place that decides a status; `store.tasks.save` is the only statement that writes one, guarded by
``version``, and it inserts the `Event` in the same transaction. Source: API reference, tasks, section 1.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from araneus.model.errors import Fault, Refusal


class Status(StrEnum):
    """Where a task stands."""

    DRAFT = "DRAFT"
    CREATING = "CREATING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABORTING = "ABORTING"
    ABORTED = "ABORTED"


_S = Status
TRANSITIONS: dict[Status, frozenset[Status]] = {
    _S.DRAFT: frozenset({_S.CREATING, _S.QUEUED}),
    _S.CREATING: frozenset({_S.QUEUED, _S.RUNNING, _S.FAILED, _S.ABORTING}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.FAILED, _S.ABORTING}),
    _S.RUNNING: frozenset({_S.QUEUED, _S.COMPLETED, _S.FAILED, _S.ABORTING}),
    _S.ABORTING: frozenset({_S.ABORTED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.ABORTED: frozenset(),
}
TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)

_ALL_FIELDS = frozenset(
    {
        "name", "description", "app", "inputs", "execution_settings", "use_interruptible_instances",
        "output_location", "batch", "batch_input", "batch_by",
    }
)  # fmt: skip
EDITABLE: dict[Status, frozenset[str]] = {
    _S.DRAFT: _ALL_FIELDS,
    _S.RUNNING: frozenset({"name"}),
    _S.COMPLETED: frozenset({"name"}),
}
"""Which fields a caller may change in which status; a status that is not named allows none (code 7026)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What ``execution_status`` shows of a task that was run. Durations are milliseconds."""

    message: str = ""
    message_code: str = ""
    steps_completed: int = 0
    steps_total: int = 0
    queued_duration: int = 0
    running_duration: int = 0
    execution_duration: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One requested analysis. ``version`` counts the saves and guards each of them."""

    id: str
    project: str
    app: str
    name: str
    description: str | None = None
    status: Status = Status.DRAFT
    version: int = 0
    created_by: str
    created_time: datetime
    executed_by: str | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    batch: bool = False
    batch_input: str | None = None
    batch_by: dict[str, Any] | None = None
    parent: str | None = None
    batch_group: dict[str, Any] | None = None
    use_interruptible_instances: bool = True
    execution_settings: dict[str, Any] = field(default_factory=dict)
    output_location: dict[str, Any] | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: tuple[dict[str, Any], ...] = ()
    warnings: tuple[dict[str, Any], ...] = ()
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a task: the audit trail, and the source of notifications."""

    task: str
    time: datetime
    actor: str
    kind: str
    before: Status
    after: Status
    message: str = ""


def step(task: Task, to: Status, *, now: datetime, actor: str, message: str = "") -> tuple[Task, Event]:
    """The task in its next status, and the event that says so.

    Sets ``start_time`` and ``executed_by`` on leaving DRAFT and ``end_time`` on arriving at a final status.
    Raises `Refusal` with the fault of the action that was tried when the move is not in `TRANSITIONS`.
    """
    if to not in TRANSITIONS[task.status]:
        raise _illegal(task.status, to)
    changed = replace(task, status=to)
    if task.status is Status.DRAFT:
        changed = replace(changed, start_time=now, executed_by=actor, end_time=None)
    if to in TERMINAL:
        changed = replace(changed, end_time=now)
    event = Event(task=task.id, time=now, actor=actor, kind="status", before=task.status, after=to, message=message)
    return changed, event


def _illegal(status: Status, to: Status) -> Refusal:
    if to in {Status.QUEUED, Status.CREATING}:
        return Refusal(Fault.TASK_NOT_DRAFT, f"Only DRAFT tasks can be run; this task is {status}.")
    if to is Status.ABORTING:
        return Refusal(
            Fault.TASK_NOT_ABORTABLE, f"Only CREATING, QUEUED or RUNNING tasks can be aborted; this task is {status}."
        )
    return Refusal(Fault.TASK_ACTION_INVALID, f"A task cannot go from {status} to {to}.")


def check_editable(task: Task, fields: set[str]) -> None:
    """Raise `Refusal` (7026) unless all the fields may be changed in the task's status."""
    locked = fields - EDITABLE.get(task.status, frozenset())
    if locked:
        raise Refusal(
            Fault.TASK_NOT_EDITABLE,
            f"Task is {task.status}: {', '.join(sorted(locked))} can be changed only in DRAFT;"
            " RUNNING and COMPLETED tasks can only be renamed.",
        )


def check_runnable(task: Task) -> None:
    """Raise `Refusal` (7007) unless the task is a draft: what waits or runs already is not submitted again, though the
    scheduler may put a running task back among those that wait."""
    if task.status is not Status.DRAFT:
        raise _illegal(task.status, Status.QUEUED)


def check_deletable(task: Task) -> None:
    """Raise `Refusal` (7010) unless the task is a draft."""
    if task.status is not Status.DRAFT:
        raise Refusal(Fault.TASK_NOT_DELETABLE, f"Only DRAFT tasks can be deleted; this task is {task.status}.")


def clone(task: Task, *, new_id: str, actor: str, now: datetime) -> Task:
    """A new draft of the same analysis. Copied and reset fields: API reference, tasks, section 12."""
    return replace(
        task,
        id=new_id,
        status=Status.DRAFT,
        version=0,
        created_by=actor,
        created_time=now,
        executed_by=None,
        start_time=None,
        end_time=None,
        parent=None,
        batch_group=None,
        outputs={},
        errors=(),
        warnings=(),
        progress=None,
    )
