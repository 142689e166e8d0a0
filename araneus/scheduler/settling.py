"""How an attempt ended for the job: exit code against success codes, outputs collected, a sentence for a person.

Reads the job directory and knows no database; it writes one file, for tools of sbg:draft-2 that take their own stderr
for an output. Shared by the server and the foreground runner.
"""

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.outputs import collect, updated_in_place
from araneus.cwl.process import DRAFT_2, CommandLineTool, Script
from araneus.executors import jobdir
from araneus.executors.base import Ended
from araneus.model.job import Outcome, Reason
from araneus.scheduler.messages import NEVER_RAN, with_last_lines
from araneus.scheduler.plain_text import secrets_of, without

TAIL_BYTES = 2048
TAIL_LINES = 20
ROOM = 64 * 1024
"""A disk with fewer free bytes is full."""


def settle(
    tool: CommandLineTool, invocation: Invocation, ended: Ended, directory: Path, evaluator: Evaluator
) -> tuple[Outcome, dict[str, Any] | None]:
    """The job's outcome and, when it succeeded, its outputs. A wrong tool or document gives an outcome, never an error.

    ``directory`` is the job directory as this machine sees it.
    """
    outcome = ended.outcome
    if outcome.reason is not Reason.SUCCEEDED:
        if outcome.reason in NEVER_RAN:
            return outcome, None
        return replace(outcome, message=_with_words(outcome.message, directory, invocation)), None
    code = outcome.exit_code if outcome.exit_code is not None else 0
    if code not in tool.success_codes:
        reason = Reason.DISK_FULL if _is_full(directory) else Reason.EXIT_CODE
        return Outcome(reason=reason, exit_code=code, message=_with_words(outcome.message, directory, invocation)), None
    try:
        if _wants_stderr(tool):
            _leave_stderr(directory)
        outputs = collect(tool, invocation, directory / jobdir.WORK, evaluator, exit_code=code)
        updated = updated_in_place(invocation, directory / jobdir.WORK)
    except CWLError as error:
        said = _with_words(str(error), directory, invocation)
        return Outcome(reason=error.reason, exit_code=code, message=said), None
    except OSError as error:
        said = _with_words(f"outputs cannot be read: {error}", directory, invocation)
        return Outcome(reason=Reason.BAD_OUTPUT, exit_code=code, message=said), None
    return Outcome(reason=Reason.SUCCEEDED, exit_code=code, updated=updated or None), outputs


def _wants_stderr(tool: CommandLineTool) -> bool:
    """Whether an output of a tool in sbg:draft-2 may be the log of its stderr, which lies beside its files there."""
    globs = [glob for port in tool.outputs if port.binding is not None for glob in port.binding.glob]
    return tool.cwl_version == DRAFT_2 and any(isinstance(glob, Script) or ".log" in glob for glob in globs)


def _leave_stderr(directory: Path) -> None:
    """Put a copy of the log into the working directory, unless the tool has a file of that name."""
    read, write = os.O_RDONLY | os.O_NONBLOCK, os.O_WRONLY | os.O_CREAT | os.O_EXCL
    safe = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(directory / jobdir.STDERR, read | safe), "rb") as source:
            if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                return
            copy = os.open(directory / jobdir.WORK / jobdir.STDERR, write | safe, 0o644)
            with os.fdopen(copy, "wb") as target:
                shutil.copyfileobj(source, target)
    except (FileNotFoundError, FileExistsError):
        return


def _is_full(directory: Path) -> bool:
    """Whether the job's disk has no room left: its tool could not even say so then, for its messages need room, too."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize < ROOM


def _with_words(detail: str, directory: Path, invocation: Invocation) -> str:
    """What is known, and the tool's last words without the secrets that it was given."""
    tail = stderr_tail(directory, invocation.stderr)
    return with_last_lines(detail, without(tail, secrets_of(invocation.environment)))


def stderr_tail(directory: Path, stderr: str | None) -> str:
    """The last lines that the tool wrote to its standard error: at most 20 lines and 2 kB, odd bytes replaced.

    ``stderr`` is the name that the tool itself gave to the file, relative to its work directory. A file that is not
    there, or is not a plain file, gives the empty text.
    """
    work = directory / jobdir.WORK
    path = work / stderr if stderr else directory / jobdir.STDERR
    if stderr and not path.parent.resolve().is_relative_to(work.resolve()):
        return ""
    lines = jobdir.last_lines(path, TAIL_BYTES).replace("\x00", "\ufffd").strip().split("\n")
    return "\n".join(lines[-TAIL_LINES:])
