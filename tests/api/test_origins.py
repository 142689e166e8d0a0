"""Pages in browsers: what they ask first, and what they may see."""

import httpx
import pytest

from tests.api.conftest import Server
from tests.api.test_edge import error

PAGE = {"Origin": "https://page.example.org"}
ASKS = PAGE | {"Access-Control-Request-Headers": "content-type,x-sbg-auth-token"}


@pytest.mark.parametrize("path", ["/v2/tasks", "/v2/projects/a/b", "/v2/nothing"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_browser_asks_first_and_without_a_token(server: Server, path: str, method: str) -> None:
    answer = httpx.options(server.url + path, headers=ASKS | {"Access-Control-Request-Method": method})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert {"content-type", "x-sbg-auth-token", "authorization", "*"} <= allowed
    assert "access-control-allow-credentials" not in answer.headers


def test_a_page_sees_answers_errors_and_the_headers_of_lists(client: httpx.Client, server: Server) -> None:
    answers = [
        client.get("/v2/projects", headers=PAGE),
        client.post("/v2/projects", headers=PAGE, json={"name": "DNA"}),
        client.get("/v2/nothing", headers=PAGE),
        client.options("/v2/projects", headers=PAGE),
        httpx.get(f"{server.url}/v2/user", headers=PAGE),
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 404, 405, 401]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "X-Total-Matching-Query" in answer.headers["access-control-expose-headers"].split(", ")


def test_others_are_told_nothing_of_it(client: httpx.Client) -> None:
    assert not [name for name in client.get("/v2/projects").headers if name.startswith("access-control")]
    assert error(client.options("/v2/projects", headers={"Access-Control-Request-Method": "GET"})) == (405, 90006)
