"""Parents of batches: they run nothing, their status follows their children.

The API makes the children in the transaction that takes the parent from CREATING to QUEUED. From then on a parent is
RUNNING while a child is unfinished, then COMPLETED when all completed, else FAILED; a parent that is being aborted
aborts its children first.
Source: API reference, tasks, section 10.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import structlog

from araneus.model.errors import ConcurrentChange, Refusal
from araneus.model.task import TERMINAL, TRANSITIONS, Progress, Status, Task, step
from araneus.scheduler.record import ACTOR
from araneus.store import projects, tasks
from araneus.store.database import Connection, Database

log = structlog.get_logger("araneus.scheduler")
_UNFINISHED = (Status.CREATING, Status.QUEUED, Status.RUNNING)


def parent_status(own: Status, children: Mapping[Status, int]) -> Status:
    """Where a parent belongs, given how many children stand where. Pure."""
    unfinished = sum(number for status, number in children.items() if status not in TERMINAL)
    if own is Status.CREATING and not children:
        return own
    if own is Status.ABORTING:
        return Status.ABORTING if unfinished else Status.ABORTED
    if unfinished:
        waiting = children.get(Status.QUEUED, 0) + children.get(Status.CREATING, 0)
        return own if waiting == sum(children.values()) else Status.RUNNING
    return Status.COMPLETED if set(children) <= {Status.COMPLETED} else Status.FAILED


def parent_progress(status: Status, children: Mapping[Status, int], now: datetime, since: datetime | None) -> Progress:
    """What ``execution_status`` says of a parent: its children as steps. Durations in milliseconds. Pure."""
    total = sum(children.values())
    finished = sum(number for child, number in children.items() if child in TERMINAL)
    failed = children.get(Status.FAILED, 0) + children.get(Status.ABORTED, 0)
    message = f"{finished} of {total} tasks finished" + (f", {failed} failed or aborted" if failed else "")
    running = int((now - since).total_seconds() * 1000) if since and status is not Status.QUEUED else 0
    return Progress(
        message=message,
        message_code=f"task_{status.value.lower()}",
        steps_completed=finished,
        steps_total=total,
        running_duration=running,
        execution_duration=running,
    )


class Batches:
    """The parents that are unfinished. Owned by the loop's thread."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._followed: dict[str, Mapping[Status, int]] = {}

    def __contains__(self, task: str) -> bool:
        return task in self._followed

    def follow(self, task: str) -> None:
        """Keep this parent up to date until it is finished."""
        self._followed.setdefault(task, {})

    def waits(self, parent: str | None) -> bool:
        """Whether no child of this parent has begun, as far as it is known."""
        return parent in self._followed and not set(self._followed[parent]) - {Status.QUEUED, Status.CREATING}

    def moved(self, connection: Connection) -> list[str]:
        """The parents whose children, or own status, have moved since they were last settled; read only."""
        moved = []
        for parent, before in self._followed.items():
            task = tasks.get(connection, parent)
            if task is None or task.status is Status.ABORTING or tasks.status_counts(connection, parent) != before:
                moved.append(parent)
        return moved

    def settle(self, parent: str) -> None:
        """Bring one parent to where its children say; forget it when it is finished or gone."""
        try:
            with self._database.write() as connection:
                status = self._settle(connection, parent)
        except ConcurrentChange:
            return
        if status is None or status in TERMINAL:
            del self._followed[parent]

    def _settle(self, connection: Connection, parent: str) -> Status | None:
        task = tasks.get(connection, parent)
        if task is None or task.status in TERMINAL:
            return None
        now = self._clock()
        if task.status is Status.ABORTING:
            with contextlib.suppress(Refusal):  # before its tasks, as whoever deletes it; gone, its tasks are gone too
                projects.lock(connection, task.project)
            self._abort_children(connection, task, now)
        counts = tasks.status_counts(connection, parent)
        to = parent_status(task.status, counts)
        shown = parent_progress(to, counts, now, task.start_time)
        self._followed[parent] = counts
        if to is task.status:
            tasks.set_progress(connection, parent, shown)
            return to
        if to not in TRANSITIONS[task.status]:
            task = tasks.save(connection, task, *step(task, Status.RUNNING, now=now, actor=ACTOR))
        changed, event = step(task, to, now=now, actor=ACTOR, message=shown.message)
        tasks.save(connection, task, replace(changed, progress=shown), event)
        log.info("batch_moved", task=parent, status=to.value)
        return to

    def _abort_children(self, connection: Connection, parent: Task, now: datetime) -> None:
        for child in tasks.children(connection, parent.id, _UNFINISHED):
            changed, event = step(child, Status.ABORTING, now=now, actor=ACTOR, message="its batch was aborted")
            tasks.save(connection, child, changed, event)
