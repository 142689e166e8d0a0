"""The scripts of sbg:draft-2: function bodies, programs, sloppy mode, what they see and what comes of their results."""

from typing import Any

import pytest

from araneus.cwl.bindings import Script
from araneus.cwl.draft2.evaluation import ScriptEvaluator
from araneus.cwl.errors import ExpressionError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from tests.cwl.draft2.documents import load_tool

FILE = {"class": "File", "location": "file:///data/a.bam", "path": "/in/1/a.bam", "basename": "a.bam"}
INPUTS = {"x": 3, "nothing": None, "f": FILE, "l": [FILE, None]}
RUNTIME = {"cores": 4, "ram": 2048, "outdir": "/work"}


def value(javascript: JavaScript, script: str, self_: Any = None, engine: str = "#cwl-js-engine") -> Any:
    evaluator = ScriptEvaluator(javascript, ())
    return evaluator.evaluate(Script(script, engine), inputs=INPUTS, self_=self_, runtime=RUNTIME, where="here")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("$job.inputs.x", 3),
        ("$job.inputs.x + 1", 4),
        ("  \n {\n  return $job.inputs.x * 2;\n}\n ", 6),
        ("{ return 1 };", 1),
        ("{ return 1 } // a comment", 1),
        ("{ str = ''; for (i = 0; i < 3; i++) { str += i }; return str }", "012"),
        ("str = ''\nfor (i = 0; i < 3; i++) { str += i }\nstr", "012"),
        ("var a = 1; var b = a + 1; b * 2", 4),
        ("function f(n) { return n + 1 }\nf(1)", 2),
        ("if ($job.inputs.x > 2) { 'large' } else { 'small' }", "large"),
        ("// a comment\n{ 1 + 1 }", 2),
        ("/* a comment */ { a = 5 }", 5),
        ("x = 010; x", 8),
        ("{ a: 1 }", None),
        ("{ with ($job) { return inputs.x } }", 3),
        ("{ result = 5; value = 6; return result + value }", 11),
        ("{ arguments.length; return this !== undefined }", True),
        ("undefined", None),
        ("NaN", None),
        ("'a' * 2", None),
        ("null", None),
        ("{ }", None),
        ("", None),
        ("   ", None),
        ("'costs \\\\$5'", "costs $5"),
        ("['\\\\$']", ["\\$"]),
        ("typeof $job.inputs.nothing", "undefined"),
        ("typeof $job.inputs.other === 'undefined'", True),
        ("'nothing' in $job.inputs", False),
        ("$job.allocatedResources.cpu + ':' + $job.allocatedResources.mem", "4:2048"),
        ("$job.inputs.f.name", "a.bam"),
        ("$job.inputs.f.metadata.sample_id", None),
        ("$job.inputs.l[0].path.split('/').pop()", "a.bam"),
        ("$self", None),
        ("var inputs = 1, name = 2, self = 3; inputs + name + self", 6),
    ],
)
def test_values(javascript: JavaScript, script: str, expected: Any) -> None:
    assert value(javascript, script) == expected


def test_self_is_what_the_place_gives(javascript: JavaScript) -> None:
    assert value(javascript, "$self.path", {**FILE, "metadata": {"k": "v"}}) == "/in/1/a.bam"
    assert value(javascript, "$self[0].metadata.k", [{**FILE, "metadata": {"k": "v"}}]) == "v"


def test_each_evaluation_has_its_own_copy(javascript: JavaScript) -> None:
    for _ in range(3):
        assert value(javascript, "{ $job.inputs.x += 1; left = $job.inputs.x; return left }") == 4
        assert value(javascript, "typeof left") == "undefined"
    assert INPUTS["x"] == 3


def test_files_come_back_as_they_are(javascript: JavaScript) -> None:
    assert value(javascript, "$job.inputs.f") == FILE
    assert value(javascript, "{ f = $job.inputs.f; f.metadata = {a: 1}; return [f] }") == [
        FILE | {"metadata": {"a": 1}}
    ]
    made = value(javascript, "{ return {'class': 'File', path: $job.inputs.f.path} }")
    assert made == {"class": "File", "path": FILE["path"], "location": FILE["location"]}
    with pytest.raises(ExpressionError, match="none of its inputs"):
        value(javascript, "{ return {'class': 'File', location: 'file:///etc/passwd'} }")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("// a comment\n{ return 1 }", "SyntaxError"),
        ("{ return 1", "SyntaxError"),
        ("$job.inputs.nothing.path", "TypeError"),
        ("{ throw 'what is wrong' }", "what is wrong"),
        ("1/0", "Infinity"),
        ("{ while (true) {} }", "time limit"),
    ],
)
def test_errors_name_the_place_and_the_script(strict_javascript: JavaScript, script: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(strict_javascript, script)
    problem = caught.value.problems[0]
    assert problem.where == "here"
    assert words in problem.what
    assert script.strip().splitlines()[0][:20] in problem.what


def test_texts_are_no_expressions(javascript: JavaScript) -> None:
    evaluator = ScriptEvaluator(javascript, ())
    for text in ("$(inputs.x)", "${return 1}", "$job.inputs.x", "\\$(x)", " a "):
        assert evaluator.evaluate(text, inputs=INPUTS) == text


@pytest.mark.parametrize(
    "engine", ["#cwl-js-engine", "cwl-js-engine", "#main.cwl-js-engine", "tool.json#cwl-js-engine"]
)
def test_the_engine_of_the_platform_by_its_names(javascript: JavaScript, engine: str) -> None:
    assert value(javascript, "$job.inputs.x", engine=engine) == 3


def test_other_engines(javascript: JavaScript) -> None:
    assert value(javascript, "$job.x", engine="node-engine.cwl") == 3
    assert value(javascript, "$job.allocatedResources.cpu + $job.inputs.x", engine="node-engine.cwl") == 7
    assert value(javascript, "job/x", engine="cwl:JsonPointer") == 3
    assert value(javascript, "/job/l/0/basename", engine="cwl:JsonPointer") == "a.bam"
    assert value(javascript, "context/basename", FILE, engine="cwl:JsonPointer") == "a.bam"
    assert value(javascript, "job/l/7", engine="cwl:JsonPointer") is None
    assert value(javascript, "job/x/y", engine="cwl:JsonPointer") is None


def test_the_library_of_a_tool(javascript: JavaScript) -> None:
    engine = {
        "class": "ExpressionEngineRequirement",
        "id": "#cwl-js-engine",
        "engineCommand": "cwl-engine.js",
        "engineConfig": ["function twice(n) { return 2 * n }", "", "three = twice(1) + 1"],
        "requirements": [{"class": "DockerRequirement", "dockerPull": "rabix/js-engine"}],
    }
    tool = load_tool(requirements=[engine, {"class": "InlineJavascriptRequirement"}])
    assert tool.requirement("DockerRequirement") is None
    evaluator = evaluator_for(tool, javascript)
    assert evaluator.evaluate(Script("twice(three)"), inputs={}) == 6
    assert evaluator.evaluate(Script("{ return twice(three) }"), inputs={}) == 6
    with pytest.raises(ExpressionError, match="three"):
        evaluator_for(load_tool(), javascript).evaluate(Script("three"), inputs={})
