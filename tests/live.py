"""A whole server for tests: ``araneus up`` in processes of its own, on a data directory, until stopped or killed."""

import configparser
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import sevenbridges

PATIENCE = 60.0
CHECKOUT = str(Path(__file__).parents[1])
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "araneus-tests"
BYTECODE = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode")}
"""Programs start as they do for a user, whose interpreter keeps bytecode: machines of developers and CI may forbid it,
and compiling everything again at each start takes longer than the start itself."""
STRICT = {"PYTHONWARNINGS": "error", **BYTECODE}
ARANEUS = (sys.executable, "-m", "araneus")


@dataclass
class Server:
    """Started by `start`; ``environment`` is added to ours (settings as ``ARANEUS__SECTION__KEY``).

    ``port`` 0 takes a free one.
    """

    data: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def credentials(self) -> dict[str, str]:
        """Endpoint and token as ``up`` wrote them."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.data / "credentials")
        return dict(parser["default"])

    def start(self) -> float:
        """Start and wait until the API answers; the seconds that it took."""
        started = time.monotonic()
        before = self._stamp()
        command = [*ARANEUS, "up", "--data", str(self.data), "--port", str(self.port), "--quiet"]
        self.process = subprocess.Popen(
            command, env={**os.environ, **STRICT, **self.environment}, start_new_session=True
        )
        while time.monotonic() - started < PATIENCE:
            if self.process.poll() is not None:
                raise AssertionError(f"araneus up ended with {self.process.returncode}\n{self.logs()}")
            if self._answers() and (self.port or self._stamp() != before or self._is_listening()):
                return time.monotonic() - started
            time.sleep(0.02)
        raise AssertionError(f"no answer within {PATIENCE} s\n{self.logs()}")

    def _stamp(self) -> int:
        file = self.data / "credentials"
        return file.stat().st_mtime_ns if file.exists() else 0

    def _answers(self) -> bool:
        try:
            return httpx.get(self.credentials["api_endpoint"] + "/", timeout=5).status_code == 200
        except (httpx.TransportError, KeyError):
            return False

    def _is_listening(self) -> bool:
        """Whether it is this server that answers: one that happens to get the port of its predecessor finds the
        credentials as they are to be, and leaves the file alone."""
        port = httpx.URL(self.credentials["api_endpoint"]).port
        sockets = (one for half in self.halves() for one in half.net_connections("tcp"))
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)

    def halves(self) -> list[psutil.Process]:
        """The supervisor and everything under it that is not a job."""
        assert self.process is not None
        try:
            top = psutil.Process(self.process.pid)
            below = top.children(recursive=True)
            return [top, *(child for child in below if not is_job(child) and not is_being_started(child))]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """End all processes of the server with SIGKILL, at once; jobs are left alone."""
        assert self.process is not None
        for process in self.halves():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.wait(10)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop as Ctrl-C does, or by another signal; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def half(self, name: str) -> psutil.Process:
        """The process of one half, ``api`` or ``scheduler``."""
        return next(process for process in self.halves() if process.cmdline()[2:4] == ["araneus.main", name])

    def client(self) -> httpx.Client:
        """A plain client with the first user's token."""
        credentials = self.credentials
        return httpx.Client(
            base_url=credentials["api_endpoint"], headers={"X-SBG-Auth-Token": credentials["auth_token"]}, timeout=30
        )

    def logs(self) -> str:
        """The end of what both halves wrote."""
        files = sorted((self.data / "log").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text()[-4000:]}" for file in files)

    def api(self) -> sevenbridges.Api:
        """The real client. Over plain HTTP it wants the endpoint from its configuration, or ``debug``."""
        return sevenbridges.Api(url=self.credentials["api_endpoint"], token=self.credentials["auth_token"], debug=True)


def araneus(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [*ARANEUS, *arguments],
        env={**os.environ, **STRICT, "COLUMNS": "120", "PYTHONPATH": CHECKOUT, **(environment or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


SLEEPER: Mapping[str, object] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "requirements": {"ShellCommandRequirement": {}, "ResourceRequirement": {"coresMin": 1, "ramMin": 16}},
    "baseCommand": [],
    "arguments": [{"shellQuote": False, "valueFrom": "sleep $(inputs.seconds); echo slept"}],
    "stdout": "out.txt",
    "inputs": {"seconds": "float"},
    "outputs": {"text": {"type": "stdout"}},
}


def run_sleeper(client: httpx.Client, seconds: float) -> str:
    """The id of a new task that sleeps; makes its project and app when they are missing."""
    project = client.get("/user").raise_for_status().json()["username"] + "/sleep"
    if client.get(f"/projects/{project}").status_code == 404:
        client.post("/projects", json={"name": "sleep"}).raise_for_status()
        client.post(f"/apps/{project}/sleeper/raw", json=SLEEPER).raise_for_status()
    body = {"project": project, "app": f"{project}/sleeper", "inputs": {"seconds": seconds}}
    answer = client.post("/tasks?action=run", json=body).raise_for_status().json()
    assert answer["errors"] == []
    return str(answer["id"])


def ended(client: httpx.Client, task: str, patience: float = 120.0) -> dict[str, Any]:
    """The task once it has ended."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(f"/tasks/{task}").raise_for_status().json()
        if found["status"] in {"COMPLETED", "FAILED", "ABORTED"}:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{task} is still {found['status']} after {patience} s")


def is_job(process: psutil.Process) -> bool:
    """Whether a process belongs to an attempt: all of them carry its id in their environment."""
    try:
        return "ARANEUS_ATTEMPT" in process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def is_being_started(process: psutil.Process) -> bool:
    """Whether a process still looks as its parent does, because it has not executed its program: it may be a job."""
    try:
        parent = process.parent()
        return parent is not None and parent.cmdline() == process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def jobs_under(directory: Path) -> list[int]:
    """Process ids of attempts whose job directory lies under this directory."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if "ARANEUS_ATTEMPT" in environment and str(directory) in " ".join(environment.values()):
            found.append(process.pid)
    return found
