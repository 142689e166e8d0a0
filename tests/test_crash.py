"""The whole server is killed with SIGKILL at random instants while tasks run, and nothing is lost or done twice."""

import collections
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import Server, jobs_under

KILLS = 50
TASKS = 20
WIDTH = 3
RECOVERY = 10.0
"""Seconds within which a server that was killed answers again, on a machine that has a core for each busy process."""
SEED = 1952

LEDGER_TOOL: dict[str, Any] = {
    "class": "CommandLineTool",
    "requirements": {"ShellCommandRequirement": {}, "ResourceRequirement": {"coresMin": 1, "ramMin": 16}},
    "baseCommand": [],
    "arguments": [
        {
            "shellQuote": False,
            "valueFrom": 'echo "start $(inputs.name)" >> $(inputs.ledger); sleep $(inputs.seconds);'
            ' echo "end $(inputs.name)" >> $(inputs.ledger); echo $(inputs.name)',
        }
    ],
    "stdout": "name.txt",
    "inputs": {"name": "string", "ledger": "string", "seconds": "float", "after": "File[]?"},
    "outputs": {"text": {"type": "string", "outputBinding": {
        "glob": "name.txt", "loadContents": True, "outputEval": "$(self[0].contents)"}},
        "file": {"type": "File", "outputBinding": {"glob": "name.txt"}}},
}  # fmt: skip
WORKFLOW: dict[str, Any] = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "requirements": {"ScatterFeatureRequirement": {}, "StepInputExpressionRequirement": {}},
    "inputs": {"task": "string", "ledger": "string", "seconds": "float", "names": "string[]"},
    "outputs": {"files": {"type": "File[]", "outputSource": "wide/file"},
                "last": {"type": "string", "outputSource": "last/text"}},
    "steps": {
        "wide": {
            "run": LEDGER_TOOL, "scatter": "name", "out": ["file"],
            "in": {"name": "names", "ledger": "ledger", "seconds": "seconds"},
        },
        "last": {
            "run": LEDGER_TOOL, "out": ["text"],
            "in": {"name": {"source": "task", "valueFrom": "$(self)-last"}, "ledger": "ledger",
                   "seconds": "seconds", "after": "wide/file"},
        },
    },
}  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    environment = {
        "ARANEUS__JOBS__CORES": "8",
        "ARANEUS__JOBS__MEMORY": "4096",
        "ARANEUS__JOBS__SANDBOX": "none",
        "ARANEUS__JOBS__CONTAINERS": "none",
    }
    if request.param == "postgresql":
        environment["ARANEUS__DATABASE__URL"] = request.getfixturevalue("postgres_url")
    made = Server(tmp_path / "data", environment)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_kill_loses_or_repeats_anything(server: Server, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    ledger = tmp_path / "ledger"
    ledger.touch()
    server.start()
    tasks = _submit(server, ledger)
    returns = []
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.0, 0.8))
        server.kill()
        returns.append(server.start())
    _wait(server, tasks)
    print(f"{KILLS} kills, returns after {statistics.median(returns):.1f} s, the slowest {max(returns):.1f} s")
    assert max(returns) <= RECOVERY
    _check_ledger(ledger)
    _check_tasks(server, tasks)
    assert server.stop() == 0
    assert jobs_under(tmp_path) == []


def _client(server: Server) -> httpx.Client:
    credentials = server.credentials
    return httpx.Client(
        base_url=credentials["api_endpoint"], headers={"X-SBG-Auth-Token": credentials["auth_token"]}, timeout=30
    )


def _submit(server: Server, ledger: Path) -> list[str]:
    with _client(server) as client:
        project = client.post("/projects", json={"name": "crash"}).raise_for_status().json()["id"]
        client.post(f"/apps/{project}/ledger/raw", json=WORKFLOW).raise_for_status()
        made = []
        for number in range(TASKS):
            name = f"t{number}"
            inputs = {
                "task": name, "ledger": str(ledger), "seconds": 5.0, "names": [f"{name}-{n}" for n in range(WIDTH)],
            }  # fmt: skip
            body = {"project": project, "app": f"{project}/ledger", "inputs": inputs}
            answer = client.post("/tasks?action=run", json=body).raise_for_status().json()
            assert answer["errors"] == []
            made.append(answer["id"])
        return made


def _wait(server: Server, tasks: list[str]) -> None:
    deadline = time.monotonic() + 300
    with _client(server) as client:
        while time.monotonic() < deadline:
            states = [client.get(f"/tasks/{task}", params={"fields": "status"}).json()["status"] for task in tasks]
            if all(state in {"COMPLETED", "FAILED", "ABORTED"} for state in states):
                return
            time.sleep(0.5)
    raise AssertionError(f"tasks still {collections.Counter(states)}\n{server.logs()}")


def _check_ledger(ledger: Path) -> None:
    counts = collections.Counter(ledger.read_text().splitlines())
    names = [f"t{task}-{job}" for task in range(TASKS) for job in [*range(WIDTH), "last"]]
    assert counts == collections.Counter([*(f"start {name}" for name in names), *(f"end {name}" for name in names)])


def _check_tasks(server: Server, tasks: list[str]) -> None:
    with _client(server) as client:
        for number, task_id in enumerate(tasks):
            task = client.get(f"/tasks/{task_id}").json()
            assert task["status"] == "COMPLETED", task["execution_status"]
            assert task["outputs"]["last"].strip() == f"t{number}-last"
            assert len({value["path"] for value in task["outputs"]["files"]}) == WIDTH
            jobs = client.get(f"/tasks/{task_id}/execution_details").json()["jobs"]
            assert [job["status"] for job in jobs] == ["COMPLETED"] * (WIDTH + 1)
