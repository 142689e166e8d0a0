"""Ready-made nouns for tests: valid, small, and each field can be said otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from araneus.model.access import ALL_PERMISSIONS, Permissions
from araneus.model.app import App, content_hash
from araneus.model.file import File
from araneus.model.job import Attempt, Job
from araneus.model.project import Member, Project
from araneus.model.task import Task
from araneus.model.upload import Upload
from araneus.model.user import Token, User, token_digest
from araneus.store import files, members, projects, tasks, users
from araneus.store.database import Connection

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_numbers = count(1)


def at(seconds: float) -> datetime:
    """A moment after `START`."""
    return START + timedelta(seconds=seconds)


def file_id(number: int) -> str:
    """The file id of a number."""
    return f"{number:024x}"


def fresh_file_id() -> str:
    """A file id that no other call has answered."""
    return file_id(next(_numbers) + (1 << 64))


def user(username: str = "rfranklin", **fields: Any) -> User:
    """An account."""
    given: dict[str, Any] = {
        "email": f"{username}@example.org",
        "billing_group": f"group-of-{username}",
        "created_on": START,
    }
    return User(username=username, **(given | fields))


def token(text: str, username: str = "rfranklin", **fields: Any) -> Token:
    """A credential."""
    given: dict[str, Any] = {"label": "test", "created_on": START}
    return Token(digest=token_digest(text), username=username, **(given | fields))


def project(identity: str = "rfranklin/dna", **fields: Any) -> Project:
    """A project; its root folder's id is new."""
    owner, _, name = identity.partition("/")
    given: dict[str, Any] = {
        "name": name,
        "billing_group": f"group-of-{owner}",
        "root_folder": fresh_file_id(),
        "created_by": owner,
        "created_on": START,
        "modified_on": START,
    }
    return Project(id=identity, **(given | fields))


def folder(of: Project, name: str, *, parent: str | None = None, **fields: Any) -> File:
    """A folder of a project, in its root if nothing else is said."""
    return file(of, name, parent=parent, **({"folder": True, "size": None, "location": None} | fields))


def file(of: Project, name: str, *, parent: str | None = None, **fields: Any) -> File:
    """A file of a project, in its root if nothing else is said."""
    given: dict[str, Any] = {
        "id": fresh_file_id(),
        "size": 3,
        "location": "blob:" + "0" * 64,
        "created_on": START,
        "modified_on": START,
    }
    return File(project=of.id, parent=parent or of.root_folder, name=name, **(given | fields))


def app(project_id: str, name: str = "echo", revision: int = 0, raw: dict[str, Any] | None = None, **more: Any) -> App:
    """A revision of an app."""
    document = raw if raw is not None else {"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "true"}
    given: dict[str, Any] = {"label": name, "created_by": "rfranklin", "created_on": START}
    return App(
        project=project_id, name=name, revision=revision, raw=document, content=content_hash(document), **(given | more)
    )


def task(project_id: str, identity: str, **fields: Any) -> Task:
    """A draft."""
    given: dict[str, Any] = {
        "app": f"{project_id}/echo/0",
        "name": identity,
        "created_by": "rfranklin",
        "created_time": START,
    }
    return Task(id=identity, project=project_id, **(given | fields))


def job(task_id: str, key: str = "", **fields: Any) -> Job:
    """A queued job."""
    given: dict[str, Any] = {"name": key or "echo", "created_on": START}
    return Job(task=task_id, key=key, **(given | fields))


def attempt(of: Job, number: int = 0, **fields: Any) -> Attempt:
    """An open attempt of a job."""
    identity = f"{of.task}-{of.key}-{number}"
    given: dict[str, Any] = {"id": identity, "executor": "local", "directory": f"/jobs/{identity}", "created_on": START}
    return Attempt(task=of.task, key=of.key, number=number, **(given | fields))


def upload(of: Project, identity: str, **fields: Any) -> Upload:
    """An upload into the root folder of a project."""
    given: dict[str, Any] = {"name": identity, "size": 10, "part_size": 5, "overwrite": False, "initiated": START}
    return Upload(id=identity, project=of.id, parent=of.root_folder, created_by=of.created_by, **(given | fields))


def add_project(conn: Connection, new: Project, permissions: Permissions = ALL_PERMISSIONS) -> Project:
    """Store a project with its root folder and its owner as a member, and the owner's account when it is missing."""
    if users.get(conn, new.created_by) is None:
        users.insert(conn, user(new.created_by))
    root = replace(folder(new, "root"), id=new.root_folder, parent=None)
    projects.insert(conn, new, root, Member(project=new.id, username=new.created_by, permissions=permissions))
    return new


def add_member(conn: Connection, to: Project, username: str, permissions: Permissions) -> None:
    """Make a user, with an account if need be, a member of a project."""
    if users.get(conn, username) is None:
        users.insert(conn, user(username))
    members.insert(conn, Member(project=to.id, username=username, permissions=permissions))


def add_files(conn: Connection, *new: File) -> None:
    """Store files."""
    files.insert(conn, *new)


def add_task(conn: Connection, new: Task) -> Task:
    """Store a task."""
    tasks.insert(conn, new)
    return new
