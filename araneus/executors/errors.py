"""Why an attempt could not be started: raised inside this package, turned into an outcome by `local`."""

import errno

from araneus.model.job import Outcome, Reason


class CannotStartError(Exception):
    """An attempt that cannot start. ``reason`` is its outcome's; the message says what is wrong and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def outcome_of(problem: Exception) -> Outcome:
    """The outcome of an attempt whose preparation failed with this exception."""
    if isinstance(problem, CannotStartError):
        return Outcome(reason=problem.reason, message=problem.message)
    if isinstance(problem, OSError) and problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Outcome(
            reason=Reason.DISK_FULL,
            message=f"There is no room for the job's files{_place(problem)}: free some space and run the task again.",
        )
    if isinstance(problem, OSError) and problem.errno == errno.E2BIG:
        return Outcome(
            reason=Reason.NOT_STARTED,
            message="The command line is longer than this system allows: pass long lists through a file.",
        )
    if isinstance(problem, OSError):
        return Outcome(
            reason=Reason.NOT_STARTED,
            message=f"{problem.strerror or problem}{_place(problem)}.",
        )
    return Outcome(reason=Reason.NOT_STARTED, message=f"{str(problem)[:1].upper()}{str(problem)[1:]}.")


def _place(problem: OSError) -> str:
    return f" ({problem.filename})" if problem.filename else ""
