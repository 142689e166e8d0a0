"""Memory limits for tools that do not run in a container: a control group per attempt, where this user may make one.

The wrapper moves itself into the group before it starts the tool, so everything that the tool starts is counted and can
be found. Version 1 and version 2 of the kernel's interface are spoken. Joining a group costs the kernel some
milliseconds, so an executor does without unless it is given a `Cgroups`.
"""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,199}")
_MEBIBYTE = 1024 * 1024


class Cgroups:
    """The groups of attempts below one group of ours. ``parent`` exists and takes memory limits."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._unified = (parent / "memory.max").exists() or (parent / "cgroup.controllers").exists()

    @classmethod
    def detect(cls, name: str = "araneus", root: Path = _ROOT) -> "Cgroups | None":
        """The groups of this process, or None where it may not make any: found out by making one with a limit."""
        for folder in _candidates(root):
            with contextlib.suppress(OSError):
                parent = folder / name
                parent.mkdir(exist_ok=True)
                if (folder / "cgroup.subtree_control").exists():
                    (folder / "cgroup.subtree_control").write_text("+memory")
                    (parent / "cgroup.subtree_control").write_text("+memory")
                groups = cls(parent)
                groups.make("probe", 64)
                groups.remove("probe")
                return groups
        return None

    def make(self, attempt: str, memory: int) -> Path:
        """Make the attempt's group with this limit in MiB; the file that a process joins it by. Raises OSError."""
        group = self._group(attempt)
        group.mkdir(exist_ok=True)
        limit = str(memory * _MEBIBYTE)
        (group / ("memory.max" if self._unified else "memory.limit_in_bytes")).write_text(limit)
        # Without a limit on swap, a tool that uses too much memory would only become slow. Not every kernel counts it.
        with contextlib.suppress(OSError):
            if self._unified:
                (group / "memory.swap.max").write_text("0")
            else:
                (group / "memory.memsw.limit_in_bytes").write_text(limit)
        return group / "cgroup.procs"

    def ran_out(self, attempt: str) -> bool:
        """Whether the kernel has killed a process of the attempt for want of memory."""
        file = self._group(attempt) / ("memory.events" if self._unified else "memory.oom_control")
        try:
            found = re.search(r"^oom_kill (\d+)$", file.read_text(), re.MULTILINE)
        except OSError:
            return False
        return found is not None and int(found[1]) > 0

    def end(self, attempt: str, patience: float = 2.0) -> None:
        """Kill every process of the attempt's group. Returns when it is empty, at the latest after ``patience`` s."""
        group = self._group(attempt)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                members = (group / "cgroup.procs").read_text().split()
            except OSError:
                return
            if not members:
                return
            try:
                (group / "cgroup.kill").write_text("1")
            except OSError:
                for pid in members:
                    with contextlib.suppress(OSError):
                        os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.002)

    def remove(self, attempt: str) -> None:
        """Remove the attempt's group when it is empty."""
        with contextlib.suppress(OSError):
            self._group(attempt).rmdir()

    def _group(self, attempt: str) -> Path:
        if not _NAME.fullmatch(attempt):
            raise OSError(f"{attempt[:100]!r} cannot be the name of a control group")
        return self._parent / attempt


def _candidates(root: Path) -> list[Path]:
    """Groups below which ours could be: this process's own, and the one around it (a service manager may give both)."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        relative = path.strip("/")
        if "memory" in controllers.split(","):
            found.append(root / "memory" / relative)
        elif not controllers and (root / "cgroup.controllers").exists():
            found += [root / relative, (root / relative).parent] if relative else [root]
    return [folder for folder in found if folder.is_dir()]
