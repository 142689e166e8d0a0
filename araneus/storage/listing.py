"""The log ``job.tree.log``: what lies in a job's working directory.

Made when somebody reads it, so it is true while the job runs and costs a job nothing; kept as a file once the working
directory is to go. The names in it were given by strangers: no link is followed, and a name is one line.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from araneus.model.job import TREE_LOG, WORK_DIRECTORY

MAX_LINES: Final = 10_000
MAX_DEPTH: Final = 32
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MORE: Final = f"... and more: only the first {MAX_LINES} are listed\n"


def tree_of(job: int) -> bytes | None:
    """A line for everything in the working directory of an open job directory: size in bytes and path, folders before
    what is in them. None when it has no working directory any more."""
    try:
        work = os.open(WORK_DIRECTORY, _FOLDER, dir_fd=job)
    except OSError:
        return None
    try:
        lines: list[str] = []
        for line in _below(work, "", 0):
            if len(lines) == MAX_LINES:
                lines.append(_MORE)
                break
            lines.append(line)
    finally:
        os.close(work)
    return "".join(lines).encode("utf-8", "backslashreplace")


def open_tree(job: int) -> int | None:
    """The same as an open file, to be closed by the caller; None as above."""
    content = tree_of(job)
    if content is None:
        return None
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return os.dup(file.fileno())


def keep_tree(directory: Path) -> None:
    """Leave the log in the job directory, for the time when the working directory is gone."""
    with suppress(OSError):
        job = os.open(directory, _FOLDER)
        try:
            content = tree_of(job)
            if content is not None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                with suppress(FileNotFoundError):
                    os.unlink(TREE_LOG, dir_fd=job)  # what a tool has put there is not the log
                with os.fdopen(os.open(TREE_LOG, flags, 0o644, dir_fd=job), "wb") as file:
                    file.write(content)
        finally:
            os.close(job)


def _below(folder: int, path: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        shown = f"{path}{_line(name)}"
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            continue  # the job has removed it meanwhile
        if stat.S_ISDIR(status.st_mode):
            yield f"{'':>15}  {shown}/\n"
            if depth < MAX_DEPTH:
                yield from _inside(folder, name, f"{shown}/", depth + 1)
        elif stat.S_ISLNK(status.st_mode):
            yield f"{'':>15}  {shown} -> {_target(folder, name)}\n"
        else:
            yield f"{status.st_size:>15}  {shown}\n"


def _inside(folder: int, name: str, path: str, depth: int) -> Iterator[str]:
    try:
        inner = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return  # closed to its owner, or gone
    try:
        yield from _below(inner, path, depth)
    finally:
        os.close(inner)


def _target(folder: int, name: str) -> str:
    try:
        return _line(os.readlink(name, dir_fd=folder))
    except OSError:
        return "?"


def _line(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
