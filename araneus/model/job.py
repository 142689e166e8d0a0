"""Jobs and attempts: what runs inside a task, and how it ended.

A job is one tool invocation inside an execution, keyed by a stable path such as ``align/3/sort``; the empty key is the
job of a task whose app is a single tool. An attempt is one submission of a job to an executor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from araneus.model.memo import Reuse


class JobStatus(StrEnum):
    """Where a job stands; the words that execution details show."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"


WORK_DIRECTORY = "work"
"""Where a tool works, in its job directory."""
TREE_LOG = "job.tree.log"
"""The log that lists the working directory."""
OUTPUTS_LOG = "cwl.output.json"
"""The log that holds the collected outputs of a job that has succeeded."""
LOG_NAMES = ("cmd.log", "job.err.log", "job.out.log", "job.json", OUTPUTS_LOG, TREE_LOG)
"""The files of a job directory that users can read. Their order is part of the logs' ids."""
SAVED_LOGS = "saved"
"""Where a job directory has the files that an app wanted kept as logs, by number."""
MAX_SAVED = 200
_FIRST_SAVED = 16
_LOG_STEM = 26
"""Characters of an attempt's UUID that the ids of its logs keep: 22 hexadecimal digits and four dashes."""

FINISHED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.ABORTED})


class Reason(StrEnum):
    """Why an attempt or a job ended: a closed list, so that each has a sentence, a test and a page in the docs."""

    SUCCEEDED = "succeeded"
    EXIT_CODE = "exit_code"
    OUT_OF_MEMORY = "out_of_memory"
    TIME_LIMIT = "time_limit"
    COMMAND_NOT_FOUND = "command_not_found"
    IMAGE_UNAVAILABLE = "image_unavailable"
    NOT_STARTED = "not_started"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    LOST = "lost"
    INTERRUPTED = "interrupted"
    DISK_FULL = "disk_full"
    MISSING_OUTPUT = "missing_output"
    BAD_OUTPUT = "bad_output"
    BAD_EXPRESSION = "bad_expression"
    BAD_INPUT = "bad_input"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How something ended. ``message`` is for a person; ``exit_code`` is the tool's own, when it ran. ``updated`` are
    the files that a job changed in place, as they are now, by what they are known by (see `cwl.inplace`); ``logs``
    are the paths of the files that the app wanted kept (`SAVED_LOGS`), in the order of their numbers; the empty text
    stands for one that is gone."""

    reason: Reason
    message: str = ""
    exit_code: int | None = None
    updated: dict[str, Any] | None = field(default=None, hash=False)
    logs: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the next stage may go on."""
        return self.reason is Reason.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job asks for. Memory and disk in MiB (2**20 bytes); cores may be fractional.

    The first four are set aside for it. ``memory_stated`` tells that the app itself says how much memory it needs;
    ``memory_max`` and ``cores_max`` are the most that it says it will use, None when it does not say.
    """

    cores: float = 1.0
    memory: int = 1024
    tmpdir: int = 1024
    outdir: int = 1024
    memory_stated: bool = False
    memory_max: int | None = None
    cores_max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row per job: with inputs, status and outputs it is enough to rebuild an execution after a restart."""

    task: str
    key: str
    name: str
    status: JobStatus = JobStatus.QUEUED
    outputs: dict[str, Any] | None = None
    outcome: Outcome | None = None
    command_line: str = ""
    created_on: datetime
    started_on: datetime | None = None
    ended_on: datetime | None = None
    reuse: Reuse | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One submission of a job. Its row is committed before the executor hears of it. The ids of its logs follow from
    its own id (`log_ids`). ``instance`` is what it would run on, as app or task name it (``c5.xlarge;ebs-gp2;500``);
    None where nobody does. ``logs`` are the files that the app wants kept as far as they were seen while it ran:
    paths in the working directory, in the order of their numbers.
    """

    id: str
    task: str
    key: str
    number: int
    executor: str
    directory: str
    resources: Resources = field(default_factory=Resources)
    instance: str | None = None
    logs: tuple[str, ...] = ()
    outcome: Outcome | None = None
    created_on: datetime
    ended_on: datetime | None = None

    @property
    def saved(self) -> tuple[str, ...]:
        """The files that the app wants kept, as they can be read now: the copies, or what was seen while it ran."""
        return self.outcome.logs if self.outcome is not None and self.outcome.logs else self.logs


def log_ids(attempt: str, saved: Sequence[str] = ()) -> dict[str, str]:
    """The file ids of an attempt's logs, by name: 22 digits of its UUID, then which log it is. ``saved`` are the paths
    of `Attempt.saved`; a file that the app wanted kept stands before a log of the same name."""
    stem = attempt[:_LOG_STEM].replace("-", "")
    numbered = [*enumerate(LOG_NAMES), *enumerate(saved, _FIRST_SAVED)]
    return {name: f"{stem}{number:02x}" for number, name in numbered if name}


def log_of(file_id: str) -> tuple[str, str | int] | None:
    """How the UUID of the attempt begins (26 characters), and the name of its log, or the number of a saved one; None
    for an id that names no log."""
    number = int(file_id[22:], 16)
    stem = "-".join((file_id[:8], file_id[8:12], file_id[12:16], file_id[16:20], file_id[20:22]))
    if number >= _FIRST_SAVED:
        return stem, number - _FIRST_SAVED
    return (stem, LOG_NAMES[number]) if number < len(LOG_NAMES) else None
