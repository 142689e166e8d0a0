"""Tasks over HTTP: the object, creating, changing, running, cloning, aborting, deleting, listing, who may do what."""

import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from araneus.model.job import Attempt, Job, JobStatus, Resources
from araneus.model.task import Progress, Status, Task, step
from araneus.store import jobs, tasks
from tests.api.conftest import Server, utc_now
from tests.api.tasks_fixtures import WIDE, Lab, a_file, make_lab

DOCUMENTED = {
    "href", "id", "name", "description", "status", "project", "app", "type", "created_by", "executed_by",
    "created_time", "start_time", "end_time", "batch", "batch_by", "batch_input", "parent", "batch_group",
    "use_interruptible_instances", "execution_settings", "output_location", "execution_status", "price", "errors",
    "warnings", "inputs", "outputs", "origin", "origin_id",
}  # fmt: skip
ALWAYS = {
    "href", "id", "name", "status", "project", "app", "type", "created_by", "created_time", "batch",
    "use_interruptible_instances", "errors", "warnings", "inputs", "outputs",
}  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UNKNOWN = "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"


@pytest.fixture
def lab(server: Server) -> Iterator[Lab]:
    with make_lab(server) as made:
        made.install()
        yield made


def code(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["message"]
    return answer.status_code, body["code"]


def act(lab: Lab, task: dict[str, Any], verb: str, /, **params: Any) -> httpx.Response:
    return lab.client.post(f"/v2/tasks/{task['id']}/actions/{verb}", params=params)


def stored(lab: Lab, identity: str) -> Task:
    with lab.server.services.database.read() as conn:
        found = tasks.get(conn, identity)
    assert found is not None
    return found


def move(lab: Lab, identity: str, *path: Status, **changes: Any) -> None:
    """What the scheduler would do: bring a task to another status."""
    from dataclasses import replace

    for status in path:
        with lab.server.services.database.write() as conn:
            before = tasks.get(conn, identity)
            assert before is not None
            after, event = step(before, status, now=utc_now(), actor="scheduler")
            tasks.save(conn, before, replace(after, **changes), event)


# ---- the object


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


# ---- creating


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
        ({"inputs": []}, {}, (400, 90000)),
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
    lab.install("old", {"class": "CommandLineTool", "cwlVersion": "sbg:draft-2", "inputs": [], "outputs": []})
    task = lab.task("old", inputs={"x": 1})
    assert [error["code"] for error in task["errors"]] == [7017]
    assert task["inputs"] == {"x": 1}
    assert code(act(lab, task, "run")) == (400, 7024)


# ---- validation


def errors_of(task: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for error in task["errors"]:
        assert set(error) == {"code", "status", "message", "input", "more_info"}
        found.setdefault(error["input"], []).append(error["message"])
    return found


def test_all_problems_of_all_ports_at_once(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam, folder = lab.file("a.bam"), lab.folder("place")
    task = lab.task(
        "wide",
        inputs={
            "bams": [a_file(bam), a_file("f" * 24), a_file(folder)],
            "mode": "medium",
            "place": {"class": "Directory", "path": bam},
            "count": "three",
            "pair": {"note": 7},
            "unknown": 1,
        },
    )
    errors = errors_of(task)
    assert set(errors) == {"bams", "mode", "place", "count", "pair"}
    said = " ".join(errors["bams"])
    assert "f" * 24 in said
    assert "folder" in said
    assert "a.bam.bai" in said
    assert "unknown" not in task["inputs"]


def test_good_values_of_every_kind(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bams = [lab.file("a.bam"), lab.file("b.bam")]
    indexes = [lab.file("a.bam.bai"), lab.file("b.bam.bai")]
    left, index, folder = lab.file("l.bed"), lab.file("l.idx"), lab.folder("place")
    task = lab.task(
        "wide",
        inputs={
            "bams": [a_file(bam) for bam in bams],
            "mode": "fast",
            "place": {"class": "Folder", "path": folder},
            "pair": {"left": a_file(left), "note": "n"},
            "anything": [1, "x", {"y": None}, a_file(left)],
        },
    )
    assert task["errors"] == []
    found = [[item["path"] for item in value["secondaryFiles"]] for value in task["inputs"]["bams"]]
    assert found == [[indexes[0]], [indexes[1]]]
    assert task["inputs"]["pair"]["left"]["secondaryFiles"][0]["path"] == index
    assert task["inputs"]["place"] == {"class": "Directory", "path": folder, "name": "place"}
    assert task["inputs"]["count"] is None
    assert task["inputs"]["anything"][3]["name"] == "l.bed"


def test_a_single_file_for_a_list_is_wrapped(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam = lab.file("a.bam")
    lab.file("a.bam.bai")
    task = lab.task("wide", inputs={"bams": a_file(bam)})
    assert [value["path"] for value in task["inputs"]["bams"]] == [bam]
    assert task["errors"] == []


def test_secondary_files_in_another_folder_do_not_count(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam = lab.file("a.bam")
    lab.file("a.bam.bai", parent=lab.folder("elsewhere"))
    assert set(errors_of(lab.task("wide", inputs={"bams": [a_file(bam)]}))) == {"bams"}


def test_explicit_secondary_files_count_by_name_wherever_they_lie(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam, bai = lab.file("a.bam"), lab.file("a.bam.bai", parent=lab.folder("elsewhere"))
    task = lab.task("wide", inputs={"bams": [a_file(bam) | {"secondaryFiles": [a_file(bai)]}]})
    assert task["errors"] == []
    assert task["inputs"]["bams"][0]["secondaryFiles"][0]["name"] == "a.bam.bai"
    unknown = lab.task("wide", inputs={"bams": [a_file(bam) | {"secondaryFiles": [a_file("f" * 24)]}]})
    assert set(errors_of(unknown)) == {"bams"}


def test_a_file_of_the_wrong_type_is_a_warning(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.bam"))})
    assert task["errors"] == []
    assert [warning["input"] for warning in task["warnings"]] == ["text"]
    assert lab.task(inputs={"text": a_file(lab.file("b.TXT"))})["warnings"] == []


def test_a_foreign_file_answers_like_an_unknown_one(lab: Lab) -> None:
    theirs = lab.another("Secret", "francis").file("secret.txt", metadata={"k": "v"})
    unknown = "0" * 24
    messages = []
    for identity in (theirs, unknown):
        task = lab.task(inputs={"text": a_file(identity)})
        assert task["inputs"]["text"] == a_file(identity)
        messages.append([(error["code"], error["message"].replace(identity, "ID")) for error in task["errors"]])
    assert messages[0] == messages[1]
    assert messages[0][0][0] == 5002


def test_a_hidden_file_cannot_be_an_input(lab: Lab) -> None:
    log = lab.file("job.err.log", hidden=True)
    assert set(errors_of(lab.task(inputs={"text": a_file(log)}))) == {"text"}


def test_no_location_of_a_caller_survives(lab: Lab) -> None:
    lab.install("wide", WIDE)
    text = lab.file("a.txt")
    sly = a_file(text) | {"location": "file:///etc/passwd", "contents": "x", "listing": [], "dirname": "/etc"}
    task = lab.task(inputs={"text": sly})
    assert stored(lab, task["id"]).inputs["text"] == a_file(text)
    deep = lab.task("wide", inputs={"anything": {"a": [sly]}})
    assert stored(lab, deep["id"]).inputs["anything"] == {"a": [a_file(text)]}


# ---- changing


def patch(lab: Lab, task: dict[str, Any], body: Any) -> httpx.Response:
    return lab.client.patch(f"/v2/tasks/{task['id']}", json=body)


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


# ---- batch drafts


ITEM = {"type": "item"}


def test_a_batch_draft_can_be_made_changed_and_shown(lab: Lab) -> None:
    texts = [a_file(lab.file(f"{name}.txt", metadata={"sample_id": name})) for name in "ab"]
    task = lab.task(batch_input="text", batch_by={"type": "ITEM"}, inputs={"text": texts})
    assert (task["batch"], task["batch_input"], task["batch_by"], task["errors"]) == (True, "text", ITEM, [])
    by_sample = {"type": "criteria", "criteria": ["metadata.sample_id", "metadata.none"]}
    task = patch(lab, task, {"batch_input": "text", "batch_by": by_sample}).json()
    assert task["batch_by"] == by_sample
    assert "none" in task["warnings"][0]["message"]
    assert code(patch(lab, task, {"batch_by": ITEM})) == (400, 7023)
    task = patch(lab, task, {"batch": False}).json()
    assert not task["batch"]
    assert "batch_by" not in task
    assert {error["input"] for error in task["errors"]} == {"text"}


def test_items_of_a_batch_are_checked_one_by_one(lab: Lab) -> None:
    task = lab.task(batch_input="text", batch_by=ITEM, inputs={"text": [a_file(lab.file("a.txt")), 7]})
    assert [error["input"] for error in task["errors"]] == ["text"]
    assert "text[1]" in task["errors"][0]["message"]


def test_an_app_brings_its_own_batch_settings(lab: Lab) -> None:
    from tests.api.tasks_fixtures import TOOL

    lab.install("batched", TOOL | {"sbg:batchInput": "#text", "sbg:batchBy": {"type": "item"}})
    task = lab.task("batched", batch=True)
    assert (task["batch_input"], task["batch_by"]) == ("text", ITEM)


def test_running_a_batch_draft_without_batching(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam = lab.file("a.bam")
    lab.file("a.bam.bai")
    task = lab.task("wide", batch_input="bams", batch_by=ITEM, inputs={"bams": [a_file(bam)]})
    after = act(lab, task, "run", batch="False").json()
    assert (after["status"], after["batch"]) == ("QUEUED", False)


def test_batch_false_on_an_ordinary_draft(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    assert code(act(lab, task, "run", batch="false")) == (400, 7022)


def test_batch_false_at_creation_with_run(lab: Lab) -> None:
    body = {
        "project": lab.project, "app": f"{lab.project}/head", "inputs": {"text": a_file(lab.file("a.txt"))},
        "batch_input": "text", "batch_by": ITEM,
    }  # fmt: skip
    task = lab.client.post("/v2/tasks", json=body, params={"action": "run", "batch": "False"}).json()
    assert (task["status"], task["batch"]) == ("QUEUED", False)


def batch(lab: Lab, by: dict[str, Any], samples: dict[str, str], app: str = "head") -> dict[str, Any]:
    """A batch draft over one file per name, each with a sample."""
    port = "text" if app == "head" else "bams"
    made = [a_file(lab.file(name, metadata={"sample_id": sample})) for name, sample in samples.items()]
    return lab.task(app, name="b", batch_input=port, batch_by=by, inputs={port: made})


def children_of(lab: Lab, parent: dict[str, Any]) -> list[dict[str, Any]]:
    params = {"parent": parent["id"], "fields": "_all", "order_by": "created_time", "order": "asc"}
    items: list[dict[str, Any]] = lab.client.get("/v2/tasks", params=params).json()["items"]
    return items


def test_a_batch_makes_a_child_per_item(lab: Lab) -> None:
    parent = batch(lab, ITEM, {"a.txt": "A", "b.txt": "B"})
    woken = len(lab.server.wakeups)
    running = act(lab, parent, "run").json()
    assert (running["status"], running["batch"], len(lab.server.wakeups)) == ("QUEUED", True, woken + 1)
    made = children_of(lab, parent)
    assert [(child["name"], child["status"], child["batch"]) for child in made] == [
        ("b - a.txt", "QUEUED", False),
        ("b - b.txt", "QUEUED", False),
    ]
    assert [child["inputs"]["text"]["name"] for child in made] == ["a.txt", "b.txt"]
    assert all(child["parent"] == parent["id"] and child["executed_by"] == "rosalind" for child in made)
    assert made[0]["batch_group"] == {"value": "a.txt", "fields": {}}
    assert set(made[0]) <= DOCUMENTED
    shown = lab.client.get(f"/v2/tasks/{parent['id']}").json()["execution_status"]
    counters = ("queued", "running", "completed", "failed", "aborted")
    assert [shown[key] for key in counters] == [2, 0, 0, 0, 0]
    move(lab, made[0]["id"], Status.RUNNING, Status.FAILED)
    shown = lab.client.get("/v2/tasks", params={"batch": "true", "fields": "_all"}).json()["items"][0]
    assert [shown["execution_status"][key] for key in counters] == [1, 0, 0, 1, 0]
    copy = act(lab, made[0], "clone").json()
    assert not {"parent", "batch_group"} & set(copy)
    again = act(lab, parent, "clone").json()
    assert (again["status"], again["batch"], children_of(lab, again)) == ("DRAFT", True, [])


def test_a_batch_makes_a_child_per_value_of_its_criteria(lab: Lab) -> None:
    lab.install("wide", WIDE | {"inputs": WIDE["inputs"] | {"bams": "File[]?"}})
    by = {"type": "criteria", "criteria": ["metadata.sample_id"]}
    parent = batch(lab, by, {"a.bam": "A", "b.bam": "B", "c.bam": "A", "d.bam": ""}, "wide")
    assert len(parent["warnings"]) == 1
    assert act(lab, parent, "run").status_code == 200
    made = children_of(lab, parent)
    assert [(child["name"], [value["name"] for value in child["inputs"]["bams"]]) for child in made] == [
        ("b - A", ["a.bam", "c.bam"]),
        ("b - B", ["b.bam"]),
        ("b", ["d.bam"]),
    ]
    assert made[0]["batch_group"] == {"value": "A", "fields": {"metadata.sample_id": "A"}}
    assert made[0]["warnings"] == []


def test_create_and_run_a_batch(lab: Lab) -> None:
    body = {
        "project": lab.project, "app": f"{lab.project}/head", "batch_input": "text", "batch_by": ITEM,
        "inputs": {"text": [a_file(lab.file("a.txt"))]},
    }  # fmt: skip
    parent = lab.client.post("/v2/tasks", json=body, params={"action": "run"}).json()
    assert (parent["status"], len(children_of(lab, parent))) == ("QUEUED", 1)


def test_a_batch_that_cannot_be_split_stays_a_draft(lab: Lab) -> None:
    lab.install("wide", WIDE)
    by = {"type": "criteria", "criteria": ["metadata.sample_id"]}
    shared = batch(lab, by, {"a.txt": "A", "b.txt": "A"})
    assert code(act(lab, shared, "run")) == (400, 7024)
    empty = lab.task("wide", batch_input="bams", batch_by=ITEM, inputs={"bams": []})
    assert code(act(lab, empty, "run")) == (400, 7024)
    for task in (shared, empty):
        assert lab.client.get(f"/v2/tasks/{task['id']}").json()["status"] == "DRAFT"
        assert children_of(lab, task) == []


# ---- running, aborting, deleting, cloning


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


# ---- who may do what

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


# ---- listing


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    found = [item["id"] for item in answer.json()["items"]]
    assert int(answer.headers["x-total-matching-query"]) >= len(found)
    return found


def test_the_default_list_and_its_fields(lab: Lab) -> None:
    made = [lab.task(name=f"t{number}")["id"] for number in range(3)]
    answer = lab.client.get("/v2/tasks")
    assert ids(answer) == made[::-1]
    assert set(answer.json()["items"][0]) == {"href", "id", "name", "project", "status"}
    assert answer.headers["x-total-matching-query"] == "3"
    full = lab.client.get("/v2/tasks", params={"fields": "_all"}).json()["items"][0]
    assert full == lab.client.get(f"/v2/tasks/{made[2]}").json()


def test_filters_and_orders(lab: Lab) -> None:
    text = lab.file("a.txt")
    names = ["b", "c", "a"]
    made = {name: lab.task(name=name, inputs={"text": a_file(text)})["id"] for name in names}
    batch = lab.task(name="batch", batch_input="text", batch_by=ITEM, inputs={"text": [a_file(text)]})["id"]
    act(lab, {"id": made["a"]}, "run")

    def listed(**params: Any) -> list[str]:
        return ids(lab.client.get("/v2/tasks", params=params))

    assert listed(status="QUEUED") == listed(status="queued") == [made["a"]]
    assert set(listed(status="DRAFT")) == {made["b"], made["c"], batch}
    assert listed(batch="True") == [batch]
    assert batch not in listed(batch="false")
    assert listed(order_by="name", order="asc") == [made["a"], made["b"], batch, made["c"]]
    assert listed(order_by="name", order="DESC") == [made["c"], batch, made["b"], made["a"]]
    assert listed(order_by="created_time", order="asc")[0] == made["b"]
    assert listed(project=lab.project, limit=2) == [batch, made["a"]]
    assert listed(project=lab.project, limit=2, offset=2) == [made["c"], made["b"]]
    assert listed(parent=UNKNOWN) == []
    assert listed(origin_id="x") == []
    assert listed(unknown="x", status="") != []


def test_time_bounds(lab: Lab) -> None:
    task = lab.task()
    created = datetime.fromisoformat(task["created_time"])
    before, after = created - timedelta(hours=1), created + timedelta(hours=1)

    def count(**params: Any) -> int:
        return len(ids(lab.client.get("/v2/tasks", params=params)))

    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%f"):
        assert count(created_from=before.strftime(form), created_to=after.strftime(form)) == 1
        assert count(created_from=after.strftime(form)) == 0
        assert count(created_to=before.strftime(form)) == 0
    assert count(created_to=created.strftime("%Y-%m-%d")) == 1
    assert count(started_from=before.isoformat()) == 0
    assert count(ended_to=after.strftime("%Y-%m-%d")) == 0


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"status": "DONE"}, (400, 7006)),
        ({"parent": "x"}, (400, 7005)),
        ({"batch": "maybe"}, (400, 90000)),
        ({"order_by": "price"}, (400, 90000)),
        ({"order": "up"}, (400, 90000)),
        ({"created_from": "yesterday"}, (400, 90000)),
        ({"created_from": "9999-12-31T23:59:59-23:00"}, (400, 90000)),
        ({"limit": "-1"}, (400, 90000)),
        ({"project": "x"}, (400, 3012)),
        ({"project": "rosalind/none"}, (404, 3002)),
    ],
)
def test_bad_queries(lab: Lab, params: dict[str, str], expected: tuple[int, int]) -> None:
    assert code(lab.client.get("/v2/tasks", params=params)) == expected


def test_lists_hold_only_what_the_caller_can_see(lab: Lab) -> None:
    lab.task()
    with lab.server.client("francis") as francis:
        assert ids(francis.get("/v2/tasks")) == []
        assert code(francis.get("/v2/tasks", params={"project": lab.project})) == (404, 3002)
    with lab.admit("maurice", read=True) as maurice:
        assert len(ids(maurice.get("/v2/tasks"))) == 1


def test_the_alias_of_a_project_leads_to_its_tasks(lab: Lab) -> None:
    task = lab.task()
    answer = lab.client.get(f"/v2/projects/{lab.project}/tasks", follow_redirects=True)
    assert ids(answer) == [task["id"]]


def test_bulk_get(lab: Lab) -> None:
    task = lab.task()
    answer = lab.client.post("/v2/bulk/tasks/get", json={"task_ids": [task["id"], UNKNOWN, "x"]})
    first, second, third = answer.json()["items"]
    assert first["resource"] == lab.client.get(task["href"]).json()
    assert (second["error"]["code"], third["error"]["code"]) == (7002, 7005)
    assert code(lab.client.post("/v2/bulk/tasks/get", json={"task_ids": [UNKNOWN] * 101})) == (400, 90000)
    assert code(lab.client.post("/v2/bulk/tasks/get", json={"task_ids": "x"})) == (400, 90000)
    assert code(lab.client.post("/v2/bulk/tasks/get", json=None)) == (400, 90000)


# ---- execution details


def test_execution_details_of_a_draft(lab: Lab) -> None:
    task = lab.task()
    details = lab.client.get(f"/v2/tasks/{task['id']}/execution_details").json()
    assert details["jobs"] == []
    assert details["status"] == "DRAFT"
    assert details["href"] == f"{task['href']}/execution_details"


def test_execution_details_show_the_last_attempt_with_its_logs(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))})
    act(lab, task, "run")
    move(lab, task["id"], Status.RUNNING)
    now = utc_now()
    job = Job(
        task=task["id"], key="head/0", name="head_1_s", status=JobStatus.RUNNING, command_line="head a.txt",
        created_on=now, started_on=now,
    )  # fmt: skip
    logs = [lab.file("job.err.log", hidden=True), lab.file("job.err.log", hidden=True)]
    attempts = [
        Attempt(
            id=f"attempt-{number}", task=task["id"], key="head/0", number=number, executor="local", directory="/x",
            resources=Resources(tmpdir=1024, outdir=2048), logs={"job.err.log": log}, created_on=now,
        )
        for number, log in enumerate(logs)
    ]  # fmt: skip
    with lab.server.services.database.write() as conn:
        jobs.upsert(conn, [job])
        jobs.insert_attempts(conn, attempts)
    details = lab.client.get(f"/v2/tasks/{task['id']}/execution_details").json()
    (shown,) = details["jobs"]
    assert {key: shown[key] for key in ("name", "status", "command_line", "retried")} == {
        "name": "head_1_s", "status": "RUNNING", "command_line": "head a.txt", "retried": True,
    }  # fmt: skip
    assert shown["logs"] == {"job.err.log": f"{lab.server.url}/v2/files/{logs[1]}/download_info"}
    assert shown["instance"]["disk"] == {"size": 3, "unit": "GB", "type": "local"}
    assert TIME.fullmatch(shown["start_time"])
    assert "end_time" not in shown
    assert "/x" not in str(details)


# ---- races


def together(calls: list[Any]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def test_of_simultaneous_runs_one_is_granted(lab: Lab) -> None:
    text = a_file(lab.file("a.txt"))
    for _ in range(10):
        task = lab.task(inputs={"text": text})
        answers = together([lambda task=task: act(lab, task, "run")] * 4)
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        assert {code(answer)[1] for answer in answers if answer.status_code == 400} == {7007}
        with lab.server.services.database.read() as conn:
            assert len(tasks.events(conn, task["id"])) == 1


def test_of_a_run_and_a_delete_one_wins(lab: Lab) -> None:
    text = a_file(lab.file("a.txt"))
    for _ in range(10):
        task = lab.task(inputs={"text": text})
        run, delete = together(
            [
                lambda task=task: act(lab, task, "run"),
                lambda task=task: lab.client.delete(f"/v2/tasks/{task['id']}"),
            ]
        )
        outcome = (run.status_code, delete.status_code)
        assert outcome in {(200, 400), (404, 204)}
        left = lab.client.get(f"/v2/tasks/{task['id']}").status_code
        assert left == (200 if outcome == (200, 400) else 404)


def test_of_a_run_and_a_change_none_is_lost(lab: Lab) -> None:
    text = a_file(lab.file("a.txt"))
    for _ in range(10):
        task = lab.task(inputs={"text": text, "lines": 1})
        run, change = together(
            [
                lambda task=task: act(lab, task, "run"),
                lambda task=task: patch(lab, task, {"inputs": {"lines": 2}}),
            ]
        )
        assert run.status_code == 200
        after = stored(lab, task["id"])
        assert after.status is Status.QUEUED
        assert after.inputs["lines"] == (2 if change.status_code == 200 else 1)
        assert change.status_code == 200 or code(change) == (400, 7026)


def test_simultaneous_changes_of_different_inputs_are_all_kept(lab: Lab) -> None:
    lab.install("wide", WIDE)
    task = lab.task("wide")
    together(
        [
            lambda: patch(lab, task, {"inputs": {"mode": "fast"}}),
            lambda: patch(lab, task, {"inputs": {"count": 9}}),
            lambda: patch(lab, task, {"inputs": {"anything": "x"}}),
            lambda: patch(lab, task, {"name": "renamed"}),
        ]
    )
    after = stored(lab, task["id"])
    assert (after.inputs["mode"], after.inputs["count"], after.inputs["anything"]) == ("fast", 9, "x")
    assert after.name == "renamed"


def test_of_a_run_and_an_abort_the_order_decides(lab: Lab) -> None:
    text = a_file(lab.file("a.txt"))
    for _ in range(10):
        task = lab.task(inputs={"text": text})
        run, abort = together([lambda task=task: act(lab, task, "run"), lambda task=task: act(lab, task, "abort")])
        assert run.status_code == 200
        expected = Status.ABORTING if abort.status_code == 200 else Status.QUEUED
        assert stored(lab, task["id"]).status is expected
        assert abort.status_code == 200 or code(abort) == (400, 7011)
