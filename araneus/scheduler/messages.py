"""The sentences that users read when something ended badly. `docs/errors.md` shows each.

A message about a job says which job, where it stands in the workflow, what happened, what it wrote last, how many
others failed, and where its logs are. The same plain text goes to the task, to the server's log and, by way of
`scheduler.direct`, to the terminal.
"""

import re
import signal
from collections.abc import Sequence

from araneus.engine.execution import Failure
from araneus.engine.places import Element
from araneus.model.job import Outcome, Reason
from araneus.scheduler.plain_text import plain, shortened

MAX_DETAIL = 2000
"""Characters of what is known beside the reason."""
MAX_TAIL = 2200
"""Characters of standard error. The lines are chosen by `settling`."""
MAX_NAME = 200
MAX_WAY = 600
MAX_PROBLEMS = 5800
LAST_LINES = "The last lines of its standard error:"

_SENTENCES = {
    Reason.SUCCEEDED: "succeeded",
    Reason.EXIT_CODE: "failed with exit code {code}",
    Reason.OUT_OF_MEMORY: "ran out of memory",
    Reason.TIME_LIMIT: "ran longer than its time limit",
    Reason.COMMAND_NOT_FOUND: "could not start",
    Reason.IMAGE_UNAVAILABLE: "could not start",
    Reason.NOT_STARTED: "could not be started",
    Reason.REFUSED: "could not be started",
    Reason.CANCELLED: "was cancelled",
    Reason.LOST: "was lost",
    Reason.INTERRUPTED: "was interrupted",
    Reason.DISK_FULL: "failed: no space is left on the disk",
    Reason.MISSING_OUTPUT: "did not produce a required output",
    Reason.BAD_OUTPUT: "left outputs that cannot be used",
    Reason.BAD_EXPRESSION: "failed in an expression",
    Reason.BAD_INPUT: "was given inputs that do not fit",
    Reason.TOO_LARGE: "asks for more than there is for it",
    Reason.UNSUPPORTED: "asks for something that is not supported here",
}
_ADVICE = {
    Reason.OUT_OF_MEMORY: "Give the tool more with ResourceRequirement ramMin.",
    Reason.TIME_LIMIT: "Raise the tool's ToolTimeLimit.",
    Reason.COMMAND_NOT_FOUND: "Its command was not found.",
    Reason.IMAGE_UNAVAILABLE: "Its container image is not available.",
    Reason.REFUSED: "The container engine did not start its container.",
    Reason.LOST: "Its process ended without reporting an exit code.",
    Reason.DISK_FULL: "Free some and run the task again.",
}
"""What is said when the executor, which knows more, said nothing."""
_SPOKEN = frozenset({*_ADVICE, Reason.NOT_STARTED, Reason.CANCELLED})
"""Reasons whose detail is whole sentences; other details complete the sentence, behind a colon."""
NEVER_RAN = frozenset(
    {
        Reason.CANCELLED,
        Reason.COMMAND_NOT_FOUND,
        Reason.IMAGE_UNAVAILABLE,
        Reason.NOT_STARTED,
        Reason.REFUSED,
        Reason.TOO_LARGE,
        Reason.UNSUPPORTED,
    }
)
"""The tool has said nothing, or nothing that matters: there are no last lines and no logs."""
_CODES = {
    124: "which usually means that a time limit inside the tool was reached (timeout)",
    126: "which usually means that a command was found but could not be run: it is not executable, or made for another"
    " kind of processor",
    127: "which usually means that a command was not found: it is not in the image, or its name is misspelt",
    130: "which means that it was interrupted (SIGINT)",
    132: "which means that it used an instruction that this processor does not have (SIGILL)",
    134: "which means that it gave up on an error of its own (SIGABRT)",
    136: "which means that it made an impossible calculation, such as a division by zero (SIGFPE)",
    137: "which means that it was killed (SIGKILL), most often because the memory ran out: ask for more (ramMin)",
    139: "which means that it crashed (SIGSEGV): a mistake in the tool, or damaged input",
    141: "which means that it wrote into a pipe that nobody read any more (SIGPIPE)",
    143: "which means that it was asked to end (SIGTERM)",
}
_OF_THE_TOOL = re.compile(r"(baseCommand|arguments|stdin|stdout|stderr|[A-Za-z]+Requirement)\b")
"""Places in a tool. What is wrong there is first of all the tool, though other inputs may make it right."""
_SIGNALS = {item.value: item.name for item in signal.Signals}


def with_last_lines(detail: str, tail: str) -> str:
    """The message of an outcome: what is known, and the last lines that the tool wrote, which may be none."""
    tail = plain(tail, MAX_TAIL)
    return "\n".join(filter(None, [plain(detail, MAX_DETAIL), f"{LAST_LINES}\n{tail}" if tail.strip() else ""]))


def job_failed(failure: Failure, *, more: int = 0, logs: str = "") -> str:
    """What made a task fail, in a few lines. ``more`` jobs failed after it; ``logs`` says where its logs are."""
    outcome = failure.outcome
    detail, mark, tail = outcome.message.partition(LAST_LINES)
    kind = "Job" if failure.is_job else "Step"
    whole = not failure.is_job and not failure.key  # no step of it had begun
    subject = "The task" if whole else f"{kind} {_name(failure.name)}"
    lines = [_with_detail(f"{subject} {_sentence(outcome)}", outcome.reason, plain(detail.strip(), MAX_DETAIL))]
    if _needs_saying(failure.way):
        lines.append(f"Where: {_way(failure.way)}")
    if mark:
        lines.append(mark + plain(tail, MAX_TAIL).rstrip())
    if more:
        lines.append(f"{more} other job{'s' if more > 1 else ''} failed too.")
    if logs and outcome.reason not in NEVER_RAN:
        lines.append(f"Logs: {logs}")
    return "\n".join(lines)


def task_logs(name: str) -> str:
    """Where users of the server find the logs of a job."""
    return f"in the task's execution_details, job {_name(name)}: job.err.log, job.out.log, cmd.log"


def task_failed(outcome: Outcome) -> str:
    """One sentence about a task that failed without any job to blame."""
    return _with_detail(f"The task {_sentence(outcome)}", outcome.reason, plain(outcome.message, MAX_DETAIL))


def app_invalid(problems: str) -> str:
    """The sentence about an app whose document is not CWL."""
    return (
        f"The app is not valid CWL; correct it and run the task with the new revision: {plain(problems, MAX_PROBLEMS)}"
    )


def internal_error(error: BaseException) -> str:
    """A fault of the server, not of the task: one line; the traceback is in the server's log."""
    line = plain(str(error).strip(), 1000).partition("\n")[0][:300]
    return "Internal error (see the server's log): " + f"{type(error).__name__}: {line}".rstrip(": ")


def _sentence(outcome: Outcome) -> str:
    code = "that is not known" if outcome.exit_code is None else outcome.exit_code
    sentence = _SENTENCES[outcome.reason].format(code=code)
    if outcome.reason is Reason.BAD_INPUT and _OF_THE_TOOL.match(outcome.message):
        sentence = "could not be prepared"
    meaning = _meaning(outcome.exit_code) if outcome.reason is Reason.EXIT_CODE else ""
    return f"{sentence}, {meaning}" if meaning else sentence


def _meaning(code: int | None) -> str:
    """What an exit code usually means, for those that shells and systems give."""
    if code is None:
        return ""
    name = _SIGNALS.get(code - 128)
    return _CODES.get(code) or (f"which means that it was ended by {name}" if name else "")


def _with_detail(sentence: str, reason: Reason, detail: str) -> str:
    detail = detail or _ADVICE.get(reason, "")
    if not detail:
        return f"{sentence}."
    return f"{sentence}. {detail}" if reason in _SPOKEN else f"{sentence}: {detail}"


def _name(name: str) -> str:
    return plain(name, MAX_NAME).replace("\n", " ")


def _needs_saying(way: Sequence[Element]) -> bool:
    """The job's name says the same already when there is one step, run once."""
    return len(way) > 1 or any(element.number for element in way)


def _way(way: Sequence[Element]) -> str:
    shown = [_element(element) for element in way]
    return shortened(" → ".join(shown), MAX_WAY)


def _element(element: Element) -> str:
    said = _name(element.step)
    if element.number:
        said += f", element {element.number} of {element.count}"
    return f"{said} ({_name(element.label)})" if element.label else said
