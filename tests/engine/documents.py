"""Small processes by hand, and an evaluator whose expressions are Python functions by name.

The engine takes the normal form and an `Evaluator`; the real loader and the real expressions meet it in the
conformance suites.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.expressions import Evaluator
from araneus.cwl.process import (
    MISSING,
    CommandLineTool,
    InputPort,
    LinkMerge,
    OutputPort,
    PickValue,
    Process,
    ScatterMethod,
    Step,
    StepInput,
    Workflow,
)
from araneus.cwl.types import ANY, NULL, Type, UnionType
from araneus.engine.execution import Execution, ReadyJob
from araneus.model.job import Outcome, Reason

OPTIONAL = UnionType((NULL, ANY))
DONE = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
Expression = Callable[[Mapping[str, Any], Any], Any]


class Functions:
    """Evaluates ``$name`` by calling the function of that name with inputs and self; other values are themselves."""

    def __init__(self, functions: Mapping[str, Expression]) -> None:
        self._functions = functions

    def evaluate(
        self,
        text: Any,
        *,
        inputs: Mapping[str, Any],
        self_: Any = None,
        runtime: Mapping[str, Any] | None = None,
        where: str = "",
        strip: bool = True,
    ) -> Any:
        if not isinstance(text, str) or not text.startswith("$"):
            return text
        if text[1:] not in self._functions:
            raise ExpressionError(Problem(where, f"{text} is not defined"))
        return self._functions[text[1:]](inputs, self_)


def tool(name: str, inputs: Iterable[str] = ("x",), outputs: Iterable[str] = ("y",), **types: Type) -> CommandLineTool:
    """A tool whose ports take anything unless a type is given by name."""
    return CommandLineTool(
        id=name,
        cwl_version="v1.2",
        inputs=tuple(InputPort(id=port, type=types.get(port, OPTIONAL)) for port in inputs),
        outputs=tuple(OutputPort(id=port, type=types.get(port, OPTIONAL)) for port in outputs),
        base_command=("true",),
    )


def link(
    name: str,
    *source: str,
    merge: LinkMerge | None = None,
    pick: PickValue | None = None,
    default: Any = MISSING,
    value_from: str | None = None,
    contents: bool = False,
) -> StepInput:
    return StepInput(
        id=name,
        source=source,
        source_is_list=len(source) > 1,
        link_merge=merge,
        pick_value=pick,
        default=default,
        value_from=value_from,
        load_contents=contents,
    )


def step(
    name: str,
    run: Process,
    *inputs: StepInput,
    scatter: Iterable[str] = (),
    method: ScatterMethod | None = None,
    when: str | None = None,
) -> Step:
    return Step(
        id=name,
        run=run,
        inputs=inputs,
        outputs=tuple(port.id for port in run.outputs),
        scatter=tuple(scatter),
        scatter_method=method,
        when=when,
    )


def workflow(
    name: str, inputs: Iterable[str | InputPort], steps: Iterable[Step], outputs: Mapping[str, str | OutputPort]
) -> Workflow:
    return Workflow(
        id=name,
        cwl_version="v1.2",
        inputs=tuple(InputPort(id=port, type=OPTIONAL) if isinstance(port, str) else port for port in inputs),
        outputs=tuple(
            OutputPort(id=port, type=OPTIONAL, source=(source,)) if isinstance(source, str) else source
            for port, source in outputs.items()
        ),
        steps=tuple(steps),
    )


def execution(process: Process, inputs: Mapping[str, Any] | None = None, **functions: Expression) -> Execution:
    evaluator: Evaluator = Functions(functions)
    return Execution(process, inputs or {}, lambda _process: evaluator)


def answer(job: ReadyJob) -> dict[str, Any]:
    """Outputs of a made-up tool: they tell the key and the inputs of the job, so that links can be followed."""
    return {port.id: [job.tool.id, port.id, *(value for _, value in sorted(job.inputs.items()))]
            for port in job.tool.outputs}  # fmt: skip


def run(
    running: Execution,
    tell: Callable[[ReadyJob], dict[str, Any]] = answer,
    choose: Callable[[list[ReadyJob]], int] = lambda _ready: 0,
) -> list[ReadyJob]:
    """Run an execution to its end, ending the job that ``choose`` picks at every turn; the jobs in that order."""
    ready = running.start()
    done: list[ReadyJob] = []
    while ready:
        job = ready.pop(choose(ready))
        done.append(job)
        ready += running.finish(job.key, DONE, tell(job))
    return done
