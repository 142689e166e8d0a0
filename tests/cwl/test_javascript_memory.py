"""JavaScript and memory: what a script may take, and that it leaves as much to the next."""

import os
import time
from pathlib import Path

import psutil
import pytest

from araneus.cwl.errors import ExpressionError
from araneus.cwl.javascript import JavaScript
from tests.cwl.workers import crowd, workers_of


@pytest.mark.parametrize(
    "code",
    [
        "const o = []; for (let i = 0; i < 3e6; i++) o.push({}); return o",
        "return Array(10e6).fill([])",
        "return JSON.parse('[' + '[],'.repeat(4e6) + '1]')",
    ],
)
def test_a_result_with_too_many_values_is_refused_before_it_fills_this_process(
    javascript: JavaScript, code: str
) -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises(ExpressionError):
        javascript.run(code, (), {})
    assert psutil.Process().memory_info().rss - before < 100 * 2**20


@pytest.mark.parametrize(
    "code",
    [
        "const a = []; for (;;) a.push(a.slice())",
        "let s = 'x'; for (;;) s = `${s}${s}`",
        "const a = []; for (;;) a.push(new ArrayBuffer(1e6))",
        "return encodeURIComponent('\\u20ac'.repeat(5e7))",
        "return /(a+)+b/.test('a'.repeat(64))",
        "for (;;) {}",
        "return new RegExp('(' + 'a|'.repeat(5e6) + ')').test('b')",
    ],
)
def test_the_ordinary_limits_are_five_seconds_and_256_mebibytes(javascript: JavaScript, code: str) -> None:
    started = time.monotonic()
    with pytest.raises(ExpressionError, match=r"limit|memory"):
        javascript.run(code, (), {})
    assert time.monotonic() - started < 5.5 * crowd()
    assert javascript.run("return 1", (), {}) == 1
    for worker in workers_of(os.getpid()):
        status = Path(f"/proc/{worker.pid}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) < 280 * 1024, status


def test_memory_that_the_engine_loses_is_not_missed_by_the_next() -> None:
    """Normalizing runs out of memory and never gives back what it had; scripts of others must find their share."""
    lossy = "return '\\ufdfa'.repeat(3e6).normalize('NFKD').length"
    before = {worker.pid for worker in workers_of(os.getpid())}
    with JavaScript(workers=1) as javascript:
        for _ in range(4):
            with pytest.raises(ExpressionError, match="memory"):
                javascript.run(lossy, (), {})
            assert javascript.run("return Array(1e7).fill(1).length", (), {}) == 10_000_000
        (worker,) = [worker for worker in workers_of(os.getpid()) if worker.pid not in before]
        status = Path(f"/proc/{worker.pid}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) < 260 * 1024, status


def test_a_worker_that_served_a_large_script_goes_on() -> None:
    before = {worker.pid for worker in workers_of(os.getpid())}
    with JavaScript(workers=1) as javascript:
        found = []
        for code in ("return 'x'.repeat(3e7).length", "return Array(3e5).fill('xy')", "return 1"):
            javascript.run(code, (), {"inputs": "y" * 10_000_000})
            found.append([worker for worker in workers_of(os.getpid()) if worker.pid not in before])
    assert found[0] == found[1] == found[2]
