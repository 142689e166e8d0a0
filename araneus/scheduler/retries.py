"""Which jobs are tried again, where, and with how much. Decides for one run; reads nothing.

Tried again: an attempt whose place was taken away (then on one that nobody takes away), one that was lost or that a
container engine refused before the tool began (on the same kind of place), one whose tool calls its exit code temporary
(``temporaryFailCodes``), and, where the settings say so, one that ran out of memory (with more). Any other failure of a
tool never is.
Source: execution semantics of the platform, "Interruption and retry".
"""

import math
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from araneus.model.job import Attempt, Outcome, Reason, Resources

MAX_ATTEMPTS: Final = 3
"""Attempts of one job, whatever they ended with."""


class Retries:
    """What is known of the attempts of one task. ``interruptible``: its jobs may begin on places that can be taken
    away. ``memory_growth``: how much more memory a job gets that ran out of it; 1 for no further attempt.
    ``temporary_tries``: attempts of a job that may end with an exit code which its tool calls temporary."""

    def __init__(self, *, interruptible: bool = False, memory_growth: float = 1.0, temporary_tries: int = 1) -> None:
        self._interruptible = interruptible
        self._memory_growth = memory_growth
        self._temporary_tries = temporary_tries
        self._temporary: Counter[str] = Counter()
        self._interrupted: set[str] = set()
        self._short: dict[str, tuple[Resources, Outcome]] = {}

    def note(self, attempt: Attempt, outcome: Outcome, temporary: Collection[int] = ()) -> bool:
        """Take in how an attempt ended; whether the job is to be tried again. ``temporary`` are the exit codes after
        which the tool wants that."""
        if outcome.reason is Reason.EXIT_CODE and outcome.exit_code in temporary:
            self._temporary[attempt.key] += 1
            if self._temporary[attempt.key] >= self._temporary_tries:
                return False
        elif outcome.reason is Reason.INTERRUPTED:
            self._interrupted.add(attempt.key)
        elif outcome.reason is Reason.OUT_OF_MEMORY and self._memory_growth > 1:
            self._short[attempt.key] = (self._grown(attempt.resources), outcome)
        elif outcome.reason not in {Reason.LOST, Reason.REFUSED}:
            return False
        return attempt.number < MAX_ATTEMPTS

    def may_be_interrupted(self, key: str) -> bool:
        """Whether the next attempt of a job may be on a place that can be taken away."""
        return self._interruptible and key not in self._interrupted

    def resources(self, key: str, asked: Resources) -> Resources:
        """What the next attempt of a job gets that asks for so much."""
        grown = self._short.get(key)
        return grown[0] if grown is not None else asked

    def explained(self, key: str, outcome: Outcome) -> Outcome:
        """The outcome of a job that is over. One that got more memory than there is ran out of memory all the same."""
        known = self._short.get(key)
        if known is None or outcome.reason is not Reason.TOO_LARGE:
            return outcome
        message = f"{known[1].message} Another attempt would need {known[0].memory} MiB, which this machine has not."
        return replace(known[1], message=message.strip())

    def _grown(self, resources: Resources) -> Resources:
        most = resources.memory_max
        return replace(
            resources,
            memory=math.ceil(resources.memory * self._memory_growth),
            memory_max=None if most is None else math.ceil(most * self._memory_growth),
        )
