"""Which prepared jobs start now: first in, first out, with first fit. Decides; the loop acts.

The executor knows its room but not what this tick has already promised, so candidates are asked for together: the sum
of what was chosen so far and the next one. Small jobs may pass a large one, but only for a while: once a job has
waited longer than ``patience``, nobody behind it starts until it has its room.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Generic, Protocol, TypeVar

from araneus.executors.base import Fit
from araneus.model.job import Resources

SCAN = 256
"""How many waiting jobs are looked at in one tick."""


class Asking(Protocol):
    """A job that waits for room since ``since`` (monotonic seconds)."""

    @property
    def resources(self) -> Resources:
        """What it asks for."""
        ...

    @property
    def since(self) -> float:
        """When it began to wait."""
        ...


A = TypeVar("A", bound=Asking)
A_contra = TypeVar("A_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Choice(Generic[A]):
    """Who starts now, in order, and who never can."""

    now: tuple[A, ...] = ()
    never: tuple[A, ...] = ()


class Seats(Protocol[A_contra]):
    """Room that a job needs besides that of the executor: on one of the instances of its task."""

    def fit(self, one: A_contra) -> Fit:
        """Whether it has some now, later, or never."""
        ...

    def take(self, one: A_contra) -> None:
        """It starts, and has its seat from now on."""
        ...


def choose(
    waiting: Iterable[A], fit: Callable[[Resources], Fit], *, now: float, patience: float, seats: Seats[A] | None = None
) -> Choice[A]:
    """Decide for the first `SCAN` waiting jobs that have a seat, oldest first. Who has none waits for his own task, and
    nobody waits for him."""
    total = Resources(cores=0, memory=0, tmpdir=0, outdir=0)
    chosen: list[A] = []
    never: list[A] = []
    # A scatter's jobs ask for the same: what had no room a moment ago has none now.
    refused: set[Resources] = set()
    last: Resources | None = None
    seated = waiting if seats is None else _seated(waiting, seats, never)
    for candidate in islice(seated, SCAN):
        asked = candidate.resources
        if asked is not last and asked not in refused:
            together = _sum(total, asked)
            if fit(together) is Fit.NOW:
                chosen.append(candidate)
                total = together
                if seats is not None:
                    seats.take(candidate)
                continue
            if fit(asked) is Fit.NEVER:
                never.append(candidate)
                continue
            refused.add(asked)
            last = asked
        if now - candidate.since > patience:
            break
    return Choice(tuple(chosen), tuple(never))


def _seated(waiting: Iterable[A], seats: Seats[A], never: list[A]) -> Iterator[A]:
    """Those that have a seat when they are asked; who never gets one is added to ``never``."""
    for candidate in waiting:
        seat = seats.fit(candidate)
        if seat is Fit.NOW:
            yield candidate
        elif seat is Fit.NEVER:
            never.append(candidate)


def _sum(one: Resources, other: Resources) -> Resources:
    return Resources(
        cores=one.cores + other.cores,
        memory=one.memory + other.memory,
        tmpdir=one.tmpdir + other.tmpdir,
        outdir=one.outdir + other.outdir,
    )


def too_large(resources: Resources, limits: Resources) -> str:
    """What a job that never fits asks for, beside what there is."""
    return (
        f"it asks for {resources.cores:g} cores and {resources.memory} MiB of memory,"
        f" jobs can have at most {limits.cores:g} cores and {limits.memory} MiB"
    )


def capacity(fit: Callable[[Resources], Fit]) -> Resources:
    """The most cores and the most memory that an executor can ever give to one job, found by asking it."""
    return Resources(
        cores=_largest(lambda cores: fit(Resources(cores=cores, memory=0, tmpdir=0, outdir=0))),
        memory=_largest(lambda memory: fit(Resources(cores=0, memory=memory, tmpdir=0, outdir=0))),
    )


def _largest(ask: Callable[[int], Fit], limit: int = 2**30) -> int:
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if ask(middle) is Fit.NEVER:
            high = middle - 1
        else:
            low = middle
    return low
