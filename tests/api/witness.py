"""Watches a server of the tests: every answer must be one that the OpenAPI document describes."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import jsonschema_rs
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from araneus.api.call import Route
from araneus.api.openapi import document
from araneus.api.routes import ROUTES, RouteTree
from araneus.api.urls import decode_path
from araneus.model.errors import Refusal

_TREE = RouteTree(ROUTES)
_ELSEWHERE = {400, 404, 405}
"""What is answered where there is no route, or the path cannot be read."""


@cache
def _described() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(json.dumps(document(ROUTES, "http://server")))
    return described


@cache
def _fits(path: str, method: str, status: int) -> jsonschema_rs.Validator | None:
    """What a body of this status must fit; None where it is bytes or nothing. Raises `KeyError` for another status."""
    described = _described()
    answer = described["paths"][path][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = described["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    return jsonschema_rs.validator_for(
        {**schema, "components": described["components"]},
        validate_formats=True,
    )


class Witness:
    """An application like the one inside; ``seen`` counts what was checked, ``wrong`` says what did not fit."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner
        self.seen = 0
        self.wrong: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        head: Message = {}
        body = bytearray()

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            elif message["type"] == "http.response.body" and _is_json(head):
                body.extend(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._check(scope, head, bytes(body))
            await send(message)

        await self._inner(scope, receive, watch)

    def _check(self, scope: Scope, head: Message, body: bytes) -> None:
        self.seen += 1
        problem = _problem(scope["method"], scope.get("raw_path") or b"", head, body)
        if problem is not None:
            self.wrong.append(f"{scope['method']} {scope['path']} -> {head['status']}: {problem}; {body[:500]!r}")


def _is_json(head: Message) -> bool:
    return (b"content-type", b"application/json") in head.get("headers", ())


def _problem(method: str, raw_path: bytes, head: Message, body: bytes) -> str | None:
    missing = {b"x-request-id", b"x-ratelimit-limit"} - {name for name, _ in head["headers"]}
    if missing:
        return f"without {missing}"
    if method == "OPTIONS" and head["status"] == 204:  # a browser asks for a page, whatever is at the path
        return None
    route = _route(method, raw_path)
    if route is None:
        return None if head["status"] in _ELSEWHERE else "not a status for a path that is not served"
    try:
        validator = _fits(route.path, route.method, head["status"])
    except KeyError:
        return "a status that is not described"
    if validator is None or method == "HEAD":
        return None
    if not _is_json(head):
        return "not JSON"
    return next(iter(_errors(validator, body)), None)


def _errors(validator: jsonschema_rs.Validator, body: bytes) -> Iterable[str]:
    for error in validator.iter_errors(json.loads(body)):
        yield f"{error.message} at {'/'.join(map(str, error.instance_path))}"


def _route(method: str, raw_path: bytes) -> Route | None:
    try:
        path = decode_path(raw_path).strip("/")
        if path != "docs" and path.partition("/")[0] != "v2":
            return None
        return _TREE.find(method, path.removeprefix("v2"))[0]
    except Refusal:
        return None
