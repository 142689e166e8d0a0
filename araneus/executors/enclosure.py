"""What closes a tool off from the machine: the seam that a bare host, bubblewrap, docker and podman fill in.

`local` prepares the job directory, asks the enclosure for the command that the wrapper is to run, and afterwards asks
it what an exit code means. An enclosure decides and does no work of its own; only an `Engine` fetches images.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from araneus.executors.base import Image, Submission
from araneus.executors.errors import CannotStartError
from araneus.executors.jobdir import TEMPORARY, WORK
from araneus.executors.mounts import Bind
from araneus.executors.processes import Container
from araneus.model.job import Outcome, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What the wrapper is to run, and with which environment. ``container`` when there is one to clean up; ``filter``
    is a program for the kernel that the command finds at descriptor `processes.FILTER_DESCRIPTOR`."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    container: Container | None = None
    filter: bytes = b""


class Enclosure(Protocol):
    """Turns a tool's command into one that runs it closed off. ``encloses``: the tool sees binds only."""

    name: str
    encloses: bool

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """The command for the wrapper; ``image`` is what `Engine.prepare` gave, or empty. Raises `CannotStartError`."""
        ...

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """What an exit code means beside the tool's own saying, given the end of its stderr and the engine's notes.
        None: the tool ran, and the code is its own."""
        ...


class Engine(Enclosure, Protocol):
    """An enclosure that runs images. ``warnings`` are sentences for the person who starts the server."""

    warnings: tuple[str, ...]

    def prepare(self, image: Image, progress: Callable[[str], None]) -> str:
        """Make the image available and return its reference. Blocks, may be called from several threads; one fetch
        however many ask. Raises `CannotStartError` IMAGE_UNAVAILABLE naming the image."""
        ...

    def end(self, attempts: Sequence[str]) -> Collection[str]:
        """Kill and remove the containers of these attempts; those of which surely nothing is left. Blocks for at most
        half a minute."""
        ...


class Host:
    """No enclosure: the tool runs as the server's own user and sees what that user sees."""

    name = "none"
    encloses = False

    def __init__(self, path: str) -> None:
        self._path = path

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """The command itself, after making sure that it exists."""
        check_inside(submission)
        environment = tool_environment(submission, self._path)
        check_command(submission, environment.get("PATH", ""))
        return Launch(command=with_odd_names(submission.command, environment), environment=environment)

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """The code is always the tool's own."""
        return None


class Guarded:
    """A bare host that starts tools only while ``allowed`` says so; it is asked for each of them.

    Several people share a server, and a tool that is not closed off can read what the others keep there.
    """

    name = Host.name
    encloses = False

    def __init__(self, host: Host, allowed: Callable[[], bool]) -> None:
        self.host = host
        self.allowed = allowed

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        """As the host does. Raises UNSUPPORTED when it is not allowed."""
        if not self.allowed():
            raise CannotStartError(
                Reason.UNSUPPORTED,
                "This server has several users, and nothing here closes off a tool that runs without a container:"
                " install bubblewrap (or docker or podman, and give the tool an image) and start the server again, or"
                " set jobs.unconfined = true if its users may read each other's files.",
            )
        return self.host.launch(submission, binds, image)

    def judge(self, code: int, stderr: str, notes: str) -> Outcome | None:
        """As the host does."""
        return self.host.judge(code, stderr, notes)


def tool_environment(submission: Submission, path: str) -> dict[str, str]:
    """The whole environment of a tool that runs with this machine's programs (CWL v1.2 CommandLineTool, "Runtime
    environment"). Nothing of the server's own environment is in it."""
    return {
        "PATH": path,
        "HOME": submission.work,
        "TMPDIR": submission.temporary,
        "LANG": "C.UTF-8",
        **submission.environment,
    }


def check_inside(submission: Submission) -> None:
    """Raise UNSUPPORTED when the tool wants to see its directories under other paths than they have here."""
    expected = {submission.work: WORK, submission.temporary: TEMPORARY}
    for seen, name in expected.items():
        if Path(seen) != submission.directory / name:
            raise CannotStartError(
                Reason.UNSUPPORTED,
                f"The tool wants to work in {seen!r}, which needs a container: install docker or podman and start"
                " the server again.",
            )


def check_command(submission: Submission, path: str, visible: Callable[[str], bool] = lambda _: True) -> None:
    """Raise COMMAND_NOT_FOUND, naming the command, unless it is an executable file that the tool will see.

    A name without a slash is looked up on ``path``, another one from the working directory.
    """
    if not submission.command:
        raise CannotStartError(Reason.NOT_STARTED, "The tool's command line is empty: it has no base command.")
    name = submission.command[0]
    work = os.fspath(submission.directory / WORK)
    folders = [""] if "/" in name else path.split(":")
    candidates = [os.path.join(work, folder, name) for folder in folders]  # noqa: PTH118 - a loop over strings, in the hot path
    own = os.fspath(submission.directory) + "/"
    seen = [found for found in candidates if found.startswith(own) or visible(found)]
    there = [found for found in seen if os.path.isfile(found)]  # noqa: PTH113 - as above
    if any(os.access(found, os.X_OK) for found in there):
        return
    if there:
        raise CannotStartError(
            Reason.COMMAND_NOT_FOUND,
            f"The file {there[0]!r} is not executable: make it so (chmod +x), or begin baseCommand with what reads it,"
            " such as sh or python3.",
        )
    problem = f"There is no {name!r}." if "/" in name else f"{name!r} was not found on PATH ({path})."
    raise CannotStartError(
        Reason.COMMAND_NOT_FOUND,
        f"Command not found: {name[:200]}. {problem} Install it on this machine, or give the tool a container image.",
    )


def with_odd_names(
    command: tuple[str, ...], environment: dict[str, str], program: str = "/usr/bin/env"
) -> tuple[str, ...]:
    """The command, preceded by ``env`` with the variables that a shell does not hand on (``a.b``, ``IFS``).

    They are taken out of ``environment``.
    """
    odd = [name for name in environment if not _is_plain(name)]
    if not odd:
        return command
    for name in odd:
        if not name or "=" in name:
            raise CannotStartError(Reason.BAD_INPUT, f"{name!r} cannot be the name of an environment variable.")
    return (program, "--", *(f"{name}={environment.pop(name)}" for name in odd), *command)


def _is_plain(name: str) -> bool:
    kept = name.isascii() and name.isidentifier()
    return kept and name not in {"IFS", "PWD", "OLDPWD", "OPTIND", "PPID", "PS1", "PS2", "PS4", "ENV"}
