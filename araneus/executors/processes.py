"""Processes of this machine: starting the wrapper, and finding and ending everything that an attempt has started.

Linux offers no name for "everything this tool has started": a tool may leave its process group, its session and its
parent. What cannot be shed without effort is the environment it was started with, and the directory it works in, so
`belonging` takes as evidence: the session and group of the wrapper, descent from a process that belongs, the mark
``ARANEUS_ATTEMPT=<attempt>@<job directory>`` in the environment, and a working directory or standard stream inside the
job directory.
An enclosed tool (bubblewrap, container) has a process namespace of its own, which ends with its first process; there
this search only makes sure. Where there is no /proc, only the process group is known.
"""

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from araneus.executors.spawning import spawn_session

MARK = "ARANEUS_ATTEMPT"
"""The variable that marks the processes of an attempt; its value is `mark`."""
_PROC = Path("/proc")
_LOCK_DESCRIPTOR = 9
FILTER_DESCRIPTOR = 8

# $1 is the job directory, $2 how soon the kernel ends the tool when memory runs out, or empty, $3 the files to join
# control groups by, with colons between them, or empty; the rest is the command. Only builtins of the shell are used,
# so nothing but the tool itself is executed. The traps keep the wrapper alive when a tool signals its own process
# group; they are reset for the tool, which is executed: the shell has commands of its own under names such as echo.
# OLDPWD would tell the server's own directory. A variable that a document sets is one of the shell's, too: its own have
# names that nobody uses. A control group takes 0 for whoever writes it; that need not wait for the whole machine where
# it is a thread that joins (`cgroups`).
_WRAPPER = """\
trap : HUP INT QUIT TERM USR1 USR2 ALRM
echo "$$" >"$1/pid" || exit 125
umask 022
ulimit -c 0
cd "$1/work" || exit 125
unset OLDPWD
if [ "$2" ]; then echo "$2" >/proc/self/oom_score_adj; fi 2>/dev/null
IFS=:
for _araneus_file in $3; do echo 0 >"$_araneus_file" || exit 125; done
unset IFS _araneus_file
_araneus_job=$1
shift 3
(exec "$@") 9>&-
_araneus_code=$?
echo "$_araneus_code" >"$_araneus_job/exit_code"
exit "$_araneus_code"
"""

# Like the wrapper, for a command that runs in a container: $2 is the engine, $3 the container's name. What the engine
# knows about the end is kept in the file `container`, and the container is removed. Not every engine learns that it was
# for want of memory (podman 4 with control groups of version 1), and the container's group is gone by then; so the
# second line tells whether the kernel has ended processes for it meanwhile.
_CONTAINER_WRAPPER = """\
trap : HUP INT QUIT TERM USR1 USR2 ALRM
echo "$$" >"$1/pid" || exit 125
umask 022
ulimit -c 0
cd "$1/work" || exit 125
unset OLDPWD
_araneus_job=$1
_araneus_engine=$2
_araneus_name=$3
shift 3
while read -r _araneus_key _araneus_before; do [ "$_araneus_key" != oom_kill ] || break; done </proc/vmstat
"$@" 9>&-
_araneus_code=$?
while read -r _araneus_key _araneus_after; do [ "$_araneus_key" != oom_kill ] || break; done </proc/vmstat
"$_araneus_engine" inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.StartedAt}} {{.State.Error}}' \\
"$_araneus_name" >"$_araneus_job/container" 2>&1 9>&-
[ "$_araneus_before" = "$_araneus_after" ] || echo oom_kill >>"$_araneus_job/container"
"$_araneus_engine" rm -f -v "$_araneus_name" >/dev/null 2>&1 </dev/null 9>&-
echo "$_araneus_code" >"$_araneus_job/exit_code"
exit "$_araneus_code"
"""

# Python, the halves of a server and those who start it in the background ignore some of these; a tool must start with
# the default.
_DEFAULT_SIGNALS = tuple(
    number
    for name in ("SIGHUP", "SIGINT", "SIGPIPE", "SIGQUIT", "SIGTERM", "SIGXFSZ")
    if (number := getattr(signal, name, None)) is not None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The engine's program and the name of the container that a command will run in."""

    program: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Open descriptors of the tool's standard streams."""

    stdin: int
    stdout: int
    stderr: int


def spawn(
    directory: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    streams: Streams,
    *,
    lock: int,
    container: Container | None = None,
    badness: int | None = None,
    groups: Sequence[Path] = (),
    filter_program: bytes = b"",
) -> int:
    """Start the wrapper in a session of its own and return its process id.

    The wrapper outlives this process: it writes ``pid``, runs the command in ``work/``, writes ``exit_code``, and holds
    ``lock`` meanwhile. ``groups`` are the files of control groups to join, ``badness`` is what the kernel is told about
    the tool for when memory runs out (0 to 1000); a container gets both from its engine. ``filter_program`` is what the
    command reads from `FILTER_DESCRIPTOR`.
    Raises OSError (E2BIG: too long a command line) or ValueError (a NUL in it).
    """
    script = _WRAPPER if container is None else _CONTAINER_WRAPPER
    joins = ":".join(map(os.fspath, groups))
    own = ("" if badness is None else str(badness), joins)
    between = own if container is None else (container.program, container.name)
    arguments = ["sh", "-c", script, "araneus-job", os.fspath(directory), *between, *command]
    descriptors = {0: streams.stdin, 1: streams.stdout, 2: streams.stderr, _LOCK_DESCRIPTOR: lock}
    if not filter_program:
        return spawn_session("/bin/sh", arguments, environment, descriptors, _DEFAULT_SIGNALS)
    with in_memory(filter_program) as program:
        descriptors[FILTER_DESCRIPTOR] = program
        return spawn_session("/bin/sh", arguments, environment, descriptors, _DEFAULT_SIGNALS)


@contextlib.contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    """An open descriptor from which this content can be read, by one reader. Raises OSError."""
    descriptor = os.memfd_create("araneus")
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def keep_descriptors() -> None:
    """Keep descriptors that this process has itself inherited from going on to tools.

    Everything that Python opens is closed in a child anyway; whoever started the server may have left others open.
    """
    folder = Path("/dev/fd")
    for entry in list(folder.iterdir()) if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError):
            if int(entry.name) > 2:
                os.set_inheritable(int(entry.name), False)


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None where the system has none or it is gone."""
    opener = getattr(os, "pidfd_open", None)
    if opener is None:
        return None
    try:
        return int(opener(pid))
    except OSError:
        return None


def reap(pid: int) -> int | None:
    """The exit code of our own child that has ended (negative: ended by that signal), else None."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def group_exists(group: int) -> bool:
    """Whether any process is left in a process group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Whose processes are looked for. ``session`` only while that id is certain: the wrapper lives or is not reaped."""

    attempt: str
    directory: str
    session: int | None = None


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    group: int
    session: int
    state: str
    started: int


def mark(attempt: str, directory: str) -> str:
    """What tells an attempt's processes from all others of this machine, whoever named them."""
    return f"{attempt}@{directory}"


def belonging(suspects: Iterable[Suspect]) -> dict[str, dict[int, int]]:
    """The living processes of each attempt: process id to start time (ticks since boot). One pass over /proc."""
    table = _table()
    own = _ancestors(table, os.getpid())
    wanted = list(suspects)
    found: dict[str, dict[int, int]] = {suspect.attempt: {} for suspect in wanted}
    for process in table.values():
        if process.pid in own or process.state in "ZX":
            continue
        owner = _owner(process, wanted)
        if owner is not None:
            found[owner][process.pid] = process.started
    for members in found.values():
        _add_descendants(members, table, own)
    return found


def end(suspects: Collection[Suspect], patience: float = 2.0) -> None:
    """Kill every process of these attempts. Each round stops what it finds first, so that nothing can fork away.

    Returns when a search finds nothing any more, at the latest after ``patience`` seconds.
    """
    deadline = time.monotonic() + patience
    while suspects:
        caught: dict[int, int] = {}
        while fresh := _new(belonging(suspects), caught):
            send(fresh, signal.SIGSTOP)
            caught.update(fresh)
            if time.monotonic() > deadline:
                break
        if not caught:
            return
        send(caught, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.002)


def ask_to_end(suspect: Suspect, keep: int | None) -> None:
    """Send SIGTERM to every process of an attempt but the wrapper (``keep``), which waits for the tool's end."""
    members = belonging([suspect])[suspect.attempt]
    send({pid: started for pid, started in members.items() if pid != keep}, signal.SIGTERM)


def send(processes: Mapping[int, int], number: signal.Signals) -> None:
    """Signal processes given with their start times; one whose id now belongs to another process is left alone."""
    for pid, started in processes.items():
        with contextlib.suppress(OSError):
            descriptor = open_pidfd(pid)
            if descriptor is None:
                continue
            try:
                now = _read_stat(pid)
                if now is not None and now.started == started:
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def _new(found: Mapping[str, Mapping[int, int]], known: Mapping[int, int]) -> dict[int, int]:
    return {pid: start for members in found.values() for pid, start in members.items() if known.get(pid) != start}


def _owner(process: _Process, suspects: Sequence[Suspect]) -> str | None:
    for suspect in suspects:
        if suspect.session is not None and suspect.session in {process.session, process.group}:
            return suspect.attempt
    environment = _read_environment(process.pid)
    if environment is None:
        return None
    for suspect in suspects:
        if f"{MARK}={mark(suspect.attempt, suspect.directory)}".encode() in environment:
            return suspect.attempt
    places = list(_places(process.pid))
    for suspect in suspects:
        if any(place == suspect.directory or place.startswith(suspect.directory + "/") for place in places):
            return suspect.attempt
    return None


def _add_descendants(members: dict[int, int], table: Mapping[int, _Process], own: Collection[int]) -> None:
    grown = True
    while grown:
        grown = False
        for process in table.values():
            if process.parent not in members or process.pid in members or process.pid in own:
                continue
            if process.state not in "ZX":
                members[process.pid] = process.started
                grown = True


def _ancestors(table: Mapping[int, _Process], pid: int) -> set[int]:
    found = {1}
    while pid in table and pid not in found:
        found.add(pid)
        pid = table[pid].parent
    return found | {pid}


def _table() -> dict[int, _Process]:
    try:
        names = [entry.name for entry in os.scandir(_PROC) if entry.name.isdigit()]
    except OSError:
        return {}
    processes = (_read_stat(int(name)) for name in names)
    return {process.pid: process for process in processes if process is not None}


def _read_stat(pid: int) -> _Process | None:
    try:
        content = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, also ")": fields are counted after the last one.
    fields = content[content.rfind(b")") + 2 :].split()
    return _Process(pid, int(fields[1]), int(fields[2]), int(fields[3]), fields[0].decode(), int(fields[19]))


def _read_environment(pid: int) -> frozenset[bytes] | None:
    try:
        return frozenset((_PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except OSError:
        return None


def _places(pid: int) -> Iterable[str]:
    for name in ("cwd", "fd/0", "fd/1", "fd/2"):
        with contextlib.suppress(OSError):
            yield str((_PROC / str(pid) / name).readlink())
