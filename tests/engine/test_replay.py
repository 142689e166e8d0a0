"""An execution rebuilt from finished jobs is the execution that was lost: the same jobs, keys, inputs and results."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.process import LinkMerge, ScatterMethod, Step, Workflow
from araneus.engine.execution import Execution, ExecutionStatus, ReadyJob
from tests.engine.documents import DONE, answer, execution, link, run, step, tool, workflow

LENGTH = st.integers(min_value=0, max_value=3)


def _depth_one(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


FUNCTIONS = {
    "listed": lambda _inputs, self: _depth_one(self)[:3],
    "tagged": lambda inputs, self: {"self": self, "keys": sorted(inputs)},
    "even": lambda inputs, _self: len(repr(inputs["x"])) % 2 == 0,
}


@st.composite
def workflows(draw: st.DrawFn, depth: int = 2) -> Workflow:
    """A workflow with input ``i``, up to four steps that take from it or from each other, and outputs of all."""
    steps: list[Step] = []
    sources = ["i"]
    for number in range(draw(st.integers(min_value=0, max_value=4))):
        name = f"s{number}"
        nested = depth > 0 and draw(st.booleans())
        process = draw(workflows(depth - 1)) if nested else tool(f"t{number}")
        port = "i" if nested else "x"
        taken = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=2))
        scatter = [port] if draw(st.booleans()) else []
        merge = draw(st.sampled_from([None, LinkMerge.NESTED, LinkMerge.FLATTENED]))
        if scatter and merge is None and len(taken) == 1:
            merge = LinkMerge.NESTED
        steps.append(
            step(
                name,
                process,
                link(port, *taken, merge=merge, value_from=draw(st.sampled_from([None, "$tagged"]))),
                link("x" if nested else "extra", "i"),
                scatter=scatter,
                method=draw(st.sampled_from([None, ScatterMethod.FLAT_CROSSPRODUCT])),
                when=draw(st.sampled_from([None, None, "$even"])),
            )
        )
        sources += [f"{name}/{output.id}" for output in process.outputs]
    return workflow("w", ["i"], steps, {f"o{n}": source for n, source in enumerate(sources)})


def _choices(data: st.DataObject) -> Any:
    return lambda ready: data.draw(st.integers(min_value=0, max_value=len(ready) - 1))


@given(workflows(), st.data())
def test_every_order_of_ends_gives_the_same_jobs_and_outputs(document: Workflow, data: st.DataObject) -> None:
    first, second = (execution(document, {"i": [1, 22]}, **FUNCTIONS) for _ in range(2))
    in_order = run(first)
    in_any = run(second, choose=_choices(data))
    assert first.status is ExecutionStatus.SUCCEEDED, first.failure
    assert sorted(in_order, key=_key) == sorted(in_any, key=_key)
    assert first.outputs == second.outputs
    assert first.steps_total == first.steps_completed == len(in_order)
    assert len({job.key for job in in_order}) == len(in_order)


@given(workflows(), st.data())
def test_a_rebuilt_execution_goes_on_where_the_other_stopped(document: Workflow, data: st.DataObject) -> None:
    lost = execution(document, {"i": [1, 22]}, **FUNCTIONS)
    choose = _choices(data)
    ready = lost.start()
    finished: list[ReadyJob] = []
    for _ in range(data.draw(LENGTH) * 2):
        if not ready:
            break
        job = ready.pop(choose(ready))
        finished.append(job)
        ready += lost.finish(job.key, DONE, answer(job))
    rebuilt = execution(document, {"i": [1, 22]}, **FUNCTIONS)
    again = _replayed(rebuilt, finished)
    assert sorted(again, key=_key) == sorted(ready, key=_key)
    assert rebuilt.waiting_for == lost.waiting_for == {job.key for job in ready}
    assert (rebuilt.steps_total, rebuilt.steps_completed) == (lost.steps_total, lost.steps_completed)
    assert (rebuilt.status, rebuilt.outputs) == (lost.status, lost.outputs)


def _replayed(rebuilt: Execution, finished: list[ReadyJob]) -> list[ReadyJob]:
    ready = {job.key: job for job in rebuilt.start()}
    for job in finished:
        assert ready.pop(job.key) == job
        ready |= {more.key: more for more in rebuilt.finish(job.key, DONE, answer(job))}
    return list(ready.values())


def _key(job: ReadyJob) -> str:
    return job.key
