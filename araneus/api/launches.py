"""Sending tasks on their way: a task alone in one step, a batch in two.

    DRAFT → QUEUED                      a task
    DRAFT → CREATING                    the parent of a batch: from here on it is submitted, whatever becomes of us
    CREATING → QUEUED, with children    in one transaction, so that nobody ever sees half of a batch

Both steps are done before the caller is answered. When the process dies between them, `resume` does the second one.
Source: API reference, tasks, sections 1 and 10.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from araneus.api.batches import children
from araneus.api.services import Services
from araneus.api.task_checks import entry
from araneus.api.task_inputs import file_ids
from araneus.api.task_loading import Examination, app_of, examination, examined, readable_files
from araneus.model.errors import ConcurrentChange, Fault, Refusal
from araneus.model.task import Event, Progress, Status, Task, step
from araneus.store import tasks
from araneus.store.database import Connection

LEFT_ALONE: Final = timedelta(seconds=30)
"""How long after its run a parent without children counts as left by a process that is no more."""
_log = structlog.get_logger("araneus.api")


@dataclass(frozen=True, slots=True)
class Launch:
    """A task that is ready to be started, with the children that it gets when it is a batch. Decided before the write,
    so that the transactions only write."""

    task: Task
    children: tuple[Task, ...]
    actor: str

    def begin(self, conn: Connection, before: Task, now: datetime) -> Task:
        """Save that the task is submitted, with its event. Raises `ConcurrentChange`, and `Refusal` for no draft."""
        to = Status.CREATING if self.task.batch else Status.QUEUED
        submitted, event = step(self.task, to, now=now, actor=self.actor, message="Task submitted")
        return tasks.save(conn, before, submitted, event)

    def complete(self, services: Services, task: Task) -> Task:
        """Add the children of a batch, and tell the scheduler. Answers the task as it stands then: somebody may have
        aborted the batch before it had any."""
        if task.status is Status.CREATING:
            task = _add_children(services, task, self.children, self.actor)
        services.wake()
        return task


def launch_of(services: Services, task: Task, using: Examination) -> Launch:
    """Split a batch. Raises `Refusal` 7024 when there is nothing to split."""
    process = using.form.process
    if not task.batch or process is None:
        return Launch(task, (), using.username)
    with services.database.read() as conn:
        rows = readable_files(conn, file_ids(list(task.inputs.values())), using.username, {task.project})
    made = children(task, process, rows, actor=using.username, now=services.clock())
    return Launch(task, tuple(made), using.username)


def errors_message(task: Task) -> str:
    """The sentence of a refusal to run a task with errors."""
    problems = "; ".join(str(error["message"]) for error in task.errors[:10])
    more = f" (and {len(task.errors) - 10} more)" if len(task.errors) > 10 else ""
    return f"Task cannot start because of validation errors: {problems}{more}"


def _add_children(services: Services, parent: Task, drafts: Sequence[Task], actor: str) -> Task:
    """CREATING → QUEUED, and the children with it, unless the parent has moved on meanwhile."""
    now = services.clock()
    made, events = _submitted(drafts, actor, now)
    message = f"{len(made)} tasks were made"
    try:
        with services.database.write() as conn:
            queued, event = step(parent, Status.QUEUED, now=now, actor=actor, message=message)
            tasks.insert(conn, *made, events=events)  # which locks the project: before any of its tasks
            return tasks.save(conn, parent, queued, event)
    except ConcurrentChange:
        with services.database.read() as conn:
            found = tasks.get(conn, parent.id)
        if found is None:
            raise Refusal(Fault.TASK_NOT_FOUND, "The task was deleted with its project at the same time.") from None
        return found


def _submitted(drafts: Sequence[Task], actor: str, now: datetime) -> tuple[list[Task], list[Event]]:
    steps = [step(draft, Status.QUEUED, now=now, actor=actor, message="Made by its batch") for draft in drafts]
    return [task for task, _ in steps], [event for _, event in steps]


def resume(services: Services) -> int:
    """Finish the batches that were run and then left without children; how many there were."""
    with services.database.read() as conn:
        left = tasks.left_creating(conn, services.clock() - LEFT_ALONE)
    for parent in left:
        _log.warning("batch_resumed", task=parent.id)
        try:
            _resume(services, parent)
        except Exception:  # of one batch: the others go on, and this one is tried again
            _log.exception("batch_not_resumed", task=parent.id)
    return len(left)


def _resume(services: Services, parent: Task) -> None:
    """What the batch cannot be split into any more is said by its parent, which has failed."""
    actor = parent.executed_by or parent.created_by
    with services.database.read() as conn:
        app = app_of(conn, parent, actor)
    using = examination(services, app, actor)
    with services.database.read() as conn:
        task = examined(conn, parent, using)
    try:
        if task.errors:
            raise Refusal(Fault.TASK_HAS_ERRORS, errors_message(task))
        launch_of(services, parent, using).complete(services, parent)
    except Refusal as refusal:
        _fail(services, parent, refusal.message)


def _fail(services: Services, parent: Task, message: str) -> None:
    failed, event = step(parent, Status.FAILED, now=services.clock(), actor="araneus", message=message)
    try:
        with services.database.write() as conn:
            errors, said = (entry(message, parent.batch_input),), Progress(message=message, message_code="task_failed")
            tasks.save(conn, parent, replace(failed, errors=errors, progress=said), event)
    except ConcurrentChange:
        return
