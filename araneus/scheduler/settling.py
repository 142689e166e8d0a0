"""How an attempt ended for the job: exit code against success codes, outputs collected, a sentence for a person.

Reads the job directory; writes nothing and knows no database. Shared by the server and the foreground runner.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.outputs import collect, updated_in_place
from araneus.cwl.process import CommandLineTool
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
        outputs = collect(tool, invocation, directory / jobdir.WORK, evaluator, exit_code=code)
        updated = updated_in_place(invocation, directory / jobdir.WORK)
    except CWLError as error:
        said = _with_words(str(error), directory, invocation)
        return Outcome(reason=error.reason, exit_code=code, message=said), None
    except OSError as error:
        said = _with_words(f"outputs cannot be read: {error}", directory, invocation)
        return Outcome(reason=Reason.BAD_OUTPUT, exit_code=code, message=said), None
    return Outcome(reason=Reason.SUCCEEDED, exit_code=code, updated=updated or None), outputs


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
