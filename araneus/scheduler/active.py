"""A task that the loop has in hand: what runs, what waits, what has yet to be written. Owned by the loop's thread."""

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from araneus.executors.base import Ended
from araneus.model.file import Location
from araneus.model.job import Attempt, Job, JobStatus
from araneus.model.task import Progress, Status, Task
from araneus.scheduler.facts import Aborted, AttemptEnd, Facts, Failed, Memories, Prepared, Steps, Verdict
from araneus.scheduler.progress import progress
from araneus.scheduler.record import Entry, Times
from araneus.scheduler.run import Run
from araneus.scheduler.saved_logs import INTERVAL


@dataclass(slots=True)
class Active:
    """One task between its claim and its end.

    ``flying`` are the attempts that the executor has; ``prepared`` ones are not in the database yet; ``waiting``
    counts those that are and wait for room.
    ``since`` is when the task was taken, in monotonic seconds.
    ``queue_after``: seconds without room after which the task is shown as QUEUED; ``queued``: it is, and has been
    RUNNING before; ``ran`` is then for how long, and for how long with a process.
    ``watched_at``: when (monotonic seconds) to look for logs of running jobs again.
    ``stopping``: nothing more is started, and the verdict is written when nothing flies any more.
    """

    task: str
    project: str
    person: str
    run_on: datetime | None
    run: Run
    claim: bool
    parent: str | None = None
    times: Times = field(default_factory=Times)
    root: str = ""
    prepared: list[Prepared] = field(default_factory=list)
    waiting: int = 0
    backlog: int = 0
    flying: set[str] = field(default_factory=set)
    inbox: list[Ended] = field(default_factory=list)
    heard_at: float = 0.0
    jobs: list[Job] = field(default_factory=list)
    ended: list[AttemptEnd] = field(default_factory=list)
    given: frozenset[Location] = frozenset()
    memories: list[Memories] = field(default_factory=list)
    logs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    watched_at: float = math.inf
    steps: Steps = field(default_factory=Steps)
    verdict: Verdict | None = None
    since: float = 0.0
    queue_after: float = math.inf
    idle_since: float = 0.0
    queued: bool = False
    queued_on: datetime | None = None
    ran: tuple[timedelta, timedelta] = (timedelta(), timedelta())
    stopping: bool = False
    more: bool = True
    troubles: int = 0
    retry_at: float = 0.0
    shown: Progress | None = None
    shown_at: float = 0.0

    @classmethod
    def of(
        cls, task: Task, run: Run, attempts: list[Attempt], now: float = 0.0, queue_after: float = math.inf
    ) -> "Active":
        """A task as the database has it, with the attempts of it that were open when this process started."""
        return cls(
            task=task.id,
            project=task.project,
            person=task.executed_by or task.created_by,
            run_on=task.start_time,
            run=run,
            claim=task.status is Status.QUEUED,
            parent=task.parent,
            times=_times(task),
            flying={attempt.id for attempt in attempts},
            shown=task.progress,
            since=now,
            queue_after=queue_after,
            idle_since=now,
            ran=_ran(task),
        )

    def take(self, facts: Facts, now: float = 0.0) -> None:
        """Take in what a turn of the lane found out; ``now`` is monotonic."""
        self.jobs += facts.jobs
        self.ended += facts.ended
        self.root = facts.root or self.root
        self.given |= facts.given
        if facts.memories is not None:
            self.memories.append(facts.memories)
        self.logs |= facts.logs
        self.watched_at = now + INTERVAL if facts.watched else math.inf
        self.steps = facts.steps
        if self.stopping:
            return
        self.more = facts.more
        self.backlog = facts.backlog
        self.prepared += facts.prepared
        if facts.verdict is not None:
            self.verdict = facts.verdict
            if isinstance(facts.verdict, Failed):
                self.stop()

    def fail(self, message: str) -> None:
        """The task is to end as FAILED, unless it is being aborted already."""
        if not isinstance(self.verdict, Aborted):
            self.verdict = Failed(message=message)
        self.stop()

    def give_up(self, message: str) -> None:
        """What was found out about the task cannot be written: end it with that message alone."""
        self.jobs.clear()
        self.ended.clear()
        self.memories.clear()
        self.logs.clear()
        self.fail(message)

    def abort(self) -> None:
        """The task is to end as ABORTED."""
        self.verdict = Aborted()
        self.stop()

    def stop(self) -> None:
        """Start nothing more."""
        self.stopping = True
        self.more = False
        self.backlog = 0
        self.prepared.clear()
        self.inbox.clear()

    def hear(self, ended: Ended, now: float) -> None:
        """An attempt of this task ended, and that was heard at ``now`` (monotonic). Of a task that is stopping nothing
        is collected any more."""
        self.flying.discard(ended.attempt)
        self.idle_since = now
        if not self.stopping:
            self.heard_at = self.heard_at if self.inbox else now
            self.inbox.append(ended)

    def started(self, one: Prepared, now: datetime) -> None:
        """The executor has this attempt now."""
        self.waiting -= 1
        self.flying.add(one.attempt.id)
        if self.queued:
            self.queued, self.claim = False, True
        self._runs(one, now)

    def resumed(self, one: Prepared) -> None:
        """The executor had this attempt before a restart, and still has it."""
        self._runs(one, one.attempt.created_on)

    def _runs(self, one: Prepared, now: datetime) -> None:
        self.jobs.append(replace(one.job, status=JobStatus.RUNNING, started_on=now))
        if self.times.started_on is None:
            self.times = replace(self.times, started_on=now - self.ran[1])

    def entry(self, now: float, at: datetime) -> Entry:
        """Everything that is to be written about this task now. ``now`` is monotonic, ``at`` the time of day."""
        queue = self._starves and now >= self.idle_since + self.queue_after
        self.queued_on = at if queue else None
        return Entry(
            task=self.task,
            project=self.project,
            root=self.root,
            claim=self.claim,
            queue=queue,
            jobs=tuple(self.jobs),
            ended=tuple(self.ended),
            prepared=tuple(self.prepared),
            given=self.given,
            memories=tuple(self.memories),
            logs=dict(self.logs),
            progress=self._progress(now, at),
            steps=self.steps,
            times=replace(self.times, claimed_on=at - self.ran[0]) if self.claim else self.times,
            verdict=self.verdict if self.is_over else None,
        )

    def due_at(self, written_at: float, patience: float) -> float:
        """When (monotonic seconds) this task next has to be written; infinity when nothing waits.

        What holds the task up is due at once. A claim, how an attempt ended and a job's new status wait for that, at
        most until ``patience`` after the last write: until then the task's status and the job directory tell the same.
        """
        if self.is_over or self.prepared:
            due = 0.0
        elif self.claim or self.jobs or self.ended or self.logs:
            due = max(written_at, self.since) + patience
        else:
            due = self.shown_at + PROGRESS_INTERVAL if self._is_behind else math.inf
            due = min(due, self.idle_since + self.queue_after if self._starves else math.inf)
        return max(due, self.retry_at)

    def turn_at(self, window: int) -> float:
        """When (monotonic seconds) its lane has something to do: 0 for now, infinity for nothing.

        While others wait for room, the machine is busy without what the ends of these jobs may make ready; taken in
        together they cost less.
        """
        if self.verdict is not None or self.stopping:
            return math.inf
        if self.more or (self.backlog > 0 and self.waiting + len(self.prepared) <= window // 2):
            return 0.0
        if not self.inbox:
            return self.watched_at if self.flying else math.inf
        return self.heard_at + GATHER_TIME if len(self.inbox) < GATHER <= self.waiting else 0.0

    def written(self, entry: Entry) -> None:
        """The entry is in the database."""
        self.claim = False
        self.times = entry.times
        if entry.queue and self.queued_on is not None:
            self.queued, self.ran = True, _spans(entry.times, self.queued_on)
            self.times = Times()
        elif entry.claim:
            self.ran = (timedelta(), timedelta())
        del self.jobs[: len(entry.jobs)]
        del self.ended[: len(entry.ended)]
        del self.prepared[: len(entry.prepared)]
        del self.memories[: len(entry.memories)]
        for attempt in [attempt for attempt, paths in entry.logs.items() if self.logs.get(attempt) == paths]:
            del self.logs[attempt]
        self.given -= entry.given
        self.troubles = 0
        self.retry_at = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the verdict can be written: there is one, and nothing flies."""
        return self.verdict is not None and not self.flying

    @property
    def _starves(self) -> bool:
        """Whether nothing of it runs, for want of room alone, and it is shown as RUNNING all the same."""
        return (
            self.waiting > 0
            and not (self.flying or self.claim or self.queued or self.stopping)
            and self.verdict is None
        )

    @property
    def _is_behind(self) -> bool:
        """Whether the progress that was written last is not how far the task is."""
        if self.claim or self.queued or self.verdict is not None:
            return False
        return self.shown is None or self.steps != Steps(
            completed=self.shown.steps_completed, total=self.shown.steps_total
        )

    @property
    def _has_just_begun(self) -> bool:
        """Whether its first process has started and that does not show yet; goes with the write of the job."""
        if self.claim or self.queued or self.verdict is not None or self.times.started_on is None:
            return False
        return self.shown is None or not self.shown.execution_duration

    def _progress(self, now: float, at: datetime) -> Progress | None:
        """The progress to show, when it differs from the one shown and the last one is old enough."""
        is_late = self._is_behind and now - self.shown_at >= PROGRESS_INTERVAL
        if not is_late and not (self.jobs and self._has_just_begun):
            return None
        self.shown_at = now
        self.shown = progress(
            Status.RUNNING,
            self.steps,
            run_on=self.run_on,
            claimed_on=self.times.claimed_on,
            started_on=self.times.started_on,
            now=at,
        )
        return self.shown


GATHER = 16
"""How many ends are taken in together while at least as many jobs wait for room."""
GATHER_TIME = 0.02
"""Seconds that an end waits for others at most."""
PROGRESS_INTERVAL = 0.3
"""Seconds between two writes of one task's progress."""


def _times(task: Task) -> Times:
    """The times of a task that an earlier process had claimed, from the durations that it showed."""
    if task.status is Status.QUEUED or task.start_time is None:
        return Times()
    queued = timedelta(milliseconds=task.progress.queued_duration if task.progress else 0)
    claimed = task.start_time + queued
    executing = task.progress.execution_duration if task.progress else 0
    running = task.progress.running_duration if task.progress else 0
    if not executing:
        return Times(claimed_on=claimed)
    return Times(claimed_on=claimed, started_on=claimed + timedelta(milliseconds=running - executing))


def _spans(times: Times, at: datetime) -> tuple[timedelta, timedelta]:
    """For how long a task has been running, and for how long since its first process started."""
    running = at - times.claimed_on if times.claimed_on else timedelta()
    return running, at - times.started_on if times.started_on else timedelta()


def _ran(task: Task) -> tuple[timedelta, timedelta]:
    """The same of a task that an earlier process has shown as QUEUED again."""
    if task.status is not Status.QUEUED or task.progress is None:
        return timedelta(), timedelta()
    progress = task.progress
    return timedelta(milliseconds=progress.running_duration), timedelta(milliseconds=progress.execution_duration)
