"""Multipart uploads and signed URLs over HTTP."""

import base64
import hashlib
import http.client
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from araneus.model.upload import MAX_PART, MIN_PART
from tests.api.conftest import Server, make_services, running, serve
from tests.api.test_edge import error
from tests.api.test_projects import invite, make_project
from tests.api.uploading import blob_files, download_url, put_part, start_upload, upload_file


@pytest.fixture
def project(client: httpx.Client) -> str:
    return str(make_project(client)["id"])


def leftovers(server: Server) -> list[str]:
    return [path.name for path in (server.directory / "uploads").rglob("*")]


def test_a_small_file_goes_in_and_comes_out(server: Server, client: httpx.Client, project: str) -> None:
    made = upload_file(client, "sample 1.txt", b"hello", project=project)
    assert set(made) == {
        "href", "id", "name", "size", "project", "parent", "type", "created_on", "modified_on", "storage", "origin",
        "tags", "metadata",
    }  # fmt: skip
    assert (made["size"], made["type"], made["origin"], made["tags"], made["metadata"]) == (5, "file", {}, [], {})
    assert httpx.get(download_url(client, made["id"])).content == b"hello"
    assert leftovers(server) == []
    assert client.get("/v2/upload/multipart").json()["items"] == []


def test_parts_arrive_in_parallel_and_out_of_order(server: Server, client: httpx.Client, project: str) -> None:
    content = bytes(range(256)) * (MIN_PART * 2 // 256) + b"tail"
    upload = start_upload(client, "big.bin", len(content), project=project, part_size=MIN_PART)
    assert upload["part_size"] == MIN_PART
    pieces = [(number + 1, content[number * MIN_PART : (number + 1) * MIN_PART]) for number in (2, 0, 1)]
    with ThreadPoolExecutor(3) as pool:
        assert all(
            answer.status_code == 200 for answer in pool.map(lambda piece: put_part(client, upload, *piece), pieces)
        )
    shown = client.get(f"{upload['href']}?list_parts=TRUE").json()
    assert shown["uploaded_parts_count"] == 3
    assert [part["part_number"] for part in shown["parts"]] == [1, 2, 3]
    done = client.post(f"{upload['href']}/complete").json()
    assert done["size"] == len(content)
    assert blob_files(server) == [hashlib.sha256(content).hexdigest()]
    assert httpx.get(download_url(client, done["id"])).content == content
    assert leftovers(server) == []


def test_an_empty_file_in_either_way(client: httpx.Client, project: str) -> None:
    made = upload_file(client, "empty", b"", project=project)
    whole = httpx.get(download_url(client, made["id"]))
    assert (made["size"], whole.content, whole.headers["content-length"]) == (0, b"", "0")
    upload = start_upload(client, "none", 0, project=project)
    assert client.post(f"{upload['href']}/complete").json()["size"] == 0


def test_parts_listed_at_the_end_need_no_reports(client: httpx.Client, project: str) -> None:
    upload = start_upload(client, "r.txt", 3, project=project)
    url = client.get(f"{upload['href']}/part/1").json()["url"]
    etag = httpx.put(url, content=b"abc").headers["etag"]
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    for bad in ({"parts": 3}, {"parts": [3]}, {"parts": [{"part_number": 1}]}):
        assert error(client.post(f"{upload['href']}/complete", json=bad)) == (400, 8015)
    wrong = {"part_number": 1, "response": {"headers": {"ETag": "0" * 32}}}
    assert error(client.post(f"{upload['href']}/complete", json={"parts": [wrong]})) == (400, 8014)
    right = {"part_number": 1, "response": {"headers": {"ETag": etag}}}
    assert client.post(f"{upload['href']}/complete", json={"parts": [right]}).json()["size"] == 3


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, 8013)),
        ({"name": ""}, (400, 8013)),
        ({"name": "a/b"}, (400, 8013)),
        ({"name": ".."}, (400, 8013)),
        ({"name": "x" * 300}, (400, 8013)),
        ({"name": "é" * 200}, (400, 8013)),
        ({"name": "a\nb"}, (400, 8013)),
        ({"name": 5}, (400, 8013)),
        ({"name": "a", "size": -1}, (400, 8013)),
        ({"name": "a", "size": 1.5}, (400, 8013)),
        ({"name": "a", "size": 2**63}, (400, 8013)),
        ({"name": "a", "size": "5"}, (400, 8013)),
        ({"name": "a", "part_size": -1}, (400, 8013)),
        ({"name": "a", "project": "malformed"}, (400, 8010)),
        ({"name": "a", "project": "nobody/nothing"}, (404, 3002)),
        ({"name": "a", "project": None}, (400, 8013)),
        ({"name": "a", "project": None, "parent": "0" * 24}, (404, 5026)),
        ({"name": "a", "project": None, "parent": "../../etc"}, (404, 5026)),
        ({"name": "a", "parent": "0" * 24}, (400, 8013)),
    ],
)
def test_bad_beginnings(client: httpx.Client, project: str, body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert error(client.post("/v2/upload/multipart", json={"project": project, **body})) == expected


def test_the_server_settles_the_part_size(client: httpx.Client, project: str) -> None:
    assert start_upload(client, "a", 10, project=project, part_size=1)["part_size"] == MIN_PART
    assert start_upload(client, "b", 10.0, project=project)["part_size"] == 32 * 1024**2  # type: ignore[arg-type]
    assert start_upload(client, "c", None, project=project, part_size=2**40)["part_size"] == MAX_PART
    huge = start_upload(client, "d", 5 * 1024**4, project=project, part_size=MIN_PART)
    assert huge["part_size"] * 10_000 >= 5 * 1024**4
    assert client.get("/v2/upload/multipart").headers["x-total-matching-query"] == "4"


def test_a_taken_name_needs_overwrite(server: Server, client: httpx.Client, project: str) -> None:
    first = upload_file(client, "same", b"one", project=project)
    refused = client.post("/v2/upload/multipart", json={"project": project, "name": "same", "size": 3})
    assert error(refused) == (409, 8005)
    second = upload_file(client, "same", b"two", "?overwrite=True", project=project)
    assert second["id"] != first["id"]
    assert error(client.get(first["href"])) == (404, 5002)
    assert blob_files(server) == [hashlib.sha256(b"two").hexdigest()]
    again = upload_file(client, "same", b"two", "?overwrite=TRUE", project=project)
    assert httpx.get(download_url(client, again["id"])).content == b"two"
    folder = client.post("/v2/files", json={"name": "folder", "type": "folder", "project": project}).json()
    body = {"project": project, "name": folder["name"], "size": 3}
    assert error(client.post("/v2/upload/multipart?overwrite=true", json=body)) == (409, 8005)


def test_a_name_taken_meanwhile_is_noticed_at_the_end(server: Server, client: httpx.Client, project: str) -> None:
    slow = start_upload(client, "name", 1, project=project)
    put_part(client, slow, 1, b"s")
    upload_file(client, "name", b"fast", project=project)
    assert error(client.post(f"{slow['href']}/complete")) == (409, 8005)
    assert blob_files(server) == [hashlib.sha256(b"fast").hexdigest()]


def test_incomplete_uploads_do_not_become_files(client: httpx.Client, project: str) -> None:
    upload = start_upload(client, "gap", MIN_PART + 1, project=project, part_size=MIN_PART)
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    put_part(client, upload, 2, b"x")
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    put_part(client, upload, 1, b"short")
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    put_part(client, upload, 1, b"y" * MIN_PART)
    done = client.post(f"{upload['href']}/complete")
    assert done.json()["size"] == MIN_PART + 1
    assert error(client.post(f"{upload['href']}/complete")) == (404, 8003)


def test_reports_are_checked(client: httpx.Client, project: str) -> None:
    upload = start_upload(client, "r", 3, project=project)
    path = f"{upload['href']}/part"

    def report(number: Any, etag: Any) -> httpx.Response:
        return client.post(path, json={"part_number": number, "response": {"headers": {"etag": etag}}})

    assert error(report(1, "0" * 32)) == (400, 8014)
    put_part(client, upload, 1, b"abc")
    assert error(report(1, "")) == (400, 8014)
    assert error(report(1, None)) == (400, 8014)
    assert error(report(1, "0" * 32)) == (400, 8014)
    assert error(report("1", "0" * 32)) == (400, 8014)
    assert error(report(0, hashlib.md5(b"abc").hexdigest())) == (400, 8012)
    assert error(client.post(path, json={})) == (400, 8014)
    assert error(client.post(path, json={"part_number": 1, "response": {"headers": []}})) == (400, 8014)
    assert report(1, f'"{hashlib.md5(b"abc").hexdigest().upper()}"').status_code == 200
    for number in ("0", "10001", "x", "-1", "1" * 40):
        assert error(client.get(f"{path}/{number}")) == (400, 8012)


def test_abort_frees_the_parts(server: Server, client: httpx.Client, project: str) -> None:
    upload = start_upload(client, "a", 3, project=project)
    put_part(client, upload, 1, b"abc")
    assert leftovers(server)
    url = client.get(f"{upload['href']}/part/1").json()["url"]
    assert client.request("DELETE", upload["href"], json={}).status_code == 204
    assert leftovers(server) == []
    assert error(client.get(upload["href"])) == (404, 8003)
    assert error(client.delete(upload["href"])) == (404, 8003)
    assert error(httpx.put(url, content=b"abc")) == (404, 8003)
    assert leftovers(server) == []


def test_uploads_of_others_do_not_exist(client: httpx.Client, other: httpx.Client, project: str) -> None:
    upload = start_upload(client, "a", 3, project=project)
    assert error(other.post("/v2/upload/multipart", json={"project": project, "name": "x"})) == (404, 3002)
    invite(client, project, "francis", read=True, execute=True, copy=True)
    assert error(other.post("/v2/upload/multipart", json={"project": project, "name": "x"})) == (403, 8001)
    for method, tail in [("GET", ""), ("DELETE", ""), ("GET", "/part/1"), ("POST", "/complete")]:
        assert error(other.request(method, upload["href"] + tail)) == (404, 8003)
    assert other.get("/v2/upload/multipart").json()["items"] == []


def test_a_part_larger_than_the_file_is_refused_and_leaves_nothing(
    server: Server, client: httpx.Client, project: str
) -> None:
    upload = start_upload(client, "a", MIN_PART, project=project, part_size=MIN_PART)
    url = client.get(f"{upload['href']}/part/1").json()["url"]
    assert error(httpx.put(url, content=b"x" * (MIN_PART + 1))) == (400, 8014)
    assert [name for name in leftovers(server) if name != upload["upload_id"]] == []


def test_a_part_whose_sender_goes_away_leaves_nothing(server: Server, client: httpx.Client, project: str) -> None:
    upload = start_upload(client, "a", MIN_PART, project=project)
    parts = urlsplit(client.get(f"{upload['href']}/part/1").json()["url"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", str(MIN_PART))
    connection.endheaders()
    connection.send(b"x" * (3 * 1024**2))
    connection.close()
    for _ in range(200):
        if [name for name in leftovers(server) if name != upload["upload_id"]] == []:
            break
        client.get("/v2/user")
    assert [name for name in leftovers(server) if name != upload["upload_id"]] == []
    assert client.get(upload["href"]).json()["uploaded_parts_count"] == 0


def test_tampered_and_expired_links_are_refused(client: httpx.Client, project: str, tmp_path: Path) -> None:
    made = upload_file(client, "a", b"secret", project=project)
    second = upload_file(client, "b", b"other", project=project)
    url = download_url(client, made["id"])
    assert httpx.get(url).content == b"secret"
    for changed in (
        url.replace(made["id"], second["id"]),
        url.replace("expires=", "expires=9"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.split("?")[0],
        url.replace("signature=", "signature=%C3%A9"),
        url.replace("/a?", "/b?"),
    ):
        assert error(httpx.get(changed)) == (403, 90002), changed
    assert error(httpx.put(url, content=b"x")) == (405, 90006)
    part = client.get(f"{start_upload(client, 'c', 1, project=project)['href']}/part/1").json()["url"]
    assert error(httpx.put(part.replace("/1?", "/2?"), content=b"x")) == (403, 90002)
    (tmp_path / "expiring").mkdir()
    with running(tmp_path / "expiring", link_lifetime=timedelta(seconds=-1)) as server, server.client() as late:
        old = upload_file_unsigned(server, late)
        assert error(httpx.get(download_url(late, old))) == (403, 90002)


def upload_file_unsigned(server: Server, client: httpx.Client) -> str:
    """A file row made without links, which expire at once on this server."""
    upload = start_upload(client, "x", 0, project=make_project(client)["id"])
    return str(client.post(f"{upload['href']}/complete").json()["id"])


def test_links_survive_a_restart_and_stray_directories_do_not(tmp_path: Path) -> None:
    with running(tmp_path) as server, server.client() as client:
        project = make_project(client)["id"]
        made = upload_file(client, "a", b"bytes", project=project)
        pending = start_upload(client, "b", 3, project=project)
        put_part(client, pending, 1, b"abc")
        path = urlsplit(download_url(client, made["id"]))
        token = server.tokens["rosalind"]
    (tmp_path / "uploads" / "stray").mkdir()
    services = make_services(tmp_path)
    with serve(services) as url:
        assert httpx.get(f"{url}{path.path}?{path.query}").content == b"bytes"
        headers = {"X-SBG-Auth-Token": token}
        done = httpx.post(f"{url}/v2/upload/multipart/{pending['upload_id']}/complete", headers=headers)
        assert done.json()["size"] == 3
    services.database.close()
    assert list((tmp_path / "uploads").iterdir()) == []


def test_the_same_bytes_are_kept_once(server: Server, client: httpx.Client, project: str) -> None:
    first = upload_file(client, "a", b"same", project=project)
    second = upload_file(client, "b", b"same", project=project)
    assert len(blob_files(server)) == 1
    assert client.delete(first["href"]).status_code == 204
    assert httpx.get(download_url(client, second["id"])).content == b"same"
    assert client.delete(second["href"]).status_code == 204
    assert blob_files(server) == []


def test_bytes_that_come_and_go_at_the_same_time_are_never_lost(
    server: Server, client: httpx.Client, project: str
) -> None:
    def come_and_go(worker: int) -> None:
        for turn in range(6):
            made = upload_file(client, f"f{worker}-{turn}", b"contended", project=project)
            assert httpx.get(download_url(client, made["id"])).content == b"contended"
            assert client.delete(made["href"]).status_code == 204

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert blob_files(server) == []


def test_files_that_come_while_their_project_goes(server: Server, client: httpx.Client) -> None:
    """Each call succeeds or is refused; nothing of a deleted project stays."""
    source = upload_file(client, "s", b"source", project=make_project(client, "Source")["id"])

    def fill(number: int, project: str) -> set[int]:
        answers = [client.post(f"{source['href']}/actions/copy", json={"project": project, "name": f"c{number}"})]
        begun = client.post("/v2/upload/multipart", json={"name": f"u{number}", "size": 0, "project": project})
        if begun.status_code == 201:
            answers.append(client.post(f"{begun.json()['href']}/complete"))
        return {answer.status_code for answer in (*answers, begun)}

    for turn in range(4):
        project = make_project(client, f"Going {turn}")["id"]
        with ThreadPoolExecutor(6) as pool:
            filling = [pool.submit(fill, number, project) for number in range(10)]
            assert pool.submit(client.delete, f"/v2/projects/{project}").result().status_code == 204
        assert set().union(*(done.result() for done in filling)) <= {201, 404, 400}
    assert blob_files(server) == [hashlib.sha256(b"source").hexdigest()]


def test_deleting_a_project_drops_its_bytes_and_parts(server: Server, client: httpx.Client, project: str) -> None:
    upload_file(client, "a", b"gone", project=project)
    put_part(client, start_upload(client, "b", 3, project=project), 1, b"abc")
    assert client.delete(f"/v2/projects/{project}").status_code == 204
    assert blob_files(server) == []
    assert leftovers(server) == []


@pytest.mark.parametrize("pieces", [[b"hello"], [b"a" * MIN_PART, b"tail"], [b""]])
def test_a_file_that_is_not_what_was_announced_does_not_come_in(
    client: httpx.Client, project: str, pieces: list[bytes]
) -> None:
    """The MD5 of the whole file is checked when all parts are here; the right bytes may still be sent after that."""
    content = b"".join(pieces)
    wrong = start_upload(client, "w.bin", len(content), project=project, part_size=MIN_PART, md5="0" * 32)
    right = start_upload(
        client, "r.bin", len(content), project=project, part_size=MIN_PART, md5=hashlib.md5(content).hexdigest().upper()
    )
    for number, piece in enumerate(pieces, 1):
        assert put_part(client, wrong, number, piece).status_code == 200
        assert put_part(client, right, number, piece).status_code == 200
    answer = client.post(f"{wrong['href']}/complete")
    assert error(answer) == (400, 8007)
    assert hashlib.md5(content).hexdigest() in answer.json()["message"]
    assert client.get(wrong["href"]).json()["uploaded_parts_count"] == len(pieces)
    assert client.post(f"{right['href']}/complete").json()["size"] == len(content)
    assert [file["name"] for file in client.get(f"/v2/files?project={project}").json()["items"]] == ["r.bin"]


def test_a_file_of_unknown_size_is_not_made_of_nothing(client: httpx.Client, project: str) -> None:
    """Whose parts all failed must not find an empty file."""
    upload = start_upload(client, "a", None, project=project)
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    assert put_part(client, upload, 1, b"").status_code == 200
    assert client.post(f"{upload['href']}/complete").json()["size"] == 0


def test_the_announced_md5_is_one(client: httpx.Client, project: str) -> None:
    for md5 in ("0" * 31, "g" * 32, "0" * 33, "\u0660" * 32):
        answer = client.post("/v2/upload/multipart", json={"project": project, "name": "x", "md5": md5})
        assert error(answer) == (400, 8013), md5
    assert client.post("/v2/upload/multipart", json={"project": project, "name": "x", "md5": ""}).status_code == 201


def test_a_part_says_its_md5_itself(server: Server, client: httpx.Client, project: str) -> None:
    upload = start_upload(client, "p.txt", 5, project=project)
    where = client.get(f"{upload['href']}/part/1").json()["url"]
    other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    for digest in (other, "no digest", "AAAA"):
        assert error(httpx.put(where, content=b"hello", headers={"Content-MD5": digest})) == (400, 8014), digest
    assert client.get(upload["href"]).json()["uploaded_parts_count"] == 0
    assert leftovers(server) == [upload["upload_id"]]
    right = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
    assert httpx.put(where, content=b"hello", headers={"Content-MD5": right}).status_code == 200
