"""Copying, moving and deleting many files in the background."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from araneus.api import errand_steps, expiry
from araneus.model.errand import KEPT, EntryState, Errand, ErrandState
from araneus.store import errands, users
from tests.api.conftest import Server, make_services, running, utc_now
from tests.api.test_edge import error
from tests.api.test_files import UNKNOWN, make_folder, names
from tests.api.test_projects import invite, make_project
from tests.api.uploading import blob_files, download_url, upload_file


@pytest.fixture
def project(client: httpx.Client) -> str:
    return str(make_project(client)["id"])


def ask(client: httpx.Client, kind: str, *items: dict[str, Any]) -> dict[str, Any]:
    """Start an errand; its first answer."""
    answer = client.post(f"/v2/async/files/{kind}", json={"items": list(items)})
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    assert begun["state"] == "SUBMITTED"
    assert begun["result"] == []
    return begun


def finished(client: httpx.Client, begun: dict[str, Any]) -> dict[str, Any]:
    """The errand once it is finished."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(begun["href"]).json()
        if found["state"] == "FINISHED":
            return found
        assert found["finished_on"] is None
        time.sleep(0.02)
    raise AssertionError(found)


def done(client: httpx.Client, kind: str, *items: dict[str, Any]) -> dict[str, Any]:
    return finished(client, ask(client, kind, *items))


def tree(client: httpx.Client, folder: str) -> dict[str, Any]:
    """What a folder holds: ids of files, trees of folders, by name."""
    items = client.get(f"/v2/files/{folder}/list", params={"limit": 100, "fields": "_all"}).json()["items"]
    return {item["name"]: tree(client, item["id"]) if item["type"] == "folder" else item["id"] for item in items}


def shape(value: Any) -> Any:
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else "file"


def root(client: httpx.Client, project: str) -> str:
    return str(client.get(f"/v2/projects/{project}").json()["root_folder"])


@pytest.fixture
def grown(client: httpx.Client, project: str) -> dict[str, str]:
    """Ids of a small tree: data/{a, sub/{b, deep/c}, empty}, and a file beside it."""
    ids = {"data": make_folder(client, "data", project=project)["id"]}
    ids["sub"] = make_folder(client, "sub", parent=ids["data"])["id"]
    ids["empty"] = make_folder(client, "empty", parent=ids["data"])["id"]
    ids["deep"] = make_folder(client, "deep", parent=ids["sub"])["id"]
    for name, parent in (("a", "data"), ("b", "sub"), ("c", "deep")):
        ids[name] = upload_file(client, name, name.encode(), parent=ids[parent])["id"]
    ids["beside"] = upload_file(client, "beside", b"beside", project=project)["id"]
    return ids


DATA = {"a": "file", "sub": {"b": "file", "deep": {"c": "file"}}, "empty": {}}


def test_the_object_has_the_documented_fields(client: httpx.Client, project: str, grown: dict[str, str]) -> None:
    target = make_project(client, "Target")["id"]
    begun = ask(client, "copy", {"file": grown["beside"], "parent": "", "project": target, "name": ""})
    assert set(begun) == {
        "href", "id", "type", "state", "result", "total_files", "completed_files", "failed_files", "started_on",
        "finished_on",
    }  # fmt: skip
    assert len(begun["id"]) == 18
    assert begun["id"].isdigit()
    assert begun["type"] == "COPY"
    assert begun["href"].endswith(f"/v2/async/files/copy/{begun['id']}")
    ended = finished(client, begun)
    assert (ended["total_files"], ended["completed_files"], ended["failed_files"]) == (1, 1, 0)
    (entry,) = ended["result"]
    made = client.get(entry["resource"]["href"]).json()
    assert entry == {"resource": made}
    assert (made["name"], made["project"]) == ("beside", target)
    assert made["id"] != grown["beside"]
    assert ended["started_on"] <= ended["finished_on"]


def test_copying_keeps_the_structure(client: httpx.Client, project: str, grown: dict[str, str]) -> None:
    target = make_project(client, "Target")
    client.patch(f"/v2/files/{grown['c']}", json={"metadata": {"k": "v"}, "tags": ["t"]})
    aim = {"project": target["id"]}
    items: list[dict[str, Any]] = [
        {"file": grown["data"], **aim},
        {"file": grown["data"], "name": "again", **aim},
        {"file": grown["beside"], **aim},
        {"file": grown["beside"], "name": "named", **aim},
    ]
    ended = done(client, "copy", *items)
    copied = tree(client, target["root_folder"])
    assert shape(copied) == {"data": DATA, "again": DATA, "beside": "file", "named": "file"}
    assert (ended["total_files"], ended["completed_files"], ended["failed_files"]) == (8, 8, 0)
    assert [entry["resource"]["name"] for entry in ended["result"]] == ["data", "again", "beside", "named"]
    copy = client.get(f"/v2/files/{copied['data']['sub']['deep']['c']}").json()
    assert (copy["metadata"], copy["tags"], copy["project"]) == ({"k": "v"}, ["t"], target["id"])
    assert httpx.get(download_url(client, copy["id"])).content == b"c"
    assert shape(tree(client, root(client, project))) == {"data": DATA, "beside": "file"}


def test_what_is_there_already_is_joined_or_gets_another_name(
    client: httpx.Client, project: str, grown: dict[str, str]
) -> None:
    target = make_project(client, "Target")
    there = make_folder(client, "data", project=target["id"])
    kept = upload_file(client, "a", b"other", parent=there["id"])["id"]
    upload_file(client, "sub", b"a file where a folder comes", parent=there["id"])
    ended = done(client, "copy", {"file": grown["data"], "project": target["id"]})
    assert ended["failed_files"] == 0
    found = tree(client, target["root_folder"])["data"]
    assert set(found) == {"a", "_1_a", "sub", "_1_sub", "empty"}
    assert found["a"] == kept
    assert ended["result"][0]["resource"]["id"] == there["id"]
    again = done(client, "copy", {"file": grown["a"], "parent": grown["data"]})
    assert again["result"][0]["resource"]["name"] == "_1_a"


def test_moving_keeps_the_ids_of_files(client: httpx.Client, project: str, grown: dict[str, str]) -> None:
    target = make_project(client, "Target")
    client.patch(f"/v2/files/{grown['c']}", json={"metadata": {"k": "v"}, "tags": ["t"]})
    ended = done(
        client,
        "move",
        {"file": grown["data"], "project": target["id"], "name": "renamed"},
        {"file": grown["beside"], "project": target["id"]},
    )
    assert (ended["total_files"], ended["completed_files"], ended["failed_files"]) == (4, 4, 0)
    moved = tree(client, target["root_folder"])
    assert moved["renamed"]["sub"]["deep"]["c"] == grown["c"]
    assert moved["renamed"]["empty"] == {}
    assert moved["beside"] == grown["beside"]
    assert tree(client, root(client, project)) == {}
    assert error(client.get(f"/v2/files/{grown['data']}")) == (404, 5002)
    deep = client.get(f"/v2/files/{grown['c']}").json()["parent"]
    assert names(client.get("/v2/files", params={"parent": deep, "metadata.k": "v", "tag": "t"})) == ["c"]
    assert client.delete(f"/v2/projects/{project}").status_code == 204
    assert httpx.get(download_url(client, grown["c"])).content == b"c"


def test_moving_inside_a_project(client: httpx.Client, project: str, grown: dict[str, str]) -> None:
    upload_file(client, "b", b"taken", parent=grown["empty"])
    ended = done(
        client, "move", {"file": grown["sub"], "parent": grown["empty"]}, {"file": grown["a"], "parent": grown["data"]}
    )
    assert ended["failed_files"] == 0
    assert shape(tree(client, grown["data"])) == {
        "a": "file", "empty": {"b": "file", "sub": {"b": "file", "deep": {"c": "file"}}},
    }  # fmt: skip


def test_deleting_folders_with_their_content(
    server: Server, client: httpx.Client, project: str, grown: dict[str, str]
) -> None:
    ended = done(client, "delete", {"file": grown["data"]}, {"file": grown["beside"]})
    assert (ended["total_files"], ended["completed_files"], ended["failed_files"]) == (4, 4, 0)
    assert [entry["resource"]["id"] for entry in ended["result"]] == [grown["data"], grown["beside"]]
    assert tree(client, root(client, project)) == {}
    deadline = time.monotonic() + 10
    while blob_files(server) and time.monotonic() < deadline:
        time.sleep(0.02)  # the bytes leave after the rows
    assert blob_files(server) == []


def codes(ended: dict[str, Any]) -> list[int | None]:
    return [entry.get("error", {}).get("code") for entry in ended["result"]]


def test_an_item_that_fails_does_not_stop_the_others(
    client: httpx.Client, other: httpx.Client, project: str, grown: dict[str, str]
) -> None:
    theirs = make_project(other, "Theirs")["id"]
    hers = upload_file(other, "x", b"x", project=theirs)["id"]
    ended = done(
        client,
        "copy",
        {"file": UNKNOWN, "project": project},
        {"file": "junk", "project": project},
        {"file": hers, "project": project},
        {"file": grown["a"], "project": theirs},
        {"file": grown["a"], "project": "no project"},
        {"file": grown["a"], "parent": grown["b"]},
        {"file": grown["a"], "parent": UNKNOWN},
        {"file": grown["data"], "parent": grown["deep"]},
        {"file": grown["data"], "project": project},
        {"file": grown["a"], "project": project, "name": "a/b"},
        {"file": grown["data"], "project": project, "name": "not a folder's name"},
        {"file": root(client, project), "parent": grown["empty"]},
        {"file": grown["a"], "project": project},
    )
    assert codes(ended) == [
        10225, 10225, 10225, 10213, 10213, 10227, 10222, 10229, 10229, 5024, 5024, 10226, None,
    ]  # fmt: skip
    assert (ended["total_files"], ended["completed_files"], ended["failed_files"]) == (13, 1, 12)
    assert all(entry["resource"]["id"] for entry in ended["result"][:12])
    failed = ended["result"][0]["error"]
    assert set(failed) == {"status", "code", "message", "more_info"}


def test_failures_inside_folders_are_named(
    server: Server, client: httpx.Client, project: str, grown: dict[str, str]
) -> None:
    make_folder(client, "target", project=project)
    begun = ask(client, "delete", {"file": grown["sub"]}, {"file": grown["deep"]})
    ended = finished(client, begun)
    # What is asked for twice, alone and inside its folder, goes once.
    assert ended["completed_files"] == 2
    assert shape(tree(client, grown["data"])) == {"a": "file", "empty": {}}


@pytest.mark.parametrize(
    ("kind", "held", "code"),
    [
        ("copy", {"read": True}, 10226),
        ("copy", {"write": True, "execute": True}, 10226),
        ("copy", {"copy": True}, None),
        ("move", {"read": True}, 10226),
        ("move", {"write": True}, 10226),
        ("move", {"copy": True}, 10226),
        ("move", {"copy": True, "write": True}, None),
        ("delete", {"copy": True, "execute": True}, 10226),
        ("delete", {"write": True}, None),
        ("delete", {"admin": True}, None),
    ],
)
def test_permissions_on_the_source(
    server: Server, grown: dict[str, str], kind: str, held: dict[str, bool], code: int | None
) -> None:
    with server.client() as client, server.client("francis") as other:
        invite(client, "rosalind/my-project", "francis", **held)
        theirs = make_project(other, "Theirs")["id"]
        aim = {} if kind == "delete" else {"project": theirs}
        ended = done(other, kind, {"file": grown["data"], **aim}, {"file": grown["beside"], **aim})
        assert codes(ended) == [code, code]
        untouched = shape(tree(client, root(client, "rosalind/my-project"))) == {"data": DATA, "beside": "file"}
        assert untouched is (code is not None or kind == "copy")


@pytest.mark.parametrize("held", [{"read": True}, {"copy": True, "execute": True}])
def test_permissions_on_the_destination(
    client: httpx.Client, other: httpx.Client, project: str, held: dict[str, bool]
) -> None:
    invite(client, project, "francis", **held)
    theirs = make_project(other, "Theirs")
    mine = upload_file(other, "x", b"x", project=theirs["id"])["id"]
    for kind in ("copy", "move"):
        assert codes(done(other, kind, {"file": mine, "project": project})) == [10210]
    assert tree(other, theirs["root_folder"]) == {"x": mine}


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("copy", {}, (400, 10230)),
        ("copy", {"items": []}, (400, 10230)),
        ("copy", {"items": {}}, (400, 10232)),
        ("copy", {"items": [5]}, (400, 10232)),
        ("copy", {"items": [{"file": 5}]}, (400, 10232)),
        ("copy", {"items": [{"project": "a/b"}]}, (400, 10232)),
        ("copy", {"items": [{"file": "", "project": "a/b"}]}, (400, 10232)),
        ("copy", {"items": [{"file": "a"}]}, (400, 10228)),
        ("move", {"items": [{"file": "a", "parent": "", "project": ""}]}, (400, 10228)),
        ("move", {"items": [{"file": "a", "parent": "b", "project": "c/d"}]}, (400, 10232)),
        ("move", {"items": [{"file": "a", "parent": "b"}, {"file": "a", "parent": "c"}]}, (400, 10231)),
        ("copy", {"items": [{"file": "a", "parent": "b"}, {"file": "a", "parent": "b", "name": ""}]}, (400, 10231)),
        ("delete", {"items": [{"file": "a"}, {"file": "a"}]}, (400, 10231)),
        ("delete", {"items": [{"file": str(number)} for number in range(10_001)]}, (400, 10232)),
    ],
)
def test_bad_bodies(client: httpx.Client, kind: str, body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert error(client.post(f"/v2/async/files/{kind}", json=body)) == expected
    assert client.get("/v2/async/files").json()["items"] == []


def test_errands_of_others_do_not_exist(client: httpx.Client, other: httpx.Client, grown: dict[str, str]) -> None:
    begun = ask(client, "delete", {"file": grown["beside"]})
    finished(client, begun)
    assert error(other.get(begun["href"])) == (404, 10211)
    for wrong in (begun["href"].replace("delete", "copy"), "/v2/async/files/delete/1", "/v2/async/files/delete/x%27"):
        assert error(client.get(wrong)) == (404, 10211)
    assert other.get("/v2/async/files").json()["items"] == []
    second = done(client, "delete", {"file": grown["a"]})
    listed = client.get("/v2/async/files")
    assert [item["id"] for item in listed.json()["items"]] == [second["id"], begun["id"]]
    assert listed.headers["x-total-matching-query"] == "2"
    assert "result" not in listed.json()["items"][0]
    assert client.get("/v2/async/files?fields=_all").json()["items"][0] == second


def test_a_disabled_user_gets_nothing_more_done(server: Server, client: httpx.Client, grown: dict[str, str]) -> None:
    with server.services.database.write() as conn:
        rosalind = users.get(conn, "rosalind")
        assert rosalind is not None
        users.save(conn, replace(rosalind, disabled=True))
        errand, entry = an_errand(grown["data"])
        errands.insert(conn, errand, [entry])
    server.services.chores.set()
    ended = settled(server, errand.id)
    assert (ended.total, ended.completed, ended.failed) == (1, 0, 1)
    with server.services.database.write() as conn:
        users.save(conn, rosalind)
    assert client.get(f"/v2/files/{grown['data']}").status_code == 200


def an_errand(source: str, identity: str = "1") -> tuple[Errand, Any]:
    from araneus.model.errand import Entry, ErrandKind

    errand = Errand(id=identity, username="rosalind", kind=ErrandKind.DELETE, total=1, started_on=utc_now())
    return errand, Entry(errand=identity, number=1, source=source)


def settled(server: Server, identity: str) -> Errand:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with server.services.database.read() as conn:
            found = errands.get(conn, identity)
        assert found is not None
        if found.state is ErrandState.FINISHED:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def test_a_large_folder_in_pieces(client: httpx.Client, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errand_steps, "CHILDREN", 7)
    folder = make_folder(client, "many", project=project)
    first = upload_file(client, "f", b"x", parent=folder["id"])
    for number in range(40):
        client.post(f"{first['href']}/actions/copy", json={"parent": folder["id"], "name": f"f{number:02}"})
    ended = done(client, "copy", {"file": folder["id"], "project": project, "name": "copy"})
    assert (ended["total_files"], ended["completed_files"]) == (41, 41)
    assert len(tree(client, ended["result"][0]["resource"]["id"])) == 41
    ended = done(client, "move", {"file": folder["id"], "project": project, "name": "moved"})
    assert (ended["total_files"], ended["completed_files"]) == (41, 41)
    ended = done(client, "delete", {"file": ended["result"][0]["resource"]["id"]})
    assert (ended["total_files"], ended["completed_files"]) == (41, 41)
    assert list(tree(client, root(client, project))) == ["copy"]


def test_a_step_that_keeps_failing_is_skipped(server: Server, client: httpx.Client, grown: dict[str, str]) -> None:
    """A fault of ours: an entry that no code can do must not hold up the errand for ever."""
    errand, entry = an_errand(grown["beside"])
    with server.services.database.write() as conn:
        errands.insert(conn, errand, [replace(entry, above=77, state=EntryState.READY), replace(entry, number=2)])
    server.services.chores.set()
    ended = settled(server, errand.id)
    assert (ended.completed, ended.failed) == (1, 1)
    assert error(client.get(f"/v2/files/{grown['beside']}")) == (404, 5002)


def test_old_errands_and_abandoned_uploads_are_forgotten(tmp_path: Path) -> None:
    from datetime import timedelta

    with running(tmp_path, upload_lifetime=timedelta(seconds=0)) as server, server.client() as client:
        project = make_project(client)["id"]
        done(client, "delete", {"file": UNKNOWN})
        made = client.post("/v2/upload/multipart", json={"name": "x", "project": project}).json()
        later = replace(server.services, clock=lambda: utc_now() + timedelta(seconds=1))
        expiry.forget(later)
        assert client.get(made["href"]).status_code == 404
        assert len(client.get("/v2/async/files").json()["items"]) == 1
        expiry.forget(replace(server.services, clock=lambda: utc_now() + KEPT + timedelta(seconds=1)))
        assert client.get("/v2/async/files").json()["items"] == []


def test_the_python_client(server: Server, client: httpx.Client, project: str, grown: dict[str, str]) -> None:
    api = server.api()
    job = api.async_jobs.file_bulk_copy(files=[{"file": grown["data"], "project": project, "name": "copy"}])
    while job.state != "FINISHED":
        time.sleep(0.02)
        job.reload()
    (record,) = job.get_result()
    assert record.valid
    assert record.resource.name == "copy"
    assert (job.total_files, job.completed_files, job.failed_files) == (3, 3, 0)
    moving = api.async_jobs.file_bulk_move(files=[{"file": grown["a"], "parent": record.resource.id}])
    deleting = api.async_jobs.file_bulk_delete(files=[{"file": UNKNOWN}])
    for begun in (moving, deleting):
        finished(client, {"href": begun.href})
    assert api.async_jobs.get_file_move_job(moving.id).get_result()[0].resource.name == "_1_a"
    assert api.async_jobs.get_file_copy_job(job.id).type == "COPY"
    (failed,) = api.async_jobs.get_file_delete_job(deleting.id).get_result()
    assert not failed.valid
    assert failed.error.code == 10225
    listed = api.async_jobs.list_file_jobs()
    assert [found.type for found in listed] == ["DELETE", "MOVE", "COPY"]
    assert listed[2].result == job.result


def test_services_can_be_made_without_a_background(tmp_path: Path) -> None:
    services = make_services(tmp_path)
    assert not services.chores.is_set()
    services.database.close()
