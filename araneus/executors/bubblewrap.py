"""Running a tool without an image in bubblewrap: it sees its own job, this machine's programs, and nothing else.

All paths are the same inside as outside. The sandbox dies with the wrapper, not with the server; its process namespace
ends with its first process, so nothing of the tool survives it.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from araneus.executors import public_etc
from araneus.executors.base import Submission
from araneus.executors.enclosure import Launch, check_command, tool_environment
from araneus.executors.errors import CannotStartError
from araneus.executors.jobdir import TEMPORARY, WORK
from araneus.executors.mounts import Bind
from araneus.executors.processes import FILTER_DESCRIPTOR
from araneus.executors.seccomp import filter_program
from araneus.model.job import Outcome, Reason

# What these tell is about the whole machine.
_MASKED = ("kcore", "keys", "latency_stats", "sched_debug", "timer_list")
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


# A tool that makes namespaces of its own gets privileges in them, and with these to more of the kernel.
_NO_NAMESPACES = ("--disable-userns",)


@dataclass(frozen=True, slots=True)
class Seal:
    """What a sandbox closes beyond its namespaces: options of bubblewrap, and a filter of system calls."""

    options: tuple[str, ...] = ()
    filter: bytes = b""


class Bubblewrap:
    """The sandbox. ``read_only``: further paths of this machine that every tool may read. ``etc``: a directory for
    copies of the public part of /etc, each of which costs a sandbox one mount instead of a dozen; the copy is made
    after so many launches as ``patience`` says, or before the first."""

    name = "bubblewrap"
    encloses = True

    def __init__(
        self,
        path: str,
        read_only: Sequence[Path] = (),
        program: str = "bwrap",
        *,
        etc: Path | None = None,
        patience: int = 0,
    ) -> None:
        self._path = path
        self._etc = etc
        self._patience = patience
        self._program = shutil.which(program, path=path) or program
        self._read_only = _outermost([*_interpreter(), *read_only])
        self._system = (
            *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
            *_identity(),
            *("--ro-bind", "/usr", "/usr"),
            *(option for name in _TOP for option in _top_level(Path("/") / name)),
            *kernel_files(),
        )
        self._public = _shown(public_etc.present(public_etc.NAMES))
        self._copied: tuple[str, ...] = ()
        self._further = _shown(self._read_only)
        self._seal = Seal()

    def works(self) -> bool:
        """Whether a sandbox can really be made here, found out by making one; with as much closed as can be."""
        seal = find_seal((self._program, *self._system, *self._public, *self._further), self._path)
        self._seal = seal or Seal()
        if seal is not None and not self._patience:
            self._copy_etc()
        return seal is not None

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """The command in a sandbox, after making sure that the sandbox has it."""
        environment = tool_environment(submission, self._path)
        check_command(submission, environment.get("PATH", ""), self._shows)
        if self._patience:
            self._patience -= 1
            if not self._patience:
                self._copy_etc()
        network = ("--share-net", *_shown(public_etc.present(public_etc.NETWORK))) if submission.network else ()
        binds = tuple(self._needed(binds, submission))
        # Nothing can be mounted below a copy but upon what it has.
        within = (submission.work, submission.temporary, *(bind.target for bind in binds), *map(str, self._read_only))
        plain = any(place.startswith("/etc/") for place in within)
        public = self._public if plain else self._copied or self._public
        scratch = os.fspath(submission.directory / TEMPORARY)
        directories = (
            *("--bind", os.fspath(submission.directory / WORK), submission.work),
            *("--bind", scratch, submission.temporary),
        )
        mounted = [
            option
            for bind in binds
            for option in ("--bind" if bind.writable else "--ro-bind", bind.source, bind.target)
        ]
        # /tmp is the job's scratch directory: a tmpfs would take memory that nobody has counted. It comes early, since
        # what is shown may themselves lie below /tmp. What is left of the sandbox's root is memory too, so read-only.
        temporary = ("--bind", scratch, "/tmp")  # noqa: S108 - the sandbox's own /tmp
        last = (*variables(environment), "--remount-ro", "/", "--chdir", submission.work)
        shown = (*public, *network, *temporary, *self._further)
        options = (*self._seal.options, *shown, *directories, *mounted, *last)
        return Launch(
            command=(self._program, *self._system, *options, "--", *submission.command),
            environment={"PATH": self._path},
            filter=self._seal.filter,
        )

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """See `judge`."""
        return judge(code, stderr)

    def _copy_etc(self) -> None:
        """Show /etc in one mount from now on, where a copy can be made and a sandbox shows it."""
        if self._etc is None:
            return
        try:
            copy = public_etc.keep_copy(self._etc)
        except OSError:
            return
        copied = ("--ro-bind", os.fspath(copy), os.fspath(public_etc.ETC))
        if _makes((self._program, *self._system, *copied), self._path, self._seal):
            self._copied = copied

    def _shows(self, path: str) -> bool:
        roots = ("/usr", *(f"/{name}" for name in _TOP), *map(str, self._read_only))
        return any(path.startswith(root + "/") for root in roots)

    def _needed(self, binds: Sequence[Bind], submission: Submission) -> list[Bind]:
        own = (submission.work + "/", submission.temporary + "/")
        kept: list[Bind] = []
        for bind in binds:
            same = bind.source == bind.target
            if same and (bind.target.startswith(own) or self._shows(bind.target)):
                continue
            if same and any(
                bind.target.startswith(f"{outer.target}/") for outer in kept if outer.source == outer.target
            ):
                continue
            kept.append(bind)
        return kept


def kernel_files() -> list[str]:
    """The options for ``/proc`` and ``/dev``.

    A tool of a server that runs as root is still root for the files of the kernel, whatever it sees itself as: it could
    set ``/proc/sys/kernel/core_pattern``, a command that the kernel runs outside. And nobody may change how soon he is
    ended when memory runs out. So nothing in ``/proc`` can be written. What its owner cannot read, nor can his tools.
    """
    masked = [path for path in (f"/proc/{name}" for name in _MASKED) if os.access(path, os.R_OK)]
    return [
        *("--proc", "/proc", "--dev", "/dev"),
        *(option for path in masked for option in ("--ro-bind", "/dev/null", path)),
        *("--remount-ro", "/proc"),
    ]


def find_seal(sandbox: tuple[str, ...], path: str) -> Seal | None:
    """The most that can be closed here in a sandbox which this command line makes; None when it makes none at all.

    ``path`` is the PATH to find its program on.
    """
    if shutil.which(sandbox[0], path=path) is None:
        return None
    program = filter_program(platform.machine())
    filtered = ("--seccomp", str(FILTER_DESCRIPTOR))
    candidates = (
        *((Seal((*_NO_NAMESPACES, *filtered), program), Seal(filtered, program)) if program else ()),
        Seal(_NO_NAMESPACES),
        Seal(),
    )
    return next((seal for seal in candidates if _makes(sandbox, path, seal)), None)


def _makes(sandbox: tuple[str, ...], path: str, seal: Seal) -> bool:
    # The shell hands the filter on under the number that the wrapper gives it; nothing else of it is used.
    redirected = f'exec "$@" {FILTER_DESCRIPTOR}</dev/fd/0' if seal.filter else 'exec "$@"'
    try:
        done = subprocess.run(
            ("/bin/sh", "-c", redirected, "sh", *sandbox, *seal.options, "--", "true"),
            env={"PATH": path},
            input=seal.filter,
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def variables(environment: Mapping[str, str]) -> list[str]:
    """The options that give the tool its variables.

    They must not be those of bubblewrap or of the wrapper: LD_PRELOAD, say, would be obeyed outside of the sandbox.
    """
    for name in environment:
        if not name or "=" in name:
            raise CannotStartError(Reason.BAD_INPUT, f"{name!r} cannot be the name of an environment variable.")
    return [option for name, text in environment.items() for option in ("--setenv", name, text)]


def judge(code: int, stderr: str) -> Outcome | None:
    """Bubblewrap ends with 1 and a line of its own when it could not start the tool."""
    lines = [line for line in stderr.splitlines() if line.startswith("bwrap: ")]
    if code != 1 or not lines:
        return None
    problem = lines[-1].removeprefix("bwrap: ")
    if problem.startswith("execvp"):
        return Outcome(
            reason=Reason.COMMAND_NOT_FOUND,
            message=f"The sandbox could not start the command: {problem.removeprefix('execvp ')}.",
        )
    return Outcome(reason=Reason.NOT_STARTED, message=f"The sandbox could not be made: {problem}.")


def _identity() -> tuple[str, ...]:
    """Root's tools see themselves as nobody: as root, tar would try to change owners, which fails in a sandbox."""
    return ("--unshare-user", "--uid", "65534", "--gid", "65534") if os.geteuid() == 0 else ()


def _interpreter() -> list[Path]:
    return [Path(prefix) for prefix in (sys.prefix, sys.base_prefix) if len(Path(prefix).parts) > 2]


def _outermost(paths: Sequence[Path]) -> list[Path]:
    there = sorted({path.absolute() for path in paths if path.exists() and not path.is_relative_to("/usr")})
    return [path for path in there if not any(path != other and path.is_relative_to(other) for other in there)]


def _top_level(path: Path) -> tuple[str, ...]:
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--ro-bind", str(path), str(path)) if path.is_dir() else ()


def _shown(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(option for path in paths for option in ("--ro-bind", str(path), str(path)))
