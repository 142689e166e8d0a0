"""What a job changes in place: seen by what waits for it, in every order; changed twice side by side: refused."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.process import Workflow
from araneus.engine.execution import Execution, ExecutionStatus, ReadyJob
from araneus.model.job import Outcome, Reason
from tests.engine.documents import DONE, answer, execution, link, run, step, tool, workflow


def made(name: str, size: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": "File", "basename": name, "location": f"file:///jobs/{name}", "size": size, **more}


def updated(changes: dict[str, dict[str, Any]]) -> Outcome:
    return Outcome(reason=Reason.SUCCEEDED, exit_code=0, updated=changes)


FIRST = made("a", checksum="sha1$1", format="text")
SECOND = made("work-a", size=2)
THIRD = made("other-a", size=3)
NOW = {"class": "File", "basename": "a", "location": "file:///jobs/work-a", "size": 2, "format": "text"}


def inputs_of(running: Execution, outcomes: dict[str, Outcome], answers: dict[str, Any], choose: Any = None) -> Any:
    """Run to the end; the inputs of every job by key."""
    ready = running.start()
    seen: dict[str, Any] = {}
    while ready:
        job: ReadyJob = ready.pop(choose(ready) if choose else 0)
        seen[job.key] = job.inputs
        outputs = answers.get(job.key, answer(job))
        ready += running.finish(job.key, outcomes.get(job.key, DONE), outputs)
    return seen


def chain() -> Workflow:
    """``make`` gives a file, ``change`` updates it; ``late`` waits for that and takes the original, ``other`` does not
    wait."""
    return workflow(
        "w",
        [],
        [
            step("make", tool("make", inputs=())),
            step("change", tool("change"), link("x", "make/y")),
            step("late", tool("late", inputs=("x", "wait")), link("x", "make/y"), link("wait", "change/y")),
            step("later", tool("later", inputs=("x", "wait")), link("x", "make/y"), link("wait", "late/y")),
            step("other", tool("other"), link("x", "make/y")),
        ],
        {"file": "make/y"},
    )


@given(st.data())
def test_only_what_waits_for_the_job_sees_its_change(data: st.DataObject) -> None:
    running = execution(chain())
    seen = inputs_of(
        running,
        {"change": updated({FIRST["location"]: SECOND})},
        {"make": {"y": FIRST}, "change": {"y": SECOND}},
        lambda ready: data.draw(st.integers(0, len(ready) - 1)),
    )
    assert running.status is ExecutionStatus.SUCCEEDED, running.failure
    assert seen["change"]["x"] == seen["other"]["x"] == FIRST
    assert seen["late"]["x"] == seen["later"]["x"] == NOW
    assert running.outputs == {"file": NOW}


def test_a_replay_in_another_order_ends_the_same() -> None:
    outcomes = {"change": updated({FIRST["location"]: SECOND}), "late": updated({SECOND["location"]: THIRD})}
    answers = {"make": {"y": FIRST}, "change": {"y": SECOND}}
    first, second = execution(chain()), execution(chain())
    forwards = inputs_of(first, outcomes, answers)
    backwards = inputs_of(second, outcomes, answers, lambda ready: len(ready) - 1)
    assert forwards == backwards
    assert forwards["later"]["x"]["location"] == THIRD["location"]
    assert first.outputs == second.outputs == {"file": {**NOW, "location": THIRD["location"], "size": 3}}


def test_two_that_do_not_wait_for_each_other_must_not_change_one_file() -> None:
    document = workflow(
        "w",
        ["f"],
        [step("a", tool("a"), link("x", "f")), step("b", tool("b"), link("x", "f"))],
        {"o": "f"},
    )
    for order in (0, -1):
        running = execution(document, {"f": FIRST})
        ready = running.start()
        for job in [ready[order], ready[-1 - order]]:
            running.finish(job.key, updated({FIRST["location"]: made(f"of-{job.key}")}), {"y": None})
        assert running.status is ExecutionStatus.FAILED
        assert running.failure is not None
        assert running.failure.outcome.reason is Reason.BAD_INPUT
        assert "updated in place by" in running.failure.outcome.message


def test_elements_of_a_scatter_do_not_see_each_other_and_what_follows_sees_all() -> None:
    inner = workflow(
        "inner",
        ["f"],
        [
            step("change", tool("change"), link("x", "f")),
            step("read", tool("read", inputs=("x", "wait")), link("x", "f"), link("wait", "change/y")),
        ],
        {"f": "f", "read": "read/y"},
    )
    outer = workflow(
        "outer",
        ["files"],
        [
            step("each", inner, link("f", "files"), scatter=["f"]),
            step("all", tool("all", inputs=("files", "wait")), link("files", "files"), link("wait", "each/read")),
        ],
        {"files": "files"},
    )
    files = [made("p"), made("q")]
    new = {name: made(f"new-{name}", size=9) for name in "pq"}
    running = execution(outer, {"files": files})
    seen = inputs_of(
        running,
        {f"each/{n}/change": updated({files[n]["location"]: new[name]}) for n, name in enumerate("pq")},
        {},
    )
    assert running.status is ExecutionStatus.SUCCEEDED, running.failure
    for number, name in enumerate("pq"):
        assert seen[f"each/{number}/read"]["x"]["location"] == new[name]["location"]
        assert seen[f"each/{number}/read"]["x"]["basename"] == name
    assert [file["size"] for file in seen["all"]["files"]] == [9, 9]
    assert [file["size"] for file in running.outputs["files"]] == [9, 9]


def test_files_in_a_changed_directory_and_directories_around_a_changed_file() -> None:
    inside: dict[str, Any] = {"class": "File", "basename": "b c", "location": "file:///jobs/d/b%20c", "size": 1}
    directory: dict[str, Any] = {
        "class": "Directory",
        "basename": "d",
        "location": "file:///jobs/d",
        "listing": [inside],
    }
    now_inside = {**inside, "location": "file:///jobs/new/b%20c", "size": 5}
    whole = {**directory, "location": "file:///jobs/new", "listing": [now_inside]}
    reader = tool("read", inputs=("d", "f", "primary", "wait"))
    document = workflow(
        "w",
        ["d", "f", "primary"],
        [
            step("change", tool("change"), link("x", "d")),
            step("read", reader, *(link(port, port) for port in ("d", "f", "primary")), link("wait", "change/y")),
        ],
        {},
    )
    primary = made("z", secondaryFiles=[inside])
    given_: dict[str, Any] = {"d": directory, "f": inside, "primary": primary}
    seen = inputs_of(execution(document, given_), {"change": updated({"file:///jobs/d": whole})}, {})["read"]
    assert seen["d"] == whole
    assert seen["f"] == now_inside
    assert seen["primary"]["secondaryFiles"] == [now_inside]
    assert seen["primary"]["location"] == primary["location"]
    only = inputs_of(execution(document, given_), {"change": updated({inside["location"]: now_inside})}, {})["read"]
    assert only["d"] == {"class": "Directory", "basename": "d", "listing": [now_inside]}


def test_without_updates_values_are_passed_on_as_they_are() -> None:
    listed = [FIRST, {"deep": [SECOND]}]
    document = workflow("w", ["f"], [step("a", tool("a"), link("x", "f"))], {"o": "f"})
    running = execution(document, {"f": listed})
    assert run(running)[0].inputs["x"] is listed
    assert running.outputs["o"] is listed
