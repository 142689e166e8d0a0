"""Who sees what a job changed in place: all that comes after it, and nobody else.

A step comes after a job when it waits for it, directly or through other steps; what does not wait keeps the file as it
was, whoever happens to be first. So an execution gives the same results in every order in which its jobs may end, and
again when it is replayed. Source: `docs/adr/0007-inplace-update.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.inplace import replaced, with_contents
from araneus.engine.calls import Place, Scope
from araneus.engine.plan import Plan
from araneus.model.values import FileValue, Value

Trail: TypeAlias = list[tuple[Scope, int | None, int | None]]
"""From the outermost workflow inwards: its instance, the position of a step in it, and which element of its scatter.
No position: after all steps. No element: before the step begins."""


@dataclass(frozen=True, slots=True)
class _Update:
    value: FileValue
    job: str
    trail: Trail


class Updates:
    """The files that jobs of one execution have changed in place."""

    def __init__(self) -> None:
        self._by_file: dict[str, _Update] = {}
        self._followers: dict[tuple[int, int], set[int]] = {}

    def add(self, place: Place, job: str, changed: Mapping[str, FileValue]) -> None:
        """A job has changed these files, by identity.

        Raises `InputError` for a file that another job has changed which this one did not wait for: "an implementation
        must ensure that only one workflow step may access a writable file at a time".
        """
        trail = _trail(place)
        for name, value in changed.items():
            before = self._by_file.get(name)
            if before is not None:
                what = (
                    f"{value.get('basename')!r} is updated in place by {before.job} and by {job}, and neither waits for"
                    " the other; link the output of one to the other's input"
                )
                raise InputError(Problem("InplaceUpdateRequirement", what))
            for inner, item in with_contents(name, value):
                self._by_file.setdefault(inner, _Update(item, job, trail))

    def seen_by(self, value: Value, scope: Scope, position: int | None) -> Value:
        """The value as a step of a workflow instance sees it, or (None) as the instance's outputs have it."""
        if not self._by_file or not isinstance(value, list | dict):
            return value
        reader: Trail = [*_trail(scope.place), (scope, position, None)]

        def current(name: str) -> FileValue | None:
            update = self._by_file.get(name)
            return update.value if update is not None and self._comes_after(reader, update.trail) else None

        return replaced(value, current)

    def _comes_after(self, reader: Trail, job: Trail) -> bool:
        for (scope, position, element), (other, changed_at, changed_by) in zip(reader, job, strict=False):
            if scope is not other:
                return False
            if position is None:
                return True
            if position != changed_at:
                return changed_at is not None and position in self._following(scope.plan, changed_at)
            if element != changed_by:
                return False
        return False

    def _following(self, plan: Plan, position: int) -> set[int]:
        """The steps that wait for a step, directly or not. Plans live as long as their execution."""
        known = self._followers.get((id(plan), position))
        if known is None:
            known = self._followers[id(plan), position] = set()
            pending = list(plan.dependents[position])
            while pending:
                following = pending.pop()
                if following not in known:
                    known.add(following)
                    pending.extend(plan.dependents[following])
        return known


def _trail(place: Place) -> Trail:
    found: Trail = []
    while place is not None:
        call, number = place
        found.append((call.scope, call.position, number))
        place = call.scope.place
    found.reverse()
    return found
