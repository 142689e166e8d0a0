"""The platform's own Python client, unchanged, with apps and tasks."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from sevenbridges.errors import BadRequest, NotFound, TaskValidationError
from sevenbridges.models.file import File

from araneus.model.ids import new_uuid
from araneus.model.job import Attempt, Job, JobStatus, log_ids
from araneus.model.task import Status, Task, step
from araneus.store import jobs, tasks
from tests.api.conftest import utc_now
from tests.api.tasks_fixtures import TOOL, WIDE, Lab


@pytest.fixture
def api(lab: Lab) -> Iterator[Any]:
    opened = lab.server.api()
    yield opened
    opened.session.close()


def finish(lab: Lab, identity: str, status: Status, **changes: Any) -> None:
    """What the scheduler would do with a queued task."""
    for following in (Status.RUNNING, status):
        with lab.server.services.database.write() as conn:
            before = tasks.get(conn, identity)
            assert isinstance(before, Task)
            after, event = step(before, following, now=utc_now(), actor="scheduler")
            tasks.save(conn, before, replace(after, **(changes if following is status else {})), event)


def test_apps_are_installed_revised_copied_and_listed(lab: Lab, api: Any) -> None:
    app = api.apps.install_app(id=f"{lab.project}/tool", raw=TOOL)
    assert (app.id, app.revision, app.name) == (f"{lab.project}/tool", 0, "Head")
    text = api.apps.install_app(id=f"{lab.project}/yaml", raw=yaml.safe_dump(TOOL), raw_format="yaml")
    assert text.raw["baseCommand"] == ["head"]
    revised = api.apps.create_revision(id=app.id, revision=1, raw=TOOL | {"label": "Head 2"})
    assert (revised.revision, revised.name) == (1, "Head 2")
    assert api.apps.get(app.id).revision == 1
    assert api.apps.get(f"{app.id}/").revision == 1
    assert api.apps.get_revision(app.id, 0).name == "Head"
    assert {found.id for found in api.apps.query(project=lab.project)} == {
        f"{lab.project}/{name}" for name in ("head", "tool", "yaml")
    }
    listed = api.apps.query(project=lab.project, q=["Head 2"])
    assert listed.total == 1
    assert listed[0].raw["label"] == "Head 2"
    target = lab.another("Target")
    copy = app.copy(project=target.project, name="copied")
    assert (copy.id, copy.revision, copy.raw["label"]) == (f"{target.project}/copied", 1, "Head 2")
    assert copy.sync().revision == 1
    with pytest.raises(NotFound):
        api.apps.get(f"{lab.project}/none")


def test_a_task_from_draft_to_outputs(lab: Lab, api: Any) -> None:
    text, top = api.files.get(lab.file("a.txt", metadata={"sample_id": "A"})), lab.file("top.txt")
    task = api.tasks.create(name="t", project=lab.project, app=f"{lab.project}/head", inputs={"text": text, "lines": 3})
    assert (task.status, task.errors, task.batch) == ("DRAFT", [], False)
    assert isinstance(task.inputs["text"], File)
    assert (task.inputs["text"].id, task.inputs["text"].name) == (text.id, "a.txt")
    assert task.inputs["text"].metadata["sample_id"] == "A"
    task.inputs["lines"] = 5
    task.name = "renamed"
    task.save()
    assert (task.name, task.inputs["lines"], task.inputs["text"].id) == ("renamed", 5, text.id)
    task.run()
    assert (task.status, task.executed_by) == ("QUEUED", "rosalind")
    assert task.execution_status.message
    finish(lab, task.id, Status.COMPLETED, outputs={"top": {"class": "File", "path": top}, "log": None})
    task.wait(period=0.01)
    assert task.status == "COMPLETED"
    assert task.outputs["top"].name == "top.txt"
    assert task.outputs["log"] is None
    assert task.price.amount == 0.0
    assert task.end_time >= task.start_time
    with pytest.raises(BadRequest) as caught:
        task.run()
    assert caught.value.code == 7007


def test_validation_errors_reach_the_script(lab: Lab, api: Any) -> None:
    with pytest.raises(TaskValidationError) as caught:
        api.tasks.create(name="t", project=lab.project, app=f"{lab.project}/head", inputs={"lines": "x"}, run=True)
    task = caught.value.task
    assert (task.status, {error["input"] for error in task.errors}) == ("DRAFT", {"text", "lines"})
    task.inputs["text"] = api.files.get(lab.file("a.txt"))
    task.inputs["lines"] = 1
    task.save()
    assert task.errors == []
    task.run()
    assert task.status == "QUEUED"


def test_saving_only_differences(lab: Lab, api: Any) -> None:
    lab.install("wide", WIDE)
    first, second, left = lab.file("a.bed"), lab.file("b.bed"), lab.file("l.bed")
    for name in ("a.idx", "b.idx", "l.idx"):
        lab.file(name)
    pair = {"left": {"class": "File", "path": first}, "note": "n"}
    task = api.tasks.create(name="t", project=lab.project, app=f"{lab.project}/wide", inputs={"pair": pair})
    task = api.tasks.get(task.id)
    task.inputs["pair"] = {"left": {"class": "File", "path": second}, "note": "n"}
    task.save()
    fresh = lab.client.get(f"/v2/tasks/{task.id}").json()["inputs"]["pair"]
    assert (fresh["left"]["path"], fresh["left"]["class"], fresh["note"]) == (second, "File", "n")
    task = api.tasks.get(task.id)
    task.inputs["anything"] = api.files.get(left)
    task.save()
    assert lab.client.get(f"/v2/tasks/{task.id}").json()["inputs"]["anything"]["path"] == left


def test_clones_run_unless_told_otherwise(lab: Lab, api: Any) -> None:
    text = api.files.get(lab.file("a.txt"))
    task = api.tasks.create(name="t", project=lab.project, app=f"{lab.project}/head", inputs={"text": text})
    draft = task.clone(run=False)
    assert (draft.status, draft.name) == ("DRAFT", "t")
    assert draft.id != task.id
    draft.inputs["lines"] = 9
    draft.save()
    assert draft.run().inputs["lines"] == 9
    assert task.clone().status == "QUEUED"


def test_aborting_and_deleting(lab: Lab, api: Any) -> None:
    text = api.files.get(lab.file("a.txt"))
    task = api.tasks.create(name="t", project=lab.project, app=f"{lab.project}/head", inputs={"text": text}, run=True)
    task.abort()
    assert task.status == "ABORTING"
    draft = task.clone(run=False)
    draft.delete()
    with pytest.raises(NotFound):
        api.tasks.get(draft.id)


def test_lists_and_bulk(lab: Lab, api: Any) -> None:
    made = [api.tasks.create(name=f"t{number}", project=lab.project, app=f"{lab.project}/head") for number in range(3)]
    found = api.tasks.query(project=lab.project, limit=2)
    assert found.total == 3
    assert [task.id for task in found.all()] == [task.id for task in made][::-1]
    assert found[0].inputs["text"] is None
    assert [task.name for task in api.tasks.query(status="DRAFT", order_by="name", order="asc")] == ["t0", "t1", "t2"]
    assert api.projects.get(lab.project).get_tasks().total == 3
    records = api.tasks.bulk_get([made[0].id, "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"])
    assert [record.valid for record in records] == [True, False]
    assert records[0].resource.name == "t0"


def test_execution_details_lead_to_the_logs(lab: Lab, api: Any) -> None:
    text = api.files.get(lab.file("a.txt"))
    task = api.tasks.create(name="t", project=lab.project, app=f"{lab.project}/head", inputs={"text": text}, run=True)
    assert task.get_execution_details().jobs == []
    identity, now = new_uuid(), utc_now()
    with lab.server.services.database.write() as conn:
        jobs.upsert(conn, [Job(task=task.id, key="", name="Head", status=JobStatus.COMPLETED, created_on=now)])
        attempt = Attempt(id=identity, task=task.id, key="", number=0, executor="local", directory="/d", created_on=now)
        jobs.insert_attempts(conn, [attempt])
    (job,) = task.get_execution_details().jobs
    assert (job.name, job.status, job.retried) == ("Head", "COMPLETED", False)
    assert job.logs["job.err.log"].id == log_ids(identity)["job.err.log"]
    assert job.instance.disk.size == 2
    assert re.fullmatch(r"job\.err\.log", job.logs["job.err.log"].name)


def test_a_batch_draft(lab: Lab, api: Any) -> None:
    texts = [api.files.get(lab.file(f"{name}.txt")) for name in "ab"]
    task = api.tasks.create(
        name="b", project=lab.project, app=f"{lab.project}/head", inputs={"text": texts}, batch_input="text",
        batch_by={"type": "item"},
    )  # fmt: skip
    assert (task.batch, task.batch_input, task.batch_by["type"]) == (True, "text", "item")
    assert [file.name for file in task.inputs["text"]] == ["a.txt", "b.txt"]
    assert len(task.get_batch_children()) == 0
