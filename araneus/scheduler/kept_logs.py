"""The logs of a job that failed in the foreground, kept where people find them after everything else was removed."""

import os
import stat
import tempfile
from pathlib import Path

from araneus.executors import jobdir

KEPT = (jobdir.STDERR, jobdir.STDOUT, jobdir.COMMAND_LOG, jobdir.JOB)
MAX_BYTES = 16 * 2**20
"""Of each log; of a longer one the end is kept."""


def keep_logs(directory: Path) -> Path | None:
    """A new directory with the logs of the job directory; None when there is nothing to keep, or no room for it."""
    record = jobdir.read_record(directory)
    names = [*KEPT, *([f"{jobdir.WORK}/{record.stderr}"] if record is not None and record.stderr else [])]
    try:
        kept = Path(tempfile.mkdtemp(prefix="araneus-failed-"))
        found = [name for name in names if _copied(directory / name, directory, kept)]
        if not found:
            kept.rmdir()
    except OSError:
        return None
    return kept if found else None


def _copied(source: Path, directory: Path, kept: Path) -> bool:
    """Whether there was something to copy. What the tool has put in a log's place, a link or a pipe, is left alone."""
    if source.parent.resolve() != (directory / source.relative_to(directory)).parent:
        return False
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as log:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        log.seek(max(0, status.st_size - MAX_BYTES))
        (kept / source.name).write_bytes(log.read(MAX_BYTES))
    return True
