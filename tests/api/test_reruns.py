"""Running only the failed tasks of a batch again, and why they failed."""

from dataclasses import replace
from typing import Any

import pytest

from araneus.model.failure import FailedJob, alike
from araneus.model.job import Job, JobStatus, Outcome, Reason
from araneus.model.task import Status, Task
from araneus.store import jobs
from tests.api.conftest import utc_now
from tests.api.tasks_fixtures import ITEM, Lab, a_file, act, code, move

S = Status


def children_of(lab: Lab, parent: str) -> list[dict[str, Any]]:
    params = {"parent": parent, "fields": "_all", "order_by": "created_time", "order": "asc"}
    items: list[dict[str, Any]] = lab.client.get("/v2/tasks", params=params).json()["items"]
    return items


def fail(lab: Lab, child: dict[str, Any], outcome: Outcome | None, key: str = "align/2/sort") -> None:
    """What the scheduler writes of a task whose job failed, and others after it."""
    name, now = child["id"], utc_now()
    if outcome is not None:
        first = Job(
            task=name, key=key, name="align_2_s.sort", status=JobStatus.FAILED, outcome=outcome,
            created_on=now, ended_on=now,
        )  # fmt: skip
        later = replace(
            first, key="other", outcome=Outcome(reason=Reason.CANCELLED), status=JobStatus.ABORTED, ended_on=utc_now()
        )
        with lab.server.services.database.write() as conn:
            jobs.upsert(conn, [first, later])
    said = f"Job {child['name']} failed.\nThe last lines of its standard error:\nno"
    move(lab, name, S.RUNNING, S.FAILED, errors=({"message": said},))


def a_failed_batch(lab: Lab) -> str:
    """Six children: two with exit code 3, one out of memory, one without a job, one completed, one still queued."""
    texts = [a_file(lab.file(f"{letter}.txt")) for letter in "abcdef"]
    parent = lab.task(name="b", batch_input="text", batch_by=ITEM, inputs={"text": texts, "lines": 2})
    act(lab, parent, "run")
    a, b, c, d, e, _ = children_of(lab, parent["id"])
    fail(lab, a, Outcome(reason=Reason.OUT_OF_MEMORY))
    fail(lab, b, Outcome(reason=Reason.EXIT_CODE, exit_code=3), "align/1/sort")
    fail(lab, c, Outcome(reason=Reason.EXIT_CODE, exit_code=3))
    fail(lab, d, None)
    move(lab, e["id"], S.RUNNING, S.COMPLETED)
    return str(parent["id"])


def test_failed_tasks_run_again_and_reasons_are_grouped(lab: Lab) -> None:
    parent = a_failed_batch(lab)
    path = f"/v2/araneus/tasks/{parent}/rerun-failed"
    told = lab.client.get(path).json()
    assert told["failed"] == 4
    assert [(why["count"], why["reason"], why["step"], why["exit_code"]) for why in told["reasons"]] == [
        (2, "exit_code", "align/sort", 3),
        (1, "out_of_memory", "align/sort", None),
        (1, None, None, None),
    ]
    assert told["reasons"][0]["message"] == "Job b - b.txt failed."
    assert [task["name"] for task in told["reasons"][0]["tasks"]] == ["b - b.txt", "b - c.txt"]

    woken = len(lab.server.wakeups)
    answer = lab.client.post(path)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in ("failed", "reasons")} == told
    again = answer.json()["task"]
    assert (again["name"], again["status"], again["batch"], again["batch_by"]) == ("b - rerun", "QUEUED", True, ITEM)
    assert [file["name"] for file in again["inputs"]["text"]] == ["a.txt", "b.txt", "c.txt", "d.txt"]
    assert len(lab.server.wakeups) == woken + 1
    made = children_of(lab, again["id"])
    assert [(child["name"], child["status"]) for child in made] == [(f"b - {name}.txt", "QUEUED") for name in "abcd"]
    assert made[0]["batch_group"] == {"value": "a.txt", "fields": {}}
    assert (made[0]["inputs"]["lines"], made[0]["outputs"]) == (2, {"top": None, "log": None})
    assert len(children_of(lab, parent)) == 6

    assert code(lab.client.post(f"/v2/araneus/tasks/{again['id']}/rerun-failed")) == (400, 90000)
    copy = act(lab, again, "clone", action="run").json()
    assert len(children_of(lab, copy["id"])) == 4


def test_what_cannot_run_any_more_is_named_and_nothing_is_made(lab: Lab) -> None:
    parent = a_failed_batch(lab)
    gone = children_of(lab, parent)[0]["inputs"]["text"]["path"]
    assert lab.client.delete(f"/v2/files/{gone}").status_code == 204
    before = lab.client.get("/v2/tasks").headers["x-total-matching-query"]
    answer = lab.client.post(f"/v2/araneus/tasks/{parent}/rerun-failed")
    assert code(answer) == (400, 7024)
    assert gone in answer.json()["message"]
    assert lab.client.get("/v2/tasks").headers["x-total-matching-query"] == before


def test_who_may_rerun(lab: Lab) -> None:
    path = f"/v2/araneus/tasks/{a_failed_batch(lab)}/rerun-failed"
    with lab.server.client("maurice") as stranger:
        assert code(stranger.get(path)) == code(stranger.post(path)) == (404, 7002)
    with lab.admit("francis") as reader:
        assert reader.get(path).json()["failed"] == 4
        assert code(reader.post(path)) == (403, 7001)
    single = lab.task(inputs={"text": a_file(lab.file("z.txt"))})
    path = f"/v2/araneus/tasks/{single['id']}/rerun-failed"
    assert code(lab.client.get(path)) == code(lab.client.post(path)) == (400, 90000)


def test_tasks_that_no_job_is_to_blame_for_are_told_apart_by_what_they_say() -> None:
    base = Task(id="1", project="p/q", app="p/q/a/0", name="t", created_by="u", created_time=utc_now())
    said = ["the disk is full\nmore", "no app", "the disk is full", ""]
    tasks = [
        replace(base, id=str(number), errors=({"message": text},) if text else ()) for number, text in enumerate(said)
    ]
    found = alike(tasks, {})
    assert [(group.message, [task.id for task in group.tasks]) for group in found] == [
        ("the disk is full", ["0", "2"]),
        ("no app", ["1"]),
        ("", ["3"]),
    ]


@pytest.mark.parametrize(
    ("key", "step"), [("", None), ("a", "a"), ("a/3/b/12", "a/b"), ("a1/3", "a1"), ("3a/b", "3a/b")]
)
def test_the_steps_of_a_job_go_without_elements(key: str, step: str | None) -> None:
    assert FailedJob(key=key, outcome=Outcome(reason=Reason.LOST)).step == step
