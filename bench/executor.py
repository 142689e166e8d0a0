"""What an attempt costs beyond the process itself: `python -m bench.executor [attempts]`.

Runs the same trivial command bare (`posix_spawn`, `subprocess.run`), through `LocalExecutor` without an enclosure, and
in the sandbox where it works, in turn and several times, and prints the median wall milliseconds per command. Removing
the job directories afterwards is not counted.
"""

import argparse
import os
import select
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from araneus.executors.base import Fit, Submission
from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.local import LocalExecutor
from araneus.model.job import Resources

ROUNDS = 5
COMMAND = "/bin/true"


def bare_spawn(count: int) -> float:
    """One after the other, nothing around it. The seconds that it took."""
    began = time.perf_counter()
    for _ in range(count):
        os.waitpid(os.posix_spawn(COMMAND, [COMMAND], {}), 0)
    return time.perf_counter() - began


def bare_subprocess(count: int) -> float:
    """One after the other through the standard library. The seconds that it took."""
    began = time.perf_counter()
    for _ in range(count):
        subprocess.run([COMMAND], check=True)
    return time.perf_counter() - began


def through(containers: Containers, cores: int) -> Callable[[int], float]:
    """Through an executor, ``cores`` at a time."""

    def run(count: int) -> float:
        with tempfile.TemporaryDirectory(prefix="araneus-bench-") as folder:
            executor = LocalExecutor(cores=cores, memory=1024, containers=containers, clock=lambda: datetime.now(UTC))
            waiting = [_submission(Path(folder) / str(number)) for number in range(count)]
            left = count
            began = time.perf_counter()
            while left:
                while waiting and executor.fit(waiting[-1].resources) is Fit.NOW:
                    executor.submit(waiting.pop())
                select.select([executor.fileno()], [], [])
                for ended in executor.poll():
                    if ended.outcome.exit_code != 0:
                        raise SystemExit(f"unexpected end: {ended}")
                    left -= 1
            seconds = time.perf_counter() - began
            executor.close()
            return seconds

    return run


def _submission(directory: Path) -> Submission:
    return Submission(
        attempt=directory.name,
        directory=directory,
        command=(COMMAND,),
        work=str(directory / "work"),
        temporary=str(directory / "tmp"),
        resources=Resources(cores=1, memory=1),
        job={"name": "bench"},
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000, help="commands for each way")
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as etc:
        measure(count, Path(etc))


def measure(count: int, etc: Path) -> None:
    ways: dict[str, Callable[[int], float]] = {
        "bare posix_spawn": bare_spawn,
        "bare subprocess.run": bare_subprocess,
        "executor, no enclosure, 1 at a time": through(Containers.detect("none"), 1),
        "executor, no enclosure, 2 at a time": through(Containers.detect("none"), 2),
    }
    try:
        ways["executor, bubblewrap, 2 at a time"] = through(Containers.detect("bubblewrap", etc=etc), 2)
    except UnavailableError as problem:
        print(problem)
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            figures[name].append(way(count // ROUNDS) / (count // ROUNDS) * 1000)
    floor = statistics.median(figures["bare posix_spawn"])
    for name, values in figures.items():
        median = statistics.median(values)
        print(f"{name:40} {median:7.2f} ms per command   {median / floor:5.1f} x bare")


if __name__ == "__main__":
    main()
