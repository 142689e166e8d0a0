"""Real apps with something broken in them: whatever it is, they load or are refused, in moments.

Mutations keep the rest of an app as it was, so that they reach further than documents made of nothing but mistakes:
through registering, the checks of inputs, `araneus lint`, and the engine up to the first jobs.
"""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.inputs import check_values
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import examine, parse_text
from araneus.cwl.process import MISSING, Process, Workflow
from araneus.cwl.types import ArrayType, EnumType, Primitive, RecordType, Type, options
from araneus.engine.execution import Execution
from araneus.lint.rules import lint

SHARED = Path(__file__).resolve().parents[3] / "shared" / "apps"
PATHS = [
    path
    for folder in ("packed", "draft2/documents")
    for path in sorted((SHARED / folder).glob("*"))
    if path.is_file() and path.stat().st_size < 150_000
]
PATIENCE = 4.0
"""Seconds of processor time for one document."""

ODD: list[Any] = [
    None, True, 0, -1, 1e308, 2**63, 10**30, "", "#", "#main", "#main/x/y", "a/b", "\0", "$(", "${", "$(inputs)",
    "null", "File[]?", "x" * 5000, [], {}, [None], [[]], [{}], {"": None}, {"id": "x"}, {"class": "File"},
    {"class": "CommandLineTool"}, {"class": "Workflow", "steps": []}, {"$import": "#main"}, {"type": "array"},
    {"type": "record", "fields": []}, {"type": {"type": {"type": "x"}}}, {"class": None}, ["null"], "v1.0", "v1.2",
    "sbg:draft-2", "draft-3", "sbg:x", "cwl:x", "http://x#y", "__proto__", "class", "\ud800", [0] * 2000,
]  # fmt: skip
NAMES = ["", "id", "type", "class", "source", "run", "in", "out", "$import", "$graph", "$namespaces", "cwlVersion",
         "items", "default", "scatter", "cwl:inputs", "requirements"]  # fmt: skip


def places(root: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a tree."""
    found: list[tuple[Any, Any]] = []
    pending = [root]
    while pending:
        node = pending.pop()
        pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        found += [(node, key) for key, _ in pairs]
        pending += [item for _, item in pairs if isinstance(item, dict | list)]
    return found


def put_odd(draw: st.DrawFn, container: Any, key: Any, _root: Any) -> None:
    container[key] = copy.deepcopy(draw(st.sampled_from(ODD)))


def leave_out(_draw: st.DrawFn, container: Any, key: Any, _root: Any) -> None:
    del container[key]


def put_another(draw: st.DrawFn, container: Any, key: Any, root: Any) -> None:
    found = places(root)
    other, name = found[draw(st.integers(0, len(found) - 1))]
    container[key] = copy.deepcopy(other[name])


def rename(draw: st.DrawFn, container: Any, key: Any, _root: Any) -> None:
    if isinstance(container, dict):
        container[draw(st.sampled_from(NAMES))] = container.pop(key)


def wrap(draw: st.DrawFn, container: Any, key: Any, _root: Any) -> None:
    value = container[key]
    container[key] = draw(st.sampled_from([[value], {"x": value}, {"type": value}, [value, copy.deepcopy(value)]]))


def cut(draw: st.DrawFn, container: Any, key: Any, _root: Any) -> None:
    value = container[key]
    if isinstance(value, str):
        end = draw(st.sampled_from(["", "?", "[]", "#", "/", "\\", "$(", "'"]))
        container[key] = value[: draw(st.integers(0, len(value)))] + end


MUTATIONS: list[Callable[[st.DrawFn, Any, Any, Any], None]] = [put_odd, leave_out, put_another, rename, wrap, cut]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = parse_text(draw(st.sampled_from(PATHS)).read_bytes())
    for mutation in draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=5)):
        found = places(document)
        if found:
            mutation(draw, *found[draw(st.integers(0, len(found) - 1))], document)
    return document


def some_value(kind: Type) -> Any:
    """A value of a type."""
    first = options(kind)[-1]
    if isinstance(first, ArrayType):
        return [some_value(first.items)]
    if isinstance(first, EnumType):
        return first.symbols[0] if first.symbols else None
    if isinstance(first, RecordType):
        return {each.name: some_value(each.type) for each in first.fields}
    assert isinstance(first, Primitive)
    simple = {"null": None, "boolean": True, "string": "x", "float": 0.5, "double": 0.5, "Any": "x"}
    if first.name in ("File", "Directory"):
        return {"class": first.name, "location": "file:///nowhere/a.bam", "basename": "a.bam"}
    return simple.get(first.name, 3)


def begun(process: Process, javascript: JavaScript) -> None:
    """The first jobs of a process with some inputs."""
    given = {port.id: some_value(port.type) for port in process.inputs if port.default is MISSING}
    if not check_values(process, given):
        Execution(
            process, given, lambda each: evaluator_for(each, javascript), load=lambda value, _c, _l: value
        ).start()


@pytest.mark.skipif(not PATHS, reason="the shared reference data is not beside the checkout")
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=mutated())
def test_a_real_app_with_something_broken_is_read_or_refused(
    strict_javascript: JavaScript, document: dict[str, Any]
) -> None:
    before = json.dumps(document)
    refused: CWLError | None = None
    started = time.process_time()
    try:
        found = examine(document)
        assert all(isinstance(each.where, str) for each in lint(found.process, found.doubts))
        if not found.broken:
            begun(found.process, strict_javascript)
        elif isinstance(found.process, Workflow):
            assert all(problem.what for problem in found.broken)
    except CWLError as error:
        refused = error
    assert all(problem.what and len(str(problem)) < 5000 for problem in (refused.problems if refused else ()))
    assert time.process_time() - started < PATIENCE
    assert json.dumps(document) == before
