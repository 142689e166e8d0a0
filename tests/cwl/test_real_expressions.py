"""Every expression of the real apps is found whole: what stands between the brackets is JavaScript that compiles."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.javascript import JavaScript
from araneus.cwl.templates import Expression, has_expression, template

PROSE = frozenset({"doc", "description", "label", "sbg:job", "sbg:cmdPreview"})


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in PROSE:
                yield from _texts(item)


@pytest.fixture(scope="module")
def texts(shared: Path) -> list[str]:
    apps = sorted((shared / "apps" / "packed").glob("*.json"))
    return sorted({text for app in apps for text in _texts(json.loads(app.read_text())) if has_expression(text)})


def test_expressions_of_real_apps_are_found_whole(texts: list[str], javascript: JavaScript) -> None:
    assert len(texts) > 500
    parts = [part for text in texts for part in template(text.strip(), False) if isinstance(part, Expression)]
    codes = {part.source if part.body else f"return ({part.source}\n);" for part in parts if part.path is None}
    assert len(codes) > 100
    body = "return inputs.codes.filter(function (c) { try { new Function(c) } catch (e) { return true } })"
    assert javascript.run(body, (), {"inputs": {"codes": sorted(codes)}}) == []


def test_parameter_references_of_real_apps_begin_with_what_an_expression_sees(texts: list[str]) -> None:
    parts = [part for text in texts for part in template(text.strip(), False) if isinstance(part, Expression)]
    roots = {str(part.path[0]) for part in parts if part.path is not None}
    literals = {root for root in roots if root.isdigit()} | {"true", "false", "null"}
    assert roots - literals == {"inputs", "self", "runtime"}
