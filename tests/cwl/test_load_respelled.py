"""Real apps written in another way: the spelling changes, the meaning and so the normal form does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.cwl.load import Examined, examine, parse_text
from araneus.cwl.process import Process, Workflow
from araneus.cwl.resolve import PROCESS_CLASSES

SHARED = Path(__file__).resolve().parents[3] / "shared"
PATHS = [path for path in sorted((SHARED / "apps" / "packed").glob("*.json")) if path.stat().st_size < 60_000]
MAPS = {"inputs": "id", "outputs": "id", "steps": "id", "in": "id", "requirements": "class", "hints": "class"}
Change = Callable[[Any], Any]


def everywhere(change: Change) -> Change:
    """A change of one mapping, made in every process and step of a document, the innermost first."""

    def changed(node: Any) -> Any:
        if isinstance(node, list):
            return [changed(item) for item in node]
        if isinstance(node, dict):
            node = {key: item if key in {"default", "doc"} else changed(item) for key, item in node.items()}
            return change(node) if "run" in node or node.get("class") in PROCESS_CLASSES else node
        return node

    return changed


def mapped(node: dict[str, Any]) -> dict[str, Any]:
    made = dict(node)
    for field, key in MAPS.items():
        entries = node.get(field)
        if not isinstance(entries, list) or not all(isinstance(each, dict) and key in each for each in entries):
            continue
        if len({each[key] for each in entries}) == len(entries):
            made[field] = {each[key]: {name: item for name, item in each.items() if name != key} for each in entries}
    return made


def listed(node: dict[str, Any]) -> dict[str, Any]:
    made = dict(node)
    for field, key in MAPS.items():
        if isinstance(node.get(field), dict):
            predicate = {"in": "source", "inputs": "type", "outputs": "type"}.get(field, "value")
            made[field] = [
                {key: name, **(entry if isinstance(entry, dict) else {predicate: entry})}
                for name, entry in node[field].items()
            ]
    return made


def with_types(change: Change) -> Change:
    def changed(node: dict[str, Any]) -> dict[str, Any]:
        made = dict(node)
        for field in ("inputs", "outputs"):
            if "class" in node and isinstance(node.get(field), list):
                made[field] = [{**port, "type": change(port["type"])} for port in node[field]]
        return made

    return changed


def expanded(kind: Any) -> Any:
    if isinstance(kind, str) and kind.endswith("?"):
        inner = expanded(kind[:-1])
        return ["null", *inner] if isinstance(inner, list) else ["null", inner]
    if isinstance(kind, str) and kind.endswith("[]"):
        return {"type": "array", "items": expanded(kind[:-2])}
    return kind


def shortened(kind: Any) -> Any:
    if isinstance(kind, dict) and kind.keys() == {"type", "items"} and isinstance(shortened(kind["items"]), str):
        return f"{shortened(kind['items'])}[]"
    if isinstance(kind, list) and len(kind) == 2 and kind[0] == "null" and isinstance(shortened(kind[1]), str):
        return f"{shortened(kind[1])}?"
    return kind


def backwards(node: dict[str, Any]) -> dict[str, Any]:
    """Requirements in the other order, where no class stands twice; keys in the other order."""
    made = dict(reversed(node.items()))
    for field in ("requirements", "hints"):
        classes = [each.get("class") for each in node.get(field) or [] if isinstance(each, dict)]
        if isinstance(node.get(field), list) and len(set(classes)) == len(node[field]):
            made[field] = node[field][::-1]
    return made


def decorated(node: dict[str, Any]) -> dict[str, Any]:
    extra = {"sbg:x": 12.5, "sbg:deep": [{"class": None}], "acme:made": {"by": ["us"]}}
    made = {**node, **extra}
    for field in ("inputs", "outputs", "in"):
        if isinstance(node.get(field), list):
            made[field] = [{**each, **extra} if isinstance(each, dict) else each for each in node[field]]
    return made


def long_ids(document: dict[str, Any]) -> dict[str, Any]:
    """The main workflow as cwltool packs it: every id with those around it."""
    document = json.loads(json.dumps(listed(document)))
    document["id"] = "#wf"

    def sources(value: Any) -> Any:
        return [f"#wf/{each}" for each in value] if isinstance(value, list) else f"#wf/{value}"

    for port in document["inputs"] + document["outputs"]:
        port["id"] = f"#wf/{port['id']}"
        if "outputSource" in port:
            port["outputSource"] = sources(port["outputSource"])
    for each in document["steps"]:
        name = each["id"] = f"#wf/{each['id']}"
        each["in"] = listed(each)["in"]
        for link in each["in"]:
            link["id"] = f"{name}/{link['id']}"
            if "source" in link:
                link["source"] = sources(link["source"])
        each["out"] = [{"id": f"{name}/{out['id'] if isinstance(out, dict) else out}"} for out in each["out"]]
        if each.get("scatter"):
            given = each["scatter"]
            each["scatter"] = [f"{name}/{it}" for it in given] if isinstance(given, list) else f"{name}/{given}"
    return document


def in_a_graph(document: dict[str, Any]) -> dict[str, Any]:
    return {"cwlVersion": document["cwlVersion"], "$graph": [document]}


CHANGES: dict[str, Change] = {
    "maps": everywhere(mapped),
    "lists": everywhere(listed),
    "types written out": everywhere(with_types(expanded)),
    "types in short": everywhere(with_types(shortened)),
    "the other order": everywhere(backwards),
    "foreign keys": everywhere(decorated),
    "long ids": long_ids,
    "JSON": lambda document: parse_text(json.dumps(document, indent=2)),
    "YAML": lambda document: parse_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=80)),
    "YAML in flow": lambda document: parse_text(yaml.safe_dump(document, sort_keys=False, default_flow_style=True)),
}


def plain(process: Process) -> Process:
    """The process without what is foreign to it."""
    changed = replace(
        process,
        extensions={},
        inputs=tuple(replace(port, extensions={}) for port in process.inputs),
        outputs=tuple(replace(port, extensions={}) for port in process.outputs),
    )
    if isinstance(changed, Workflow):
        return replace(changed, steps=tuple(replace(step, run=plain(step.run)) for step in changed.steps))
    return changed


def same(one: Examined, other: Examined) -> bool:
    places = [{problem.where for problem in each.broken + each.doubts} for each in (one, other)]
    # A link that leads nowhere is kept as it was written.
    return places[0] == places[1] and (bool(one.broken) or plain(one.process) == plain(other.process))


@pytest.mark.skipif(not PATHS, reason="the shared reference data is not beside the checkout")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_real_app_is_the_same_in_every_spelling(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PATHS))
    document = json.loads(path.read_bytes()) | {"id": "wf"}
    names = data.draw(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=4))
    changed = document
    for name in names:
        if name != "long ids" or changed.get("id") == "wf":
            changed = CHANGES[name](changed)
    if data.draw(st.booleans()):
        changed = in_a_graph(changed)
    assert same(examine(document), examine(changed)), (path.name, names)
