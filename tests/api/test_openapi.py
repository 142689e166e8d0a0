"""The API's description of itself: complete, consistent, and readable without the internet.

That answers fit it is checked everywhere: `tests.api.witness` watches every server of these tests.
"""

import ast
import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import araneus.api
from araneus.api.call import Takes
from araneus.api.described import DESCRIBED
from araneus.api.docs_page import page
from araneus.api.openapi import document
from araneus.api.routes import ROUTES
from tests.api.conftest import Server


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(json.dumps(document(ROUTES, "https://h")))
    return decoded


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


def test_every_route_is_described() -> None:
    assert set(DESCRIBED) == {f"{route.method} {route.path}" for route in ROUTES}


def test_the_document_has_every_route_with_its_parameters_body_and_answers(described: dict[str, Any]) -> None:
    assert described["servers"] == [{"url": "https://h/v2"}]
    for route in ROUTES:
        operation = described["paths"][route.path][route.method.lower()]
        named = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
        assert (bool(operation["summary"]), named) == (True, list(route.names)), route.path
        assert ("requestBody" in operation) == (route.takes is not Takes.NOTHING), route.path
        assert (operation.get("security") == []) == (not route.auth), route.path
        granted = {status for status in operation["responses"] if status < "400"}
        assert granted, route.path
        for status in granted:
            answer = operation["responses"][status]
            assert ("content" in answer) == (status not in {"204", "304"}), route.path
            assert {"X-RateLimit-Limit", "X-Request-Id"} <= set(answer["headers"])
        wanted = {"400", "404", "500"} | ({"401", "403", "429"} if route.auth else set())
        assert wanted <= set(operation["responses"]), route.path


def test_bodies_are_described_by_what_they_are_decoded_into(described: dict[str, Any]) -> None:
    for route in ROUTES:
        if route.takes is Takes.JSON:
            schema = described["paths"][route.path][route.method.lower()]["requestBody"]["content"]["application/json"]
            assert schema["schema"], f"{route.method} {route.path}"
    schema = described["components"]["schemas"]["ProjectBody"]
    assert {"name", "billing_group", "settings"} <= set(schema["properties"])


def test_references_lead_somewhere_and_nothing_is_left_over(described: dict[str, Any]) -> None:
    named = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers", "responses")
        for name in described["components"][kind]
    }
    assert references(described) == named


def test_operations_have_names_of_their_own(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names)) == len(ROUTES)


def test_every_parameter_that_a_handler_reads_is_described(described: dict[str, Any]) -> None:
    read = set()
    for file in Path(araneus.api.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"one", "many", "flag"}
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "call"
                and isinstance(node.args[0], ast.Constant)
            ):
                read.add(node.args[0].value)
    known = {
        parameter["name"]
        for path in described["paths"].values()
        for operation in path.values()
        for parameter in operation["parameters"]
    }
    # Another spelling of a parameter that is described.
    known |= {"origin_id", "run"}
    assert len(read) > 20
    assert read <= known


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/v2/docs"])
def test_the_page_needs_nothing_from_elsewhere(server: Server, path: str) -> None:
    answer = httpx.get(server.url + path)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    style = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert len(style) == 1
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()}'" in policy
    assert re.search(r"<script|<link|<img|<iframe|\sstyle=|\son\w+=|src=|url\(|@import", answer.text) is None
    assert set(re.findall(r'href="([^"#][^"]*)"', answer.text)) == {"/v2/openapi.json"}
    for route in ROUTES:
        assert f"{route.path.replace('&', '&amp;')}</code>" in answer.text, route.path


def test_links_inside_the_page_lead_somewhere(described: dict[str, Any]) -> None:
    shown = page(described)
    assert set(re.findall(r'href="#([^"]+)"', shown)) <= set(re.findall(r'id="([^"]+)"', shown))
    assert shown.count("<details") == shown.count("</details>") > len(ROUTES)


def test_the_page_shows_text_as_text(described: dict[str, Any]) -> None:
    hostile = json.loads(json.dumps(described).replace("One project", '<script>alert(1)</script>\\" onload=x'))
    shown = page(hostile)
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)" in shown
