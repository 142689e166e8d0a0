"""What a task looks like to its readers: exactly the documented top-level fields, and file values with their rows.

Flow: a resource loads tasks and, when inputs or outputs are wanted, the rows of `shown_file_ids` that the caller may
read; `show_task` renders. No I/O here. Source: API reference, tasks, sections 2, 3, 7 and 8.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, TypeAlias

from araneus.api.fields import Selector
from araneus.api.task_inputs import BESIDE, file_ids
from araneus.api.wire import timestamp
from araneus.model.charge import CURRENCY, MILLION, Cost, text_of
from araneus.model.file import File
from araneus.model.task import TERMINAL, Progress, Status, Task
from araneus.model.values import FileValue, Value, map_file_values

LIST_FIELDS: Final = ("href", "id", "name", "project", "status")
_HIDDEN_KEYS: Final = frozenset({"location", "dirname", "listing", "contents", BESIDE})
_MESSAGES: Final = {
    Status.CREATING: "Batch tasks are being created",
    Status.QUEUED: "Submitted and waiting for execution",
    Status.RUNNING: "Initializing...",
    Status.COMPLETED: "Completed",
    Status.FAILED: "Failed",
    Status.ABORTING: "Aborting",
    Status.ABORTED: "Aborted by user",
}
_WAITING: Final = frozenset({Status.CREATING, Status.QUEUED})
_SPEAK_FOR_THEMSELVES: Final = frozenset({Status.QUEUED, Status.ABORTING})
"""Statuses that the API sets: progress, if any, tells of the status before."""

FileRows = Mapping[str, File]
"""Rows by id: only those that the reader may see."""


def shown_file_ids(task: Task, *, inputs: bool, outputs: bool) -> Iterator[str]:
    """The ids of the files that the task's answer describes."""
    if inputs:
        yield from file_ids(task.inputs)
    if outputs:
        yield from file_ids(task.outputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What a task is shown with besides its row: readable file rows, the time, what ended tasks cost, and for the
    parents of batches how many children stand where."""

    files: FileRows
    now: datetime
    costs: Mapping[str, Cost] = field(default_factory=dict)
    children: Mapping[str, Mapping[Status, int]] = field(default_factory=dict)


def show_task(task: Task, href: str, background: Background, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The task object with the fields of ``names``, as `shown_names` gives them, or all: lists show few, and polling
    asks for one or two.

    Fields that do not apply yet (``end_time`` of a draft) are left out, not null.
    """
    shown = {"href": href} if names is None or "href" in names else {}
    for name, show in _shows(names):
        value = show(task, background)
        if value is not None or name == "description":
            shown[name] = value
    return shown


@lru_cache(maxsize=1024)
def shown_names(selector: Selector) -> tuple[str, ...]:
    """The fields that a caller wants to see, in the order in which they are shown."""
    return tuple(name for name in ("href", *_FIELDS) if selector.wants(name))


_STORED: Final[Mapping[str, tuple[str, ...]]] = {
    "href": ("id",),
    "type": (),
    "execution_status": ("status", "progress", "start_time", "end_time"),
    "price": ("status", "end_time", "execution_settings"),
    "batch_by": ("batch", "batch_by"),
    "batch_input": ("batch", "batch_input"),
}


@lru_cache(maxsize=1024)
def stored_names(names: tuple[str, ...]) -> frozenset[str]:
    """The fields of a stored task that showing these needs; what is asked of every task is among them."""
    return frozenset({"id", "project", "status", "batch"}).union(*(_STORED.get(name, (name,)) for name in names))


_Show: TypeAlias = Callable[[Task, Background], Any]
_FIELDS: Final[dict[str, _Show]] = {
    "id": lambda task, _: task.id,
    "name": lambda task, _: task.name,
    "description": lambda task, _: task.description,
    "status": lambda task, _: task.status.value,
    "project": lambda task, _: task.project,
    "app": lambda task, _: task.app,
    "type": lambda task, _: "v2",
    "created_by": lambda task, _: task.created_by,
    "executed_by": lambda task, _: task.executed_by,
    "created_time": lambda task, _: timestamp(task.created_time),
    "start_time": lambda task, _: timestamp(task.start_time),
    "end_time": lambda task, _: timestamp(task.end_time),
    "batch": lambda task, _: task.batch,
    "batch_by": lambda task, _: task.batch_by if task.batch else None,
    "batch_input": lambda task, _: task.batch_input if task.batch else None,
    "parent": lambda task, _: task.parent,
    "batch_group": lambda task, _: task.batch_group,
    "use_interruptible_instances": lambda task, _: task.use_interruptible_instances,
    "execution_settings": lambda task, _: task.execution_settings,
    "output_location": lambda task, _: task.output_location,
    "execution_status": lambda task, background: (
        execution_status(task, background.now) | child_counts(background.children.get(task.id))
    ),
    "price": lambda task, background: price(background.costs.get(task.id, Cost())) if task.status in TERMINAL else None,
    "errors": lambda task, _: task.errors,
    "warnings": lambda task, _: task.warnings,
    "inputs": lambda task, background: show_values(task.inputs, background.files),
    "outputs": lambda task, background: show_values(task.outputs, background.files),
}


@lru_cache(maxsize=1024)
def _shows(names: tuple[str, ...] | None) -> Sequence[tuple[str, _Show]]:
    return [(name, _FIELDS[name]) for name in (_FIELDS if names is None else names) if name in _FIELDS]


def price(cost: Cost) -> dict[str, Any]:
    """What a task cost. The parts are texts, as clients expect."""
    parts = {"storage": text_of(cost.storage), "computation": text_of(cost.computation), "data_transfer": "0.00"}
    return {"amount": cost.total / MILLION, "currency": CURRENCY, "breakdown": parts}


def execution_status(task: Task, now: datetime) -> dict[str, Any]:
    """How far a task is; empty for a draft. Durations are milliseconds."""
    if task.status is Status.DRAFT:
        return {}
    progress = task.progress or Progress()
    told = task.status not in _SPEAK_FOR_THEMSELVES
    total = _milliseconds(task.start_time, task.end_time or now)
    queued, running, executing = _durations(task.status, progress, total)
    # It has been running before: only the machine's room can have put it back.
    waits = {"system_limit": True} if task.status is Status.QUEUED and progress.running_duration else {}
    return waits | {
        "message": (told and progress.message) or _MESSAGES[task.status],
        "message_code": (told and progress.message_code) or f"task_{task.status.value.lower()}",
        "steps_completed": progress.steps_completed,
        "steps_total": progress.steps_total,
        "queued_duration": queued,
        "running_duration": running,
        "execution_duration": executing,
        "duration": total,
    }


def _durations(status: Status, progress: Progress, total: int) -> tuple[int, int, int]:
    """Milliseconds queued, running and executing up to now: what was written last, and what has passed since then in
    this status. The first two make up the whole."""
    queued, running, executing = progress.queued_duration, progress.running_duration, progress.execution_duration
    since = max(0, total - queued - running)
    if status in _WAITING:
        return max(0, total - running), running, executing
    return queued, running + since, executing + since if executing else 0


def child_counts(children: Mapping[Status, int] | None) -> dict[str, int]:
    """The counters that only the parent of a batch shows in ``execution_status``."""
    if not children:
        return {}
    return {
        "queued": children.get(Status.QUEUED, 0) + children.get(Status.CREATING, 0),
        "running": children.get(Status.RUNNING, 0) + children.get(Status.ABORTING, 0),
        "completed": children.get(Status.COMPLETED, 0),
        "failed": children.get(Status.FAILED, 0),
        "aborted": children.get(Status.ABORTED, 0),
    }


def _milliseconds(start: datetime | None, end: datetime) -> int:
    return 0 if start is None else max(0, int((end - start).total_seconds() * 1000))


def show_values(values: Mapping[str, Value], files: FileRows) -> dict[str, Value]:
    """Inputs or outputs with every file value enriched from its row."""
    return {port: map_file_values(value, lambda file: _show_file(file, files)) for port, value in values.items()}


def _show_file(file: FileValue, files: FileRows) -> FileValue:
    shown = {key: value for key, value in file.items() if key not in _HIDDEN_KEYS and key != "secondaryFiles"}
    row = files.get(str(file.get("path")))
    if row is not None:
        shown["name"] = row.name
        if "basename" in shown:
            shown["basename"] = row.name
        if not row.folder:
            shown |= {"size": row.size, "metadata": row.metadata}
    secondaries = [_show_file(item, files) for item in file.get("secondaryFiles") or ()]
    beside = (files[identity] for identity in file.get(BESIDE) or () if identity in files)
    secondaries += [_show_file(_value_of(neighbour), files) for neighbour in beside]
    if secondaries:
        shown["secondaryFiles"] = secondaries
    return shown


def _value_of(row: File) -> FileValue:
    return {"class": "Directory" if row.folder else "File", "path": row.id}
