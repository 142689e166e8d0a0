"""A small house for the running half: a real database, storage and executor, and what the API would have done."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from araneus.cwl.javascript import JavaScript
from araneus.executors.base import Executor
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.access import ALL_PERMISSIONS
from araneus.model.app import App, content_hash
from araneus.model.file import File
from araneus.model.ids import new_file_id, new_uuid
from araneus.model.job import Attempt, Job
from araneus.model.project import Member, Project
from araneus.model.task import TERMINAL, Event, Status, Task, step
from araneus.model.user import User
from araneus.scheduler.loop import Options, Scheduler
from araneus.storage.posix import PosixStorage
from araneus.store import apps, files, jobs, logs, projects, tasks, users
from araneus.store.database import Database
from araneus.store.wakeup import WakeupListener, WakeupSender

OWNER = "rosalind"
PROJECT = f"{OWNER}/cells"
QUICK = Options(poll=0.5, patience=2.0)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class House:
    """Directories, a migrated database with one user and one project, and verbs for tests."""

    directory: Path
    database: Database
    storage: PosixStorage
    root: str

    @classmethod
    def build(cls, directory: Path, url: str | None = None) -> "House":
        """A new house, or the same one again when the directory has been built before."""
        directory.mkdir(exist_ok=True)
        jobs_directory = directory / "jobs"
        jobs_directory.mkdir(exist_ok=True)
        database = Database.open(url or f"sqlite:///{directory / 'araneus.db'}")
        database.migrate()
        storage = PosixStorage(directory / "blobs", jobs_directory)
        house = cls(directory, database, storage, "")
        with database.read() as connection:
            project = projects.get(connection, PROJECT)
        house.root = project.root_folder if project else house._found()
        return house

    @property
    def jobs_directory(self) -> Path:
        return self.directory / "jobs"

    def _found(self, owner: str = OWNER, identity: str = PROJECT) -> str:
        root = new_file_id(time.time())
        at = now()
        user = User(username=owner, email=f"{owner}@example.org", billing_group=new_uuid(), created_on=at)
        project = Project(
            id=identity,
            name="Cells",
            billing_group=user.billing_group,
            root_folder=root,
            created_by=owner,
            created_on=at,
            modified_on=at,
        )
        folder = File(id=root, project=identity, parent=None, name="", folder=True, created_on=at, modified_on=at)
        with self.database.write() as connection:
            users.insert(connection, user)
            member = Member(project=identity, username=owner, permissions=ALL_PERMISSIONS)
            projects.insert(connection, project, folder, member)
        return root

    # --- what users do --------------------------------------------------------------------------------------------

    def upload(self, name: str, content: bytes, parent: str | None = None, **more: Any) -> dict[str, Any]:
        """A file of the project, as a task input."""
        writer = self.storage.writer()
        writer.write(content)
        blob = writer.commit()
        at = now()
        file = File(
            id=new_file_id(time.time()),
            parent=parent or self.root,
            name=name,
            size=blob.size,
            location=blob.location,
            created_on=at,
            modified_on=at,
            **{"project": PROJECT, **more},
        )
        with self.database.write() as connection:
            files.insert(connection, file)
        return {"class": "File", "path": file.id, "name": name}

    def foreign_file(self, name: str, content: bytes) -> dict[str, Any]:
        """A file in a project of somebody else."""
        root = self._found("mallory", "mallory/secrets")
        return self.upload(name, content, root, project="mallory/secrets")

    def folder(self, name: str, parent: str | None = None, project: str = PROJECT) -> str:
        at = now()
        folder = File(
            id=new_file_id(time.time()),
            project=project,
            parent=parent or self.root,
            name=name,
            folder=True,
            created_on=at,
            modified_on=at,
        )
        with self.database.write() as connection:
            files.insert(connection, folder)
        return folder.id

    def install(self, document: Mapping[str, Any], name: str = "app") -> str:
        """An app; the answer is its id with the revision."""
        with self.database.write() as connection:
            latest = apps.latest_revision(connection, PROJECT, name)
            app = App(
                project=PROJECT,
                name=name,
                revision=0 if latest is None else latest + 1,
                label=name,
                raw=dict(document),
                content=content_hash(dict(document)),
                created_by=OWNER,
                created_on=now(),
            )
            apps.insert(connection, app)
        return app.id

    def queue(self, app: str, inputs: Mapping[str, Any] | None = None, **more: Any) -> str:
        """A task that was run, and the wake-up after it."""
        return self.queue_many(app, [inputs or {}], **more)[0]

    def queue_many(self, app: str, inputs: list[Mapping[str, Any]], **more: Any) -> list[str]:
        made = [
            Task(
                id=new_uuid(),
                project=PROJECT,
                app=app,
                name="a task",
                created_by=OWNER,
                created_time=now(),
                inputs=dict(one),
                **more,
            )
            for one in inputs
        ]
        with self.database.write() as connection:
            tasks.insert(connection, *made)
            for task in made:
                tasks.save(connection, task, *step(task, Status.QUEUED, now=now(), actor=OWNER))
        self.wake()
        return [task.id for task in made]

    def abort(self, task: str) -> None:
        with self.database.write() as connection:
            found = tasks.get(connection, task)
            assert found is not None
            tasks.save(connection, found, *step(found, Status.ABORTING, now=now(), actor=OWNER))
        self.wake()

    def wake(self) -> None:
        sender = WakeupSender(self.database)
        sender.send()
        sender.close()

    # --- what users see -------------------------------------------------------------------------------------------

    def task(self, task: str) -> Task:
        with self.database.read() as connection:
            found = tasks.get(connection, task)
        assert found is not None
        return found

    def jobs(self, task: str) -> list[Job]:
        with self.database.read() as connection:
            return jobs.for_task(connection, task)

    def attempts(self, task: str) -> list[Attempt]:
        with self.database.read() as connection:
            return jobs.attempts_for(connection, task)

    def events(self, task: str) -> list[Event]:
        with self.database.read() as connection:
            return tasks.events(connection, task)

    def file(self, identity: str) -> File:
        with self.database.read() as connection:
            found = files.get(connection, identity) or logs.get(connection, identity)
        assert found is not None
        return found

    def listed(self, parent: str | None = None) -> dict[str, File]:
        with self.database.read() as connection:
            page = files.page(connection, parent=parent or self.root, offset=0, limit=10_000)
        return {file.name: file for file in page.items}

    def content(self, value: Mapping[str, Any]) -> bytes:
        location = self.file(value["path"]).location
        assert location is not None
        return b"".join(self.storage.read(location))

    def wait(self, task: str, timeout: float = 30.0) -> Task:
        """The task when it has ended."""
        return self.wait_for(task, TERMINAL, timeout)

    def wait_for(self, task: str, statuses: frozenset[Status], timeout: float = 30.0) -> Task:
        deadline = time.monotonic() + timeout
        while True:
            found = self.task(task)
            if found.status in statuses:
                return found
            assert time.monotonic() < deadline, f"task is {found.status}: {found.progress} {self.jobs(task)[:5]}"
            time.sleep(0.005)

    # --- the running half -----------------------------------------------------------------------------------------

    def executor(self, cores: float = 4, memory: int = 4096) -> LocalExecutor:
        return LocalExecutor(cores=cores, memory=memory, containers=Containers.detect("none"), clock=now)

    @contextmanager
    def scheduling(
        self, executor: Executor | None = None, options: Options = QUICK, script_limit: float = 2.0
    ) -> Iterator[Scheduler]:
        """A scheduler in a thread; afterwards jobs go on running, as after a stop of the server. ``script_limit``:
        seconds that one expression may take."""
        with JavaScript(workers=2, time_limit=script_limit) as javascript, WakeupListener(self.database) as listener:
            scheduler = Scheduler(
                self.database,
                self.storage,
                executor or self.executor(),
                listener,
                javascript,
                jobs_directory=self.jobs_directory,
                options=options,
            )
            stop = threading.Event()
            thread = threading.Thread(target=scheduler.run, args=(stop,))
            thread.start()
            try:
                yield scheduler
            finally:
                stop.set()
                scheduler.wake()
                thread.join(20)
                assert not thread.is_alive()

    def close(self) -> None:
        self.database.close()


def tool(command: str, *, inputs: Any = None, outputs: Any = None, **more: Any) -> dict[str, Any]:
    """A tool that runs a shell line."""
    return {
        "class": "CommandLineTool",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ShellCommandRequirement"}, *more.pop("requirements", [])],
        "baseCommand": [],
        "arguments": [{"valueFrom": command, "shellQuote": False}],
        "inputs": inputs or {},
        "outputs": outputs or {},
        **more,
    }


def small(cores: float = 0.1, memory: int = 10) -> dict[str, Any]:
    """A ResourceRequirement that lets many jobs run at once."""
    return {"class": "ResourceRequirement", "coresMin": cores, "ramMin": memory}


__all__ = ["House", "json", "now", "replace", "small", "tool"]
