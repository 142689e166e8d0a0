"""Jobs and attempts: what runs inside a task, and how it ended.

A job is one tool invocation inside an execution, keyed by a stable path such as ``align/3/sort``; the empty key is the
job of a task whose app is a single tool. An attempt is one submission of a job to an executor.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """Where a job stands; the words that execution details show."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ABORTED = "ABORTED"


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
    CANCELLED = "cancelled"
    LOST = "lost"
    DISK_FULL = "disk_full"
    MISSING_OUTPUT = "missing_output"
    BAD_OUTPUT = "bad_output"
    BAD_EXPRESSION = "bad_expression"
    BAD_INPUT = "bad_input"
    TOO_LARGE = "too_large"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How something ended. ``message`` is for a person; ``exit_code`` is the tool's own, when it ran."""

    reason: Reason
    message: str = ""
    exit_code: int | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the next stage may go on."""
        return self.reason is Reason.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a job asks for. Memory and disk in MiB (2**20 bytes); cores may be fractional."""

    cores: float = 1.0
    memory: int = 1024
    tmpdir: int = 1024
    outdir: int = 1024


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One submission of a job. Its row is committed before the executor hears of it.

    ``logs`` maps the name of each log file of the job directory to the id of its hidden `model.file.File` row.
    """

    id: str
    task: str
    key: str
    number: int
    executor: str
    directory: str
    resources: Resources = field(default_factory=Resources)
    logs: dict[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    created_on: datetime
    ended_on: datetime | None = None
