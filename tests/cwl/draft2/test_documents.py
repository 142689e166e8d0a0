"""Documents of sbg:draft-2 that others wrote: each loads, lists its ports, validates inputs; small ones are run."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.bindings import Script
from araneus.cwl.draft2.evaluation import MAIN_ENGINE
from araneus.cwl.errors import DocumentError
from araneus.cwl.inputs import check_values
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import examine, load_document, parse_text
from araneus.cwl.process import MISSING, CommandLineTool, Process, Workflow
from araneus.cwl.types import ArrayType, EnumType, Primitive, RecordType, Type, is_optional, options
from araneus.direct import run_cwl_command

FILE = {"class": "File", "path": "x"}
SAMPLES: dict[str, Any] = {
    "boolean": True, "int": 1, "long": 1, "float": 1.5, "double": 1.5, "string": "s", "File": FILE, "Any": "a",
    "null": None, "Directory": {"class": "Directory", "path": "x"},
}  # fmt: skip


def documents(shared: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    folder = shared / "apps" / "draft2"
    found = [*sorted((folder / "documents").iterdir()), *sorted(folder.glob("replay/*/app.json"))]
    assert found
    for path in found:
        yield str(path.relative_to(folder)), parse_text(path.read_bytes())


def sample(kind: Type) -> Any:
    """A value of a type."""
    option = next((each for each in options(kind) if each != Primitive("null")), Primitive("null"))
    if isinstance(option, ArrayType):
        return [sample(option.items)]
    if isinstance(option, EnumType):
        return option.symbols[0]
    if isinstance(option, RecordType):
        return {field.name: sample(field.type) for field in option.fields}
    assert isinstance(option, Primitive)
    return SAMPLES[option.name]


def test_every_document_loads_with_its_ports_and_stays_as_it_came(shared: Path) -> None:
    for name, document in documents(shared):
        before = json.dumps(document)
        process = load_document(document)
        assert json.dumps(document) == before, name
        for section, ports in (("inputs", process.inputs), ("outputs", process.outputs)):
            given = [entry["id"] for entry in document[section]]
            assert [port.id for port in ports] == [re.sub(r"^.*#", "", each).rpartition("/")[2] for each in given], name
        assert len(document.get("steps", ())) == (len(process.steps) if isinstance(process, Workflow) else 0), name


def test_every_document_validates_inputs(shared: Path) -> None:
    for name, document in documents(shared):
        process = load_document(document)
        assert check_values(process, {port.id: sample(port.type) for port in process.inputs}) == [], name
        required = {port.id for port in process.inputs if not is_optional(port.type) and port.default is MISSING}
        assert {problem.where for problem in check_values(process, {})} == required, name
        anything = {port.id for port in process.inputs if Primitive("Any") in options(port.type)}
        wrong = {port.id: {"class": "Nothing"} for port in process.inputs if port.id not in anything}
        assert len({problem.where.split(".")[0] for problem in check_values(process, wrong)}) == len(wrong), name


def test_nothing_in_the_documents_is_doubtful_but_what_is_known(shared: Path) -> None:
    for name, document in documents(shared):
        examined = examine(document)
        assert examined.broken == ()
        assert all("cmdInclude" in doubt.where for doubt in examined.doubts), (name, examined.doubts)


def scripts(value: Any) -> Iterator[Script]:
    if isinstance(value, dict):
        if value.get("class") == "Expression":
            yield Script(value["script"], value.get("engine", MAIN_ENGINE))
        for item in value.values():
            yield from scripts(item)
    elif isinstance(value, list):
        for item in value:
            yield from scripts(item)


def test_every_script_of_the_documents_compiles(shared: Path, javascript: JavaScript) -> None:
    found = {script.source.strip() for _, document in documents(shared) for script in scripts(document)}
    assert len(found) > 200
    check = """
        return inputs.filter(function (source) {
          try { new Function(source[0] === "{" ? "(function ()" + source + "\\n)" : source) } catch (e) { return true }
        })"""
    assert javascript.run(check, (), {"inputs": sorted(found)}) == []


def tools(process: Process) -> Iterator[Process]:
    yield process
    if isinstance(process, Workflow):
        for step in process.steps:
            yield from tools(step.run)


def test_every_tool_of_a_document_has_a_command_and_its_image(shared: Path) -> None:
    count = 0
    for name, document in documents(shared):
        for tool in tools(load_document(document)):
            if isinstance(tool, CommandLineTool) and tool.cwl_version == "sbg:draft-2":
                count += 1
                assert tool.arguments or tool.inputs, name
                image = tool.requirement("DockerRequirement") or {}
                assert "dockerImageId" not in image or "dockerPull" not in image, name
    assert count > 80


def cases(shared: Path) -> dict[str, dict[str, Any]]:
    found = parse_text((shared / "apps" / "draft2" / "small" / "draft-sb.test.yaml").read_bytes())
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("number", range(1, 6))
def test_small_apps_give_what_they_should(
    number: int, shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shared / "apps" / "draft2" / "small"
    case = cases(shared)[f"test{number}"]
    app, job = (str(folder / Path(case[key]).name) for key in ("app", "inputs"))
    assert run_cwl_command(app, job, outdir=tmp_path, quiet=True, containers="none") == 0
    found = list(json.loads(capfd.readouterr().out).values())
    for wanted, value in zip(case["expected"].values(), found, strict=True):
        shown = {"name": value["basename"], "metadata": value.get("metadata")}
        assert {key: shown.get(key, value.get(key)) for key in wanted} == wanted


def test_the_sixth_app_sees_what_it_was_given(shared: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = shared / "apps" / "draft2" / "small"
    app, job = str(folder / "hints.cwl.yaml"), str(folder / "hints.inputs.yaml")
    assert run_cwl_command(app, job, outdir=tmp_path, quiet=True, containers="none") == 0
    assert json.loads(capfd.readouterr().out) == {"cpu": True, "mem": True}


def test_broken_links_are_told_with_their_place(shared: Path) -> None:
    document = parse_text((shared / "apps" / "draft2" / "documents" / "mini_wf_d2.cwl").read_bytes())
    document["outputs"][0]["source"] = ["#nowhere.out"]
    with pytest.raises(DocumentError) as caught:
        load_document(document)
    assert [problem.where.split("/")[0] for problem in caught.value.problems] == ["outputs"]
    assert "nowhere.out" in caught.value.problems[0].what
