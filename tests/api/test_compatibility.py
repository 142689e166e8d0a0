"""The routes against the list of documented endpoints, and the API's description of itself."""

import csv
import re
from pathlib import Path

import httpx
import pytest

from araneus.api.documented import missing
from araneus.api.routes import ROUTES, RouteTree
from tests.api.conftest import Server


def endpoints(shared: Path) -> list[dict[str, str]]:
    with (shared / "api" / "endpoints.tsv").open(newline="") as table:
        return [row for row in csv.DictReader(table, delimiter="\t") if row["path"].startswith("/")]


def served(method: str, path: str) -> bool:
    from araneus.model.errors import Refusal

    try:
        RouteTree(ROUTES).find(method, path)
    except Refusal:
        return False
    return True


def test_every_endpoint_that_matters_is_served(shared: Path) -> None:
    wanted = [row for row in endpoints(shared) if row["importance"] in {"1", "2"}]
    assert len(wanted) > 50
    assert {row["path"] for row in wanted if not served(row["method"], row["path"])} == set()


def test_routes_say_the_importance_of_the_reference(shared: Path) -> None:
    known = {(row["method"], re.sub(r"\{\w+\}", "{}", row["path"])): row["importance"] for row in endpoints(shared)}
    for route in ROUTES:
        expected = known.get((route.method, re.sub(r"\{\w+\}", "{}", route.path)))
        assert expected is None or str(route.importance) == expected, f"{route.method} {route.path}"


def test_what_is_documented_but_not_here_says_so(client: httpx.Client) -> None:
    """404 whatever the method: clients sleep and try again on any 5xx, and a 405 would send readers astray."""
    for route in missing(ROUTES):
        answer = client.request(route.method, "/v2" + re.sub(r"\{\w+\}", "x", route.path), json={})
        assert (answer.status_code, answer.json()["code"]) == (404, 90003), route.path
        assert "not available in Araneus yet" in answer.json()["message"], route.path


def test_the_document_and_the_codes_are_public(server: Server) -> None:
    described = httpx.get(f"{server.url}/v2/openapi.json").json()
    assert described["servers"][0]["url"] == f"{server.url}/v2"
    link = httpx.get(f"{server.url}/v2/nothing").json()["more_info"]
    codes = {row["code"]: row["status"] for row in httpx.get(link).json()}
    assert codes[7002] == 404
    assert codes[90004] == 500


def test_two_routes_for_one_path_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes"):
        RouteTree([ROUTES[0], ROUTES[0]])
