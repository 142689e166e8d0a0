"""Running tasks: how long from `run` to the process, from `run` to COMPLETED, and how wide a scatter goes.

    python bench/tasks.py [--tasks 50] [--width 1000] [--database postgresql]

Everything is real (SQLite or PostgreSQL, processes, files), as in a server with control groups and without a sandbox;
then the scatter again without the groups, and in the sandbox. The floor is the same
number of bare `sh` processes with a work directory and an output file each, two at a time.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from araneus import interpreter
from araneus.executors.apart import Apart
from araneus.executors.cgroups import Cgroups
from araneus.executors.containers import Containers
from araneus.model.task import TERMINAL, Status
from araneus.store import tables
from tests.scheduler.house import House, small, tool

LINE = "echo x > out.txt"
TRIVIAL = tool(LINE, outputs={"out": {"type": "File", "outputBinding": {"glob": "out.txt"}}})
SCATTER: dict[str, Any] = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "requirements": [{"class": "ScatterFeatureRequirement"}],
    "inputs": {"numbers": "int[]"},
    "outputs": {"made": {"type": "File[]", "outputSource": "one/out"}},
    "steps": {
        "one": {
            "run": tool(
                "echo $(inputs.n) > out.txt",
                inputs={"n": "int"},
                outputs={"out": {"type": "File", "outputBinding": {"glob": "out.txt"}}},
                requirements=[small(cores=0.5)],
            ),
            "scatter": "n",
            "in": {"n": "numbers"},
            "out": ["out"],
        }
    },
}


def quietly() -> None:
    import structlog

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: ""])


def report(name: str, values: list[float]) -> None:
    ordered = sorted(values)
    p95 = ordered[max(0, -(-len(ordered) * 95 // 100) - 1)]
    print(f"{name:44} median {statistics.median(ordered):8.2f} ms   p95 {p95:8.2f} ms   n {len(ordered)}")


def floor(count: int, directory: Path) -> list[float]:
    spent = []
    for number in range(count):
        begun = time.perf_counter()
        work = directory / str(number)
        work.mkdir()
        subprocess.run(["/bin/sh", "-c", LINE], cwd=work, check=True)
        spent.append((time.perf_counter() - begun) * 1000)
    return spent


def floor_wide(count: int, directory: Path) -> float:
    begun = time.perf_counter()
    running: list[subprocess.Popen[bytes]] = []
    for number in range(count):
        work = directory / f"wide{number}"
        work.mkdir()
        running.append(subprocess.Popen(["/bin/sh", "-c", LINE], cwd=work))
        if len(running) == 2:
            running.pop(0).wait()
    for process in running:
        process.wait()
    return (time.perf_counter() - begun) * 1000 / count


def milliseconds(begun: datetime | None, ended: datetime | None) -> float:
    assert begun is not None
    assert ended is not None
    return (ended - begun).total_seconds() * 1000


def trivial(house: House, count: int) -> None:
    app = house.install(TRIVIAL, "trivial")
    started, completed = [], []
    for number in range(count + 3):
        task = house.wait(house.queue(app))
        assert task.outputs["out"]["size"] == 2, task.progress
        (job,) = house.jobs(task.id)
        if number >= 3:
            started.append(milliseconds(task.start_time, job.started_on))
            completed.append(milliseconds(task.start_time, task.end_time))
    report("run accepted -> process started", started)
    report("run accepted -> COMPLETED", completed)


def many(house: House, count: int) -> None:
    app = house.install(TRIVIAL, "trivial")
    begun = time.perf_counter()
    queued = house.queue_many(app, [{}] * count)
    for task in queued:
        house.wait(task, timeout=600)
    print(
        f"{f'{count} trivial tasks at once, per task':44}        {(time.perf_counter() - begun) * 1000 / count:8.2f} ms"
    )


def status(house: House, task: str) -> Status:
    with house.database.read() as connection:
        found: Status = connection.execute(select(tables.tasks.c.status).where(tables.tasks.c.id == task)).scalar_one()
    return found


def scatter(house: House, width: int) -> float:
    app = house.install(SCATTER, "scatter")
    begun = time.perf_counter()
    queued = house.queue(app, {"numbers": list(range(width))})
    while status(house, queued) not in TERMINAL:
        time.sleep(0.02)  # reading the whole task every few milliseconds would be what is measured
    task = house.task(queued)
    assert task.status is Status.COMPLETED, task.progress
    assert len(task.outputs["made"]) == width
    return (time.perf_counter() - begun) * 1000 / width


@contextmanager
def executing(house: House, *, sandbox: bool = False, groups: bool = True) -> Iterator[bool]:
    """A scheduler with the executor of a server that has two cores; False where there is no such sandbox."""
    limits = Cgroups.detect("araneus-bench", 100_000) if groups else None
    choice = "auto" if sandbox else "none"
    containers = Containers.detect(choice, groups=limits, images=False, etc=house.directory / "sandbox")
    with closing(Apart(cores=2, memory=100_000, containers=containers)) as executor, house.scheduling(executor):
        yield containers.bare.encloses == sandbox


def measure(url: str | None, directory: Path, options: argparse.Namespace) -> None:
    house = House.build(directory / "house", url)
    interpreter.settle()  # as the halves of a server do
    bare = directory / "bare"
    bare.mkdir()
    with executing(house):
        report("floor: bare sh with a work directory", floor(options.tasks, bare))
        trivial(house, options.tasks)
        many(house, options.tasks * 2)
        print(f"{'floor: two at a time, per process':44}        {floor_wide(options.width, bare):8.2f} ms")
        print(f"{f'scatter of {options.width}, per job':44}        {scatter(house, options.width):8.2f} ms")
    with executing(house, groups=False):
        print(f"{'the same without control groups':44}        {scatter(house, options.width):8.2f} ms")
    with executing(house, sandbox=True) as works:
        if works:
            print(f"{'the same in bubblewrap':44}        {scatter(house, options.width // 4):8.2f} ms")
    house.close()


def on_database(kind: str, go: Callable[[str | None], None]) -> None:
    if kind == "sqlite":
        go(None)
        return
    from araneus.testing.postgres import PrivatePostgres

    with PrivatePostgres() as server:
        go(server.create_database())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args()
    quietly()
    directory = Path(tempfile.mkdtemp(prefix="araneus-bench-"))
    try:
        on_database(options.database, lambda url: measure(url, directory, options))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
