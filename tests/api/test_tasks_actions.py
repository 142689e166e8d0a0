"""Running, aborting, deleting and cloning tasks over HTTP, and who may do what."""

from typing import Any

import pytest

from araneus.model.task import Status
from tests.api.tasks_fixtures import (
    TIME,
    UNKNOWN,
    Lab,
    a_file,
    act,
    code,
    move,
    stored,
)


def test_running_a_draft(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    woken = len(lab.server.wakeups)
    after = act(lab, task, "run", use_interruptible_instances="False").json()
    assert (after["status"], after["executed_by"]) == ("QUEUED", "rosalind")
    assert after["use_interruptible_instances"] is False
    assert TIME.fullmatch(after["start_time"])
    assert after["execution_status"]["message"]
    assert len(lab.server.wakeups) == woken + 1
    assert code(act(lab, task, "run")) == (400, 7007)


@pytest.mark.parametrize(
    "path",
    [
        (),
        (Status.RUNNING,),
        (Status.RUNNING, Status.QUEUED),
        (Status.RUNNING, Status.COMPLETED),
        (Status.RUNNING, Status.FAILED),
        (Status.ABORTING,),
        (Status.ABORTING, Status.ABORTED),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_what_has_been_run_is_not_run_again(lab: Lab, path: tuple[Status, ...], batch: bool) -> None:
    settings: dict[str, Any] = {"batch_input": "text", "batch_by": {"type": "item"}} if batch else {}
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))}, **settings)
    assert act(lab, task, "run").json()["status"] == "QUEUED"
    move(lab, task["id"], *path)
    before, woken = stored(lab, task["id"]), len(lab.server.wakeups)
    for params in ({}, {"batch": "False"}, {"use_interruptible_instances": "False"}):
        assert code(act(lab, task, "run", **params)) == (400, 7007)
    assert (stored(lab, task["id"]), len(lab.server.wakeups)) == (before, woken)


def test_a_draft_with_errors_does_not_run_and_keeps_them(lab: Lab) -> None:
    task = lab.task()
    answer = act(lab, task, "run")
    assert code(answer) == (400, 7024)
    assert "text" in answer.json()["message"]
    after = lab.client.get(f"/v2/tasks/{task['id']}").json()
    assert (after["status"], len(after["errors"])) == ("DRAFT", 1)


def test_errors_that_came_later_are_found_at_run_and_by_clones(lab: Lab) -> None:
    text = lab.file("a.txt")
    task = lab.task(inputs={"text": a_file(text)})
    assert lab.client.delete(f"/v2/files/{text}").status_code == 204
    assert code(act(lab, task, "run")) == (400, 7024)
    assert len(lab.client.get(f"/v2/tasks/{task['id']}").json()["errors"]) == 1
    copy = act(lab, task, "clone", action="run").json()
    assert (copy["status"], len(copy["errors"])) == ("DRAFT", 1)


@pytest.mark.parametrize("path", [(), (Status.RUNNING,)])
def test_aborting(lab: Lab, path: tuple[Status, ...]) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    assert code(act(lab, task, "abort")) == (400, 7011)
    act(lab, task, "run")
    move(lab, task["id"], *path)
    woken = len(lab.server.wakeups)
    after = act(lab, task, "abort")
    assert (after.status_code, after.json()["status"]) == (200, "ABORTING")
    assert len(lab.server.wakeups) == woken + 1
    assert code(act(lab, task, "abort")) == (400, 7011)
    move(lab, task["id"], Status.ABORTED)
    assert lab.client.get(f"/v2/tasks/{task['id']}").json()["status"] == "ABORTED"


def test_only_drafts_are_deleted(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    other = lab.task()
    act(lab, task, "run")
    assert code(lab.client.delete(f"/v2/tasks/{task['id']}")) == (400, 7010)
    answer = lab.client.delete(f"/v2/tasks/{other['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert code(lab.client.get(f"/v2/tasks/{other['id']}")) == (404, 7002)


COPIED = ["name", "description", "project", "app", "type", "inputs", "batch", "use_interruptible_instances",
          "execution_settings", "output_location"]  # fmt: skip


@pytest.mark.parametrize("path", [None, (), (Status.RUNNING,), (Status.RUNNING, Status.FAILED)])
def test_clones(lab: Lab, path: tuple[Status, ...] | None) -> None:
    task = lab.task(
        name="n", description="d", inputs={"text": a_file(lab.file("a.txt")), "lines": 2},
        execution_settings={"max_parallel_instances": 2}, output_location={"main_location": "/x/"},
        use_interruptible_instances=False,
    )  # fmt: skip
    if path is not None:
        act(lab, task, "run")
        move(lab, task["id"], *path)
    copy = act(lab, task, "clone")
    assert copy.status_code == 201
    shown = copy.json()
    assert {key: shown[key] for key in COPIED} == {key: task[key] for key in COPIED}
    assert shown["id"] != task["id"]
    assert shown["status"] == "DRAFT"
    assert not {"executed_by", "end_time", "price", "parent", "batch_group", "start_time"} & set(shown)
    assert (shown["errors"], shown["outputs"]) == ([], {"top": None, "log": None})
    for spelling in ("run", "Run", "RUN"):
        assert act(lab, task, "clone", action=spelling).json()["status"] == "QUEUED"
    assert code(act(lab, task, "clone", action="walk")) == (400, 7013)


CALLS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/inputs", None),
    ("GET", "/execution_details", None),
    ("PATCH", "", {"name": "x"}),
    ("PATCH", "/inputs", {"lines": 1}),
    ("POST", "/actions/run", None),
    ("POST", "/actions/clone", None),
    ("POST", "/actions/abort", None),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "suffix", "body"), CALLS)
def test_tasks_of_strangers_do_not_exist(lab: Lab, method: str, suffix: str, body: Any) -> None:
    task = lab.task()
    with lab.server.client("francis") as francis:
        for identity in (task["id"], UNKNOWN):
            answer = francis.request(method, f"/v2/tasks/{identity}{suffix}", json=body)
            assert code(answer) == (404, 7002)
    assert code(lab.client.request(method, f"/v2/tasks/not-a-uuid{suffix}", json=body)) == (400, 7005)


@pytest.mark.parametrize(("method", "suffix", "body"), CALLS)
def test_members_without_execute_only_look(lab: Lab, method: str, suffix: str, body: Any) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    with lab.admit("francis", read=True, write=True, copy=True) as francis:
        answer = francis.request(method, f"/v2/tasks/{task['id']}{suffix}", json=body)
    if method == "GET":
        assert answer.status_code == 200
    else:
        assert code(answer) == (403, 7001)
    assert stored(lab, task["id"]).version == 0


def test_creating_needs_execute_and_membership(lab: Lab) -> None:
    body = {"project": lab.project, "app": f"{lab.project}/head"}
    with lab.server.client("maurice") as maurice:
        assert code(maurice.post("/v2/tasks", json=body)) == (404, 3002)
    with lab.admit("francis", read=True, write=True) as francis:
        assert code(francis.post("/v2/tasks", json=body)) == (403, 7001)


def test_a_file_that_the_reader_may_not_see_is_shown_by_its_id_alone(lab: Lab) -> None:
    private = lab.another("Private").file("private.txt", metadata={"k": "v"})
    task = lab.task(inputs={"text": a_file(private)})
    assert task["inputs"]["text"]["name"] == "private.txt"
    with lab.admit("francis", read=True) as francis:
        assert francis.get(f"/v2/tasks/{task['id']}").json()["inputs"]["text"] == a_file(private)
