"""Prices of tasks, breakdowns and usage: all of them add up."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api import bills
from araneus.model.charge import Cost, Prices, Use, cost_of, instance_type, text_of
from araneus.model.ids import new_uuid
from araneus.model.invoice import Month, months_over
from araneus.model.job import Attempt, Job, Outcome, Reason, Resources
from araneus.model.task import Progress, Status, Task, step
from araneus.store import charges, jobs, tasks
from tests.api.conftest import Server, running
from tests.api.test_edge import error
from tests.api.test_projects import make_project
from tests.api.uploading import upload_file

PRICES = Prices(cpu_hour=0.5, disk_hour=0.25, storage_month=0.1, instances={"c5.xlarge": 3.0})
START = datetime(2026, 3, 31, 22, 0, tzinfo=UTC)
TWO_CORES = Resources(cores=2.0, memory=1024, tmpdir=512, outdir=512)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path, prices=PRICES) as started:
        yield started


def ended_task(server: Server, project: str, hours: float = 1.0, **fields: Any) -> Task:
    """A task of one job that took so long, from `START` or the given ``at``; ``meanwhile`` has its id first."""
    at, meanwhile = fields.pop("at", START), fields.pop("meanwhile", None)
    draft = Task(
        id=new_uuid(), project=project, app=f"{project}/tool/0", name="analysis", created_by="rosalind",
        created_time=at, **fields,
    )  # fmt: skip
    end = at + timedelta(hours=hours)
    with server.services.database.write() as conn:
        tasks.insert(conn, draft)
    if meanwhile is not None:
        meanwhile(draft.id)
    with server.services.database.write() as conn:
        task = draft
        for status, moment in ((Status.QUEUED, at), (Status.RUNNING, at), (Status.COMPLETED, end)):
            after, event = step(task, status, now=moment, actor="rosalind")
            task = tasks.save(conn, task, replace(after, progress=Progress()), event)
        if hours and not task.batch:
            jobs.upsert(conn, [Job(task=task.id, key="", name="tool", created_on=at)])
            attempt = Attempt(
                id=new_uuid(), task=task.id, key="", number=0, executor="local", directory="/none",
                resources=TWO_CORES, created_on=at,
            )  # fmt: skip
            jobs.insert_attempts(conn, [attempt])
            jobs.end_attempt(conn, attempt.id, Outcome(reason=Reason.SUCCEEDED), end)
    return task


def price(client: httpx.Client, task: Task) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(f"/v2/tasks/{task.id}").json()["price"]
    return shown


def group_of(client: httpx.Client) -> str:
    return str(client.get("/v2/billing/groups").json()["items"][0]["href"])


def settled(server: Server, count: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with server.services.database.read() as conn:
            if not charges.unsettled(conn, 1000):
                return
        time.sleep(0.05)
    raise AssertionError(count)


def test_a_task_costs_its_cores_and_its_disk(server: Server, client: httpx.Client) -> None:
    project = make_project(client)["id"]
    task = ended_task(server, project, hours=1.5)
    expected = {
        "amount": 1.875,
        "currency": "USD",
        "breakdown": {"computation": "1.50", "storage": "0.375", "data_transfer": "0.00"},
    }
    assert price(client, task) == expected
    settled(server, 1)
    assert price(client, task) == expected
    instance = ended_task(server, project, hours=2, execution_settings={"instance_type": "c5.xlarge;ebs-gp2;100"})
    assert price(client, instance)["breakdown"]["computation"] == "6.00"
    unknown = ended_task(server, project, hours=1, execution_settings={"instance_type": "x9.huge"})
    assert price(client, unknown)["breakdown"]["computation"] == "1.00"
    assert price(client, ended_task(server, project, hours=0))["amount"] == 0.0
    listed = client.get("/v2/tasks", params={"project": project, "fields": "id,price"}).json()["items"]
    assert {item["id"]: item["price"] for item in listed}[task.id] == expected


def test_a_batch_costs_what_its_children_do(server: Server, client: httpx.Client) -> None:
    project = make_project(client)["id"]
    children: list[Task] = []

    def split(parent: str) -> None:
        children.extend(ended_task(server, project, hours=hours, parent=parent) for hours in (0.001, 1, 2))

    parent = ended_task(server, project, batch=True, meanwhile=split)
    before = price(client, parent)
    settled(server, 4)
    total = sum(Decimal(str(price(client, child)["amount"])) for child in children)
    assert price(client, parent) == before
    assert Decimal(str(before["amount"])) == total
    listed = client.get(f"{group_of(client)}/breakdown/analysis").json()["items"]
    assert {item["analysis_id"] for item in listed} == {child.id for child in children}


def test_the_breakdowns_add_up(server: Server, client: httpx.Client, other: httpx.Client) -> None:
    first, second = (make_project(client, name)["id"] for name in ("One", "Two"))
    made = [ended_task(server, project, hours=hours) for project in (first, second) for hours in (0.3, 1, 0.0007)]
    make_project(other)
    settled(server, len(made))
    group = group_of(client)
    answer = client.get(f"{group}/breakdown/analysis", params={"limit": 2})
    assert answer.headers["x-total-matching-query"] == "6"
    items = client.get(f"{group}/breakdown/analysis", params={"limit": 100}).json()["items"]
    for item in items:
        parts = item["analysis_cost"]["breakdown"]
        assert Decimal(item["analysis_cost"]["amount"]) == sum(Decimal(str(part)) for part in parts.values())
        assert Decimal(item["analysis_cost"]["amount"]) == Decimal(
            str(client.get(f"/v2/tasks/{item['analysis_id']}").json()["price"]["amount"])
        )
    old = client.get(f"{group}/breakdown").json()
    total = sum(Decimal(item["analysis_cost"]["amount"]) for item in items)
    assert Decimal(old["total_spending"]["amount"]) == total
    spent = [Decimal(entry["analysis_spending"]["amount"]) for entry in old["project_breakdown"]]
    assert sum(spent) == total
    for entry in old["project_breakdown"]:
        tasks_of = [Decimal(task["task_cost"]["amount"]) for task in entry["task_breakdown"]]
        assert sum(tasks_of) == Decimal(entry["analysis_spending"]["amount"])
    assert client.delete(f"/v2/projects/{first}").status_code == 204
    assert client.get(f"{group}/breakdown").json() == old, "a bill stays when its project goes"
    assert other.get(f"{group_of(other)}/breakdown/analysis").json()["items"] == []
    for tail in ("", "/analysis", "/storage", "/egress"):
        assert error(other.get(f"{group}/breakdown{tail}")) == (404, 4002)


def test_analyses_by_date(server: Server, client: httpx.Client) -> None:
    project = make_project(client)["id"]
    days = [ended_task(server, project, at=START + timedelta(days=day)) for day in range(3)]
    settled(server, 3)
    path = f"{group_of(client)}/breakdown/analysis"

    def found(**query: str) -> list[str]:
        return [item["analysis_id"] for item in client.get(path, params=query).json()["items"]]

    assert found() == [task.id for task in reversed(days)]
    assert found(date_from="04-01-2026") == [days[2].id, days[1].id]
    assert found(date_to="04-01-2026") == [days[1].id, days[0].id]
    assert found(date_from="04-01-2026", date_to="04-01-2026") == [days[1].id]
    for bad in ("2026-04-01", "13-01-2026", "x", "01-01-9999"):
        for tail in ("analysis", "storage", "egress"):
            wrong = client.get(path.replace("analysis", tail), params={"date_from": bad})
            assert error(wrong) == (400, 90000)
    assert error(client.get(path, params={"invoice_id": "1"})) == (404, 4002)


def test_storage(server: Server, client: httpx.Client) -> None:
    first, second = (make_project(client, name)["id"] for name in ("One", "Two"))
    upload_file(client, "a", b"x" * 3_000_000, project=first)
    items = client.get(f"{group_of(client)}/breakdown/storage").json()["items"]
    assert [item["project_name"] for item in items] == ["One", "Two"]
    assert items[0]["active"] == {"size": 0.003, "unit": "GB", "cost": {"amount": 0.0003, "currency": "USD"}}
    assert items[1]["active"]["size"] == 0.0
    assert second


def test_a_bill_is_written_once(server: Server, client: httpx.Client) -> None:
    task = ended_task(server, make_project(client)["id"])
    settled(server, 1)
    before = price(client, task)
    dearer = replace(server.services, settings=replace(server.services.settings, prices=Prices(cpu_hour=1000.0)))
    assert not bills.settle(dearer)
    with server.services.database.read() as conn:
        assert bills.costs(conn, [task], dearer.settings.prices)[task.id].total == before["amount"] * 10**6


def test_the_python_client(server: Server, client: httpx.Client) -> None:
    task = ended_task(server, make_project(client)["id"])
    settled(server, 1)
    api = server.api()
    (group,) = api.billing_groups.query(limit=1)
    (item,) = group.analysis_breakdown()
    assert item.analysis_id == task.id
    assert item.analysis_cost.amount == "1.25"
    assert item.analysis_cost.breakdown.computation == 1.0
    assert item.refunded_amount == 0.0
    assert item.time_finished == task.end_time.replace(tzinfo=None) if task.end_time else False
    (stored,) = group.storage_breakdown()
    assert stored.active.cost.amount == 0.0
    assert len(group.egress_breakdown()) == 0
    assert api.tasks.get(task.id).price.amount == 1.25
    assert [invoice.total.amount for invoice in api.invoices.query()] == [1.25]


def test_the_shortest_job_is_not_free() -> None:
    use = Use(resources=Resources(cores=1), start=START, end=START + timedelta(milliseconds=20))
    assert cost_of({}, [use], Prices(cpu_hour=0.048)) == Cost(computation=1)
    assert cost_of({}, [use] * 150, Prices(cpu_hour=0.048)) == Cost(computation=40)
    assert cost_of({}, [use], Prices()) == Cost()


hours = st.floats(0, 1000)


@given(st.lists(st.tuples(hours, hours, st.integers(1, 64)), max_size=5))
def test_costs_are_never_negative_and_grow_with_use(used: list[tuple[float, float, int]]) -> None:
    uses = [
        Use(
            resources=Resources(cores=cores),
            start=START + timedelta(hours=start),
            end=START + timedelta(hours=start + length),
        )
        for start, length, cores in used
    ]
    for settings in ({}, {"instance_type": "c5.xlarge"}, {"instance_type": 5}):
        cost = cost_of(settings, uses, PRICES)
        assert cost.computation >= 0
        assert cost.total >= cost_of(settings, uses[:-1], PRICES).total
    assert cost_of({}, uses, Prices()) == Cost()


@given(st.integers(0, 10**15))
def test_amounts_are_written_exactly(amount: int) -> None:
    text = text_of(amount)
    assert Decimal(text) * 10**6 == amount
    assert len(text.partition(".")[2]) >= 2


def test_instance_types() -> None:
    assert instance_type({"instance_type": "c4.2xlarge;ebs-gp2;2000"}) == "c4.2xlarge"
    assert instance_type({"instance_type": None}) == instance_type({}) == ""


def test_invoices_add_up_month_by_month(server: Server, client: httpx.Client, other: httpx.Client) -> None:
    project = make_project(client)["id"]
    moments = [datetime(2025, 12, 31, 23, 30, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), START, START]
    made = [ended_task(server, project, hours=0.25 * number, at=at) for number, at in enumerate(moments, 1)]
    ended_task(server, project, hours=1, at=datetime.now(UTC) - timedelta(hours=1))
    settled(server, len(made) + 1)
    listed = client.get("/v2/billing/invoices", params={"fields": "_all"})
    months = {invoice["id"]: invoice for invoice in listed.json()["items"]}
    assert list(months) == ["202603", "202602", "202512"]
    assert months["202603"]["invoice_period"] == {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    group = group_of(client)
    for name, invoice in months.items():
        assert client.get(invoice["href"]).json() == invoice
        assert invoice["pending"] is False
        analyses = client.get(f"{group}/breakdown/analysis", params={"invoice_id": name}).json()["items"]
        total = sum(Decimal(item["analysis_cost"]["amount"]) for item in analyses)
        assert Decimal(str(invoice["total"]["amount"])) == total > 0
        old = client.get(f"{group}/breakdown", params={"invoice_id": name}).json()
        assert Decimal(old["total_spending"]["amount"]) == total
        assert client.get(f"{group}/breakdown/storage", params={"invoice_id": name}).json()["items"] == []
    one_day = {"invoice_id": "202603", "date_from": "04-01-2026"}
    assert client.get(f"{group}/breakdown/analysis", params=one_day).json()["items"] == []
    page = client.get("/v2/billing/invoices", params={"limit": 1, "offset": 1})
    assert [item["id"] for item in page.json()["items"]] == ["202602"]
    assert page.headers["x-total-matching-query"] == "3"
    for absent in ("202601", Month.of(datetime.now(UTC)).id, "6351830069", "202600", "202613", "999912", "000001", "x"):
        assert error(client.get(f"/v2/billing/invoices/{absent}")) == (404, 4002), absent
        assert error(client.get(f"{group}/breakdown/analysis", params={"invoice_id": absent})) == (404, 4002)
    assert other.get("/v2/billing/invoices").json()["items"] == []
    assert error(other.get("/v2/billing/invoices/202603")) == (404, 4002)
    foreign = {"billing_group": group.rpartition("/")[2]}
    assert len(client.get("/v2/billing/invoices", params=foreign).json()["items"]) == 3
    assert error(other.get("/v2/billing/invoices", params=foreign)) == (404, 4002)
    found = server.api().invoices.query().all()
    assert [(invoice.id, invoice.total.amount > 0, invoice.invoice_period.to.month) for invoice in found] == [
        ("202603", True, 4),
        ("202602", True, 3),
        ("202512", True, 1),
    ]


@given(st.integers(0, 4_000_000_000), st.timedeltas(timedelta(0), timedelta(days=800)))
def test_months_follow_each_other_up_to_the_one_that_is_not_over(seconds: int, later: timedelta) -> None:
    start = datetime.fromtimestamp(seconds, UTC)
    now = start + later
    months = list(months_over(start, now))
    assert all(before.next == after for before, after in pairwise(months))
    assert all(month.next.first <= now and Month.parse(month.id) == month for month in months)
    last = months[-1].next if months else Month.of(start)
    assert last == Month.of(now)
    assert not months or months[0] == Month.of(start)
