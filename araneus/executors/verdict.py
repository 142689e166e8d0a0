"""Deciding how an attempt ended, from what was seen. Values in, an outcome out."""

import signal
from dataclasses import dataclass, replace
from enum import StrEnum

from araneus.executors.cgroup_layout import Shortage
from araneus.executors.jobdir import Finding, Record, Trace
from araneus.model.job import Outcome, Reason


class Stop(StrEnum):
    """Why the executor itself ended an attempt."""

    CANCELLED = "cancelled"
    TIME_LIMIT = "time_limit"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the attempt's control group tells: whose memory ran out so that the kernel ended a process of the attempt,
    and whether it was refused processes."""

    shortage: Shortage | None = None
    forks_refused: bool = False


def verdict(finding: Finding, *, stop: Stop | None = None, status: int | None = None, room: bool = True) -> Outcome:
    """The outcome of an attempt whose wrapper is gone.

    ``status`` is the wrapper's own exit status when it was our child; it stands in for an exit code file that could
    not be written. ``room`` tells whether the file system of the job directory has any left.
    """
    if stop is Stop.CANCELLED:
        return Outcome(reason=Reason.CANCELLED, message="The job was cancelled.", exit_code=finding.exit_code)
    if stop is Stop.TIME_LIMIT:
        return Outcome(reason=Reason.TIME_LIMIT, exit_code=finding.exit_code)
    if stop is Stop.INTERRUPTED:
        return Outcome(reason=Reason.INTERRUPTED, message="The place where the job ran was taken away.")
    code = finding.exit_code
    if code is None and finding.trace is Trace.LOST and status is not None and status >= 0:
        code = status
    if code is not None:
        return Outcome(reason=Reason.SUCCEEDED, exit_code=code)
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
    """The outcome of an attempt whose memory limit was reached; `explained` gives it its sentence."""
    return Outcome(reason=Reason.OUT_OF_MEMORY, exit_code=exit_code)


def explained(outcome: Outcome, seen: Seen, record: Record | None) -> Outcome:
    """The outcome with the sentence of its kind, and with what the control group knows.

    A tool of which a process was ended for want of memory is out of memory unless it succeeded all the same: when it
    goes on and fails with a code of its own, that is why. ``record`` is the attempt's, with its limits.
    """
    code = outcome.exit_code
    if outcome.reason is Reason.TIME_LIMIT:
        return replace(outcome, message=_time_sentence(record.time_limit if record else None))
    ended_itself = outcome.reason in {Reason.SUCCEEDED, Reason.LOST, Reason.OUT_OF_MEMORY}
    if ended_itself and code != 0 and (seen.shortage is not None or outcome.reason is Reason.OUT_OF_MEMORY):
        message = _memory_sentence(seen.shortage or Shortage.OWN, record, code)
        return Outcome(reason=Reason.OUT_OF_MEMORY, exit_code=code, message=message)
    if seen.forks_refused and code != 0 and outcome.reason is Reason.SUCCEEDED:
        limit = f" of {record.processes}" if record and record.processes else ""
        sentence = f"The tool reached its limit{limit} processes and threads (setting jobs.max_processes)."
        return replace(outcome, message=sentence)
    return outcome


def _time_sentence(limit: float | None) -> str:
    after = f" after {limit:g} s" if limit is not None else ""
    return f"It was ended{after}: raise or drop the ToolTimeLimit of the app if it needs longer."


def _memory_sentence(shortage: Shortage, record: Record | None, code: int | None) -> str:
    limit = f" of {record.memory_limit} MiB" if record and record.memory_limit else ""
    sentences = []
    if shortage is Shortage.OWN:
        sentences.append(f"It used more than its limit{limit}.")
    else:
        sentences.append("All jobs together used up the memory that they may have, and this one was ended for it.")
    if record:
        sentences.append(f"{record.memory} MiB were set aside for it.")
    if code not in {None, 128 + signal.SIGKILL}:
        sentences.append(f"The kernel ended a process of the tool, and the tool then ended with exit code {code}.")
    sentences.append("State what it needs with ramMin (or its limit with ramMax) in ResourceRequirement.")
    return " ".join(sentences)
