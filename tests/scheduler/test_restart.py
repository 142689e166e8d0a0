"""A scheduler stops, another one goes on: nothing runs twice, nothing is forgotten."""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from araneus.executors import jobdir
from araneus.model.job import Attempt, Job, JobStatus, Outcome, Reason
from araneus.model.task import Status
from araneus.store import jobs
from tests.scheduler.house import House, now, small, tool

OUT = {"out": {"type": "File", "outputBinding": {"glob": "out"}}}


def wait_for(condition: object, timeout: float = 15) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_running_job_is_found_again(any_house: House) -> None:
    house = any_house
    ledger = house.directory / "ledger"
    app = house.install(tool(f"echo begun >> {ledger}; sleep 1.5; echo x > out", outputs=OUT))
    with house.scheduling():
        task = house.queue(app)
        wait_for(ledger.exists)
    assert house.task(task).status is Status.RUNNING
    with house.scheduling():
        ended = house.wait(task)
    assert ended.status is Status.COMPLETED, ended.progress
    assert ledger.read_text() == "begun\n"
    assert [attempt.number for attempt in house.attempts(task)] == [1]
    assert house.content(ended.outputs["out"]) == b"x\n"


def test_a_job_that_ended_while_nobody_watched_is_collected(any_house: House) -> None:
    house = any_house
    ledger = house.directory / "ledger"
    app = house.install(tool(f"echo begun >> {ledger}; sleep 0.5; echo x > out", outputs=OUT))
    with house.scheduling():
        task = house.queue(app)
        wait_for(ledger.exists)
    (attempt,) = house.attempts(task)
    wait_for((Path(attempt.directory) / jobdir.EXIT_CODE).exists)
    with house.scheduling():
        assert house.wait(task).status is Status.COMPLETED
    assert ledger.read_text() == "begun\n"


def test_a_lost_attempt_is_followed_by_another_three_at_most(house: House) -> None:
    ledger = house.directory / "ledger"
    once = tool(
        f"echo begun >> {ledger}; test $(wc -l < {ledger}) = 2 || sleep 30; echo x > out".replace("$(", "\\$("),
        outputs=OUT,
    )
    app = house.install(once)
    with house.scheduling():
        task = house.queue(app)
        wait_for(lambda: ledger.exists() and ledger.read_text() == "begun\n")
        kill_job(house, task)
        ended = house.wait(task)
    assert ended.status is Status.COMPLETED, ended.progress
    first, second = house.attempts(task)
    assert first.outcome is not None
    assert first.outcome.reason is Reason.LOST
    assert (first.number, second.number) == (1, 2)


def kill_job(house: House, task: str) -> None:
    """Kill the wrapper of the last attempt and all that it started, as the end of a machine would."""
    attempt = house.attempts(task)[-1]
    pid = jobdir.examine(Path(attempt.directory)).pid
    assert pid is not None
    os.killpg(os.getpgid(pid), signal.SIGKILL)


def test_after_three_lost_attempts_the_job_fails(house: House) -> None:
    ledger = house.directory / "ledger"
    app = house.install(tool(f"echo begun >> {ledger}; sleep 30"))
    with house.scheduling():
        task = house.queue(app)
        for count in (1, 2, 3):
            wait_for(lambda count=count: ledger.exists() and ledger.read_text().count("\n") == count)
            kill_job(house, task)
        ended = house.wait(task)
    assert ended.status is Status.FAILED
    assert ended.progress is not None
    assert "was lost" in ended.progress.message
    assert len(house.attempts(task)) == 3


def test_finished_jobs_are_answered_from_their_rows(house: House) -> None:
    ledger = house.directory / "ledger"
    gate = house.directory / "gate"
    step = tool(
        f"echo $(inputs.n) >> {ledger}; test $(inputs.n) -lt 8 || while test ! -e {gate}; do sleep 0.02; done",
        inputs={"n": "int"},
        requirements=[small()],
    )
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"n": "int[]"},
        "outputs": {},
        "steps": {"s": {"run": step, "scatter": "n", "in": {"n": "n"}, "out": []}},
    }
    app = house.install(document)
    with house.scheduling():
        task = house.queue(app, {"n": list(range(10))})
        wait_for(lambda: sum(job.status is JobStatus.COMPLETED for job in house.jobs(task)) == 8)
    gate.touch()
    with house.scheduling():
        assert house.wait(task).status is Status.COMPLETED
    assert sorted(map(int, ledger.read_text().split())) == list(range(10))


def test_an_aborting_task_is_finished_by_the_next_scheduler(any_house: House) -> None:
    house = any_house
    beats = house.directory / "beats"
    app = house.install(tool(f"while true; do echo x >> {beats}; sleep 0.02; done"))
    with house.scheduling():
        task = house.queue(app)
        wait_for(beats.exists)
    house.abort(task)
    with house.scheduling():
        ended = house.wait(task)
    assert ended.status is Status.ABORTED
    size = beats.stat().st_size
    time.sleep(0.2)
    assert beats.stat().st_size == size
    assert house.jobs(task)[0].status is JobStatus.ABORTED
    assert all(attempt.ended_on for attempt in house.attempts(task))


def test_an_attempt_that_was_committed_and_never_started_is_started(house: House) -> None:
    app = house.install(tool("echo x > out", outputs=OUT))
    task = house.queue(app)
    at = now()
    job = Job(task=task, key="", name="app", created_on=at)
    attempt = Attempt(
        id="11111111-1111-4111-8111-111111111111",
        task=task,
        key="",
        number=1,
        executor="local",
        directory=str(house.jobs_directory / "11111111-1111-4111-8111-111111111111"),
        created_on=at,
    )
    with house.database.write() as connection:
        jobs.upsert(connection, [job])
        jobs.insert_attempts(connection, [attempt])
    with house.scheduling():
        assert house.wait(task).status is Status.COMPLETED
    (found,) = house.attempts(task)
    assert found.id == attempt.id
    assert found.outcome is not None
    assert found.outcome.succeeded


def test_replaying_ten_thousand_finished_jobs_is_quick(house: House) -> None:
    width = 10_000
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"n": "int[]"},
        "outputs": {"out": {"type": "int[]", "outputSource": "s/out"}},
        "steps": {
            "s": {
                "run": tool("false", inputs={"n": "int"}, outputs={"out": "int"}),
                "scatter": "n",
                "in": {"n": "n"},
                "out": ["out"],
            }
        },
    }
    app = house.install(document)
    task = house.queue(app, {"n": list(range(width))})
    at = now()
    done = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
    rows = [
        Job(
            task=task,
            key=f"s/{n}",
            name=f"s_{n + 1}_s",
            status=JobStatus.COMPLETED,
            outputs={"out": n},
            outcome=done,
            created_on=at + timedelta(microseconds=n),
            ended_on=at,
        )
        for n in range(width)
    ]
    with house.database.write() as connection:
        jobs.upsert(connection, rows)
    begun = time.monotonic()
    with house.scheduling():
        ended = house.wait(task, timeout=60)
    assert ended.status is Status.COMPLETED, ended.progress
    assert ended.outputs == {"out": list(range(width))}
    assert time.monotonic() - begun < 10
    assert house.attempts(task) == []
