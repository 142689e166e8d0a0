"""Requests for apps and tasks that one API process answers: ``python -m bench.api_tasks [--seconds 3]``.

The same server and counting as `bench.api`. Polling one task is the hot path of every client. Also prints how long it
takes to register the largest packed app given with ``--app FILE``, the first time and again.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import psutil

from araneus.model.app import App, content_hash
from araneus.model.ids import new_uuid
from araneus.model.task import Task
from araneus.store import apps, tasks
from araneus.store.database import Database
from bench.api import PROJECT, TOKEN, connect, fill, measure, utc_now

TASKS = 1000
TOOL = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "baseCommand": ["head"],
    "inputs": [{"id": "text", "type": "File"}, {"id": "lines", "type": "int?"}],
    "outputs": [{"id": "top", "type": "stdout"}],
}


def fill_tasks(database: Database, file_id: str) -> str:
    """An app and tasks of it; the id of one of them."""
    now = utc_now()
    app = App(
        project=PROJECT,
        name="head",
        revision=0,
        label="Head",
        raw=TOOL,
        content=content_hash(TOOL),
        created_by="bench",
        created_on=now,
    )
    first = Task(
        id=new_uuid(),
        project=PROJECT,
        app=app.id,
        name="a task",
        created_by="bench",
        created_time=now,
        inputs={"text": {"class": "File", "path": file_id}, "lines": 5},
        outputs={"top": None},
    )
    with database.write() as conn:
        apps.insert(conn, app)
        tasks.insert(conn, first, *(replace(first, id=new_uuid()) for _ in range(TASKS - 1)))
    return first.id


def register(port: int, path: Path, name: str) -> str:
    """A line about registering one app over HTTP."""
    body = path.read_bytes()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/apps/{PROJECT}/{name}/raw",
        data=body,
        headers={"X-SBG-Auth-Token": TOKEN, "content-type": "application/json"},
    )
    start = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        json.load(answer)
    return (
        f"{(time.perf_counter() - start) * 1000:8.0f} ms to register {path.name} ({len(body) / 1e6:.2f} MB) as {name}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--app", type=Path, help="a packed app to register")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        database = Database.open(f"sqlite:///{Path(name) / 'bench.db'}")
        database.migrate()
        task_id = fill_tasks(database, fill(database))
        database.close()
        command = [sys.executable, "-m", "bench.api", "--serve", name, str(port)]
        server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
        try:
            connections = [connect(port) for _ in range(options.connections)]
            for path in (
                f"/v2/tasks/{task_id}?fields=id,status",
                f"/v2/tasks/{task_id}?fields=!inputs,!outputs",
                f"/v2/tasks/{task_id}",
                f"/v2/tasks/{task_id}/execution_details",
                f"/v2/tasks?project={PROJECT}&limit=100",
                f"/v2/tasks?project={PROJECT}&limit=100&fields=_all",
                f"/v2/apps/{PROJECT}/head",
            ):
                print(measure(path, connections, psutil.Process(server.pid), options.seconds), flush=True)
            for connection in connections:
                connection.close()
            for label in ("first", "again") if options.app else ():
                print(register(port, options.app, label), flush=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
