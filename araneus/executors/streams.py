"""Opening a tool's standard streams before it starts, without ever following a link that a document could have planted.

The names come from the document; the files that they name are opened here, outside the enclosure, so a path is looked
up among the job's own files and never on this machine at large when the tool is enclosed.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from araneus.executors.base import Submission
from araneus.executors.errors import CannotStartError
from araneus.executors.jobdir import INPUTS, STDERR, STDOUT, TEMPORARY, WORK
from araneus.executors.processes import Streams
from araneus.model.job import Reason

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def opened(submission: Submission, *, enclosed: bool) -> Iterator[Streams]:
    """The streams of one attempt, closed in this process afterwards. Raises `CannotStartError` and OSError."""
    with contextlib.ExitStack() as stack:

        def keep(descriptor: int) -> int:
            stack.callback(os.close, descriptor)
            return descriptor

        log, error_log = submission.directory / STDOUT, submission.directory / STDERR
        stdout = keep(os.open(log, _WRITE | os.O_TRUNC, 0o644))
        stderr = keep(os.open(error_log, _WRITE | os.O_TRUNC, 0o644))
        if submission.stdout is not None:
            stdout = keep(_open_output(submission, submission.stdout, "stdout"))
        if submission.stderr is not None:
            same = submission.stderr == submission.stdout
            stderr = stdout if same else keep(_open_output(submission, submission.stderr, "stderr"))
        yield Streams(stdin=keep(_open_stdin(submission, enclosed=enclosed)), stdout=stdout, stderr=stderr)


def _open_output(submission: Submission, name: str, stream: str) -> int:
    pure = PurePosixPath(name)
    if pure.is_absolute() or not pure.parts or ".." in pure.parts:
        raise CannotStartError(
            Reason.BAD_INPUT, f"{stream} is {name!r}, but it must be a name inside the working directory."
        )
    base = submission.directory / WORK
    folder = os.open(base, _DIRECTORY)
    try:
        for part in pure.parts[:-1]:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=folder)
            folder = _into(folder, part)
        # A staged input of this name must not be written through.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(pure.name, dir_fd=folder)
        return os.open(pure.name, _WRITE | os.O_EXCL, 0o644, dir_fd=folder)
    except OSError as problem:
        problem.filename = name
        raise
    finally:
        os.close(folder)


def _open_stdin(submission: Submission, *, enclosed: bool) -> int:
    path = submission.stdin
    if path is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _open_input(submission, path, enclosed=enclosed)
    except OSError as problem:
        shown = path.removeprefix(f"{submission.work}/")
        raise CannotStartError(
            Reason.NOT_STARTED, f"stdin: {shown[:200]!r} cannot be opened: {problem.strerror}."
        ) from problem


def _open_input(submission: Submission, path: str, *, enclosed: bool) -> int:
    pure = PurePosixPath(path)
    if ".." in pure.parts:
        raise CannotStartError(Reason.BAD_INPUT, f"stdin is {path!r}, which is not a plain path.")
    for mount in submission.mounts:
        if pure == PurePosixPath(mount.target):
            return os.open(mount.source, os.O_RDONLY | os.O_CLOEXEC)
    directory = submission.directory
    bases = [(mount.target, mount.source) for mount in submission.mounts if pure.is_relative_to(mount.target)]
    bases.sort(key=lambda base: -len(base[0]))
    bases += [(submission.work, directory / WORK), (submission.temporary, directory / TEMPORARY)]
    bases += [(os.fspath(directory / INPUTS), directory / INPUTS)]
    for seen, base in bases:
        if pure.is_relative_to(seen) and pure != PurePosixPath(seen):
            return _open_beneath(base, pure.relative_to(seen))
    if enclosed:
        raise CannotStartError(
            Reason.BAD_INPUT, f"stdin is {path!r}, but it must be an input or a file of the working directory."
        )
    return os.open(pure, os.O_RDONLY | os.O_CLOEXEC)


def _open_beneath(base: Path, relative: PurePosixPath) -> int:
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in relative.parts[:-1]:
            folder = _into(folder, part)
        return os.open(relative.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)


def _into(folder: int, part: str) -> int:
    inner = os.open(part, _DIRECTORY, dir_fd=folder)
    os.close(folder)
    return inner
