"""How long a server takes to its first answer, and to come back: ``python -m bench.start [rounds]``.

For a first start on a fresh directory, a later start, and the return of a killed API half, prints the median wall
seconds, and for starts the CPU seconds of all processes at the first answer; then what a test waits for the server of
the pytest plugin, before and after, once the first test of a session has made the tables. The floor beside them: an
interpreter that imports what the HTTP half cannot do without (SQLAlchemy, uvicorn) and ends.
"""

import argparse
import contextlib
import os
import re
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


def fixture(rounds: int) -> tuple[float, float]:
    """Median seconds of the set-up and the end of the fixture ``araneus`` in a run of pytest."""
    with tempfile.TemporaryDirectory() as directory:
        test = (
            f"import pytest\n@pytest.mark.parametrize('n', range({rounds + 1}))\ndef test_it(araneus, n):\n    pass\n"
        )
        Path(directory, "test_it.py").write_text(test)
        command = [sys.executable, "-m", "pytest", "--durations=0", "-vv", "-p", "no:cacheprovider", "-p", "no:xdist"]
        plugin = ["-p", "araneus.pytest_plugin"]
        environment = {**os.environ, **BYTECODE, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(
            [*command, *plugin, directory], cwd=directory, env=environment, capture_output=True, text=True, check=True
        )
    begun, ended = (
        [float(found) for found in re.findall(rf"^([0-9.]+)s {step} ", done.stdout, re.MULTILINE)]
        for step in ("setup", "teardown")
    )
    return statistics.median(sorted(begun)[:-1]), statistics.median(ended)


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
    begun, ended = fixture(rounds)
    print(f"{'fixture of a test':30} {begun:6.2f} s   and {ended:.2f} s to its end")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS)
    main(parser.parse_args().rounds)
