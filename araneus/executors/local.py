"""Runs attempts on this machine: counts cores and memory, starts wrappers, knows at once when they end.

The flow of one attempt: a thread (`starter`) takes the job directory's lock, puts the files in place, opens the streams
and spawns the wrapper (`prepare.begin`); a tool that needs an image waits before while another thread fetches it. The
wrapper holds the lock, writes ``pid``, runs the tool, writes ``exit_code``. Its end is seen through a pidfd; `poll`
then reads the files (`jobdir.read_files`) and decides the outcome. `recover` does the same for attempts that an earlier
process started: `jobdir` shows why no instant of a ``kill -9`` leaves a doubt. This module knows nothing of tasks, SQL
or CWL.
"""

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from araneus.executors import jobdir, processes
from araneus.executors.base import Ended, Fit, Found, Submission
from araneus.executors.containers import Containers
from araneus.executors.enclosure import Enclosure
from araneus.executors.errors import outcome_of
from araneus.executors.fetch import Fetcher
from araneus.executors.jobdir import Finding, Record, Trace
from araneus.executors.limits import limits_for
from araneus.executors.prepare import begin
from araneus.executors.room import Room
from araneus.executors.starter import Starter
from araneus.executors.verdict import Seen, Stop, explained, verdict
from araneus.executors.watch import Watch
from araneus.model.job import Outcome, Reason, Resources

GRACE = 2.0
"""Seconds between asking a cancelled tool to end and killing it."""


@dataclass(slots=True, kw_only=True)
class _Active:
    """An attempt that is under way. ``submission`` until its wrapper runs; ``starting`` while a thread is at it."""

    attempt: str
    directory: Path
    enclosure: Enclosure
    submission: Submission | None = None
    starting: bool = False
    pid: int | None = None
    child: bool = False
    watched: bool = False
    deadline: float = math.inf
    interrupt_at: float = math.inf
    kill_at: float = math.inf
    stop: Stop | None = None

    def due(self, tick: float) -> float:
        """When the clock next matters to this attempt; ``tick`` when it has to be looked at."""
        look = tick if self.submission is None and not self.watched else math.inf
        end = min(self.deadline, self.interrupt_at) if self.stop is None else math.inf
        return min(self.kill_at, end, look)

    @property
    def suspect(self) -> processes.Suspect:
        return processes.Suspect(
            attempt=self.attempt, directory=os.fspath(self.directory), session=self.pid if self.child else None
        )


class LocalExecutor:
    """The `Executor` of one machine. See the protocol for its obligations.

    ``cores`` and ``memory`` (MiB) are what its attempts may take together; ``say`` is told what a person should see
    (an image is being fetched); ``grace`` is in seconds; ``watch`` may be one for systems without pidfds; ``starters``
    threads start attempts, or with 0 the caller's own. Interruptible attempts are interrupted ``interrupt_after``
    seconds after their start, as a cloud may do: to see what a task makes of it.
    """

    name = "local"

    def __init__(
        self,
        *,
        cores: float,
        memory: int,
        containers: Containers,
        clock: Callable[[], datetime],
        say: Callable[[str], None] = lambda _: None,
        grace: float = GRACE,
        watch: Watch | None = None,
        starters: int = 2,
        interrupt_after: float = math.inf,
    ) -> None:
        self.room = Room(cores, memory)
        self._containers = containers
        self._clock = clock
        self._grace = grace
        self._interrupt_after = interrupt_after
        processes.keep_descriptors()
        self._watch = watch or Watch()
        self._fetcher = Fetcher(self._watch.wake, say)
        self._starter = Starter(self._watch.wake, threads=starters)
        self._active: dict[str, _Active] = {}
        self._ended: list[Ended] = []

    def fit(self, resources: Resources) -> Fit:
        """See the protocol."""
        return self.room.fit(resources)

    def submit(self, submission: Submission) -> None:
        """See the protocol."""
        if submission.attempt in self.room:
            return
        self.room.take(submission.attempt, submission.resources)
        if submission.network and not self._containers.policy.network:
            submission = replace(submission, network=False)
        try:
            self._begin(submission)
        except Exception as problem:
            self._over(submission.attempt, outcome_of(problem))

    def poll(self) -> Sequence[Ended]:
        """See the protocol."""
        for attempt in self._watch.ready():
            if attempt in self._active:
                self._finish(self._active[attempt])
        for attempt, image in self._fetcher.done():
            if attempt in self._active:
                self._fetched(self._active[attempt], image)
        for attempt, started in self._starter.done():
            self._started(self._active[attempt], started)
        self._enforce(time.monotonic())
        ended, self._ended = self._ended, []
        for report in ended:
            self.room.give_back(report.attempt)
        return ended

    def cancel(self, attempt: str) -> None:
        """See the protocol."""
        active = self._active.get(attempt)
        if active is None or active.stop is Stop.CANCELLED:
            return
        if active.starting:
            active.stop = Stop.CANCELLED
        elif active.submission is not None:
            del self._active[attempt]
            self._over(attempt, verdict(Finding(trace=Trace.NOT_STARTED), stop=Stop.CANCELLED))
        elif active.stop is None:
            self._stop(active, Stop.CANCELLED)
        else:
            active.stop = Stop.CANCELLED

    def recover(self, directories: Mapping[str, Path]) -> Mapping[str, Found]:
        """See the protocol."""
        meanings = {Trace.ALIVE: Found.RUNNING, Trace.NOT_STARTED: Found.UNKNOWN}
        found = self._take_up(directories)
        return {attempt: meanings.get(trace, Found.ENDED) for attempt, trace in found.items()}

    def fileno(self) -> int:
        """See the protocol."""
        return self._watch.fileno()

    def close(self) -> None:
        """Let go of descriptors and threads. Attempts go on running and can be recovered."""
        self._fetcher.close()
        self._starter.close()
        self._watch.close()
        if self._containers.groups is not None:
            self._containers.groups.close()

    def _begin(self, submission: Submission) -> None:
        enclosure = self._containers.enclosure(submission.image)
        active = _Active(attempt=submission.attempt, directory=submission.directory, enclosure=enclosure)
        engine = self._containers.engine
        if submission.image is not None and engine is not None and enclosure is engine:
            if self._take_up({submission.attempt: submission.directory})[submission.attempt] is Trace.NOT_STARTED:
                active.submission = submission
                self._active[submission.attempt] = active
                self._fetcher.fetch(submission.attempt, engine, submission.image)
            return
        self._start(active, submission, "")

    def _start(self, active: _Active, submission: Submission, image: str) -> None:
        active.submission = submission
        active.starting = True
        self._active[active.attempt] = active
        groups = self._containers.groups
        limits = limits_for(submission.resources, self._containers.policy)
        self._starter.start(active.attempt, lambda: begin(submission, active.enclosure, image, limits, groups))

    def _started(self, active: _Active, result: int | Exception | None) -> None:
        submission, active.submission, active.starting = active.submission, None, False
        assert submission is not None
        stop, active.stop = active.stop, None
        if isinstance(result, int):
            active.pid = result
            active.child = True
            if submission.interruptible:
                active.interrupt_at = time.monotonic() + self._interrupt_after
                self._watch.at(active.interrupt_at)
            self._follow(active, submission.time_limit)
        else:
            del self._active[active.attempt]
            if isinstance(result, Exception):
                not_started = Finding(trace=Trace.NOT_STARTED)
                self._over(active.attempt, verdict(not_started, stop=stop) if stop else outcome_of(result))
            else:
                self._take_up({active.attempt: active.directory})
        if stop is not None:
            self.cancel(active.attempt)

    def _fetched(self, active: _Active, image: str | Exception) -> None:
        submission, active.submission = active.submission, None
        assert submission is not None
        if isinstance(image, Exception):
            del self._active[active.attempt]
            self._over(active.attempt, outcome_of(image))
        else:
            self._start(active, submission, image)

    def _take_up(self, directories: Mapping[str, Path]) -> dict[str, Trace]:
        """Look at attempts of an earlier process, and end what is left of those whose wrapper was killed."""
        found = {attempt: self._look(attempt, directory) for attempt, directory in directories.items()}
        lost = [attempt for attempt, trace in found.items() if trace is Trace.LOST]
        processes.end([processes.Suspect(attempt=name, directory=os.fspath(directories[name])) for name in lost])
        engine = self._containers.engine
        if engine is not None:
            for attempt in lost:
                self._fetcher.end(attempt, engine)
        return found

    def _look(self, attempt: str, directory: Path) -> Trace:
        """Take up an attempt that this process did not start, as its directory shows it."""
        if attempt in self._active:
            return Trace.ALIVE
        if any(report.attempt == attempt for report in self._ended):
            return Trace.ENDED
        finding = jobdir.examine(directory)
        if finding.trace is Trace.NOT_STARTED:
            return finding.trace
        record = jobdir.read_record(directory) or Record(attempt=attempt)
        enclosure = self._containers.named(record.enclosure)
        active = _Active(attempt=attempt, directory=directory, enclosure=enclosure, pid=finding.pid)
        self.room.take(attempt, Resources(cores=record.cores, memory=record.memory))
        if finding.trace is Trace.ALIVE:
            passed = self._clock() - finding.started_on if finding.started_on else timedelta()
            limit = record.time_limit
            self._follow(active, None if limit is None else limit - passed.total_seconds())
        else:
            self._conclude(active, finding)
        return finding.trace

    def _follow(self, active: _Active, time_left: float | None) -> None:
        self._active[active.attempt] = active
        now = time.monotonic()
        if time_left is not None:
            active.deadline = now + time_left
            self._watch.at(active.deadline)
        pidfd = None if active.pid is None else processes.open_pidfd(active.pid)
        if pidfd is not None and (active.child or jobdir.is_held(active.directory)):
            active.watched = self._watch.add(active.attempt, pidfd)
        elif pidfd is not None:
            os.close(pidfd)
        if not active.watched:
            self._watch.at(now)

    def _enforce(self, now: float) -> None:
        """What is due by the clock: time limits, kills, and looks at attempts that no descriptor watches."""
        for active in list(self._active.values()):
            if active.stop is None and active.deadline <= now:
                self._stop(active, Stop.TIME_LIMIT)
            if active.stop is None and active.interrupt_at <= now:
                self._stop(active, Stop.INTERRUPTED)
            if active.kill_at <= now:
                active.kill_at = now + 1.0
                self._kill(active)
            if active.submission is None and not active.watched:
                self._look_again(active)
        tick = now + self._watch.TICK
        self._watch.at(min((active.due(tick) for active in self._active.values()), default=math.inf))

    def _look_again(self, active: _Active) -> None:
        if not jobdir.is_held(active.directory):
            self._finish(active)
            return
        if active.pid is None:
            active.pid = jobdir.examine(active.directory).pid

    def _stop(self, active: _Active, stop: Stop) -> None:
        active.stop = stop
        active.kill_at = time.monotonic() + self._grace
        self._watch.at(active.kill_at)
        processes.ask_to_end(active.suspect, keep=active.pid)
        self._end_container(active)

    def _end_container(self, active: _Active) -> None:
        engine = self._containers.engine
        if engine is not None and active.enclosure is engine:
            self._fetcher.end(active.attempt, engine)

    def _finish(self, active: _Active) -> None:
        """The wrapper is gone: make sure that nothing of the attempt is left, then report it."""
        finding = jobdir.read_files(active.directory, alive=False)
        if active.stop is not None or finding.trace is not Trace.ENDED:
            self._kill(active)
            self._end_container(active)
        status = processes.reap(active.pid) if active.child and active.pid is not None else None
        if active.child and active.pid is not None and processes.group_exists(active.pid):
            self._kill(active)
        del self._active[active.attempt]
        self._conclude(active, finding, status)

    def _kill(self, active: _Active) -> None:
        # A group first: it is exact, and what multiplies cannot outrun it. The search finds what never joined one.
        if self._containers.groups is not None:
            self._containers.groups.end(active.attempt)
        processes.end([active.suspect])

    def _conclude(self, active: _Active, finding: Finding, status: int | None = None) -> None:
        directory = active.directory
        smooth = active.stop is None and finding.exit_code == 0
        seen = self._leave_group(active, smooth=smooth)
        record = None if smooth else jobdir.read_record(directory)
        outcome = None
        if active.stop is None and finding.exit_code not in {None, 0} and active.enclosure.encloses:
            notes = (jobdir.read_small(directory / jobdir.CONTAINER) or b"").decode("utf-8", "replace")
            outcome = active.enclosure.judge(finding.exit_code or 0, jobdir.error_tail(directory, record), notes)
            if outcome is not None and outcome.reason is Reason.LOST:
                # The engine is gone, its containers need not be; another attempt follows.
                self._kill(active)
                self._end_container(active)
        room = os.statvfs(directory).f_bavail > 0 if finding.trace is not Trace.ENDED and directory.is_dir() else True
        outcome = outcome or verdict(finding, stop=active.stop, status=status, room=room)
        self._over(active.attempt, explained(outcome, seen, record), finding)

    def _leave_group(self, active: _Active, *, smooth: bool) -> Seen:
        groups = self._containers.groups
        if groups is None:
            return Seen()
        seen = Seen()
        if not smooth:
            seen = Seen(shortage=groups.shortage(active.attempt), forks_refused=groups.forks_refused(active.attempt))
        if not groups.remove(active.attempt):
            groups.end(active.attempt)
            groups.remove(active.attempt)
        return seen

    def _over(self, attempt: str, outcome: Outcome, finding: Finding | None = None) -> None:
        now = self._clock()
        by_itself = finding is not None and outcome.reason in {Reason.SUCCEEDED, Reason.OUT_OF_MEMORY}
        self._ended.append(
            Ended(
                attempt=attempt,
                outcome=outcome,
                started_on=finding.started_on if finding else None,
                ended_on=(finding.ended_on or now) if finding is not None and by_itself else now,
            )
        )
        self._watch.wake()
