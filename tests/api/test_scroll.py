"""Lists from token to token."""

from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.api.scroll import decode_token, encode_token
from araneus.model.errors import Refusal
from tests.api.conftest import Server
from tests.api.test_edge import error
from tests.api.test_files import UNKNOWN, make_folder
from tests.api.test_projects import make_project
from tests.api.uploading import upload_file


@pytest.fixture
def project(client: httpx.Client) -> str:
    made = str(make_project(client)["id"])
    first = upload_file(client, "f00", b"x", project=made)
    for number in range(1, 7):
        client.post(f"{first['href']}/actions/copy", json={"project": made, "name": f"f{number:02}"})
    return made


def following(answer: httpx.Response) -> str | None:
    assert answer.status_code == 200, answer.text
    links: list[dict[str, Any]] = answer.json()["links"]
    assert [link["rel"] for link in links] in ([], ["next"])
    return str(links[0]["href"]) if links else None


def test_every_file_comes_once_while_others_come_and_go(client: httpx.Client, project: str) -> None:
    answer = client.get("/v2/files/scroll", params={"project": project, "token": "init", "limit": 2})
    seen = [item["name"] for item in answer.json()["items"]]
    assert answer.headers["x-total-matching-query"] == "7"
    assert client.get("/v2/files/scroll", params={"project": project, "offset": 0, "limit": 2}).json()["items"][0]
    first = client.get("/v2/files", params={"project": project, "name": "f00"}).json()["items"][0]
    client.delete(first["href"])
    make_folder(client, "a-new-one-before", project=project)
    make_folder(client, "f03a", project=project)
    while (url := following(answer)) is not None:
        answer = client.get(url)
        seen += [item["name"] for item in answer.json()["items"]]
    assert seen == ["f00", "f01", "f02", "f03", "f03a", "f04", "f05", "f06"]


def test_filters_and_folders(client: httpx.Client, project: str) -> None:
    folder = make_folder(client, "folder", project=project)
    made = upload_file(client, "a", b"x", parent=folder["id"])
    client.put(f"{made['href']}/tags", json=["t"])
    client.put(f"{made['href']}/metadata", json={"k k": "v"})
    upload_file(client, "b", b"x", parent=folder["id"])

    def names(url: str, **query: Any) -> list[str]:
        answer = client.get(url, params={"token": "init", **query})
        assert following(answer) is None
        return [item["name"] for item in answer.json()["items"]]

    inside = f"{folder['href']}/scroll"
    assert names(inside) == ["a", "b"]
    assert names("/v2/files/scroll", parent=folder["id"], name=["b", "c"]) == ["b"]
    assert names(inside, tag="t") == ["a"]
    assert names(inside, **{"metadata.k k": "v"}) == ["a"]
    assert names(inside, **{"metadata.k k": "w"}) == []
    assert names(inside, **{"origin.task": "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"}) == []
    assert error(client.get(f"{made['href']}/scroll")) == (400, 5022)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("token=init", (400, 5029)),
        ("project=rosalind/my-project&token=%%%", (400, 90000)),
        ("project=rosalind/my-project&token=bm90IGpzb24=", (400, 90000)),
        ("project=rosalind/my-project&token=WzFd", (400, 90000)),
        ("project=rosalind/my-project&token=WyJhIiwiYiJd", (400, 90000)),
        ("project=rosalind/my-project&token=init&offset=1", (400, 90000)),
        ("project=francis/x&token=init", (404, 3002)),
        (f"parent={UNKNOWN}&token=init", (404, 5002)),
        ("dataset=a/b&token=init", (404, 90003)),
    ],
)
def test_bad_places(client: httpx.Client, project: str, query: str, expected: tuple[int, int]) -> None:
    assert error(client.get(f"/v2/files/scroll?{query}")) == expected


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))))
def test_a_token_is_its_place(place: list[str]) -> None:
    assert decode_token(encode_token(place)) == place


@settings(deadline=None)
@given(st.text(max_size=20).filter(lambda text: len(text) % 4 != 0 or not text.isascii()))
def test_what_is_no_token_is_refused(junk: str) -> None:
    with pytest.raises(Refusal, match="no token"):
        decode_token(junk)


def test_strangers_see_nothing(client: httpx.Client, other: httpx.Client, project: str) -> None:
    token = following(client.get("/v2/files/scroll", params={"project": project, "limit": 2}))
    assert token is not None
    assert error(other.get(token)) == (404, 3002)


def test_the_python_client(server: Server, project: str) -> None:
    api = server.api()
    listed = api.files.query(project=project, cont_token="init", limit=3)
    assert [file.name for file in listed.all()] == [f"f{number:02}" for number in range(7)]
    root = api.files.get(api.projects.get(project).root_folder)
    assert [file.name for file in root.list_files(cont_token="init").all()] == [f"f{number:02}" for number in range(7)]
