"""Tasks from QUEUED to their end, with a real scheduler, database and processes."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from araneus.model.errors import ConcurrentChange, Refusal
from araneus.model.job import LOG_NAMES, JobStatus, Reason, log_ids
from araneus.model.task import Status
from araneus.scheduler.loop import Options
from araneus.store import projects
from tests.scheduler.house import OWNER, PROJECT, House, small, tool

HELLO = tool("echo hello", outputs={"greeting": {"type": "stdout"}}, stdout="hello.txt")
OUT = {"out": {"type": "File", "outputBinding": {"glob": "out*"}}}
COUNT = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "requirements": [{"class": "ScatterFeatureRequirement"}],
    "inputs": {"words": "string[]"},
    "outputs": {"all": {"type": "File", "outputSource": "join/out"}},
    "steps": {
        "say": {
            "run": tool("echo $(inputs.word) > out", inputs={"word": "string"}, outputs=OUT, requirements=[small()]),
            "scatter": "word",
            "in": {"word": "words"},
            "out": ["out"],
        },
        "join": {
            "run": tool(
                "cat",
                inputs={"parts": {"type": "File[]", "inputBinding": {"position": 1}}},
                outputs={"out": {"type": "stdout"}},
                stdout="all.txt",
                requirements=[small()],
            ),
            "in": {"parts": "say/out"},
            "out": ["out"],
        },
    },
}


def test_a_tool_runs_and_its_output_becomes_a_file(house: House) -> None:
    app = house.install(HELLO)
    with house.scheduling():
        task = house.wait(house.queue(app))
    assert task.status is Status.COMPLETED, task.progress
    value = task.outputs["greeting"]
    assert value == {"class": "File", "path": value["path"], "name": "hello.txt", "basename": "hello.txt", "size": 6}
    assert house.content(value) == b"hello\n"
    file = house.file(value["path"])
    assert (file.origin_task, file.project, file.parent, file.hidden) == (task.id, PROJECT, house.root, False)
    assert [event.after for event in house.events(task.id)] == [Status.QUEUED, Status.RUNNING, Status.COMPLETED]
    assert task.end_time is not None
    assert task.progress is not None
    assert (task.progress.message, task.progress.message_code) == ("Completed", "task_completed")
    assert (task.progress.steps_completed, task.progress.steps_total) == (1, 1)
    assert task.progress.running_duration >= task.progress.execution_duration > 0


def test_the_job_and_its_logs_can_be_read(house: House) -> None:
    app = house.install(tool("echo out; echo err >&2; echo x > out", outputs=OUT))
    with house.scheduling():
        task = house.wait(house.queue(app))
    (job,) = house.jobs(task.id)
    (attempt,) = house.attempts(task.id)
    assert job.status is JobStatus.COMPLETED
    assert job.command_line == "echo out; echo err >&2; echo x > out"
    assert job.created_on <= (job.started_on or job.created_on) <= (job.ended_on or job.created_on)
    assert attempt.outcome is not None
    assert attempt.outcome.exit_code == 0
    logs = {name: house.content({"path": identity}) for name, identity in log_ids(attempt.id).items()}
    assert set(logs) == set(LOG_NAMES)
    assert logs["job.tree.log"] == b"              2  out\n"
    assert logs["job.out.log"] == b"out\n"
    assert logs["job.err.log"] == b"err\n"
    assert json.loads(logs["cwl.output.json"])["out"]["basename"] == "out"
    assert all(house.file(identity).hidden for identity in log_ids(attempt.id).values())
    assert set(house.listed()) == {"out"}


def test_logs_can_be_read_while_the_job_runs(house: House) -> None:
    app = house.install(tool("echo begun >&2; sleep 20"))
    with house.scheduling():
        task = house.queue(app)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            attempts = house.attempts(task)
            if attempts and house.jobs(task)[0].status is JobStatus.RUNNING:
                identity = log_ids(attempts[0].id)["job.err.log"]
                if house.content({"path": identity}) == b"begun\n":
                    break
            time.sleep(0.01)
        else:
            raise AssertionError(f"no log: {house.jobs(task)}")
        house.abort(task)
        house.wait(task)


def test_a_workflow_with_a_scatter(house: House) -> None:
    app = house.install(COUNT)
    words = [f"w{number}" for number in range(20)]
    with house.scheduling():
        task = house.wait(house.queue(app, {"words": words}))
    assert task.status is Status.COMPLETED, task.progress
    assert house.content(task.outputs["all"]) == "".join(f"{word}\n" for word in words).encode()
    jobs = house.jobs(task.id)
    assert len(jobs) == 21
    assert {job.name for job in jobs} == {"join", *(f"say_{number}_s" for number in range(1, 21))}
    assert {job.status for job in jobs} == {JobStatus.COMPLETED}
    assert set(house.listed()) == {"all.txt"}


def test_a_failed_job_fails_the_task_with_its_last_words(house: House) -> None:
    app = house.install(
        tool("for n in $(seq 100); do echo line $n >&2; done; exit 3".replace("$(", "\\$("), outputs=OUT)
    )
    with house.scheduling():
        task = house.wait(house.queue(app))
    assert task.status is Status.FAILED
    assert task.progress is not None
    words = "".join(f"line {number}\n" for number in range(81, 101))
    assert task.progress.message == (
        f"Job app failed with exit code 3.\nThe last lines of its standard error:\n{words}"
        "Logs: in the task's execution_details, job app: job.err.log, job.out.log, cmd.log"
    )
    assert task.progress.message_code == "task_failed"
    assert house.events(task.id)[-1].message == task.progress.message
    assert task.errors[0]["message"] == task.progress.message
    (job,) = house.jobs(task.id)
    assert job.status is JobStatus.FAILED
    assert job.outcome is not None
    assert (job.outcome.reason, job.outcome.exit_code) == (Reason.EXIT_CODE, 3)
    assert task.outputs == {}
    assert house.listed() == {}


def test_one_failed_job_stops_the_others(house: House) -> None:
    document = {
        **COUNT,
        "outputs": {},
        "steps": {
            "say": {
                "run": tool(
                    "test $(inputs.word) = bad && exit 9; sleep 60", inputs={"word": "string"}, requirements=[small()]
                ),
                "scatter": "word",
                "in": {"word": "words"},
                "out": [],
            }
        },
    }
    app = house.install(document)
    begun = time.monotonic()
    with house.scheduling():
        task = house.wait(house.queue(app, {"words": ["a", "b", "bad", *"cdefghijklmnopqrstuvwxyz"]}))
    assert time.monotonic() - begun < 20
    assert task.status is Status.FAILED
    assert task.progress is not None
    assert task.progress.message.splitlines()[:2] == [
        "Job say_3_s failed with exit code 9.",
        "Where: say, element 3 of 27 (bad)",
    ]
    statuses = {job.name: job.status for job in house.jobs(task.id)}
    assert statuses.pop("say_3_s") is JobStatus.FAILED
    assert set(statuses.values()) == {JobStatus.ABORTED}
    assert all(attempt.ended_on is not None for attempt in house.attempts(task.id))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (tool("no-such-program-at-all"), "Job app failed with exit code 127"),
        (
            {**tool("x"), "requirements": [], "arguments": [], "baseCommand": ["no-such-program"]},
            "Job app could not start. Command not found: no-such-program.",
        ),
        (tool("true", outputs=OUT), "Job app did not produce a required output"),
        (tool("echo $(inputs.x.y.z)", inputs={"x": "Any"}), "Job app"),
        (
            tool("true", requirements=[small(cores=4096)]),
            "Job app asks for more than there is for it: it asks for 4096",
        ),
        (tool("true", requirements=[small(memory=10**7)]), "jobs can have at most 4 cores and 4096 MiB"),
        ({"class": "CommandLineTool"}, "The app is not valid CWL"),
        (tool("true", inputs={"x": "int"}), "The task was given inputs that do not fit: "),
    ],
)
def test_what_goes_wrong_is_said(house: House, document: dict[str, Any], message: str) -> None:
    app = house.install(document)
    inputs = {"x": {"a": 1}} if "Any" in json.dumps(document) else {}
    with house.scheduling():
        task = house.wait(house.queue(app, inputs))
    assert task.status is Status.FAILED
    assert task.progress is not None
    assert message in task.progress.message
    assert "Internal" not in task.progress.message


def test_an_endless_expression_stalls_only_its_own_task(house: House) -> None:
    endless = tool("echo ${while(true){}}", requirements=[{"class": "InlineJavascriptRequirement"}])
    bad, good = house.install(endless, "bad"), house.install(HELLO, "good")
    with house.scheduling(script_limit=6.0):
        slow = house.queue(bad)
        for _ in range(5):
            assert house.wait(house.queue(good)).status is Status.COMPLETED
        assert house.task(slow).status is Status.RUNNING
        task = house.wait(slow)
    assert task.status is Status.FAILED
    assert task.progress is not None
    assert "failed in an expression" in task.progress.message


def test_success_codes_of_the_tool_count(house: House) -> None:
    app = house.install(
        {**HELLO, "arguments": [{"valueFrom": "echo hi; exit 4", "shellQuote": False}], "successCodes": [4]}
    )
    with house.scheduling():
        task = house.wait(house.queue(app))
    assert task.status is Status.COMPLETED, task.progress


def test_an_expression_tool_runs_without_a_process(house: House) -> None:
    document = {
        "class": "ExpressionTool",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "InlineJavascriptRequirement"}],
        "inputs": {"n": "int"},
        "outputs": {"double": "int"},
        "expression": "${return {double: inputs.n * 2};}",
    }
    app = house.install(document)
    with house.scheduling():
        task = house.wait(house.queue(app, {"n": 21}))
    assert task.status is Status.COMPLETED, task.progress
    assert task.outputs == {"double": 42}
    assert house.attempts(task.id) == []
    assert house.jobs(task.id)[0].status is JobStatus.COMPLETED


def test_abort_ends_the_whole_process_tree(house: House) -> None:
    marker = house.directory / "beats"
    line = f"(while true; do echo x >> {marker}; sleep 0.05; done) & setsid sh -c 'sleep 300' & sleep 300"
    app = house.install(tool(line))
    with house.scheduling():
        task = house.queue(app)
        deadline = time.monotonic() + 10
        while not marker.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        begun = time.monotonic()
        house.abort(task)
        ended = house.wait(task)
        assert time.monotonic() - begun < 5
    assert ended.status is Status.ABORTED
    assert ended.progress is not None
    assert (ended.progress.message, ended.progress.message_code) == ("Aborted by user", "task_aborted")
    size = marker.stat().st_size
    time.sleep(0.3)
    assert marker.stat().st_size == size
    assert [job.status for job in house.jobs(task)] == [JobStatus.ABORTED]
    assert house.listed() == {}


def test_the_processes_of_a_deleted_project_end_at_once(house: House) -> None:
    marker = house.directory / "beats"
    app = house.install(tool(f"while true; do echo x >> {marker}; sleep 0.05; done"))
    with house.scheduling(options=Options(poll=3600.0)):
        task = house.queue(app)
        deadline = time.monotonic() + 10
        while not (marker.exists() and house.task(task).status is Status.RUNNING) and time.monotonic() < deadline:
            time.sleep(0.01)
        with house.database.write() as connection:
            projects.delete(connection, PROJECT)
        house.wake()
        beats, unchanged, deadline = marker.stat().st_size, 0, time.monotonic() + 5
        while unchanged < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
            unchanged = unchanged + 1 if marker.stat().st_size == beats else 0
            beats = marker.stat().st_size
        assert unchanged == 10, "the tool still runs"


def test_a_task_that_is_aborted_before_it_is_claimed(house: House) -> None:
    app = house.install(HELLO)
    task = house.queue(app)
    house.abort(task)
    with house.scheduling():
        ended = house.wait(task)
    assert ended.status is Status.ABORTED
    assert house.jobs(task) == []


def test_many_aborts_at_random_moments(house: House) -> None:
    app = house.install(tool("sleep 0.02; echo x > out", outputs=OUT, requirements=[small()]))
    with house.scheduling():
        for delay in (0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1):
            task = house.queue(app)
            time.sleep(delay)
            if house.task(task).status in {Status.QUEUED, Status.RUNNING}:
                with contextlib.suppress(Refusal, ConcurrentChange):
                    house.abort(task)
            ended = house.wait(task)
            outputs = [file for file in house.listed().values() if file.origin_task == task]
            assert (ended.status, len(outputs)) in {(Status.ABORTED, 0), (Status.COMPLETED, 1)}
            assert all(attempt.ended_on for attempt in house.attempts(task))


def test_a_lost_wake_up_costs_one_poll(house: House) -> None:
    app = house.install(HELLO)
    with house.scheduling():
        time.sleep(0.1)
        house.wake = lambda: None  # type: ignore[method-assign]
        begun = time.monotonic()
        assert house.wait(house.queue(app)).status is Status.COMPLETED
        assert time.monotonic() - begun < 3


def test_only_so_many_tasks_are_in_hand(house: House) -> None:
    app = house.install(tool("sleep 0.05; echo x > out", outputs=OUT, requirements=[small()]))
    with house.scheduling(options=Options(poll=0.5, max_tasks=3)):
        queued = house.queue_many(app, [{}] * 12)
        most = 0
        while any(house.task(task).status not in {Status.COMPLETED, Status.FAILED} for task in queued):
            most = max(most, sum(house.task(task).status is Status.RUNNING for task in queued))
            time.sleep(0.005)
    assert all(house.task(task).status is Status.COMPLETED for task in queued)
    assert 1 <= most <= 3
    assert len(house.listed()) == 12


def test_jobs_wait_for_room(house: House) -> None:
    ledger = house.directory / "ledger"
    line = f"echo + >> {ledger}; sleep 0.1; echo - >> {ledger}"
    app = house.install(tool(line, requirements=[small(cores=1)]))
    with house.scheduling(house.executor(cores=2)):
        for task in house.queue_many(app, [{}] * 6):
            assert house.wait(task).status is Status.COMPLETED
    running = most = 0
    for sign in ledger.read_text().split():
        running += 1 if sign == "+" else -1
        most = max(most, running)
    assert most == 2


def test_a_deleted_app_fails_the_task(house: House) -> None:
    task = house.queue(f"{PROJECT}/gone/0")
    with house.scheduling():
        ended = house.wait(task)
    assert ended.status is Status.FAILED
    assert ended.progress is not None
    assert "was deleted" in ended.progress.message


def test_the_scheduler_survives_a_database_that_cannot_be_written(house: House, tmp_path: Path) -> None:
    """A second writer holds the database for a while: facts are kept and written later."""
    app = house.install(HELLO)
    with house.scheduling():
        task = house.queue(app)
        with house.database.write():
            time.sleep(1.0)
        assert house.wait(task).status is Status.COMPLETED


def test_progress_counts_steps(house: House) -> None:
    document = json.loads(json.dumps(COUNT))
    document["steps"]["say"]["run"]["arguments"][0]["valueFrom"] = "sleep 0.2; echo $(inputs.word) > out"
    app = house.install(document)
    seen = set()
    with house.scheduling(house.executor(cores=0.3)):
        task = house.queue(app, {"words": list("abcdefghi")})
        while house.task(task).status in {Status.QUEUED, Status.RUNNING}:
            progress = house.task(task).progress
            if progress is not None:
                seen.add((progress.message, progress.steps_completed, progress.steps_total))
            time.sleep(0.01)
    assert house.task(task).status is Status.COMPLETED
    running = [entry for entry in seen if entry[0].startswith("Running")]
    assert len(running) >= 2, seen
    assert all(entry[0] == f"Running {entry[1]}/{entry[2]} steps" for entry in running)
    assert OWNER in PROJECT


@pytest.mark.parametrize(
    ("skipped", "said"),
    [
        (True, "first: first_non_null: all of the 2 values are null (a/o, b/o)"),
        (False, "only: the_only_non_null: 2 of the values are not null, expected one (a/o, b/o)"),
    ],
)
def test_outputs_of_a_workflow_that_cannot_be_picked(house: House, skipped: bool, said: str) -> None:
    made = {"o": {"type": "string", "outputBinding": {"outputEval": "made"}}}
    run = tool("true", inputs={"go": "boolean"}, outputs=made)
    step = {"run": run, "when": "$(inputs.go)", "in": {"go": "go"}, "out": ["o"]}
    picks = {"first": "first_non_null", "only": "the_only_non_null"}
    outputs = {
        name: {"type": "string", "outputSource": ["a/o", "b/o"], "pickValue": method} for name, method in picks.items()
    }
    document = {
        "class": "Workflow", "cwlVersion": "v1.2", "inputs": {"go": "boolean"}, "outputs": outputs,
        "steps": {"a": step, "b": step}, "requirements": [{"class": "MultipleInputFeatureRequirement"}],
    }  # fmt: skip
    with house.scheduling():
        task = house.wait(house.queue(house.install(document, "flow"), {"go": not skipped}))
    assert task.status is Status.FAILED
    assert task.errors[0]["message"] == f"The task left outputs that cannot be used: outputs/{said}"
