"""In-memory stand-ins for the protocols, honest to their contracts (`executor_contract`, `storage_contract`).

For tests of code that needs *an* executor or *a* storage and not what the real ones do with processes and disks.
"""

import errno
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from araneus.executors.base import Ended, Fit, Found, Submission
from araneus.model.file import Location
from araneus.model.job import Outcome, Reason, Resources
from araneus.storage.base import Blob

Program: TypeAlias = Callable[[Submission], int | None]
"""What stands for a tool: it may write into ``directory / "work"``; it returns the exit code, or None to go on running
until it is cancelled, limited or finished by `FakeMachine.finish`."""

_PIECE = 1024 * 1024


def always_now() -> datetime:
    """A fixed clock."""
    return datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class FakeMachine:
    """What outlives a `FakeExecutor`, as processes outlive a server: the attempts and how they ended.

    ``programs`` are looked up by the words of the command line joined with spaces, then by its first word.
    """

    programs: Mapping[str, Program]
    clock: Callable[[], datetime] = always_now
    submissions: dict[str, Submission] = field(default_factory=dict)
    ends: dict[str, Ended] = field(default_factory=dict)
    listeners: list["FakeExecutor"] = field(default_factory=list)

    def finish(self, attempt: str, outcome: Outcome) -> None:
        """End an attempt that runs; one that has ended already stays as it is."""
        if attempt in self.submissions and attempt not in self.ends:
            now = self.clock()
            self.ends[attempt] = Ended(attempt=attempt, outcome=outcome, started_on=now, ended_on=now)
            for listener in self.listeners:
                listener.notice(attempt)

    def begin(self, submission: Submission) -> None:
        """Start an attempt, unless it was started before."""
        if submission.attempt in self.submissions:
            return
        self.submissions[submission.attempt] = submission
        program = self.programs.get(" ".join(submission.command)) or self.programs.get((*submission.command, "")[0])
        if program is None:
            message = f"Command not found: {(*submission.command, '')[0]}."
            self.finish(submission.attempt, Outcome(reason=Reason.COMMAND_NOT_FOUND, message=message))
            return
        for name in ("work", "tmp", "inputs"):
            (submission.directory / name).mkdir(parents=True, exist_ok=True)
        code = program(submission)
        if code is not None:
            self.finish(submission.attempt, Outcome(reason=Reason.SUCCEEDED, exit_code=code))


class FakeExecutor:
    """An `Executor` whose tools are Python functions of a `FakeMachine`. Time limits end when `elapse` says so."""

    name = "fake"

    def __init__(self, machine: FakeMachine, *, cores: float = 2, memory: int = 2048) -> None:
        self._machine = machine
        self._cores = cores
        self._memory = memory
        self._taken: dict[str, Resources] = {}
        self._news: list[str] = []
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        machine.listeners.append(self)

    def fit(self, resources: Resources) -> Fit:
        """See the protocol."""
        if resources.cores > self._cores or resources.memory > self._memory:
            return Fit.NEVER
        cores = sum(taken.cores for taken in self._taken.values()) + resources.cores
        memory = sum(taken.memory for taken in self._taken.values()) + resources.memory
        return Fit.NOW if cores <= self._cores and memory <= self._memory else Fit.LATER

    def submit(self, submission: Submission) -> None:
        """See the protocol."""
        if submission.attempt in self._taken:
            return
        self._taken[submission.attempt] = submission.resources
        if submission.attempt in self._machine.ends:
            self.notice(submission.attempt)
        self._machine.begin(submission)

    def poll(self) -> Sequence[Ended]:
        """See the protocol."""
        news, self._news = self._news, []
        for attempt in news:
            os.read(self._reader, 1)
            del self._taken[attempt]
        return [self._machine.ends[attempt] for attempt in news]

    def cancel(self, attempt: str) -> None:
        """See the protocol."""
        if attempt in self._taken:
            self._machine.finish(attempt, Outcome(reason=Reason.CANCELLED, message="The job was cancelled."))

    def recover(self, directories: Mapping[str, Path]) -> Mapping[str, Found]:
        """See the protocol."""
        return {attempt: self._recover(attempt) for attempt in directories}

    def fileno(self) -> int:
        """See the protocol."""
        return self._reader

    def elapse(self, seconds: float) -> None:
        """End the attempts whose time limit is at most this long."""
        for attempt in list(self._taken):
            limit = self._machine.submissions[attempt].time_limit
            if limit is not None and limit <= seconds:
                self._machine.finish(attempt, Outcome(reason=Reason.TIME_LIMIT, message="The time limit was reached."))

    def notice(self, attempt: str) -> None:
        """Called by the machine when an attempt ended."""
        if attempt in self._taken and attempt not in self._news:
            self._news.append(attempt)
            os.write(self._writer, b"e")

    def close(self) -> None:
        """Forget everything; the machine goes on."""
        self._machine.listeners.remove(self)
        os.close(self._reader)
        os.close(self._writer)

    def _recover(self, attempt: str) -> Found:
        submission = self._machine.submissions.get(attempt)
        if submission is None:
            return Found.UNKNOWN
        self._taken.setdefault(attempt, submission.resources)
        if attempt not in self._machine.ends:
            return Found.RUNNING
        self.notice(attempt)
        return Found.ENDED


class MemoryStorage:
    """A `Storage` in a dict. `path` writes a blob to a temporary directory when it is asked for."""

    def __init__(self) -> None:
        self._blobs: dict[Location, bytes] = {}
        self._files = tempfile.TemporaryDirectory(prefix="araneus-memory-storage-")

    def writer(self) -> "MemoryWriter":
        """See the protocol."""
        return MemoryWriter(self._blobs)

    def adopt(self, *paths: Path) -> list[Blob]:
        """See the protocol."""
        return [self._adopt(path) for path in paths]

    def _adopt(self, path: Path) -> Blob:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            raise ValueError(f"{path} is a symbolic link: only a file itself can be taken in.")
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is not a regular file: only files can be taken in.")
        writer = self.writer()
        writer.write(path.read_bytes())
        return writer.commit()

    def read(self, location: Location, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See the protocol."""
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length must not be negative")
        content = self._find(location)[start:]
        wanted = content if length is None else content[:length]
        return (wanted[offset : offset + _PIECE] for offset in range(0, len(wanted), _PIECE))

    def path(self, location: Location) -> Path:
        """See the protocol."""
        content = self._find(location)
        path = Path(self._files.name) / location.removeprefix("blob:")
        if not path.exists():
            path.write_bytes(content)
        return path

    def size(self, location: Location) -> int:
        """See the protocol."""
        return len(self._find(location))

    def delete(self, location: Location) -> None:
        """See the protocol."""
        self._blobs.pop(location, None)
        if re.fullmatch(r"blob:[0-9a-f]{64}", location):
            (Path(self._files.name) / location.removeprefix("blob:")).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the temporary directory."""
        self._files.cleanup()

    def _find(self, location: Location) -> bytes:
        if location not in self._blobs:
            raise FileNotFoundError(errno.ENOENT, "no such location", location)
        return self._blobs[location]


class MemoryWriter:
    """The `BlobWriter` of `MemoryStorage`."""

    def __init__(self, blobs: dict[Location, bytes]) -> None:
        self._blobs = blobs
        self._pieces: list[bytes] | None = []

    def write(self, data: bytes) -> None:
        """See the protocol."""
        self._open().append(bytes(data))

    def commit(self) -> Blob:
        """See the protocol."""
        content = b"".join(self._open())
        self._pieces = None
        location = f"blob:{hashlib.sha256(content).hexdigest()}"
        self._blobs[location] = content
        return Blob(location, len(content))

    def abandon(self) -> None:
        """See the protocol."""
        self._pieces = None

    def _open(self) -> list[bytes]:
        if self._pieces is None:
            raise ValueError("this writer is committed or abandoned")
        return self._pieces
