"""The sentences that users read when something ended badly. `docs/errors.md` lists them."""

from araneus.model.job import Outcome, Reason

_SENTENCES = {
    Reason.SUCCEEDED: "succeeded",
    Reason.EXIT_CODE: "failed with exit code {code}",
    Reason.OUT_OF_MEMORY: "ran out of memory; give the tool more with ResourceRequirement ramMin",
    Reason.TIME_LIMIT: "ran longer than its time limit",
    Reason.COMMAND_NOT_FOUND: "could not start: command not found",
    Reason.IMAGE_UNAVAILABLE: "could not start: its container image is not available",
    Reason.NOT_STARTED: "could not be started",
    Reason.CANCELLED: "was cancelled",
    Reason.LOST: "was lost: its process ended without reporting an exit code",
    Reason.DISK_FULL: "failed: no space is left on the disk; free some and run the task again",
    Reason.MISSING_OUTPUT: "did not produce a required output",
    Reason.BAD_OUTPUT: "left outputs that cannot be used",
    Reason.BAD_EXPRESSION: "failed in an expression",
    Reason.BAD_INPUT: "was given inputs that do not fit",
    Reason.TOO_LARGE: "asks for more than this machine has",
    Reason.UNSUPPORTED: "asks for something that is not supported here",
}


def job_failed(name: str, outcome: Outcome) -> str:
    """One sentence about a job that failed, with the reason's detail behind a colon when there is one."""
    return _with_detail(f"Job {name} " + _SENTENCES[outcome.reason].format(code=outcome.exit_code), outcome.message)


def task_failed(outcome: Outcome) -> str:
    """One sentence about a task that failed without any job to blame."""
    return _with_detail(f"The task {_SENTENCES[outcome.reason].format(code=outcome.exit_code)}", outcome.message)


def app_invalid(problems: str) -> str:
    """The sentence about an app whose document is not CWL."""
    return _with_detail("The app is not valid CWL; correct it and run the task with the new revision", problems)


def internal_error(error: BaseException) -> str:
    """A fault of the server, not of the task: one line; the traceback is in the server's log."""
    line = str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    return _with_detail("Internal error (see the server's log)", f"{type(error).__name__}: {line}".rstrip(": "))


def _with_detail(sentence: str, detail: str) -> str:
    return f"{sentence}: {detail}" if detail else f"{sentence}."
