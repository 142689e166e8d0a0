"""What people see over HTTP of jobs that are interrupted, grow, never fit, fail, or still run, on a real server."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.test_limits_of_tasks import limited as limited  # noqa: PLC0414 - the fixture, under its name
from tests.visitor import Visitor, globbed, shell

SETTINGS = {
    "ARANEUS__JOBS__CORES": "4",
    "ARANEUS__JOBS__MEMORY": "2000",
    "ARANEUS__JOBS__CONTAINERS": "none",
    "ARANEUS__JOBS__INTERRUPT_AFTER": "1.5",
    "ARANEUS__JOBS__MEMORY_GROWTH": "3",
}
STAYS: Any = {"use_interruptible_instances": False}


@pytest.fixture(scope="module")
def project(owner: Visitor) -> str:
    return owner.project("Running")


def job_of(owner: Visitor, task: str) -> Any:
    """The task's one job, as execution details show it."""
    (job,) = owner.get(f"/tasks/{task}/execution_details")["jobs"]
    return job


def read(owner: Visitor, job: Any, log: str) -> bytes:
    return owner.content(job["logs"][log].split("/files/")[1].split("/")[0])


def asking(cores: float = 1, memory: int = 32) -> dict[str, Any]:
    return {"ResourceRequirement": {"coresMin": cores, "ramMin": memory}}


def test_an_interrupted_job_is_retried_where_nobody_interrupts_it(owner: Visitor, project: str) -> None:
    app = owner.app(project, "slow", shell("sleep 3; echo done > o", outputs={"o": globbed("o")}))
    task = owner.run(app, {}, use_interruptible_instances=True)
    assert owner.content(owner.completed(task)["o"]) == b"done\n"
    job = job_of(owner, task)
    assert (job["retried"], job["status"]) == (True, "COMPLETED")
    stays = owner.run(app, {}, **STAYS)
    owner.completed(stays)
    assert job_of(owner, stays)["retried"] is False


@pytest.mark.usefixtures("limited")
def test_a_job_that_ran_out_of_memory_gets_more(owner: Visitor, project: str) -> None:
    script = "python3 -c 'b = bytearray(400 * 1024 * 1024)' && echo enough > o"
    hog = shell(script, requirements=asking(memory=200), outputs={"o": globbed("o")})
    task = owner.run(owner.app(project, "hog", hog), {}, **STAYS)
    assert owner.content(owner.completed(task)["o"]) == b"enough\n"
    assert job_of(owner, task)["retried"] is True


def test_a_temporary_failure_is_tried_again(owner: Visitor, project: str) -> None:
    app = owner.app(project, "temporary", {**shell("exit 75"), "temporaryFailCodes": [75]})
    task = owner.run(app, {}, **STAYS)
    assert owner.ended(task)["status"] == "FAILED"
    assert job_of(owner, task)["retried"] is True


@pytest.mark.parametrize(
    ("asks", "hints", "says"),
    [
        (asking(99), {}, ["99 cores", "at most 4 cores"]),
        (asking(3), {"sbg:AWSInstanceType": {"value": "c5.large;ebs-gp2;10"}}, ["3 cores", "c5.large has 2 cores"]),
    ],
)
def test_a_job_that_never_fits_fails_at_once_and_says_so(
    owner: Visitor, project: str, asks: Mapping[str, Any], hints: Mapping[str, Any], says: list[str]
) -> None:
    raw = shell("true", requirements=asks, hints=hints)
    task = owner.ended(owner.run(owner.app(project, f"large{len(hints)}", raw), {}, **STAYS), patience=20)
    assert task["status"] == "FAILED"
    for text in says:
        assert text in task["execution_status"]["message"]
        assert text in task["errors"][0]["message"]


def test_execution_details_show_the_instance_that_somebody_named(owner: Visitor, project: str) -> None:
    app = owner.app(project, "named", shell("true", hints={"sbg:AWSInstanceType": {"value": "c5.large;ebs-gp2;100"}}))
    shown = []
    for settings in ({}, {"instance_type": "m5.xlarge;ebs-gp2;7"}, {"instance_type": "AUTO"}):
        task = owner.run(app, {}, execution_settings=settings, **STAYS)
        owner.completed(task)
        instance = job_of(owner, task)["instance"]
        shown.append((instance["type"], instance["disk"]))
    assert shown == [
        ("c5.large", {"size": 100, "unit": "GB", "type": "EBS"}),
        ("m5.xlarge", {"size": 7, "unit": "GB", "type": "EBS"}),
        ("local", {"size": 2, "unit": "GB", "type": "local"}),
    ]


def test_saved_logs_are_read_while_the_job_runs(owner: Visitor, project: str) -> None:
    script = "mkdir d; echo first > d/my.log; ln -s /etc/passwd d/l.log; sleep 60"
    app = owner.app(project, "talks", shell(script, hints={"sbg:SaveLogs": {"value": "d/*.log"}}))
    task = owner.run(app, {}, **STAYS)
    deadline = time.monotonic() + 30
    while "d/my.log" not in (logs := {log for job in details(owner, task) for log in job.logs}):
        assert time.monotonic() < deadline, logs
        time.sleep(0.2)
    assert "d/l.log" not in logs
    (job,) = details(owner, task)
    log = job.logs["d/my.log"]
    assert (job.status, log.name, log.size) == ("RUNNING", "my.log", 6)
    assert owner.content(log.id) == b"first\n"
    owner.post(f"/tasks/{task}/actions/abort")
    assert owner.ended(task)["status"] == "ABORTED"
    assert read(owner, job_of(owner, task), "d/my.log") == b"first\n"


def details(owner: Visitor, task: str) -> Any:
    """The jobs as the platform's client shows them."""
    return owner.api().tasks.get(task).get_execution_details().jobs


def test_what_a_failed_task_leaves_can_be_downloaded(owner: Visitor, project: str) -> None:
    outputs = {"a": globbed("*.txt", "File[]"), "d": globbed("d", "Directory"), "missing": globbed("missing")}
    script = "echo one > 'a b.txt'; mkdir d; echo two > d/x; echo secret > other; exit 3"
    task = owner.run(owner.app(project, "partial", shell(script, outputs=outputs)), {}, **STAYS)
    assert owner.ended(task)["outputs"] == {"a": None, "d": None, "missing": None}
    (job,) = details(owner, task)
    left = {name: owner.content(file.id) for name, file in job.logs.items() if name.startswith("partial/")}
    assert left == {"partial/a b.txt": b"one\n", "partial/d/x": b"two\n"}
    listed = owner.get("/files", parent=owner.root(project), limit="100")["items"]
    assert not {"a b.txt", "d", "x"} & {item["name"] for item in listed}


def test_who_may_not_copy_files_out_may_read_logs_and_no_more(owner: Visitor) -> None:
    """What a failed task has left is data, as outputs are."""
    project = owner.project("Guarded")
    raw = shell("echo data > o; echo why >&2; exit 3", outputs={"o": globbed("o")})
    task = owner.run(owner.app(project, "fails", raw), {}, **STAYS)
    assert owner.ended(task)["status"] == "FAILED"
    reader = Visitor.added(owner.server, "reader")
    permissions = {"read": True, "copy": False, "write": False, "execute": False, "admin": False}
    owner.post(f"/projects/{project}/members", {"username": "reader", "permissions": permissions})
    assert read(reader, job_of(reader, task), "job.err.log") == b"why\n"
    left = job_of(reader, task)["logs"]["partial/o"]
    assert reader.http.get(left).status_code == 403
    url = owner.get(left)["url"]
    granted = owner.http.patch(f"/projects/{project}/members/reader/permissions", json={"copy": True})
    assert granted.status_code == 200
    assert reader.http.get(left).status_code == 200
    assert httpx.get(url).content == b"data\n"
    reader.http.close()


def test_durations_add_up_while_a_task_waits_runs_and_when_it_has_ended(owner: Visitor, project: str) -> None:
    app = owner.app(project, "busy", shell("sleep 2", requirements=asking(4)))
    tasks = [owner.run(app, {}, **STAYS) for _ in range(3)]
    seen: set[str] = set()
    executing = 0
    left = set(tasks)
    while left:
        for task in list(left):
            found = owner.get(f"/tasks/{task}")
            status = found["execution_status"]
            seen.add(found["status"])
            if found["status"] == "RUNNING":
                executing = max(executing, status["execution_duration"])
            assert status["queued_duration"] + status["running_duration"] == status["duration"], found
            assert 0 <= status["execution_duration"] <= status["running_duration"], found
            if found["status"] == "COMPLETED":
                left.discard(task)
        time.sleep(0.1)
    assert seen >= {"QUEUED", "RUNNING", "COMPLETED"}
    assert executing > 1000
