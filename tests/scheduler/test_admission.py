"""Who starts now: decided with values."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given, strategies

from araneus.executors.base import Fit
from araneus.model.job import Resources
from araneus.scheduler.admission import SCAN, capacity, choose, too_large


@dataclass(frozen=True)
class Waiting:
    cores: float
    since: float = 100.0
    memory: int = 1

    @property
    def resources(self) -> Resources:
        return Resources(cores=self.cores, memory=self.memory)


def machine(free: float, cores: float = 8, memory: int = 1000) -> Callable[[Resources], Fit]:
    def fit(resources: Resources) -> Fit:
        if resources.cores > cores or resources.memory > memory:
            return Fit.NEVER
        return Fit.NOW if resources.cores <= free else Fit.LATER

    return fit


def test_the_oldest_start_first_until_the_room_is_used() -> None:
    jobs = [Waiting(2), Waiting(1), Waiting(1), Waiting(1)]
    assert choose(jobs, machine(4), now=100, patience=60).now == tuple(jobs[:3])


def test_a_small_job_passes_a_large_one() -> None:
    large, small = Waiting(6), Waiting(1)
    assert choose([large, small], machine(2), now=100, patience=60).now == (small,)


def test_nobody_passes_a_job_that_has_waited_too_long() -> None:
    large, small = Waiting(6, since=0), Waiting(1)
    assert choose([large, small], machine(2), now=61, patience=60).now == ()
    assert choose([small, large], machine(2), now=61, patience=60).now == (small,)


def test_a_job_that_never_fits_is_told_apart_and_holds_nobody_up() -> None:
    never, small = Waiting(9, since=0), Waiting(1)
    choice = choose([never, small], machine(2), now=1000, patience=60)
    assert choice.never == (never,)
    assert choice.now == (small,)


def test_only_the_first_are_looked_at() -> None:
    jobs = [Waiting(6)] * SCAN + [Waiting(1)]
    assert choose(jobs, machine(2), now=100, patience=60).now == ()


@given(strategies.lists(strategies.integers(1, 10), max_size=40), strategies.integers(0, 8))
def test_what_is_chosen_fits_together_and_in_order(sizes: list[int], free: int) -> None:
    jobs = [Waiting(size, since=number) for number, size in enumerate(sizes)]
    choice = choose(jobs, machine(free), now=100, patience=1000)
    assert sum(job.cores for job in choice.now) <= free
    assert list(choice.now) == sorted(choice.now, key=lambda job: job.since)
    assert set(choice.never) == {job for job in jobs if job.cores > 8}
    room = free - sum(job.cores for job in choice.now)
    assert not [job for job in jobs if job not in choice.now and job.cores <= min(8, room)]


def test_the_refusal_says_what_was_asked_and_what_there_is() -> None:
    limits = capacity(machine(0, cores=8, memory=1000))
    assert (limits.cores, limits.memory) == (8, 1000)
    text = too_large(Resources(cores=64, memory=5), limits)
    assert text == "it asks for 64 cores and 5 MiB of memory, jobs can have at most 8 cores and 1000 MiB"
