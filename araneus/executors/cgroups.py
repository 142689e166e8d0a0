"""Limits for what runs on this machine without a container engine's own: a control group per attempt.

The wrapper moves itself into the group before it starts the tool, so everything that the tool starts is counted, is
held to the limits and can be found. `cgroup_layout` decides which files get which values, for both versions of the
kernel's interface; here they are read and written.

When a process changes groups, the kernel waits until no thread on the machine is being started, 4 to 20 ms when nobody
has changed groups for a while. A thread that moves itself needs no such wait (Linux 5.5), and the wrapper has only one;
version 1 lets it.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from araneus.executors import cgroup_layout
from araneus.executors.cgroup_layout import LEAF, Mounts, Seat, Shortage, Spot, Write
from araneus.executors.limits import Limits

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}")
_PROCESSES = "cgroup.procs"
_THREADS = "tasks"
_PROBE = Limits(memory=64, cores=1.0, weight=1.0, processes=64, badness=0)
_XATTRS = ("user.delegate", "trusted.delegate")


_WORDS = {"memory": "memory", "cpu": "processor time", "pids": "the number of processes"}


def unenforced(controllers: Collection[str], tools: str = "tools that run without an engine") -> list[str]:
    """A sentence for the person who starts the server, when some controllers do not obey for these tools."""
    missing = [_WORDS[name] for name in cgroup_layout.CONTROLLERS if name not in controllers]
    sentence = (
        f"Not limited for {tools}: {', '.join(missing)}. This user may not make control groups for that. Run the server"
        " as a service of systemd with Delegate=yes, start it with 'systemd-run --user --scope -p Delegate=yes araneus"
        " up', or run it as root (docs/limits.md)."
    )
    return [sentence] if missing else []


class Cgroups:
    """The groups of attempts, below one group of ours in each of the ``seats``."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        self._seats = tuple(seats)

    @classmethod
    def detect(cls, name: str, memory: int, *, own: str | None = None, mountinfo: str | None = None) -> "Cgroups":
        """The groups that this process may make, found out by making one with limits; those of no controller where it
        may make none.

        ``name`` is that of our group; no other server on this machine may use it. All attempts together get ``memory``
        MiB. ``own`` and ``mountinfo`` are texts of the kernel (`cgroup_layout.mounts_of`), read when not given.
        """
        mounts = cgroup_layout.mounts_of(
            _text(Path("/proc/self/cgroup")) if own is None else own,
            _text(Path("/proc/self/mountinfo")) if mountinfo is None else mountinfo,
        )
        seats = (_take(seat, name, memory) for seat in _seats(mounts))
        return cls([seat for seat in seats if seat is not None])

    @property
    def controllers(self) -> frozenset[str]:
        """Which of `cgroup_layout.CONTROLLERS` obey."""
        return frozenset(name for seat in self._seats for name in seat.controllers)

    def make(self, attempt: str, limits: Limits) -> tuple[Path, ...]:
        """Make the attempt's group; the files that its first process, while it has one thread, writes 0 to in order to
        join. Raises OSError."""
        joins = []
        for seat in self._seats:
            group = _group(seat, attempt)
            group.mkdir(exist_ok=True)
            _apply(group, cgroup_layout.writes(limits, seat.controllers, unified=seat.unified))
            joins.append(group / (_PROCESSES if seat.unified else _THREADS))
        return tuple(joins)

    def shortage(self, attempt: str) -> Shortage | None:
        """Whose memory ran out, when the kernel has killed a process of the attempt for want of it."""
        for seat in self._seats:
            if "memory" in seat.controllers:
                return cgroup_layout.shortage(_events(seat, attempt), unified=seat.unified)
        return None

    def forks_refused(self, attempt: str) -> bool:
        """Whether the attempt wanted more processes than it may have."""
        return any(cgroup_layout.forks_refused(_events(seat, attempt)) for seat in self._seats)

    def end(self, attempt: str, patience: float = 2.0) -> None:
        """Kill every process of the attempt's group. Returns when it is empty, at the latest after ``patience`` s."""
        deadline = time.monotonic() + patience
        for seat in self._seats:
            group = _group(seat, attempt)
            if "pids" in seat.controllers:
                # Nothing is started any more: what multiplies cannot outrun the signals.
                with contextlib.suppress(OSError):
                    (group / "pids.max").write_text("0")
        for seat in self._seats:
            _empty(_group(seat, attempt), deadline)

    def remove(self, attempt: str) -> bool:
        """Remove the attempt's group when it is empty; whether it is gone."""
        gone = True
        for seat in self._seats:
            try:
                os.rmdir(_group(seat, attempt))  # noqa: PTH106 (in the hot path)
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone

    def close(self) -> None:
        """Remove our own group when it is empty: attempts that go on keep it."""
        for seat in self._seats:
            with contextlib.suppress(OSError):
                seat.folder.rmdir()


def _seats(mounts: Mounts) -> list[Seat]:
    """The groups below which ours are made, with the controllers that each may have."""
    found = [Seat(folder=folder, controllers=(name,), unified=False) for name, folder in mounts.first.items()]
    if mounts.unified is not None and mounts.top is not None:
        candidates = dict.fromkeys((mounts.unified, mounts.unified.parent, mounts.top))
        spots = [_look(folder, mounts.top) for folder in candidates if folder.is_relative_to(mounts.top)]
        spot = cgroup_layout.choose_spot(spots)
        if spot is not None and (not spot.occupied or spot.root or _make_room(spot.folder)):
            free = tuple(name for name in cgroup_layout.CONTROLLERS if name in spot.controllers - mounts.first.keys())
            found.append(Seat(folder=spot.folder, controllers=free, unified=True))
    return found


def _look(folder: Path, top: Path) -> Spot:
    control = folder / "cgroup.subtree_control"
    # Only the root of the whole hierarchy has no type; the top of a container's view has one.
    root = folder == top and control.exists() and not (folder / "cgroup.type").exists()
    return Spot(
        folder=folder,
        controllers=frozenset(_text(folder / "cgroup.controllers").split()),
        writable=os.access(control, os.W_OK) and os.access(folder, os.W_OK),
        delegated=os.geteuid() != 0 or folder == top or any(_has_xattr(folder, name) for name in _XATTRS),
        occupied=bool(_text(folder / _PROCESSES).strip()),
        root=root,
    )


def _make_room(folder: Path) -> bool:
    """Move the processes of a group that was left to us to a group below it; whether none is left behind."""
    leaf = folder / LEAF
    with contextlib.suppress(OSError):
        leaf.mkdir(exist_ok=True)
        for pid in _text(folder / _PROCESSES).split():
            with contextlib.suppress(OSError):
                (leaf / _PROCESSES).write_text(pid)
    return not _text(folder / _PROCESSES).strip()


def _take(seat: Seat, name: str, memory: int) -> Seat | None:
    """Our group in the seat, with the controllers that prove to work there; None without any."""
    folder = seat.folder / name
    there = folder.is_dir()
    try:
        folder.mkdir(exist_ok=True)
        working = [one for one in seat.controllers if _works(seat, folder, one, memory)]
    except OSError:
        return None
    if not working:
        with contextlib.suppress(OSError):
            if not there:
                folder.rmdir()
        return None
    return Seat(folder=folder, controllers=tuple(working), unified=seat.unified)


def _works(seat: Seat, folder: Path, controller: str, memory: int) -> bool:
    probe = folder / f"probe-{os.getpid()}-{controller}"
    try:
        if seat.unified:
            for above in (seat.folder, folder):
                (above / "cgroup.subtree_control").write_text(f"+{controller}")
        _apply(folder, cgroup_layout.common_writes(memory, (controller,), unified=seat.unified))
        probe.mkdir()
        try:
            _apply(probe, cgroup_layout.writes(_PROBE, (controller,), unified=seat.unified))
        finally:
            probe.rmdir()
    except OSError:
        return False
    return True


def _apply(group: Path, writes: Iterable[Write]) -> None:
    for write in writes:
        try:
            # Never created: outside of the kernel's file systems there is nothing to be limited.
            descriptor = os.open(group / write.file, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, write.value.encode("ascii"))
            finally:
                os.close(descriptor)
        except OSError:
            if write.required:
                raise


def _empty(group: Path, deadline: float) -> None:
    while members := _text(group / _PROCESSES).split():
        try:
            (group / "cgroup.kill").write_text("1")
        except OSError:
            for pid in members:
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.002)


def _events(seat: Seat, attempt: str) -> dict[str, str]:
    group = _group(seat, attempt)
    names = cgroup_layout.event_files(seat.controllers, unified=seat.unified)
    return {name: _text(group / name) for name in names}


def _group(seat: Seat, attempt: str) -> Path:
    if not _NAME.fullmatch(attempt):
        raise OSError(f"{attempt[:100]!r} cannot be the name of a control group")
    return seat.folder / attempt


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _has_xattr(path: Path, name: str) -> bool:
    try:
        return os.getxattr(path, name) == b"1"
    except OSError:
        return False
