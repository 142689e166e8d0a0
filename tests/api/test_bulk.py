"""Calls about many files at once."""

from typing import Any

import httpx
import pytest

from tests.api.conftest import Server
from tests.api.test_edge import error
from tests.api.test_files import UNKNOWN, make_folder
from tests.api.test_projects import invite, make_project
from tests.api.uploading import blob_files, upload_file


@pytest.fixture
def project(client: httpx.Client) -> str:
    return str(make_project(client)["id"])


def bulk(client: httpx.Client, what: str, **body: Any) -> list[dict[str, Any]]:
    answer = client.post(f"/v2/bulk/files/{what}", json=body)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_entries_are_answered_in_order_with_errors_between(
    client: httpx.Client, other: httpx.Client, project: str
) -> None:
    made = [upload_file(client, name, b"x", project=project) for name in "ab"]
    ids = [made[1]["id"], UNKNOWN, "junk", made[0]["id"]]
    entries = bulk(client, "get", file_ids=ids)
    assert entries[0] == {"resource": client.get(made[1]["href"]).json()}
    assert entries[3]["resource"]["name"] == "a"
    for entry in entries[1:3]:
        assert set(entry) == {"error"}
        assert (entry["error"]["status"], entry["error"]["code"]) == (404, 5002)
    assert all("error" in entry for entry in bulk(other, "get", file_ids=ids))
    assert bulk(client, "get", file_ids=[]) == []


def test_update_replaces_and_edit_merges(client: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"x", project=project)
    upload_file(client, "taken", b"y", project=project)
    whole = {"id": made["id"], "name": "b", "tags": ["t"], "metadata": {"k": "v", "l": "w"}}
    (entry,) = bulk(client, "update", items=[whole])
    assert entry["resource"]["name"] == "b"
    (entry,) = bulk(client, "edit", items=[{"file_id": made["id"], "metadata": {"k": None, "m": "x"}}])
    assert entry["resource"]["metadata"] == {"l": "w", "m": "x"}
    assert entry["resource"]["tags"] == ["t"]
    (entry,) = bulk(client, "update", items=[{"id": made["id"]}])
    shown = entry["resource"]
    assert (shown["name"], shown["tags"], shown["metadata"]) == ("b", [], {})
    folder = make_folder(client, "f", project=project)
    entries = bulk(
        client,
        "edit",
        items=[
            {"id": made["id"], "name": "taken"},
            {"id": folder["id"], "name": "g"},
            {"id": made["id"], "metadata": {"": "x"}},
            {},
            {"id": made["id"], "name": "last"},
        ],
    )
    assert [entry.get("error", {}).get("code") for entry in entries] == [5003, 5023, 5035, 5002, None]
    assert client.get(made["href"]).json()["name"] == "last"


def test_deleting_many(server: Server, client: httpx.Client, other: httpx.Client, project: str) -> None:
    made = [upload_file(client, name, b"same", project=project)["id"] for name in "abc"]
    invite(client, project, "francis", read=True)
    assert [entry["error"]["code"] for entry in bulk(other, "delete", file_ids=made)] == [5001] * 3
    entries = bulk(client, "delete", file_ids=[*made[:2], UNKNOWN, made[0]])
    assert ["resource" in entry for entry in entries] == [True, True, False, False]
    assert len(blob_files(server)) == 1
    bulk(client, "delete", file_ids=made[2:])
    assert blob_files(server) == []


def test_copying_many(client: httpx.Client, project: str) -> None:
    made = [upload_file(client, name, b"x", project=project)["id"] for name in "ab"]
    target = make_project(client, "Target")["id"]
    body = {"project": target, "file_ids": [*made, UNKNOWN]}
    answer = client.post("/v2/action/files/copy", json=body).json()
    assert [answer[one]["status"] for one in (*made, UNKNOWN)] == ["OK", "OK", "ERROR"]
    assert client.get(f"/v2/files/{answer[made[0]]['new_file_id']}").json()["project"] == target
    again = client.post("/v2/action/files/copy", json=body).json()
    assert again[made[0]]["new_file_name"] == "_1_a"
    assert error(client.post("/v2/action/files/copy", json={"file_ids": made})) == (400, 5029)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/bulk/files/get", {}),
        ("/v2/bulk/files/get", {"file_ids": "x"}),
        ("/v2/bulk/files/get", {"file_ids": [UNKNOWN] * 101}),
        ("/v2/bulk/files/delete", {"file_ids": [UNKNOWN] * 101}),
        ("/v2/bulk/files/update", {"items": [{}] * 101}),
    ],
)
def test_bad_bulk_bodies(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    assert error(client.post(path, json=body)) == (400, 5033)


def test_the_python_client(server: Server, client: httpx.Client, project: str) -> None:
    made = [upload_file(client, name, b"x", project=project)["id"] for name in "ab"]
    api = server.api()
    found = api.files.bulk_get(made)
    assert [record.resource.name for record in found] == ["a", "b"]
    assert all(record.valid for record in found)
    changed = [record.resource for record in found]
    for file in changed:
        file.metadata = {"sample_id": "S"}
    edited = api.files.bulk_edit(changed)
    assert [record.resource.metadata["sample_id"] for record in edited] == ["S", "S"]
    target = make_project(client, "Target")["id"]
    assert api.actions.bulk_copy_files(made, target)[made[0]]["status"] == "OK"
    api.files.bulk_delete(made)
    assert len(api.files.query(project=project)) == 0


def test_entries_that_are_no_ids_or_changes_fail_alone(client: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"x", project=project)
    odd: list[Any] = [7, None, {"id": made["id"]}, ["x"]]
    entries = bulk(client, "get", file_ids=[*odd, made["id"]])
    assert [entry.get("error", {}).get("code") for entry in entries] == [5033, 5033, 5033, 5033, None]
    changes: list[Any] = [
        "x", None, {}, {"id": 7, "name": "y"}, {"id": made["id"], "name": 7}, {"id": made["id"], "tags": "t"},
        {"id": made["id"], "metadata": {"k": {"nested": 1}}}, {"id": made["id"], "name": "b"},
    ]  # fmt: skip
    for what in ("edit", "update"):
        entries = bulk(client, what, items=changes)
        codes = [entry.get("error", {}).get("code") for entry in entries]
        assert codes == [5033, 5033, 5002, 5033, 5033, 5033, 5006, None]
    assert client.get(made["href"]).json()["name"] == "b"
    tasks = client.post("/v2/bulk/tasks/get", json={"task_ids": [7, None, []]}).json()["items"]
    assert [entry["error"]["code"] for entry in tasks] == [7005, 7005, 7005]
    entries = bulk(client, "delete", file_ids=[7, made["id"], made["id"]])
    assert [entry.get("error", {}).get("code") for entry in entries] == [5033, None, 5002]


def test_bulk_calls_need_their_list(client: httpx.Client) -> None:
    for path in ("files/get", "files/delete", "files/edit", "files/update"):
        for body in ({}, {"file_ids": "x", "items": "x"}, {"file_ids": None, "items": None}):
            assert error(client.post(f"/v2/bulk/{path}", json=body)) == (400, 5033), path


def test_a_file_that_is_named_twice_is_copied_once(client: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"x", project=project)
    answer = client.post("/v2/action/files/copy", json={"project": project, "file_ids": [made["id"]] * 2}).json()
    assert answer[made["id"]]["new_file_name"] == "_1_a"
    assert len(client.get("/v2/files", params={"project": project}).json()["items"]) == 2
