"""Files to the normal form: imports, includes, references between files, and locations."""

import json
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import DocumentError, UnsupportedError
from araneus.cwl.load import load_path
from araneus.cwl.process import CommandLineTool, Workflow
from araneus.cwl.references import join, local_path
from araneus.cwl.types import RecordType


def write(folder: Path, **files: Any) -> Path:
    """Write files (text, or JSON of a value); ``__`` in a name stands for a dot, ``_d_`` for a folder."""
    for name, content in files.items():
        path = folder / name.replace("_d_", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


TOOL = """
cwlVersion: v1.2
class: CommandLineTool
inputs:
  x: {type: File, default: {class: File, location: data/a b.txt, secondaryFiles: [{class: File, path: "odd #1.txt"}]}}
outputs: []
baseCommand: cat
"""
WORKFLOW = """
cwlVersion: v1.2
class: Workflow
inputs: {f: File}
outputs: []
steps:
  one: {run: tools/copy.cwl, in: {x: f}, out: []}
  two: {run: "tools/copy.cwl#", in: {x: {default: {class: File, path: here.txt}}}, out: []}
"""


def test_files_that_run_files(tmp_path: Path) -> None:
    write(tmp_path, main__cwl=WORKFLOW, tools_d_copy__cwl=TOOL)
    found = load_path(tmp_path / "main.cwl")
    assert isinstance(found, Workflow)
    assert found.id == "main"
    one, two = (step.run for step in found.steps)
    assert one is two
    assert one.id == "copy"
    default = one.inputs[0].default
    assert default["location"] == (tmp_path / "tools" / "data" / "a b.txt").as_uri()
    second = default["secondaryFiles"][0]
    assert second == {"class": "File", "location": (tmp_path / "tools" / "odd #1.txt").as_uri()}
    assert local_path(second["location"]) == tmp_path / "tools" / "odd #1.txt"
    assert found.steps[1].inputs[0].default == {"class": "File", "location": (tmp_path / "here.txt").as_uri()}


def test_imports_keep_the_place_that_they_come_from(tmp_path: Path) -> None:
    write(
        tmp_path,
        main__cwl="""
cwlVersion: v1.2
class: CommandLineTool
requirements:
  - $import: lib/types.yml
  - class: InlineJavascriptRequirement
    expressionLib: [{$include: lib/code.js}, "var y;"]
inputs: {$import: lib/inputs.yml}
outputs: []
""",
        lib_d_types__yml="""
class: SchemaDefRequirement
types:
  - {name: pair, type: record, fields: {left: File, right: side}}
  - {name: side, type: enum, symbols: [l, r]}
""",
        lib_d_inputs__yml="""
a: types.yml#pair
b: {type: File, default: {class: File, location: near.txt}}
c: {$import: port.yml#wanted}
""",
        lib_d_port__yml="[{id: other, type: int}, {id: wanted, type: string}]",
        lib_d_code__js="var x = 1;\n",
    )
    found = load_path(tmp_path / "main.cwl")
    pair, near, port = found.inputs
    assert isinstance(pair.type, RecordType)
    assert near.default["location"] == (tmp_path / "lib" / "near.txt").as_uri()
    assert port.id == "c"
    assert found.requirements["InlineJavascriptRequirement"]["expressionLib"] == ["var x = 1;\n", "var y;"]


def test_a_mixin_gives_fields_that_are_not_given(tmp_path: Path) -> None:
    write(tmp_path, main__cwl={"$mixin": "base.yml", "baseCommand": "echo"}, base__yml=TOOL)
    found = load_path(tmp_path / "main.cwl")
    assert isinstance(found, CommandLineTool)
    assert found.base_command == ("echo",)
    assert [port.id for port in found.inputs] == ["x"]


def test_fragments_of_graphs(tmp_path: Path) -> None:
    tool = {"class": "CommandLineTool", "inputs": [], "outputs": [], "baseCommand": "true"}
    graph = {"cwlVersion": "v1.1", "$graph": [tool | {"id": "one"}, tool | {"id": "#two"}]}
    wrapper = {"class": "Workflow", "cwlVersion": "v1.2", "inputs": [], "outputs": []}
    steps = {"a": {"run": "graph.cwl#two", "in": [], "out": []}}
    write(tmp_path, graph__cwl=graph, main__cwl=wrapper | {"steps": steps})
    assert load_path(tmp_path / "graph.cwl", "one").id == "one"
    assert load_path(tmp_path / "graph.cwl", "#two").id == "two"
    found = load_path(tmp_path / "main.cwl")
    assert isinstance(found, Workflow)
    assert found.steps[0].run.cwl_version == "v1.1"
    with pytest.raises(DocumentError, match="#one, #two"):
        load_path(tmp_path / "graph.cwl")


def test_names_that_need_quoting(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c%20d?"
    folder.mkdir()
    write(folder, main__cwl=WORKFLOW, tools_d_copy__cwl=TOOL)
    found = load_path(folder / "main.cwl")
    assert local_path(found.steps[0].run.inputs[0].default["location"]) == folder / "tools" / "data" / "a b.txt"  # type: ignore[attr-defined]


def test_schemas_and_namespaces_of_a_file(tmp_path: Path) -> None:
    text = TOOL + "$schemas: [onto/EDAM.owl, 'https://x.org/y.ttl']\n$namespaces: {edam: 'http://edamontology.org/'}\n"
    found = load_path(write(tmp_path, main__cwl=text) / "main.cwl")
    assert found.extensions == {
        "$schemas": [(tmp_path / "onto" / "EDAM.owl").as_uri(), "https://x.org/y.ttl"],
        "$namespaces": {"edam": "http://edamontology.org/"},
    }


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"main__cwl": "- 1"}, "must be a mapping"),
        ({"main__cwl": ""}, "must be a mapping"),
        ({"main__cwl": "{a: 1, a: 2}"}, "main.cwl line 1.*given twice"),
        ({"main__cwl": TOOL.replace("[]", "{$import: none.yml}")}, "none.yml cannot be read"),
        ({"main__cwl": TOOL.replace("[]", "{$import: 'https://x.org/y.yml'}")}, "nothing is fetched"),
        ({"main__cwl": TOOL.replace("[]", "{$import: .}")}, "cannot be read"),
        ({"main__cwl": TOOL.replace("[]", "{$import: main.cwl}")}, "in a circle"),
        ({"main__cwl": TOOL.replace("[]", "{$import: b.yml}"), "b__yml": "{$import: main.cwl}"}, "in a circle"),
        ({"main__cwl": TOOL.replace("[]", "{$import: 'b.yml#z'}"), "b__yml": "{a: 1}"}, "nothing named #z"),
        ({"main__cwl": WORKFLOW}, "steps/one/run: .*copy.cwl cannot be read"),
        ({"main__cwl": WORKFLOW, "tools_d_copy__cwl": "{a: 1"}, "copy.cwl line 2"),
        (
            {"main__cwl": WORKFLOW, "tools_d_copy__cwl": WORKFLOW.replace("tools/copy", "../main")},
            "must not run itself",
        ),
        ({"main__cwl": WORKFLOW.replace("tools/copy.cwl,", "'https://x.org/t.cwl',")}, "nothing is fetched"),
    ],
)
def test_files_that_cannot_be_put_together(tmp_path: Path, files: dict[str, str], what: str) -> None:
    write(tmp_path, **files)
    with pytest.raises(DocumentError, match=what):
        load_path(tmp_path / "main.cwl")


def test_files_that_are_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        load_path(tmp_path / "none.cwl")
    with pytest.raises(DocumentError, match="cannot be read"):
        load_path(tmp_path)
    (tmp_path / "binary.cwl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match="UTF-8"):
        load_path(tmp_path / "binary.cwl")


def test_imports_without_end_are_refused(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"f{number}.yml").write_text(f"x: {{$import: f{number + 1}.yml}}")
    with pytest.raises(DocumentError, match="levels deep"):
        load_path(tmp_path / "f0.yml")


def test_draft_3_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="draft-3"):
        load_path(write(tmp_path, main__cwl={"cwlVersion": "draft-3", "class": "Workflow"}) / "main.cwl")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("x.cwl", "file:///d/x.cwl"),
        ("../x.cwl#y", "file:///x.cwl#y"),
        ("#y", "file:///d/main.cwl#y"),
        ("/abs/x", "file:///abs/x"),
        ("a b%20c", "file:///d/a%20b%20c"),
        ("A:Gln2Cys", "file:///d/A:Gln2Cys"),
        ("https://x.org/a b", "https://x.org/a b"),
        ("", "file:///d/"),
    ],
)
def test_references_seen_from_a_file(reference: str, expected: str) -> None:
    assert join("file:///d/main.cwl", reference) == expected
