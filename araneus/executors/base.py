"""The seam between the scheduler and whatever runs processes.

The scheduler commits an attempt row, writes nothing itself, and calls `Executor.submit`; the executor fills the job
directory (`executors.jobdir` names its files) and later reports an `Ended`. The job directory is the contract: its
exit code file is the truth, process ids and queues are hints. Attempts outlive the process that submitted them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from araneus.model.job import Outcome, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A path of this machine that the tool sees under ``target`` (absolute, as the tool sees it).

    Read-only mounts are bound or linked; a writable mount is a copy that belongs to the job.
    """

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A file with this content, or an empty directory when ``content`` is None, under ``target``."""

    target: str
    content: bytes | None
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A container image as DockerRequirement names it, and whether the tool may run without it (a hint)."""

    pull: str | None = None
    load: str | None = None
    file: str | None = None
    import_: str | None = None
    image_id: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Everything an executor needs to run one attempt.

    ``directory`` is the job directory (absolute). ``work``, ``temporary`` are the working and scratch directories as
    the tool sees them; without a container they are inside ``directory``. ``stdin`` is a path as the tool sees it;
    ``stdout`` and ``stderr`` are names relative to ``work``, or None for the job directory's own log files.
    ``time_limit`` is in seconds of wall time. ``interruptible``: it may run where the place can be taken away at any
    time, for less money. ``job`` is the job object, kept for people as ``job.json``.
    """

    attempt: str
    directory: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    work: str
    temporary: str
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    mounts: tuple[Mount, ...] = ()
    literals: tuple[Literal, ...] = ()
    resources: Resources = field(default_factory=Resources)
    image: Image | None = None
    network: bool = False
    time_limit: float | None = None
    interruptible: bool = False
    job: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt that is over. SUCCEEDED here means: the tool ran and its exit code is in the outcome, whatever it is;
    the scheduler decides with the tool's success codes. Every other reason is the executor's own finding."""

    attempt: str
    outcome: Outcome
    started_on: datetime | None
    ended_on: datetime


class Fit(StrEnum):
    """Whether an attempt of some size may be submitted."""

    NOW = "now"
    LATER = "later"
    NEVER = "never"


class Found(StrEnum):
    """What `Executor.recover` knows of an attempt."""

    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"


class Executor(Protocol):
    """Runs attempts. Called from one thread only.

    Obligations: `submit` may be called again with the same attempt and starts it at most once; an attempt keeps running
    when this process dies; `poll` never blocks and reports each end once per process; after a restart `recover` finds
    what the earlier process had started, and `poll` then reports its end too; `cancel` ends the whole process tree
    within 5 s and is followed by an `Ended` with Reason.CANCELLED; the resources of an attempt count as taken from
    `submit` until its `Ended` was handed out.
    """

    name: str

    def fit(self, resources: Resources) -> Fit:
        """Whether an attempt of this size could start now, later, or never."""
        ...

    def submit(self, submission: Submission) -> None:
        """Begin to fill the job directory and start the attempt; it may start only after this has returned. What goes
        wrong is reported by `poll`, never raised."""
        ...

    def poll(self) -> Sequence[Ended]:
        """The attempts that ended since the last call."""
        ...

    def cancel(self, attempt: str) -> None:
        """End the attempt's whole process tree; unknown or ended attempts are ignored."""
        ...

    def recover(self, directories: Mapping[str, Path]) -> Mapping[str, Found]:
        """What became of attempts that an earlier process submitted, by attempt id and job directory."""
        ...

    def fileno(self) -> int:
        """A descriptor that becomes readable when `poll` may have something to report."""
        ...
