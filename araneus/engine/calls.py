"""The moving parts of an execution: an instance of a workflow, and a step of it that has begun.

Only `engine.execution` changes them; they hold state and the views of it that several of its methods need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.process import InputPort, Step
from araneus.engine.plan import Plan
from araneus.engine.ports import Fitter
from araneus.engine.scatter import Expansion
from araneus.model.values import Value

Place: TypeAlias = "tuple[Call, int] | None"
"""Where the results of a process go: to this element of a call, or (None) they are those of the whole execution."""


class Scope:
    """An instance of a workflow: the whole execution, or a step whose process is a workflow."""

    __slots__ = ("key", "name", "place", "plan", "remaining", "values", "waiting")

    def __init__(self, plan: Plan, key: str, name: str, inputs: Mapping[str, Value], place: Place) -> None:
        self.plan = plan
        self.key = key
        self.name = name
        self.place = place
        self.values: dict[str, Value] = dict(inputs)
        self.waiting = list(plan.waits_for)
        self.remaining = len(plan.workflow.steps)

    def inside(self, step: str) -> tuple[str, str]:
        """Key and display name of a step of this instance."""
        return (f"{self.key}/{step}" if self.key else step), (f"{self.name}.{step}" if self.name else step)


class Call:
    """A step that has begun: what its elements share, and their results so far."""

    __slots__ = ("_common", "_varying", "expansion", "has_expressions", "position", "remaining", "results", "scope",
                 "values")  # fmt: skip

    def __init__(
        self, scope: Scope, position: int, expansion: Expansion | None, count: int, values: dict[str, Value]
    ) -> None:
        self.scope = scope
        self.position = position
        self.expansion = expansion
        self.values = values
        self.remaining = count
        self.results: list[dict[str, Value] | None] = [None] * count
        step = self.step
        self.has_expressions = step.when is not None or any(port.value_from is not None for port in step.inputs)
        varying = {port.id for port in step.inputs if port.value_from is not None} | set(step.scatter)
        self._varying: list[InputPort] = [port for port in step.run.inputs if port.id in varying]
        self._common: dict[str, Value] | None = None

    @property
    def step(self) -> Step:
        """The step in the document."""
        return self.scope.plan.workflow.steps[self.position]

    def inside(self, number: int) -> tuple[str, str]:
        """Key and display name of an element. Names: platform's execution details, ``<step>_<n>_s`` from 1."""
        key, name = self.scope.inside(self.step.id)
        return (key, name) if self.expansion is None else (f"{key}/{number}", f"{name}_{number + 1}_s")

    def fitted(self, varying: Mapping[str, Value], fitter: Fitter, *, where: str) -> dict[str, Value]:
        """The inputs of one element. What all elements share is fitted once, for the first that is not skipped."""
        try:
            if self._common is None:
                names = {port.id for port in self._varying}
                shared = [port for port in self.step.run.inputs if port.id not in names]
                self._common = fitter.fit(shared, self.values, where=where)
            return self._common | fitter.fit(self._varying, varying, where=where)
        except InputError as error:
            raise InputError(*(_with_origin(each, self.step, where) for each in error.problems)) from error

    def outputs(self) -> dict[str, Value]:
        """The step's outputs by source name, once all elements have ended."""
        step = self.step
        if self.expansion is None:
            only = self.results[0] or {}
            return {f"{step.id}/{output}": only.get(output) for output in step.outputs}
        return {
            f"{step.id}/{output}": self.expansion.nest([(result or {}).get(output) for result in self.results])
            for output in step.outputs
        }


def _with_origin(problem: Problem, step: Step, where: str) -> Problem:
    """The problem of an input port of the step, and where its value comes from."""
    place = problem.where.removeprefix(f"{where}/")
    port = next(
        (each for each in step.inputs if place == each.id or place.startswith((f"{each.id}[", f"{each.id}."))), None
    )
    if port is None:
        return problem
    origin = ["valueFrom"] if port.value_from is not None else []
    origin += [" and ".join(port.source)] if port.source else []
    return replace(problem, what=f"{problem.what}; it comes from {', and '.join(origin)[:200]}") if origin else problem
