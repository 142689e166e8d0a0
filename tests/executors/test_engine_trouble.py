"""A container engine that is busy, refuses, or goes away: nothing runs twice, nothing stays behind, all is said."""

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from araneus.executors.base import Image
from araneus.executors.containers import Containers
from araneus.executors.docker import CommandLineEngine
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.testing.executor_contract import submission, wait
from tests.executors.daemons import environment_of, root_filesystem
from tests.executors.test_local import run

NAME = "araneus-test:1"
IMAGE = Image(pull=NAME)
ID = "sha256:" + "0" * 64
NEVER = "false 0 0001-01-01T00:00:00Z \n"


@pytest.fixture
def daemon() -> Iterator[Mapping[str, str]]:
    """A docker daemon that a test may maltreat."""
    with environment_of("docker") as variables:
        command = ["docker", "import", "-", NAME]
        subprocess.run(command, input=root_filesystem(), env=variables, check=True, capture_output=True)
        yield variables
        left = subprocess.run(["docker", "ps", "-aq"], env=variables, capture_output=True, text=True, check=False)
        subprocess.run(["docker", "rm", "-f", *left.stdout.split()], env=variables, capture_output=True, check=False)
        _clear(variables["HOME"])


def _clear(base: str) -> None:
    """End what a killed daemon has left running, and unmount what it has mounted."""
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "containerd-shim" in line and f"{base}/" in line:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in reversed([one for one in mounted if one.startswith(f"{base}/")]):
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def scripted(tmp_path: Path, **cases: str) -> CommandLineEngine:
    """An engine that does what a test says at each of docker's commands."""
    cases = {"version": "echo 1", "image": f"echo {ID}", **cases}
    program = tmp_path / "docker"
    lines = [f"{name}) {body};;" for name, body in cases.items()]
    program.write_text("#!/bin/sh\ncd " + shlex.quote(str(tmp_path)) + "\ncase $1 in\n" + "\n".join(lines) + "\nesac\n")
    program.chmod(0o755)
    return CommandLineEngine(str(program), {}, {"PATH": "/usr/bin:/bin"})


def test_a_container_that_is_made_after_its_removal_is_removed(
    opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path
) -> None:
    """The daemon goes on with what it was asked for when the client that asked is killed."""
    engine = scripted(
        tmp_path,
        # The daemon is no process of the attempt.
        run="(env -i setsid sh -c 'sleep 0.6; touch made' </dev/null >/dev/null 2>&1 &); touch asked; sleep 60",
        rm='test -e made || exit 1; rm made; touch removed; echo "$4"',
    )
    executor = opened(Containers(engine=engine))
    executor.submit(submission(jobs / "a", "true", image=IMAGE))
    deadline = time.monotonic() + 20
    while not (tmp_path / "asked").exists():
        executor.poll()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    executor.cancel("a")
    assert wait(executor, ["a"], 5.0)["a"].outcome.reason is Reason.CANCELLED
    while not (tmp_path / "removed").exists():
        assert time.monotonic() < deadline, "the container stays"
        time.sleep(0.05)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("code", "said", "notes", "reason"),
    [
        (125, "docker: Error response from daemon: Conflict.", "Error: No such object: araneus-a\n", Reason.REFUSED),
        (125, "docker: Error response from daemon: cgroup is busy", NEVER, Reason.REFUSED),
        (125, "docker: error during connect: EOF", "Cannot connect to the Docker daemon\n", Reason.LOST),
        (125, "docker: error during connect: EOF", "", Reason.LOST),
        (125, "docker: error waiting for container: EOF", "false 0 2026-01-01T00:00:00Z \n", Reason.LOST),
        (125, "docker: these are the tool's words", "false 125 2026-01-01T00:00:00Z \n", None),
        (127, 'docker: exec: "x": not found', "false 127 2026-01-01T00:00:00Z \n", None),
        (127, 'docker: Error response: exec: "x": not found', NEVER, Reason.COMMAND_NOT_FOUND),
        (126, "no engine says this", NEVER, None),
        (3, "docker: never mind", "false 3 2026-01-01T00:00:00Z \n", None),
        (1, "", 'false 1 2026-01-01T00:00:00Z no such object "x"\n', None),
    ],
)
def test_what_a_code_of_the_engine_means(code: int, said: str, notes: str, reason: Reason | None) -> None:
    outcome = CommandLineEngine("docker", {}, {}).judge(code, f"first\n{said}\n\nRun 'docker run --help'\n", notes)
    assert (outcome and outcome.reason) == reason
    if outcome is not None:
        assert said.removeprefix("docker: ").rpartition("exec: ")[2] in outcome.message


@pytest.mark.container
def test_what_the_engine_refuses_is_told_and_can_be_tried_again(
    daemon: Mapping[str, str], opened: Callable[..., LocalExecutor], jobs: Path
) -> None:
    executor = opened(Containers(engine=CommandLineEngine("docker", {}, daemon)))
    create = ["docker", "create", "--name", "araneus-a", "--network", "none", NAME, "true"]
    subprocess.run(create, env=daemon, check=True, capture_output=True)
    outcome = run(executor, jobs / "a", "touch", "begun", image=IMAGE).outcome
    assert outcome.reason is Reason.REFUSED
    assert 'The container name "/araneus-a" is already in use' in outcome.message
    assert not (jobs / "a" / "work" / "begun").exists()
    assert run(executor, jobs / "b", "sh", "-c", "exit 3", image=IMAGE).outcome.exit_code == 3


@pytest.mark.parametrize(("notes", "reason"), [(NEVER, Reason.REFUSED), ("", Reason.LOST), ("EOF", Reason.LOST)])
def test_a_client_that_lost_its_engine_need_not_say_so(notes: str, reason: Reason) -> None:
    outcome = CommandLineEngine("docker", {}, {}).judge(125, "the tool's words\n", notes)
    assert outcome is not None
    assert outcome.reason is reason
    assert "ended with 125" in outcome.message


@pytest.mark.container
def test_a_tool_that_speaks_like_the_engine_is_not_believed(
    daemon: Mapping[str, str], opened: Callable[..., LocalExecutor], jobs: Path
) -> None:
    executor = opened(Containers(engine=CommandLineEngine("docker", {}, daemon)))
    line = "echo 'docker: Error response from daemon: Conflict.' >&2; exit 125"
    outcome = run(executor, jobs / "a", "sh", "-c", line, image=IMAGE).outcome
    assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 125)


@pytest.mark.container
def test_a_tool_whose_daemon_is_killed_is_lost_and_ended(
    daemon: Mapping[str, str], opened: Callable[..., LocalExecutor], jobs: Path
) -> None:
    """Another attempt will follow, so this one must not go on running without its daemon."""
    executor = opened(Containers(engine=CommandLineEngine("docker", {}, daemon)))
    executor.submit(submission(jobs / "a", "sh", "-c", "echo x >started; exec sleep 946", image=IMAGE))
    deadline = time.monotonic() + 30
    while not (jobs / "a" / "work" / "started").exists():
        executor.poll()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(int((Path(daemon["HOME"]) / "pid").read_text()), signal.SIGKILL)
    outcome = wait(executor, ["a"])["a"].outcome
    assert outcome.reason is Reason.LOST
    assert outcome.message.startswith("docker went away while the job started or ran: ")
    while subprocess.run(["pgrep", "-fx", "sleep 946"], capture_output=True, check=False).returncode == 0:
        assert time.monotonic() < deadline, "the tool goes on"
        time.sleep(0.05)


def test_an_engine_that_is_away_for_a_moment_is_waited_for(
    opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path
) -> None:
    engine = scripted(
        tmp_path,
        version="test -e asked || { touch asked; exit 1; }; echo 1",
        run="exit 3",
        inspect="echo false 3 2026-01-01T00:00:00Z",
        rm='echo "$4"',
    )
    outcome = run(opened(Containers(engine=engine)), jobs / "a", "true", image=IMAGE).outcome
    assert outcome.exit_code == 3
