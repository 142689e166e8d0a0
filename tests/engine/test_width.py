"""Wide executions stay small: what elements share is shared, and nothing is kept of a job that was handed out."""

import tracemalloc
from typing import Any

import pytest

from araneus.cwl.process import ScatterMethod
from araneus.engine.execution import ExecutionStatus
from tests.engine.documents import DONE, execution, link, run, step, tool, workflow

COUNT = 10_000


def _wide(method: ScatterMethod | None) -> tuple[Any, dict[str, Any]]:
    ports = ["x", "z"] if method else ["x"]
    links = [link(port, port) for port in (*ports, "big")]
    scattered = step("s", tool("t", [*ports, "big"]), *links, scatter=ports, method=method)
    side = round(COUNT**0.5) if method else COUNT
    inputs = {port: list(range(side)) for port in ports}
    return workflow("w", [*ports, "big"], [scattered], {"o": "s/y"}), inputs


@pytest.mark.parametrize("method", [None, ScatterMethod.NESTED_CROSSPRODUCT])
def test_ten_thousand_jobs_share_their_common_inputs(method: ScatterMethod | None) -> None:
    document, inputs = _wide(method)
    big = [{"class": "File", "location": f"blob:{number}"} for number in range(1000)]
    running = execution(document, {**inputs, "big": big})
    tracemalloc.start()
    try:
        ready = running.start()
        assert len(ready) == COUNT
        assert all(job.inputs["big"] is big for job in ready)
        for job in ready:
            running.finish(job.key, DONE, {"y": job.inputs["x"]})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert running.status is ExecutionStatus.SUCCEEDED
    assert peak < 60_000_000
    assert running.waiting_for == frozenset()


def test_a_scatter_of_sub_workflows_frees_what_has_ended() -> None:
    inner = workflow(
        "inner",
        ["x"],
        [step("a", tool("t"), link("x", "x")), step("b", tool("t"), link("x", "a/y"))],
        {"y": "b/y"},
    )
    outer = workflow("w", ["l"], [step("s", inner, link("x", "l"), scatter=["x"])], {"o": "s/y"})
    running = execution(outer, {"l": list(range(2_000))})
    jobs = run(running, tell=lambda job: {"y": job.inputs["x"]}, choose=lambda ready: len(ready) - 1)
    assert len(jobs) == 4_000
    assert running.outputs == {"o": list(range(2_000))}
