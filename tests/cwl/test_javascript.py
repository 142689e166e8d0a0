"""JavaScript in workers: what it gives, what it must never reach, and what stops it."""

import contextlib
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import ExpressionError
from araneus.cwl.javascript import JavaScript
from tests.cwl.hostile import ALL
from tests.cwl.workers import crowd, workers_of

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_a_body_sees_its_variables_and_its_library(javascript: JavaScript) -> None:
    library = ("function twice(x) { return 2 * x }", "var three = 3;")
    result = javascript.run("return twice(inputs.a) + three;", library, {"inputs": {"a": 4}})
    assert result == 11


def test_the_library_sees_the_variables_when_it_is_called(javascript: JavaScript) -> None:
    library = ("function first() { return inputs.list[0] + runtime.cores }",)
    assert javascript.run("return first()", library, {"inputs": {"list": [1]}, "runtime": {"cores": 2}}) == 3


def test_sloppy_and_modern_scripts_run(javascript: JavaScript) -> None:
    assert javascript.run("total = 0; for (i of [1, 2]) total += i; return total", (), {}) == 3
    assert javascript.run("const {a, ...rest} = inputs; return {a, n: Object.keys(rest).length, s: `x${a ?? 1}`}", (), {
        "inputs": {"a": None, "b": 1, "c": 2}
    }) == {"a": None, "n": 2, "s": "x1"}  # fmt: skip


@pytest.mark.parametrize("code", ["return undefined", "", "return null", "return () => 1", "return Symbol('x')"])
def test_what_is_no_json_value_is_null(javascript: JavaScript, code: str) -> None:
    assert javascript.run(code, (), {}) is None


@given(value=JSON_VALUES)
@settings(max_examples=150, deadline=None)
def test_json_values_come_back_as_they_went_in(javascript: JavaScript, value: object) -> None:
    assert javascript.run("return inputs", (), {"inputs": value}) == value


def test_results_may_be_nested_a_hundred_levels_deep(javascript: JavaScript) -> None:
    value = javascript.run("let a = 1; for (let i = 0; i < 99; i++) a = [a]; return a", (), {})
    for _ in range(99):
        (value,) = value
    assert value == 1


def test_a_large_result_arrives_whole(javascript: JavaScript) -> None:
    assert javascript.run("return 'x'.repeat(8e6)", (), {}) == "x" * 8_000_000


def test_large_variables_arrive_whole(javascript: JavaScript) -> None:
    assert javascript.run("return inputs.length", (), {"inputs": ["x" * 100] * 50_000}) == 50_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_variables_that_are_not_json_are_refused(javascript: JavaScript, value: object) -> None:
    with pytest.raises(ExpressionError, match="not JSON"):
        javascript.run("return inputs", (), {"inputs": value})


@pytest.mark.parametrize("code", ALL)
def test_a_hostile_script_is_stopped_and_the_workers_live(strict_javascript: JavaScript, code: str) -> None:
    started = time.monotonic()
    with pytest.raises(ExpressionError) as failure:
        strict_javascript.run(code, (), {"inputs": {}})
    assert time.monotonic() - started < 5
    assert str(failure.value)
    assert len(str(failure.value)) <= 1000
    assert strict_javascript.run("return inputs.a + 1", (), {"inputs": {"a": 1}}) == 2


POLLUTIONS = [
    "globalThis.leak = 1",
    "leak = 1",
    "Object.prototype.leak = 1",
    "Array.prototype.leak = 1; Function.prototype.leak = 1; String.prototype.leak = 1",
    "JSON.parse = () => ({variables: {}, code: 'return \"leak\"'}); JSON.stringify = () => '\"leak\"'",
    "Object.defineProperty(globalThis, 'inputs', {value: 'leak', writable: false})",
    "Object.freeze(globalThis)",
    "Object.freeze(Object.prototype)",
    "globalThis.Function = function () { return () => 'leak' }",
    "Promise.resolve().then(() => { globalThis.leak = 1 })",
    "queueMicrotask(() => { Object.prototype.leak = 1 })",
    "new FinalizationRegistry(() => { globalThis.leak = 1 }).register({}, 1)",
    "RegExp.prototype.exec = () => 'leak'; Math.max = () => 'leak'; Date.now = () => 'leak'",
    "globalThis.__proto__ = new Proxy({}, {get: () => 'leak', has: () => true})",
]
PROBE = (
    "return [typeof leak, typeof ({}).leak, typeof [].leak, typeof ''.leak, inputs.a, JSON.stringify({x: 1}),"
    " Object.isFrozen(Object.prototype), Math.max(1, 2), typeof Date.now()]"
)
CLEAN = ["undefined", "undefined", "undefined", "undefined", 7, '{"x":1}', False, 2, "number"]


@pytest.mark.parametrize("code", POLLUTIONS)
def test_nothing_of_one_script_is_seen_by_the_next(strict_javascript: JavaScript, code: str) -> None:
    for library in ((), ("function f() { return 1 }",)):
        strict_javascript.run(code, library, {"inputs": {"secret": "of the first task"}})
        assert strict_javascript.run(PROBE, library, {"inputs": {"a": 7}}) == CLEAN


def test_a_library_cannot_leave_anything_either(strict_javascript: JavaScript) -> None:
    strict_javascript.run("return 1", ("Object.prototype.leak = 1; var leak = 2;",), {"inputs": {}})
    assert strict_javascript.run(PROBE, (), {"inputs": {"a": 7}}) == CLEAN


def test_an_endless_library_is_stopped_and_named(strict_javascript: JavaScript) -> None:
    with pytest.raises(ExpressionError, match="time limit"):
        strict_javascript.run("return 1", ("for (;;) {}",), {})
    with pytest.raises(ExpressionError, match=r"expressionLib\[1\].*SyntaxError"):
        strict_javascript.run("return 1", ("var a = 1", "function ("), {})
    assert strict_javascript.run("return 1", (), {}) == 1


@given(code=st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_gives_a_value_or_an_expression_error(strict_javascript: JavaScript, code: str) -> None:
    try:
        strict_javascript.run(code, (code,), {"inputs": {}})
    except ExpressionError as error:
        assert error.problems  # noqa: PT017 -- either way is right; an error must say something
    assert strict_javascript.run("return 1", (), {}) == 1


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("return 9007199254740991", 2**53 - 1),
        ("return 2 ** 53", 2**53),
        ("return 1e21", 1e21),
        ("return -0", 0),
        ("return 3.0", 3),
        ("return 0.1 + 0.2", 0.30000000000000004),
        ("return 5e-324", 5e-324),
        ("return inputs.n", 9007199254740992),
        ("return new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("return [undefined, () => 1, Symbol('x')]", [None, None, None]),
        ("return {a: undefined, b: () => 1, c: Symbol('x')}", {}),
        ("return {toJSON() { return 7 }}", 7),
        ("return new Map([[1, 2]])", {}),
        ("return [undefined, () => 1, Symbol('x'), new Date(NaN), -0]", [None, None, None, None, 0]),
        ("return {a: undefined, b: () => 1, c: Symbol('x'), d: new Set([1]), e: /x/g}", {"d": {}, "e": {}}),
        ("return [Object(1), Object('x'), Object(true), new Error('x')]", [1, "x", True, {}]),
        ("class A { constructor() { this.x = 1 } get y() { return 2 } } return new A()", {"x": 1}),
        ("return Object.create({a: 1}, {b: {value: 2, enumerable: true}, c: {value: 3}})", {"b": 2}),
        ("const a = [1, 2]; a.x = 3; return a", [1, 2]),
        ("return (function () { return arguments })(1, 'x')", {"0": 1, "1": "x"}),
        ("return Object.entries({b: 1, 2: 1, a: 1, 1: 1})", [["1", 1], ["2", 1], ["b", 1], ["a", 1]]),
        ("return [1e21, 1e-7, 0.1 + 0.2, 2 ** 53, 5e-324]", [1e21, 1e-07, 0.30000000000000004, 2**53, 5e-324]),
        ("return 12345678901234567890", 12345678901234567000),
        ("return {'': 1, 'a\\u0000b': 2}", {"": 1, "a\x00b": 2}),
        ("return {then: 1, toJSON: 2}", {"then": 1, "toJSON": 2}),
        ("return {toJSON() { return this }}", {}),
        ("return new Uint8Array(2)", {"0": 0, "1": 0}),
        ("return Object('x')", "x"),
        ("const a = [1]; a[3] = 2; return a", [1, None, None, 2]),
        ('return JSON.parse(\'{"__proto__": {"x": 1}}\')', {"__proto__": {"x": 1}}),
        ("return '\\u{1f9ec}' + inputs.gene", "\U0001f9ec\U0001f9ec"),
        ("return inputs.gene.length", 2),
        ("return {'\\u{1f9ec}': 1}", {"\U0001f9ec": 1}),
        ("return '\\ud83e' + '\\uddec'", "\U0001f9ec"),
        ("return '\\\\ud800'", "\\ud800"),
        ("return '\\u0000\\u2028\\u007f'", "\x00\u2028\x7f"),
        ("return inputs['__proto__'].x", 1),
        ("return Object.keys(inputs)", ["n", "gene", "__proto__"]),
    ],
)
def test_values_as_json_has_them(javascript: JavaScript, code: str, value: object) -> None:
    inputs = {"n": 2**53 + 1, "gene": "\U0001f9ec", "__proto__": {"x": 1}}
    result = javascript.run(code, (), {"inputs": inputs})
    assert result == value
    assert type(result) is type(value)


UNDERSCORE = """
(function() {
  var root = typeof self == 'object' && self.self === self && self || typeof global == 'object' && global || this || {};
  var previous = root._;
  var _ = function(obj) { if (!(this instanceof _)) return new _(obj); this._wrapped = obj; };
  if (typeof exports != 'undefined') { exports._ = _; } else { root._ = _; }
  _.map = function(list, f) { var out = []; for (var i = 0; i < list.length; i++) out.push(f(list[i])); return out; };
  _.prototype.map = function(f) { return _(_.map(this._wrapped, f)); };
  _.prototype.value = function() { return this._wrapped; };
  _.noConflict = function() { root._ = previous; return this; };
}());
"""


@pytest.mark.parametrize(
    ("library", "code", "value"),
    [
        ((UNDERSCORE,), "return _([1, 2]).map(function(x) { return x * 2 }).value()", [2, 4]),
        ((UNDERSCORE,), "return _.map(self, function(x) { return x + 1 })", [8]),
        (("var self = this; self.made = 3;",), "return made + self[0]", 10),
        (("function runtime() {}; var inputs = {a: 'of the library'};",), "return [inputs.a, runtime.cores]", [1, 2]),
        (("'use strict'; function f() { return this === undefined }",), "return f()", True),
        (("function f() { return this === globalThis }",), "return f() && this === globalThis", True),
        (("var octal = 0755, old = '\\101';",), "return [octal, old, 010]", [493, "A", 8]),
        (("var o = {x: 1}; with (o) { x = 5; }",), "with (inputs) { return a + o.x }", 6),
        (("implicit = 4",), "return implicit + (also = 1)", 5),
        (("let hidden = 2; const fixed = 3; class K { get v() { return hidden * fixed } }",), "return new K().v", 6),
        (("var a = 1;", "var b = a + 1; function a2() { return b }"), "return a2()", 2),
        (("String.prototype.shout = function() { return this.toUpperCase() }",), "return 'a'.shout()", "A"),
        (("Object.prototype.get = 1; Object.prototype.set = 2; Object.prototype.value = 3;",), "return inputs.a", 1),
        (("Array.prototype[Symbol.iterator] = null; JSON.parse = null; Object.keys = null;",), "return inputs.a", 1),
        (("var counter = 0; function next() { return ++counter }",), "return next()", 1),
        (("// a comment without end",), "return 1 // another one", 1),
        (("<!-- as in old pages\nvar x = 1;",), "return x", 1),
        (("\ufeffvar bom = 1;",), "return bom", 1),
    ],
)
def test_libraries_as_people_write_them(
    javascript: JavaScript, library: tuple[str, ...], code: str, value: object
) -> None:
    variables = {"inputs": {"a": 1}, "self": [7], "runtime": {"cores": 2}}
    for _ in range(2):
        assert javascript.run(code, library, variables) == value


@pytest.mark.parametrize("library", [(), ("var kept = {}; function remember(x) { kept.x = x; return kept }",)])
def test_pollution_is_not_seen_with_the_same_library_either(
    strict_javascript: JavaScript, library: tuple[str, ...]
) -> None:
    for code in POLLUTIONS:
        strict_javascript.run(code, library, {"inputs": {}})
        assert strict_javascript.run(PROBE, library, {"inputs": {"a": 7}}) == CLEAN, code
    if library:
        strict_javascript.run("remember('secret')", library, {})
        assert strict_javascript.run("return kept", library, {}) == {}


@pytest.mark.parametrize(
    "code",
    [
        "return '\\u0000\\u0000\\u0000\\u0005{\"value\":1}'",
        "return {error: 'no error'}",
        'return \'{"error": "x"}\'',
        "Object.prototype.error = 'x'; return {value: 1}",
        "Object.prototype.toJSON = () => '{\"value\": 2}'; return 1",
        "String.prototype.toJSON = () => 'x'; Array.prototype.join = () => 'x'; return 1",
    ],
)
def test_a_result_cannot_pass_for_the_workers_own_words(javascript: JavaScript, code: str) -> None:
    javascript.run(code, (), {})
    assert javascript.run("return 'next'", (), {}) == "next"


def test_stack_traces_and_errors_show_nothing_of_the_machine(javascript: JavaScript) -> None:
    stack = javascript.run(
        "return new Error('x').stack + (() => { try { null.x } catch (e) { return e.stack } })()", (), {}
    )
    for word in ("/", ".py", "javascript_worker", str(os.getpid())):
        assert word not in stack
    names = javascript.run("return Object.getOwnPropertyNames(globalThis)", (), {})
    assert not set(names) & {"std", "os", "bjson", "scriptArgs", "print", "performance", "require", "process", "fetch",
                             "setTimeout", "Worker", "WebAssembly", "__loadScript", "navigator", "gc"}  # fmt: skip


def test_a_long_text_full_of_commas_is_one_value(javascript: JavaScript) -> None:
    assert len(javascript.run("return 'a,[{'.repeat(2e6)", (), {})) == 8_000_000


def test_the_console_says_nothing(javascript: JavaScript) -> None:
    """As in the contexts of Node that cwltool makes; what people leave in their scripts does no harm."""
    for library in ((), ("console.warn('loading')",)):
        code = "console.log('x', inputs); console.error(1); console.debug(); return [typeof console, this]"
        assert javascript.run(code, library, {"inputs": {}}) == ["object", {"inputs": {}}]
    javascript.run("console.log = () => { throw 1 }; console.leak = 1; return 1", (), {})
    assert javascript.run("console.log(1); return console.leak === undefined", (), {}) is True


def test_many_threads_share_two_workers() -> None:
    results: dict[int, object] = {}
    with JavaScript(workers=2, time_limit=5.0) as javascript:

        def ask(number: int) -> None:
            for _ in range(20):
                results[number] = javascript.run("return inputs.n * 2", (), {"inputs": {"n": number}})

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(psutil.Process().children()) >= 2
    assert results == {number: number * 2 for number in range(8)}


def test_a_worker_that_was_killed_is_replaced() -> None:
    before = {worker.pid for worker in workers_of(os.getpid())}
    with JavaScript() as javascript:
        assert javascript.run("return 1", (), {}) == 1
        (worker,) = [worker for worker in workers_of(os.getpid()) if worker.pid not in before]
        worker.kill()
        worker.wait(5)
        assert javascript.run("return 2", (), {}) == 2


def test_closing_ends_the_workers_and_later_calls_fail() -> None:
    before = {worker.pid for worker in workers_of(os.getpid())}
    javascript = JavaScript()
    javascript.run("return 1", (), {})
    javascript.close()
    assert {worker.pid for worker in workers_of(os.getpid())} <= before
    with pytest.raises(ExpressionError, match="closed"):
        javascript.run("return 1", (), {})


def test_a_worker_has_no_environment_no_files_and_no_children() -> None:
    before = {worker.pid for worker in workers_of(os.getpid())}
    with JavaScript() as javascript:
        javascript.run("return 1", (), {})
        (worker,) = [worker for worker in workers_of(os.getpid()) if worker.pid not in before]
        assert set(worker.environ()) <= {"LD_LIBRARY_PATH", "LANG", "LC_CTYPE"}
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        assert worker.cwd() == "/"
        for name in ("Max open files", "Max file size", "Max core file size"):
            line = next(line for line in limits.splitlines() if line.startswith(name))
            assert line.removeprefix(name).split()[:2] == ["0", "0"], line


def test_a_worker_can_do_nothing_but_compute() -> None:
    before = {worker.pid for worker in workers_of(os.getpid())}
    with JavaScript() as javascript:
        javascript.run("return 1", (), {})
        (worker,) = [worker for worker in workers_of(os.getpid()) if worker.pid not in before]
        lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert status["Uid"] != ["0"] * 4
    assert status["CapEff"] == ["0" * 16]
    assert status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    assert status["Threads"] == ["1"]


CALLS = {
    "a file": "os.open('/etc/passwd', 0)",
    "a socket": "socket.socket()",
    "a copy of a descriptor": "os.dup(1)",
    "a pipe": "os.pipe()",
    "a process": "os.fork()",
    "a program": "os.execv('/bin/true', ['true'])",
    "a signal": "os.kill(os.getppid(), 0)",
    "the limits of others": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
    "executable memory": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "more descriptors": "resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))",
    "root": "os.setuid(0)",
    "a directory": "os.chdir('/tmp')",
    "a name": "os.stat('/etc/passwd')",
    "the memory of others": "ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) == 0 or 1 / 0",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_what_escaped_from_the_engine_would_still_be_confined(call: str) -> None:
    """Python code in the place of machine code that found a hole: it has everything that a worker has."""
    script = textwrap.dedent(f"""
        import ctypes, importlib.util, mmap, os, resource, socket, sys
        ctypes.CDLL(None, use_errno=True)
        specification = importlib.util.spec_from_file_location("confinement", sys.argv[1])
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        module.confine(256 * 2**20)
        assert len(bytearray(10**6)) == 10**6
        os.write(1, b"confined ")
        try:
            {call}
        except (OSError, ValueError, ZeroDivisionError):
            os.write(1, b"refused")
    """)
    confinement = Path(__file__).parents[2] / "araneus" / "cwl" / "javascript_confinement.py"
    done = subprocess.run([sys.executable, "-I", "-c", script, str(confinement)], capture_output=True, check=False)
    assert done.stdout == b"confined refused", done.stderr


def test_slow_scripts_do_not_hold_up_the_others() -> None:
    with JavaScript(workers=2, time_limit=2.0) as javascript:
        javascript.run("return 1", (), {})
        slow = [threading.Thread(target=_ignore, args=(javascript, "for (;;) {}")) for _ in range(4)]
        for thread in slow:
            thread.start()
        time.sleep(0.1)
        started = time.monotonic()
        assert javascript.run("return 2", (), {}) == 2
        assert time.monotonic() - started < 1.5 * crowd()
        for thread in slow:
            thread.join()
        assert javascript.run("return 3", (), {}) == 3
        assert len(javascript._idle) <= 2


def _ignore(javascript: JavaScript, code: str) -> None:
    with contextlib.suppress(ExpressionError):
        javascript.run(code, (), {})


def test_a_worker_that_gets_no_processor_is_waited_for() -> None:
    before = {worker.pid for worker in workers_of(os.getpid())}
    with JavaScript(time_limit=0.5) as javascript:
        javascript.run("return 1", (), {})
        (worker,) = [worker for worker in workers_of(os.getpid()) if worker.pid not in before]
        worker.suspend()
        timer = threading.Timer(0.9, worker.resume)
        timer.start()
        assert javascript.run("return 2", (), {}) == 2
        worker.suspend()
        started = time.monotonic()
        with pytest.raises(ExpressionError, match="time limit"):
            javascript.run("return 2", (), {})
        assert time.monotonic() - started < 5
        assert javascript.run("return 3", (), {}) == 3


def test_workers_end_with_their_parent() -> None:
    script = textwrap.dedent("""
        import os, threading, time
        from araneus.cwl.javascript import JavaScript
        javascript = JavaScript(workers=2, time_limit=2.0)
        javascript.run("return 1", (), {})
        threading.Thread(target=lambda: javascript.run("for (;;) {}", (), {}), daemon=True).start()
        time.sleep(0.3)
        print("ready", flush=True)
        time.sleep(60)
    """)
    checkout = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=checkout) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        workers = workers_of(parent.pid)
        assert workers
        parent.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
        # Nobody may have asked yet how an orphan ended.
        assert all(worker.status() == psutil.STATUS_ZOMBIE for worker in alive if worker.is_running())
