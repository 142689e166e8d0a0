"""Batches from the first file to the last output, on a whole server, with the platform's own client."""

import time
from typing import Any

from tests.visitor import Visitor, file, globbed, shell

SETTINGS = {"ARANEUS__JOBS__CORES": "4"}
BY_SAMPLE = {"type": "CRITERIA", "criteria": ["metadata.Sample ID", "metadata.lane"]}
JOINED = shell(
    'cat "$@" > all.txt; grep -q bad all.txt && { echo "a bad read" >&2; exit 7; }; true',
    inputs={"texts": {"type": "File[]", "inputBinding": {"position": 1}}},
    outputs={"all": globbed("all.txt")},
)
SLOW = shell("sleep 120", inputs={"n": "int"})


def children(owner: Visitor, parent: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = owner.get(
        "/tasks", parent=parent, fields="_all", order_by="created_time", order="asc"
    )["items"]
    return items


def test_the_failed_part_of_a_batch_is_mended_and_run_again(owner: Visitor) -> None:
    project = owner.project("Lanes")
    root = owner.root(project)
    samples = [("A", "1", b"a\n"), ("B", "1", b"bad\n"), ("A", "1", b"b\n"), ("C", "2", b"bad\n")]
    reads = [
        file(owner.file(root, f"{number}.txt", text, {"Sample ID": sample, "lane": lane}))
        for number, (sample, lane, text) in enumerate(samples)
    ]
    app = owner.app(project, "join", JOINED)
    api = owner.api()
    task = api.tasks.create(
        name="lanes", project=project, app=app, inputs={"texts": reads}, batch_input="texts", batch_by=BY_SAMPLE,
        run=True,
    )  # fmt: skip
    assert task.batch
    parent = owner.ended(task.id)
    assert parent["status"] == "FAILED"
    counters = {key: parent["execution_status"][key] for key in ("queued", "running", "completed", "failed", "aborted")}
    assert counters == {"queued": 0, "running": 0, "completed": 1, "failed": 2, "aborted": 0}
    task.reload()
    made = {child.name: child for child in task.get_batch_children()}
    assert sorted(made) == ["lanes - A, 1", "lanes - B, 1", "lanes - C, 2"]
    good = made["lanes - A, 1"]
    assert good.batch_group.value == "A, 1"
    assert good.batch_group.fields == {"metadata.Sample ID": "A", "metadata.lane": "1"}
    assert owner.content(good.outputs["all"].id) == b"a\nb\n"
    found = owner.get("/files", project=project, **{"origin.task": good.id})["items"]
    assert [item["name"] for item in found] == ["all.txt"]

    again = owner.post(f"/araneus/tasks/{task.id}/rerun-failed")
    assert again["failed"] == 2
    (why,) = again["reasons"]
    assert (why["count"], why["reason"], why["exit_code"], why["step"]) == (2, "exit_code", 7, None)
    assert "failed with exit code 7" in why["message"]
    assert {named["id"] for named in why["tasks"]} == {made["lanes - B, 1"].id, made["lanes - C, 2"].id}
    rerun = owner.ended(again["task"]["id"])
    assert (rerun["status"], rerun["name"]) == ("FAILED", "lanes - rerun")
    assert [child["status"] for child in children(owner, rerun["id"])] == ["FAILED", "FAILED"]

    alone = made["lanes - B, 1"].clone(run=False)
    assert (alone.status, alone.parent) == ("DRAFT", None)
    alone.inputs["texts"] = [api.files.get(reads[0]["path"])]
    alone.save()
    alone.run()
    assert owner.content(owner.completed(alone.id)["all"]) == b"a\n"


def test_aborting_a_batch_aborts_its_children(owner: Visitor) -> None:
    project = owner.project("Slow")
    app = owner.app(project, "slow", SLOW)
    settings: dict[str, Any] = {"batch_input": "n", "batch_by": {"type": "item"}}
    parent = owner.run(app, {"n": [1, 2, 3, 4, 5, 6]}, **settings)
    deadline = time.monotonic() + 60
    while owner.get(f"/tasks/{parent}")["execution_status"]["running"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert owner.post(f"/tasks/{parent}/actions/abort")["status"] in {"ABORTING", "ABORTED"}
    assert owner.ended(parent)["status"] == "ABORTED"
    assert {child["status"] for child in children(owner, parent)} == {"ABORTED"}
    copy = owner.post(f"/tasks/{parent}/actions/clone")
    assert (copy["status"], copy["batch"], children(owner, copy["id"])) == ("DRAFT", True, [])
