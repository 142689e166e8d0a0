"""What tests of apps and tasks share: a project, files in it, small apps that are installed over HTTP."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from araneus.model.access import Permissions
from araneus.model.file import File
from araneus.model.ids import new_file_id
from araneus.model.project import Member
from araneus.model.task import Status, Task, step
from araneus.store import files, members, tasks
from tests.api.conftest import Server, utc_now

TOOL: dict[str, Any] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "label": "Head",
    "baseCommand": ["head"],
    "inputs": [
        {"id": "lines", "type": "int?", "inputBinding": {"prefix": "-n"}},
        {
            "id": "text",
            "type": "File",
            "sbg:fileTypes": "TXT, TEXT",
            "secondaryFiles": [{"pattern": ".idx", "required": False}],
            "inputBinding": {"position": 1},
        },
    ],
    "outputs": [{"id": "top", "type": "stdout"}, {"id": "log", "type": "File?", "outputBinding": {"glob": "*.log"}}],
    "stdout": "top.txt",
}

WIDE: dict[str, Any] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "baseCommand": ["true"],
    "inputs": {
        "bams": {"type": "File[]?", "secondaryFiles": [".bai"]},
        "mode": {"type": ["null", {"type": "enum", "symbols": ["fast", "slow"]}]},
        "place": "Directory?",
        "count": {"type": "int", "default": 3},
        "pair": {
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "pair",
                    "fields": [
                        {"name": "left", "type": "File", "secondaryFiles": ["^.idx"]},
                        {"name": "note", "type": "string?"},
                    ],
                },
            ]
        },
        "anything": "Any?",
    },
    "outputs": {},
}

WORKFLOW: dict[str, Any] = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "label": "Two heads",
    "inputs": [{"id": "texts", "type": "File[]"}],
    "outputs": [{"id": "tops", "type": "File[]", "outputSource": "head/top"}],
    "steps": [
        {
            "id": "head",
            "in": [{"id": "text", "source": "texts"}],
            "out": ["top"],
            "scatter": "text",
            "run": {key: value for key, value in TOOL.items() if key != "cwlVersion"},
        }
    ],
    "requirements": [{"class": "ScatterFeatureRequirement"}],
}


@dataclass(frozen=True)
class Lab:
    """Rosalind's project with her client, and helpers that act in it."""

    server: Server
    client: httpx.Client
    project: str
    root: str
    opened: ExitStack

    def another(self, name: str, username: str = "rosalind") -> "Lab":
        """One more project, of any user; it is closed with this one."""
        return self.opened.enter_context(make_lab(self.server, username, name))

    def install(self, name: str = "head", document: Any = None) -> str:
        """Install an app; its id without revision."""
        answer = self.client.post(f"/v2/apps/{self.project}/{name}/raw", json=TOOL if document is None else document)
        assert answer.status_code == 201, answer.text
        return f"{self.project}/{name}"

    def file(self, name: str, *, parent: str | None = None, content: bytes = b"one\ntwo\n", **changes: Any) -> str:
        """Put a file into the project; its id."""
        writer = self.server.services.storage.writer()
        writer.write(content)
        blob = writer.commit()
        now = utc_now()
        row = File(
            id=new_file_id(now.timestamp()),
            project=self.project,
            parent=parent or self.root,
            name=name,
            size=blob.size,
            location=blob.location,
            created_on=now,
            modified_on=now,
        )
        return self._insert(replace(row, **changes))

    def folder(self, name: str, *, parent: str | None = None) -> str:
        """Make a folder in the project; its id."""
        now = utc_now()
        return self._insert(
            File(
                id=new_file_id(now.timestamp()),
                project=self.project,
                parent=parent or self.root,
                name=name,
                folder=True,
                created_on=now,
                modified_on=now,
            )
        )

    def _insert(self, row: File) -> str:
        with self.server.services.database.write() as conn:
            files.insert(conn, row)
        return row.id

    def admit(self, username: str, **permissions: bool) -> httpx.Client:
        """Make somebody a member; a client of his."""
        with self.server.services.database.write() as conn:
            members.insert(
                conn, Member(project=self.project, username=username, permissions=Permissions(**permissions))
            )
        return self.server.client(username)

    def task(self, app: str = "head", **body: Any) -> dict[str, Any]:
        """Create a draft; the task object."""
        request = {"project": self.project, "app": f"{self.project}/{app}"} | body
        answer = self.client.post("/v2/tasks", json=request)
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()
        return shown


@contextmanager
def make_lab(server: Server, username: str = "rosalind", name: str = "DNA") -> Iterator[Lab]:
    """A new project of the user."""
    with ExitStack() as opened:
        client = opened.enter_context(server.client(username))
        answer = client.post("/v2/projects", json={"name": name})
        assert answer.status_code == 201, answer.text
        project = answer.json()
        yield Lab(server=server, client=client, project=project["id"], root=project["root_folder"], opened=opened)


DOCUMENTED = {
    "href", "id", "name", "description", "status", "project", "app", "type", "created_by", "executed_by",
    "created_time", "start_time", "end_time", "batch", "batch_by", "batch_input", "parent", "batch_group",
    "use_interruptible_instances", "execution_settings", "output_location", "execution_status", "price", "errors",
    "warnings", "inputs", "outputs", "origin", "origin_id",
}  # fmt: skip
ALWAYS = {
    "href", "id", "name", "status", "project", "app", "type", "created_by", "created_time", "batch",
    "use_interruptible_instances", "errors", "warnings", "inputs", "outputs",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UNKNOWN = "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"


ITEM = {"type": "item"}


def code(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["message"]
    return answer.status_code, body["code"]


def act(lab: Lab, task: dict[str, Any], verb: str, /, **params: Any) -> httpx.Response:
    return lab.client.post(f"/v2/tasks/{task['id']}/actions/{verb}", params=params)


def stored(lab: Lab, identity: str) -> Task:
    with lab.server.services.database.read() as conn:
        found = tasks.get(conn, identity)
    assert found is not None
    return found


def move(lab: Lab, identity: str, *path: Status, **changes: Any) -> None:
    """What the scheduler would do: bring a task to another status."""
    for status in path:
        with lab.server.services.database.write() as conn:
            before = tasks.get(conn, identity)
            assert before is not None
            after, event = step(before, status, now=utc_now(), actor="scheduler")
            tasks.save(conn, before, replace(after, **changes), event)


def patch(lab: Lab, task: dict[str, Any], body: Any) -> httpx.Response:
    return lab.client.patch(f"/v2/tasks/{task['id']}", json=body)


def a_file(identity: str) -> dict[str, str]:
    """The input value that names a file."""
    return {"class": "File", "path": identity}
