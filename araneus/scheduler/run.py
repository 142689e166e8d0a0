"""One running task as its lane sees it: evaluate, prepare, collect, publish. May block; never writes to the database.

A `Run` is owned by its lane: one turn at a time, on any thread. The first turn builds the execution, replaying jobs
that were finished before a restart; every turn takes in how attempts ended and prepares the next jobs. What a turn
found out it returns as `Facts`; until the loop has committed them, a crash loses nothing but the work of that turn.
"""

import errno
import json
import shlex
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from araneus.cwl.command import Invocation, prepare, resources, run_expression
from araneus.cwl.errors import CWLError, DocumentError, InputError, Problem
from araneus.cwl.expressions import Evaluator, evaluator_for
from araneus.cwl.inplace import may_happen
from araneus.cwl.inputs import complete
from araneus.cwl.javascript import JavaScript
from araneus.cwl.process import CommandLineTool, ExpressionTool, Process
from araneus.engine.execution import Execution, ExecutionStatus, ReadyJob
from araneus.executors import jobdir
from araneus.executors.base import Ended
from araneus.model.app import App
from araneus.model.errors import Fault, Refusal
from araneus.model.file import Location
from araneus.model.ids import AppId, new_uuid
from araneus.model.instance import Instance, InstanceTypes, most_parallel, named_instance, named_type
from araneus.model.job import FINISHED, OUTPUTS_LOG, Attempt, Job, JobStatus, Outcome, Reason, Resources
from araneus.model.memo import Memo, Reuse, is_wanted
from araneus.model.project import Project
from araneus.model.task import Task
from araneus.scheduler.contents import loader
from araneus.scheduler.facts import AttemptEnd, Completed, Facts, Failed, Memories, Prepared, Steps
from araneus.scheduler.inputs import Located, known_locations, locate_inputs
from araneus.scheduler.leftovers import partial_outputs
from araneus.scheduler.memory import Circle, Memory, Recalled
from araneus.scheduler.messages import app_invalid, job_failed, task_failed, task_logs
from araneus.scheduler.names import targets
from araneus.scheduler.outage import persistently
from araneus.scheduler.publish import Planner
from araneus.scheduler.retries import Retries
from araneus.scheduler.saved_logs import Watch, wanted
from araneus.scheduler.settling import settle
from araneus.scheduler.staging import Gate, layout, submission
from araneus.storage.base import Storage
from araneus.store import apps, jobs, projects
from araneus.store.database import Database

MAX_COMMAND_LINE = 100_000
FIRST = 8
"""How many jobs are prepared at once when none is waiting for room."""
SLICE = 0.2
"""Seconds after which a turn hands in what it has, so that other tasks get their turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every run works with. ``load`` gives the normal form of an app; ``jobs`` is where job directories go
    (a path without links)."""

    database: Database
    storage: Storage
    javascript: JavaScript
    load: Callable[[App], Process]
    jobs: Path
    executor: str
    clock: Callable[[], datetime]
    window: int = 64
    memory_growth: float = 1.0
    temporary_tries: int = 1
    instances: InstanceTypes = field(default_factory=InstanceTypes)


@dataclass(frozen=True, slots=True)
class _Live:
    """A job whose attempt was prepared and has not been settled."""

    ready: ReadyJob
    invocation: Invocation
    job: Job
    attempt: Attempt
    recalled: Recalled | None = None


@dataclass(slots=True)
class _Turn:
    """The facts of one turn while they are gathered."""

    jobs: list[Job] = field(default_factory=list)
    ended: list[AttemptEnd] = field(default_factory=list)
    prepared: list[Prepared] = field(default_factory=list)
    resumed: list[Prepared] = field(default_factory=list)
    made: list[Memo] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)

    def memories(self) -> Memories | None:
        """What memoization has to write, if anything."""
        if not (self.made or self.used):
            return None
        return Memories(made=tuple(self.made), used=tuple(self.used), attempts=tuple(self.attempts))


@dataclass(frozen=True, slots=True)
class _Setting:
    """What the database says when a run begins."""

    process: Process
    project: Project
    located: Located
    finished: Mapping[str, Job]
    attempts: Sequence[Attempt]
    noted: Mapping[str, Reuse]


class Run:
    """One task, from its claim to its verdict."""

    def __init__(self, task: Task, means: Means) -> None:
        self._task = task
        self._means = means
        self._gate = Gate(means.storage, means.jobs)
        self._evaluators: dict[int, tuple[Process, Evaluator]] = {}
        self._backlog: deque[ReadyJob] = deque()
        self._live: dict[str, _Live] = {}
        self._numbers: dict[str, int] = {}
        self._sizes: dict[Resources, Resources] = {}
        self._ran: set[str] = set()
        self._rows: Mapping[str, tuple[Any, ...]] = {}
        self._network = False
        self._root = ""
        self._given: frozenset[Location] = frozenset()
        self._execution: Execution | None = None
        self._memory: Memory | None = None
        self._noted: Mapping[str, Reuse] = {}
        self._parallel: int | None = None
        self._watch = Watch()
        self._retries = Retries(
            interruptible=task.use_interruptible_instances,
            memory_growth=means.memory_growth,
            temporary_tries=means.temporary_tries,
        )

    def turn(self, ended: Sequence[Ended], waiting: int) -> Facts:
        """Take in how attempts ended and prepare more jobs; ``waiting`` is how many prepared ones still wait for room.

        What is wrong with the task becomes a `Failed` verdict. Whatever is raised is a fault of the server.
        """
        turn = _Turn()
        try:
            if self._execution is None:
                self._begin(turn)
            for end in ended:
                self._settle(turn, end)
            return self._go_on(turn, waiting)
        except DocumentError as error:
            return self._facts(turn, Failed(message=app_invalid(str(error))))
        except CWLError as error:
            return self._facts(turn, Failed(message=task_failed(Outcome(reason=error.reason, message=str(error)))))
        except Refusal as refusal:
            if refusal.fault is not Fault.STORAGE_FULL:
                raise
            return self._facts(turn, Failed(message=task_failed(Outcome(reason=Reason.DISK_FULL))))

    # --- beginning ------------------------------------------------------------------------------------------------

    def _begin(self, turn: _Turn) -> None:
        setting = persistently(self._read)
        self._network = bool(setting.project.settings.get("allow_network_access"))
        self._root = setting.project.root_folder
        self._rows = setting.located.rows
        given = known_locations(setting.located.inputs)
        self._gate.admit(given)
        self._given = frozenset(location for location in given if location.startswith("blob:"))
        for attempt in setting.attempts:
            self._gate.open(Path(attempt.directory))
            self._numbers[attempt.key] = max(attempt.number, self._numbers.get(attempt.key, 0))
            if attempt.outcome is not None:
                code = attempt.outcome.exit_code  # one that another attempt follows was a temporary one
                self._retries.note(attempt, attempt.outcome, () if code is None else {code})
        self._execution = Execution(
            setting.process, setting.located.inputs, self._evaluator, load=loader(self._gate.locate)
        )
        self._remember(setting)
        whole = {**setting.process.hints, **setting.process.requirements}
        self._parallel = most_parallel(self._task.execution_settings, whole)
        open_attempts = {attempt.key: attempt for attempt in setting.attempts if attempt.outcome is None}
        self._replay(turn, setting.finished, open_attempts)

    def _remember(self, setting: _Setting) -> None:
        """Have a memory, when this is wanted. A job that changes files in place does so every time."""
        if not is_wanted(self._task, setting.project.settings) or may_happen(setting.process):
            return
        others = {row.project for rows in self._rows.values() for row in rows} - {setting.project.id}
        self._noted = setting.noted
        self._memory = Memory(
            Circle(task=self._task, project=setting.project, sources=tuple(sorted(others))),
            database=self._means.database,
            storage=self._means.storage,
            locate=self._gate.locate,
            clock=self._means.clock,
        )

    def _read(self) -> _Setting:
        task = self._task
        identity = AppId.parse(task.app)
        with self._means.database.read() as connection:
            app = apps.get(connection, str(identity.project), identity.name, identity.revision)
            project = projects.get(connection, task.project)
            if app is None or project is None:
                raise InputError(Problem("", f"the app {task.app} or the project {task.project} was deleted"))
            process = self._means.load(app)
            located = locate_inputs(
                connection,
                process,
                complete(process, task.inputs),
                actor=task.executed_by or task.created_by,
                evaluator=self._evaluator(process),
            )
            rows = jobs.for_task(connection, task.id)
            attempts = jobs.attempts_for(connection, task.id) if rows else []
        finished = {job.key: job for job in rows if job.status in FINISHED}
        noted = {job.key: job.reuse for job in rows if job.reuse is not None}
        return _Setting(process, project, located, finished, attempts, noted)

    def _replay(self, turn: _Turn, finished: Mapping[str, Job], open_attempts: Mapping[str, Attempt]) -> None:
        """Answer what is known: finished jobs from their rows, running ones by preparing the same attempt again.

        Jobs that were stopped because another one failed wait until that one has been heard.
        """
        assert self._execution is not None
        pending = deque(self._execution.start())
        stopped: list[ReadyJob] = []
        while pending:
            ready = pending.popleft()
            row = finished.get(ready.key)
            if row is None and ready.key in open_attempts:
                self._prepare(turn, ready, open_attempts[ready.key])
            elif row is None:
                self._backlog.append(ready)
            elif row.status is JobStatus.ABORTED or row.outcome is None:
                stopped.append(ready)
            else:
                pending.extend(self._execution.finish(ready.key, row.outcome, row.outputs))
        self._backlog.extend(stopped)

    # --- going on -------------------------------------------------------------------------------------------------

    def _go_on(self, turn: _Turn, waiting: int) -> Facts:
        assert self._execution is not None
        deadline = time.monotonic() + SLICE
        # When nothing waits for room there may be room: the first jobs do not wait for the others.
        window = self._means.window if waiting else min(FIRST, self._means.window)
        while self._backlog and self._execution.status is ExecutionStatus.RUNNING:
            if waiting + len(turn.prepared) >= window:
                return self._facts(turn)
            if time.monotonic() > deadline:
                return self._facts(turn, more=True)
            ready = self._backlog.popleft()
            if isinstance(ready.tool, ExpressionTool):
                self._express(turn, ready)
            else:
                self._prepare(turn, ready, None)
        if self._execution.status is ExecutionStatus.FAILED:
            self._backlog.clear()
            return self._facts(turn, Failed(message=self._blame()))
        if self._execution.status is ExecutionStatus.SUCCEEDED:
            return self._facts(turn, self._publish())
        return self._facts(turn)

    def _blame(self) -> str:
        assert self._execution is not None
        failure = self._execution.failure
        assert failure is not None
        logs = task_logs(failure.name) if failure.key in self._ran else ""
        return job_failed(failure, more=self._execution.more_failed, logs=logs)

    def _publish(self) -> Completed:
        assert self._execution is not None
        now = self._means.clock()
        planner = Planner(
            storage=self._means.storage,
            locate=self._gate.locate,
            inputs=self._rows,
            targets=targets(self._task, now),
            now=now,
        )
        return planner.plan(self._execution.outputs)

    def _facts(self, turn: _Turn, verdict: Completed | Failed | None = None, *, more: bool = False) -> Facts:
        execution = self._execution
        given, self._given = self._given, frozenset()
        return Facts(
            jobs=tuple(turn.jobs),
            ended=tuple(turn.ended),
            prepared=tuple(turn.prepared),
            resumed=tuple(turn.resumed),
            steps=Steps(completed=execution.steps_completed, total=execution.steps_total) if execution else Steps(),
            backlog=len(self._backlog),
            more=more,
            root=self._root,
            given=given,
            memories=turn.memories(),
            logs=self._watch.look(time.monotonic()),
            watched=bool(self._watch),
            verdict=verdict,
        )

    # --- one job --------------------------------------------------------------------------------------------------

    def _express(self, turn: _Turn, ready: ReadyJob) -> None:
        assert isinstance(ready.tool, ExpressionTool)
        job = self._row(ready)
        job = replace(job, started_on=job.created_on)
        try:
            outputs = run_expression(ready.tool, ready.inputs, self._evaluator(ready.tool), locate=self._gate.locate)
        except CWLError as error:
            self._finish(turn, job, Outcome(reason=error.reason, message=str(error)), None)
        else:
            self._finish(turn, job, Outcome(reason=Reason.SUCCEEDED), outputs)

    def _prepare(self, turn: _Turn, ready: ReadyJob, attempt: Attempt | None) -> None:
        """Make the job startable; with an ``attempt`` that an earlier process committed, under that attempt."""
        tool = ready.tool
        if isinstance(tool, ExpressionTool):
            self._express(turn, ready)
            return
        before = attempt
        try:
            evaluator = self._evaluator(tool)
            asked = attempt.resources if attempt else self._asked(ready.key, resources(tool, ready.inputs, evaluator))
            attempt = attempt or self._attempt(ready, tool, asked)
            directory = Path(attempt.directory)
            invocation = prepare(tool, ready.inputs, layout(directory), asked, evaluator, locate=self._gate.locate)
            self._gate.open(directory)
            sent = submission(
                invocation,
                attempt=attempt.id,
                directory=directory,
                resources=asked,
                locate=self._gate.locate,
                network=self._network,
                interruptible=self._retries.may_be_interrupted(ready.key),
                name=ready.name,
            )
            recalled = self._recall(ready, invocation, attempt, look=before is None) if self._memory else None
        except CWLError as error:
            outcome = Outcome(reason=error.reason, message=str(error))
            if before is not None:
                turn.ended.append(AttemptEnd(attempt=before.id, outcome=outcome, ended_on=self._means.clock()))
            self._finish(turn, self._row(ready), outcome, None)
            return
        job = replace(self._row(ready), command_line=_command_line(invocation))
        if recalled is not None:
            job = replace(job, reuse=recalled.reuse)
            if recalled.outputs is not None:
                self._reuse(turn, job, attempt, recalled.outputs, recalled.logs)
                return
        self._live[attempt.id] = _Live(ready, invocation, job, attempt, recalled)
        self._watch.begin(attempt, wanted(tool, invocation, evaluator))
        instance = self._instance(tool, asked)
        prepared = Prepared(job=job, attempt=attempt, submission=sent, since=time.monotonic(), instance=instance)
        (turn.prepared if before is None else turn.resumed).append(prepared)

    def _recall(self, ready: ReadyJob, invocation: Invocation, attempt: Attempt, *, look: bool) -> Recalled:
        """What is known of the job; ``look`` False for one that runs already, of which that was noted."""
        assert self._memory is not None
        network = self._network and invocation.network
        recalled = self._memory.recall(
            ready, invocation, self._evaluator(ready.tool), attempt, network=network, look=look
        )
        return recalled if look else replace(recalled, reuse=self._noted.get(ready.key, recalled.reuse))

    def _reuse(self, turn: _Turn, job: Job, attempt: Attempt, outputs: dict[str, Any], logs: tuple[str, ...]) -> None:
        """The job need not run: an attempt that has ended stands for it."""
        assert job.reuse is not None
        assert job.reuse.memo is not None
        now = self._means.clock()
        outcome = Outcome(reason=Reason.SUCCEEDED, exit_code=0, logs=logs)
        turn.attempts.append(replace(attempt, outcome=outcome, created_on=now, ended_on=now))
        turn.used.append(job.reuse.memo)
        _keep_outputs(Path(attempt.directory), outputs)
        self._finish(turn, replace(job, started_on=now, ended_on=now), outcome, outputs)

    def _asked(self, key: str, resources: Resources) -> Resources:
        """What the job gets: the same object for the same size, which is told apart quickly."""
        resources = self._retries.resources(key, resources)
        return self._sizes.setdefault(resources, resources)

    def _instance(self, tool: CommandLineTool, asked: Resources) -> Instance | None:
        named = named_type(self._task.execution_settings, {**tool.hints, **tool.requirements})
        return self._means.instances.of(named, self._parallel, asked) if named or self._parallel else None

    def _attempt(self, ready: ReadyJob, tool: CommandLineTool, asked: Resources) -> Attempt:
        number = self._numbers[ready.key] = self._numbers.get(ready.key, 0) + 1
        identity = new_uuid()
        now = self._means.clock()
        return Attempt(
            id=identity,
            task=self._task.id,
            key=ready.key,
            number=number,
            executor=self._means.executor,
            directory=str(self._means.jobs / identity),
            resources=asked,
            instance=named_instance(self._task.execution_settings, {**tool.hints, **tool.requirements}) or None,
            created_on=now,
        )

    def _row(self, ready: ReadyJob) -> Job:
        return Job(task=self._task.id, key=ready.key, name=ready.name, created_on=self._means.clock())

    def _settle(self, turn: _Turn, ended: Ended) -> None:
        live = self._live.pop(ended.attempt, None)
        if live is None:
            return
        assert isinstance(live.ready.tool, CommandLineTool)
        directory = Path(live.attempt.directory)
        evaluator = self._evaluator(live.ready.tool)
        logs = self._watch.end(ended.attempt)
        outcome, outputs = settle(live.ready.tool, live.invocation, ended, directory, evaluator)
        how = replace(outcome, logs=logs) if logs else outcome
        turn.ended.append(AttemptEnd(attempt=ended.attempt, outcome=how, ended_on=ended.ended_on))
        if not outcome.succeeded:
            self._ran.add(live.job.key)
        job = replace(live.job, started_on=ended.started_on or live.job.created_on)
        codes = live.ready.tool.temporary_fail_codes - live.ready.tool.permanent_fail_codes
        if self._retries.note(live.attempt, outcome, codes):
            turn.jobs.append(replace(job, status=JobStatus.QUEUED, started_on=None))
            self._backlog.appendleft(live.ready)
            return
        outcome = self._retries.explained(live.job.key, outcome)
        if not outcome.succeeded:
            outputs = partial_outputs(live.ready.tool, live.invocation, directory, evaluator, outcome.exit_code)
        elif outputs is not None:
            _keep_outputs(directory, outputs)
            if self._memory is not None and live.recalled is not None:
                memo, reuse = self._memory.keep(live.ready, live.recalled, live.attempt, outputs)
                turn.made += [memo] if memo is not None else []
                job = replace(job, reuse=reuse)
        self._finish(turn, replace(job, ended_on=ended.ended_on), outcome, outputs)

    def _finish(self, turn: _Turn, job: Job, outcome: Outcome, outputs: dict[str, Any] | None) -> None:
        """The job is over: tell the execution, which may make others ready."""
        assert self._execution is not None
        status = JobStatus.COMPLETED if outcome.succeeded else JobStatus.FAILED
        ended_on = job.ended_on or self._means.clock()
        turn.jobs.append(replace(job, status=status, outputs=outputs, outcome=outcome, ended_on=ended_on))
        self._backlog.extend(self._execution.finish(job.key, outcome, outputs))

    def _evaluator(self, process: Process) -> Evaluator:
        known = self._evaluators.get(id(process))
        if known is None:
            known = self._evaluators[id(process)] = (process, evaluator_for(process, self._means.javascript))
        return known[1]


def shown_command(command: Sequence[str]) -> str:
    """A command line for people: that of the shell as it is, any other quoted for a shell."""
    if len(command) == 3 and tuple(command[:2]) == ("/bin/sh", "-c"):
        return command[2]
    return shlex.join(command)


def _command_line(invocation: Invocation) -> str:
    line = shown_command(invocation.command)
    return line if len(line) <= MAX_COMMAND_LINE else line[:MAX_COMMAND_LINE] + " ..."


def _keep_outputs(directory: Path, outputs: Mapping[str, Any]) -> None:
    """Leave the outputs in the job directory for people. The job row is the truth; this file may be missing."""
    with suppress(OSError):
        jobdir.write_text(directory / OUTPUTS_LOG, json.dumps(outputs) + "\n")


def disk_is_full(error: BaseException) -> bool:
    """Whether an error says that no space is left."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
