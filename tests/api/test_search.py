"""Searching files with the query language."""

import re
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.api import search
from araneus.model.errors import Refusal
from araneus.model.file import File
from araneus.model.search import parse
from tests.api.conftest import Server, utc_now
from tests.api.test_edge import error
from tests.api.test_files import make_folder
from tests.api.test_projects import make_project
from tests.api.uploading import upload_file


@pytest.fixture
def project(client: httpx.Client) -> str:
    """a.bam (10 bytes), b.txt (2), data/{c.bam (3), deep/d.bam (1)}."""
    made = str(make_project(client)["id"])
    data = make_folder(client, "data", project=made)
    deep = make_folder(client, "deep", parent=data["id"])
    for name, size, where, metadata, tags in (
        ("a.bam", 10, {"project": made}, {"sample_id": "S1", "paired end": "1"}, ["wgs"]),
        ("b.txt", 2, {"project": made}, {"sample_id": ["S1", "S2"]}, ["note", "wgs"]),
        ("c.bam", 3, {"parent": data["id"]}, {"sample_id": "S2"}, []),
        ("d.bam", 1, {"parent": deep["id"]}, {}, []),
    ):
        href = upload_file(client, name, b"x" * size, **where)["href"]
        client.patch(href, json={"metadata": metadata, "tags": tags})
    return made


def found(client: httpx.Client, query: str, **parameters: Any) -> list[str]:
    answer = client.post("/v2/files/search", json={"query": query}, params=parameters)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["count"] == len(body["result_set"])
    return [item["name"] for item in body["result_set"]]


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("", ["a.bam", "b.txt", "data"]),
        ('WHERE type = "FILE"', ["a.bam", "b.txt"]),
        ("where type='file' recursive", ["a.bam", "b.txt", "c.bam", "d.bam"]),
        ('WHERE type = "FOLDER" RECURSIVE', ["data", "deep"]),
        ('WHERE type != "FOLDER" AND size > 2 RECURSIVE STALE', ["a.bam", "c.bam"]),
        ("WHERE size >= 3 RECURSIVE", ["a.bam", "c.bam"]),
        ('WHERE file_extension IN ("bam", "CRAM") RECURSIVE', ["a.bam", "c.bam", "d.bam"]),
        ('WHERE name NOT IN ("a.bam") AND NOT type = "FOLDER"', ["b.txt"]),
        ('WHERE name LIKE "%.bam" RECURSIVE', ["a.bam", "c.bam", "d.bam"]),
        ('WHERE tags IN ("note", "none")', ["b.txt"]),
        ('WHERE sample_id = "S2" RECURSIVE', ["b.txt", "c.bam"]),
        ('WHERE metadata.sample_id = "S1"', ["a.bam", "b.txt"]),
        ('WHERE "paired end" = "1"', ["a.bam"]),
        ('WHERE sample_id = "S1" AND (name = "a.bam" OR name = "c.bam")', ["a.bam"]),
        ('WHERE name = "a.bam" OR name = "b.txt" AND size > 5', ["a.bam"]),
        ('WHERE sample_id = "nobody"', []),
        ("RECURSIVE LIMIT 2", ["a.bam", "b.txt"]),
    ],
)
def test_queries(client: httpx.Client, project: str, rest: str, names: list[str]) -> None:
    assert sorted(found(client, f'IN "{project}" {rest}')) == sorted(names)


def test_locations(client: httpx.Client, other: httpx.Client, project: str) -> None:
    second = make_project(client, "Second")["id"]
    upload_file(client, "e", b"x", project=second)
    assert found(client, f'IN "/Projects/{second}", "{project}/data"') == ["e", "c.bam", "deep"]
    for name in ("nobody/x", f"{project}/none", f"{project}/a.bam", "x", "", "../.."):
        answer = client.post("/v2/files/search", json={"query": f'IN "{name}"'})
        assert error(answer) == (404, 5002), name
    assert error(other.post("/v2/files/search", json={"query": f'IN "{project}"'})) == (404, 5002)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_tokens_lead_through_everything_once(client: httpx.Client, project: str, limit: int) -> None:
    query, token, names = f'IN "{project}", "{project}/data" RECURSIVE', "start", []
    for _ in range(20):
        body = {"query": query}
        answer = client.post("/v2/files/search", json=body, params={"limit": limit, "cont_token": token}).json()
        names += [item["name"] for item in answer["result_set"]]
        token = answer["cont_token"]
        if not token:
            break
    inside = ["c.bam", "deep", "d.bam"]
    assert names == ["a.bam", "b.txt", "data", *inside, *inside]


def test_a_search_stops_before_it_takes_long(
    client: httpx.Client, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SEEN", 2)
    body = {"query": f'IN "{project}" WHERE name = "d.bam" RECURSIVE'}
    answer = client.post("/v2/files/search", json=body).json()
    assert answer["result_set"] == []
    steps = 0
    while answer["cont_token"] and not answer["result_set"]:
        answer = client.post("/v2/files/search", json=body, params={"cont_token": answer["cont_token"]}).json()
        steps += 1
    assert [item["name"] for item in answer["result_set"]] == ["d.bam"]
    assert steps == 2


HERE = 'IN "a/b" '
BAD = [
    "", "  ", "WHERE", "IN", 'IN "a/b', f"{HERE}WHERE", f"{HERE}WHERE name", f"{HERE}WHERE name =",
    f'{HERE}WHERE (name = "x"', f"{HERE}WHERE name IN ()", f"{HERE}LIMIT x", f"{HERE}LIMIT 0", f"{HERE}NONSENSE",
    f"{HERE}ORDER BY name", f'{HERE}WHERE name = "x" extra', "IN " + ", ".join(['"a/b"'] * 11), f"{HERE}TOKEN",
    f"{HERE}WHERE " + "(" * 60, "x" * 30_000, f"{HERE}WHERE " + "NOT " * 5000 + 'name = "x"',
]  # fmt: skip


@pytest.mark.parametrize("query", BAD)
def test_bad_queries(client: httpx.Client, query: str) -> None:
    assert error(client.post("/v2/files/search", json={"query": query})) == (400, 90000)


@pytest.mark.parametrize("token", ["junk", "WyI5OSJd", "WyJ4Il0=", "WyLCsiJd"])
def test_bad_tokens(client: httpx.Client, project: str, token: str) -> None:
    answer = client.post("/v2/files/search", json={"query": f'IN "{project}"'}, params={"cont_token": token})
    assert error(answer) == (400, 90000)


WORDS = st.sampled_from(
    ["IN", "WHERE", "AND", "OR", "NOT", "(", ")", "=", "!=", ",", '"a"', "'b", "name", "LIKE", "LIMIT", "1", "\\", "é"]
)


@given(st.lists(st.sampled_from(["a", "b", "ab"]), max_size=6), st.text("ab", max_size=8))
def test_patterns_are_those_of_like(parts: list[str], value: str) -> None:
    pattern = "%".join(parts)
    expected = re.fullmatch(".*".join(parts), value) is not None
    file = File(id="f", project="p", parent="r", name=value, created_on=utc_now(), modified_on=utc_now())
    assert parse(f'IN "a" WHERE name LIKE "{pattern}"').condition(file) == expected


@settings(deadline=None)
@given(st.lists(WORDS | st.text(max_size=5), max_size=12))
def test_any_text_is_a_query_or_refused(words: list[str]) -> None:
    try:
        query = parse(" ".join(words))
    except Refusal as refusal:
        message = refusal.message
    else:
        message = "" if query.locations else "nowhere"
    assert message == "" or message.startswith("Invalid query")


def test_the_python_client(server: Server, project: str) -> None:
    first = server.api().files.search(f'IN "{project}" WHERE type = "FILE" RECURSIVE LIMIT 3 TOKEN start')
    assert first.count == 3
    assert [item["name"] for item in first.result_set] == ["a.bam", "b.txt", "c.bam"]
    rest = server.api().files.search(f'IN "{project}" WHERE type = "FILE" RECURSIVE', cont_token=first.cont_token)
    assert [item["name"] for item in rest.result_set] == ["d.bam"]
    assert rest.cont_token == ""
