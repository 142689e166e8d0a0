"""``araneus up`` in processes of its own: starts, stops, deaths, mistakes, and who may run tools in the open."""

import os
import shlex
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.live import ARANEUS, Server, araneus, ended, jobs_under, run_sleeper

Make = Callable[..., Server]
OPEN = {"ARANEUS__JOBS__SANDBOX": "none", "ARANEUS__JOBS__CONTAINERS": "none"}
RETURN = 10.0


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes servers, on ``tmp_path/data`` unless told otherwise, and stops them."""
    made: list[Server] = []

    def build(data: Path | None = None, port: int = 0, **environment: str) -> Server:
        server = Server(data or tmp_path / "data", {**OPEN, **environment}, port)
        made.append(server)
        return server

    yield build
    for server in made:
        if server.process is not None and server.process.poll() is None:
            server.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def status(server: Server, token: str) -> int:
    return httpx.get(server.credentials["api_endpoint"] + "/user", headers={"X-SBG-Auth-Token": token}).status_code


def started(task: str, client: httpx.Client, jobs: Path) -> None:
    """Wait until a job of the task runs."""
    deadline = time.monotonic() + 60
    while not jobs_under(jobs):
        assert time.monotonic() < deadline, client.get(f"/tasks/{task}").text
        time.sleep(0.05)


def test_the_first_start_makes_what_the_next_ones_find(make: Make, tmp_path: Path) -> None:
    server = make(tmp_path / "Daten für Ärzte; $(x) %41")
    server.start()
    first = server.credentials
    for private in (server.data, server.data / "storage", server.data / "jobs", server.data / "log"):
        assert mode(private) == 0o700
    assert mode(server.data / "credentials") == 0o600
    assert mode(server.data / "araneus.db") == 0o600
    assert status(server, first["auth_token"]) == 200
    assert server.stop() == 0
    assert server.logs().count("Traceback") == 0

    server.start()
    assert server.credentials["auth_token"] == first["auth_token"]
    assert server.stop() == 0

    (server.data / "credentials").unlink()
    server.start()
    again = server.credentials["auth_token"]
    assert again != first["auth_token"]
    assert [status(server, token) for token in (again, first["auth_token"], "x" * 32)] == [200, 200, 401]
    assert mode(server.data / "credentials") == 0o600


def test_what_is_printed_can_be_pasted(tmp_path: Path) -> None:
    data = tmp_path / "it's here"
    command = [*ARANEUS, "up", "--data", str(data), "--port", "0"]
    with subprocess.Popen(
        command, env={**os.environ, **OPEN}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        warning = "Tools without a container image run as the server's own user"
        while "Ctrl-C" not in said or warning not in said:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said += line
        exports = "".join(line.strip() + "\n" for line in said.splitlines() if line.strip().startswith("export "))
        pasted = subprocess.run(
            ["sh", "-c", exports + 'echo "$SB_API_ENDPOINT $SB_AUTH_TOKEN"'], capture_output=True, text=True, check=True
        )
        endpoint, token = pasted.stdout.split()
        answer = httpx.get(endpoint + "/user", headers={"X-SBG-Auth-Token": token})
        assert answer.status_code == 200
        assert answer.json()["username"] in said
        process.send_signal(signal.SIGINT)
        rest, complaints = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "the next `araneus up` finds them" in rest
    assert complaints == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_job_goes_on_while_the_server_is_stopped(make: Make, number: signal.Signals) -> None:
    server = make()
    server.start()
    with server.client() as client:
        task = run_sleeper(client, 8.0)
        started(task, client, server.data)
        halves = server.halves()
        begun = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - begun < 8.0
        assert not any(half.is_running() for half in halves)
        assert jobs_under(server.data)
    server.start()
    with server.client() as client:
        task_ended = ended(client, task)
        assert task_ended["status"] == "COMPLETED", task_ended["execution_status"]
        details = client.get(f"/tasks/{task}/execution_details").json()
        assert len(details["jobs"]) == 1
    assert jobs_under(server.data) == []


@pytest.mark.parametrize("name", ["api", "scheduler"])
def test_a_half_that_is_killed_is_started_again(make: Make, name: str) -> None:
    server = make()
    server.start()
    with server.client() as client:
        task = run_sleeper(client, 2.0)
        victim = server.half(name)
        victim.kill()
        # The supervisor holds the socket: whoever asks meanwhile waits and is answered.
        begun = time.monotonic()
        with server.client() as another:
            assert another.get("/user").status_code == 200
            assert time.monotonic() - begun < RETURN
            assert ended(another, task)["status"] == "COMPLETED"
    assert server.half(name).pid != victim.pid
    assert server.stop() == 0


def test_halves_end_with_a_killed_supervisor_and_the_port_is_free_for_the_next(make: Make) -> None:
    server = make(port=free_port())
    server.start()
    halves = server.halves()
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    assert server.start() < RETURN
    gone, alive = psutil.wait_procs([half for half in halves if half.pid != server.process.pid], timeout=15)
    assert not alive
    assert len(gone) >= 3
    assert status(server, server.credentials["auth_token"]) == 200


def test_one_server_per_directory(make: Make) -> None:
    server = make()
    server.start()
    second = araneus("up", "--data", str(server.data), "--port", "0")
    assert second.returncode == 1
    assert second.stderr.splitlines() == [f"araneus: another server already runs on {server.data}; stop it first."]
    assert status(server, server.credentials["auth_token"]) == 200


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        refused = araneus("up", "--data", str(tmp_path / "data"), "--port", port)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert "--port" in refused.stderr


def mistakes(tmp_path: Path) -> dict[str, tuple[list[str], dict[str, str], str]]:
    (tmp_path / "file").write_text("x")
    (tmp_path / "typo").mkdir()
    (tmp_path / "typo" / "araneus.toml").write_text("[server]\nprot = 1\n")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "araneus.db").write_text("this is no database, however long one looks at it\n" * 100)
    data = ["--data", str(tmp_path / "data")]
    nowhere = {"ARANEUS__DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none"}
    return {
        "file": (["--data", str(tmp_path / "file")], {}, "is a file"),
        "under a file": (["--data", str(tmp_path / "file" / "x")], {}, "is a file"),
        "no right": (["--data", "/proc/araneus"], {}, "cannot make"),
        "not writable": (["--data", "/proc"], {}, "cannot write"),
        "unknown setting": (["--data", str(tmp_path / "typo")], {}, "server.prot"),
        "environment": (data, {"ARANEUS__SERVER__COLOUR": "red"}, "server.colour"),
        "unknown host": ([*data, "--host", "203.0.113.7"], {}, "cannot listen on 203.0.113.7"),
        "no database": (["--data", str(tmp_path / "broken")], {}, "araneus.db"),
        "no PostgreSQL": (data, nowhere, "127.0.0.1"),
    }


@pytest.mark.parametrize("name", [
    "file", "under a file", "no right", "not writable", "unknown setting", "environment", "unknown host",
    "no database", "no PostgreSQL",
])  # fmt: skip
def test_a_mistake_is_one_clear_line(tmp_path: Path, name: str) -> None:
    arguments, environment, says = mistakes(tmp_path)[name]
    refused = araneus("up", "--port", "0", "--quiet", *arguments, environment=environment)
    assert refused.returncode == 1
    assert refused.stderr.startswith("araneus: ")
    assert refused.stderr.count("\n") == 1
    assert says in refused.stderr
    assert refused.stdout == ""


def test_tools_in_the_open_are_for_one_user(make: Make) -> None:
    server = make()
    server.start()
    with server.client() as client:
        assert ended(client, run_sleeper(client, 0.0))["status"] == "COMPLETED"
        added = araneus("user", "add", "rosalind", "--data", str(server.data))
        assert added.returncode == 0
        refused = ended(client, run_sleeper(client, 0.0))
        assert refused["status"] == "FAILED"
        assert "bubblewrap" in refused["execution_status"]["message"]
        assert "jobs.unconfined" in refused["execution_status"]["message"]
    assert server.stop() == 0
    allowing = make(ARANEUS__JOBS__UNCONFINED="true")
    allowing.start()
    with allowing.client() as client:
        assert ended(client, run_sleeper(client, 0.0))["status"] == "COMPLETED"


def test_the_end_of_standard_input_stops_it(tmp_path: Path) -> None:
    """Not what is written there; and what it writes itself goes nowhere when the reader is gone as well."""
    command = [*ARANEUS, "up", "--data", str(tmp_path / "data"), "--port", "0", "--until-eof"]
    process = subprocess.Popen(
        command, env={**os.environ, **OPEN}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"x" * 100_000)
    process.stdin.flush()
    while b"Ctrl-C" not in (line := process.stdout.readline()):
        assert line
    assert process.poll() is None
    process.stdin.close()
    process.stdin = None
    assert b"the next `araneus up` finds them" in process.communicate(timeout=30)[0]
    assert process.returncode == 0


def test_there_must_be_a_standard_input_to_end(tmp_path: Path) -> None:
    line = shlex.join([*ARANEUS, "up", "--data", str(tmp_path / "data"), "--port", "0", "--until-eof"])
    refused = subprocess.run(["sh", "-c", f"{line} <&-"], capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stderr) == (
        1, "araneus: --until-eof needs a standard input, and it is closed.\n",
    )  # fmt: skip
