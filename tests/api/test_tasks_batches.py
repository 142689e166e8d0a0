"""Batches over HTTP: drafts, their settings, the children that running makes."""

from typing import Any

from araneus.model.task import Status
from tests.api.tasks_fixtures import (
    DOCUMENTED,
    ITEM,
    TOOL,
    WIDE,
    Lab,
    a_file,
    act,
    code,
    move,
    patch,
)


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
