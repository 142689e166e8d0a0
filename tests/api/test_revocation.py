"""What was allowed when a request began, and is not when it is complete."""

import socket
import time
from dataclasses import replace

import httpx
import pytest

from araneus.model.user import token_digest
from araneus.store import tokens, users
from tests.api.conftest import Server
from tests.api.test_edge import error
from tests.api.test_projects import make_project
from tests.api.uploading import start_upload


class Slow:
    """A request whose body comes in two pieces."""

    def __init__(self, server: Server, method: str, target: str, body: bytes) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self._connection = socket.create_connection((host, int(port)), timeout=20)
        self._rest = body[len(body) // 2 :]
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n"
        head += f"X-SBG-Auth-Token: {server.tokens['rosalind']}\r\nConnection: close\r\n\r\n"
        self._connection.sendall(head.encode() + body[: len(body) // 2])
        time.sleep(0.3)  # until the server has looked at the token and waits for the rest

    def finish(self) -> httpx.Response:
        self._connection.sendall(self._rest)
        answer = b""
        while piece := self._connection.recv(65536):
            answer += piece
        self._connection.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return httpx.Response(int(head.split()[1]), content=body)


def disable(server: Server, username: str) -> None:
    with server.services.database.write() as conn:
        user = users.get(conn, username)
        assert user is not None
        users.save(conn, replace(user, disabled=True))


@pytest.mark.parametrize("how", ["revoked", "disabled"])
def test_a_request_that_was_begun_before_the_token_was_taken_away(server: Server, how: str) -> None:
    slow = Slow(server, "POST", "/v2/projects", b'{"name": "DNA"}')
    if how == "revoked":
        with server.services.database.write() as conn:
            assert tokens.delete(conn, token_digest(server.tokens["rosalind"]))
    else:
        disable(server, "rosalind")
    assert error(slow.finish()) == (401, 90001)
    with server.services.database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM projects").scalar_one() == 0


def test_a_slow_request_of_somebody_who_stays_is_served(server: Server, client: httpx.Client) -> None:
    assert Slow(server, "POST", "/v2/projects", b'{"name": "DNA"}').finish().status_code == 201


def test_a_part_that_was_begun_before_the_account_was_disabled(server: Server, client: httpx.Client) -> None:
    project = make_project(client)["id"]
    upload = start_upload(client, "a", 6, project=project)
    url = client.get(f"{upload['href']}/part/1").json()["url"]
    slow = Slow(server, "PUT", url.removeprefix(server.url), b"abcdef")
    disable(server, "rosalind")
    assert error(slow.finish()) == (403, 90002)
    with server.services.database.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM upload_parts").scalar_one() == 0
