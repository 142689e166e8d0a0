"""The API about itself: the OpenAPI document, made from the routes and the structures of their bodies, and the page of
status codes that errors point to. Neither needs a token."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from araneus import __version__
from araneus.api.call import Answer, Call, Route, Takes
from araneus.api.errors import STATUS, UNEXPECTED
from araneus.api.services import Services

_REF = "#/components/schemas/{name}"
_ERROR = {
    "type": "object",
    "required": ["status", "code", "message", "more_info"],
    "properties": {
        "status": {"type": "integer"},
        "code": {"type": "integer"},
        "message": {"type": "string"},
        "more_info": {"type": ["string", "null"]},
    },
}


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
        "info": {"title": "Araneus", "version": __version__, "description": "CAVATICA / Seven Bridges public API v2."},
        "servers": [{"url": f"{server}/v2"}],
        "security": [{"token": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-SBG-Auth-Token"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, bodies: Mapping[type, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.path.split("/")[1] or "root"],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.names
        ],
        "responses": {
            "2XX": {"description": "Success"},
            "default": {
                "description": "Error",
                "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}},
            },
        },
    }
    if not route.auth:
        operation["security"] = []
    if route.takes is Takes.STREAM:
        operation["requestBody"] = {"content": {"application/octet-stream": {}}}
    elif route.takes is not Takes.NOTHING:
        schema = bodies[route.shape] if route.shape else {}
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def show_status_codes(call: Call, services: Services) -> Answer:
    """``GET /docs/api-status-codes``: which codes errors carry, and what they mean."""
    rows = [(status, code, fault.value.replace("_", " ").lower()) for fault, (status, code) in STATUS.items()]
    rows.append((*UNEXPECTED, "unexpected error"))
    return Answer(
        value=[{"code": code, "status": status, "meaning": meaning} for status, code, meaning in sorted(rows)]
    )


def self_description(routes: Callable[[], Iterable[Route]]) -> tuple[Route, ...]:
    """The two routes; ``routes`` gives all of them, these included."""

    def show_document(call: Call, services: Services) -> Answer:
        """``GET /openapi.json``."""
        return Answer(value=document(routes(), call.base))

    return (
        Route("GET", "/openapi.json", show_document, "This document", importance=3, auth=False, slow=True),
        Route("GET", "/docs/api-status-codes", show_status_codes, "Codes of errors", importance=3, auth=False),
    )
