"""Putting a job's files in place before it starts: links, copies, literals, and what an enclosure has to bind.

A target is a path as the tool sees it. Targets below the working, scratch and inputs directories have a place in the
job directory of this machine; a read-only mount becomes a symbolic link there, a writable one a copy, a literal a file.
For an enclosed tool (bubblewrap, container) `place` also returns binds: inputs are bound as plain files under their
target (or, when there are many, are hard links in one directory that is bound read-only), and what a link in the
working directory points at is bound under its own path. A target elsewhere can only be bound. Nothing is ever written
through a link: every parent of a target is a directory of the job's own.
"""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from araneus.executors.base import Literal, Mount, Submission
from araneus.executors.errors import CannotStartError
from araneus.executors.jobdir import INPUTS, TEMPORARY, WORK, write_bytes
from araneus.model.job import Reason

_FICLONE = 0x40049409
MANY = 64
"""Inputs beyond which an enclosed tool gets hard links in one bind: the cost of binds grows with their square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A path of this machine that an enclosure shows under ``target``."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    base: Path
    area: str


@dataclass(slots=True)
class Placer:
    """Puts the files of one submission in place. ``enclosed``: the tool will see binds, not this file system."""

    submission: Submission
    enclosed: bool
    _known: set[Path] = field(default_factory=set)
    _binds: dict[str, Bind] = field(default_factory=dict)
    _folders: set[str] = field(default_factory=set)
    _linked: bool = False

    def place(self) -> tuple[Bind, ...]:
        """Make everything and return the binds, parents before what lies in them.

        The job's ``work`` and ``tmp`` directories exist, and ``inputs`` when anything is staged. Raises
        `CannotStartError` and OSError (ENOSPC).
        """
        inputs = self.submission.directory / INPUTS
        staged = sum(PurePosixPath(mount.target).is_relative_to(inputs) for mount in self.submission.mounts)
        self._linked = self.enclosed and staged > MANY
        if self._linked:
            self._bind(inputs, os.fspath(inputs))
        for literal in self.submission.literals:
            if literal.content is None:
                self._literal(literal)
        for mount in self.submission.mounts:
            self._mount(mount)
        for literal in self.submission.literals:
            if literal.content is not None:
                self._literal(literal)
        return tuple(sorted(self._without_outer_directories(), key=lambda bind: bind.target))

    def _mount(self, mount: Mount) -> None:
        place = self._where(mount.target)
        if not mount.source.exists():
            raise _misplaced(f"The file {mount.source.name!r} for {mount.target} does not exist any more.")
        if mount.writable:
            path = self._fresh(place) if place else self._aside(mount.target)
            copy(mount.source, path)
            if place is None or place.area == INPUTS:
                self._bind(path, mount.target, writable=True)
            return
        if place is None:
            self._bind(mount.source, mount.target)
            return
        path = self._fresh(place)
        if place.area != INPUTS:
            path.symlink_to(mount.source)
            self._bind(mount.source, str(mount.source))
        elif not self._linked:
            path.symlink_to(mount.source)
            self._bind(mount.source, mount.target)
        elif not _hard_link(mount.source, path):
            # The bind needs something to be put upon.
            path.mkdir() if mount.source.is_dir() else path.touch()
            self._bind(mount.source, mount.target)

    def _literal(self, literal: Literal) -> None:
        place = self._where(literal.target)
        if literal.content is None:
            path = place.path if place else self._aside(literal.target)
            if place:
                self._parents(path, place.base, inclusive=True)
            else:
                path.mkdir()
            self._folders.add(literal.target)
        else:
            path = self._fresh(place) if place else self._aside(literal.target)
            write_bytes(path, literal.content, 0o755 if literal.executable else 0o644)
        if place is None or (place.area == INPUTS and not self._linked):
            self._bind(path, literal.target)

    def _bind(self, source: Path, target: str, *, writable: bool = False) -> None:
        if self.enclosed:
            self._binds[target] = Bind(source=os.fspath(source), target=target, writable=writable)

    def _without_outer_directories(self) -> Iterable[Bind]:
        # A literal directory with other targets inside is made by the enclosure itself; binding it would hide them.
        inner = {str(parent) for target in self._binds for parent in PurePosixPath(target).parents}
        return (bind for bind in self._binds.values() if bind.target not in self._folders or bind.target not in inner)

    def _where(self, target: str) -> _Place | None:
        pure = PurePosixPath(target)
        if not pure.is_absolute() or ".." in pure.parts or "\0" in target:
            raise _misplaced(f"The target {target!r} is not a plain absolute path.")
        directory = self.submission.directory
        areas = (
            (self.submission.work, WORK),
            (self.submission.temporary, TEMPORARY),
            (os.fspath(directory / INPUTS), INPUTS),
        )
        for seen, area in areas:
            if pure.is_relative_to(seen):
                relative = pure.relative_to(seen)
                if not relative.parts:
                    raise _misplaced(f"The target {target!r} is a directory that the job itself needs.")
                base = directory / area
                return _Place(base.joinpath(*relative.parts), base, area)
        if not self.enclosed:
            raise CannotStartError(
                Reason.UNSUPPORTED,
                f"The target {target!r} lies outside the job directory, which needs a container: install docker or"
                " podman, or leave the path relative.",
            )
        return None

    def _fresh(self, place: _Place) -> Path:
        self._parents(place.path, place.base, inclusive=False)
        try:
            status = place.path.lstat()
        except FileNotFoundError:
            return place.path
        if stat.S_ISDIR(status.st_mode):
            raise _misplaced(f"{place.path.name!r} is staged twice, once as a directory.")
        place.path.unlink()
        return place.path

    def _parents(self, path: Path, base: Path, *, inclusive: bool) -> None:
        last = path if inclusive else path.parent
        if last == base or last in self._known:
            return
        current = base
        for part in last.relative_to(base).parts:
            current = current / part
            if current in self._known:
                continue
            try:
                current.mkdir()
            except FileExistsError:
                if not stat.S_ISDIR(current.lstat().st_mode):
                    raise _misplaced(
                        f"{current.name!r} is staged read-only, so nothing can be put into it; make it writable."
                    ) from None
            self._known.add(current)

    def _aside(self, target: str) -> Path:
        aside = self.submission.directory / "aside"
        aside.mkdir(exist_ok=True)
        return aside / f"{len(self._binds)}-{PurePosixPath(target).name[:100]}"


def refuse_detours(mounts: Mapping[str, Bind]) -> None:
    """Raise BAD_INPUT when a mount lies behind a link in another one.

    For enclosures that make what they mount upon before they are closed, and would follow the link outside. ``mounts``
    are by target.
    """
    for target in mounts:
        pure = PurePosixPath(target)
        outer = next((str(parent) for parent in pure.parents if str(parent) in mounts), None)
        if outer is None:
            continue
        place = Path(mounts[outer].source)
        for part in pure.relative_to(outer).parts:
            place /= part
            if place.is_symlink():
                raise CannotStartError(
                    Reason.BAD_INPUT, f"{target!r} cannot be put in place: {part!r} of {outer!r} is a link."
                )


def copy(source: Path, target: Path) -> None:
    """A writable copy of a file or a directory tree; links inside a tree stay links. No bytes where reflinks work."""
    if source.is_dir():
        target.mkdir()
        for entry in os.scandir(source):
            inner = target / entry.name
            if entry.is_symlink():
                inner.symlink_to(Path(entry.path).readlink())
            elif entry.is_dir() or entry.is_file():
                copy(Path(entry.path), inner)
        return
    mode = 0o755 if source.stat().st_mode & 0o111 else 0o644
    with source.open("rb") as reader:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as writer:
            if not _clone(reader.fileno(), writer.fileno()):
                shutil.copyfileobj(reader, writer, 1024 * 1024)


def _hard_link(source: Path, path: Path) -> bool:
    """Whether the file could be given a further name. Only for what the tool sees read-only."""
    if not stat.S_ISREG(source.lstat().st_mode):
        return False
    try:
        path.hardlink_to(source)
    except OSError as problem:
        if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return False
    return True


def _misplaced(message: str) -> CannotStartError:
    return CannotStartError(Reason.BAD_INPUT, message)


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as problem:
        if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        return False
    return True
