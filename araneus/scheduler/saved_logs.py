"""What an app wants kept as logs, ``sbg:SaveLogs``: files of the working directory that people can read as logs; and
the files to which a tool's streams go when the app names some.

A hint: nothing of it can fail a job. While the job runs the files are read where they lie (`look`); when it has ended
they are copied into the job directory, by number, since the working directory goes (`save`). Their names are with the
attempt, and a file keeps its number from the first look on (`model.job.log_ids` gives them ids). The tool writes all
the while: every folder is opened without following links. Source: the platform's "List of execution hints".
"""

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.globs import Component, fits, patterns
from araneus.cwl.process import CommandLineTool
from araneus.executors import jobdir
from araneus.model.job import MAX_SAVED, SAVED_LOGS, Attempt

HINT: Final = "sbg:SaveLogs"
MAX_SEEN: Final = MAX_SAVED // 2
"""Files that are shown while the job runs. One that comes and goes keeps its number; those of the end need some too."""
INTERVAL: Final = 2.0
"""Seconds between two looks at running jobs."""
_MOST_LOOKED_AT: Final = 20_000
"""Entries of folders that one look at a running job takes in."""
_MOST_COPIED: Final = 64 * 2**20
"""Bytes. A larger file is given a further name instead: a copy would take time and room."""
_MOST_OF_STDOUT: Final = 2**20
_MAX_NAME: Final = 250
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Patterns: TypeAlias = tuple[tuple[Component, ...], ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A file: its path in the working directory, and how to reach it while its folder is open."""

    path: str
    folder: int
    name: str


class _Budget:
    """How many entries may still be looked at."""

    def __init__(self, entries: int | None) -> None:
        self._left = entries

    def take(self) -> bool:
        """Whether there is one left, which is then taken."""
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be kept of one job. ``stdout`` is where its standard output goes when the app says so: that may be
    data of any size, so only what people could see while the job ran is kept of it, and no more than is read."""

    patterns: Patterns = ()
    stdout: Patterns = ()

    def __bool__(self) -> bool:
        return bool(self.patterns or self.stdout)


@dataclass(slots=True)
class _Watched:
    directory: Path
    kept: Wanted
    known: tuple[str, ...]


class Watch:
    """The running jobs of one task whose app wants files kept. Owned by the task's lane."""

    def __init__(self) -> None:
        self._watched: dict[str, _Watched] = {}
        self._look_at = 0.0

    def __bool__(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self._watched)

    def begin(self, attempt: Attempt, kept: Wanted) -> None:
        """An attempt that may run from now on, or ran before a restart."""
        if kept:
            self._watched[attempt.id] = _Watched(Path(attempt.directory), kept, attempt.logs)

    def look(self, now: float) -> dict[str, tuple[str, ...]]:
        """What there is to be read of the attempts that have something new; nothing when asked again too soon.
        ``now`` is in monotonic seconds."""
        if now < self._look_at or not self._watched:
            return {}
        self._look_at = now + INTERVAL / 2
        news: dict[str, tuple[str, ...]] = {}
        for attempt, one in self._watched.items():
            seen = look(one.kept, one.directory, one.known)
            if seen != one.known:
                news[attempt] = one.known = seen
        return news

    def end(self, attempt: str) -> tuple[str, ...]:
        """The attempt has ended: copy its files, see `save`."""
        one = self._watched.pop(attempt, None)
        return save(one.kept, one.directory, one.known) if one is not None else ()


def wanted(tool: CommandLineTool, invocation: Invocation, evaluator: Evaluator) -> Wanted:
    """What the hint, and the names of the streams, say of one job."""
    out = invocation.stdout or invocation.written
    stdout, stderr = (((tuple(name.split("/")),) if name else ()) for name in (out, invocation.stderr))
    return Wanted(_hinted(tool, invocation, evaluator) + stderr, stdout)


def _hinted(tool: CommandLineTool, invocation: Invocation, evaluator: Evaluator) -> Patterns:
    """The patterns of the hint; none where it says nothing that can be understood."""
    hint = tool.requirement(HINT)
    if hint is None:
        return ()
    found: list[tuple[Component, ...]] = []
    value = hint.get("value")
    for each in value if isinstance(value, list) else [value]:
        with suppress(CWLError):  # a wrong expression, or a pattern that leads out of the working directory
            said = evaluator.evaluate(each, inputs=invocation.inputs, runtime=invocation.runtime, where=HINT)
            for text in said if isinstance(said, list) else [said]:
                if isinstance(text, str) and text:
                    with suppress(CWLError):
                        found += patterns(text)
    return tuple(found)


def look(kept: Wanted, directory: Path, known: tuple[str, ...]) -> tuple[str, ...]:
    """The files of a job that runs: those that were ``known``, and behind them what is new."""
    seen = dict.fromkeys(known)
    for found in _matching(kept.stdout + kept.patterns, directory, _Budget(_MOST_LOOKED_AT)):
        if len(seen) >= MAX_SEEN:
            break
        seen.setdefault(found.path)
    return tuple(seen)


def save(kept: Wanted, directory: Path, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Copy the files of a job that has ended: their paths in the order of the copies' numbers, those that were
    ``known`` first; the empty text for one that is gone. Call it before the outputs leave. Raises nothing."""
    stdout = kept.stdout if known else ()
    if not (kept.patterns or stdout):
        return ()
    folder = _copies(directory)
    if folder is None:
        return ()
    numbers = {path: number for number, path in enumerate(known)}
    saved: dict[str, int] = {}
    try:
        for found in _matching(kept.patterns, directory, _Budget(None)):
            number = numbers.get(found.path, len(numbers))
            if number < MAX_SAVED and found.path not in saved and _keep(found, folder, str(number)):
                saved[found.path] = numbers[found.path] = number
        for found in _matching(stdout, directory, _Budget(None)):
            if found.path in numbers and found.path not in saved:
                number = numbers[found.path]
                if _keep(found, folder, str(number), most=_MOST_OF_STDOUT):
                    saved[found.path] = number
    finally:
        os.close(folder)
    return tuple(path if path in saved else "" for path in numbers)


def save_seen(directory: Path, seen: Sequence[str]) -> tuple[str, ...]:
    """Copy what was ``seen`` of a job that was stopped, before its working directory goes: as `save`. A file of more
    than 64 MiB goes with it: it may be the data that the tool wrote to its standard output."""
    folder = _copies(directory)
    if folder is None:
        return ()
    saved: set[str] = set()
    try:
        for number, path in enumerate(seen):
            for found in _matching((tuple(path.split("/")),), directory, _Budget(None)) if path else ():
                if _keep(found, folder, str(number), most=_MOST_COPIED):
                    saved.add(path)
    finally:
        os.close(folder)
    return tuple(path if path in saved else "" for path in seen)


def _copies(directory: Path) -> int | None:
    """The open folder of the copies, made where there is none."""
    try:
        (directory / SAVED_LOGS).mkdir(exist_ok=True)
        # A tool that is not closed off may have put a link there.
        return os.open(directory / SAVED_LOGS, _FOLDER)
    except OSError:
        return None


def _matching(kept: Patterns, directory: Path, budget: _Budget) -> Iterator[_Found]:
    """The files that the patterns match: those that the tool has made, no links."""
    try:
        work = os.open(directory / jobdir.WORK, _FOLDER)
    except OSError:
        return
    try:
        for components in kept:
            for found in _below(work, "", components, budget):
                if len(found.path) <= _MAX_NAME and found.path.isprintable():
                    yield found
    finally:
        os.close(work)


def _below(folder: int, path: str, components: Sequence[Component], budget: _Budget) -> Iterator[_Found]:
    """Files below an open folder, in the order of their names."""
    if not components:
        return
    first, *rest = components
    for name in _names(folder, first, budget):
        if rest:
            with _inner(folder, name) as inner:
                if inner is not None:
                    yield from _below(inner, f"{path}{name}/", rest, budget)
        elif _is_file(folder, name):
            yield _Found(path + name, folder, name)


def _names(folder: int, component: Component, budget: _Budget) -> list[str]:
    if isinstance(component, str):
        return [component] if budget.take() else []
    names: list[str] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not budget.take():
                break
            if fits(entry.name, component):
                names.append(entry.name)
    return sorted(names)


@contextmanager
def _inner(folder: int, name: str) -> Iterator[int | None]:
    """A folder within an open one; None when it is none, or a link."""
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except (OSError, ValueError):
        yield None
        return
    try:
        yield inner
    finally:
        os.close(inner)


def _is_file(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except (OSError, ValueError):
        return False


def _keep(found: _Found, folder: int, name: str, most: int | None = None) -> bool:
    """Whether a regular file, of at most so many bytes, could be kept under this name."""
    try:
        descriptor = os.open(found.name, _READ, dir_fd=found.folder)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as source:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or (most is not None and status.st_size > most):
            return False
        try:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            if status.st_size > _MOST_COPIED:
                os.link(found.name, name, src_dir_fd=found.folder, dst_dir_fd=folder, follow_symlinks=False)
                return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), status)
            with os.fdopen(os.open(name, _WRITE, 0o644, dir_fd=folder), "wb") as copy:
                shutil.copyfileobj(source, copy)
        except OSError:
            return False
    return True
