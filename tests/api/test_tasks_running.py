"""Both halves together: tasks that are created over HTTP, really run, and are watched by the platform's client."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from araneus.scheduler.loop import Options
from araneus.storage.posix import PosixStorage
from tests.api.conftest import Server
from tests.api.tasks_fixtures import TOOL, WORKFLOW, Lab, a_file, make_lab
from tests.scheduler.house import House, tool

TERMINAL = {"COMPLETED", "FAILED", "ABORTED"}


@pytest.fixture
def lab(server: Server) -> Iterator[Lab]:
    """A project on a server whose scheduler runs."""
    storage = server.services.storage
    assert isinstance(storage, PosixStorage)
    house = House(server.directory, server.services.database, storage, "")
    with make_lab(server) as made, house.scheduling(options=Options(poll=0.05)):
        made.install()
        yield made


@pytest.fixture
def api(lab: Lab) -> Iterator[Any]:
    opened = lab.server.api()
    yield opened
    opened.session.close()


def run(lab: Lab, app: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"project": lab.project, "app": f"{lab.project}/{app}", "inputs": inputs} | more
    answer = lab.client.post("/v2/tasks", json=body, params={"action": "run"})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    assert task["status"] == "QUEUED", task["errors"]
    return task


def ended(lab: Lab, task: dict[str, Any], timeout: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while True:
        found: dict[str, Any] = lab.client.get(task["href"]).json()
        if found["status"] in TERMINAL:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def test_the_client_runs_a_tool_and_downloads_its_output(lab: Lab, api: Any, tmp_path: Path) -> None:
    text = api.files.get(lab.file("a.txt", content=b"one\ntwo\nthree\n"))
    task = api.tasks.create("t", lab.project, f"{lab.project}/head", inputs={"text": text, "lines": 2}, run=True)
    task.wait(period=0.05)
    assert task.status == "COMPLETED"
    assert (task.execution_status.steps_completed, task.execution_status.steps_total) == (1, 1)
    output = task.outputs["top"]
    assert (output.name, output.size, task.outputs["log"]) == ("top.txt", 8, None)
    output.download(str(tmp_path / "top.txt"))
    assert (tmp_path / "top.txt").read_bytes() == b"one\ntwo\n"
    assert api.files.get(output.id).origin.task == task.id
    (job,) = task.get_execution_details().jobs
    assert (job.status, job.retried) == ("COMPLETED", False)
    assert "head -n 2" in job.command_line
    assert job.end_time >= job.start_time
    log = job.logs["job.err.log"]
    assert log.id
    log.download(str(tmp_path / "log"))
    assert (tmp_path / "log").read_bytes() == b""
    again = task.clone()
    again.wait(period=0.05)
    assert (again.status, again.outputs["top"].name) == ("COMPLETED", "_1_top.txt")


def test_a_scattered_workflow_shows_a_job_per_element(lab: Lab) -> None:
    lab.install("heads", WORKFLOW)
    texts = [a_file(lab.file(f"{name}.txt")) for name in "abc"]
    task = ended(lab, run(lab, "heads", {"texts": texts}))
    assert task["status"] == "COMPLETED", task["execution_status"]
    assert len(task["outputs"]["tops"]) == 3
    assert all(value["size"] == 8 for value in task["outputs"]["tops"])
    details = lab.client.get(f"{task['href']}/execution_details").json()
    assert len(details["jobs"]) == 3
    assert {job["status"] for job in details["jobs"]} == {"COMPLETED"}
    assert len({job["name"] for job in details["jobs"]}) == 3
    for job in details["jobs"]:
        for href in job["logs"].values():
            assert lab.client.get(href).status_code == 200


def test_a_failing_tool_says_why(lab: Lab) -> None:
    lab.install("fails", tool("echo the reason >&2; exit 3"))
    task = ended(lab, run(lab, "fails", {}))
    assert task["status"] == "FAILED"
    assert "the reason" in task["execution_status"]["message"]
    assert task["price"]["amount"] == 0.0
    (job,) = lab.client.get(f"{task['href']}/execution_details").json()["jobs"]
    assert job["status"] == "FAILED"


def test_a_running_task_is_renamed_and_aborted(lab: Lab) -> None:
    lab.install("sleeps", tool("sleep 60"))
    task = run(lab, "sleeps", {})
    deadline = time.monotonic() + 30
    while lab.client.get(task["href"]).json()["status"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert lab.client.patch(task["href"], json={"name": "renamed"}).json()["name"] == "renamed"
    assert lab.client.post(f"{task['href']}/actions/abort").json()["status"] in {"ABORTING", "ABORTED"}
    after = ended(lab, task)
    assert (after["status"], after["name"]) == ("ABORTED", "renamed")


def test_a_batch_runs_its_children_and_follows_them(lab: Lab) -> None:
    texts = [a_file(lab.file(f"{name}.txt")) for name in "ab"]
    parent = run(lab, "head", {"text": texts}, batch_input="text", batch_by={"type": "item"})
    after = ended(lab, parent)
    assert after["status"] == "COMPLETED"
    assert after["execution_status"]["completed"] == 2
    children = lab.client.get("/v2/tasks", params={"parent": parent["id"], "fields": "_all"}).json()["items"]
    assert {child["status"] for child in children} == {"COMPLETED"}
    assert all(child["outputs"]["top"]["size"] == 8 for child in children)
    assert lab.client.get(f"{parent['href']}/execution_details").json()["jobs"] == []


def test_aborting_a_batch_aborts_its_children(lab: Lab) -> None:
    lab.install("sleeps", tool("sleep 60", inputs={"n": "int"}))
    parent = run(lab, "sleeps", {"n": [1, 2, 3]}, batch_input="n", batch_by={"type": "item"})
    assert lab.client.post(f"{parent['href']}/actions/abort").status_code == 200
    assert ended(lab, parent)["status"] == "ABORTED"
    children = lab.client.get("/v2/tasks", params={"parent": parent["id"], "fields": "_all"}).json()["items"]
    assert [child["status"] for child in children] == ["ABORTED"] * 3


def test_secondary_files_travel_with_their_primary(lab: Lab) -> None:
    listing = TOOL | {
        "baseCommand": ["ls"], "arguments": [{"valueFrom": "$(inputs.text.dirname)"}],
        "inputs": [{"id": "text", "type": "File", "secondaryFiles": [".idx"]}],
    }  # fmt: skip
    lab.install("listing", listing)
    text, _ = lab.file("a.txt"), lab.file("a.txt.idx", content=b"index")
    task = ended(lab, run(lab, "listing", {"text": a_file(text)}))
    assert task["status"] == "COMPLETED", task["execution_status"]
    assert task["inputs"]["text"]["secondaryFiles"][0]["name"] == "a.txt.idx"
    with lab.server.services.database.read() as conn:
        from araneus.store import files

        row = files.get(conn, task["outputs"]["top"]["path"])
    assert row is not None
    assert row.location is not None
    shown = b"".join(lab.server.services.storage.read(row.location))
    assert shown.split() == [b"a.txt", b"a.txt.idx"]


def test_what_a_failed_task_has_made_is_read_from_its_details(lab: Lab, api: Any, tmp_path: Path) -> None:
    outputs = {"out": {"type": "File", "outputBinding": {"glob": "a b.txt"}}}
    lab.install("half", tool("echo half > 'a b.txt'; exit 4", outputs=outputs))
    task = ended(lab, run(lab, "half", {}))
    assert (task["status"], task["outputs"]) == ("FAILED", {"out": None})
    (job,) = api.tasks.get(task["id"]).get_execution_details().jobs
    file = job.logs["partial/a b.txt"]
    file.download(str(tmp_path / "got"))
    assert (tmp_path / "got").read_text() == "half\n"
    assert (file.name, file.size, file.origin.task) == ("a b.txt", 5, task["id"])
    listed = lab.client.get("/v2/files", params={"project": lab.project}).json()
    assert listed["items"] == []
    copied = lab.client.post(f"/v2/files/{file.id}/actions/copy", json={"project": lab.project})
    assert copied.status_code in {403, 404}
