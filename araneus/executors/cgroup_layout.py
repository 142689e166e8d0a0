"""Control groups as values: where groups can be made, which files get which values, what the event files tell.

Both versions of the kernel's interface (Documentation/admin-guide/cgroup-v1, cgroup-v2.rst). Nothing here reads or
writes; `cgroups` does what is decided here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from araneus.executors.limits import Limits

CONTROLLERS: Final = ("memory", "cpu", "pids")
LEAF: Final = "araneus-server"
"""The group that the server's own processes move to where version 2 wants those above our groups to be empty."""
_USAGE = ("memory.max_usage_in_bytes", "memory.limit_in_bytes")
_NEARLY = 4 * 1024 * 1024
_MEBIBYTE = 1024 * 1024
_PERIOD = 100_000
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A group below which groups are made that obey ``controllers``. ``unified``: version 2."""

    folder: Path
    controllers: tuple[str, ...]
    unified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A value for a file of a group. Where it is not ``required``, a kernel without the file is none the worse."""

    file: str
    value: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounts:
    """Where this process stands in the hierarchies: its group of each version 1 controller, and of version 2, with
    the top of the latter, if they are mounted."""

    first: Mapping[str, Path] = field(default_factory=dict)
    unified: Path | None = None
    top: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A version 2 group as it was found. ``delegated``: a service manager, or the owner of its files, has left what
    is below to us; ``root``: the root of the whole hierarchy, which may hold processes and groups alike."""

    folder: Path
    controllers: frozenset[str] = frozenset()
    writable: bool = False
    delegated: bool = False
    occupied: bool = False
    root: bool = False


class Shortage(StrEnum):
    """Whose limit was reached when the kernel ended a process for want of memory."""

    OWN = "own"
    ALL = "all"


def mounts_of(own: str, mountinfo: str) -> Mounts:
    """The hierarchies, from ``/proc/self/cgroup`` and ``/proc/self/mountinfo``."""
    paths = _own_paths(own)
    first: dict[str, Path] = {}
    unified = top = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(kind) < 3:
            continue
        root, point = _unescaped(fields[3]), Path(_unescaped(fields[4]))
        if kind[0] == "cgroup2" and unified is None:
            top, unified = point, _below(point, root, paths.get("", "/"))
        elif kind[0] == "cgroup":
            for name in kind[2].split(","):
                if name in CONTROLLERS and name in paths:
                    first.setdefault(name, _below(point, root, paths[name]))
    return Mounts(first=first, unified=unified, top=top)


def _own_paths(own: str) -> dict[str, str]:
    found = {}
    for line in own.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            found.update(dict.fromkeys(parts[1].split(","), parts[2]))
    return found


def _below(point: Path, root: str, path: str) -> Path:
    # In a container the mount shows the container's own group, whose path is that of the machine outside.
    if root != "/" and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    elif root != "/":
        path = "/"
    parts = [part for part in path.split("/") if part]
    return point if ".." in parts else point.joinpath(*parts)


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)


def choose_spot(spots: Iterable[Spot]) -> Spot | None:
    """The group of version 2 to make ours in: what was left to us, or the root for who may; None where nothing was.

    ``spots`` are this process's own group, the one around it and the root. A group that holds processes cannot limit
    groups below it, so who chooses an occupied one moves them to `LEAF` first; that is done to delegated groups only.
    """
    fit = [spot for spot in spots if spot.writable and spot.controllers & {*CONTROLLERS}]
    delegated = [spot for spot in fit if spot.delegated and not spot.root]
    roomy = [spot for spot in delegated if not spot.occupied]
    return next(iter([*roomy, *delegated, *(spot for spot in fit if spot.root)]), None)


def writes(limits: Limits, controllers: Sequence[str], *, unified: bool) -> tuple[Write, ...]:
    """What an attempt's group gets, in this order. The group is new: lowering a limit is all that happens."""
    found: list[Write] = []
    memory = str(limits.memory * _MEBIBYTE)
    quota = None if limits.cores is None else max(1000, round(limits.cores * _PERIOD))
    if "memory" in controllers and unified:
        found += [
            Write(file="memory.max", value=memory),
            Write(file="memory.swap.max", value="0", required=False),
            Write(file="memory.oom.group", value="1", required=False),
        ]
    elif "memory" in controllers:
        found += [
            Write(file="memory.limit_in_bytes", value=memory),
            Write(file="memory.memsw.limit_in_bytes", value=memory, required=False),
        ]
    if "cpu" in controllers and unified:
        found.append(Write(file="cpu.weight", value=str(_clamped(limits.weight * 100, 1, 10_000)), required=False))
        if quota is not None:
            found.append(Write(file="cpu.max", value=f"{quota} {_PERIOD}"))
    elif "cpu" in controllers:
        found.append(Write(file="cpu.shares", value=str(_clamped(limits.weight * 1024, 2, 262_144)), required=False))
        if quota is not None:
            found += [
                Write(file="cpu.cfs_period_us", value=str(_PERIOD)),
                Write(file="cpu.cfs_quota_us", value=str(quota)),
            ]
    if "pids" in controllers:
        found.append(Write(file="pids.max", value=str(limits.processes)))
    return tuple(found)


def common_writes(memory: int, controllers: Sequence[str], *, unified: bool) -> tuple[Write, ...]:
    """What the group around all attempts gets: the MiB that they may use together."""
    if "memory" not in controllers:
        return ()
    value = str(memory * _MEBIBYTE)
    if unified:
        return (
            Write(file="memory.max", value=value),
            Write(file="memory.swap.max", value="0", required=False),
        )
    # Twice: memory and swap together may never be less than memory, and the group may have had another limit.
    swap = Write(file="memory.memsw.limit_in_bytes", value=value, required=False)
    plain = Write(file="memory.limit_in_bytes", value=value, required=False)
    return (swap, plain, swap, Write(file="memory.limit_in_bytes", value=value))


def shortage(events: Mapping[str, str], *, unified: bool) -> Shortage | None:
    """Whose memory ran out, by the texts of a group's event files; None when the kernel has ended nothing for it."""
    counts = _counts(events.get("memory.events" if unified else "memory.oom_control", ""))
    if not counts.get("oom_kill"):
        return None
    if unified:
        return Shortage.OWN if counts.get("oom") else Shortage.ALL
    # Version 1 does not say whose limit it was, and not every kernel counts its failures.
    most, limit = (_number(events.get(name, "")) for name in _USAGE)
    return Shortage.OWN if most >= limit - _NEARLY else Shortage.ALL


def forks_refused(events: Mapping[str, str]) -> bool:
    """Whether the kernel has refused the attempt a process for its limit."""
    return _counts(events.get("pids.events", "")).get("max", 0) > 0


def event_files(controllers: Sequence[str], *, unified: bool) -> tuple[str, ...]:
    """The files that `shortage` and `forks_refused` want to see."""
    memory = ("memory.events",) if unified else ("memory.oom_control", *_USAGE)
    return (*(memory if "memory" in controllers else ()), *(("pids.events",) if "pids" in controllers else ()))


def _counts(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: _number(pair[1]) for pair in pairs if len(pair) == 2}


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0


def _clamped(value: float, least: int, most: int) -> int:
    return max(least, min(most, round(value)))
