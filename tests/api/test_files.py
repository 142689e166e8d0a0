"""Files, folders, metadata, tags and downloads over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.api.downloads import disposition
from araneus.model.job import log_ids
from araneus.store import jobs
from araneus.testing import rows
from tests.api.conftest import Server
from tests.api.test_edge import error
from tests.api.test_projects import invite, make_project
from tests.api.uploading import download_url, upload_file

UNKNOWN = "0" * 24


@pytest.fixture
def project(client: httpx.Client) -> str:
    return str(make_project(client)["id"])


def make_folder(client: httpx.Client, name: str, **where: str) -> dict[str, Any]:
    response = client.post("/v2/files", json={"name": name, "type": "folder", **where})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [item["name"] for item in response.json()["items"]]


def test_folders(client: httpx.Client, project: str) -> None:
    folder = make_folder(client, "data", project=project)
    assert set(folder) == {"href", "id", "name", "project", "parent", "type", "created_on", "modified_on"}
    inner = make_folder(client, "in.ner-1_2", parent=folder["id"])
    made = upload_file(client, "x", b"1", parent=inner["id"])
    assert names(client.get("/v2/files", params={"project": project})) == ["data"]
    assert names(client.get("/v2/files", params={"parent": folder["id"]})) == ["in.ner-1_2"]
    listed = client.get(f"{inner['href']}/list").json()["items"]
    assert [set(item) for item in listed] == [{"href", "id", "name", "project", "parent", "type"}]
    assert error(client.get(f"{made['href']}/list")) == (400, 5022)
    assert error(client.delete(folder["href"])) == (400, 5021)
    for href in (made["href"], inner["href"], folder["href"]):
        assert client.delete(href).status_code == 204
    root = client.get(f"/v2/projects/{project}").json()["root_folder"]
    assert error(client.delete(f"/v2/files/{root}")) == (400, 5033)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "a"}, (400, 5012)),
        ({"name": "a", "type": "file"}, (400, 5012)),
        ({"name": "a", "type": "FOLDER", "project": None}, (400, 5029)),
        ({"name": "a", "type": "folder", "parent": UNKNOWN}, (400, 5031)),
        ({"name": "a", "type": "folder", "project": None, "parent": UNKNOWN}, (404, 5026)),
        ({"name": "a", "type": "folder", "project": "malformed"}, (400, 5005)),
        ({"name": "a", "type": "folder", "project": "nobody/x"}, (404, 3002)),
        ({"name": "taken", "type": "folder"}, (409, 5030)),
        ({"name": "a b", "type": "folder"}, (400, 5024)),
        ({"name": "__a", "type": "folder"}, (400, 5024)),
        ({"name": "..", "type": "folder"}, (400, 5024)),
        ({"name": "a/b", "type": "folder"}, (400, 5024)),
        ({"name": "", "type": "folder"}, (400, 5024)),
        ({"name": "a" * 300, "type": "folder"}, (400, 5024)),
        ({"name": None, "type": "folder"}, (400, 5024)),
        ({"name": 1, "type": "folder"}, (400, 5033)),
    ],
)
def test_bad_folders(client: httpx.Client, project: str, body: dict[str, Any], expected: tuple[int, int]) -> None:
    make_folder(client, "taken", project=project)
    assert error(client.post("/v2/files", json={"project": project, **body})) == expected


def test_lists_are_filtered(client: httpx.Client, project: str) -> None:
    for name, metadata, tags in [
        ("a", {"sample_id": "1", "kind": "x"}, ["t1"]),
        ("b", {"sample_id": "2", "kind": "x"}, ["t2", "t3"]),
        ("c", {"sample_id": ["1", "3"]}, []),
    ]:
        made = upload_file(client, name, name.encode(), project=project)
        client.put(f"{made['href']}/metadata", json=metadata)
        client.put(f"{made['href']}/tags", json=tags)

    def found(query: str) -> list[str]:
        return names(client.get(f"/v2/files?project={project}&{query}"))

    assert found("") == ["a", "b", "c"]
    assert found("name=a&name=c&name=z") == ["a", "c"]
    assert found("name=") == []
    assert found("metadata.sample_id=1") == ["a", "c"]
    assert found("metadata.sample_id=1&metadata.sample_id=2") == ["a", "b", "c"]
    assert found("metadata.sample_id=1&metadata.kind=x") == ["a"]
    assert found("metadata.Sample_id=1") == []
    assert found("tag=t1&tag=t3") == ["a", "b"]
    assert found("tag=nope") == []
    assert found("origin.task=7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41") == []
    assert found("limit=1&offset=1") == ["b"]
    listed = client.get(f"/v2/files?project={project}&metadata.sample_id=1&name=a&name=b&limit=1")
    assert "metadata.sample_id=1&name=a&name=b" in listed.json()["href"]
    assert names(client.get(listed.json()["href"])) == ["a"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (400, 5029)),
        ("project=rosalind/my-project&parent=" + UNKNOWN, (400, 5031)),
        ("project=malformed", (400, 5005)),
        ("project=a/b/c", (400, 5005)),
        ("project=nobody/nothing", (404, 3002)),
        ("parent=" + UNKNOWN, (404, 5002)),
        ("parent=x%27%3B--", (404, 5002)),
        ("dataset=a/b", (404, 90003)),
    ],
)
def test_bad_lists(client: httpx.Client, project: str, query: str, expected: tuple[int, int]) -> None:
    assert error(client.get(f"/v2/files?{query}")) == expected


def test_editing_a_file(client: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"1", project=project)
    upload_file(client, "taken", b"2", project=project)
    href = made["href"]
    edited = client.patch(
        href, json={"name": "b", "metadata": {"k": "v", "n": None, "i": 5}, "tags": ["t", "t"]}
    ).json()
    assert (edited["name"], edited["metadata"], edited["tags"]) == ("b", {"k": "v", "i": "5"}, ["t"])
    assert client.get(href).json() == edited
    assert client.patch(href, json={"name": None, "metadata": {"other": "w"}}).json()["metadata"] == {"other": "w"}
    assert client.patch(href, content=b"null").json()["name"] == "b"
    assert error(client.patch(href, json={"name": "taken"})) == (409, 5003)
    for bad in ("", "a/b", "..", "x" * 300, "a\tb"):
        assert error(client.patch(href, json={"name": bad})) == (400, 5024)
    assert error(client.patch(href, json={"name": 5})) == (400, 5033)
    assert error(client.patch(href, json={"metadata": {"k": {"deep": 1}}})) == (400, 5006)
    folder = make_folder(client, "f", project=project)
    assert error(client.patch(folder["href"], json={"name": "g"})) == (400, 5023)
    assert client.patch(href, json={"name": "Ünïcode 🧬.bam"}).json()["name"] == "Ünïcode 🧬.bam"


def test_metadata_and_tags(client: httpx.Client, project: str) -> None:
    href = upload_file(client, "a", b"1", project=project)["href"]
    assert client.get(f"{href}/metadata").json() == {}
    assert client.put(f"{href}/metadata", json={"a": "1", "b": ["x", "y"]}).json() == {"a": "1", "b": ["x", "y"]}
    assert client.patch(f"{href}/metadata", json={"a": None, "c": True}).json() == {"b": ["x", "y"], "c": "true"}
    assert client.patch(f"{href}/metadata", content=b"null").json() == {"b": ["x", "y"], "c": "true"}
    assert client.get(f"{href}?fields=metadata.c").json() == {"metadata": {"c": "true"}}
    assert client.put(f"{href}/metadata", json={}).json() == {}
    for body, code in [
        (["a"], 5006), ({"k" * 101: "v"}, 5006), ({"k": "v" * 301}, 5006), ({"": "v"}, 5035), ({"k": [["v"]]}, 5006),
        ({f"k{number}": "v" for number in range(1001)}, 5006),
    ]:  # fmt: skip
        assert error(client.put(f"{href}/metadata", json=body)) == (400, code)
    assert client.put(f"{href}/tags", json=["a", "b", "a"]).json() == ["a", "b"]
    assert client.get(f"{href}/tags").json() == ["a", "b"]
    bad: Any
    for bad in ({}, "x", [1], ["a,b"], [""]):
        assert error(client.put(f"{href}/tags", json=bad)) == (400, 5033)
    assert client.put(f"{href}/tags", content=b"null").json() == []
    folder = make_folder(client, "f", project=project)["href"]
    for method in ("GET", "PUT", "PATCH"):
        assert error(client.request(method, f"{folder}/metadata", json={})) == (400, 5025)
    for method in ("GET", "PUT"):
        assert error(client.request(method, f"{folder}/tags", json=[])) == (400, 5027)


def test_simultaneous_merges_all_arrive(client: httpx.Client, project: str) -> None:
    href = upload_file(client, "a", b"1", project=project)["href"]

    def merge(number: int) -> int:
        return client.patch(f"{href}/metadata", json={f"key{number}": str(number)}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(merge, range(40))) == {200}
    assert client.get(f"{href}/metadata").json() == {f"key{number}": str(number) for number in range(40)}


def test_copies(client: httpx.Client, other: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"bytes", project=project)
    client.patch(made["href"], json={"metadata": {"k": "v"}, "tags": ["t"]})
    target = make_project(client, "Target")["id"]
    copy = client.post(f"{made['href']}/actions/copy", json={"project": target}).json()
    assert copy["id"] != made["id"]
    assert (copy["project"], copy["metadata"], copy["tags"], copy["size"]) == (target, {"k": "v"}, ["t"], 5)
    copies = [client.post(f"{made['href']}/actions/copy", json={"project": target}).json()["name"] for _ in range(3)]
    assert copies == ["_1_a", "_2_a", "_3_a"]
    folder = make_folder(client, "f", project=target)
    named = client.post(f"{made['href']}/actions/copy", json={"parent": folder["id"], "name": "n"}).json()
    assert (named["name"], named["parent"]) == ("n", folder["id"])
    assert client.delete(made["href"]).status_code == 204
    assert httpx.get(download_url(client, copy["id"])).content == b"bytes"
    for body, expected in [
        ({}, (400, 5029)),
        ({"project": target, "parent": folder["id"]}, (400, 5031)),
        ({"parent": UNKNOWN}, (404, 5026)),
        ({"parent": copy["id"]}, (400, 5022)),
        ({"project": "nobody/x"}, (404, 3002)),
        ({"project": target, "name": "a/b"}, (400, 5024)),
    ]:
        assert error(client.post(f"{copy['href']}/actions/copy", json=body)) == expected
    assert error(client.post(f"{folder['href']}/actions/copy", json={"project": project})) == (400, 5018)
    theirs = make_project(other)["id"]
    assert error(other.post(f"{copy['href']}/actions/copy", json={"project": theirs})) == (404, 5002)
    invite(client, target, "francis", read=True)
    assert error(other.post(f"{copy['href']}/actions/copy", json={"project": theirs})) == (403, 5014)
    assert error(other.post(f"{copy['href']}/actions/copy", json={"project": target})) == (403, 5001)
    client.patch(f"/v2/projects/{target}/members/francis/permissions", json={"copy": True})
    assert other.post(f"{copy['href']}/actions/copy", json={"project": theirs}).status_code == 201


def test_moves(client: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"1", project=project)
    folder = make_folder(client, "f", project=project)
    moved = client.post(f"{made['href']}/actions/move", json={"parent": folder["id"], "name": None}).json()
    assert (moved["id"], moved["parent"], moved["name"]) == (made["id"], folder["id"], "a")
    assert names(client.get("/v2/files", params={"project": project})) == ["f"]
    upload_file(client, "a", b"2", project=project)
    root = made["parent"]
    move = f"{made['href']}/actions/move"
    assert error(client.post(move, json={"parent": root})) == (409, 5003)
    assert client.post(move, json={"parent": root, "name": "b"}).json()["name"] == "b"
    elsewhere = make_project(client, "Else")["root_folder"]
    assert error(client.post(move, json={"parent": elsewhere})) == (400, 5015)
    assert error(client.post(move, json={})) == (400, 5029)
    assert error(client.post(move, json={"parent": UNKNOWN})) == (404, 5026)
    assert error(client.post(f"{folder['href']}/actions/move", json={"parent": root})) == (400, 5033)


def test_files_of_others_do_not_exist(client: httpx.Client, other: httpx.Client, project: str) -> None:
    made = upload_file(client, "a", b"1", project=project)
    folder = make_folder(client, "f", project=project)
    calls = [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/metadata"), ("PATCH", "/metadata"), ("PUT", "/metadata"),
        ("GET", "/tags"), ("PUT", "/tags"), ("GET", "/download_info"), ("GET", "/list"),
    ]  # fmt: skip
    for thing in (made, folder):
        for method, tail in calls:
            body: Any = [] if tail == "/tags" else {}
            assert error(other.request(method, thing["href"] + tail, json=body)) == (404, 5002), (method, tail)
    assert error(other.get("/v2/files", params={"parent": folder["id"]})) == (404, 5002)
    assert error(other.post("/v2/files", json={"name": "x", "type": "folder", "parent": folder["id"]})) == (404, 5026)
    invite(client, project, "francis", read=True)
    assert other.get(made["href"]).json()["id"] == made["id"]
    for method, tail in calls[1:]:
        if method != "GET":
            answer = other.request(method, made["href"] + tail, json=[] if tail == "/tags" else {})
            assert error(answer) == (403, 5001), (method, tail)
    assert error(other.get(f"{made['href']}/download_info")) == (403, 5001)
    assert error(other.post("/v2/files", json={"name": "x", "type": "folder", "project": project})) == (403, 5001)
    client.patch(f"/v2/projects/{project}/members/francis/permissions", json={"copy": True})
    assert httpx.get(download_url(other, made["id"])).content == b"1"


def test_ids_that_are_none(client: httpx.Client) -> None:
    for file_id in (UNKNOWN, "x", "0" * 23, "é" * 24, "A" * 24, "1' OR '1'='1"):
        assert error(client.get(f"/v2/files/{file_id}")) == (404, 5002)
        assert error(client.delete(f"/v2/files/{file_id}")) == (404, 5002)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=30) | st.sampled_from(["a/b", "..", "\x00", "x" * 300, "%2F", "a?b#c", "\ud800"]))
def test_any_name_is_taken_as_it_is_or_refused(client: httpx.Client, name: str) -> None:
    listed = client.get("/v2/projects").json()["items"]
    project = listed[0]["id"] if listed else make_project(client)["id"]
    present = client.get("/v2/files", params={"project": project}).json()["items"]
    made = present[0] if present else upload_file(client, "first", b"1", project=project)
    import json

    answer = client.patch(made["href"], content=json.dumps({"name": name}))
    assert answer.status_code in {200, 400}, answer.text
    if answer.status_code == 200:
        assert answer.json()["name"] == name
        assert client.get(made["href"]).json()["name"] == name
        assert names(client.get("/v2/files", params={"project": project, "name": name})) == [name]
        download = httpx.get(download_url(client, made["id"]))
        assert download.content == b"1"
        assert "\n" not in download.headers["content-disposition"]


def test_the_name_to_save_under() -> None:
    assert disposition("a b.txt") == "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
    assert disposition('a"\\é\r\n%') == "attachment; filename=\"a______\"; filename*=UTF-8''a%22%5C%C3%A9%0D%0A%25"


@pytest.fixture
def hundred(client: httpx.Client, project: str) -> str:
    return download_url(client, str(upload_file(client, "h.html", bytes(range(100)), project=project)["id"]))


@pytest.mark.parametrize(
    ("wanted", "status", "content", "shown"),
    [
        (None, 200, bytes(range(100)), None),
        ("bytes=0-9", 206, bytes(range(10)), "bytes 0-9/100"),
        ("bytes=90-5242879", 206, bytes(range(90, 100)), "bytes 90-99/100"),
        ("bytes=-1", 206, b"\x63", "bytes 99-99/100"),
        ("bytes=50-", 206, bytes(range(50, 100)), "bytes 50-99/100"),
        ("bytes=0-1,5-6", 200, bytes(range(100)), None),
        ("nonsense", 200, bytes(range(100)), None),
    ],
)
def test_ranges_over_http(hundred: str, wanted: str | None, status: int, content: bytes, shown: str | None) -> None:
    answer = httpx.get(hundred, headers={"Range": wanted} if wanted else {})
    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers.get("content-range") == shown
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="h.html"')


def test_a_range_behind_the_end_is_416_and_a_stale_one_is_whole(hundred: str) -> None:
    behind = httpx.get(hundred, headers={"Range": "bytes=100-"})
    assert error(behind) == (416, 90000)
    assert behind.headers["content-range"] == "bytes */100"
    tag = httpx.head(hundred).headers["etag"]
    assert httpx.head(hundred).headers["content-length"] == "100"
    assert httpx.get(hundred, headers={"Range": "bytes=0-0", "If-Range": tag}).status_code == 206
    assert httpx.get(hundred, headers={"Range": "bytes=0-0", "If-Range": '"old"'}).status_code == 200


def test_folders_and_deleted_files_have_no_bytes(client: httpx.Client, project: str, hundred: str) -> None:
    folder = make_folder(client, "f", project=project)
    assert error(client.get(f"{folder['href']}/download_info")) == (400, 5017)
    listed = client.get("/v2/files", params={"project": project, "name": "h.html"}).json()["items"][0]
    client.delete(listed["href"])
    assert error(httpx.get(hundred)) == (404, 5002)


@pytest.fixture
def log(server: Server, client: httpx.Client, project: str) -> tuple[str, Path]:
    """A log of a running job: an attempt, and the file that it writes."""
    attempt = "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"
    path = server.directory / "jobs" / attempt / "job.err.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"first\n")
    with server.services.database.write() as conn:
        task = rows.add_task(conn, rows.task(project, "5b0f4f52-9d0c-4c86-a9ab-2f6c1a9e0b41"))
        job = rows.job(task.id, "")
        jobs.upsert(conn, [job])
        jobs.insert_attempts(conn, [replace(rows.attempt(job), id=attempt)])
    return log_ids(attempt)["job.err.log"], path


def test_a_growing_log_is_read_by_id_and_not_listed(
    client: httpx.Client, other: httpx.Client, project: str, log: tuple[str, Path]
) -> None:
    file_id, path = log
    assert client.get("/v2/files", params={"project": project}).json()["items"] == []
    assert client.get(f"/v2/files/{file_id}").json()["size"] == 6
    invite(client, project, "francis", read=True)
    url = download_url(other, file_id)
    assert httpx.get(url).content == b"first\n"
    with path.open("ab") as stream:
        stream.write(b"second\n")
    assert client.get(f"/v2/files/{file_id}").json()["size"] == 13
    assert httpx.get(url).content == b"first\nsecond\n"
    assert httpx.get(url, headers={"Range": "bytes=6-"}).content == b"second\n"
    href = f"/v2/files/{file_id}"
    assert error(client.delete(href)) == (403, 5001)
    assert error(client.patch(href, json={"name": "x"})) == (403, 5001)
    assert error(client.post(f"{href}/actions/copy", json={"project": project})) == (403, 5014)
    path.unlink()
    assert error(httpx.get(url)) == (404, 5002)
    assert client.get(href).json()["size"] == 0
