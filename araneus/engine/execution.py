"""One running task: which jobs are ready, given how the earlier ones ended.

The scheduler builds an `Execution` from the normal form and the inputs, submits the jobs that `start` gives, tells
`finish` how each ended, and submits what that makes ready. Nothing here runs, waits, reads a clock or touches a disk;
what must be read for an expression (``loadContents``, ``loadListing``) goes through the ``load`` function.

An execution is never stored. After a restart it is built again, started, and told of every finished job once more:
the same document and inputs give the same jobs under the same keys. Values are shared between jobs and never changed
here; whoever gets a job must not change its inputs in place.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from araneus.cwl.errors import CWLError, ExpressionError, InputError, OutputError, Problem, UnsupportedError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.process import MISSING, CommandLineTool, ExpressionTool, Listing, Process, StepInput, Workflow
from araneus.engine.calls import Call, Place, Scope
from araneus.engine.places import Element, way_to
from araneus.engine.plan import Plan, Weights
from araneus.engine.ports import Fitter, fit_output
from araneus.engine.scatter import expand
from araneus.engine.sources import gather
from araneus.engine.updates import Updates
from araneus.model.job import Outcome, Reason
from araneus.model.values import Value

MAX_JOBS = 200_000
"""Jobs of one execution, all scattered elements counted. Beyond it an execution fails before it fills the memory."""

Load: TypeAlias = Callable[[Value, bool, Listing], Value]
"""``load(value, contents, listing)``: a copy of the value in which every File has ``contents`` (when asked for) and
every Directory a ``listing`` of that depth. Raises `CWLError` when a file cannot be read or is too large."""


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyJob:
    """A tool with everything it needs to be run.

    ``key`` is the path of the job in the execution (``align/3/sort``: steps, and positions in scatters from 0); it is
    unique, the same on every replay, and empty when the app is a single tool. ``name`` is what people read
    (``align_4_s.sort``). ``inputs`` has a value for every port of the tool, defaults included; it is not to be changed.
    """

    key: str
    name: str
    tool: CommandLineTool | ExpressionTool
    inputs: dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What made an execution fail: a job, or the step or workflow (by its key) whose own expression failed.

    ``way`` are the steps that lead there, ``is_job`` tells a job from a step.
    """

    key: str
    name: str
    outcome: Outcome
    way: tuple[Element, ...] = ()
    is_job: bool = True


class Execution:
    """The state of one running process. Owned by one thread.

    ``evaluator`` gives the evaluator for the expressions of a process. ``status``, ``outputs``, ``failure`` (with
    ``more_failed``, how many jobs failed after it) and the counters are for reading only: `start` and `finish` are the
    only ways in, so that a replay sees everything.
    """

    def __init__(
        self,
        process: Process,
        inputs: Mapping[str, Value],
        evaluator: Callable[[Process], Evaluator],
        *,
        load: Load | None = None,
        max_jobs: int = MAX_JOBS,
    ) -> None:
        self.status = ExecutionStatus.RUNNING
        self.outputs: dict[str, Value] = {}
        self.failure: Failure | None = None
        self.more_failed = 0
        self._weights = Weights()
        self.steps_total = self._weights.of(process)
        self.steps_completed = 0
        self._process = process
        self._inputs = dict(inputs)
        self._make_evaluator = evaluator
        self._load = load or _refuse_to_load
        self._max_jobs = max_jobs
        self._fitter = Fitter()
        self._updates = Updates()
        self._evaluators: dict[int, Evaluator] = {}
        self._plans: dict[int, Plan] = {}
        self._begin: deque[tuple[Scope, int]] = deque()
        self._ready: list[ReadyJob] = []
        self._running: dict[str, tuple[str, Place]] = {}
        self._started = False

    def start(self) -> list[ReadyJob]:
        """The jobs that wait for nothing. To be called once, first; inputs that do not fit make the execution fail."""
        if self._started:
            raise RuntimeError("this execution was started before")
        self._started = True
        name = self._process.id or "main"
        try:
            self._count(0)
            inputs = self._fitter.fit(self._process.inputs, self._inputs, where="", linked=False)
            self._open(self._process, inputs, key="", name=name, place=None)
        except CWLError as error:
            self._fail("", name, error)
        return self._advance()

    def finish(self, key: str, outcome: Outcome, outputs: Mapping[str, Value] | None) -> list[ReadyJob]:
        """Take in how a job ended; the jobs that this makes ready.

        The first job that did not succeed makes the execution FAILED; jobs that end after that are taken in silently.
        Raises ValueError for a key that was not handed out, or that ended before.
        """
        waiting = self._running.pop(key, None)
        if waiting is None:
            raise ValueError(f"no job with the key {key!r} is waiting to be finished")
        name, place = waiting
        if outcome.succeeded:
            self.steps_completed += 1
        if self.status is ExecutionStatus.RUNNING:
            if outcome.succeeded:
                self._take(key, name, place, outcome, outputs)
            else:
                self._end_failed(Failure(key=key, name=name, outcome=outcome, way=way_to(place)))
        elif not outcome.succeeded and outcome.reason is not Reason.CANCELLED:
            self.more_failed += 1
        return self._advance()

    def _take(self, key: str, name: str, place: Place, outcome: Outcome, outputs: Mapping[str, Value] | None) -> None:
        """A job has succeeded: its results, and what it changed in place."""
        if outcome.updated and place is not None:
            try:
                self._updates.add(place, name, outcome.updated)
            except CWLError as error:
                self._fail(key, name, error, way_to(place))
                return
        self._deliver(place, dict(outputs or {}))

    @property
    def waiting_for(self) -> frozenset[str]:
        """The keys of jobs that were handed out and have not ended."""
        return frozenset(self._running)

    # --- going on -------------------------------------------------------------------------------------------------

    def _advance(self) -> list[ReadyJob]:
        """Begin every step that waits for nothing. A queue, not recursion: a chain of skipped steps may be long."""
        while self._begin and self.status is ExecutionStatus.RUNNING:
            scope, position = self._begin.popleft()
            step = scope.plan.workflow.steps[position]
            try:
                self._begin_step(scope, position)
            except CWLError as error:
                self._fail(*scope.inside(step.id), error, (*way_to(scope.place), Element(step=step.id)))
        ready, self._ready = self._ready, []
        if self.status is ExecutionStatus.FAILED:
            # Handed out to nobody, so nobody will report their end.
            for job in ready:
                del self._running[job.key]
            return []
        return ready

    def _begin_step(self, scope: Scope, position: int) -> None:
        step = scope.plan.workflow.steps[position]
        where, _ = scope.inside(step.id)
        values = {port.id: self._gathered(port, scope, position, where) for port in step.inputs}
        expansion = expand(step, values, where=where) if step.scatter else None
        count = expansion.count if expansion else 1
        self._count(scope.plan.weights[position] * (count - 1))
        call = Call(scope, position, expansion, count, values)
        if count == 0:
            self._complete(call)
        for number in range(count):
            if self.status is not ExecutionStatus.RUNNING:
                return
            try:
                self._begin_element(call, number)
            except CWLError as error:
                self._fail(*call.inside(number), error, way_to((call, number)))

    def _gathered(self, port: StepInput, scope: Scope, position: int, where: str) -> Value:
        value = self._updates.seen_by(gather(port, scope.values, where=f"{where}/{port.id}"), scope, position)
        if value is None and port.default is not MISSING:
            value = port.default
        listing = port.load_listing or Listing.NONE
        if port.value_from is not None and port.load_listing is None:
            listing = _default_listing(scope.plan.workflow)
        if value is not None and (port.load_contents or listing is not Listing.NONE):
            value = self._load(value, port.load_contents, listing)
        return value

    def _begin_element(self, call: Call, number: int) -> None:
        """Run a step once: for itself, or for one element of its scatter."""
        step = call.step
        key, name = call.inside(number)
        varying = call.expansion.element(number) if call.expansion else {}
        if call.has_expressions:
            values = {**call.values, **varying}
            evaluator = self._evaluator_of_step(call)
            changed = {
                port.id: evaluator.evaluate(
                    port.value_from, inputs=values, self_=values[port.id], where=f"{key}/{port.id}"
                )
                for port in step.inputs
                if port.value_from is not None
            }
            varying |= changed
            if step.when is not None:
                going = evaluator.evaluate(step.when, inputs={**values, **changed}, where=f"{key}/when")
                if not isinstance(going, bool):
                    raise ExpressionError(Problem(f"{key}/when", f"the condition must be true or false, got {going!r}"))
                if not going:
                    self._count(-call.scope.plan.weights[call.position])
                    self._deliver((call, number), None)
                    return
        inputs = call.fitted(varying, self._fitter, where=key)
        self._open(step.run, inputs, key=key, name=name, place=(call, number))

    # --- processes ------------------------------------------------------------------------------------------------

    def _open(self, process: Process, inputs: dict[str, Value], *, key: str, name: str, place: Place) -> None:
        if isinstance(process, CommandLineTool | ExpressionTool):
            self._running[key] = (name, place)
            self._ready.append(ReadyJob(key=key, name=name, tool=process, inputs=inputs))
        elif isinstance(process, Workflow):
            self._open_workflow(process, inputs, key=key, name=name, place=place)
        else:
            raise UnsupportedError(Problem(key, f"a process of class {type(process).__name__} cannot be run"))

    def _open_workflow(
        self, workflow: Workflow, inputs: dict[str, Value], *, key: str, name: str, place: Place
    ) -> None:
        for port in workflow.inputs:
            if (port.load_contents or port.load_listing) and inputs[port.id] is not None:
                inputs[port.id] = self._load(inputs[port.id], port.load_contents, port.load_listing or Listing.NONE)
        plan = self._plan(workflow)
        # The root's own name stands before nothing: its steps are the names that people know.
        scope = Scope(plan, key, name if place else "", inputs, place)
        if not workflow.steps:
            self._count(-1)
            self._close(scope)
        for position, before in enumerate(plan.waits_for):
            if before == 0:
                self._begin.append((scope, position))

    def _close(self, scope: Scope) -> None:
        """All steps of a workflow are done: its outputs go to whoever ran it."""
        outputs: dict[str, Value] = {}
        try:
            for port in scope.plan.workflow.outputs:
                value = gather(port, scope.values, where=f"{scope.key}/outputs/{port.id}".lstrip("/"))
                value = self._updates.seen_by(value, scope, None)
                outputs[port.id] = fit_output(port, value, where=scope.key)
        except InputError as error:  # of pickValue: what it was given are the results of steps
            self._fail(scope.key, scope.name, OutputError(*error.problems), way_to(scope.place))
            return
        except CWLError as error:
            self._fail(scope.key, scope.name, error, way_to(scope.place))
            return
        scope.values = {}
        self._deliver(scope.place, outputs)

    def _deliver(self, place: Place, outputs: dict[str, Value] | None) -> None:
        """Results of a process reach the step that ran it (None: the step was skipped), or end the execution."""
        if place is None:
            self.outputs = outputs or {}
            self.status = ExecutionStatus.SUCCEEDED
            return
        call, number = place
        call.results[number] = outputs
        call.remaining -= 1
        if call.remaining == 0:
            self._complete(call)

    def _complete(self, call: Call) -> None:
        scope = call.scope
        scope.values.update(call.outputs())
        for position in scope.plan.dependents[call.position]:
            scope.waiting[position] -= 1
            if scope.waiting[position] == 0:
                self._begin.append((scope, position))
        scope.remaining -= 1
        if scope.remaining == 0:
            self._close(scope)

    # --- failure, counters, caches --------------------------------------------------------------------------------

    def _fail(self, key: str, name: str, error: CWLError, way: tuple[Element, ...] = ()) -> None:
        outcome = Outcome(reason=error.reason, message=str(error))
        self._end_failed(Failure(key=key, name=name or self._process.id, outcome=outcome, way=way, is_job=False))

    def _end_failed(self, failure: Failure) -> None:
        self.status = ExecutionStatus.FAILED
        self.failure = failure
        self._begin.clear()

    def _count(self, more: int) -> None:
        self.steps_total += more
        if self.steps_total > self._max_jobs:
            raise _TooManyJobs(
                Problem("", f"the scatters make {self.steps_total} jobs; one task may have {self._max_jobs}")
            )

    def _plan(self, workflow: Workflow) -> Plan:
        # By identity: the document is held by this execution, and equality would compare whole documents.
        plan = self._plans.get(id(workflow))
        if plan is None:
            plan = self._plans[id(workflow)] = Plan.of(workflow, self._weights)
        return plan

    def _evaluator_of_step(self, call: Call) -> Evaluator:
        """The workflow's evaluator; that of the step's process where only the step asks for JavaScript."""
        workflow, run = call.scope.plan.workflow, call.step.run
        name = "InlineJavascriptRequirement"
        process = run if workflow.requirement(name) is None and run.requirement(name) is not None else workflow
        evaluator = self._evaluators.get(id(process))
        if evaluator is None:
            evaluator = self._evaluators[id(process)] = self._make_evaluator(process)
        return evaluator


class _TooManyJobs(CWLError):
    reason = Reason.TOO_LARGE


def _default_listing(workflow: Workflow) -> Listing:
    """How deep ``valueFrom`` sees a Directory when the step input does not say; v1.0 documents always saw everything.

    Source: CWL v1.1, LoadListingRequirement, and the changes since v1.0.
    """
    requirement = workflow.requirement("LoadListingRequirement")
    if requirement and requirement.get("loadListing"):
        return Listing(requirement["loadListing"])
    return Listing.DEEP if workflow.cwl_version == "v1.0" else Listing.NONE


def _refuse_to_load(value: Value, contents: bool, listing: Listing) -> Value:
    raise UnsupportedError(Problem("", "file contents and listings cannot be read here"))
