"""What holds for every request: tolerance of bodies, paths and methods, authentication, headers, errors."""

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from sevenbridges import Api
from sevenbridges.http.error_handlers import rate_limit_sleeper

from araneus.model.ids import new_token
from araneus.model.user import Token, token_digest
from araneus.store import tokens, users
from tests.api.conftest import Server, running, utc_now
from tests.api.uploading import download_url, start_upload, upload_file


def error(response: httpx.Response) -> tuple[int, int]:
    body = response.json()
    assert set(body) == {"status", "code", "message", "more_info"}
    assert body["status"] == response.status_code
    assert body["message"]
    assert body["more_info"].startswith("http")
    return response.status_code, body["code"]


def test_the_root_needs_no_token_and_lists_absolute_urls(server: Server) -> None:
    for path in ("/v2", "/v2/"):
        links = httpx.get(server.url + path).json()
        assert links["tasks_url"] == f"{server.url}/v2/tasks"
        assert all(url.startswith(server.url) for url in links.values())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-SBG-Auth-Token": ""},
        {"X-SBG-Auth-Token": "0" * 32},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic abc"},
        {"X-SBG-Auth-Token": b"\xff\xfe"},
    ],
)
def test_without_a_valid_token_everything_is_401(server: Server, headers: dict[str, Any]) -> None:
    for path in ("/v2/user", "/v2/projects", "/v2/files/x", "/v2/billing/groups"):
        assert error(httpx.get(server.url + path, headers=headers)) == (401, 90001)
    assert error(httpx.post(f"{server.url}/v2/projects", headers=headers, json={"name": "x"})) == (401, 90001)


def test_both_headers_carry_a_token(server: Server) -> None:
    token = server.tokens["rosalind"]
    for headers in (
        {"X-SBG-Auth-Token": token},
        {"Authorization": f"Bearer {token}"},
        {"authorization": f"bearer {token}"},
    ):
        assert httpx.get(f"{server.url}/v2/user", headers=headers).json()["username"] == "rosalind"


def test_a_revoked_token_and_a_disabled_user_are_refused_at_once(
    server: Server, client: httpx.Client, other: httpx.Client
) -> None:
    assert client.get("/v2/user").status_code == 200
    with server.services.database.write() as conn:
        assert tokens.delete(conn, token_digest(server.tokens["rosalind"]))
        francis = users.get(conn, "francis")
        assert francis is not None
        from dataclasses import replace

        users.save(conn, replace(francis, disabled=True))
    assert error(client.get("/v2/user")) == (401, 90001)
    assert error(other.get("/v2/user")) == (401, 90001)


@pytest.mark.parametrize("content", [b"", b"null", b"{}", b" \n", b"not json"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_where_none_is_needed_is_ignored(client: httpx.Client, content: bytes, kind: str) -> None:
    response = client.request("GET", "/v2/user", content=content, headers={"Content-Type": kind})
    assert response.status_code == 200
    assert client.get("/v2/user").status_code == 200, "the connection is still in step"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", (400, 90009)),
        (b"\xff", (400, 90009)),
        (b"{} {}", (400, 90009)),
        (b"[" * 200_000, (400, 90009)),
        (b'{"name": NaN}', (400, 90009)),
        (b'{"name": "\\ud800"}', (400, 90009)),
        (b"[]", (400, 90000)),
        (b"3", (400, 90000)),
        (b'"text"', (400, 90000)),
        (b'{"name": 3}', (400, 90000)),
        (b'{"name": "a\\u0000b"}', (400, 90000)),
        (b'{"name": "a", "tags": "x"}', (400, 90000)),
        (b'{"name": "a", "settings": []}', (400, 90000)),
        (b"", (400, 3007)),
        (b"null", (400, 3007)),
        (b"{}", (400, 3007)),
    ],
)
def test_bad_bodies_are_the_callers_mistake(client: httpx.Client, content: bytes, expected: tuple[int, int]) -> None:
    assert error(client.post("/v2/projects", content=content)) == expected


def test_the_content_type_does_not_matter(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/xml", ""):
        made = client.post("/v2/projects", content=b'{"name": "p"}', headers={"Content-Type": kind})
        assert made.status_code == 201


def test_a_body_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, max_body=1000) as server, server.client() as client:
        assert error(client.post("/v2/projects", json={"name": "x" * 2000})) == (400, 90000)

        def chunks() -> Any:
            for _ in range(50):
                yield b" " * 100

        assert error(client.post("/v2/projects", content=chunks())) == (400, 90000)
        assert client.post("/v2/projects", json={"name": "x" * 200}).status_code == 201


@pytest.mark.parametrize(
    "path", ["/v2/user/", "/v2//user", "/v2/user?limit=50&offset=0&fields=_all&unknown=1", "/v2/%75ser"]
)
def test_paths_are_read_generously(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert response.json()["username"] == "rosalind"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", (404, 90003)),
        ("/v1/user", (404, 90003)),
        ("/v2/nothing", (404, 90003)),
        ("/v2/user/deeper/still", (404, 90003)),
        ("/v2/users/a%00b", (400, 90000)),
        ("/v2/users/%ff", (400, 90000)),
        ("/v2/user?x=%ff", (400, 90000)),
        ("/v2/user?x=%00", (400, 90000)),
        ("/v2/projects?limit=-1", (400, 90000)),
        ("/v2/projects?limit=many", (400, 90000)),
        ("/v2/projects?limit=1.5", (400, 90000)),
        ("/v2/projects?offset=-1", (400, 90000)),
        ("/v2/projects?offset=" + "9" * 5000, (400, 90000)),
        ("/v2/projects/" + "a" * 3000 + "/b", (404, 3002)),
        ("/v2/files/" + "../" * 10, (404, 90003)),
        ("/v2/files/%2e%2e%2fpasswd", (404, 90003)),
        ("/v2/users/%F0%9F%A7%AC", (403, 2001)),
    ],
)
def test_bad_paths_and_queries(server: Server, path: str, expected: tuple[int, int]) -> None:
    token = server.tokens["rosalind"]
    assert error(raw_get(server.url, path, token)) == expected


def raw_get(url: str, path: str, token: str, method: str = "GET") -> httpx.Response:
    """A request whose path goes over the wire as it is: httpx would tidy it."""
    host, port = url.removeprefix("http://").split(":")
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nX-SBG-Auth-Token: {token}\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode("latin-1"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    top, _, body = answer.partition(b"\r\n\r\n")
    return httpx.Response(int(top.split()[1]), content=body)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_a_method_that_a_path_does_not_have(client: httpx.Client, method: str) -> None:
    assert error(client.request(method, "/v2/projects")) == (405, 90006)


def test_head_is_get_without_the_body(client: httpx.Client) -> None:
    got, head = client.get("/v2/user"), client.head("/v2/user")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == str(len(got.content))
    assert client.head("/v2/nothing").status_code == 404


def test_every_answer_has_the_headers_that_clients_read(client: httpx.Client, server: Server) -> None:
    answers = [
        client.get("/v2/user"),
        client.get("/v2/nothing"),
        client.delete("/v2/projects"),
        httpx.get(f"{server.url}/v2/user"),
        client.post("/v2/projects", content=b"{"),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-ratelimit-limit"] == "1000"
        assert int(answer.headers["x-ratelimit-remaining"]) == 1000
        assert int(answer.headers["x-ratelimit-reset"]) > 1_700_000_000
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


def test_the_rate_limit_counts_by_user(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=3, rate_window=1000) as server, server.client() as client:
        left = [client.get("/v2/user").headers["x-ratelimit-remaining"] for _ in range(3)]
        assert left == ["2", "1", "0"]
        refused = client.get("/v2/user")
        assert error(refused) == (429, 1000)
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert int(refused.headers["x-ratelimit-reset"]) > 0
        asked = client.get("/v2/rate_limit")
        assert asked.status_code == 200
        assert asked.json()["rate"]["remaining"] == 0
        with server.client("francis") as other:
            assert other.get("/v2/user").status_code == 200


def test_tokens_of_one_user_share_his_limit(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=3, rate_window=1000) as server, server.client() as client:
        token = new_token()
        row = Token(digest=token_digest(token), username="rosalind", label="second", created_on=utc_now())
        with server.services.database.write() as conn:
            tokens.insert(conn, row)
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as second:
            answers = [one.get("/v2/user") for one in (client, second, client, second, client)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
            assert error(second.get("/v2/nothing")) == (404, 90003)


def test_the_clients_own_handler_waits_until_the_window_ends(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=2, rate_window=1) as server:
        token = server.tokens["rosalind"]
        api = Api(url=f"{server.url}/v2", token=token, debug=True, error_handlers=[rate_limit_sleeper])
        assert {api.users.me().username for _ in range(6)} == {"rosalind"}


def test_every_answer_has_the_headers_of_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=100, rate_window=1000) as server, server.client() as client:
        project = client.post("/v2/projects", json={"name": "DNA"}).json()
        file = upload_file(client, "a.txt", b"abc", project=project["id"])
        part = client.get(start_upload(client, "b", 1, project=project["id"])["href"] + "/part/1").json()["url"]
        answers = [
            client.get("/v2/"),
            client.get("/v2/nothing"),
            client.put("/v2/user"),
            client.get("/v2/files/x"),
            client.get(f"/v2/projects/{project['id']}/files"),
            client.post("/v2/projects", content=b"{"),
            httpx.get(f"{server.url}/v2/user"),
            httpx.get(download_url(client, file["id"]), headers={"Range": "bytes=0-1"}),
            httpx.put(part, content=b"x"),
            client.delete(file["href"]),
        ]
    assert [answer.status_code for answer in answers] == [200, 404, 405, 404, 302, 400, 401, 206, 200, 204]
    for answer in answers:
        assert answer.headers["x-ratelimit-limit"] == "100"
        assert 0 <= int(answer.headers["x-ratelimit-remaining"]) <= 100
        assert int(answer.headers["x-ratelimit-reset"]) % 1000 == 0
        assert answer.headers["x-request-id"]


def test_the_rate_limit_resource(client: httpx.Client) -> None:
    shown = client.get("/v2/rate_limit").json()
    assert shown["rate"]["limit"] == shown["rate"]["remaining"] == 1000
    assert shown["instance_limit"] == {"limit": -1, "remaining": 9223372036854775807}


def test_a_fault_of_ours_is_a_500_with_a_request_id_and_is_logged(
    server: Server, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with server.services.database.write() as conn:
        conn.exec_driver_sql("ALTER TABLE members RENAME TO hidden_members")
    answer = client.get("/v2/projects")
    assert error(answer) == (500, 90004)
    assert answer.headers["x-request-id"] in answer.json()["message"]
    assert "hidden" not in json.dumps(answer.json())
    printed = capfd.readouterr()
    assert answer.headers["x-request-id"] in printed.out + printed.err
    assert client.get("/v2/user").status_code == 200


def test_hrefs_follow_the_proxy_only_when_it_is_trusted(tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "api.example.org"}
    with running(tmp_path, trust_proxy=True) as server, server.client() as client:
        assert client.get("/v2/user", headers=forwarded).json()["href"] == "https://api.example.org/v2/users/rosalind"
    (tmp_path / "second").mkdir()
    with running(tmp_path / "second", public_url="https://public.example.org") as server, server.client() as client:
        body = client.get("/v2/user", headers=forwarded).json()
        assert body["href"] == "https://public.example.org/v2/users/rosalind"


def test_a_wrong_method_is_told_the_right_ones_in_a_header(client: httpx.Client) -> None:
    """RFC 9110: a 405 must say which methods are allowed."""
    assert client.request("TRACE", "/v2/projects").headers["allow"] == "GET, HEAD, POST"
    assert client.put("/v2/bulk/files/get").headers["allow"] == "POST"
    assert "allow" not in client.get("/v2/nothing").headers
