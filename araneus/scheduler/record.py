"""Everything that one tick writes, in one transaction: claims, jobs, attempts, progress, and how tasks end.

`record` takes values and a connection, and may be run again from the start when the transaction failed: it reads each
task afresh and decides on what it finds. Whether a status may follow is `model.task.step`'s decision; the API may have
asked for an abort in the meantime, and an ABORTING task takes no other verdict than ABORTED.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from araneus.model.errors import ConcurrentChange
from araneus.model.file import Location
from araneus.model.job import FINISHED, Job, JobStatus, Outcome, Reason
from araneus.model.task import TERMINAL, Progress, Status, Task, step
from araneus.scheduler.facts import Aborted, AttemptEnd, Completed, Failed, Memories, Prepared, Steps, Verdict
from araneus.scheduler.leftovers import leftovers
from araneus.scheduler.progress import progress
from araneus.scheduler.publish import place
from araneus.storage.base import Storage
from araneus.store import files, holds, jobs, memos, tasks
from araneus.store.database import Connection
from araneus.store.locks import Turn, take_turn

ACTOR = "scheduler"
FRESH = timedelta(minutes=10)
"""How old a plan may be to need no second look at its bytes; well below the grace of the storage."""
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When a task was claimed and when its first process started, as far as it came."""

    claimed_on: datetime | None = None
    started_on: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What to write about one task. ``root`` is the root folder of its project: the place of log rows and outputs."""

    task: str
    project: str
    root: str
    claim: bool = False
    jobs: tuple[Job, ...] = ()
    ended: tuple[AttemptEnd, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    given: frozenset[Location] = frozenset()
    queue: bool = False
    memories: tuple[Memories, ...] = ()
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    progress: Progress | None = None
    steps: Steps = field(default_factory=Steps)
    times: Times = field(default_factory=Times)
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of an entry. ``status`` is the task's now; None when the task does not exist any more.

    An entry without claim and verdict does not look at the task, and answers RUNNING.
    """

    task: str
    status: Status | None


def record(
    connection: Connection, entries: Sequence[Entry], now: datetime, storage: Storage | None = None
) -> list[Written]:
    """Write the entries. Raises what the store raises, and FileNotFoundError when outputs that were taken into the
    ``storage`` long ago are not there any more; the caller's transaction is then rolled back as a whole."""
    if storage is not None:
        _check_bytes(connection, entries, now, storage)
    statuses = {entry.task: _status(connection, entry, now) for entry in entries}
    alive = [entry for entry in entries if statuses[entry.task] is not None]
    rows = [job for entry in alive for job in (*(one.job for one in entry.prepared), *entry.jobs)]
    jobs.upsert(connection, list({(job.task, job.key): job for job in rows}.values()))
    jobs.insert_attempts(connection, [one.attempt for entry in alive for one in entry.prepared])
    jobs.note_logs(connection, {attempt: paths for entry in alive for attempt, paths in entry.logs.items()})
    jobs.end_attempts(connection, [(end.attempt, end.outcome, end.ended_on) for entry in alive for end in entry.ended])
    for each in (each for entry in alive for each in entry.memories):
        jobs.insert_attempts(connection, each.attempts)
        memos.use(connection, each.used, now)
        memos.keep(connection, each.made)
    for entry in alive:
        if entry.progress is not None and entry.verdict is None and not entry.claim:
            tasks.set_progress(connection, entry.task, entry.progress)
        if statuses[entry.task] in {Status.FAILED, Status.ABORTED}:
            _close(connection, entry.task, now)
        if statuses[entry.task] is Status.FAILED and isinstance(entry.verdict, Failed):
            _leave(connection, entry, now)
    over = [entry.task for entry in alive if statuses[entry.task] in TERMINAL]
    holds.insert(connection, {entry.task: entry.given for entry in alive if entry.task not in over})
    holds.drop(connection, over)
    return [Written(entry.task, statuses[entry.task]) for entry in entries]


def _check_bytes(connection: Connection, entries: Sequence[Entry], now: datetime, storage: Storage) -> None:
    """Storage keeps bytes for a while until a row names them. After a plan that took long, or a machine that slept,
    look whether they are there; nobody can remove them until the transaction ends."""
    for entry in entries:
        done = entry.verdict
        if isinstance(done, Completed) and done.planned_on is not None and now - done.planned_on > FRESH:
            take_turn(connection, Turn.LOCATIONS)
            for node in done.nodes:
                if node.location is not None:
                    storage.size(node.location)


def _status(connection: Connection, entry: Entry, now: datetime) -> Status | None:
    """Write the claim or the verdict, whichever the entry has and the task's status allows."""
    if not entry.claim and not entry.queue and entry.verdict is None:
        return Status.RUNNING
    for _ in range(_TRIES):
        task = tasks.get(connection, entry.task)
        if task is None:
            return None
        to = _next_status(task.status, entry)
        if to is None:
            return task.status
        try:
            _save(connection, task, to, entry, now)
        except ConcurrentChange:
            continue
        if to is not Status.RUNNING or entry.verdict is None:
            return to
    raise ConcurrentChange(f"task {entry.task} changed {_TRIES} times while its status was written")


def _next_status(status: Status, entry: Entry) -> Status | None:
    """The status to write now, or None when there is nothing to write: decided on the row as it is."""
    verdict = entry.verdict
    if status is Status.ABORTING:
        return Status.ABORTED if isinstance(verdict, Aborted) else None
    if status in {Status.QUEUED, Status.RUNNING}:
        if isinstance(verdict, Completed):
            return Status.COMPLETED if status is Status.RUNNING else Status.RUNNING
        if isinstance(verdict, Failed):
            return Status.FAILED
        if entry.claim and status is Status.QUEUED:
            return Status.RUNNING
        if entry.queue and status is Status.RUNNING:
            return Status.QUEUED
    return None


def _save(connection: Connection, task: Task, to: Status, entry: Entry, now: datetime) -> None:
    verdict = entry.verdict
    message = verdict.message if isinstance(verdict, Failed | Aborted) else None
    changed, event = step(task, to, now=now, actor=ACTOR, message=message or "")
    shown = progress(
        to,
        entry.steps,
        message=message,
        run_on=task.start_time,
        claimed_on=entry.times.claimed_on,
        started_on=entry.times.started_on,
        now=now,
    )
    changed = replace(changed, progress=shown)
    if isinstance(verdict, Failed) and to is Status.FAILED:
        changed = replace(changed, errors=({"message": verdict.message},))
    if isinstance(verdict, Completed) and to is Status.COMPLETED:
        changed = replace(changed, outputs=place(connection, task, entry.root, verdict, now))
    tasks.save(connection, task, changed, event)


def _leave(connection: Connection, entry: Entry, now: datetime) -> None:
    """Keep what a failed task has made so far where people can look at it."""
    rows, attempts = jobs.for_task(connection, entry.task), jobs.attempts_for(connection, entry.task)
    left = leftovers(entry.task, entry.project, rows, attempts, now)
    if entry.root and left:
        files.insert(connection, *(replace(file, parent=entry.root) for file in left))


def _close(connection: Connection, task: str, now: datetime) -> None:
    """Nothing of an ended task stays open: its unfinished jobs and attempts were stopped."""
    stopped = Outcome(reason=Reason.CANCELLED, message="the task ended before this job did")
    unfinished = [job for job in jobs.for_task(connection, task) if job.status not in FINISHED]
    if unfinished:
        jobs.upsert(
            connection, [replace(job, status=JobStatus.ABORTED, outcome=stopped, ended_on=now) for job in unfinished]
        )
    still_open = [attempt.id for attempt in jobs.attempts_for(connection, task) if attempt.ended_on is None]
    jobs.end_attempts(connection, [(identity, stopped, now) for identity in still_open])
