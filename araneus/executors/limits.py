"""What an attempt may use of this machine: decided from what its app states and from the settings.

Nothing here touches the kernel: `cgroups` and `docker` make the limits true. docs/adr/0008-limits.md has the reasons.
"""

import math
import os
from dataclasses import dataclass

from araneus.model.job import Resources

SMALLEST_LIMIT = 256
"""MiB. A ``ramMin`` below it is no statement about memory (256 is the default of CWL v1.2): many write GB there."""
_SMALLEST_EXACT = 16
_RESERVE_SHARE = 10
_RESERVE = (512, 2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How strictly statements are taken.

    ``memory`` (MiB) is what all jobs of this server may use together. An app that states ``ramMin`` and no ``ramMax``
    may use ``headroom`` times of it, or with ``strict`` no more than exactly what it was given, also when it states
    nothing. ``processes`` is for each attempt; threads count. Without ``network`` no attempt has it, whatever it asks
    for.
    """

    memory: int
    strict: bool = False
    headroom: float = 1.5
    processes: int = 4096
    network: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one attempt.

    ``memory`` in MiB, swap included. ``cores`` is the most processor time per second, None for all that is free;
    ``weight`` is its share of the processors when they are not free, in cores. ``badness`` (0 to 1000) is how much
    sooner than others its processes are chosen when memory runs out: the less was asked for, the higher, so that
    whoever uses more than was asked for goes first, and the server, whose own is 0, last.
    """

    memory: int
    cores: float | None
    weight: float
    processes: int
    badness: int


def limits_for(asked: Resources, policy: Policy) -> Limits:
    """The limits of an attempt that asked for this."""
    return Limits(
        memory=min(_memory(asked, policy), max(policy.memory, _SMALLEST_EXACT)),
        cores=_cores(asked, policy),
        weight=max(asked.cores, 0.01),
        processes=policy.processes,
        badness=_badness(asked, policy),
    )


def _memory(asked: Resources, policy: Policy) -> int:
    if asked.memory_max is not None:
        return max(_SMALLEST_EXACT, asked.memory_max, asked.memory)
    if policy.strict:
        return max(_SMALLEST_EXACT, asked.memory)
    if not asked.memory_stated:
        return policy.memory
    return max(SMALLEST_LIMIT, math.ceil(asked.memory * policy.headroom))


def _cores(asked: Resources, policy: Policy) -> float | None:
    if asked.cores_max is not None:
        return max(asked.cores_max, asked.cores)
    return asked.cores if policy.strict else None


def _badness(asked: Resources, policy: Policy) -> int:
    # The kernel adds badness/1000 of all memory to what a process uses and ends the one with the most. With
    # badness = 1000 * (1 - asked / all) that is the one furthest above what it asked for.
    share = min(1.0, asked.memory / policy.memory) if policy.memory > 0 else 1.0
    return max(1, min(1000, round(1000 * (1 - share))))


def job_memory(machine: int) -> int:
    """The MiB that jobs may use together on a machine with this much when the settings do not say: never all, so that
    the server and the machine's own work survive them."""
    least, most = _RESERVE
    return max(machine // 2, machine - min(max(machine // _RESERVE_SHARE, least), most))


def machine_memory() -> int:
    """The MiB of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024**2


def default_policy() -> Policy:
    """For a machine that nothing has been set for."""
    return Policy(memory=job_memory(machine_memory()))
