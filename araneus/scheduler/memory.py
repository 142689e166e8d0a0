"""What jobs made, remembered and put back: memoization as the lane of a task sees it.

Before a job is handed over, `Memory.recall` asks the database for a memo with its key. A hit puts the files of the memo
into the job directory of a new attempt (by hard links where the file system allows) and so ends the job without a
process; every file is then as real as one that a tool wrote. After a job that ran, `Memory.keep` takes what it left
into the storage, where the memo holds it. Reads the database; what is to be written goes to the loop as `Memories`.
"""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import Evaluator
from araneus.cwl.files import Locate, file_location, is_literal
from araneus.cwl.fingerprint import Digest, ToolParts, job_parts, key_of, may_be_reused, tool_parts
from araneus.cwl.process import CommandLineTool
from araneus.engine.execution import ReadyJob
from araneus.executors import jobdir
from araneus.model.file import Location
from araneus.model.ids import AppId, new_uuid
from araneus.model.job import SAVED_LOGS, Attempt, Outcome
from araneus.model.memo import Kept, Memo, Reuse, is_alive, why_not
from araneus.model.project import Project
from araneus.model.task import Task
from araneus.model.values import FileValue, Value, is_file_value, map_file_values
from araneus.scheduler.outage import persistently
from araneus.scheduler.staging import file_path
from araneus.storage.base import Storage
from araneus.store import jobs, memos, projects
from araneus.store.database import Connection, Database

MAX_FILES: Final = 10_000
"""How many files of one job are remembered; a job that leaves more is not."""
_BESIDE: Final = 1_000
_LOGS: Final = (jobdir.COMMAND_LOG, jobdir.STDERR, jobdir.STDOUT, jobdir.JOB)
_PIECE: Final = 1024 * 1024
log = structlog.get_logger("araneus.scheduler")


class _Unfit(Exception):
    """What a job left cannot be remembered; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What is known of a job before it runs. With ``outputs`` it need not. ``parts`` is empty for a job that is never
    to be reused. ``given`` are the file values of its inputs, by content; ``logs`` the names of the files that were
    kept as logs."""

    reuse: Reuse
    parts: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, FileValue] = field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    logs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Whose memory it is: a task's, in a project; ``sources`` are the other projects whose files the task was given.
    What was made of files of a project that the one who runs the task cannot read does not exist for him."""

    task: Task
    project: Project
    sources: tuple[str, ...] = ()

    @property
    def actor(self) -> str:
        """Who runs the task."""
        return self.task.executed_by or self.task.created_by


class Memory:
    """The memory of one task. Owned by its lane."""

    def __init__(
        self,
        circle: Circle,
        *,
        database: Database,
        storage: Storage,
        locate: Locate,
        clock: Callable[[], datetime],
    ) -> None:
        self._circle = circle
        self._task = task = circle.task
        self._project = circle.project
        self._database = database
        self._storage = storage
        self._locate = locate
        self._clock = clock
        self._app = AppId.parse(task.app)
        self._tools: dict[int, tuple[CommandLineTool, ToolParts]] = {}
        self._digests: dict[Location, str] = {}

    # --- before a job ---------------------------------------------------------------------------------------------

    def recall(
        self, ready: ReadyJob, invocation: Invocation, evaluator: Evaluator, attempt: Attempt, *, network: bool,
        look: bool = True,
    ) -> Recalled:  # fmt: skip
        """Look for a memo of the job and put what it holds into the directory of the attempt. ``look`` False: the
        attempt runs already, and only what `keep` needs is found out. Raises `CWLError` for a wrong WorkReuse."""
        tool = ready.tool
        assert isinstance(tool, CommandLineTool)
        if not may_be_reused(tool, invocation.inputs, invocation.runtime, evaluator):
            return Recalled(reuse=Reuse(reused=False, why=("the tool says so (WorkReuse)",)))
        try:
            parts = job_parts(
                self._of_tool(tool), ready.inputs, invocation, attempt=attempt.id, network=network, digest=self._digest
            )
            given = self._given(list(ready.inputs.values()))
        except (OSError, CWLError) as error:
            return Recalled(reuse=Reuse(reused=False, why=(f"its inputs cannot be read: {error}",)))
        recalled = Recalled(reuse=Reuse(reused=False), parts=parts, given=given)
        return self._found(ready, recalled, attempt) if look else recalled

    def _found(self, ready: ReadyJob, recalled: Recalled, attempt: Attempt) -> Recalled:
        memo, before, why = persistently(lambda: self._known(ready, recalled))
        if memo is None:
            return self._missed(ready, recalled, why)
        try:
            outputs = self._put_back(memo, recalled, Path(attempt.directory))
        except (OSError, _Unfit) as error:
            shutil.rmtree(attempt.directory, ignore_errors=True)
            return self._missed(ready, recalled, [f"the result of task {memo.task} cannot be put back: {error}"])
        log.info("job_reused", task=self._task.id, job=ready.key, memo=memo.id, of=memo.task)
        reuse = Reuse(reused=True, why=("the tool and its inputs are the same",), memo=memo.id, task=memo.task)
        logs = _link_logs(memo.attempt, Path(attempt.directory), before.logs if before is not None else ())
        return replace(recalled, reuse=reuse, outputs=outputs, logs=logs)

    def _known(self, ready: ReadyJob, recalled: Recalled) -> tuple[Memo | None, Outcome | None, Sequence[str]]:
        """The memo of an equal job and how that one ended, or why there is none."""
        now, settings = self._clock(), self._project.settings
        with self._database.read() as connection:
            same = memos.find(connection, self._project.id, key_of(recalled.parts))
            seen = (one for one in same if self._may_see(connection, one))
            memo = next((one for one in seen if one.void_on is not None or is_alive(one, settings, now)), None)
            # A newer result that was made invalid does not bring back an older one.
            if memo is None or memo.void_on is not None:
                app = f"{self._app.project}/{self._app.name}"
                similar = memos.similar(connection, self._project.id, app, ready.key)
                earlier = [one for one in similar if self._may_see(connection, one)]
                return None, None, why_not(recalled.parts, earlier, settings, now)
            return memo, jobs.outcome_of(connection, memo.attempt), ()

    def _missed(self, ready: ReadyJob, recalled: Recalled, why: Sequence[str]) -> Recalled:
        log.info("job_not_reused", task=self._task.id, job=ready.key, why=list(why))
        return replace(recalled, reuse=Reuse(reused=False, why=tuple(why)))

    def _may_see(self, connection: Connection, memo: Memo) -> bool:
        actor = self._circle.actor
        return all(projects.permissions(connection, source, actor) is not None for source in memo.sources)

    def _of_tool(self, tool: CommandLineTool) -> ToolParts:
        known = self._tools.get(id(tool))
        if known is None:
            known = self._tools[id(tool)] = (tool, tool_parts(tool))
        return known[1]

    def _digest(self, location: Location) -> str:
        if location.startswith("blob:"):
            return location.removeprefix("blob:")
        known = self._digests.get(location)
        if known is None:
            with self._locate(location).open("rb") as source:
                known = self._digests[location] = hashlib.file_digest(source, "sha256").hexdigest()
        return known

    def _given(self, value: Value) -> dict[str, FileValue]:
        """Every file of the inputs that has a location, by content and name and by content alone."""
        found: dict[str, FileValue] = {}
        if isinstance(value, list):
            for item in value:
                found = self._given(item) | found
        elif isinstance(value, dict):
            if value.get("class") == "File" and not is_literal(value):
                digest = self._digest(value["location"])
                found = {digest: value, f"{digest}/{value.get('basename')}": value}
            for item in value.values():
                if isinstance(item, list | dict):
                    found = self._given(item) | found
        return found

    # --- putting back ---------------------------------------------------------------------------------------------

    def _put_back(self, memo: Memo, recalled: Recalled, directory: Path) -> dict[str, Any]:
        """Make the job directory as the job left it, as far as it was remembered; the outputs with their locations."""
        work = directory / jobdir.WORK
        work.mkdir(parents=True)
        for folder in memo.folders:
            (work / folder).mkdir(parents=True, exist_ok=True)
        for name, kept in memo.files.items():
            target = work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            self._bring(kept, target)
            self._digests[file_location(target)] = kept.location.removeprefix("blob:")
        return {port: map_file_values(value, lambda item: _located(item, work, recalled.given))
                for port, value in memo.outputs.items()}  # fmt: skip

    def _bring(self, kept: Kept, target: Path) -> None:
        source = self._storage.path(kept.location)
        if source.stat().st_size != kept.size:
            raise _Unfit(f"{kept.location} has another size than it had")
        if not kept.executable:
            try:
                os.link(source, target)
            except OSError as error:
                if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                    raise
            else:
                return
        shutil.copyfile(source, target)
        target.chmod(0o755 if kept.executable else 0o444)

    # --- after a job ----------------------------------------------------------------------------------------------

    def keep(
        self, ready: ReadyJob, recalled: Recalled, attempt: Attempt, outputs: Mapping[str, Any]
    ) -> tuple[Memo | None, Reuse]:
        """What is to be remembered of a job that succeeded, and what to say about it. Never raises for what the job
        left; a job that cannot be remembered is none the worse."""
        if not recalled.parts:
            return None, recalled.reuse
        assert isinstance(ready.tool, CommandLineTool)
        spoken = self._of_tool(ready.tool).metadata
        tree = _Tree(Path(attempt.directory) / jobdir.WORK, self._locate, self._digest, recalled.given, spoken=spoken)
        try:
            shown = {port: map_file_values(value, tree.value) for port, value in outputs.items()}
            if not spoken and any(_says_metadata(value) for value in shown.values()):
                raise _Unfit("its outputs carry metadata of its inputs")
            if ready.key:
                tree.add_beside()
            files = self._take_in(tree.files)
        except (OSError, CWLError, _Unfit, ValueError) as error:
            log.info("job_not_remembered", task=self._task.id, job=ready.key, why=str(error))
            why = (*recalled.reuse.why, f"not kept for later: {error}")
            return None, replace(recalled.reuse, why=why)
        now = self._clock()
        memo = Memo(
            id=new_uuid(),
            project=self._project.id,
            key=key_of(recalled.parts),
            app=f"{self._app.project}/{self._app.name}",
            job=ready.key,
            task=self._task.id,
            name=ready.name,
            parts=dict(recalled.parts),
            outputs=shown,
            files=files,
            folders=tuple(sorted(tree.folders)),
            attempt=attempt.id,
            sources=self._circle.sources,
            made_by=self._circle.actor,
            made_on=now,
            used_on=now,
        )
        return memo, replace(recalled.reuse, memo=memo.id)

    def _take_in(self, found: Mapping[str, Path]) -> dict[str, Kept]:
        plain = {name: path for name, path in found.items() if not path.stat().st_mode & 0o111}
        blobs = dict(zip(plain, self._storage.adopt(*plain.values()), strict=True))
        kept = {name: Kept(location=blob.location, size=blob.size) for name, blob in blobs.items()}
        for name, path in found.items():
            if name not in plain:
                kept[name] = self._copied(path)
        for name, path in found.items():
            self._digests[file_location(path)] = kept[name].location.removeprefix("blob:")
        return kept

    def _copied(self, path: Path) -> Kept:
        """An executable file as a blob of its own: blobs cannot be executed, and the next job may want to."""
        writer = self._storage.writer()
        try:
            with path.open("rb") as source:
                while piece := source.read(_PIECE):
                    writer.write(piece)
            blob = writer.commit()
        finally:
            writer.abandon()
        return Kept(location=blob.location, size=blob.size, executable=True)


class _Tree:
    """Gathers what of a working directory the outputs of its job stand on. ``spoken``: the metadata of the inputs are
    in the key, so what the outputs say of metadata holds whenever the key is the same."""

    def __init__(
        self, work: Path, locate: Locate, digest: Digest, given: Mapping[str, FileValue], *, spoken: bool
    ) -> None:
        self._work = work
        self._real = work.resolve()
        self._locate = locate
        self._digest = digest
        self._given = given
        self._spoken = spoken
        self.files: dict[str, Path] = {}
        self.folders: set[str] = set()

    def value(self, value: FileValue) -> FileValue:
        """An output with its location written so that it means the same elsewhere. Raises `_Unfit`."""
        result = dict(value)
        location = value.get("location")
        if isinstance(location, str) and not location.startswith("_:"):
            result["location"] = self._named(value, location)
        for key in ("secondaryFiles", "listing"):
            if value.get(key):
                result[key] = [self.value(item) for item in value[key]]
        if not self._spoken and str(result.get("location")).startswith("given:"):
            # What is said of a file that was passed on is said by the one who gives it.
            result.pop("metadata", None)
        return result

    def _named(self, value: FileValue, location: Location) -> str:
        path = file_path(location)
        name = self._inside(path) if path is not None else None
        if name is not None:
            self._add(name, self._locate(location))
            return f"work:{name}"
        digest = self._digest(location) if value["class"] == "File" else ""
        for known in (f"{digest}/{value.get('basename')}", digest):
            if known in self._given:
                return f"given:{known}"
        raise _Unfit(f"{value.get('basename')!r} is neither in its working directory nor an input file")

    def _inside(self, path: Path) -> str | None:
        for root in (self._work, self._real):
            if path.is_relative_to(root):
                name = path.relative_to(root).as_posix()
                return None if ".." in name.split("/") else name
        return None

    def _add(self, name: str, real: Path, depth: int = 0) -> None:
        """Note a file, or a directory with everything in it. ``real`` is where its bytes are."""
        if len(self.files) + len(self.folders) >= MAX_FILES or depth > 100:
            raise _Unfit(f"it left more than {MAX_FILES} files")
        if not real.is_dir():
            if not stat.S_ISREG(real.stat().st_mode):
                raise _Unfit(f"{name!r} is not a regular file")
            self.files[name] = real
            return
        self.folders.add(name)
        for entry in sorted(os.scandir(real), key=lambda entry: entry.name):
            inner = self._locate(file_location(real / entry.name)) if entry.is_symlink() else real / entry.name
            self._add(f"{name}/{entry.name}" if name != "." else entry.name, inner, depth + 1)

    def add_beside(self) -> None:
        """Note the files beside an output that a later step may know as its secondary files, by their names."""
        for name, path in list(self.files.items()):
            folder, stem = self._work / Path(name).parent, path.name.partition(".")[0]
            if not stem or not path.is_relative_to(self._real):
                continue
            for number, entry in enumerate(os.scandir(folder)):
                if number >= _BESIDE:
                    break
                if entry.name.startswith(stem) and entry.is_file(follow_symlinks=False):
                    beside = (Path(name).parent / entry.name).as_posix()
                    self.files.setdefault(beside, (folder / entry.name).resolve())


def _located(value: FileValue, work: Path, given: Mapping[str, FileValue]) -> FileValue:
    """A remembered output with its location here."""
    result = dict(value)
    scheme, _, name = str(value.get("location", "")).partition(":")
    if scheme == "work":
        result["location"] = file_location(work if name == "." else work / name)
    elif scheme == "given":
        result["location"] = given[name]["location"]
        if "metadata" in given[name]:
            result.setdefault("metadata", given[name]["metadata"])
    for key in ("secondaryFiles", "listing"):
        if value.get(key):
            result[key] = [_located(item, work, given) for item in value[key]]
    return result


def _says_metadata(value: Value) -> bool:
    if isinstance(value, list):
        return any(_says_metadata(item) for item in value)
    if not isinstance(value, dict):
        return False
    if is_file_value(value) and "metadata" in value:
        return True
    return any(_says_metadata(item) for item in value.values() if isinstance(item, list | dict))


def _link_logs(attempt: str, directory: Path, saved: Sequence[str]) -> tuple[str, ...]:
    """The logs of the attempt that ran, as long as they are there; the names of those that the app wanted kept."""
    before = directory.parent / attempt
    for name in _LOGS:
        _link_log(before / name, directory / name)
    (directory / SAVED_LOGS).mkdir()
    kept = directory / SAVED_LOGS
    return tuple(
        name if name and _link_log(before / SAVED_LOGS / str(n), kept / str(n)) else "" for n, name in enumerate(saved)
    )


def _link_log(source: Path, target: Path) -> bool:
    """Whether there is a log to link to. A link or a pipe in its place is left alone."""
    try:
        if not stat.S_ISREG(source.lstat().st_mode):
            return False
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False
    return True
