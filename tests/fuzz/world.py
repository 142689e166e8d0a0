"""A server with real things in it, and the names of those things by the parameters and members that take them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from araneus.model.user import token_digest
from tests.live import Server, araneus

TOOL: Mapping[str, Any] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "requirements": {"ResourceRequirement": {"coresMin": 0.5, "ramMin": 16}},
    "baseCommand": "echo",
    "inputs": {"message": {"type": "string?", "inputBinding": {}}, "texts": "File[]?"},
    "outputs": {"out": "stdout"},
    "stdout": "out.txt",
}
SPARES = 30
"""Things of each kind that calls may destroy while others still find some."""


@dataclass(frozen=True, slots=True)
class World:
    """What there is: values by the name of the parameter or member that takes them. The first ones are never deleted.

    ``token`` is the administrator's, whose calls are made; ``kept`` is the digest of it, ``me`` his name.
    """

    values: Mapping[str, tuple[str, ...]]
    url: str
    token: str
    me: str
    kept: str


def made_world(server: Server) -> World:
    """Fill a fresh server."""
    with server.client() as client:
        me = client.get("/user").raise_for_status().json()["username"]
        people = _people(client)
        division = _division(server, me, people)
        projects = [_project(client, f"Fuzz {number}", people) for number in range(6)]
        home = projects[0]
        project = f"{me}/{home}"
        apps = [_app(client, project, f"tool-{number}") for number in range(6)]
        tasks = [_task(client, project, apps[0], number) for number in range(SPARES)]
        folders = [_folder(client, project, f"folder-{number}") for number in range(8)]
        files = [
            _file(client, f"file-{number}.txt", folders[0] if number % 2 else None, project) for number in range(SPARES)
        ]
        errand = client.post("/async/files/delete", json={"items": [{"file": "f" * 24}]}).raise_for_status().json()
        teams = [_team(client, division, number) for number in range(4)]
        uploads = [_start(client, project, f"part-{number}", None) for number in range(8)]
        account = client.get("/billing/groups").json()["items"][0]["id"]
        digest = token_digest(server.credentials["auth_token"])
        values = {
            "username": (me, *people), "owner": (me,), "project": tuple(projects), "app": tuple(apps),
            "revision": ("0", "1"), "task": tuple(tasks), "file": (*files, *folders), "plain": tuple(files),
            "folder": tuple(folders), "upload": tuple(uploads),
            "number": ("1", "2"), "job_id": (errand["id"],), "group": (account,), "invoice": ("1",),
            "division": (division,), "team": tuple(teams), "name": ("file-0.txt",), "token": (digest,),
        }  # fmt: skip
        return World(values, server.credentials["api_endpoint"], server.credentials["auth_token"], me, digest)


def _people(client: httpx.Client) -> list[str]:
    names = [f"person{number}" for number in range(5)]
    for name in names:
        client.post("/users", json={"username": name, "email": f"{name}@example.org"}).raise_for_status()
        client.post(f"/users/{name}/tokens", json={"label": "fuzz"}).raise_for_status()
    return names


def _division(server: Server, me: str, people: list[str]) -> str:
    for arguments in (["add", "fuzz"], ["join", "fuzz", me, "--role", "admin"], ["join", "fuzz", people[0]]):
        done = araneus("division", *arguments, "--data", str(server.data))
        assert done.returncode == 0, done.stderr
    return "fuzz"


def _project(client: httpx.Client, name: str, people: list[str]) -> str:
    made = client.post("/projects", json={"name": name, "tags": ["fuzz"]}).raise_for_status().json()
    body = {"username": people[0], "permissions": {"write": True, "copy": True}}
    client.post(f"/projects/{made['id']}/members", json=body).raise_for_status()
    return str(made["id"]).partition("/")[2]


def _app(client: httpx.Client, project: str, name: str) -> str:
    client.post(f"/apps/{project}/{name}/raw", json=TOOL).raise_for_status()
    client.post(f"/apps/{project}/{name}/1/raw", json={**TOOL, "label": "again"}).raise_for_status()
    return name


def _task(client: httpx.Client, project: str, app: str, number: int) -> str:
    body = {"project": project, "app": f"{project}/{app}", "name": f"task {number}", "inputs": {"message": "m"}}
    query = "?action=run" if number % 3 == 0 else ""
    return str(client.post(f"/tasks{query}", json=body).raise_for_status().json()["id"])


def _folder(client: httpx.Client, project: str, name: str) -> str:
    body = {"project": project, "name": name, "type": "folder"}
    return str(client.post("/files", json=body).raise_for_status().json()["id"])


def _team(client: httpx.Client, division: str, number: int) -> str:
    made = client.post("/teams", json={"name": f"team {number}", "division": division}).raise_for_status()
    return str(made.json()["id"])


def _start(client: httpx.Client, project: str, name: str, size: int | None) -> str:
    body = {"project": project, "name": name, "size": size}
    return str(client.post("/upload/multipart", json=body).raise_for_status().json()["upload_id"])


def _file(client: httpx.Client, name: str, folder: str | None, project: str) -> str:
    content = name.encode()
    place = {"parent": folder} if folder else {"project": project}
    begun = client.post("/upload/multipart", json={"name": name, "size": len(content), **place}).raise_for_status()
    upload = begun.json()["upload_id"]
    where = client.get(f"/upload/multipart/{upload}/part/1").raise_for_status().json()["url"]
    etag = httpx.put(where, content=content).raise_for_status().headers["etag"].strip('"')
    report = {"part_number": 1, "response": {"headers": {"ETag": etag}}}
    client.post(f"/upload/multipart/{upload}/part", json=report).raise_for_status()
    done = client.post(f"/upload/multipart/{upload}/complete", json={"parts": [report]}).raise_for_status().json()
    client.patch(f"/files/{done['id']}", json={"metadata": {"sample_id": name}, "tags": ["fuzz"]}).raise_for_status()
    return str(done["id"])
