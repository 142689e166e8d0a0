"""Which instance each job is on: first fit, for every task on its own. Decides; the loop acts.

An instance exists as long as a job is on it; a further one is begun only when no job fits those that are there, and the
task may have one more.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from araneus.executors.base import Fit
from araneus.model.instance import Instance
from araneus.model.job import Resources
from araneus.scheduler.facts import Prepared


@dataclass(slots=True)
class _Held:
    """An instance with the jobs on it."""

    instance: Instance
    jobs: dict[str, Resources] = field(default_factory=dict)

    def has_room(self, one: Prepared) -> bool:
        cores = sum(job.cores for job in self.jobs.values()) + one.resources.cores
        memory = sum(job.memory for job in self.jobs.values()) + one.resources.memory
        return self.instance.holds(Resources(cores=cores, memory=memory))


class Fleets:
    """The instances of all tasks. A job without an instance has room here always."""

    def __init__(self) -> None:
        self._held: dict[str, list[_Held]] = {}
        self._tasks: dict[str, str] = {}

    def fit(self, one: Prepared) -> Fit:
        """Whether an instance of its task has room for a job now, later, or never."""
        instance = one.instance
        if instance is None:
            return Fit.NOW
        if not instance.holds(one.resources):
            return Fit.NEVER
        held = self._held.get(one.job.task, [])
        if len(held) < instance.parallel or next(self._with_room(one), None) is not None:
            return Fit.NOW
        return Fit.LATER

    def take(self, one: Prepared) -> None:
        """Put a job on an instance."""
        if one.instance is None or one.attempt.id in self._tasks:
            return
        found = next(self._with_room(one), None)
        if found is None:
            found = _Held(one.instance)
            self._held.setdefault(one.job.task, []).append(found)
        found.jobs[one.attempt.id] = one.resources
        self._tasks[one.attempt.id] = one.job.task

    def give_back(self, attempt: str) -> None:
        """An attempt is over. An instance without jobs is given back."""
        task = self._tasks.pop(attempt, None)
        if task is None:
            return
        for held in self._held[task]:
            held.jobs.pop(attempt, None)
        self._held[task] = [held for held in self._held[task] if held.jobs]
        if not self._held[task]:
            del self._held[task]

    def _with_room(self, one: Prepared) -> Iterator[_Held]:
        for held in self._held.get(one.job.task, []):
            if one.instance is not None and held.instance.type == one.instance.type and held.has_room(one):
                yield held
