"""The cores and memory of one machine, and which attempts have taken some of them. No I/O."""

import math
from collections.abc import Mapping

from araneus.executors.base import Fit
from araneus.model.job import Resources

_TOLERANCE = 1e-9


class Room:
    """``cores`` and ``memory`` (MiB) are what attempts may take together."""

    def __init__(self, cores: float, memory: int) -> None:
        self._cores = cores
        self._memory = memory
        self._taken: dict[str, Resources] = {}

    def __contains__(self, attempt: str) -> bool:
        return attempt in self._taken

    def fit(self, resources: Resources) -> Fit:
        """Whether so much is free now, will be when others have ended, or never."""
        if resources.cores > self._cores + _TOLERANCE or resources.memory > self._memory:
            return Fit.NEVER
        cores = math.fsum(taken.cores for taken in self._taken.values()) + resources.cores
        memory = sum(taken.memory for taken in self._taken.values()) + resources.memory
        return Fit.NOW if cores <= self._cores + _TOLERANCE and memory <= self._memory else Fit.LATER

    def take(self, attempt: str, resources: Resources) -> None:
        """Count the attempt from now on; one that is counted already stays as it was."""
        self._taken.setdefault(attempt, resources)

    def give_back(self, attempt: str) -> None:
        """Count the attempt no more."""
        self._taken.pop(attempt, None)

    @property
    def taken(self) -> Mapping[str, Resources]:
        """What each attempt takes."""
        return self._taken
