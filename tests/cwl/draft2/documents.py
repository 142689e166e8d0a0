"""Small documents of sbg:draft-2, as the platform's editors write them."""

from typing import Any

from araneus.cwl.load import load_document
from araneus.cwl.process import CommandLineTool, Workflow


def expression(script: str, **more: Any) -> dict[str, Any]:
    return {"class": "Expression", "engine": "#cwl-js-engine", "script": script} | more


def port(name: str, kind: Any = "string", **more: Any) -> dict[str, Any]:
    """An input; keywords other than those of a binding stand at the port itself."""
    return {"id": f"#{name}", "type": kind} | more


def bound(name: str, kind: Any = "string", *, at: dict[str, Any] | None = None, **binding: Any) -> dict[str, Any]:
    """An input with a binding; ``at`` stands at the port itself."""
    return {"id": f"#{name}", "type": kind, "inputBinding": {"sbg:cmdInclude": True} | binding} | (at or {})


def output(name: str, kind: Any = "File", **binding: Any) -> dict[str, Any]:
    keys = {"metadata": "sbg:metadata", "inherit": "sbg:inheritMetadataFrom"}
    return {
        "id": f"#{name}",
        "type": kind,
        "outputBinding": {keys.get(key, key): value for key, value in binding.items()},
    }


def array(items: Any, **more: Any) -> list[Any]:
    return ["null", {"type": "array", "items": items} | more]


def draft2_tool(**fields: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"class": "CommandLineTool", "cwlVersion": "sbg:draft-2", "id": "user/project/app/1"}
    base |= {"inputs": [], "outputs": [], "baseCommand": ["echo"], "stdin": "", "successCodes": []}
    return base | fields


def draft2_workflow(**fields: Any) -> dict[str, Any]:
    base = {"class": "Workflow", "cwlVersion": "sbg:draft-2", "inputs": [], "outputs": [], "steps": []}
    return base | fields


def step(name: str, run: Any, inputs: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A step; an input that is text or a list is a source, anything else are its fields."""
    ports = []
    for each, value in (inputs or {}).items():
        rest = value if isinstance(value, dict) else {"source": value}
        ports.append({"id": f"#{name}.{each}"} | rest)
    produced = run.get("outputs", []) if isinstance(run, dict) else []
    outs = [{"id": f"#{name}.{each['id'].removeprefix('#')}"} for each in produced if isinstance(each, dict)]
    return {"id": f"#{name}", "run": run, "inputs": ports, "outputs": outs} | fields


def load_tool(**fields: Any) -> CommandLineTool:
    process = load_document(draft2_tool(**fields))
    assert isinstance(process, CommandLineTool)
    return process


def load_workflow(**fields: Any) -> Workflow:
    process = load_document(draft2_workflow(**fields))
    assert isinstance(process, Workflow)
    return process
