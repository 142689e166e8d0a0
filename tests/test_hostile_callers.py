"""Callers that mean harm to the server itself, below HTTP's manners: sockets that never come to the point."""

import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.visitor import Visitor


def connect(owner: Visitor) -> socket.socket:
    where = urlsplit(owner.server.credentials["api_endpoint"])
    return socket.create_connection((where.hostname, where.port), timeout=20)


ENDLESS = {
    "target": (b"GET /v2/", b"x" * 100_000),
    "header": (b"GET /v2/user HTTP/1.1\r\nHost: x\r\nX: ", b"x" * 100_000),
    "headers": (b"GET /v2/user HTTP/1.1\r\nHost: x\r\n", b"X-Header: value\r\n" * 5_000),
    "trailer": (b"POST /v2/user HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 100_000),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_request_without_end_is_cut(owner: Visitor, kind: str) -> None:
    begin, more = ENDLESS[kind]
    sent = 0
    with connect(owner) as caller:
        caller.sendall(begin)
        try:
            while sent < 30_000_000:
                caller.sendall(more)
                sent += len(more)
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert sent < 30_000_000


def test_strangers_do_not_fill_the_log(owner: Visitor) -> None:
    log = owner.server.data / "log" / "api.log"
    before = log.read_text() if log.exists() else ""
    upgrade = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    many = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 50
    for said in (b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", upgrade, many):
        with connect(owner) as caller:
            caller.sendall(said)
            caller.recv(100)
    assert owner.http.get("/user").status_code == 200
    assert log.read_text().removeprefix(before) == ""


def test_a_large_but_finite_head_is_read(owner: Visitor) -> None:
    answer = owner.http.get("/user", headers={f"X-{number}": "v" * 1000 for number in range(40)})
    assert answer.status_code == 200


def test_slow_callers_stop_nobody(owner: Visitor) -> None:
    project = owner.project("Slow")
    large = owner.file(owner.root(project), "large.bin", b"z" * 20_000_000)
    download = urlsplit(owner.get(f"/files/{large}/download_info")["url"])
    begun = owner.post("/upload/multipart", {"project": project, "name": "slow", "size": 5_000_000})
    upload = urlsplit(owner.get(f"/upload/multipart/{begun['upload_id']}/part/1")["url"])
    token = f"X-SBG-Auth-Token: {owner.token}\r\n"
    starts = [
        "GET /v2/us",
        f"POST /v2/projects HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n{token}\r\n{{",
        f"GET {download.path}?{download.query} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"PUT {upload.path}?{upload.query} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\nxxx",
    ]
    callers = [connect(owner) for _ in range(40)]
    try:
        for number, caller in enumerate(callers):
            caller.sendall(starts[number % len(starts)].encode())
        time.sleep(0.5)
        began = time.monotonic()
        for number in range(20):
            assert owner.get("/user")["username"] == owner.username
            owner.folder(f"f{number}", owner.root(project))
        assert owner.content(owner.file(owner.root(project), "quick.txt", b"quick")) == b"quick"
        assert time.monotonic() - began < 10
    finally:
        for caller in callers:
            caller.close()


def test_bodies_that_disagree_about_their_end(owner: Visitor) -> None:
    second = b"GET /v2/user HTTP/1.1\r\nHost: x\r\n\r\n"
    for lengths in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 4\r\nContent-Length: 40\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
    ):
        with connect(owner) as caller:
            caller.sendall(b"POST /v2/projects HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n0\r\n\r\n" + second)
            answer = b"".join(iter(lambda caller=caller: caller.recv(65536), b""))  # type: ignore[misc]
        assert answer.startswith(b"HTTP/1.1 400"), answer[:200]
        assert answer.count(b"HTTP/1.1") == 1


def test_headers_of_proxies_are_not_believed(owner: Visitor) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    answer = owner.http.get("/projects", headers=forged)
    assert answer.status_code == 200
    assert "evil" not in answer.text


def test_a_thousand_at_once(owner: Visitor) -> None:
    codes: list[int] = []

    def ask() -> None:
        with httpx.Client(headers={"X-SBG-Auth-Token": owner.token}, timeout=60) as client:
            codes.extend(
                client.get(f"{owner.server.credentials['api_endpoint']}/projects").status_code for _ in range(20)
            )

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 1000
