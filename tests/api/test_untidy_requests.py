"""Requests as scripts put them on the wire: curl with a name in UTF-8, a shell's byte order mark, R's repeated fields,
bodies packed by a proxy; and what a caller hears who does not speak HTTP at all."""

import asyncio
import gzip
import json
import logging
import socket
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
import uvloop

from araneus.api.app import build
from araneus.api.connection import Gathering
from tests.api.conftest import Server
from tests.api.test_edge import error
from tests.api.test_projects import make_project
from tests.api.uploading import download_url, upload_file


def exchange(url: str, request: bytes, *more: bytes) -> httpx.Response:
    """The first answer to bytes that go over the wire as they are, each of ``more`` after the answer before it."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        answer = b""
        for piece in (request, *more):
            connection.sendall(piece)
            answer = connection.recv(65536)
        while b"connection: close" in answer and (piece := connection.recv(65536)):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def head_of(server: Server, target: str, *, close: bool = True) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", f"X-SBG-Auth-Token: {server.tokens['rosalind']}"]
    return "\r\n".join([*lines, *(["Connection: close"] if close else []), "", ""]).encode()


@pytest.mark.parametrize("before", [0, 1])
def test_curl_sends_a_name_in_utf8_as_it_is(server: Server, client: httpx.Client, before: int) -> None:
    project = make_project(client)
    made = upload_file(client, "résumé 🧬.txt".replace(" ", "_"), b"x", project=project["id"])
    target = f"/v2/files?project={project['id']}&name=résumé_🧬.txt"
    others = [head_of(server, "/v2/user", close=False)] * before
    answer = exchange(server.url, *others, head_of(server, target))
    assert [item["id"] for item in answer.json()["items"]] == [made["id"]]


@pytest.mark.parametrize(
    "request_", [b"GET /v2/user?x=a b HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\xff\xfe\n\r\n", b"hello\r\n\r\n"]
)
def test_who_does_not_speak_http_gets_an_error_of_the_usual_shape(server: Server, request_: bytes) -> None:
    answer = exchange(server.url, request_)
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"status", "code", "message", "more_info"}
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (400, 400, 90000)


def test_a_byte_order_mark_before_a_body_is_passed_over(client: httpx.Client) -> None:
    assert client.post("/v2/projects", content=b'\xef\xbb\xbf{"name": "DNA"}').status_code == 201
    assert error(client.post("/v2/projects", content=b"\xef\xbb\xbf")) == (400, 3007)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "identity, gzip"])
def test_a_packed_body_is_refused_as_such(client: httpx.Client, coding: str) -> None:
    body = gzip.compress(json.dumps({"name": "DNA"}).encode())
    answer = client.post("/v2/projects", content=body, headers={"Content-Encoding": coding})
    assert error(answer) == (415, 90008)
    assert "Content-Encoding" in answer.json()["message"]


@pytest.mark.parametrize("coding", ["identity", ""])
def test_a_body_that_says_it_is_not_packed_is_read(client: httpx.Client, coding: str) -> None:
    answer = client.post("/v2/projects", content=b'{"name": "DNA"}', headers={"Content-Encoding": coding})
    assert answer.status_code == 201


def test_fields_may_be_repeated_as_r_does(client: httpx.Client) -> None:
    project = make_project(client)
    assert client.get(f"/v2/projects/{project['id']}?fields=id&fields=name").json().keys() == {"id", "name"}
    listed = client.get("/v2/projects?fields=id&fields=!name&fields=name").json()
    assert [item.keys() for item in listed["items"]] == [{"id"}]
    assert client.get(listed["href"]).json() == listed


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b"", b'{"x": 1}'])
def test_actions_take_the_empty_bodies_of_all_clients(client: httpx.Client, body: bytes) -> None:
    """`sevenbridges2` sends an empty list, R before it an object, Python null, curl nothing."""
    project = make_project(client)
    made = upload_file(client, "a", b"x", project=project["id"])
    assert client.request("GET", made["href"], content=body).status_code == 200
    assert client.request("DELETE", made["href"], content=body).status_code == 204


def test_the_page_before_one_beyond_the_end_is_the_last(client: httpx.Client) -> None:
    for _ in range(3):
        make_project(client)
    links = client.get("/v2/projects?offset=1000&limit=2").json()["links"]
    assert [(link["rel"], link["href"].partition("?")[2]) for link in links] == [("prev", "offset=1&limit=2")]
    links = client.get("/v2/projects?offset=2&limit=2").json()["links"]
    assert [link["href"].partition("?")[2] for link in links] == ["offset=0&limit=2"]
    assert (
        client.get("/v2/projects?offset=5&limit=2&name=nothing").json()["links"][0]["href"].endswith("offset=0&limit=2")
    )


@pytest.mark.parametrize("condition", ["*", '"{tag}"', 'W/"{tag}"', '"x", "{tag}"'])
def test_bytes_that_a_client_has_are_not_sent_again(client: httpx.Client, condition: str) -> None:
    project = make_project(client)
    url = download_url(client, upload_file(client, "a", b"abc", project=project["id"])["id"])
    tag = httpx.get(url).headers["etag"]
    for more in ({}, {"Range": "bytes=0-1"}, {"Range": "bytes=99-"}):
        answer = httpx.get(url, headers={"If-None-Match": condition.format(tag=tag.strip('"')), **more})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert httpx.get(url, headers={"If-None-Match": '"x", W/"y"'}).content == b"abc"
    assert httpx.head(url, headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("name", ["a\x7fb", "\x85", "a\x9f"])
def test_no_name_holds_a_control_character(client: httpx.Client, name: str) -> None:
    project = make_project(client)
    body = {"project": project["id"], "name": name, "size": 1}
    assert error(client.post("/v2/upload/multipart", json=body)) == (400, 8013)


class Late(asyncio.Protocol):
    """Answers when whoever asked is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        self.gathering = Gathering(cast("asyncio.Transport", transport), loop)

    def connection_lost(self, exc: Exception | None) -> None:
        for _ in range(10):
            self.gathering.write(b"late")


@pytest.mark.parametrize("begin", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_an_answer_that_nobody_hears_any_more_is_no_trouble(
    begin: Callable[[], asyncio.AbstractEventLoop], caplog: pytest.LogCaptureFixture
) -> None:
    async def hang_up() -> None:
        listening = await asyncio.get_running_loop().create_server(Late, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        writer.write(b"x")
        writer.transport.abort()
        await asyncio.sleep(0.1)
        listening.close()

    loop = begin()
    try:
        with caplog.at_level(logging.WARNING):
            loop.run_until_complete(hang_up())
    finally:
        loop.close()
    assert [record.getMessage() for record in caplog.records] == []


def test_who_waits_when_the_server_stops_is_told_so(server: Server) -> None:
    sent: list[Any] = []

    async def asked_and_stopped() -> None:
        app = build(server.services)
        pieces = iter([{"type": "http.request", "body": b'{"name": "DNA"}', "more_body": False}])
        headers = [(b"x-sbg-auth-token", server.tokens["rosalind"].encode())]
        scope = {"type": "http", "method": "POST", "path": "/v2/projects", "raw_path": b"/v2/projects"}

        async def receive() -> Any:
            return next(pieces)

        async def send(message: Any) -> None:
            sent.append(message)

        scope |= {"headers": headers, "query_string": b"", "scheme": "http", "server": ("localhost", 80)}
        with server.services.database.write():
            task = asyncio.ensure_future(app(scope, receive, send))
            await asyncio.sleep(0.2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asked_and_stopped())
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["code"] == 90004


@pytest.mark.parametrize("written", ["1e%2B05", "1e+05", "1E5", "100000.0", "1.0e5", "100000"])
def test_numbers_are_read_as_r_writes_them(client: httpx.Client, written: str) -> None:
    make_project(client)
    answer = client.get(f"/v2/projects?offset={written}&limit=2")
    assert answer.json()["href"].partition("?")[2] == "offset=100000&limit=2"


@pytest.mark.parametrize(
    "written", ["1e-1", "2.5", "-1e2", "1e", "e5", "1e999", "1e+05x", "0x10", "nan", "1_0", "٣", ".", "1e+"]
)
def test_what_is_no_whole_number_is_refused(client: httpx.Client, written: str) -> None:
    assert error(client.get("/v2/projects", params={"offset": written})) == (400, 90000)
