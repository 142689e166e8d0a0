"""A whole server holds tools to their limits, ends all of them, and shows them nothing but their own job."""

import socket
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from araneus.executors.cgroup_layout import CONTROLLERS
from araneus.executors.cgroups import Cgroups
from tests.visitor import Visitor, globbed, shell, visited

HOG = "python3 -c 'b = bytearray({} * 1024 * 1024)'"
SETTINGS = {
    "ARANEUS__JOBS__CORES": "4",
    "ARANEUS__JOBS__MEMORY": "1100",
    "ARANEUS__JOBS__MAX_PROCESSES": "60",
    "ARANEUS__JOBS__CONTAINERS": "none",
}


@pytest.fixture(scope="module")
def project(owner: Visitor) -> str:
    return owner.project("Limits")


@pytest.fixture(scope="module")
def limited() -> None:
    """Skips where this user may make no control groups."""
    groups = Cgroups.detect("araneus-test-may-we", 100)
    groups.close()
    if groups.controllers != {*CONTROLLERS}:
        pytest.skip("this user may not make control groups here")


def failure(owner: Visitor, project: str, name: str, raw: dict[str, Any]) -> str:
    """The message of a task that must fail."""
    found = owner.ended(owner.run(owner.app(project, name, raw), {}))
    assert found["status"] == "FAILED", found["outputs"]
    message: str = found["execution_status"]["message"]
    return message


def stated(**resources: float) -> dict[str, Any]:
    return {"ResourceRequirement": {"coresMin": 1, **resources}}


def running(*command: str) -> list[psutil.Process]:
    """Living processes with this command line."""
    return [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == list(command)]


def gone(*command: str) -> None:
    deadline = time.monotonic() + 10
    while left := running(*command):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.usefixtures("limited")
def test_out_of_memory(owner: Visitor, project: str) -> None:
    message = failure(owner, project, "hog", shell(HOG.format(400), requirements=stated(ramMin=200)))
    assert message.startswith("Job hog ran out of memory")
    assert "limit of 300 MiB" in message
    assert "200 MiB were set aside" in message
    assert "ramMin" in message
    exact = shell(f"{HOG.format(300)} || exit 7", requirements=stated(ramMin=200, ramMax=250))
    message = failure(owner, project, "exact", exact)
    assert "limit of 250 MiB" in message
    assert "exit code 7" in message
    assert "1100 MiB" in failure(owner, project, "all", shell(HOG.format(1300), requirements=stated()))
    owner.completed(owner.run(owner.app(project, "fits", shell(HOG.format(900), requirements=stated())), {}))


@pytest.mark.usefixtures("limited")
def test_a_fork_bomb_and_its_neighbour(owner: Visitor, project: str) -> None:
    bomb = "b() { b | b & b; }; b 2>/dev/null; sleep 60"
    task = owner.run(owner.app(project, "bomb", shell(bomb, requirements={"ToolTimeLimit": {"timelimit": 4}})), {})
    tool = shell("for i in 1 2 3 4 5 6 7 8; do ls >/dev/null; sleep 0.1; done; echo fine", stdout="o")
    quiet = owner.run(owner.app(project, "quiet", {**tool, "outputs": {"o": globbed("o")}}), {})
    assert owner.content(owner.completed(quiet)["o"]) == b"fine\n"
    assert owner.ended(task)["status"] == "FAILED"


@pytest.mark.usefixtures("limited")
def test_a_tool_that_starts_too_many_processes(owner: Visitor, project: str) -> None:
    program = "import os, time\nfor _ in range(80):\n  if not os.fork(): time.sleep(3); os._exit(0)"
    tool = {**shell("", requirements=stated()), "baseCommand": ["python3", "-c", program]}
    message = failure(owner, project, "many", tool)
    assert message.startswith("Job many failed with exit code 1")
    assert "limit of 60 processes and threads" in message
    assert "BlockingIOError" in message


STUBBORN = (
    "trap '' TERM HUP INT; (setsid setsid sleep {0} >/dev/null 2>&1 &); (env -i sleep {0} &) ; nohup sleep {0} &"
    " while true; do sleep {0}; done"
)


def test_a_time_limit_ends_all_of_a_tool(owner: Visitor, project: str) -> None:
    tool = shell(STUBBORN.format(961), requirements={"ToolTimeLimit": {"timelimit": 2}})
    message = failure(owner, project, "late", tool)
    assert message.startswith("Job late ran longer than its time limit")
    assert "after 2 s" in message
    gone("sleep", "961")


def test_an_abort_ends_all_of_a_tool(owner: Visitor, project: str) -> None:
    task = owner.run(owner.app(project, "stubborn", shell(STUBBORN.format(962))), {})
    deadline = time.monotonic() + 30
    while len(running("sleep", "962")) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    owner.post(f"/tasks/{task}/actions/abort")
    assert owner.ended(task)["status"] == "ABORTED"
    gone("sleep", "962")
    assert time.monotonic() - began < 10


def test_a_tool_sees_its_own_job_and_nothing_else(owner: Visitor, project: str) -> None:
    data = owner.server.data
    token = owner.server.credentials["auth_token"]
    slow = owner.run(owner.app(project, "other", shell("echo hidden-words >kept; sleep 60")), {})
    script = (
        f"ls -la {data} {data}/.. {data}/jobs {data}/storage; cat {data}/credentials {data}/araneus.db*;"
        f" cat {data}/jobs/*/*/kept; env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n';"
        " ls /sys/fs/cgroup /run /var/run /home /root; cat /dev/kmsg; dmesg; true"
    )
    tool = shell(f"({script}) 2>/dev/null | grep -v '^script='", outputs={"o": globbed("o")}, stdout="o")
    seen = owner.content(owner.completed(owner.run(owner.app(project, "spy", tool), {}))["o"]).decode(errors="replace")
    for secret in (token, "hidden-words", "araneus.db", "docker.sock", "memory.max", "ARANEUS__"):
        assert secret not in seen.replace(script, ""), secret
    owner.post(f"/tasks/{slow}/actions/abort")


def caller(version: str, port: int, **requirements: Any) -> dict[str, Any]:
    """A tool that tells whether it reaches a port of this machine, and its own loopback."""
    program = (
        "import socket\n"
        "def reach(address):\n"
        "    try: socket.create_connection(address, 2).close()\n"
        "    except OSError: return 'no'\n"
        "    return 'yes'\n"
        "with socket.create_server(('127.0.0.1', 0)) as own: inside = reach(own.getsockname())\n"
        f"print(inside, reach(('127.0.0.1', {port})))\n"
    )
    return {
        "class": "CommandLineTool", "cwlVersion": version, "baseCommand": ["python3", "-c", program], "inputs": {},
        "requirements": {"ResourceRequirement": {"coresMin": 1}, **requirements},
        "outputs": {"o": globbed("o")}, "stdout": "o",
    }  # fmt: skip


ASKS = {"NetworkAccess": {"networkAccess": True}}
EVERY = {"asks": ("v1.2", ASKS), "is-silent": ("v1.2", {}), "is-old": ("v1.0", {})}


def reached(owner: Visitor, *, allowed: bool) -> dict[str, str]:
    """What tools of a new project print that asks for the network in every way."""
    project = owner.project(f"Network {allowed}")
    answer = owner.http.patch(f"/projects/{project}", json={"settings": {"allow_network_access": allowed}})
    assert answer.is_success, answer.text
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        tasks = {
            name: owner.run(owner.app(project, name, caller(version, port, **requirements)), {})
            for name, (version, requirements) in EVERY.items()
        }
        return {name: owner.content(owner.completed(task)["o"]).decode().strip() for name, task in tasks.items()}


def test_the_network_is_for_tools_that_ask_in_projects_that_allow_it(owner: Visitor) -> None:
    assert reached(owner, allowed=False) == dict.fromkeys(EVERY, "yes no")
    assert reached(owner, allowed=True) == {"asks": "yes yes", "is-silent": "yes no", "is-old": "yes yes"}


def test_a_server_without_network_for_tools(tmp_path: Path) -> None:
    with visited(tmp_path / "data", {**SETTINGS, "ARANEUS__JOBS__NETWORK": "false"}) as visitor:
        assert reached(visitor, allowed=True) == dict.fromkeys(EVERY, "yes no")
