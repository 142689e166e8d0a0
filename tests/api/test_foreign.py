"""What belongs to others answers exactly like what does not exist: same status, code, words, headers and counts.

Whoever could tell the two apart would learn which ids there are.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from araneus.api.call import Route
from araneus.api.routes import ROUTES
from tests.api.conftest import Server, running
from tests.api.test_errands import finished
from tests.api.test_projects import make_project
from tests.api.test_tenants import bodies, queries, things

__all__ = ["things"]
_PASSING = {"x-request-id", "date", "x-ratelimit-reset"}
_MADE_ANEW = re.compile(
    r'"(id|href|root_folder|upload_id|started_on|finished_on|created_on|modified_on|created_time|initiated)":"[^"]*"'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("foreign")) as started:
        yield started


@pytest.fixture(scope="module")
def ghosts(things: dict[str, str]) -> dict[str, str]:
    """For each thing an id of the same form that nothing has."""
    made = {name: _changed(value) for name, value in things.items()}
    return made | {"username": "rosalinx", "owner": "rosalinx", "number": "1", "revision": "0", "invoice": "1"}


def _changed(text: str) -> str:
    """Another text of the same form: its last letter or digit is another one."""
    last = text[-1]
    return text[:-1] + ("b" if last == "a" else "a" if last.isalpha() else "1" if last == "0" else "0")


def _told(answer: httpx.Response, names: dict[str, str], things: dict[str, str]) -> tuple[Any, ...]:
    """Everything that a caller can see of an answer, with the names that he knew already made alike."""
    text, headers = answer.text, str(sorted((k, v) for k, v in answer.headers.items() if k not in _PASSING))
    for name in sorted(names, key=lambda name: -len(names[name])):
        if names[name] != things[name] or len(names[name]) > 3:
            for form in (names[name], quote(names[name], safe="")):
                text, headers = text.replace(form, f"<{name}>"), headers.replace(form, f"<{name}>")
    text = re.sub(r"<(owner|username)>", "<user>", text)
    headers = re.sub(r"<(owner|username)>", "<user>", re.sub(r"'content-length', '\d+'", "", headers))
    return answer.status_code, _MADE_ANEW.sub(r'"\1":""', text), headers


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_foreign_things_answer_like_unknown_ones(
    server: Server, things: dict[str, str], ghosts: dict[str, str], route: Route
) -> None:
    with server.client("francis") as stranger:
        own = stranger.get("/v2/projects").json()["items"]
        own_id = own[0]["id"] if own else make_project(stranger, "Own")["id"]
        shown = [_all_answers(stranger, route, names, own_id, things) for names in (things, ghosts)]
        for number, (foreign, unknown) in enumerate(zip(*shown, strict=True)):
            assert foreign == unknown, (route.path, number)


def _all_answers(
    stranger: httpx.Client, route: Route, names: dict[str, str], own: str, things: dict[str, str]
) -> list[tuple[Any, ...]]:
    path = "/".join(
        quote(names[part[1:-1]], safe="") if part.startswith("{") else part for part in route.path.split("/")
    )
    told = []
    for body in _bodies(names, own) if route.method in {"POST", "PUT", "PATCH"} else [None]:
        for query in _queries(names):
            answer = stranger.request(route.method, f"/v2{path}?{query}", json=body)
            told.append(_told(answer, names, things))
            if route.path.startswith("/async/") and answer.status_code == 201:
                told.append(_told_of_errand(stranger, answer, names, things))
    return told


def _told_of_errand(
    stranger: httpx.Client, answer: httpx.Response, names: dict[str, str], things: dict[str, str]
) -> tuple[Any, ...]:
    ended = finished(stranger, answer.json())
    return _told(stranger.get(ended["href"]), names, things)


def _queries(names: dict[str, str]) -> list[str]:
    named = ((query.replace("%2Ftool", "%2F" + names["app"])) for query in queries(names))
    return [query.replace("rosalind", names["owner"]).replace("kings", names["division"]) for query in named]


def _bodies(names: dict[str, str], own: str) -> list[Any]:
    """The bodies of the tests of tenants, with the names that are written out in them."""

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: renamed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        if isinstance(value, str):
            return value.replace("rosalind/", names["owner"] + "/").replace("kings", names["division"])
        return value

    return [renamed(body) for body in bodies(names, own)]
