"""Simultaneous calls about one task, on both databases: exactly one decision holds."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from araneus.model.task import Status
from araneus.store import tasks
from araneus.store.database import Database
from araneus.testing.postgres import PostgresAbsent, PrivatePostgres
from tests.api.conftest import Server, add_user, make_services, running, serve
from tests.api.tasks_fixtures import (
    WIDE,
    Lab,
    a_file,
    act,
    code,
    make_lab,
    patch,
    stored,
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PrivatePostgres]:
    """A private PostgreSQL server."""
    try:
        started = PrivatePostgres()
    except PostgresAbsent as absent:
        pytest.skip(str(absent))
    with started:
        yield started


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    """A project on a server with either database."""
    if request.param == "sqlite":
        with running(tmp_path) as server, make_lab(server) as made:
            made.install()
            yield made
        return
    private: PrivatePostgres = request.getfixturevalue("postgres")
    url = private.create_database()
    services = make_services(tmp_path)
    services.database.close()
    services = replace(services, database=Database.open(url))
    services.database.migrate()
    tokens = {"rosalind": add_user(services.database, "rosalind")}
    with serve(services) as address:
        server = Server(url=address, services=services, directory=tmp_path, tokens=tokens)
        with make_lab(server) as made:
            made.install()
            yield made
    services.database.close()
    private.drop_database(url)


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
