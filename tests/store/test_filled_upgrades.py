"""A database that an earlier version has filled is upgraded: every row is there, and the server goes on with it."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic import command
from sqlalchemy import Boolean, MetaData, inspect, text

from araneus.store.database import Database, WrongSchema
from araneus.store.migrations import REVISIONS
from araneus.store.tables import metadata
from araneus.store.upgrade import configuration
from tests.live import Server, ended, run_sleeper

Rows = Mapping[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that has run tasks, kept files and was stopped while a task ran."""
    server = Server(tmp_path_factory.mktemp("old") / "data")
    server.start()
    try:
        with server.client() as client:
            fill_by_hand(client)
    finally:
        server.stop()
    return server.data


def fill_by_hand(client: httpx.Client) -> None:
    done = [run_sleeper(client, 0.0) for _ in range(3)]
    for task in done:
        assert ended(client, task)["status"] == "COMPLETED"
    project = client.get("/projects").raise_for_status().json()["items"][0]["id"]
    made = client.post("/files", json={"name": "folder", "project": project, "type": "folder"})
    assert made.status_code < 300, made.text
    body = {"project": project, "name": "half.bin", "size": 10}
    client.post("/upload/multipart", json=body).raise_for_status()
    output = client.get(f"/tasks/{done[0]}").json()["outputs"]["text"]["path"]
    body = {"tags": ["a", "b"], "metadata": {"sample_id": "s 1", "é": "x"}}
    client.patch(f"/files/{output}", json={"tags": body["tags"]}).raise_for_status()
    client.patch(f"/files/{output}/metadata", json=body["metadata"]).raise_for_status()
    draft = {"project": project, "app": f"{project}/sleeper", "name": "draft", "inputs": {"seconds": 1}}
    client.post("/tasks", json=draft).raise_for_status()
    last = run_sleeper(client, 6.0)
    deadline = time.monotonic() + 30
    while not client.get(f"/tasks/{last}/execution_details").raise_for_status().json()["jobs"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def rows(house: Path) -> Rows:
    """All rows of that database, as values."""
    return read(f"sqlite:///{house / 'araneus.db'}")


def read(url: str) -> dict[str, list[dict[str, Any]]]:
    database = Database.open(url)
    found = {}
    with database.read() as conn:
        for table in metadata.sorted_tables:
            order = ", ".join(f'"{column.name}"' for column in table.primary_key)
            raw = conn.execute(text(f'SELECT * FROM "{table.name}" ORDER BY {order}')).mappings()
            flags = {column.name for column in table.columns if isinstance(column.type, Boolean)}
            found[table.name] = [
                {name: bool(value) if name in flags else value for name, value in row.items()} for row in raw
            ]
    database.close()
    return found


def parents_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table in an order in which none comes before the one that it names as its parent."""
    ordered: list[dict[str, Any]] = []
    waiting, inside = rows, {row["id"] for row in rows if "parent" in row}
    while waiting:
        ready = [row for row in waiting if row.get("parent") not in inside]
        assert ready, "rows that are their own ancestors"
        ordered += ready
        inside -= {row.get("id") for row in ready}
        waiting = [row for row in waiting if row not in ready]
    return ordered


def fill(url: str, revision: str, rows: Rows) -> set[str]:
    """Make the tables of an earlier revision, with these rows as far as it knew them; the tables that it had."""
    database = Database.open(url)
    with database.write() as conn:
        command.upgrade(configuration(conn), revision)
        old = MetaData()
        old.reflect(conn)
        for table in metadata.sorted_tables:
            if table.name not in old.tables:
                continue
            known = old.tables[table.name].columns.keys()
            for row in parents_first(rows[table.name]):
                kept = {name: value for name, value in row.items() if name in known}
                if table.name == "attempts" and revision < "0003":
                    kept["logs"] = '{"job.err.log":"0123"}'
                columns = ", ".join(f'"{name}"' for name in kept)
                values = ", ".join(f":{name}" for name in kept)
                conn.execute(text(f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})'), kept)
        if conn.dialect.name == "postgresql" and rows["events"]:
            conn.execute(text("SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events))"))
    database.close()
    return set(old.tables)


def test_there_is_something_to_upgrade(rows: Rows) -> None:
    filled = {name for name, found in rows.items() if found}
    assert filled >= {"users", "tokens", "projects", "members", "files", "file_labels", "apps", "tasks", "jobs"}
    assert filled >= {"attempts", "events", "uploads", "secrets", "documents"}
    assert any(attempt["ended_on"] is None for attempt in rows["attempts"])


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_every_row_is_kept(url: str, rows: Rows, revision: str) -> None:
    had = fill(url, revision, rows)
    database = Database.open(url)
    with pytest.raises(WrongSchema, match=revision):
        database.check()
    database.migrate()
    database.check()
    found = read(url)
    for name, expected in rows.items():
        lacking = {"own", "md5", "reuse", "instance", "logs"} if name in had else set()
        plain = [{key: value for key, value in row.items() if key not in lacking} for row in expected]
        kept = [{key: value for key, value in row.items() if key not in lacking} for row in found[name]]
        assert kept == (plain if name in had else []), name
    assert [row["own"] for row in found["members"]] == [row["own"] for row in rows["members"]]
    assert {row["logs"] for row in found["attempts"]} <= {"[]", *(row["logs"] for row in rows["attempts"])}
    database.close()


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_the_tables_are_those_of_a_new_database(url: str, rows: Rows, revision: str) -> None:
    fill(url, revision, rows)
    database = Database.open(url)
    database.migrate()
    assert inspect_indexes(database) == {
        table.name: {str(index.name) for index in table.indexes} for table in metadata.sorted_tables
    }
    database.close()


def inspect_indexes(database: Database) -> dict[str, set[str]]:
    with database.read() as conn:
        seen = inspect(conn)
        return {
            table.name: {str(one["name"]) for one in seen.get_indexes(table.name)} for table in metadata.sorted_tables
        }


@pytest.mark.parametrize("revision", [REVISIONS[-2]])
def test_the_server_goes_on_with_it(url: str, house: Path, rows: Rows, revision: str, tmp_path: Path) -> None:
    """What was to be seen is seen, downloads work, and the task that ran is completed without a second start."""
    fill(url, revision, rows)
    data = tmp_path / "data"
    shutil.copytree(house, data, ignore=shutil.ignore_patterns("*.db*", "*.sock", "*.lock"))
    server = Server(data, {"ARANEUS__DATABASE__URL": url, "ARANEUS__JOBS__DIRECTORY": str(house / "jobs")})
    server.start()
    try:
        with server.client() as client:
            check_seen(client, rows)
    finally:
        server.stop()


def check_seen(client: httpx.Client, rows: Rows) -> None:
    tasks = client.get("/tasks?limit=100").raise_for_status().json()["items"]
    assert {task["id"] for task in tasks} == {row["id"] for row in rows["tasks"]}
    assert len([task for task in tasks if task["status"] == "DRAFT"]) == 1
    for task in tasks:
        if task["status"] == "DRAFT":
            continue
        whole = ended(client, task["id"])
        assert whole["status"] == "COMPLETED", whole
        file = whole["outputs"]["text"]["path"]
        link = client.get(f"/files/{file}/download_info").raise_for_status().json()["url"]
        assert httpx.get(link).raise_for_status().text == "slept\n"
        jobs = client.get(f"/tasks/{task['id']}/execution_details").raise_for_status().json()["jobs"]
        assert [(job["status"], job["retried"]) for job in jobs] == [("COMPLETED", False)]
    assert len(client.get("/upload/multipart").raise_for_status().json()["items"]) == 1
