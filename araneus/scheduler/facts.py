"""What lanes and loop tell each other. Values only: a lane finds facts out, the loop commits them and acts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from araneus.executors.base import Submission
from araneus.model.file import Location
from araneus.model.instance import Instance
from araneus.model.job import Attempt, Job, Outcome, Resources
from araneus.model.memo import Memo


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A job that could start: its rows, and what the executor is to be given. ``since`` is in monotonic seconds;
    ``instance`` is what its task would have it run on, None where nothing bounds it."""

    job: Job
    attempt: Attempt
    submission: Submission
    since: float
    instance: Instance | None = None

    @property
    def resources(self) -> Resources:
        """What it asks for."""
        return self.attempt.resources


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """An attempt that is over."""

    attempt: str
    outcome: Outcome
    ended_on: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A file or folder that a task leaves behind. ``parent`` is a new folder of the same publication, or None when it
    stands directly in ``target``: the folder path inside the project, from its root. ``beside`` is the new file whose
    secondary file it is: when a name is taken, both get the same prefix."""

    id: str
    name: str
    folder: bool = False
    parent: str | None = None
    target: tuple[str, ...] = ()
    beside: str | None = None
    location: Location | None = None
    size: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The task is done. ``outputs`` hold file values by id, whose names become final when the nodes are placed.
    ``planned_on``: when the first of their bytes were taken into storage."""

    outputs: Mapping[str, Any]
    nodes: tuple[NewNode, ...] = ()
    planned_on: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The task failed; the message is for its owner."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """Everything of the task has been stopped."""

    message: str = "Aborted by user"


Verdict: TypeAlias = Completed | Failed | Aborted


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far a task is: jobs after scatter expansion."""

    completed: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memories:
    """What memoization has to write: memos that were ``made``, those that were ``used``, by id, and the attempts that
    stand for jobs which need not run; these have ended."""

    made: tuple[Memo, ...] = ()
    used: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one turn of a lane found out.

    ``resumed`` are attempts from before a restart, committed already. ``backlog`` jobs are ready and not prepared yet;
    ``more`` asks for another turn at once. ``root`` is the id of the project's root folder. ``given`` are the bytes
    that the task was given, told in its first turn. ``memories``: None without memoization. ``logs`` are the files
    that can be read as logs of running attempts, where there are new ones, by attempt id; ``watched``: there may be
    more later.
    """

    jobs: tuple[Job, ...] = ()
    ended: tuple[AttemptEnd, ...] = ()
    prepared: tuple[Prepared, ...] = ()
    resumed: tuple[Prepared, ...] = ()
    steps: Steps = field(default_factory=Steps)
    backlog: int = 0
    more: bool = False
    root: str = ""
    given: frozenset[Location] = frozenset()
    memories: Memories | None = None
    logs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    watched: bool = False
    verdict: Verdict | None = None
