"""Scripts that share a context: faster, and yet none sees anything of another."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import ExpressionError
from araneus.cwl.javascript import JavaScript
from araneus.cwl.javascript_plain import is_plain
from araneus.cwl.javascript_worker import KEEP_AFTER
from tests.cwl.hostile import ALL
from tests.cwl.test_javascript import CLEAN, POLLUTIONS, PROBE

PLAIN = [
    "return (inputs.a + 1\n);",
    "return (inputs.file.path.split('/').slice(-1)[0].replace(/\\.fastq(\\.gz)?$/, '')\n);",
    "var out = []; for (var i = 0; i < inputs.list.length; i++) { out.push(inputs.list[i] * 2) } return out",
    "var o = {}; o.x = inputs.a; o['y'] = [1]; return o",
    "return inputs.list.map(function (x) { return Math.round(x / 2) }).filter(x => x !== 1)",
    "return JSON.stringify(inputs) + Object.keys(inputs).sort().join() + String(self) + parseInt('7', 10)",
    "inputs.file.basename = 'x'; return inputs.file",
    "return [1, 2, 3].indexOf(2) + [].concat([1]).length + 'abc'.toUpperCase() + (1.5).toFixed(2)",
    "return new Date(0).getTime() + new RegExp('a').test('a') + new Array(3).length",
    "if (inputs.a === 1) { return null } else { return undefined }",
    "function twice(x) { return 2 * x } var f = function () { return twice(inputs.a) }; return f()",
    "const {a, ...rest} = inputs; return `${a}${Object.entries(rest).length}`",
    "var counts = {}; ['toString', 'valueOf', 'x', 'x'].forEach(w => { counts[w] = 1 }); return counts",
    "var o = {}; o.toString = function () { return 'mine' }; return 'a' + o",
    "return typeof leak + typeof inputs.leak + [].leak",
    "return inputs.list.reduce((a, b) => a + b, 0) + Math.max(1, 2) + Math.PI",
    "try { inputs.nothing.here } catch (e) { e.message = 'other'; return e.message }",
    "label: for (var k in inputs) { if (k === 'list') break label } return k",
    "return inputs.list.length / 2 / 1 + ('x' in inputs ? 1 : 2)",
    "var c = []; c['values'] = 1; c.map = 2; return [c.values, c.map, c.concat([1])]",
    "var f = function () {}; f.call = 1; f.x = 2; return f.call + f.x",
    "throw 'a text'",
    "return inputs.nothing.here",
    "return (",
    "return NaN",
]
"""Scripts as people write them, and what goes wrong in them."""
NOT_PLAIN = [
    *(code for code in POLLUTIONS if code != "leak = 1"),
    "return this.x", "Math.max = 1", "Math.extra = 1; return 2", "Object.assign(Math, {x: 1})", "JSON = 1",
    "var M = Math; M.x = 1", "return Array.prototype.slice.call(inputs)", "'use strict'; return 1", "inputs = 1",
    "class A {} return 1", "return eval('1')", "return Function('return 1')()", "x\\u0031 = 1", "return [Array]",
    "Math.PI = 3; return 1", "Object.freeze(inputs); return 1", "delete inputs.a",
]  # fmt: skip
SLY = [
    "leak = 1; return leak",
    "[]['con' + 'structor']['proto' + 'type'].leak = 1; return 1",
    "({})['__pro' + 'to__'].leak = 1; return 1",
    "''['__pro' + 'to__'].leak = 1; ''.concat.leak = 1; return 1",
    "[].push['con' + 'structor']('globalTh' + 'is.leak = 1')(); return 1",
    "[].push['con' + 'structor']('Obj' + 'ect.prototy' + 'pe.leak = 1')(); return 1",
    "[].push['con' + 'structor']('Ma' + 'th.max = () => 1; JS' + 'ON.stringify = 1')(); return 1",
    "var g = [].push['con' + 'structor']('return th' + 'is')(); g.leak = 1; g['inp' + 'uts'] = {}; return 1",
    "[].push['con' + 'structor']('Obj' + 'ect.definePropert' + 'y(th' + 'is, \"inputs\", {value: 0})')(); return 1",
    "[].push['con' + 'structor']('Obj' + 'ect.freeze(th' + 'is)')(); return 1",
    "[].push['con' + 'structor']('Obj' + 'ect.preventExtensions(th' + 'is)')(); return 1",
    "[].push['con' + 'structor']('Obj' + 'ect.setPrototy' + 'peOf(th' + 'is, {leak: 1})')(); return 1",
    "[].push['con' + 'structor']('Err' + 'or.prepareStackTrace = () => 1')(); return 1",
    "[].push['con' + 'structor']('(asy' + 'nc () => { th' + 'is.leak = 1 })()')(); return 1",
    "[].push['con' + 'structor']('let leak = 1; (0, ev' + 'al)(\"var leak = 2\")')(); return 1",
    "var p = [].values().map(x => x)['__pro' + 'to__']; p.leak = 1; p['__pro' + 'to__'].leak = 1; return 1",
    "var p = 'a'.matchAll(/a/g)['__pro' + 'to__']; p.leak = 1; p.next = () => ({done: true}); return 1",
    "/x/['__pro' + 'to__'].exec = () => null; return 1",
]
SLY_PROBE = (
    "var p = []; for (var m of 'a'.matchAll(/a/g)) { p.push(m.leak) }\n"
    "return [typeof leak, typeof ({}).leak, typeof [].leak, typeof ''.leak, inputs.a, JSON.stringify({x: 1}),"
    " typeof ''.concat.leak, Math.max(1, 2), p.length, typeof [].values().map(x => x).leak, /x/.exec('x').length,"
    " typeof inputs.leak]"
)
SLY_CLEAN = ["undefined", "undefined", "undefined", "undefined", 7, '{"x":1}', "undefined", 2, 1, "undefined", 1,
             "undefined"]  # fmt: skip
INPUTS: dict[str, Any] = {
    "a": 1,
    "list": [1, 2, 3],
    "file": {"class": "File", "path": "/in/reads_1.fastq.gz", "basename": "reads_1.fastq.gz"},
}


def outcome(javascript: JavaScript, code: str, session: int = 0, **inputs: Any) -> object:
    """What a script gives, or how it fails."""
    try:
        return javascript.run(code, (), {"inputs": {**INPUTS, **inputs}, "self": None, "runtime": {}}, session)
    except ExpressionError as error:
        return str(error)


def settled(javascript: JavaScript) -> int:
    """A session that has a context of its own by now."""
    session = javascript.new_session()
    for _ in range(KEEP_AFTER + 2):
        assert outcome(javascript, "return inputs.a", session) == 1
    time.sleep(0.05)
    return session


@pytest.mark.parametrize("code", PLAIN)
def test_ordinary_scripts_are_plain(code: str) -> None:
    assert is_plain(code)


@pytest.mark.parametrize("code", NOT_PLAIN)
def test_scripts_that_reach_for_the_language_are_not_plain(code: str) -> None:
    assert not is_plain(code)


def test_a_session_gives_what_a_context_of_its_own_gives(javascript: JavaScript) -> None:
    session = settled(javascript)
    for code in PLAIN * 2:
        assert outcome(javascript, code, session) == outcome(javascript, code), code


@pytest.mark.parametrize("code", SLY)
def test_a_sly_script_leaves_nothing_in_its_session(strict_javascript: JavaScript, code: str) -> None:
    assert is_plain(code)
    session = settled(strict_javascript)
    outcome(strict_javascript, code, session)
    for _ in range(KEEP_AFTER + 2):
        assert outcome(strict_javascript, SLY_PROBE, session, a=7) == SLY_CLEAN


@pytest.mark.parametrize("code", POLLUTIONS)
def test_pollution_stays_where_it_is(strict_javascript: JavaScript, code: str) -> None:
    session = settled(strict_javascript)
    outcome(strict_javascript, code, session)
    assert outcome(strict_javascript, PROBE, session, a=7) == CLEAN


def test_values_of_one_script_are_not_those_of_the_next(javascript: JavaScript) -> None:
    session = settled(javascript)
    variables = {"inputs": {"secret": 1}, "self": "secret", "runtime": {"outdir": "/x"}}
    assert javascript.run("return [inputs.secret, self, runtime.outdir]", (), variables, session) == [1, "secret", "/x"]
    probe = "return [typeof inputs, typeof self, typeof runtime]"
    assert javascript.run(probe, (), {}, session) == ["undefined"] * 3


def test_hostile_scripts_do_not_end_a_session(strict_javascript: JavaScript) -> None:
    plain = [code for code in ALL if is_plain(code)]
    assert len(plain) > 30
    for code in plain[::3]:
        session = settled(strict_javascript)
        assert isinstance(outcome(strict_javascript, code, session), str)
        assert outcome(strict_javascript, "return inputs.a", session) == 1


@given(code=st.text("abc=.()[]{};'\"+ \ninputs", max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_plain_text_gives_the_same_in_a_session(strict_javascript: JavaScript, code: str) -> None:
    session = 2**30
    for _ in range(3):
        assert outcome(strict_javascript, code, session) == outcome(strict_javascript, code)


def test_many_sessions_take_no_more_room_than_a_few() -> None:
    with JavaScript() as javascript:
        for _ in range(3):
            settled(javascript)
        before = _resident(javascript)
        for _ in range(30):
            settled(javascript)
        assert _resident(javascript) - before < 20 * 2**20


def _resident(javascript: JavaScript) -> int:
    (worker,) = javascript._idle
    pages = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
