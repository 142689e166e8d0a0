"""Two tenants: whatever a stranger calls with the ids of somebody else's things, nothing comes out or changes."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from araneus.api.call import Route
from araneus.api.routes import ROUTES
from araneus.model.division import Division, DivisionMember, Role
from araneus.model.ids import new_uuid
from araneus.model.memo import Memo
from araneus.store import divisions, memos
from tests.api.conftest import Server, running, utc_now
from tests.api.test_errands import ask, finished
from tests.api.test_files import make_folder
from tests.api.test_projects import make_project
from tests.api.uploading import start_upload, upload_file

SECRET = "sEcReT"
TOOL = {
    "class": "CommandLineTool", "cwlVersion": "v1.2", "label": SECRET, "baseCommand": "true", "inputs": [],
    "outputs": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("tenants")) as started:
        yield started


@pytest.fixture(scope="module")
def things(server: Server) -> dict[str, str]:
    """Rosalind's, one of each kind, by the name of the parameter that stands for it; their names are secret."""
    with server.services.database.write() as conn:
        divisions.insert(conn, Division(id="kings", name=SECRET, created_on=utc_now()))
        divisions.put_member(conn, DivisionMember(username="rosalind", division="kings", role=Role.ADMIN))
    with server.client() as client:
        project = make_project(client, "Hidden", description=SECRET, tags=[SECRET])
        file = upload_file(client, f"{SECRET}.txt", SECRET.encode(), project=project["id"])
        client.patch(file["href"], json={"metadata": {"k": SECRET}, "tags": [SECRET]})
        folder = make_folder(client, f"{SECRET}-folder", project=project["id"])
        gone = upload_file(client, f"{SECRET}-gone", b"x", project=project["id"])
        errand = finished(client, ask(client, "delete", {"file": gone["id"]}))
        client.post(f"/v2/apps/{project['id']}/tool/raw", json=TOOL).raise_for_status()
        task = client.post(
            "/v2/tasks", json={"project": project["id"], "app": f"{project['id']}/tool", "name": SECRET}
        ).json()
        team = client.post("/v2/teams", json={"name": SECRET, "division": "kings"}).json()
        token = client.get("/v2/users/rosalind/tokens").json()["items"][0]["id"]
        return {
            "username": "rosalind", "owner": "rosalind", "project": "hidden", "file": file["id"],
            "folder": folder["id"], "root": project["root_folder"], "app": "tool", "revision": "0", "task": task["id"],
            "job_id": errand["id"], "group": project["billing_group"], "invoice": "1", "division": "kings",
            "team": team["id"], "upload": start_upload(client, SECRET, 3, project=project["id"])["upload_id"],
            "number": "1", "name": f"{SECRET}.txt", "token": token, "memo": remembered(server, project["id"]),
        }  # fmt: skip


def remembered(server: Server, project: str) -> str:
    """A result of a job that is kept in the project."""
    memo = Memo(
        id=new_uuid(), project=project, key=SECRET, app=f"{project}/tool", job="", task=new_uuid(), name=SECRET,
        parts={}, attempt=new_uuid(), made_by="rosalind", made_on=utc_now(), used_on=utc_now(),
    )  # fmt: skip
    with server.services.database.write() as conn:
        memos.keep(conn, [memo])
    return memo.id


def bodies(things: dict[str, str], own: str) -> list[Any]:
    """What could be meant with the ids: aimed at the other's things, or at taking them home."""
    project, file = f"rosalind/{things['project']}", things["file"]
    items = [{"file": file, "project": own}, {"file": things["folder"], "parent": things["root"]}]
    return [
        {},
        {"project": own, "parent": None, "name": "x", "file_ids": [file], "task_ids": [things["task"]], "items": items,
         "query": f'IN "{project}" RECURSIVE', "paths": [f"{project}/{SECRET}.txt"], "id": "francis"},
        {"parent": things["folder"], "name": "x", "type": "folder", "file_ids": [file],
         "items": [{"id": file, "name": "taken"}], "permissions": {"read": True}, "username": "francis"},
        {"project": project, "name": "x", "type": "folder", "app": f"{project}/tool", "inputs": {"x": {"class": "File",
         "path": file}}, "billing_group": things["group"], "division": "kings", "class": "CommandLineTool"},
    ]  # fmt: skip


def queries(things: dict[str, str]) -> list[str]:
    project = quote(f"rosalind/{things['project']}", safe="")
    return [
        "fields=_all", f"project={project}&fields=_all&token=init", f"parent={things['folder']}&token=init&fields=_all",
        f"division=kings&_all=True&id={project}%2Ftool&project_owner=rosalind&fields=_all",
    ]  # fmt: skip


def snapshot(server: Server, things: dict[str, str]) -> str:
    """Rosalind's things as she sees them."""
    with server.client() as client:
        paths = [
            f"projects/rosalind/{things['project']}", f"projects/rosalind/{things['project']}/members",
            f"files/{things['file']}", f"files?parent={things['root']}&fields=_all",
            f"files?parent={things['folder']}&fields=_all", f"tasks/{things['task']}",
            f"tasks?project=rosalind/{things['project']}", f"apps/rosalind/{things['project']}/tool",
            f"teams/{things['team']}/members", f"upload/multipart/{things['upload']}?list_parts=true", "user",
            "users/rosalind/tokens", f"async/files/delete/{things['job_id']}",
        ]  # fmt: skip
        return json.dumps([client.get(f"/v2/{path}").raise_for_status().json() for path in paths])


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_strangers_get_and_change_nothing(server: Server, things: dict[str, str], route: Route) -> None:
    path = "/".join(
        quote(things[part[1:-1]], safe="") if part.startswith("{") else part for part in route.path.split("/")
    )
    before = snapshot(server, things)
    with server.client("francis") as stranger:
        own = stranger.get("/v2/projects").json()["items"]
        own_id = own[0]["id"] if own else make_project(stranger, "Own")["id"]
        for body in bodies(things, own_id) if route.method in {"POST", "PUT", "PATCH"} else [None]:
            for query in queries(things):
                answer = stranger.request(route.method, f"/v2{path}?{query}", json=body)
                assert answer.status_code < 500, answer.text
                told = answer.text.replace(things["name"], "") if answer.status_code >= 400 else answer.text
                assert SECRET not in told, (route.path, body, query)
                assert SECRET not in str(answer.headers), (route.path, body, query)
                if "{" in route.path and route.auth and answer.status_code < 300:
                    assert route.path in {"/projects/{owner}"}, (route.path, answer.text)
        for job in stranger.get("/v2/async/files?limit=100").json()["items"]:
            ended = finished(stranger, job)
            assert ended["completed_files"] == 0, ended
            assert SECRET not in json.dumps(ended)
        nothing_came_home(stranger, own_id)
    assert snapshot(server, things) == before


def nothing_came_home(client: httpx.Client, project: str) -> None:
    """Whatever came into the stranger's own project must not be Rosalind's."""
    listed = client.get("/v2/files", params={"project": project, "fields": "_all"}).json()["items"]
    assert SECRET not in json.dumps(listed)
