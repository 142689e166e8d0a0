"""How long a server takes to its first answer, and to come back: ``python -m bench.start [rounds]``.

For a first start on a fresh directory, a later start, and the return of a killed API half, prints the median wall
seconds, and for starts the CPU seconds of all processes at the first answer. The floor beside them: an interpreter that
imports what the HTTP half cannot do without (SQLAlchemy, uvicorn) and ends.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from tests.live import BYTECODE, Server

ROUNDS = 5


def floor() -> float:
    """Seconds of the interpreter with its libraries."""
    started = time.perf_counter()
    command = [sys.executable, "-c", "import sqlalchemy, uvicorn, httptools, uvloop, msgspec"]
    subprocess.run(command, check=True, env={**os.environ, **BYTECODE})
    return time.perf_counter() - started


def start(server: Server) -> tuple[float, float]:
    """Wall seconds to the first answer, and CPU seconds of all processes by then."""
    wall, spent = server.start(), 0.0
    for half in server.halves():
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(half.cpu_times()[:2])
    return wall, spent


def come_back(server: Server) -> float:
    """Seconds from the death of the API half to the next answer."""
    url = server.credentials["api_endpoint"] + "/"
    half: psutil.Process = server.half("api")
    half.kill()
    half.wait(10)
    started = time.perf_counter()
    httpx.get(url, timeout=60).raise_for_status()
    return time.perf_counter() - started


def main(rounds: int) -> None:
    """Measure and print."""
    rows: dict[str, list[tuple[float, float]]] = {"first start": [], "later start": [], "API half killed": []}
    floors = []
    floor()  # writes the bytecode, as an installation does
    for _ in range(rounds):
        floors.append(floor())
        with tempfile.TemporaryDirectory() as directory:
            server = Server(Path(directory) / "data")
            rows["first start"].append(start(server))
            server.stop()
            rows["later start"].append(start(server))
            rows["API half killed"].append((come_back(server), 0.0))
            server.stop()
    print(f"{'floor: import the libraries':30} {statistics.median(floors):6.2f} s")
    for name, figures in rows.items():
        cpu = statistics.median(cpu for _, cpu in figures)
        said = f"   {cpu:6.2f} s of CPU" if cpu else ""
        print(f"{name:30} {statistics.median(wall for wall, _ in figures):6.2f} s{said}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
