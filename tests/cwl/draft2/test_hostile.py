"""Documents of sbg:draft-2 that are wrong in every way: each loads, or ends in an error of ours that says where."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import CWLError, DocumentError, Problem
from araneus.cwl.inputs import check_values, complete
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import examine, load_document, parse_text
from araneus.cwl.process import CommandLineTool, Process, Workflow
from tests.cwl.draft2.documents import (
    array,
    bound,
    draft2_tool,
    draft2_workflow,
    expression,
    load_tool,
    output,
    port,
    step,
)
from tests.cwl.running import Bench

PATIENCE = 4.0
"""Seconds of processor time; the documents here take a tenth of it on an idle machine."""
RECORD = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "string", "inputBinding": {"position": 1}}]}
TOOL = draft2_tool(
    requirements=[
        {"class": "ExpressionEngineRequirement", "id": "#cwl-js-engine", "engineConfig": ["function f() {}"]},
        {"class": "CreateFileRequirement", "fileDef": [{"filename": "a", "fileContent": expression("'b'")}]},
        {"class": "EnvVarRequirement", "envDef": [{"envName": "A", "envValue": "b"}]},
        {"class": "SchemaDefRequirement", "types": [{"name": "#T", "type": "enum", "symbols": ["a"]}]},
    ],
    hints=[
        {"class": "sbg:CPURequirement", "value": expression("1")},
        {"class": "sbg:MemRequirement", "value": 100},
        {"class": "DockerRequirement", "dockerPull": "ubuntu", "dockerImageId": ""},
        {"class": "sbg:SaveLogs", "value": "*.log"},
    ],
    inputs=[
        bound("s", ["null", "string"], position=2, prefix="-s", valueFrom=expression("$self")),
        bound("l", array("string"), itemSeparator=",", separate=False),
        port("r", ["null", RECORD], **{"sbg:stageInput": "link"}),
        port("e", ["null", "#T"], default="a"),
    ],
    arguments=["a", {"position": 1, "valueFrom": expression("2")}],
    stdout=expression("'out'"),
    outputs=[output("o", ["null", "File"], glob=["*.x"], metadata={"k": expression("1")}, inherit="#s",
                    outputEval=expression("$self"), secondaryFiles=[".bai"])],
    successCodes=[0], temporaryFailCodes=[2],
)  # fmt: skip
WORKFLOW = draft2_workflow(
    inputs=[port("i", ["null", "string"])],
    steps=[step("S", TOOL, {"s": ["#i"], "l": {"default": ["a"]}}, scatter="#S.l", hints=[])],
    outputs=[{"id": "#o", "type": array("File"), "source": ["#S.o"], "linkMerge": "merge_flattened"}],
)
JUNK: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**400,
    "", " ", "#", "#.", "a.b", "\0", "$(x)", "\ud800", [], [[]], [None], [1], {},
    {"a": 1}, [{}], [{"id": 1}], [{"id": "#x"}], {"class": "Expression"}, {"class": "Expression", "script": 5},
    {"class": "Expression", "engine": [], "script": "1"}, {"class": "Expression", "engine": "e", "script": {}},
    {"class": "Expression", "engine": "cwl:JsonPointer", "script": "///"}, {"engine": 1, "script": []},
    {"class": "File"},
    {"class": "CommandLineTool"}, {"class": "Workflow"}, {"type": "array"}, {"type": "record", "fields": 5},
    {"type": "enum", "symbols": [[]]}, {"type": {"type": {"type": "int"}}}, ["null"], "sbg:draft-2", "v1.2",
    [{"class": 1}], [{"class": "CreateFileRequirement", "fileDef": {}}], "merge_sideways", "../../etc/passwd", "1e999",
    "nan", "-inf", {"import": "x"}, {"$import": "x"},
]  # fmt: skip


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a document."""
    if way:
        yield way
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*way, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*way, index))


def replaced(document: dict[str, Any], way: tuple[Any, ...], junk: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    node: Any = changed
    for key in way[:-1]:
        node = node[key]
    node[way[-1]] = junk
    return changed


def tools(process: Process) -> Iterator[CommandLineTool]:
    if isinstance(process, CommandLineTool):
        yield process
    for each in process.steps if isinstance(process, Workflow) else ():
        yield from tools(each.run)


def complaints(document: dict[str, Any], bench: Bench | None = None) -> tuple[Problem, ...]:
    """What is wrong with a document or, on a bench, with preparing its tools."""
    try:
        process = examine(document).process
        if bench is not None:
            for tool in tools(process):
                bench.prepare(tool, complete(tool, {"s": "v", "l": ["a"], "r": {"a": "b"}}))
    except CWLError as error:
        return error.problems or (Problem("", ""),)
    return ()


def survives(document: dict[str, Any], bench: Bench | None = None) -> None:
    """The document loads and its tools can be prepared, or there is an error of ours, in words."""
    assert all(problem.what for problem in complaints(document, bench))


WAYS = [(document, way) for document in (TOOL, WORKFLOW) for way in places(document)]


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(WAYS), st.sampled_from(JUNK))
def test_one_wrong_value_anywhere(bench: Bench, at: tuple[dict[str, Any], tuple[Any, ...]], junk: Any) -> None:
    document, way = at
    survives(replaced(document, way, junk), bench)


VALUES = st.recursive(
    st.sampled_from([*JUNK, "File", "string", "#x", "#S.x"]) | st.integers() | st.floats(-1e300, 1e300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "class", "type", "items", "fields", "symbols", "inputBinding", "script", "engine", "run",
                         "inputs", "outputs", "source", "default", "position", "prefix", "glob", "name", "value"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(WAYS), VALUES), min_size=1, max_size=4))
def test_many_wrong_values(bench: Bench, changes: list[tuple[Any, Any]]) -> None:
    document = changes[0][0][0]
    for (_, way), junk in changes:
        try:
            document = replaced(document, way, junk)
        except (KeyError, IndexError, TypeError):
            continue  # the place is in the other document, or an earlier change took it away
    survives(document, bench)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted({*TOOL, *WORKFLOW})), VALUES))
def test_documents_made_of_anything(fields: dict[str, Any]) -> None:
    survives(fields | {"cwlVersion": "sbg:draft-2"})


def shared_documents() -> dict[str, dict[str, Any]]:
    """Documents that others wrote, those that are read in a moment; the own ones where they are not there."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "apps" / "draft2"
    found = [*folder.glob("documents/*"), *folder.glob("replay/*/app.json"), *folder.glob("small/*.y*ml")]
    small = sorted(path for path in found if path.stat().st_size < 40_000)
    read = {path.name: parse_text(path.read_bytes()) for path in small}
    return {name: each for name, each in read.items() if isinstance(each, dict) and "class" in each} or {
        "own": WORKFLOW
    }


REAL = shared_documents()
REAL_WAYS = {name: list(places(document)) for name, document in REAL.items()}


@st.composite
def mutants(draw: st.DrawFn) -> dict[str, Any]:
    """A real document in which some values are others: junk, values of other places, nothing, or said twice."""
    name = draw(st.sampled_from(sorted(REAL)))
    document = copy.deepcopy(REAL[name])
    for _ in range(draw(st.integers(1, 4))):
        way = draw(st.sampled_from(REAL_WAYS[name]))
        try:
            node: Any = document
            for key in way[:-1]:
                node = node[key]
            kind = draw(st.sampled_from(["junk", "made", "moved", "dropped", "twice"]))
            if kind == "dropped":
                del node[way[-1]]
            elif kind == "twice" and isinstance(node, list):
                node.append(copy.deepcopy(node[way[-1]]))
            elif kind == "moved":
                other: Any = REAL[name]
                for key in draw(st.sampled_from(REAL_WAYS[name])):
                    other = other[key]
                node[way[-1]] = copy.deepcopy(other)
            else:
                node[way[-1]] = draw(st.sampled_from(JUNK) if kind == "junk" else VALUES)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return document


@settings(max_examples=400, deadline=None)
@given(mutants())
def test_real_documents_with_wrong_values(document: dict[str, Any]) -> None:
    """Loading and checking inputs raise nothing but errors of ours, in words and with places in the document."""
    before = json.dumps(document)
    problems = complaints(document)
    assert all(problem.what and len(problem.where) < 2000 for problem in problems)
    assert json.dumps(document) == before
    try:
        process = examine(document).process
    except CWLError:
        return
    for value in (None, "text", [None], {"class": "File"}):
        values = {each.id: value for each in process.inputs}
        assert all(problem.what for problem in check_values(process, values))


@pytest.mark.parametrize("way", [way for document, way in WAYS if document is TOOL and way[-1] not in {"class", "id"}])
def test_a_list_of_lists_is_wrong_nearly_everywhere_and_the_place_is_told(way: tuple[Any, ...]) -> None:
    problems = complaints(replaced(TOOL, way, [[5]]))
    assert [problem.where.split("/")[0] for problem in problems[:1]] in ([], [way[0]]), problems


def nested(levels: int, inner: Any, wrap: Callable[[Any], Any]) -> Any:
    for _ in range(levels):
        inner = wrap(inner)
    return inner


DEEP: dict[str, Callable[[int], dict[str, Any]]] = {
    "types": lambda levels: draft2_tool(
        inputs=[port("x", nested(levels, "string", lambda each: {"type": "array", "items": each}))]),
    "records": lambda levels: draft2_tool(inputs=[port("x", nested(
        levels, "string", lambda each: {"type": "record", "fields": [{"name": "a", "type": each}]}))]),
    "unions": lambda levels: draft2_tool(inputs=[port("x", nested(levels, "string", lambda each: ["null", each]))]),
    "workflows": lambda levels: nested(
        levels, draft2_tool(), lambda each: draft2_workflow(steps=[{"id": "#s", "run": each, "inputs": []}])),
    "metadata": lambda levels: draft2_tool(
        outputs=[output("o", metadata=nested(levels, "string", lambda each: {"k": each}))]),
    "unknown": lambda levels: draft2_tool(**{"sbg:job": nested(levels, 1, lambda each: [each])}),
    "arguments": lambda levels: draft2_tool(arguments=nested(levels, "a", lambda each: [each])),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("levels", [20, 45, 1200])
def test_deep_nesting(name: str, levels: int) -> None:
    began = time.process_time()
    problems = complaints(DEEP[name](levels))
    assert problems or levels < 100
    assert all(len(str(problem)) < 3000 for problem in problems)
    assert time.process_time() - began < PATIENCE


def test_deep_text_is_refused_by_its_depth() -> None:
    text = '{"class":"CommandLineTool","cwlVersion":"sbg:draft-2","inputs":' + "[" * 5000 + "]" * 5000 + "}"
    with pytest.raises(DocumentError, match="levels deep"):
        parse_text(text)


def test_types_that_double_are_refused_in_time() -> None:
    def record(number: int) -> dict[str, Any]:
        fields = [{"name": name, "type": f"#t{number + 1}"} for name in "ab"]
        return {"name": f"#t{number}", "type": "record", "fields": fields}

    types = [*(record(number) for number in range(200)), {"name": "#t200", "type": "enum", "symbols": ["a"]}]
    began = time.process_time()
    with pytest.raises(DocumentError, match=r"larger than|levels"):
        load_tool(inputs=[port("x", "#t0")], requirements=[{"class": "SchemaDefRequirement", "types": types}])
    assert time.process_time() - began < PATIENCE


def test_a_type_that_contains_itself() -> None:
    loop = {"name": "#a", "type": "record", "fields": [{"name": "a", "type": "#a"}]}
    with pytest.raises(CWLError, match="contains itself"):
        load_tool(inputs=[port("x", "#a")], requirements=[{"class": "SchemaDefRequirement", "types": [loop]}])


def test_a_wide_document_is_read_in_time() -> None:
    inputs = [bound(f"i{n}", ["null", "string"], valueFrom=expression("1")) for n in range(5000)]
    steps = [step(f"s{n}", TOOL, {"s": "#i0"}) for n in range(2000)]
    began = time.process_time()
    examine(draft2_tool(inputs=inputs))
    examine(draft2_workflow(inputs=[port("i0", "string")], steps=steps))
    assert time.process_time() - began < 2 * PATIENCE


def test_dotted_names_do_not_take_long() -> None:
    name = "." * 20_000
    began = time.process_time()
    with pytest.raises(DocumentError):
        load_document(draft2_workflow(steps=[step("s", TOOL, {"s": [f"#{name}"] * 50})]))
    assert time.process_time() - began < PATIENCE


@pytest.mark.parametrize(
    "script",
    [
        "while (true) {}",
        "{ for (;;) {} }",
        "x = []; while (true) x.push('aaaaaaaaaaaaaaaa')",
        "{ return {get a() { while (true) {} }} }",
        "f = function () { return f() }; f()",
        "{ return Array(1e9).join('x') }",
        "this.constructor.constructor('while (true) {}')()",
        "{ return new Promise(function () {}) }",
        "}) (); (function () { return 5",
        "{ } ) ; while (true) {} ; ( function () { }",
    ],
)
def test_scripts_end_in_time(strict_javascript: JavaScript, tmp_path: Path, script: str) -> None:
    tool = load_tool(baseCommand=[expression(script)])
    with pytest.raises(CWLError):
        Bench(tmp_path, strict_javascript).prepare(tool)


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../b", "..", "a\0b"])
def test_created_files_stay_in_the_working_directory(bench: Bench, name: str) -> None:
    files = {"class": "CreateFileRequirement", "fileDef": [{"filename": name, "fileContent": "x"}]}
    with pytest.raises(CWLError):
        bench.prepare(load_tool(requirements=[files]))


@pytest.mark.parametrize("name", ["../up", "/abs/x", "a/../../b"])
def test_streams_stay_in_the_working_directory(bench: Bench, name: str) -> None:
    with pytest.raises(CWLError, match="inside the working directory"):
        bench.prepare(load_tool(stdout=name))


def test_every_mistake_is_told_at_once_with_its_place() -> None:
    tool = draft2_tool(
        baseCommand=["a", [1]],
        arguments=[{"prefix": {}, "valueFrom": [2]}, 5],
        stdin=[1],
        successCodes=["three"],
        inputs=[
            bound("a", {"type": "sideways"}),
            bound("b", position="first", separate=[]),
            bound("c", ["null", {"type": "record", "name": "r", "fields": [{"name": "f", "type": "nope"}]}]),
            port("d", {"type": "array"}),
            port("e", inputBinding="x"),
        ],
        outputs=[output("o", glob=[[1]], metadata="x", outputEval=5.5, secondaryFiles=[[1]])],
        hints=[{"class": "sbg:CPURequirement", "value": "two"}],
        requirements=[
            {"class": "CreateFileRequirement", "fileDef": [5, {"fileContent": "x"}]},
            {"class": "EnvVarRequirement", "envDef": [{"envName": "A=B", "envValue": "x"}, {"envName": "C"}]},
        ],
    )
    with pytest.raises(DocumentError) as caught:
        load_document(draft2_workflow(steps=[step("S", tool), {"id": "#T", "inputs": 5, "scatter": {}}]))
    told = {problem.where for problem in caught.value.problems}
    inside = {place.removeprefix("steps/S/run/") for place in told if place.startswith("steps/S/run/")}
    assert inside == {
        "baseCommand/1", "arguments/0/prefix", "arguments/0/valueFrom", "stdin", "successCodes",
        "inputs/a/type/type", "inputs/b/inputBinding/position", "inputs/b/inputBinding/separate",
        "inputs/c/type/1/fields/f/type", "inputs/d/type/items", "inputs/e/inputBinding",
        "outputs/o/outputBinding/glob/0", "outputs/o/outputBinding/sbg:metadata",
        "outputs/o/outputBinding/secondaryFiles/0",
        "hints/sbg:CPURequirement/value",
        "requirements/CreateFileRequirement/fileDef/0", "requirements/CreateFileRequirement/fileDef/1/filename",
        "requirements/EnvVarRequirement/envDef/A=B", "requirements/EnvVarRequirement/envDef/C/envValue",
    }  # fmt: skip
    assert {place for place in told if not place.startswith("steps/S")} >= {"steps/T/run", "steps/T/inputs"}


def test_a_document_is_not_changed_by_being_read() -> None:
    before = json.dumps(WORKFLOW)
    examine(WORKFLOW)
    assert json.dumps(WORKFLOW) == before
