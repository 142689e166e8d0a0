"""What can be said about a workflow before it runs: who waits for whom, and how many jobs to expect.

First stage of the engine, computed once per workflow document and shared by every instance of it (a scatter over a
sub-workflow makes thousands). It knows nothing of values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from araneus.cwl.errors import DocumentError, Problem
from araneus.cwl.process import Process, Step, Workflow


@dataclass(frozen=True, slots=True)
class Plan:
    """The order of a workflow.

    ``waits_for`` has, per step in document order, how many other steps it takes values from; ``dependents`` the
    positions of the steps that take values from it; ``weights`` the number of jobs it means when nothing is scattered.
    """

    workflow: Workflow
    waits_for: tuple[int, ...]
    dependents: tuple[tuple[int, ...], ...]
    weights: tuple[int, ...]

    @classmethod
    def of(cls, workflow: Workflow, weights: "Weights") -> Self:
        """The plan of a workflow. Raises `DocumentError` for a source that nothing provides, and for a cycle."""
        position = {step.id: number for number, step in enumerate(workflow.steps)}
        before = [_steps_before(step, position, workflow) for step in workflow.steps]
        dependents: list[list[int]] = [[] for _ in workflow.steps]
        for number, others in enumerate(before):
            for other in sorted(others):
                dependents[other].append(number)
        plan = cls(
            workflow=workflow,
            waits_for=tuple(len(others) for others in before),
            dependents=tuple(tuple(numbers) for numbers in dependents),
            weights=tuple(weights.of(step.run) for step in workflow.steps),
        )
        plan._refuse_cycle()
        return plan

    def _refuse_cycle(self) -> None:
        waiting = list(self.waits_for)
        free = [number for number, count in enumerate(waiting) if count == 0]
        for number in free:  # grows while it is walked: it is the queue
            for dependent in self.dependents[number]:
                waiting[dependent] -= 1
                if waiting[dependent] == 0:
                    free.append(dependent)
        stuck = [step.id for step, count in zip(self.workflow.steps, waiting, strict=True) if count]
        if stuck:
            raise DocumentError(Problem("steps", f"these steps wait for each other: {', '.join(stuck[:10])}"))


class Weights:
    """How many jobs a process means when nothing is scattered or skipped; at least 1, so that work is always counted.

    Remembered per process object: documents whose workflows run each other twice, level upon level, stand for more
    jobs than could be counted one by one.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Process, int]] = {}

    def of(self, process: Process) -> int:
        """The number of jobs."""
        if not isinstance(process, Workflow):
            return 1
        known = self._known.get(id(process))
        if known is None:
            # The process is kept beside the number: its id must not be given to another object.
            known = (process, max(1, sum(self.of(step.run) for step in process.steps)))
            self._known[id(process)] = known
        return known[1]


def _steps_before(step: Step, position: Mapping[str, int], workflow: Workflow) -> set[int]:
    inputs = {port.id for port in workflow.inputs}
    found: set[int] = set()
    for port in step.inputs:
        for source in port.source:
            if source in inputs:
                continue
            number = _provider(source, position, workflow.steps)
            if number is None:
                raise DocumentError(Problem(f"steps/{step.id}/in/{port.id}", f"nothing provides the source {source!r}"))
            found.add(number)
    return found


def _provider(source: str, position: Mapping[str, int], steps: Sequence[Step]) -> int | None:
    name, _, output = source.rpartition("/")
    number = position.get(name)
    return number if number is not None and output in steps[number].outputs else None
