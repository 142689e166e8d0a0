"""The API about itself: the OpenAPI document, made from the routes, the structures of their bodies and what `described`
says of them; the page of it for readers; and the page of status codes that errors point to. None needs a token."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from araneus import __version__
from araneus.api import docs_page
from araneus.api.answers import ANY, COUNT, SHAPES, TEXT, URL, Schema, shape
from araneus.api.call import Answer, Call, Route, Stream, Takes
from araneus.api.described import BODIES, Described, Parameter, described
from araneus.api.errors import STATUS, UNEXPECTED
from araneus.api.services import Services

_REF: Final = "#/components/schemas/{name}"
_MEANINGS: Final[Mapping[int, str]] = {
    200: "Done",
    201: "Made",
    204: "Done; there is nothing to show",
    206: "A part of the bytes",
    302: "Another address",
    304: "The caller has these bytes already",
    400: "The request is not right; the message says what is wrong with it",
    401: "No valid token",
    403: "The caller may not do this",
    404: "There is no such thing, or the caller may not see it",
    409: "Something is in the way: a name that is taken, or somebody else's change",
    415: "The body is packed; send it as it is",
    416: "The range begins behind the end",
    429: "The rate limit is spent: wait until the time in X-RateLimit-Reset",
    500: "Unexpected error; the log of the server says more under the request's id",
}
_HEADERS: Final[Mapping[str, tuple[str, Schema]]] = {
    "X-RateLimit-Limit": ("Requests that a user may make in a window of time.", COUNT),
    "X-RateLimit-Remaining": ("Requests that are left.", COUNT),
    "X-RateLimit-Reset": ("When the window ends, as Unix time in seconds.", COUNT),
    "X-Request-Id": ("The name of this request in the server's log.", TEXT),
    "X-Total-Matching-Query": ("Entries of the whole list.", COUNT),
    "Link": ("The neighbouring pages, as in RFC 8288.", TEXT),
    "ETag": ("What the bytes are known by.", TEXT),
    "Location": ("The other address.", URL),
    "WWW-Authenticate": ("How to show who one is.", TEXT),
    "Content-Range": ("Which bytes these are, of how many.", TEXT),
    "Content-Disposition": ("The name to save the bytes under.", TEXT),
}
_ALWAYS: Final = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-Id")
_ABOUT: Final = """\
CAVATICA / Seven Bridges public API v2, as this server speaks it. Send the token as `X-SBG-Auth-Token`, or as
`Authorization: Bearer`. Lists come in pages; `fields` chooses what is shown; errors have the shape `Error`, and their
numeric codes are listed at `/v2/docs/api-status-codes`.
"""


def document(routes: Iterable[Route], server: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the routes; ``server`` is the URL up to ``/v2``."""
    listed = list(routes)
    shapes = list(dict.fromkeys(route.shape for route in listed if route.shape is not None))
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    bodies = dict(zip(shapes, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, bodies)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Araneus", "version": __version__, "description": _ABOUT},
        "servers": [{"url": f"{server}/v2"}],
        "security": [{"token": []}, {"bearer": []}],
        "tags": [{"name": name} for name in dict.fromkeys(_tag(route.path) for route in listed)],
        "paths": paths,
        "components": {
            "schemas": {**components, **BODIES, **SHAPES},
            "responses": {f"Error{status}": _error(status) for status in _MEANINGS if status >= 400},
            "headers": {name: {"description": means, "schema": schema} for name, (means, schema) in _HEADERS.items()},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-SBG-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, bodies: Mapping[type, Any]) -> dict[str, Any]:
    about = described(route.method, route.path)
    in_path = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in route.names]
    operation: dict[str, Any] = {
        "operationId": "_".join(part.strip("{}") for part in [route.method.lower(), *route.path.split("/")] if part),
        "summary": route.summary,
        "tags": [_tag(route.path)],
        "parameters": in_path + [_query(parameter) for parameter in about.query],
        "responses": {str(status): _response(route, about, status) for status in _statuses(route, about)},
    }
    if about.note:
        operation["description"] = about.note
    if not route.auth:
        operation["security"] = []
    body = _body(route, about, bodies)
    if body is not None:
        operation["requestBody"] = body
    return operation


def _tag(path: str) -> str:
    return path.split("/")[1] or "root"


def _query(parameter: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": parameter.schema} if parameter.repeated else parameter.schema
    return {"name": parameter.name, "in": "query", "description": parameter.means, "schema": schema}


def _body(route: Route, about: Described, bodies: Mapping[type, Any]) -> dict[str, Any] | None:
    if route.takes is Takes.STREAM:
        return {"required": True, "content": {"application/octet-stream": {}}}
    if route.takes is Takes.NOTHING:
        return None
    schema = bodies[route.shape] if route.shape else about.body or ANY
    kinds = ("application/json", "application/x-yaml") if route.takes is Takes.RAW else ("application/json",)
    return {"content": {kind: {"schema": schema} for kind in kinds}}


def _statuses(route: Route, about: Described) -> list[int]:
    """Those that the route can answer, in order."""
    found = {about.status, 400, 404, 500, *about.also}
    if route.auth:
        found |= {401, 403, 429}
    if route.method != "GET":
        found.add(409)
    if route.takes in {Takes.JSON, Takes.RAW}:
        found.add(415)
    if 416 in about.also:
        found |= {206, 304}
    return sorted(found)


def _response(route: Route, about: Described, status: int) -> dict[str, Any]:
    if status >= 400:
        return {"$ref": f"#/components/responses/Error{status}"}
    names: list[str] = []
    answer: dict[str, Any] = {"description": _MEANINGS[status]}
    if about.answer is not None:
        names += ["X-Total-Matching-Query", "Link"] if about.paged else []
        names += ["Location"] if status == 302 else []
        names += ["ETag"] if route.takes is Takes.STREAM else []
        answer["content"] = {about.content: {"schema": about.answer}}
    elif status == 304:
        names += ["ETag"]
    elif status != 204:
        if 416 in about.also:
            names += ["ETag", "Content-Disposition", *(["Content-Range"] if status == 206 else [])]
        answer["content"] = {about.content: {}}
    return answer | {"headers": _headers(*names)}


def _error(status: int) -> dict[str, Any]:
    names = {401: ["WWW-Authenticate"], 416: ["Content-Range"]}.get(status, [])
    content = {"application/json": {"schema": shape("Error")}}
    return {"description": _MEANINGS[status], "content": content, "headers": _headers(*names)}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*_ALWAYS, *names)}


def show_status_codes(call: Call, services: Services) -> Answer:
    """``GET /docs/api-status-codes``: which codes errors carry, and what they mean."""
    rows = [(status, code, fault.value.replace("_", " ").lower()) for fault, (status, code) in STATUS.items()]
    rows.append((*UNEXPECTED, "unexpected error"))
    return Answer(
        value=[{"code": code, "status": status, "meaning": meaning} for status, code, meaning in sorted(rows)]
    )


def self_description(routes: Callable[[], Iterable[Route]]) -> tuple[Route, ...]:
    """The routes of it; ``routes`` gives all of them, these included."""

    def show_document(call: Call, services: Services) -> Answer:
        """``GET /openapi.json``."""
        return Answer(value=document(routes(), call.base))

    def show_page(call: Call, services: Services) -> Answer:
        """``GET /docs``, with and without ``/v2`` before it: the document as a page of text and tables."""
        page = docs_page.page(document(routes(), "")).encode()
        return Answer(headers=docs_page.HEADERS, stream=Stream(length=len(page), pieces=iter((page,))))

    return (
        Route("GET", "/openapi.json", show_document, "This document", importance=3, auth=False, slow=True),
        Route("GET", "/docs", show_page, "This document as a page", importance=3, auth=False, slow=True),
        Route("GET", "/docs/api-status-codes", show_status_codes, "Codes of errors", importance=3, auth=False),
    )
