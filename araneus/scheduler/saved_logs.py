"""What an app wants kept as logs, ``sbg:SaveLogs``: files of the working directory that stay when it goes.

A hint: nothing of it can fail a job. The copies lie in the job directory, by number; their names are in the outcome of
the attempt (`model.job.log_ids` gives them ids). Source: the platform's "List of execution hints".
"""

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.globs import Component, fits, patterns
from araneus.cwl.process import CommandLineTool
from araneus.executors import jobdir
from araneus.model.job import MAX_SAVED, SAVED_LOGS

HINT: Final = "sbg:SaveLogs"
_MOST_COPIED: Final = 64 * 2**20
"""Bytes. A larger file is given a further name instead: a copy would take time and room."""
_MAX_NAME: Final = 250
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def save_logs(tool: CommandLineTool, invocation: Invocation, directory: Path, evaluator: Evaluator) -> tuple[str, ...]:
    """Keep what the hint names; the paths relative to the working directory, in the order of the copies' numbers.

    Call it before the outputs leave. Raises nothing for what a tool or a document does.
    """
    if tool.requirement(HINT) is None:
        return ()
    saved: dict[str, None] = {}
    try:
        (directory / SAVED_LOGS).mkdir(exist_ok=True)
        # A tool that is not closed off may have put a link there.
        folder = os.open(directory / SAVED_LOGS, _FOLDER)
    except OSError:
        return ()
    try:
        for name, path in _named(tool, invocation, directory, evaluator):
            if len(saved) == MAX_SAVED:
                break
            if name not in saved and _keep(path, folder, str(len(saved))):
                saved[name] = None
    finally:
        os.close(folder)
    return tuple(saved)


def _named(
    tool: CommandLineTool, invocation: Invocation, directory: Path, evaluator: Evaluator
) -> Iterator[tuple[str, Path]]:
    """The files that the patterns match: those that the tool has made, no links."""
    work = os.fspath(directory / jobdir.WORK)
    for pattern in _patterns(tool, invocation, evaluator):
        with suppress(CWLError):  # a pattern that leads out of the working directory
            for components in patterns(pattern):
                for name in _matching(work, "", components):
                    if len(name) <= _MAX_NAME and name.isprintable():
                        yield name, Path(work, name)


def _matching(folder: str, path: str, components: Sequence[Component]) -> Iterator[str]:
    """Paths below a folder, in the order of their names."""
    if not components:
        return
    first, *rest = components
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (
                    entry
                    for entry in entries
                    if (entry.name == first if isinstance(first, str) else fits(entry.name, first))
                ),
                key=lambda entry: entry.name,
            )
    except OSError:
        return
    for entry in found:
        if rest and entry.is_dir(follow_symlinks=False):
            yield from _matching(entry.path, f"{path}{entry.name}/", rest)
        elif not rest and entry.is_file(follow_symlinks=False):
            yield path + entry.name


def _patterns(tool: CommandLineTool, invocation: Invocation, evaluator: Evaluator) -> Iterator[str]:
    wanted = (tool.requirement(HINT) or {}).get("value")
    for each in wanted if isinstance(wanted, list) else [wanted]:
        try:
            value = evaluator.evaluate(each, inputs=invocation.inputs, runtime=invocation.runtime, where=HINT)
        except CWLError:
            continue
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str) and item)


def _keep(path: Path, folder: int, name: str) -> bool:
    """Whether a regular file could be kept under this name."""
    try:
        descriptor = os.open(path, _READ)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as source:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        try:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            if status.st_size > _MOST_COPIED:
                os.link(path, name, dst_dir_fd=folder, follow_symlinks=False)
                return os.path.samestat(os.stat(name, dir_fd=folder, follow_symlinks=False), status)
            with os.fdopen(os.open(name, _WRITE, 0o644, dir_fd=folder), "wb") as copy:
                shutil.copyfileobj(source, copy)
        except OSError:
            return False
    return True
