"""Evaluating expressions: references in Python, the rest in JavaScript, and where files may come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.errors import ExpressionError
from araneus.cwl.expressions import Evaluator, evaluator_for, number_text
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_path
from araneus.cwl.process import ExpressionTool

INPUTS: dict[str, Any] = {
    "a": 1,
    "none": None,
    "yes": True,
    "small": 1e-5,
    "big": 1.23e5,
    "text": 'say "hi"',
    "list": ["x", "y", {"deep": [1, 2, 3]}],
    "record": {"a b": 2, "b'az": True, "length": 7},
    "file": {"class": "File", "location": "blob:abc", "path": "/in/1/reads.bam", "basename": "reads.bam"},
    "directory": {"class": "Directory", "location": "file:///job/d", "path": "/in/2/d", "basename": "d"},
}


def _process(version: str = "v1.2", requirement: Mapping[str, Any] | None = None) -> ExpressionTool:
    requirements = {} if requirement is None else {"InlineJavascriptRequirement": requirement}
    return ExpressionTool(
        id="tool", cwl_version=version, inputs=(), outputs=(), requirements=requirements, expression="$(null)"
    )


@pytest.fixture(scope="module")
def plain(javascript: JavaScript) -> Evaluator:
    return evaluator_for(_process(), javascript)


@pytest.fixture(scope="module")
def full(javascript: JavaScript) -> Evaluator:
    return evaluator_for(
        _process(requirement={"expressionLib": ["function add(x) { return x + inputs.a }"]}), javascript
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("a $ b {} ()", "a $ b {} ()"),
        (r"untouched \\ \n", r"untouched \\ \n"),
        (7, 7),
        (None, None),
        (["$(inputs.a)"], ["$(inputs.a)"]),
        ("$(inputs.a)", 1),
        (" $(inputs.a)\n", 1),
        ("$(inputs.none)", None),
        ("$(null)", None),
        ("$(inputs.list.length)", 3),
        ("$(inputs.record.length)", 7),
        ("$(inputs.list[2].deep[0])", 1),
        ("$(inputs.text[0])", "s"),
        ("$(inputs.record['a b'])", 2),
        (r"$(inputs.record['b\'az'])", True),
        ("$(inputs.file.basename)", "reads.bam"),
        ("$(self.x) $(runtime.cores)", "9 4"),
        ("-$(inputs.a)-", "-1-"),
        ("$(inputs.yes)$(inputs.none)", "truenull"),
        ("n=$(inputs.small)/$(inputs.big)", "n=0.00001/123000"),
        ("t=$(inputs.text)", 't=say "hi"'),
        ("r=$(inputs.record)", 'r={"a b": 2, "b\'az": true, "length": 7}'),
        ("l=$(inputs.list)", 'l=["x", "y", {"deep": [1, 2, 3]}]'),
        ("a\\b $(inputs.a)", "a\\b 1"),
        ("\\$(inputs.a)", "$(inputs.a)"),
    ],
)
def test_references(plain: Evaluator, full: Evaluator, text: object, value: object) -> None:
    for evaluator in (plain, full):
        assert evaluator.evaluate(text, inputs=INPUTS, self_={"x": 9}, runtime={"cores": 4}) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$(inputs.none.x)", "inputs.none is null, so it has no 'x'"),
        ("$(inputs.missing)", "inputs has no 'missing'; it has a, big"),
        ("$(inputs.a.length)", "inputs.a is a number"),
        ("$(inputs.text.length)", "inputs.text is a string"),
        ("$(inputs.list[3])", "has 3 items, so there is no item 3"),
        ("$(inputs.list.x)", "inputs.list is a list"),
        ("$(inputs[0])", "so it has no 0"),
        ("$(parameters.a)", "an expression sees inputs, self and runtime"),
        ("$(inputs.a + 1)", "InlineJavascriptRequirement"),
        ("${ return 1; }", "InlineJavascriptRequirement"),
    ],
)
def test_broken_references_say_what_is_wrong(plain: Evaluator, text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as failure:
        plain.evaluate(text, inputs=INPUTS, where="outputs/x/glob")
    assert str(failure.value).startswith("outputs/x/glob: expression $")
    assert message in str(failure.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(inputs.a + 1)", 2),
        ("$(add(inputs.list.length))", 4),
        ("${ return add(1); }", 2),
        ("${ return inputs.file.metadata; }", None),
        ("$(inputs.missing)", None),
        ("$(inputs.text.length)", 8),
        ("$(inputs.list[9])", None),
        ("x $(inputs.a + 1) $(inputs.a)", "x 2 1"),
        ("$({'k': [1]}) ", {"k": [1]}),
        ("$(1 // one\n)", 1),
        ("${\n  var m = /[}]/.exec('a}');\n  return m.index;\n}\n", 1),
        ("$(self === null)", True),
    ],
)
def test_javascript(full: Evaluator, text: str, value: object) -> None:
    assert full.evaluate(text, inputs=INPUTS) == value


def test_messages_quote_a_shortened_expression_and_its_place(full: Evaluator) -> None:
    with pytest.raises(ExpressionError) as failure:
        full.evaluate("${ " + "var aaaa = 1; " * 50 + "return nothing.here }", inputs=INPUTS, where="steps/x/when")
    message = str(failure.value)
    assert message.startswith("steps/x/when: expression ${ var aaaa")
    assert message.endswith("ReferenceError: nothing is not defined")
    assert len(message) < 300


def test_white_space_counts_where_text_is_written_to_a_file(plain: Evaluator) -> None:
    assert plain.evaluate("$(inputs.list.length)\n", inputs=INPUTS, strip=False) == "3\n"
    assert plain.evaluate(" a $(inputs.a) ", inputs=INPUTS, strip=False) == " a 1 "


def test_old_versions_drop_every_backslash(javascript: JavaScript) -> None:
    for version in ("v1.0", "v1.1"):
        evaluator = evaluator_for(_process(version), javascript)
        assert evaluator.evaluate(r"a\nb\$(x) $(inputs.a)", inputs=INPUTS) == "anb$(x) 1"
        assert evaluator.evaluate("$(inputs.a)\\", inputs=INPUTS) == "1\\"  # nothing follows


@pytest.mark.parametrize(
    "result",
    [
        "{class: 'File', location: 'file:///etc/passwd'}",
        "{class: 'Directory', location: 'file:///'}",
        "[[{class: 'File', location: 'blob:other'}]]",
        "{x: {class: 'File', basename: 'x', secondaryFiles: [{class: 'File', location: 'file:///etc/shadow'}]}}",
        "{class: 'Directory', listing: [{class: 'File', location: 'file:///etc/shadow'}]}",
        "{class: 'File', location: inputs.directory.location + '/../secret'}",
        "{class: 'File', location: inputs.directory.location + '/%2e%2e/secret'}",
        "{class: 'File', location: inputs.directory.location + 'x'}",
        "{class: 'File', location: ['file:///etc/passwd']}",
        "{class: 'File', location: 'http://example.com/x'}",
        "{class: 'File', location: '/etc/passwd'}",
        "{class: 'File', location: 'relative'}",
    ],
)
def test_files_of_the_machine_cannot_be_conjured_up(full: Evaluator, result: str) -> None:
    with pytest.raises(ExpressionError, match="none of its inputs"):
        full.evaluate(f"${{ return {result}; }}", inputs=INPUTS)


def test_files_from_the_inputs_may_be_returned(full: Evaluator) -> None:
    changed = full.evaluate("${ var f = inputs.file; f.basename = 'new.bam'; return f; }", inputs=INPUTS)
    assert changed == {**INPUTS["file"], "basename": "new.bam"}
    by_path = full.evaluate("$({'class': 'File', 'path': inputs.file.path})", inputs=INPUTS)
    assert by_path["location"] == "blob:abc"
    inside = full.evaluate("$({'class': 'File', 'location': inputs.directory.location + '/a b'})", inputs=INPUTS)
    assert inside["location"] == "file:///job/d/a b"
    literal = full.evaluate("$({'class': 'File', 'basename': 'x', 'contents': 'text'})", inputs=INPUTS)
    assert literal["contents"] == "text"
    text = "${ return {class: 'File', location: 'file://' + runtime.outdir + '/x'} }"
    made = full.evaluate(text, inputs=INPUTS, runtime={"outdir": "/job/work"})
    assert made["location"] == "file:///job/work/x"


def test_an_expression_library_must_be_text(javascript: JavaScript) -> None:
    with pytest.raises(ExpressionError, match="expressionLib"):
        evaluator_for(_process(requirement={"expressionLib": [{"$include": "x.js"}]}), javascript)


def test_a_library_may_come_from_a_file(javascript: JavaScript, tmp_path: Path) -> None:
    (tmp_path / "lib.js").write_text("function twice(x) { return 2 * x } // of a file: $(no) ${expression}\n")
    (tmp_path / "tool.cwl").write_text(
        "{class: ExpressionTool, cwlVersion: v1.2, inputs: {a: int}, outputs: {b: int}, expression: '${return {b: 1}}',"
        " requirements: {InlineJavascriptRequirement: {expressionLib: [{$include: lib.js}, 'var three = 3']}}}"
    )
    evaluator = evaluator_for(load_path(tmp_path / "tool.cwl"), javascript)
    assert evaluator.evaluate("$(twice(inputs.a) + three)", inputs={"a": 4}) == 11


def test_many_evaluations_of_a_tool_stay_apart(javascript: JavaScript) -> None:
    evaluator = evaluator_for(_process(requirement={}), javascript)
    for number in range(40):
        assert evaluator.evaluate("$(inputs.n * 2)", inputs={"n": number}) == number * 2
        assert evaluator.evaluate("${ seen = inputs.n; return typeof kept; }", inputs={"n": number}) == "undefined"
        assert evaluator.evaluate("$(typeof seen)", inputs={"n": number}) == "undefined"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('$(inputs.x["a b"].y[0].length)', 2),
        ("$(inputs['x']['a b']['y'][0][1])", 5),
        ("$(inputs.x.größe_1)", "ü"),
        ("$(inputs.x['$(a)'])", 1),
        ("$(inputs.x['it\\'s'])", 2),
        ('$(inputs.x["say \\"hi\\""])', 3),
        ("\\$(inputs.x) \\${x} $(inputs.x.n)", "$(inputs.x) ${x} 4"),
        ("$(inputs.x.n)$(inputs.x.n)", "44"),
        ("$(inputs.x.n) ", 4),
        ("$(inputs.gene[0])", "\U0001f9ec"),
        ("$(inputs.big)", 2**64),
        ("$(inputs.x.length)", 9),
        ("$(inputs.empty.length)", 0),
    ],
)
def test_references_by_the_grammar(plain: Evaluator, text: str, value: object) -> None:
    x = {"a b": {"y": [[4, 5]]}, "größe_1": "ü", "$(a)": 1, "it's": 2, 'say "hi"': 3, "n": 4, "length": 9}
    inputs = {"x": x, "gene": "\U0001f9ec", "big": 2**64, "empty": []}
    result = plain.evaluate(text, inputs=inputs)
    assert result == value
    assert type(result) is type(value)


@given(value=st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_numbers_have_no_exponent_and_keep_their_value(value: float) -> None:
    text = number_text(value)
    assert "e" not in text.lower()
    assert (int(text) if isinstance(value, int) else float(text)) == value


KEYS = st.text(max_size=6).filter(lambda key: "\\" not in key)


@given(keys=st.lists(KEYS | st.integers(0, 3), min_size=1, max_size=5), leaf=st.integers() | st.text(max_size=3))
def test_a_written_reference_finds_what_was_stored(plain: Evaluator, keys: list[str | int], leaf: object) -> None:
    value = leaf
    for key in reversed(keys):
        value = {key: value} if isinstance(key, str) else [None] * key + [value]
    quoted = "".join(f"[{key}]" if isinstance(key, int) else "['" + key.replace("'", "\\'") + "']" for key in keys)
    assert plain.evaluate(f"$(inputs['x']{quoted})", inputs={"x": value}) == leaf
