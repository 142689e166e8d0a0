"""Requests in the shapes in which the two R clients put them on the wire.

`sevenbridges2` adds ``limit``, ``offset`` and ``fields`` to what it gets and posts, writes null for what is not set,
and sends an empty list where it has no body. The first R client patches and puts without type and query.
"""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Server
from tests.api.tasks_fixtures import TOOL

EVERY = {"limit": "50", "offset": "0", "fields": "_all"}
NO_BODY: list[Any] = []


class SevenBridges2:
    """What ``api()`` of `sevenbridges2` sends."""

    def __init__(self, server: Server) -> None:
        kind = "application/json"
        headers = {"X-SBG-Auth-Token": server.tokens["rosalind"], "Accept": kind, "Content-Type": kind}
        self._client = httpx.Client(base_url=f"{server.url}/v2/", headers=headers, timeout=60)

    def __call__(self, method: str, path: str, body: Any = NO_BODY, **query: str) -> Any:
        sent: dict[str, Any] = {"params": query | EVERY} if method in {"GET", "POST"} else {}
        if method in {"POST", "PATCH", "PUT"}:
            sent["json"] = body
        answer = self._client.request(method, path, **sent)
        assert answer.status_code in {200, 201, 202, 204}, (method, path, body, answer.text)
        return answer.json() if answer.content else None

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def r(server: Server) -> Any:
    caller = SevenBridges2(server)
    yield caller
    caller.close()


def new_project(r: Any) -> dict[str, Any]:
    settings = {
        "locked": False, "controlled": False, "location": None, "use_interruptible_instances": True,
        "use_memoization": False, "use_elastic_disk": False,
        "intermediate_files": {"retention": "LIMITED", "duration": 24},
    }  # fmt: skip
    body = {"name": "DNA", "description": "DNA", "tags": None, "billing_group": None, "settings": settings}
    made: dict[str, Any] = r("POST", "projects", body)
    return made


def new_file(r: Any, project: str, name: str, content: bytes = b"ACGT") -> dict[str, Any]:
    body = {"name": name, "size": float(len(content)), "part_size": 33554432, "project": project}
    upload = r("POST", "upload/multipart", body, overwrite="FALSE")
    path = f"upload/multipart/{upload['upload_id']}"
    tag = httpx.put(r("GET", f"{path}/part/1")["url"], content=content).headers["etag"]
    report = {"part_number": 1, "response": {"headers": {"ETag": tag}}}
    r("POST", f"{path}/part/", report)
    made: dict[str, Any] = r("POST", f"{path}/complete", {"parts": [report]})
    return made


def new_task(r: Any, project: str, **more: Any) -> dict[str, Any]:
    body = {"name": None, "project": project, "app": f"{project}/head/0", "description": None, **more}
    made: dict[str, Any] = r("POST", "tasks/", body)
    return made


def test_a_task_is_changed_in_what_is_not_null(r: Any) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    file = new_file(r, project, "a.txt")
    value = {"class": "File", "path": file["id"], "name": "a.txt"}
    task = new_task(r, project, name="first", description="why")
    changed = r("PATCH", f"tasks/{task['id']}", {"name": None, "description": None, "inputs": {"text": value}})
    assert (changed["name"], changed["description"]) == ("first", "why")
    assert changed["inputs"]["text"]["path"] == file["id"]
    changed = r("PATCH", f"tasks/{task['id']}", {"name": "second", "description": None, "batch": False, "app": None})
    assert (changed["name"], changed["description"], changed["app"]) == ("second", "why", task["app"])
    changed = r("PATCH", f"tasks/{task['id']}", {"name": None, "description": ""})
    assert (changed["name"], changed["description"]) == ("second", "")


def test_a_task_is_run_cloned_aborted_and_renamed(r: Any) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    value = {"class": "File", "path": new_file(r, project, "a.txt")["id"]}
    task = new_task(r, project, inputs={"text": value}, execution_settings={"max_parallel_instances": 2})
    run = r("POST", f"tasks/{task['id']}/actions/run", use_interruptible_instances="TRUE")
    assert run["status"] == "QUEUED"
    copy = r("POST", f"tasks/{task['id']}/actions/clone", action="run")
    assert (copy["id"] != task["id"], copy["status"]) == (True, "QUEUED")
    assert r("POST", f"tasks/{task['id']}/actions/abort")["status"] == "ABORTING"
    listed = r("GET", "tasks/", project=project, order_by="created_time", order="asc")
    assert [item["id"] for item in listed["items"]] == [task["id"], copy["id"]]
    draft = r("POST", f"tasks/{task['id']}/actions/clone")
    r("DELETE", f"tasks/{draft['id']}")


def test_a_batch_in_capitals(r: Any) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    values = [{"class": "File", "path": new_file(r, project, name)["id"]} for name in ("a.txt", "b.txt")]
    by = {"type": "CRITERIA", "criteria": ["metadata.sample_id"]}
    more = {"batch_input": "text", "batch_by": {"type": "ITEM"}, "inputs": {"text": values}}
    body = {"name": None, "project": project, "app": f"{project}/head/0", "description": None, **more}
    task = r("POST", "tasks/", body, batch="TRUE")
    assert (task["batch"], task["batch_by"]) == (True, {"type": "item"})
    body = {"name": None, "description": None, "batch_input": "text", "batch_by": by, "batch": True}
    assert r("PATCH", f"tasks/{task['id']}", body)["batch_by"]["type"] == "criteria"
    plain = r("PATCH", f"tasks/{task['id']}", {"name": None, "description": None, "batch": False})
    assert plain["batch"] is False


def test_apps_are_copied_and_brought_up_to_date(r: Any) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    body = {"project": project, "name": None, "strategy": "clone"}
    assert r("POST", f"apps/{project}/head/actions/copy", body | {"name": "copy"})["id"] == f"{project}/copy/0"
    assert r("POST", f"apps/{project}/copy/actions/sync")["revision"] == 0
    other = new_project(r)["id"]
    assert r("POST", f"apps/{project}/head/actions/copy", body | {"project": other})["id"] == f"{other}/head/0"
    assert len(r("GET", "apps", project=project, visibility="private", q="head")["items"]) == 2


def test_files_and_members_with_nulls_for_what_is_not_set(r: Any, server: Server) -> None:
    project = new_project(r)
    file, folder = new_file(r, project["id"], "a.txt"), {"name": "f", "type": "FOLDER", "project": project["id"]}
    place = r("POST", "files", folder)["id"]
    moved = r("POST", f"files/{file['id']}/actions/move", {"parent": place, "name": None})
    assert (moved["parent"], moved["name"]) == (place, "a.txt")
    assert r("POST", f"files/{file['id']}/actions/copy", {"project": project["id"], "name": None})["name"] == "a.txt"
    assert r("PUT", f"files/{file['id']}/tags", ["x"]) == ["x"]
    assert r("PATCH", f"files/{file['id']}/metadata", {"sample_id": "A"}) == {"sample_id": "A"}
    given = {"write": True, "read": True, "copy": True, "execute": False, "admin": False}
    body = {"username": None, "email": "francis@example.org", "permissions": given}
    member = r("POST", f"projects/{project['id']}/members", body)
    assert (member["username"], member["permissions"]) == ("francis", given)
    path = f"projects/{project['id']}/members/francis"
    assert r("PATCH", f"{path}/permissions", given | {"execute": True}) == given | {"execute": True}
    r("DELETE", path)
    names = {item["name"] for item in r("GET", "files", project=project["id"])["items"]}
    assert names == {"a.txt", "f"}


def test_an_empty_list_is_an_object_without_members(r: Any) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    task = new_task(r, project, inputs=[], execution_settings=[], output_location=[])
    assert (task["execution_settings"], task["inputs"]["text"]) == ({}, None)
    file = new_file(r, project, "a.txt")
    value = {"class": "File", "path": file["id"]}
    assert r("PATCH", f"tasks/{task['id']}", {"inputs": {"text": value}})["inputs"]["text"]["path"] == file["id"]
    assert r("PATCH", f"tasks/{task['id']}", {"inputs": []})["inputs"]["text"]["path"] == file["id"]
    assert r("PATCH", f"files/{file['id']}/metadata", {"a": "b"}) == {"a": "b"}
    assert r("PATCH", f"files/{file['id']}/metadata", []) == {"a": "b"}
    assert r("PUT", f"files/{file['id']}/metadata", []) == {}


def test_inputs_may_be_named_as_in_an_old_document(r: Any) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    files = [new_file(r, project, name)["id"] for name in ("a.txt", "b.txt")]
    task = new_task(r, project, inputs={"#text": {"class": "File", "path": files[0]}})
    assert task["inputs"]["text"]["path"] == files[0]
    changed = r("PATCH", f"tasks/{task['id']}", {"inputs": {"#text": {"class": "File", "path": files[1]}}})
    assert changed["inputs"]["text"]["path"] == files[1]


def test_the_first_r_client_patches_without_type_or_query(r: Any, server: Server) -> None:
    project = new_project(r)["id"]
    r("POST", f"apps/{project}/head/raw", TOOL)
    task, file = new_task(r, project), new_file(r, project, "a.txt")
    headers = {"X-SBG-Auth-Token": server.tokens["rosalind"], "Accept": "application/json, text/xml, */*"}
    with httpx.Client(base_url=f"{server.url}/v2/", headers=headers) as first:
        text = f'{{"text":{{"class":"File","path":"{file["id"]}","name":"a.txt"}}}}'
        answer = first.patch(f"tasks/{task['id']}/inputs", content=text)
        assert answer.json()["text"]["path"] == file["id"]
        assert first.post(f"tasks/{task['id']}/actions/run", content="[]").json()["status"] == "QUEUED"
        ids = first.post("action/files/get_ids", json=[f"{project}/a.txt"]).json()
        assert ids == [file["id"]]
