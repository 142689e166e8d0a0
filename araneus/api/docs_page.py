"""The OpenAPI document as a page for people: plain HTML with one style sheet inside, no script, nothing from elsewhere.

Pure: `page` takes the document of `openapi`. The policy of `HEADERS` lets a browser use the style sheet, known by its
hash, and nothing else.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --dim: #777; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
code { font: 0.9em ui-monospace, monospace; overflow-wrap: anywhere; }
nav ul { columns: 12rem; padding-left: 1.2rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: 0.5rem 0; padding: 0.4rem 0.8rem; }
summary { cursor: pointer; } summary span { color: var(--dim); }
.method { display: inline-block; font-weight: bold; min-width: 4.5rem; }
table { border-collapse: collapse; margin: 0.5rem 0 1rem; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: 0.25rem 0.75rem 0.25rem 0; text-align: left; vertical-align: top; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("content-type", "text/html; charset=utf-8"),
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-cache"),
)


def page(document: Mapping[str, Any]) -> str:
    """The whole page. Everything from the document is escaped."""
    about = document["info"]
    groups: dict[str, list[str]] = {}
    errors = document["components"]["responses"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            shown = _operation(method.upper(), path, operation, errors)
            groups.setdefault(operation["tags"][0], []).append(shown)
    title = f"{about['title']} {about['version']}: API"
    links = "".join(f'<li><a href="#{escape(name)}">{escape(name)}</a></li>' for name in [*groups, "shapes"])
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
            f"<header><h1>{escape(title)}</h1>\n<p>{_marked(about['description'])}</p>",
            '<p>For programs: <a href="/v2/openapi.json">openapi.json</a> (OpenAPI 3.1).</p></header>',
            f"<nav aria-label='Contents'><ul>{links}</ul></nav>\n<main>",
            *(f'<h2 id="{escape(name)}">{escape(name)}</h2>\n' + "\n".join(found) for name, found in groups.items()),
            '<h2 id="shapes">shapes</h2>',
            *(_shape(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _operation(method: str, path: str, operation: Mapping[str, Any], errors: Mapping[str, Any]) -> str:
    rows = [
        (parameter["name"], parameter["in"], _type(parameter["schema"]), _marked(parameter.get("description", "")))
        for parameter in operation["parameters"]
    ]
    body = operation.get("requestBody")
    if body is not None:
        kinds = ((kind, _type(content.get("schema", {}))) for kind, content in body["content"].items())
        rows += [("", "body", type_, f"<code>{escape(kind)}</code>") for kind, type_ in kinds]
    answers = [
        (status, ", ".join(_answers(answer)), _marked(answer["description"]))
        for status, named in operation["responses"].items()
        for answer in [errors[named["$ref"].rpartition("/")[2]] if "$ref" in named else named]
    ]
    open_to_all = "<p>Needs no token.</p>" if operation.get("security") == [] else ""
    note = f"<p>{_marked(operation['description'])}</p>" if "description" in operation else ""
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><code><span class="method">{escape(method)}</span> '
        f"{escape(path)}</code> <span>{escape(operation['summary'])}</span></summary>{note}{open_to_all}"
        f"{_table(('name', 'in', 'type', 'meaning'), rows)}{_table(('status', 'answer', 'meaning'), answers)}</details>"
    )


def _answers(answer: Mapping[str, Any]) -> Iterable[str]:
    for kind, content in answer.get("content", {}).items():
        yield _type(content["schema"]) if "schema" in content else f"<code>{escape(kind)}</code>"


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = [
        (member, _type(inner), "required" if member in needed else "")
        for member, inner in schema.get("properties", {}).items()
    ]
    inside = _table(("member", "type", ""), rows) if rows else f"<p>{_type(schema)}</p>"
    note = f"<p>{_marked(schema['description'])}</p>" if "description" in schema else ""
    return f'<details id="shape-{escape(name)}"><summary><code>{escape(name)}</code></summary>{note}{inside}</details>'


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table whose first column is plain text and whose others are HTML already."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        f"<tr><td><code>{escape(first)}</code></td>{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#shape-{name}">{name}</a>'
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return " or ".join(dict.fromkeys(_type(one) for one in alternatives))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "properties" in schema:
        members = (f"<code>{escape(name)}</code> {_type(inner)}" for name, inner in schema["properties"].items())
        return f"object: {', '.join(members)}"
    named = schema.get("type", "anything")
    text = " or ".join(named) if isinstance(named, list) else str(named)
    return escape(f"{text} ({schema['format']})" if "format" in schema else text)


def _marked(text: str) -> str:
    """Escaped text with what stands between backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
