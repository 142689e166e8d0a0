"""One document, many spellings: maps or lists, short or full ids, shortcuts or written out; the normal form is one."""

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.load import load_document, load_path, parse_text
from araneus.cwl.process import Workflow


def optional(kind: Any) -> list[Any]:
    return ["null", *kind] if isinstance(kind, list) else ["null", kind]


NAMES = st.text("abcxyz_0-.", min_size=1, max_size=6)
TYPES = st.recursive(
    st.sampled_from(["string", "int", "long", "double", "boolean", "File", "Directory", "Any"]),
    lambda inner: st.builds(lambda kind: {"type": "array", "items": kind}, inner) | st.builds(optional, inner),
    max_leaves=3,
)
PORTS = st.dictionaries(NAMES, st.tuples(TYPES, st.none() | st.integers(-5, 5)), max_size=4)


def shortened(kind: Any) -> Any:
    """The type with suffixes, where it can be said so."""
    if isinstance(kind, dict):
        items = shortened(kind["items"])
        return f"{items}[]" if isinstance(items, str) and not items.endswith("?") else {"type": "array", "items": items}
    if isinstance(kind, list) and len(kind) == 2 and isinstance(shortened(kind[1]), str):
        return f"{shortened(kind[1])}?"
    return kind


def ports(spec: dict[str, Any], *, listed: bool, prefix: str, short: bool) -> Any:
    """The inputs of a tool in one of the spellings."""
    made: dict[str, Any] = {}
    for name, (kind, position) in spec.items():
        said = shortened(kind) if short else kind
        binding = {} if position is None else {"inputBinding": {"position": position}}
        made[name] = said if short and not binding and not isinstance(said, dict) else {"type": said, **binding}
    if not listed:
        return made
    return [
        {"id": prefix + name, **(port if isinstance(port, dict) else {"type": port})} for name, port in made.items()
    ]


def tool(spec: dict[str, Any], name: str, **spelling: Any) -> dict[str, Any]:
    base = {"class": "CommandLineTool", "cwlVersion": "v1.2", "id": name, "baseCommand": "true"}
    return base | {"inputs": ports(spec, **spelling), "outputs": []}


@given(PORTS)
def test_ports_are_the_same_in_every_spelling(spec: dict[str, Any]) -> None:
    spellings = [
        tool(spec, "t", listed=listed, prefix=prefix, short=short)
        for listed, prefix in ((False, ""), (True, ""), (True, "#t/"), (True, "https://x.org/y.cwl#t/"))
        for short in (False, True)
    ]
    first, *others = [load_document(document) for document in spellings]
    assert [port.id for port in first.inputs] == list(spec)
    assert all(other == first for other in others)


@settings(max_examples=50)
@given(PORTS)
def test_a_document_is_the_same_in_json_and_yaml_and_beside_others(spec: dict[str, Any]) -> None:
    document = tool(spec, "t", listed=True, prefix="", short=True)
    first = load_document(document)
    assert load_document(parse_text(json.dumps(document))) == first
    assert load_document(parse_text(yaml.safe_dump(document, sort_keys=False))) == first
    assert load_document({"cwlVersion": "v1.2", "$graph": [document | {"id": "#t"}]}) == first


@settings(max_examples=25)
@given(PORTS)
def test_a_packed_workflow_is_that_of_its_files(tmp_path_factory: Any, spec: dict[str, Any]) -> None:
    folder: Path = tmp_path_factory.mktemp("packed")
    inner = tool(spec, "inner", listed=True, prefix="", short=True)
    link = {name: name for name in spec}
    inputs = {name: {"type": kind} for name, (kind, _) in spec.items()}
    outer = {"class": "Workflow", "cwlVersion": "v1.2", "id": "outer", "inputs": inputs, "outputs": []}
    step = {"in": link, "out": []}
    (folder / "inner.cwl").write_text(json.dumps(inner))
    (folder / "outer.cwl").write_text(json.dumps(outer | {"steps": {"one": step | {"run": "inner.cwl"}}}))
    found = load_path(folder / "outer.cwl")
    embedded = load_document(outer | {"steps": [step | {"id": "#outer/one", "run": inner}]})
    graph = [outer | {"id": "#main", "steps": {"one": step | {"run": "#inner"}}}, inner | {"id": "#inner"}]
    packed = load_document({"cwlVersion": "v1.2", "$graph": graph})
    assert isinstance(found, Workflow)
    assert isinstance(packed, Workflow)
    assert embedded == found
    assert (packed.steps, packed.inputs) == (found.steps, found.inputs)
