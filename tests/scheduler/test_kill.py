"""The scheduler is killed with -9 again and again while tasks run; afterwards everything is as if it never had been."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from araneus.model.job import JobStatus
from araneus.model.task import TERMINAL, Status
from tests.scheduler.house import House, small, tool

CHECKOUT = Path(__file__).resolve().parent.parent.parent
KILLS = 20
OUT = {"out": {"type": "File", "outputBinding": {"glob": "out"}}}


def workflow(ledger: Path) -> dict[str, object]:
    """Six scattered jobs and one that joins them; each writes its name when it begins and when it ends."""
    line = (
        f"echo begin $(inputs.id) >> {ledger}; sleep 0.15; echo $(inputs.id) > out; echo end $(inputs.id) >> {ledger}"
    )
    part = tool(line, inputs={"id": "string"}, outputs=OUT, requirements=[small(cores=0.5)])
    join = tool(
        f"echo begin $(inputs.id) >> {ledger}; cat $(inputs.parts.map(function(p) {{return p.path;}}).join(' ')) > out;"
        f" echo end $(inputs.id) >> {ledger}",
        inputs={"id": "string", "parts": "File[]"},
        outputs=OUT,
        requirements=[small(cores=0.5), {"class": "InlineJavascriptRequirement"}],
    )
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"ids": "string[]", "last": "string"},
        "outputs": {"all": {"type": "File", "outputSource": "join/out"}},
        "steps": {
            "part": {"run": part, "scatter": "id", "in": {"id": "ids"}, "out": ["out"]},
            "join": {"run": join, "in": {"id": "last", "parts": "part/out"}, "out": ["out"]},
        },
    }


class Server:
    """Starts schedulers in processes of their own, and kills them."""

    def __init__(self, house: House, url: str | None) -> None:
        command = [sys.executable, "-m", "tests.scheduler.crash_server", str(house.directory), *([url] if url else [])]
        self._log = house.directory / "server.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def start(self) -> int:
        """The process id of a scheduler that is working."""
        assert self._process.stdin is not None
        self._process.stdin.write("start\n")
        self._process.stdin.flush()
        word, pid = self._line().split()
        assert word == "ready", self._log.read_text()[-4000:]
        return int(pid)

    def kill(self, pid: int) -> None:
        """End it without a word."""
        os.kill(pid, signal.SIGKILL)
        assert self._line() == "over"

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, self._log.read_text()[-4000:]
        return line

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def left_over(house: House) -> list[str]:
    """Processes that work in one of the house's job directories."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(house.jobs_directory) in process.cwd() or str(house.jobs_directory) in " ".join(process.cmdline()):
                found.append(f"{process.pid} {process.cmdline()}")
        except psutil.Error:
            continue
    return found


@pytest.mark.slow
def test_kills_at_random_instants(any_house: House, database_url: str | None) -> None:
    house = any_house
    ledger = house.directory / "ledger"
    app = house.install(workflow(ledger))
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    tasks: list[str] = []
    with Server(house, database_url) as server:
        for kill in range(KILLS):
            ids = [f"{kill}-{number}" for number in range(6)]
            tasks.append(house.queue(app, {"ids": ids, "last": f"{kill}-join"}))
            pid = server.start()
            time.sleep(chance.uniform(0, 0.7))
            server.kill(pid)
    with house.scheduling(house.executor(cores=3)):
        ended = [house.wait(task, timeout=120) for task in tasks]
    assert [task.status for task in ended] == [Status.COMPLETED] * KILLS, (seed, [task.progress for task in ended])
    for kill, task in enumerate(ended):
        expected = "".join(f"{kill}-{number}\n" for number in range(6)).encode()
        assert house.content(task.outputs["all"]) == expected, seed
        assert Counter(job.status for job in house.jobs(task.id)) == {JobStatus.COMPLETED: 7}, seed
        assert all(attempt.ended_on for attempt in house.attempts(task.id)), seed
        assert [event.after for event in house.events(task.id) if event.after in TERMINAL] == [Status.COMPLETED], seed
    counts = Counter(ledger.read_text().splitlines())
    assert len(counts) == KILLS * 7 * 2
    assert set(counts.values()) == {1}, (seed, counts.most_common(5))
    assert left_over(house) == []
    assert len([file for file in house.listed().values() if not file.hidden]) == KILLS
