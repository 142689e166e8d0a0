"""Documents that the tests of loading are made from, and what is wrong with one."""

from typing import Any

import pytest

from araneus.cwl.errors import DocumentError
from araneus.cwl.load import load_document
from araneus.cwl.process import CommandLineTool, Workflow


def tool(**fields: Any) -> dict[str, Any]:
    """A small tool; fields replace its own."""
    base = {"class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": {}, "outputs": {}, "baseCommand": "true"}
    return base | fields


def workflow(**fields: Any) -> dict[str, Any]:
    base = {"class": "Workflow", "cwlVersion": "v1.2", "inputs": {}, "outputs": {}, "steps": {}}
    return base | fields


def step(run: Any, **fields: Any) -> dict[str, Any]:
    return {"run": run, "in": {}, "out": []} | fields


COPY = tool(id="copy", inputs={"x": "File"}, outputs={"y": {"type": "File", "outputBinding": {"glob": "*"}}})


def load_tool(**fields: Any) -> CommandLineTool:
    process = load_document(tool(**fields))
    assert isinstance(process, CommandLineTool)
    return process


def load_workflow(**fields: Any) -> Workflow:
    process = load_document(workflow(**fields))
    assert isinstance(process, Workflow)
    return process


def problems(document: dict[str, Any]) -> dict[str, str]:
    """What is wrong with a document, by place."""
    with pytest.raises(DocumentError) as caught:
        load_document(document)
    return {problem.where: problem.what for problem in caught.value.problems}
