"""JavaScript in workers: what it gives, what it must never reach, and what stops it."""

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


def _workers_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "javascript_worker.py" in " ".join(child.cmdline())]


def test_a_worker_that_was_killed_is_replaced() -> None:
    before = {worker.pid for worker in _workers_of(os.getpid())}
    with JavaScript() as javascript:
        assert javascript.run("return 1", (), {}) == 1
        (worker,) = [worker for worker in _workers_of(os.getpid()) if worker.pid not in before]
        worker.kill()
        worker.wait(5)
        assert javascript.run("return 2", (), {}) == 2


def test_closing_ends_the_workers_and_later_calls_fail() -> None:
    before = {worker.pid for worker in _workers_of(os.getpid())}
    javascript = JavaScript()
    javascript.run("return 1", (), {})
    javascript.close()
    assert {worker.pid for worker in _workers_of(os.getpid())} <= before
    with pytest.raises(ExpressionError, match="closed"):
        javascript.run("return 1", (), {})


def test_a_worker_has_no_environment_no_files_and_no_children() -> None:
    before = {worker.pid for worker in _workers_of(os.getpid())}
    with JavaScript() as javascript:
        javascript.run("return 1", (), {})
        (worker,) = [worker for worker in _workers_of(os.getpid()) if worker.pid not in before]
        assert set(worker.environ()) <= {"LD_LIBRARY_PATH", "LANG", "LC_CTYPE"}
        limits = Path(f"/proc/{worker.pid}/limits").read_text()
        assert worker.cwd() == "/"
        for name in ("Max open files", "Max file size", "Max core file size"):
            line = next(line for line in limits.splitlines() if line.startswith(name))
            assert line.removeprefix(name).split()[:2] == ["0", "0"], line


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
        workers = _workers_of(parent.pid)
        assert workers
        parent.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive
