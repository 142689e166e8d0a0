"""Memos: what jobs made, remembered so that a later job that is the same need not run.

Two jobs are the same when all parts of their keys are: the tool, its image, what each input holds and is called, the
command line with everything that is put in place for it, and the resources, when expressions see them. A memo serves
the project in which it was made. Pure. Source: execution semantics of the platform, "Memoization".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from araneus.model.file import Location
from araneus.model.task import Task

DEFAULT_HOURS: Final = 24
_UNLIMITED: Final = timedelta(days=36500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file that a job left in its working directory, under the hash of its content."""

    location: Location
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What one job made. ``key`` is the hash of all ``parts``; ``app`` is without its revision, ``job`` the job's path.

    ``files`` lie under their paths in the working directory, ``folders`` too; in ``outputs`` locations are ``work:``
    and such a path, or ``given:`` and the content of a file that was given to the job. ``sources`` are the other
    projects whose files its task was given. A void memo is never used again; what it held is gone.
    """

    id: str
    project: str
    key: str
    app: str
    job: str
    task: str
    name: str
    parts: dict[str, str]
    outputs: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Kept] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    attempt: str
    sources: tuple[str, ...] = ()
    made_by: str
    made_on: datetime
    used_on: datetime
    void_on: datetime | None = None
    void_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """What memoization did for a job: whether it was ``reused``, from which ``memo`` and ``task``; for a job that ran,
    ``memo`` is what remembers it now. ``why`` are sentences for people."""

    reused: bool
    why: tuple[str, ...] = ()
    memo: str | None = None
    task: str | None = None


def is_wanted(task: Task, settings: Mapping[str, Any]) -> bool:
    """Whether the jobs of a task are memoized: as the task says, else as the settings of its project do."""
    own = task.execution_settings.get("use_memoization")
    return own if isinstance(own, bool) else settings.get("use_memoization") is True


def kept_for(settings: Mapping[str, Any]) -> timedelta:
    """How long a project keeps intermediate files and memos: a hundred years when there is no limit."""
    kept = settings.get("intermediate_files")
    kept = kept if isinstance(kept, Mapping) else {}
    if kept.get("retention", "LIMITED") != "LIMITED":
        return _UNLIMITED
    return timedelta(hours=kept.get("duration", DEFAULT_HOURS))


def is_alive(memo: Memo, settings: Mapping[str, Any], now: datetime) -> bool:
    """Whether a memo may be used: each use keeps it as long again as the first."""
    return memo.void_on is None and now - memo.used_on < kept_for(settings)


def why_not(parts: Mapping[str, str], earlier: Sequence[Memo], settings: Mapping[str, Any], now: datetime) -> list[str]:
    """Why none of the earlier memos of the same job, newest first, is used for a job with these parts."""
    if not earlier:
        return ["no earlier result of this job is kept in this project"]
    nearest = min(earlier, key=lambda memo: len(_differences(parts, memo.parts)))
    differences = _differences(parts, nearest.parts)
    if differences:
        return [f"{part} not the same as in task {nearest.task}" for part in differences]
    if nearest.void_on is not None:
        return [f"the result of task {nearest.task} was made invalid by {nearest.void_by}"]
    if not is_alive(nearest, settings, now):
        hours = round(kept_for(settings) / timedelta(hours=1))
        return [f"the result of task {nearest.task} is older than the {hours} hours that this project keeps"]
    return [f"the files of the result of task {nearest.task} are not there any more"]


def _differences(parts: Mapping[str, str], others: Mapping[str, str]) -> list[str]:
    names = dict.fromkeys((*parts, *others))
    return [_phrase(name) for name in names if parts.get(name) != others.get(name)]


def _phrase(part: str) -> str:
    kind, _, port = part.partition(" ")
    return _PHRASES[kind].format(port=repr(port))


_PHRASES: Final = {
    "tool": "the tool is",
    "requirements": "the requirements of the tool are",
    "image": "the image of the tool is",
    "input": "the value of input {port}, or a name in it, is",
    "content": "the content of input {port} is",
    "metadata": "the metadata of input {port} are",
    "resources": "the cores, memory or disk that the tool's expressions see are",
    "network": "the network access is",
    "command": "the command line, the environment or what is put into the working directory is",
}
"""What a person reads of a part that differs. The parts are those of `araneus.cwl.fingerprint`."""
