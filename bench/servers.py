"""Other task servers beside ours: ``python -m bench.servers [--seconds 3] [--runs 1000]``.

Sapporo and the server of toil (WES over CWL runners) are installed from the package index into environments of their
own, as `bench.peers` does it, and given that many stored runs: one is really submitted, its directory is copied, and
the server finds the copies when it starts again. Our API process gets as many tasks. All are asked for the status of
one run and for pages of 10 and 100, over the same number of keep-alive connections, in one go. The peers need no token;
ours checks one. Toil's server has no pages: it always gives the whole list. What a run does there does not matter here.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil

from araneus.store.database import Database
from araneus.testing.postgres import PrivatePostgres
from bench.api import connect, fill, measure
from bench.api_tasks import fill_tasks
from bench.large import KNOWN
from bench.peers import CannotInstallError, installed, version

_DOCUMENT = '{"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "true", "inputs": {}, "outputs": {}}'
_SNAPSHOT = 5
_PATIENCE = 120.0
_WES = "/ga4gh/wes/v1"
_UNDER_WAY = {"QUEUED", "INITIALIZING", "RUNNING", "UNKNOWN"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _started(stack: ExitStack, command: Sequence[str], environment: dict[str, str]) -> psutil.Process:
    process = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.send_signal, signal.SIGTERM)
    return psutil.Process(process.pid)


def _until(answer: str, is_right: Any) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            told: dict[str, Any] = httpx.get(answer, timeout=30).json()
            if is_right(told):
                return told
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{answer} does not get there")


def sapporo(stack: ExitStack, directory: Path, runs: int) -> tuple[int, psutil.Process, list[str]]:
    """Start Sapporo with so many runs; its port, process and the paths to ask for. Raises `CannotInstallError`."""
    program, port = installed("sapporo") / "sapporo", _free_port()
    print(f"sapporo {version(program.parent, 'sapporo')}", flush=True)
    place, base = directory / "runs", f"http://127.0.0.1:{port}"
    place.mkdir()
    command = [str(program), "--port", str(port), "--run-dir", str(place), "--snapshot-interval", str(_SNAPSHOT)]
    with ExitStack() as once:
        _started(once, command, {})
        first = _submitted(base)
    for _ in range(runs - 1):
        name = str(uuid.uuid4())
        shutil.copytree(place / first[:2] / first, place / name[:2] / name, symlinks=True)
    # It looks for runs that it does not know when it starts.
    process = _started(stack, command, {})
    _until(f"{base}/runs?page_size=1", lambda told: told["total_runs"] >= runs)
    return port, process, [f"/runs/{first}/status", "/runs?page_size=10", "/runs?page_size=100"]


def toil(stack: ExitStack, directory: Path, runs: int) -> tuple[int, psutil.Process, list[str]]:
    """Start the server of toil, as `sapporo`. Its process is the one that works for the other that listens."""
    program, port = installed("toilserver") / "toil", _free_port()
    print(f"toil server {version(program.parent, 'toil')}", flush=True)
    place = directory / "toil"
    base = f"http://127.0.0.1:{port}{_WES}"
    command = [str(program), "server", "--port", str(port), "--work_dir", str(place), "--bypass_celery", "-w", "1"]
    environment = {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    with ExitStack() as once:
        _started(once, command, environment)
        first = _submitted(base)
    for _ in range(runs - 1):
        name = f"run-{uuid.uuid4().hex}"
        for folder in (place, place / "state_store"):
            shutil.copytree(folder / first, folder / name, symlinks=True)
    process = _started(stack, command, environment)
    _until(f"{base}/runs", lambda told: len(told["workflows"]) >= runs)
    worker = process.children()[0] if process.children() else process
    return port, worker, [f"{_WES}/runs/{first}/status", f"{_WES}/runs?page_size=10", f"{_WES}/runs?page_size=100"]


def _submitted(base: str) -> str:
    """The id of a run that has ended."""
    _until(f"{base}/service-info", bool)
    form = {
        "workflow_type": "CWL", "workflow_type_version": "v1.2", "workflow_engine": "cwltool",
        "workflow_url": "doc.cwl", "workflow_params": "{}",
    }  # fmt: skip
    attached = [("workflow_attachment", ("doc.cwl", _DOCUMENT))]
    made = httpx.post(f"{base}/runs", data=form, files=attached, timeout=60).raise_for_status().json()
    _until(f"{base}/runs/{made['run_id']}/status", lambda told: told["state"] not in _UNDER_WAY)
    return str(made["run_id"])


def ours(stack: ExitStack, directory: Path) -> tuple[int, psutil.Process, list[str]]:
    """Start our API process on a thousand tasks."""
    database, port = Database.open(f"sqlite:///{directory / 'bench.db'}"), _free_port()
    database.migrate()
    task = fill_tasks(database, fill(database))
    database.close()
    command = [sys.executable, "-m", "bench.api", "--serve", str(directory), str(port)]
    process = _started(stack, command, {"PYTHONPATH": str(Path.cwd())})
    return port, process, [f"/v2/tasks/{task}?fields=id,status", "/v2/tasks?limit=10", "/v2/tasks?limit=100"]


def kept(stack: ExitStack, directory: Path, url: str) -> tuple[int, psutil.Process, list[str]]:
    """Start our API process on a database that `bench.large` has filled."""
    port = _free_port()
    command = [sys.executable, "-m", "bench.api", "--serve", str(directory), str(port)]
    process = _started(stack, command, {"PYTHONPATH": str(Path.cwd()), "ARANEUS_BENCH_URL": url})
    return port, process, [f"/v2/tasks/{KNOWN}?fields=id,status", "/v2/tasks?limit=10", "/v2/tasks?limit=100"]


def kept_ones(stack: ExitStack, directory: Path) -> Iterator[tuple[str, tuple[int, psutil.Process, list[str]]]]:
    """Our API process on each database that is there."""
    if (directory / "bench.db").exists():
        yield "SQLite, at size", kept(stack, directory, f"sqlite:///{directory / 'bench.db'}")
    if (directory / "postgresql").exists():
        private = PrivatePostgres(directory / "postgresql")
        stack.callback(private.stop)
        yield "PostgreSQL, at size", kept(stack, directory, private.url())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--kept", type=Path, help="the directory of databases that bench.large has filled and kept")
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="araneus-servers-"))).resolve()
        sides = [("araneus", ours(stack, directory))]
        if options.kept:
            sides += kept_ones(stack, options.kept.resolve())
        for peer, start in (("sapporo", sapporo), ("toil", toil)):
            try:
                sides.append((peer, start(stack, directory, options.runs)))
            except (CannotInstallError, subprocess.TimeoutExpired, RuntimeError, json.JSONDecodeError) as problem:
                print(f"{peer} cannot be had here: {problem}")
        for number, about in enumerate(("one", "page of 10", "page of 100")):
            print(f"-- {about}")
            for name, (port, process, paths) in sides:
                with ExitStack() as opened:
                    connections = [opened.enter_context(connect(port)) for _ in range(options.connections)]
                    print(f"{name:20} {measure(paths[number], connections, process, options.seconds)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
