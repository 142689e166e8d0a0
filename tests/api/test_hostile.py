"""Whatever a stranger sends to any route, the answer is a well-formed 2xx, 3xx or 4xx: never a fault of ours."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.api.call import Route
from araneus.api.routes import ROUTES
from tests.api.conftest import running
from tests.api.test_projects import make_project
from tests.api.uploading import start_upload, upload_file

NASTY = [
    "", ".", "..", "a/b", "%00", "\x00", "null", "0", "-1", "9" * 30, "x" * 300, "é", "\ud800", "' OR 1=1 --",
    "{{7*7}}", "<script>", "0" * 24, "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41", "rosalind", "my-project", "True", "raw",
]  # fmt: skip
KEYS = st.sampled_from(
    [
        "name", "project", "parent", "type", "metadata", "tags", "permissions", "username", "email", "settings", "size",
        "part_size", "part_number", "response", "headers", "ETag", "parts", "items", "file_ids", "id", "app", "inputs",
        "batch", "batch_input", "batch_by", "class", "path", "cwlVersion", "steps", "execution_settings", "task_ids",
        "output_location", "description", "billing_group", "intermediate_files", "duration", "", "\x00", "file",
        "query", "paths", "days", "label", "division", "admin", "disabled",
    ]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(NASTY)
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=5) | VALUES
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "fields", "offset", "limit", "project", "parent", "name", "tag", "metadata.x", "origin.task", "status",
                "overwrite", "list_parts", "id", "q", "visibility", "order_by", "order", "created_from", "action",
                "category", "tags", "run", "expires", "signature", "batch", "username", "", "token", "cont_token", "by",
                "division", "role", "_all", "date_from", "date_to", "invoice_id",
            ]
        ),
        st.sampled_from(NASTY) | st.text(max_size=6),
    ),
    max_size=4,
)  # fmt: skip


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One server for all of it: what one attack does to it must not hurt the next."""
    with running(tmp_path_factory.mktemp("hostile")) as server, server.client() as opened:
        yield opened


@pytest.fixture
def known(client: httpx.Client) -> list[str]:
    """Ids that exist, so that some of the calls get past the first look."""
    project = make_project(client)
    made = upload_file(client, "a", b"x", project=project["id"])
    upload = start_upload(client, "b", 3, project=project["id"])
    short = project["id"].split("/")[1]
    return ["rosalind", short, made["id"], project["root_folder"], upload["upload_id"], project["billing_group"]]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_input_makes_the_server_fail(client: httpx.Client, known: list[str], route: Route) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.data())
    def attack(data: st.DataObject) -> None:
        parts = [
            encoded(data.draw(st.sampled_from([*known, *NASTY]))) if part.startswith("{") else part
            for part in route.path.split("/")
        ]
        query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in data.draw(QUERIES))
        body: Any = data.draw(BODIES)
        content = json.dumps(body) if data.draw(st.integers(0, 9)) else data.draw(st.binary(max_size=30))
        answer = client.request(route.method, f"/v2{'/'.join(parts)}?{query}", content=content)
        assert answer.status_code < 500, (answer.status_code, answer.text, body)
        if answer.status_code >= 400:
            assert answer.json()["status"] == answer.status_code
            assert answer.json()["code"] >= 1000

    attack()
    assert client.get("/v2/user").status_code == 200
