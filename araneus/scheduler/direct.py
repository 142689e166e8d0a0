"""One process in the foreground: what `araneus cwl` does, without a server and a database.

The same engine, language, staging and executors as the server's loop, in the simplest order: ask the execution what is
ready, start what fits, wait for the executor, settle, tell the execution, and at the end place the outputs.
"""

import selectors
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from araneus.cwl.command import Invocation, prepare, resources, run_expression
from araneus.cwl.errors import CWLError, InputError, Problem
from araneus.cwl.expressions import Evaluator, evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.process import CommandLineTool, ExpressionTool, Process
from araneus.engine.execution import Execution, ExecutionStatus, Failure, ReadyJob
from araneus.executors.base import Ended, Executor, Fit
from araneus.model.file import Location
from araneus.model.ids import new_uuid
from araneus.model.job import Outcome, Reason, Resources
from araneus.model.values import Value
from araneus.scheduler.admission import capacity, too_large
from araneus.scheduler.contents import loader
from araneus.scheduler.messages import job_failed
from araneus.scheduler.outdir import Outdir
from araneus.scheduler.settling import settle
from araneus.scheduler.staging import file_path, layout, submission

_CANCEL_SECONDS = 6.0
_LOOK_SECONDS = 2.0
"""The executor's descriptor wakes the loop; should a wake-up be lost, this is what it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What happened: a job ``started`` (outcome None) or ended. Counters are those of the execution."""

    key: str
    name: str
    outcome: Outcome | None
    completed: int
    total: int


OnEvent: TypeAlias = Callable[[Progress], None]


class ProcessFailedError(Exception):
    """The process did not succeed; ``failure`` says which job, and why.

    ``directory`` is the job directory of the job to blame, when it came to have one.
    """

    def __init__(self, failure: Failure, *, more: int = 0, directory: Path | None = None) -> None:
        super().__init__(job_failed(failure, more=more))
        self.failure = failure
        self.more = more
        self.directory = directory


def run_process(
    process: Process,
    inputs: Mapping[str, Value],
    *,
    executor: Executor,
    directory: Path,
    outdir: Path,
    javascript: JavaScript,
    on_event: OnEvent | None = None,
) -> dict[str, Value]:
    """Run a process and return its output object, files placed in ``outdir``.

    File values in ``inputs`` have ``file:`` locations or are literals. ``directory`` (absolute, existing) takes the job
    directories and may be removed afterwards. Raises `ProcessFailedError`, and `OutputError` when outputs cannot be
    placed; running jobs have been cancelled by then.
    """
    run = _Run(process, inputs, executor=executor, directory=directory, javascript=javascript, on_event=on_event)
    outputs = run.to_end()
    return Outdir(outdir, directory, locate).place(outputs)


def locate(location: Location) -> Path:
    """The path behind a location of this machine. Raises `InputError` when there is nothing."""
    path = file_path(location)
    if path is None:
        raise InputError(Problem("", f"{location[:200]!r} is not a file of this machine"))
    if not path.exists():
        raise InputError(Problem("", f"{str(path)!r} does not exist"))
    return path


@dataclass(frozen=True, slots=True)
class _Running:
    job: ReadyJob
    tool: CommandLineTool
    invocation: Invocation
    directory: Path


class _Run:
    """The state of one foreground run."""

    def __init__(
        self,
        process: Process,
        inputs: Mapping[str, Value],
        *,
        executor: Executor,
        directory: Path,
        javascript: JavaScript,
        on_event: OnEvent | None,
    ) -> None:
        self._executor = executor
        self._directory = directory
        self._javascript = javascript
        self._on_event = on_event
        self._evaluators: dict[int, Evaluator] = {}
        self._execution = Execution(process, inputs, self._evaluator, load=loader(locate))
        self._ready: deque[tuple[ReadyJob, Resources | None]] = deque()
        self._running: dict[str, _Running] = {}
        self._directories: dict[str, Path] = {}
        self._attempts = 0

    def to_end(self) -> dict[str, Value]:
        """Run until the execution is over; its outputs. Raises `ProcessFailedError`."""
        self._add(self._execution.start())
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._executor.fileno(), selectors.EVENT_READ)
                self._begin_ready()
                while self._running and self._execution.status is ExecutionStatus.RUNNING:
                    selector.select(_LOOK_SECONDS)
                    for ended in self._executor.poll():
                        self._settle(ended)
                    self._begin_ready()
        finally:
            self._cancel()
        if self._execution.failure is not None:
            failure = self._execution.failure
            directory = self._directories.get(failure.key)
            raise ProcessFailedError(failure, more=self._execution.more_failed, directory=directory)
        assert self._execution.status is ExecutionStatus.SUCCEEDED, "nothing is ready, nothing runs, and it is not over"
        return self._execution.outputs

    def _add(self, jobs: list[ReadyJob]) -> None:
        self._ready.extend((job, None) for job in jobs)

    def _begin_ready(self) -> None:
        while self._ready and self._execution.status is ExecutionStatus.RUNNING:
            job, asked = self._ready.popleft()
            try:
                if not self._begin(job, asked):
                    return
            except CWLError as error:
                self._finish(job, Outcome(reason=error.reason, message=str(error)), None)
            except OSError as error:
                self._finish(job, Outcome(reason=Reason.NOT_STARTED, message=f"it cannot be prepared: {error}"), None)

    def _begin(self, job: ReadyJob, asked: Resources | None) -> bool:
        """Start a job, or put it back and return False when there is no room for it now."""
        evaluator = self._evaluator(job.tool)
        if isinstance(job.tool, ExpressionTool):
            outputs = run_expression(job.tool, job.inputs, evaluator, locate=locate, discover=not job.key)
            self._finish(job, Outcome(reason=Reason.SUCCEEDED), outputs)
            return True
        needed = asked or resources(job.tool, job.inputs, evaluator)
        fit = self._executor.fit(needed)
        if fit is Fit.LATER:
            self._ready.appendleft((job, needed))
            return False
        if fit is Fit.NEVER:
            asks = too_large(needed, capacity(self._executor.fit))
            self._finish(job, Outcome(reason=Reason.TOO_LARGE, message=asks), None)
            return True
        self._submit(job, job.tool, needed, evaluator)
        return True

    def _submit(self, job: ReadyJob, tool: CommandLineTool, needed: Resources, evaluator: Evaluator) -> None:
        self._attempts += 1
        attempt = new_uuid()  # processes are found by it, so no other run on this machine may have the same
        directory = self._directory / str(self._attempts)
        invocation = prepare(
            tool, job.inputs, layout(directory), needed, evaluator, locate=locate, discover=not job.key
        )
        submitted = submission(
            invocation, attempt=attempt, directory=directory, resources=needed, locate=locate, name=job.name
        )
        self._running[attempt] = _Running(job, tool, invocation, directory)
        self._executor.submit(submitted)
        self._tell(job, None)

    def _settle(self, ended: Ended) -> None:
        running = self._running.pop(ended.attempt, None)
        if running is None:
            return
        evaluator = self._evaluator(running.tool)
        outcome, outputs = settle(running.tool, running.invocation, ended, running.directory, evaluator)
        if not outcome.succeeded:
            self._directories[running.job.key] = running.directory
        self._finish(running.job, outcome, outputs)

    def _finish(self, job: ReadyJob, outcome: Outcome, outputs: Mapping[str, Value] | None) -> None:
        self._add(self._execution.finish(job.key, outcome, outputs))
        self._tell(job, outcome)

    def _cancel(self) -> None:
        """End what still runs, after a failure or an interruption, and wait until it has ended."""
        for attempt in self._running:
            self._executor.cancel(attempt)
        with selectors.DefaultSelector() as selector:
            selector.register(self._executor.fileno(), selectors.EVENT_READ)
            while self._running and selector.select(_CANCEL_SECONDS):
                for ended in self._executor.poll():
                    self._running.pop(ended.attempt, None)

    def _tell(self, job: ReadyJob, outcome: Outcome | None) -> None:
        if self._on_event is not None:
            execution = self._execution
            self._on_event(
                Progress(
                    key=job.key,
                    name=job.name,
                    outcome=outcome,
                    completed=execution.steps_completed,
                    total=execution.steps_total,
                )
            )

    def _evaluator(self, process: Process) -> Evaluator:
        # By identity: the execution keeps the document alive.
        evaluator = self._evaluators.get(id(process))
        if evaluator is None:
            evaluator = self._evaluators[id(process)] = evaluator_for(process, self._javascript)
        return evaluator
