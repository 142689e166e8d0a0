"""App documents of hostile size and shape: an answer in moments, and little memory."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from araneus.api.app_documents import MAX_DOCUMENT, MAX_VALUES, NormalForms, is_of_the_platform, read_document
from araneus.model.app import content_hash
from araneus.model.errors import Refusal

PATIENCE = 5.0
"""Seconds of processor time; the documents here take a fifth of it on an idle machine."""
HEAD = '{"class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": [], "outputs": [], "sbg:x": ['
YAML = "class: CommandLineTool\ncwlVersion: v1.2\ninputs: []\noutputs: []\nsbg:x:"
TOOL: dict[str, Any] = {"class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": {}, "outputs": {}}


def filled(head: str, unit: str, tail: str = "") -> str:
    """As many units as a document may hold."""
    return head + unit * ((MAX_DOCUMENT - 1000) // len(unit)) + tail


def tool(**fields: Any) -> str:
    return json.dumps(TOOL | fields)


HOSTILE: dict[str, Callable[[], str]] = {
    "lists": lambda: filled(HEAD, "[],", "0]}"),
    "numbers": lambda: filled(HEAD, "1,", "0]}"),
    "long integers": lambda: filled(HEAD, "9" * 3999 + ",", "0]}"),
    "a text": lambda: filled(HEAD + '"', "x", '"]}'),
    "a mistake at the end": lambda: filled(HEAD, f'"{"a" * 60}",', "}"),
    "many keys": lambda: HEAD + json.dumps(dict.fromkeys(map(str, range(MAX_VALUES)))) + "]}",
    "YAML lists": lambda: filled(YAML, "\n- a"),
    "YAML in flow": lambda: filled(YAML + " [", "a,", "]"),
    "YAML text": lambda: filled(YAML + " |\n", f"  {'a' * 100}\n"),
    "YAML comments": lambda: filled(YAML + " 1\n", "# a\n"),
    "YAML in JSON": lambda: json.dumps(YAML + "\n- a" * 2_000_000),
    "aliases": lambda: filled(YAML.replace("sbg:x", "sbg:y") + " &a [1]\nsbg:x:", "\n- *a"),
    "merges": lambda: filled(YAML.replace("sbg:x", "sbg:y") + " &a {b: 1}\nsbg:x:", "\n- {<<: *a}"),
    "hints": lambda: tool(hints=[{"class": "sbg:SaveLogs", "value": "x"}] * 70_000),
    "ports": lambda: tool(inputs={f"i{number}": "File?" for number in range(100_000)}),
    "wrong ports": lambda: tool(inputs={f"i{number}": "Fil" for number in range(100_000)}),
    "defaults": lambda: tool(
        inputs={
            f"i{n}": {"type": ["null", {"type": "array", "items": "string"}], "default": [1] * 90} for n in range(2500)
        }
    ),
    "processes": lambda: json.dumps({"cwlVersion": "v1.2", "$graph": [TOOL | {"id": f"#{n}"} for n in range(40_000)]}),
    "imports": lambda: tool(**{"sbg:x": [{"name": f"n{n}", "x": {"$import": f"#n{n - 1}"}} for n in range(50_000)]}),
    "sources in lines": lambda: json.dumps(
        TOOL
        | {
            "class": "Workflow",
            "inputs": {f"x{number}": "string" for number in range(190)},
            "steps": {f"s{n}": {"run": TOOL, "in": {"x": f"{'x' * 60}{n}"}, "out": []} for n in range(1900)},
        },
        indent=1,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_answered_in_moments(name: str) -> None:
    body = HOSTILE[name]().encode()
    assert len(body) <= MAX_DOCUMENT
    began = time.process_time()
    with suppress(Refusal):
        upload = read_document(body)
        NormalForms().admit(content_hash(upload.document), upload.document, "x", upload)
    assert time.process_time() - began < PATIENCE


def test_a_document_that_is_known_is_not_loaded_again() -> None:
    upload = read_document(tool(inputs={f"i{number}": "File?" for number in range(20_000)}).encode())
    forms, content = NormalForms(), content_hash(upload.document)
    first = forms.admit(content, upload.document, "x", upload)
    began = time.process_time()
    assert forms.admit(content, upload.document, "x", upload) is first
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize(
    ("marked", "document"),
    [
        (True, {"steps": [{"run": {"sbg:x": None}}]}),
        (True, {"hints": [{"class": "sbg:x"}]}),
        (True, {"$namespaces": {"sbg": "x"}}),
        (True, {"cwlVersion": "sbg:draft-2"}),
        (False, {"$namespaces": {"edam": "x"}, "label": "sbg:x", "doc": ["sbg:"]}),
        (False, {"hints": [{"class": ["sbg:x"]}], "$namespaces": ["sbg"]}),
    ],
)
def test_marks_of_the_platform(marked: bool, document: dict[str, Any]) -> None:
    assert is_of_the_platform(document) is marked
