"""A person who meets a running server: the real client, the same requests by hand, and the wait for tasks."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sevenbridges

from tests.live import Server

PATIENCE = 90.0
ENDED = frozenset({"COMPLETED", "FAILED", "ABORTED"})


@dataclass(frozen=True)
class Visitor:
    """One user of one server. ``http`` speaks for him as he is, without the client between."""

    server: Server
    username: str
    token: str
    http: httpx.Client

    @classmethod
    def owner(cls, server: Server) -> "Visitor":
        """The user whom the first start made."""
        token = server.credentials["auth_token"]
        http = _http(server, token)
        return cls(server, http.get("/user").json()["username"], token, http)

    @classmethod
    def added(cls, server: Server, username: str) -> "Visitor":
        """A new user, made with the command line while the server runs."""
        email = f"{username}@example.org"
        printed = araneus("user", "add", username, "--email", email, "--data", str(server.data))
        token = printed.split()[-1]
        return cls(server, username, token, _http(server, token))

    def api(self) -> Any:
        """The platform's own client, with this user's token."""
        return sevenbridges.Api(url=self.server.credentials["api_endpoint"], token=self.token, debug=True)

    def project(self, name: str) -> str:
        """A new project's id."""
        return str(self.post("/projects", {"name": name})["id"])

    def post(self, path: str, body: Any = None, **query: str) -> Any:
        """The value of an answer that must be a success."""
        answer = self.http.post(path, json=body, params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str, **query: str) -> Any:
        """The value of an answer that must be a success."""
        answer = self.http.get(path, params=query)
        assert answer.is_success, answer.text
        return answer.json()

    def folder(self, name: str, parent: str) -> str:
        """A new folder's id."""
        return str(self.post("/files", {"name": name, "parent": parent, "type": "folder"})["id"])

    def root(self, project: str) -> str:
        """The id of a project's root folder."""
        return str(self.get(f"/projects/{project}")["root_folder"])

    def file(self, parent: str, name: str, content: bytes = b"", metadata: Mapping[str, Any] | None = None) -> str:
        """Upload bytes in one part, as the clients do; the file's id."""
        begun = self.post("/upload/multipart", {"parent": parent, "name": name, "size": len(content)})
        sent = httpx.put(self.get(f"/upload/multipart/{begun['upload_id']}/part/1")["url"], content=content)
        assert sent.is_success, sent.text
        report = {"part_number": 1, "response": {"headers": {"ETag": sent.headers["ETag"]}}}
        self.post(f"/upload/multipart/{begun['upload_id']}/part", report)
        made = self.post(f"/upload/multipart/{begun['upload_id']}/complete")
        if metadata:
            assert self.http.patch(f"/files/{made['id']}/metadata", json=dict(metadata)).is_success
        return str(made["id"])

    def app(self, project: str, name: str, raw: Mapping[str, Any]) -> str:
        """Install an app; its id."""
        self.post(f"/apps/{project}/{name}/raw", dict(raw))
        return f"{project}/{name}"

    def run(self, app: str, inputs: Mapping[str, Any], project: str | None = None, **more: Any) -> str:
        """Create a task and run it; its id."""
        body = {"project": project or app.rpartition("/")[0], "app": app, "inputs": dict(inputs), **more}
        task = self.post("/tasks", body, action="run")
        assert task["errors"] == [], task["errors"]
        assert task["status"] != "DRAFT", task
        return str(task["id"])

    def ended(self, task: str, patience: float = PATIENCE) -> Any:
        """The task, once it has ended."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = self.get(f"/tasks/{task}")
            if found["status"] in ENDED:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{found['status']} {found['execution_status']}\n{self.server.logs()}")

    def completed(self, task: str, patience: float = PATIENCE) -> Any:
        """The outputs of the task, which must have succeeded."""
        found = self.ended(task, patience)
        assert found["status"] == "COMPLETED", found["execution_status"]
        return found["outputs"]

    def content(self, file: Any) -> bytes:
        """The bytes of a file (an id, or a file value)."""
        identity = file if isinstance(file, str) else file["path"]
        answer = httpx.get(self.get(f"/files/{identity}/download_info")["url"])
        assert answer.is_success, answer.text
        return answer.content


@contextmanager
def visited(data: Path, settings: Mapping[str, str]) -> Iterator[Visitor]:
    """The first user of a server that runs with these settings (of the environment) while the context lasts."""
    server = Server(data, settings)
    server.start()
    visitor = Visitor.owner(server)
    try:
        yield visitor
    finally:
        visitor.http.close()
        code = server.stop()
    assert code == 0


def _http(server: Server, token: str) -> httpx.Client:
    return httpx.Client(
        base_url=server.credentials["api_endpoint"], headers={"X-SBG-Auth-Token": token}, timeout=httpx.Timeout(60)
    )


def araneus(*arguments: str) -> str:
    """Run the command line; what it printed."""
    command = [sys.executable, "-m", "araneus", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def file(identity: str) -> dict[str, Any]:
    """The value of an input of type File."""
    return {"class": "File", "path": identity}


def shell(
    script: str, *, inputs: Mapping[str, Any] | None = None, outputs: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    """A tool that runs a shell script; ``$(inputs.x)`` reaches it through the environment, never as script text."""
    return {
        "class": "CommandLineTool",
        "cwlVersion": "v1.2",
        "requirements": {"ResourceRequirement": {"coresMin": 1, "ramMin": 32}, **more.pop("requirements", {})},
        "baseCommand": ["sh", "-c", script, "tool"],
        "inputs": dict(inputs or {}),
        "outputs": dict(outputs or {}),
        **more,
    }


def globbed(pattern: str, kind: Any = "File") -> dict[str, Any]:
    """An output that is what a pattern finds."""
    return {"type": kind, "outputBinding": {"glob": pattern}}
