"""The task object over HTTP; creating and changing tasks."""

import re
import uuid
from typing import Any

import pytest

from araneus.model.task import Progress, Status
from araneus.store import tasks
from tests.api.tasks_fixtures import (
    ALWAYS,
    DOCUMENTED,
    TIME,
    WIDE,
    Lab,
    a_file,
    act,
    code,
    move,
    patch,
)


def test_a_draft_shows_exactly_the_documented_fields(lab: Lab) -> None:
    text = lab.file("a.txt", metadata={"sample_id": "A"})
    task = lab.task(name="first", description="d", inputs={"text": a_file(text), "lines": 4})
    assert set(task) <= DOCUMENTED
    assert set(task) >= ALWAYS
    assert not {"executed_by", "start_time", "end_time", "price", "parent", "batch_group"} & set(task)
    assert task["href"] == f"{lab.server.url}/v2/tasks/{task['id']}"
    assert str(uuid.UUID(task["id"])) == task["id"]
    assert (task["name"], task["description"], task["status"], task["type"]) == ("first", "d", "DRAFT", "v2")
    assert (task["project"], task["app"], task["created_by"]) == (lab.project, f"{lab.project}/head/0", "rosalind")
    assert TIME.fullmatch(task["created_time"])
    assert (task["errors"], task["warnings"], task["batch"], task["execution_status"]) == ([], [], False, {})
    assert task["inputs"] == {
        "text": {"class": "File", "path": text, "name": "a.txt", "size": 8, "metadata": {"sample_id": "A"}},
        "lines": 4,
    }
    assert task["outputs"] == {"top": None, "log": None}


def test_a_finished_task_shows_exactly_the_documented_fields(lab: Lab) -> None:
    text, top = lab.file("a.txt"), lab.file("top.txt", metadata={"k": "v"})
    task = lab.task(inputs={"text": a_file(text)})
    assert act(lab, task, "run").status_code == 200
    output = {"class": "File", "path": top, "basename": "top.txt", "size": 8, "location": "blob:1", "checksum": None}
    progress = Progress(message="Completed", message_code="task_completed", steps_completed=1, steps_total=1)
    move(lab, task["id"], Status.RUNNING, Status.COMPLETED, outputs={"top": output, "log": None}, progress=progress)
    shown = lab.client.get(f"/v2/tasks/{task['id']}").json()
    assert set(shown) <= DOCUMENTED
    assert shown["executed_by"] == "rosalind"
    assert all(TIME.fullmatch(shown[name]) for name in ("start_time", "end_time", "created_time"))
    assert shown["price"]["amount"] == 0.0
    assert shown["price"]["currency"] == "USD"
    assert {type(part) for part in shown["price"]["breakdown"].values()} == {str}
    assert shown["execution_status"]["message"] == "Completed"
    assert (shown["execution_status"]["steps_completed"], shown["execution_status"]["steps_total"]) == (1, 1)
    assert shown["outputs"] == {
        "top": {
            "class": "File", "path": top, "basename": "top.txt", "name": "top.txt", "size": 8, "checksum": None,
            "metadata": {"k": "v"},
        },
        "log": None,
    }  # fmt: skip


def test_fields_select_members_and_nested_members(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    path = f"/v2/tasks/{task['id']}"
    assert set(lab.client.get(path, params={"fields": "id,status"}).json()) == {"id", "status"}
    assert set(lab.client.get(path, params={"fields": "inputs.text"}).json()["inputs"]) == {"text"}
    assert "inputs" not in lab.client.get(path, params={"fields": "!inputs"}).json()


def test_the_name_is_made_of_the_label_and_the_time(lab: Lab) -> None:
    for name in ({}, {"name": None}, {"name": ""}):
        assert re.fullmatch(r"Head run - \d\d-\d\d-\d\d \d\d:\d\d:\d\d", lab.task(**name)["name"])


def test_the_latest_revision_is_pinned(lab: Lab) -> None:
    document = {"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "true", "inputs": {}, "outputs": {}}
    first = lab.task()
    answer = lab.client.post(f"/v2/apps/{lab.project}/head/1/raw", json=document)
    assert answer.status_code == 201, answer.text
    assert lab.task()["app"] == f"{lab.project}/head/1"
    assert lab.task("head/0")["app"] == f"{lab.project}/head/0"
    assert lab.client.get(f"/v2/tasks/{first['id']}").json()["app"] == f"{lab.project}/head/0"


@pytest.mark.parametrize("query", [{"action": "run"}, {"action": "RUN"}, {"run": "true"}, {"run": "True"}])
def test_create_and_run(lab: Lab, query: dict[str, str]) -> None:
    body = {"project": lab.project, "app": f"{lab.project}/head", "inputs": {"text": a_file(lab.file("a.txt"))}}
    woken = len(lab.server.wakeups)
    answer = lab.client.post("/v2/tasks", json=body, params=query)
    assert answer.status_code == 201
    task = answer.json()
    assert (task["status"], task["executed_by"], task["errors"]) == ("QUEUED", "rosalind", [])
    assert len(lab.server.wakeups) == woken + 1
    with lab.server.services.database.read() as conn:
        assert [(event.before, event.after) for event in tasks.events(conn, task["id"])] == [
            (Status.DRAFT, Status.QUEUED)
        ]


def test_create_and_run_with_errors_keeps_the_draft(lab: Lab) -> None:
    body = {"project": lab.project, "app": f"{lab.project}/head", "inputs": {"lines": "many"}}
    woken = len(lab.server.wakeups)
    task = lab.client.post("/v2/tasks", json=body, params={"action": "run"}).json()
    assert task["status"] == "DRAFT"
    assert {error["input"] for error in task["errors"]} == {"text", "lines"}
    assert len(lab.server.wakeups) == woken


@pytest.mark.parametrize(
    ("changes", "query", "expected"),
    [
        ({"project": None}, {}, (400, 90000)),
        ({"project": "rosalind/none"}, {}, (404, 3002)),
        ({"project": "x"}, {}, (400, 3012)),
        ({"app": None}, {}, (400, 7015)),
        ({"app": "rosalind/dna/none"}, {}, (404, 6002)),
        ({"app": "rosalind/dna/head/7"}, {}, (404, 6002)),
        ({"app": "rosalind/none/head"}, {}, (404, 6002)),
        ({"app": "head"}, {}, (400, 6011)),
        ({"inputs": ["text"]}, {}, (400, 90000)),
        ({"inputs": {"text": {"class": "File"}}}, {}, (400, 90000)),
        ({}, {"action": "explode"}, (400, 7013)),
        ({}, {"run": "perhaps"}, (400, 90000)),
        ({"batch_input": "", "batch_by": {"type": "item"}}, {}, (400, 7018)),
        ({"batch_input": "nope", "batch_by": {"type": "item"}}, {}, (400, 7018)),
        ({"batch": True}, {}, (400, 7019)),
        ({"batch_input": "text", "batch_by": {"type": "criteria"}}, {}, (400, 7019)),
        ({"batch_input": "text", "batch_by": {"type": "sample"}}, {}, (400, 7020)),
        ({"batch_input": "text"}, {}, (400, 7023)),
        ({"batch_by": {"type": "item"}}, {}, (400, 7023)),
        ({"batch_input": "text", "batch_by": {"type": "item"}}, {"batch": "false"}, (400, 7021)),
    ],
)
def test_what_cannot_be_created(
    lab: Lab, changes: dict[str, Any], query: dict[str, str], expected: tuple[int, int]
) -> None:
    body = {"project": lab.project, "app": f"{lab.project}/head"} | changes
    assert code(lab.client.post("/v2/tasks", json=body, params=query)) == expected


@pytest.mark.parametrize("body", [b"[]", b"7", b'"x"', b"{", b'{"project": "a/b", "inputs": ' + b"[" * 100_000])
def test_bodies_that_are_no_object(lab: Lab, body: bytes) -> None:
    answer = lab.client.post("/v2/tasks", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] in {90000, 90009}


def test_the_project_decides_about_interruptible_instances(lab: Lab) -> None:
    assert lab.task()["use_interruptible_instances"] is True
    assert lab.task(use_interruptible_instances=False)["use_interruptible_instances"] is False
    settings = {"settings": {"use_interruptible_instances": False}}
    assert lab.client.patch(f"/v2/projects/{lab.project}", json=settings).status_code == 200
    assert lab.task()["use_interruptible_instances"] is False


def test_settings_and_locations_are_echoed(lab: Lab) -> None:
    settings = {"instance_type": "c4.2xlarge;ebs-gp2;2000", "max_parallel_instances": 2}
    location = {"main_location": "/Analysis/<task_id>/", "nodes_override": False}
    task = lab.task(execution_settings=settings, output_location=location)
    assert (task["execution_settings"], task["output_location"]) == (settings, location)


def test_an_app_of_another_readable_project(lab: Lab) -> None:
    other = lab.another("Apps")
    app = other.install("shared")
    task = lab.client.post("/v2/tasks", json={"project": lab.project, "app": app}).json()
    assert (task["project"], task["app"]) == (lab.project, f"{app}/0")


def test_an_app_that_cannot_run_gives_a_draft_with_errors(lab: Lab) -> None:
    lab.install("old", {"class": "CommandLineTool", "cwlVersion": "draft-3", "inputs": [], "outputs": []})
    task = lab.task("old", inputs={"x": 1})
    assert [error["code"] for error in task["errors"]] == [7017]
    assert task["inputs"] == {"x": 1}
    assert code(act(lab, task, "run")) == (400, 7024)


def test_inputs_are_merged_and_checked_again(lab: Lab) -> None:
    first, second = lab.file("a.txt"), lab.file("b.txt")
    task = lab.task(inputs={"lines": 3})
    assert len(task["errors"]) == 1
    task = patch(lab, task, {"inputs": {"text": a_file(first)}}).json()
    assert (task["errors"], task["inputs"]["lines"], task["inputs"]["text"]["path"]) == ([], 3, first)
    task = patch(lab, task, {"inputs": {"text": {"path": second}}}).json()
    assert (task["inputs"]["text"]["class"], task["inputs"]["text"]["name"]) == ("File", "b.txt")
    task = patch(lab, task, {"inputs": {"lines": None}}).json()
    assert (task["inputs"]["lines"], task["inputs"]["text"]["path"]) == (None, second)
    task = patch(lab, task, {"inputs": {"text": None}}).json()
    assert len(task["errors"]) == 1


def test_a_change_of_the_file_forgets_the_secondary_files_of_the_old_one(lab: Lab) -> None:
    first, second, index = lab.file("a.txt"), lab.file("b.txt"), lab.file("a.txt.idx")
    task = lab.task(inputs={"text": a_file(first)})
    assert [item["path"] for item in task["inputs"]["text"]["secondaryFiles"]] == [index]
    task = patch(lab, task, {"inputs": {"text": {"path": second}}}).json()
    assert "secondaryFiles" not in task["inputs"]["text"]


def test_the_inputs_calls_of_old_clients(lab: Lab) -> None:
    text = lab.file("a.txt")
    task = lab.task(inputs={"lines": 3})
    path = f"/v2/tasks/{task['id']}/inputs"
    assert lab.client.get(path).json() == {"lines": 3, "text": None}
    answer = lab.client.patch(path, json={"text": a_file(text)})
    assert (answer.status_code, answer.json()["text"]["name"]) == (200, "a.txt")
    assert act(lab, task, "run").status_code == 200
    assert code(lab.client.patch(path, json={"lines": 1})) == (400, 7026)


def test_other_fields_change_too(lab: Lab) -> None:
    task = lab.task()
    body = {
        "name": "n", "description": "d", "use_interruptible_instances": False,
        "execution_settings": {"max_parallel_instances": 4}, "output_location": {"main_location": "/x/"},
    }  # fmt: skip
    after = patch(lab, task, body).json()
    assert {key: after[key] for key in body} == body
    assert patch(lab, task, {}).json()["name"] == "n"
    assert patch(lab, task, None).status_code == 200
    assert code(patch(lab, task, {"name": ""})) == (400, 90000)
    assert code(patch(lab, task, {"project": "rosalind/other"})) == (400, 90000)


def test_the_app_can_change_to_another_revision(lab: Lab) -> None:
    task = lab.task(inputs={"lines": 3})
    lab.install("wide", WIDE)
    after = patch(lab, task, {"app": f"{lab.project}/wide"}).json()
    assert after["app"] == f"{lab.project}/wide/0"
    assert "count" in after["inputs"]
    assert "lines" not in after["inputs"]
    assert code(patch(lab, task, {"app": f"{lab.project}/none"})) == (404, 6002)


def test_only_drafts_change_and_running_and_completed_tasks_are_renamed(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    assert act(lab, task, "run").status_code == 200
    assert code(patch(lab, task, {"name": "n"})) == (400, 7026)
    move(lab, task["id"], Status.RUNNING)
    assert patch(lab, task, {"name": "renamed"}).json()["name"] == "renamed"
    assert code(patch(lab, task, {"name": "n", "description": "d"})) == (400, 7026)
    assert code(patch(lab, task, {"inputs": {"lines": 1}})) == (400, 7026)
    move(lab, task["id"], Status.COMPLETED)
    assert patch(lab, task, {"name": "again"}).json()["name"] == "again"
