"""Deciding how an attempt ended, from what was seen. Values in, an outcome out."""

import signal
from enum import StrEnum

from araneus.executors.jobdir import Finding, Trace
from araneus.model.job import Outcome, Reason

_SIGNALS = {item.value: item.name for item in signal.Signals}


class Stop(StrEnum):
    """Why the executor itself ended an attempt."""

    CANCELLED = "cancelled"
    TIME_LIMIT = "time_limit"


def verdict(finding: Finding, *, stop: Stop | None = None, status: int | None = None, room: bool = True) -> Outcome:
    """The outcome of an attempt whose wrapper is gone.

    ``status`` is the wrapper's own exit status when it was our child; it stands in for an exit code file that could
    not be written. ``room`` tells whether the file system of the job directory has any left.
    """
    if stop is Stop.CANCELLED:
        return Outcome(reason=Reason.CANCELLED, message="The job was cancelled.", exit_code=finding.exit_code)
    if stop is Stop.TIME_LIMIT:
        return Outcome(
            reason=Reason.TIME_LIMIT,
            message="The job ran longer than its time limit and was ended: raise the limit (ToolTimeLimit).",
            exit_code=finding.exit_code,
        )
    code = finding.exit_code
    if code is None and finding.trace is Trace.LOST and status is not None and status >= 0:
        code = status
    if code is not None:
        return Outcome(reason=Reason.SUCCEEDED, exit_code=code, message=_signal(code))
    if not room:
        return Outcome(
            reason=Reason.DISK_FULL,
            message="There is no room left for the job's files: free some space and run the task again.",
        )
    if finding.trace is Trace.NOT_STARTED:
        return Outcome(reason=Reason.NOT_STARTED, message="The job's wrapper ended before it could start the tool.")
    return Outcome(
        reason=Reason.LOST,
        message="The job vanished without an exit code: something killed it, or the machine was restarted.",
    )


def out_of_memory(exit_code: int | None) -> Outcome:
    """The outcome of an attempt whose memory limit was reached."""
    return Outcome(
        reason=Reason.OUT_OF_MEMORY,
        exit_code=exit_code,
        message="The tool used more memory than its limit: ask for more (ramMin) and run the task again.",
    )


def _signal(code: int) -> str:
    name = _SIGNALS.get(code - 128)
    if name is None:
        return ""
    hint = "; this machine may have run out of memory" if name == "SIGKILL" else ""
    return f"The tool was ended by {name}{hint}."
