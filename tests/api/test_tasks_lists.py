"""Lists of tasks, several tasks at once, and execution details over HTTP."""

from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from araneus.model.ids import new_uuid
from araneus.model.job import LOG_NAMES, Attempt, Job, JobStatus, Resources, log_ids
from araneus.model.task import Status
from araneus.store import jobs
from tests.api.conftest import utc_now
from tests.api.tasks_fixtures import (
    ITEM,
    TIME,
    UNKNOWN,
    Lab,
    a_file,
    act,
    code,
    move,
)


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
    shown = task["created_time"]
    assert count(created_from=shown, created_to=shown) == 1, "bounds are inclusive, and answers show whole seconds"
    away = created.astimezone(timezone(timedelta(hours=2))).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    for query in (f"created_from={away}&created_to={away}", f"created_from={away.replace('+', '%2B')}"):
        assert len(ids(lab.client.get(f"/v2/tasks?{query}"))) == 1, query
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
    made = [new_uuid(), new_uuid()]
    attempts = [
        Attempt(
            id=identity, task=task["id"], key="head/0", number=number, executor="local", directory="/x",
            resources=Resources(tmpdir=1024, outdir=2048), created_on=now,
        )
        for number, identity in enumerate(made)
    ]  # fmt: skip
    with lab.server.services.database.write() as conn:
        jobs.upsert(conn, [job])
        jobs.insert_attempts(conn, attempts)
    details = lab.client.get(f"/v2/tasks/{task['id']}/execution_details").json()
    (shown,) = details["jobs"]
    assert {key: shown[key] for key in ("name", "status", "command_line", "retried")} == {
        "name": "head_1_s", "status": "RUNNING", "command_line": "head a.txt", "retried": True,
    }  # fmt: skip
    present = [name for name in LOG_NAMES if name != "cwl.output.json"]  # the job has no outputs yet
    names = {**{name: name for name in present}, "stdout": "job.out.log", "stderr": "job.err.log"}
    ids = log_ids(made[1])
    assert shown["logs"] == {
        shown_as: f"{lab.server.url}/v2/files/{ids[name]}/download_info" for shown_as, name in names.items()
    }
    assert shown["instance"]["disk"] == {"size": 3, "unit": "GB", "type": "local"}
    assert TIME.fullmatch(shown["start_time"])
    assert "end_time" not in shown
    assert "/x" not in str(details)
