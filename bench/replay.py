"""Wide tasks on a real server: ``python -m bench.replay [--width 10000] [--only scatter|nested|replay]``.

``scatter`` and ``nested`` run 1,000 and then ``width`` real processes (nested: the square root of it squared) through
`araneus up` on one directory, and print wall and processor time per job of both, how long the outputs took to become
files, what the scheduler half grew to, and how long the API takes to show such a task. ``replay`` writes the rows and
directories that a scatter of ``width`` finished jobs and one unfinished job leaves behind, starts the server and prints
how long it takes until the unfinished job's process runs. Budgets: the same per job within 20 %, 500 MB, 10 s.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isqrt
from pathlib import Path
from typing import Any

import httpx

from araneus.model.ids import new_uuid
from araneus.model.job import FINISHED, Attempt, Job, JobStatus, Outcome, Reason
from araneus.model.task import Status, step
from araneus.store import jobs, tasks
from araneus.store.database import Database
from tests.live import Server

SETTINGS = {"ARANEUS__JOBS__CONTAINERS": "none"}
PATIENCE = 1800.0
SMALL = 1000
TOOL: dict[str, Any] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "requirements": [{"class": "ResourceRequirement", "coresMin": 0.5, "ramMin": 10}],
    "baseCommand": ["sh", "-c", 'echo "$0" >out.txt'],
    "inputs": {"n": {"type": "int", "inputBinding": {"position": 1}}},
    "outputs": {"out": {"type": "File", "outputBinding": {"glob": "out.txt"}}},
}


def scattered(run: dict[str, Any], kind: Any, output: Any) -> dict[str, Any]:
    """A workflow that scatters ``run`` over the list of its input ``n``."""
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}, {"class": "SubworkflowFeatureRequirement"}],
        "inputs": {"n": {"type": kind}},
        "outputs": {"out": {"type": output, "outputSource": "one/out"}},
        "steps": {"one": {"run": run, "scatter": "n", "in": {"n": "n"}, "out": ["out"]}},
    }


def _list_of(kind: Any) -> dict[str, Any]:
    return {"type": "array", "items": kind}


FLAT = scattered(TOOL, _list_of("int"), _list_of("File"))
NESTED = scattered(FLAT, _list_of(_list_of("int")), _list_of(_list_of("File")))


def flat_inputs(width: int) -> list[Any]:
    """A list of ``width`` numbers."""
    return list(range(width))


def square_inputs(width: int) -> list[Any]:
    """About ``width`` numbers as a list of lists, as many as each is long."""
    side = isqrt(width)
    return [list(range(row * side, (row + 1) * side)) for row in range(side)]


@dataclass
class Site:
    """A server on a directory, its client, and its project."""

    server: Server
    client: httpx.Client
    project: str = ""

    @classmethod
    @contextmanager
    def at(cls, directory: Path, settings: Mapping[str, str] = SETTINGS) -> Iterator["Site"]:
        """A running server; stopped at the end."""
        server = Server(directory, dict(settings))
        server.start()
        try:
            with server.client() as client:
                site = cls(server, client)
                site.project = client.get("/user").raise_for_status().json()["username"] + "/wide"
                if client.get(f"/projects/{site.project}").status_code == 404:
                    client.post("/projects", json={"name": "wide"}).raise_for_status()
                yield site
        finally:
            server.stop()

    def install(self, name: str, document: dict[str, Any]) -> None:
        """An app of the project."""
        self.client.post(f"/apps/{self.project}/{name}/raw", json=document).raise_for_status()

    def create(self, app: str, inputs: Mapping[str, Any], *, run: bool) -> str:
        """The id of a new task."""
        body = {"project": self.project, "app": f"{self.project}/{app}", "inputs": inputs}
        answer = self.client.post("/tasks", params={"action": "run"} if run else {}, json=body, timeout=120)
        task = answer.raise_for_status().json()
        assert not task["errors"], task["errors"][:3]
        return str(task["id"])

    def wait(self, task: str, pause: float = 0.05) -> None:
        """Until the task is COMPLETED. Asks seldom and for little: asking must not be what is measured."""
        deadline = time.monotonic() + PATIENCE
        while True:
            shown = self.client.get(f"/tasks/{task}", params={"fields": "status,execution_status"}).json()
            if shown["status"] in {"COMPLETED", "FAILED", "ABORTED"}:
                assert shown["status"] == "COMPLETED", shown
                return
            assert time.monotonic() < deadline, shown
            time.sleep(pause)

    def peak(self) -> float:
        """The largest resident size of the scheduler half so far, in MB."""
        text = Path(f"/proc/{self.server.half('scheduler').pid}/status").read_text()
        return next(int(line.split()[1]) / 1000 for line in text.splitlines() if line.startswith("VmHWM"))


def database_of(data: Path) -> Database:
    """The server's database, opened beside it."""
    return Database.open(f"sqlite:///{data / 'araneus.db'}")


def last_end(data: Path, task: str) -> datetime:
    """When the last job of a task ended."""
    database = database_of(data)
    try:
        with database.read() as connection:
            return max(job.ended_on for job in jobs.shown_for_task(connection, task) if job.ended_on)
    finally:
        database.close()


def run_wide(site: Site, app: str, inputs: list[Any], width: int) -> tuple[float, float]:
    """Run one task; wall and processor milliseconds of the scheduler half per job."""
    half = site.server.half("scheduler")
    before, begun = sum(half.cpu_times()[:2]), time.perf_counter()
    task = site.create(app, {"n": inputs}, run=True)
    site.wait(task)
    wall, cpu = time.perf_counter() - begun, sum(half.cpu_times()[:2]) - before
    ended = datetime.now(UTC)
    published = (ended - last_end(site.server.data, task)).total_seconds()
    print(
        f"{app} of {width:6}: {wall / width * 1000:6.2f} ms per job, {cpu / width * 1000:5.2f} ms of the scheduler's"
        f" processor time; outputs became files in {published:5.1f} s; scheduler's peak {site.peak():4.0f} MB",
        flush=True,
    )
    if width > SMALL:
        show(site, task)
    return wall / width, cpu / width


def show(site: Site, task: str) -> None:
    """How long the API takes to show a wide task."""
    paths = {
        "status": f"/tasks/{task}?fields=id,status",
        "the task": f"/tasks/{task}",
        "execution details": f"/tasks/{task}/execution_details",
        "100 of its files": f"/files?project={site.project}&origin.task={task}&limit=100",
    }
    for name, path in paths.items():
        site.client.get(path, timeout=120).raise_for_status()
        begun = time.perf_counter()
        size = len(site.client.get(path, timeout=120).raise_for_status().content)
        print(f"    GET {name:20} {(time.perf_counter() - begun) * 1000:8.1f} ms {size / 1e6:7.2f} MB", flush=True)


def measure(directory: Path, app: str, document: dict[str, Any], make: Callable[[int], list[Any]], width: int) -> None:
    """Run a document at two widths on one server and compare."""
    with Site.at(directory / app) as site:
        site.install(app, document)
        figures = []
        for wanted in (SMALL, width):
            inputs = make(wanted)
            count = sum(len(item) if isinstance(item, list) else 1 for item in inputs)
            figures.append(run_wide(site, app, inputs, count))
    (wall, cpu), (wide_wall, wide_cpu) = figures
    print(f"{app}: per job, wide to narrow: wall {wide_wall / wall:.2f}, processor {wide_cpu / cpu:.2f}", flush=True)


def replay(directory: Path, width: int) -> None:
    """A server finds a task whose jobs are done but for one."""
    data = directory / "replay"
    with Site.at(data) as site:
        site.install("scatter", FLAT)
        task = site.create("scatter", {"n": flat_inputs(width + 1)}, run=False)
    leave_behind(data, task, width)
    server = Server(data, SETTINGS)
    begun = datetime.now(UTC)
    up = server.start()
    try:
        with server.client() as client:
            site = Site(server, client)
            site.wait(task)
            started, ended = times_of(data, task, f"one/{width}")
            published = (datetime.now(UTC) - ended).total_seconds()
            cpu = sum(server.half("scheduler").cpu_times()[:2])
            print(
                f"replay of {width} finished jobs: the next one runs {(started - begun).total_seconds():.2f} s after"
                f" `araneus up` (which answers after {up:.2f} s); completed {published:.1f} s after that, with"
                f" {width + 1} outputs; the scheduler half took {cpu:.1f} s of"
                f" processor time in all, its peak is {site.peak():.0f} MB",
                flush=True,
            )
            site.project = client.get("/user").raise_for_status().json()["username"] + "/wide"
            show(site, task)
    finally:
        server.stop()


def times_of(data: Path, task: str, key: str) -> tuple[datetime, datetime]:
    """When a job started and ended."""
    database = database_of(data)
    try:
        with database.read() as connection:
            job = next(job for job in jobs.shown_for_task(connection, task) if job.key == key)
    finally:
        database.close()
    assert job.status in FINISHED
    assert job.started_on is not None
    assert job.ended_on is not None
    return job.started_on, job.ended_on


def leave_behind(data: Path, identity: str, width: int) -> None:
    """What a server leaves that was killed when all jobs but the last had ended and were written."""
    database = database_of(data)
    at = datetime.now(UTC)
    try:
        with database.write() as connection:
            task = tasks.get(connection, identity)
            assert task is not None
            for status in (Status.QUEUED, Status.RUNNING):
                task = tasks.save(connection, task, *step(task, status, now=at, actor="bench"))
        rows = [finished(data, identity, number, at) for number in range(width)]
        for first in range(0, width, SMALL):
            some = rows[first : first + SMALL]
            with database.write() as connection:
                jobs.upsert(connection, [job for job, _ in some])
                jobs.insert_attempts(connection, [attempt for _, attempt in some])
    finally:
        database.close()


def finished(data: Path, task: str, number: int, at: datetime) -> tuple[Job, Attempt]:
    """A job that has ended, with its directory and its output."""
    identity = new_uuid()
    directory = data / "jobs" / identity
    work = directory / "work"
    work.mkdir(parents=True)
    (work / "out.txt").write_text(f"{number}\n")
    done = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
    created = at + timedelta(microseconds=number)
    out = {
        "class": "File",
        "location": (work / "out.txt").as_uri(),
        "basename": "out.txt",
        "nameroot": "out",
        "nameext": ".txt",
        "size": len(str(number)) + 1,
    }
    job = Job(
        task=task,
        key=f"one/{number}",
        name=f"one_{number + 1}_s",
        status=JobStatus.COMPLETED,
        outputs={"out": out},
        outcome=done,
        command_line=f"sh -c 'echo \"$0\" >out.txt' {number}",
        created_on=created,
        started_on=created,
        ended_on=created,
    )
    attempt = Attempt(
        id=identity,
        task=task,
        key=job.key,
        number=1,
        executor="local",
        directory=str(directory),
        outcome=done,
        created_on=created,
        ended_on=created,
    )
    return job, attempt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=10_000)
    parser.add_argument("--only", choices=["scatter", "nested", "replay"], action="append")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped then, too
    chosen = options.only or ["replay", "scatter", "nested"]
    with tempfile.TemporaryDirectory(prefix="araneus-bench-") as name:
        directory = Path(name).resolve()
        if "replay" in chosen:
            replay(directory, options.width)
        if "scatter" in chosen:
            measure(directory, "scatter", FLAT, flat_inputs, options.width)
        if "nested" in chosen:
            measure(directory, "nested", NESTED, square_inputs, options.width)


if __name__ == "__main__":
    main()
