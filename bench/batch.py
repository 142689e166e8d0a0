"""How long a batch of 1,000 takes to be made: ``python -m bench.batch [--children 1000] [--rounds 5]``.

From ``POST .../actions/run`` to its answer, over HTTP, when all children are there and listed; and the reruns of the
failed ones. The server of `bench.api` runs in this process on SQLite and, where its programs are installed, on a
PostgreSQL server of its own. Budget: 2 s. Beside it: one task alone, in the same run.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx
import uvicorn

from araneus.api.app import build
from araneus.api.services import ApiSettings, Services
from araneus.model.task import Status, step
from araneus.storage.posix import PosixStorage
from araneus.store import tasks
from araneus.store.database import Database
from araneus.testing.postgres import PostgresAbsent, PrivatePostgres
from bench.api import PROJECT, TOKEN, fill, utc_now

TOOL = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "baseCommand": ["head"],
    "inputs": [{"id": "text", "type": "File"}, {"id": "lines", "type": "int?"}],
    "outputs": [{"id": "top", "type": "stdout"}],
}


@contextmanager
def serving(directory: Path, url: str) -> Iterator[tuple[httpx.Client, Database]]:
    """A server with the files of `bench.api`, and a client of it."""
    database = Database.open(url)
    database.migrate()
    fill(database)
    (directory / "jobs").mkdir(parents=True)
    services = Services(
        database=database,
        storage=PosixStorage(directory / "storage", directory / "jobs"),
        clock=utc_now,
        settings=ApiSettings(uploads=directory / "uploads"),
    )
    server = uvicorn.Server(uvicorn.Config(build(services), port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"X-SBG-Auth-Token": TOKEN}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/v2", headers=headers, timeout=120) as client:
            yield client, database
    finally:
        server.should_exit = True
        thread.join()
        database.close()


def measure(client: httpx.Client, database: Database, children: int, rounds: int) -> None:
    """Lines of figures for one database."""
    client.post(f"/apps/{PROJECT}/head/raw", json=TOOL).raise_for_status()
    listed: list[str] = []
    while len(listed) < children:
        window = f"project={PROJECT}&limit=100&offset={len(listed)}"
        page = client.get(f"/files?{window}").raise_for_status().json()["items"]
        listed += [item["id"] for item in page]
        if not page:
            break
    reads = [{"class": "File", "path": identity} for identity in (listed * children)[:children]]
    body: dict[str, object] = {"project": PROJECT, "app": f"{PROJECT}/head", "name": "batch"}
    alone = [_run(client, body | {"inputs": {"text": reads[0]}})[0] for _ in range(rounds)]
    batch = body | {"inputs": {"text": reads}, "batch_input": "text", "batch_by": {"type": "item"}}
    made = [_run(client, batch) for _ in range(rounds)]
    again = []
    for _, parent in made:
        _fail_all(database, parent)
        began = time.perf_counter()
        client.post(f"/araneus/tasks/{parent}/rerun-failed").raise_for_status()
        again.append(time.perf_counter() - began)
    print(f"   one task alone: median {median(alone) * 1000:7.0f} ms")
    for name, taken in (("made", [seconds for seconds, _ in made]), ("failed children rerun", again)):
        print(f"   {children} {name}: median {median(taken) * 1000:7.0f} ms, slowest {max(taken) * 1000:.0f} ms")


def _run(client: httpx.Client, body: dict[str, object]) -> tuple[float, str]:
    draft = client.post("/tasks", json=body).raise_for_status().json()
    began = time.perf_counter()
    client.post(f"/tasks/{draft['id']}/actions/run?fields=id,status").raise_for_status()
    taken = time.perf_counter() - began
    if draft["batch"]:
        total = client.get("/tasks", params={"parent": draft["id"]}).raise_for_status()
        wanted = len(draft["inputs"]["text"])
        if int(total.headers["X-Total-Matching-Query"]) != wanted:
            raise RuntimeError(f"{wanted} children were wanted: {total.text[:200]}")
    return taken, draft["id"]


def _fail_all(database: Database, parent: str) -> None:
    with database.write() as conn:
        for child in tasks.children(conn, parent, [Status.QUEUED]):
            tasks.save(conn, child, *step(child, Status.FAILED, now=utc_now(), actor="bench"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--children", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        print("SQLite")
        with serving(directory / "sqlite", f"sqlite:///{directory / 'bench.db'}") as (client, database):
            measure(client, database, options.children, options.rounds)
        try:
            postgres = PrivatePostgres()
        except PostgresAbsent as absent:
            print(absent)
            return
        print("PostgreSQL")
        with postgres, serving(directory / "postgres", postgres.create_database()) as (client, database):
            measure(client, database, options.children, options.rounds)


if __name__ == "__main__":
    main()
