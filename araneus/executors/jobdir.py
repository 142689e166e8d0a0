"""The job directory: the fixed names that an executor, the scheduler and people agree on, and how they are read.

    cmd.log       the command line, shell-quoted           job.json      the job object, for people
    job.out.log   stdout, unless the tool redirects it     job.err.log   stderr, unless the tool redirects it
    attempt.json  what a later process must know; the wrapper holds a lock on it as long as it lives
    pid           the wrapper's process id, its first act  exit_code     one line, the wrapper's last act
    work/ tmp/ inputs/ (when files are staged)

`examine` reads the truth about an attempt from these files alone. The exit code file counts only when its line ends in
a newline: the wrapper writes it in one write, so an unfinished file has no newline (docs/adr/0002-exit-code-file.md).

The lock (flock) is taken before the wrapper is spawned and handed to it as an open descriptor, so at every instant a
``kill -9`` of the server leaves one of these, and no two of them can be taken for each other:

    lock free, no pid         never started (or the wrapper died before it started anything): may be started
    lock held, pid or none    the wrapper lives; nobody else may start this attempt
    lock free, pid, code      ended
    lock free, pid, no code   the wrapper was killed: lost

A process id that the kernel has given to somebody else is never mistaken for the wrapper, because only the wrapper can
hold the lock. What a tool that is not enclosed does to these files harms its own attempt only: every read is bounded,
follows no link and accepts nothing but a regular file.
"""

import fcntl
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from araneus.model.job import WORK_DIRECTORY

COMMAND_LOG = "cmd.log"
JOB = "job.json"
STDOUT = "job.out.log"
STDERR = "job.err.log"
RECORD = "attempt.json"
PID = "pid"
EXIT_CODE = "exit_code"
WORK = WORK_DIRECTORY
TEMPORARY = "tmp"
INPUTS = "inputs"
CONTAINER = "container"

_MAX_SMALL = 64 * 1024
_SAFE_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Trace(StrEnum):
    """What the files of a job directory say about its attempt."""

    NOT_STARTED = "not_started"
    ALIVE = "alive"
    ENDED = "ended"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The state of an attempt as its directory tells it. Times are those of the files, in UTC."""

    trace: Trace
    pid: int | None = None
    exit_code: int | None = None
    started_on: datetime | None = None
    ended_on: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a later process needs besides the files: the size to count, the limit to enforce, the container to end.

    Memory in MiB (``memory_limit`` 0: unknown), ``time_limit`` in seconds from the start, ``processes`` is their limit;
    ``enclosure`` names what the tool runs in; ``stderr`` is the name in the working directory that its stderr goes to,
    None for the log.
    """

    attempt: str
    cores: float = 0.0
    memory: int = 0
    memory_limit: int = 0
    processes: int = 0
    time_limit: float | None = None
    enclosure: str = "none"
    stderr: str | None = None


_RECORD_FIELDS = tuple(field.name for field in fields(Record))


def claim(directory: Path) -> int | None:
    """Take the lock: an open descriptor to hand to the wrapper, or None when a wrapper holds it.

    Raises OSError when the directory is missing or its file system knows no locks.
    """
    descriptor = os.open(directory / RECORD, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_held(directory: Path) -> bool:
    """Whether a wrapper holds the lock. A missing directory or file is held by nobody."""
    try:
        descriptor = os.open(directory / RECORD, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, so that two who only ask do not take each other for the wrapper.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def examine(directory: Path) -> Finding:
    """What became of the attempt in this directory. Never blocks and never raises for what a tool may have done."""
    # The lock is asked first: a wrapper that ends right after this answer is found on the next look.
    held = is_held(directory)
    return read_files(directory, alive=held)


def read_files(directory: Path, *, alive: bool) -> Finding:
    """The finding when it is already known whether the wrapper lives."""
    pid, started_on = _read_number(directory / PID)
    if alive:
        return Finding(trace=Trace.ALIVE, pid=pid, started_on=started_on)
    if pid is None:
        return Finding(trace=Trace.NOT_STARTED)
    code, ended_on = _read_number(directory / EXIT_CODE)
    if code is None or not 0 <= code <= 255:
        return Finding(trace=Trace.LOST, pid=pid, started_on=started_on)
    return Finding(trace=Trace.ENDED, pid=pid, exit_code=code, started_on=started_on, ended_on=ended_on)


def write_record(lock: int, record: Record) -> bool:
    """Write ``attempt.json`` through the descriptor that `claim` gave. Whether an earlier process had begun to."""
    begun = os.fstat(lock).st_size > 0
    if begun:
        os.ftruncate(lock, 0)
    content = json.dumps({name: getattr(record, name) for name in _RECORD_FIELDS})
    os.pwrite(lock, content.encode("utf-8", "surrogateescape"), 0)
    return begun


def read_record(directory: Path) -> Record | None:
    """The record, or None when there is none that makes sense."""
    content = read_small(directory / RECORD)
    if content is None:
        return None
    try:
        found = json.loads(content)
        return _record(found) if isinstance(found, dict) else None
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        return None


def _record(found: Mapping[str, Any]) -> Record:
    limit = found.get("time_limit")
    return Record(
        attempt=str(found["attempt"]) if "attempt" in found else "",
        cores=max(0.0, float(found.get("cores", 0.0))),
        memory=max(0, int(found.get("memory", 0))),
        memory_limit=max(0, int(found.get("memory_limit", 0))),
        processes=max(0, int(found.get("processes", 0))),
        time_limit=None if limit is None else max(0.0, float(limit)),
        enclosure=str(found.get("enclosure", "none")),
        stderr=None if found.get("stderr") is None else str(found["stderr"]),
    )


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Create or replace the content of a regular file; a link in its place is refused (OSError)."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"), mode)


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Like `write_text`, with bytes."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def error_tail(directory: Path, record: Record | None) -> str:
    """The end of the tool's stderr, at most 4 KiB; empty when the tool has put something else in its place."""
    if record is None or record.stderr is None:
        return last_lines(directory / STDERR)
    work = directory / WORK
    path = work / record.stderr
    return last_lines(path) if path.resolve() == work.resolve() / record.stderr else ""


def read_small(path: Path) -> bytes | None:
    """The first 64 KiB of a regular file, or None when there is none (a link or a pipe counts as none)."""
    found = _read(path)
    return found[0] if found else None


def last_lines(path: Path, limit: int = 4096) -> str:
    """The end of a text file, at most ``limit`` bytes, for an error message; empty when it cannot be read."""
    try:
        descriptor = os.open(path, _SAFE_READ)
    except OSError:
        return ""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return ""
        return os.pread(descriptor, limit, max(0, status.st_size - limit)).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _read(path: Path) -> tuple[bytes, float] | None:
    try:
        descriptor = os.open(path, _SAFE_READ)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        return os.read(descriptor, _MAX_SMALL), status.st_mtime
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _read_number(path: Path) -> tuple[int | None, datetime | None]:
    found = _read(path)
    if found is None:
        return None, None
    content, changed = found
    digits = content[:-1]
    if not content.endswith(b"\n") or not digits.isdigit() or len(digits) > 10:
        return None, None
    return int(digits), datetime.fromtimestamp(changed, UTC)
