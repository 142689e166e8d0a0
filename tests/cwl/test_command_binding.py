"""Command lines: positions, prefixes, lists, records, unions, shell quoting."""

import random
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.binding import Scope, command_line
from araneus.cwl.errors import ExpressionError, InputError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_path, parse_text
from araneus.cwl.process import CommandLineTool
from araneus.scheduler.jobfile import located
from tests.cwl.running import JS, Bench, tool


def _line(javascript: JavaScript, process: CommandLineTool, inputs: dict[str, Any]) -> list[str]:
    evaluator = evaluator_for(process, javascript)
    return list(command_line(process, Scope(inputs=inputs, runtime={"cores": 4}, evaluator=evaluator)))


FILE = {"class": "File", "path": "/in/1/a.txt", "location": "blob:1", "basename": "a.txt"}


@pytest.mark.parametrize(
    ("kind", "binding", "value", "words"),
    [
        ("string", {}, "a b", ["a b"]),
        ("string", {}, "", [""]),
        ("string", {"prefix": "-x"}, "a", ["-x", "a"]),
        ("string", {"prefix": "x=", "separate": False}, "a", ["x=a"]),
        ("string?", {"prefix": "-x"}, None, []),
        ("boolean", {"prefix": "-x"}, True, ["-x"]),
        ("boolean", {"prefix": "-x"}, False, []),
        ("boolean", {"prefix": ""}, True, []),
        ("string", {"prefix": ""}, "a", ["", "a"]),
        ("string[]", {"prefix": ""}, ["a"], ["a"]),
        ("string[]", {"prefix": "", "itemSeparator": ","}, ["a", "b"], ["", "a,b"]),
        ("boolean", {}, True, []),
        ("int", {"prefix": "-n"}, 0, ["-n", "0"]),
        ("long", {}, 2**53, [str(2**53)]),
        ("float", {}, 1e-5, ["0.00001"]),
        ("double", {}, 1.23e20, ["123000000000000000000"]),
        ("double", {}, 2.0, ["2"]),
        ("double", {}, 1e15, ["1000000000000000"]),
        ("double", {}, 1e16, ["10000000000000000"]),
        ("File", {"prefix": "-f"}, FILE, ["-f", "/in/1/a.txt"]),
        ("Directory", {}, {"class": "Directory", "path": "/in/2/d"}, ["/in/2/d"]),
        ("Any", {}, {"a": 1}, []),
        ("Any", {"prefix": "-p"}, ["a", 1], ["-p", "a", "1"]),
        ("string[]", {}, ["a", "b"], ["a", "b"]),
        ("string[]", {"prefix": "-x"}, ["a", "b"], ["-x", "a", "b"]),
        ("string[]", {"prefix": "-x"}, [], []),
        ("int[]", {"prefix": "-x", "itemSeparator": ","}, [1, 2], ["-x", "1,2"]),
        ("int[]", {"prefix": "-x=", "itemSeparator": ",", "separate": False}, [1, 2], ["-x=1,2"]),
        ("File[]", {"itemSeparator": ";"}, [FILE, FILE], ["/in/1/a.txt;/in/1/a.txt"]),
        ("boolean[]", {"itemSeparator": ","}, [True, False], ["true,false"]),
        ({"type": "array", "items": "string", "inputBinding": {"prefix": "-i"}}, None, ["a", "b"],
         ["-i", "a", "-i", "b"]),
        ({"type": "array", "items": "string", "inputBinding": {"prefix": "-i"}}, {"prefix": "-o"}, ["a", "b"],
         ["-o", "-i", "a", "-i", "b"]),
        ({"type": "array", "items": {"type": "array", "items": "int", "inputBinding": {"prefix": "-j"}}}, {},
         [[1, 2], [3]], ["-j", "1", "-j", "2", "-j", "3"]),
        ({"type": "array", "items": "string[]"}, {"prefix": "-p"}, [["a", "b"], ["c"]], ["-p", "a", "b", "c"]),
        ({"type": "enum", "symbols": ["a", "b"], "inputBinding": {"prefix": "-e"}}, None, "b", ["-e", "b"]),
        (["null", {"type": "enum", "symbols": ["a", "b"]}], {"prefix": "-e"}, "a", ["-e", "a"]),
        ([{"type": "enum", "symbols": ["a"], "inputBinding": {"prefix": "-e"}}, "string"], None, "a", ["-e", "a"]),
        (["string", {"type": "enum", "symbols": ["a"], "inputBinding": {"prefix": "-e"}}], None, "a", []),
        (["Any", {"type": "enum", "symbols": ["a"], "inputBinding": {"prefix": "-e"}}], None, "a", []),
        ("string", {"valueFrom": "$(self)$(self)"}, "ab", ["abab"]),
        ("string", {"valueFrom": "fixed", "prefix": "-v"}, "ab", ["-v", "fixed"]),
        ("string?", {"valueFrom": "fixed"}, None, []),
        ("int", {"valueFrom": "$(null)", "prefix": "-v"}, 1, []),
        ("boolean", {"valueFrom": "$(self)", "prefix": "-v"}, False, []),
        ("int[]", {"valueFrom": "$(self)"}, [1, 2], ["1", "2"]),
        ("Any", {"valueFrom": "$(self)"}, ["a", None, True, [1, ["b", []]], {"k": 1}, FILE],
         ["a", "1", "b", "/in/1/a.txt"]),
        ("Any", {"valueFrom": "x$(self)"}, {"b": 1, "a": "é"}, ['x{"a": "\\u00e9", "b": 1}']),
        ("int[]", {"valueFrom": "$(self)", "itemSeparator": "-", "prefix": "-v"}, [1, 2], ["-v", "1-2"]),
        ("File", {"valueFrom": "$(self.basename)"}, FILE, ["a.txt"]),
    ],
)  # fmt: skip
def test_one_binding(javascript: JavaScript, kind: Any, binding: Any, value: object, words: list[str]) -> None:
    port: dict[str, Any] = {"type": kind} if binding is None else {"type": kind, "inputBinding": binding}
    process = tool(baseCommand="run", inputs={"x": port})
    assert _line(javascript, process, {"x": value}) == ["run", *words]


RECORD = {
    "type": "record",
    "name": "pair",
    "fields": {
        "b": {"type": "int", "inputBinding": {"position": 2, "prefix": "-b"}},
        "a": {"type": "string?", "inputBinding": {"position": 1, "prefix": "-a"}},
        "silent": "string?",
    },
}


def test_records_bind_their_fields_inside_their_own_place(javascript: JavaScript) -> None:
    inputs = {
        "last": {"type": "int", "inputBinding": {"position": 9}},
        "pair": {"type": RECORD, "inputBinding": {"position": 3, "prefix": "--pair"}},
        "first": {"type": "int", "inputBinding": {"position": -1}},
    }
    process = tool(baseCommand=[], arguments=["run"], inputs=inputs)
    values = {"last": 7, "first": 0, "pair": {"a": "A", "b": 5, "silent": "no"}}
    assert _line(javascript, process, values) == ["0", "run", "--pair", "-a", "A", "-b", "5", "7"]


def test_lists_of_records_keep_the_order_of_the_list(javascript: JavaScript) -> None:
    process = tool(inputs={"pairs": {"type": {"type": "array", "items": RECORD}, "inputBinding": {}}})
    values = {"pairs": [{"a": "1", "b": 1}, {"b": 2}]}
    assert _line(javascript, process, values) == ["true", "-a", "1", "-b", "1", "-b", "2"]


def test_a_union_takes_the_type_that_the_value_has(javascript: JavaScript) -> None:
    other = {"type": "record", "fields": {"c": {"type": "string", "inputBinding": {"prefix": "-c"}}}}
    listed = {"type": "array", "items": "int", "inputBinding": {"prefix": "-i"}}
    process = tool(inputs={"x": {"type": ["null", RECORD, other, listed, "string"]}})
    assert _line(javascript, process, {"x": {"b": 1}}) == ["true", "-b", "1"]
    assert _line(javascript, process, {"x": {"c": "C"}}) == ["true", "-c", "C"]
    assert _line(javascript, process, {"x": [1, 2]}) == ["true", "-i", "1", "-i", "2"]
    assert _line(javascript, process, {"x": "text"}) == ["true"]


def test_equal_positions_are_settled_by_name_and_arguments_come_first(javascript: JavaScript) -> None:
    inputs = {name: {"type": "string", "inputBinding": {"position": 1}} for name in ("c", "a", "b")}
    arguments = [{"position": 1, "valueFrom": "arg"}, {"position": 1, "valueFrom": "$(runtime.cores)"}, "zero"]
    process = tool(baseCommand="run", inputs=inputs, arguments=arguments)
    line = _line(javascript, process, {name: name for name in "abc"})
    assert line == ["run", "zero", "arg", "4", "a", "b", "c"]


@given(positions=st.lists(st.integers(-5, 5), min_size=1, max_size=8), seed=st.integers())
def test_the_order_of_ports_never_matters(javascript: JavaScript, positions: list[int], seed: int) -> None:
    names = [f"p{number}" for number in range(len(positions))]
    ports = [
        (name, {"type": "string", "inputBinding": {"position": position}})
        for name, position in zip(names, positions, strict=True)
    ]
    values = {name: name for name in names}
    expected = [name for _, name in sorted(zip(positions, names, strict=True))]
    random.Random(seed).shuffle(ports)
    assert _line(javascript, tool(baseCommand="run", inputs=dict(ports)), values)[1:] == expected


def test_positions_may_be_expressions(javascript: JavaScript) -> None:
    inputs = {
        "a": {"type": "int", "inputBinding": {"position": "$(self)"}},
        "b": {"type": "int", "inputBinding": {"position": "$(inputs.a - 1)"}},
    }
    process = tool(baseCommand="run", inputs=inputs, requirements=JS)
    assert _line(javascript, process, {"a": 5, "b": 9}) == ["run", "9", "5"]
    bad = tool(inputs={"a": {"type": "int", "inputBinding": {"position": "$('x')"}}}, requirements=JS)
    with pytest.raises(ExpressionError, match="integer"):
        _line(javascript, bad, {"a": 1})


@given(words=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
def test_shell_words_are_quoted_unless_the_document_says_otherwise(javascript: JavaScript, words: list[str]) -> None:
    process = tool(
        baseCommand="run",
        inputs={"x": {"type": "string[]", "inputBinding": {"position": 1}}},
        arguments=[{"valueFrom": "|", "shellQuote": False, "position": 2}],
        requirements={"ShellCommandRequirement": {}},
    )
    shell, option, line = _line(javascript, process, {"x": words})
    assert (shell, option) == ("/bin/sh", "-c")
    assert line.endswith(" |")
    assert shlex.split(line.removesuffix(" |")) == ["run", *words]


def test_what_cannot_be_run_is_refused(javascript: JavaScript) -> None:
    with pytest.raises(InputError, match="no command"):
        _line(javascript, tool(baseCommand=[], arguments=[]), {})
    process = tool(inputs={"x": {"type": "string", "inputBinding": {}}})
    with pytest.raises(InputError, match="NUL"):
        _line(javascript, process, {"x": "a\0b"})
    with pytest.raises(InputError, match="no path"):
        _line(javascript, tool(inputs={"x": {"type": "Any", "inputBinding": {}}}), {"x": {"class": "File"}})


def _argument_tests(shared: Path) -> list[tuple[Path, Path, list[str]]]:
    suite = shared / "conformance" / "v1.2"
    return [
        (suite / entry["tool"], suite / entry["job"], entry["output"]["args"])
        for entry in parse_text((suite / "conformance_tests.yaml").read_bytes())
        if isinstance(entry.get("output"), dict) and set(entry["output"]) == {"args"}
    ]


def test_the_command_lines_of_the_conformance_suite(shared: Path, bench: Bench) -> None:
    tests = _argument_tests(shared)
    assert len(tests) >= 5
    for document, job, expected in tests:
        process = load_path(document)
        assert isinstance(process, CommandLineTool)
        values = {key: value for key, value in parse_text(job.read_bytes()).items() if not key.startswith("cwl:")}
        invocation = bench.prepare(process, located(values, job.parent))
        inputs = bench.layout.inputs
        words = [Path(word).name if word.startswith(inputs) else word for word in invocation.command]
        assert words[words.index("args.py") + 1 :] == expected, document.name
