"""Tools in containers: a private docker daemon runs for these tests where its binary is installed."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from araneus.executors import jobdir
from araneus.executors.base import Found, Image, Literal, Mount
from araneus.executors.containers import Containers
from araneus.executors.docker import CommandLineEngine
from araneus.executors.errors import CannotStartError
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason, Resources
from araneus.testing.executor_contract import ExecutorContract, Start, submission, wait
from tests.executors.daemons import environment_of, root_filesystem
from tests.executors.test_local import out, run

NAME = "araneus-test:1"
IMAGE = Image(pull=NAME)


@pytest.fixture(scope="module", params=["docker", "podman"])
def environ(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """The environment of a client whose images and containers are its own, with the test image; ENGINE is its name."""
    with environment_of(str(request.param)) as variables:
        load = [str(request.param), "import", "-", NAME]
        subprocess.run(load, input=root_filesystem(), env=variables, check=True, capture_output=True)
        yield variables


@pytest.fixture
def containers(environ: Mapping[str, str]) -> Containers:
    # Attempts of different tests have the same names: nothing of an earlier one may be left.
    for name in names(environ):
        subprocess.run([environ["ENGINE"], "rm", "--force", name], env=environ, check=True, capture_output=True)
    engine = CommandLineEngine(environ["ENGINE"], {"mirrored/": "araneus-"}, environ)
    assert engine.works()
    return Containers(engine=engine)


@pytest.fixture
def docker(opened: Callable[..., LocalExecutor], containers: Containers) -> LocalExecutor:
    return opened(containers)


def names(environ: Mapping[str, str]) -> list[str]:
    """All containers that exist."""
    command = [environ["ENGINE"], "ps", "--all", "--format", "{{.Names}}"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.container
def test_a_tool_in_its_image(docker: LocalExecutor, jobs: Path, tmp_path: Path, environ: Mapping[str, str]) -> None:
    directory = jobs / "a"
    blob = tmp_path / 'blob, with "odd" name'
    blob.write_text("content\n")
    target = f"{directory}/inputs/1/my file: 1,2.txt"
    linked = str(directory / "work/linked")
    script = (
        f"pwd; id -u; echo $HOME $TMPDIR $X; cat '{target}' linked; ls {directory}; ls -d {tmp_path}/secret;"
        f" echo x >'{target}'; touch made $TMPDIR/scratch; cat; exit 9"
    )
    (tmp_path / "secret").write_text("")
    report = run(
        docker,
        directory,
        *("sh", "-c", script),
        image=IMAGE,
        environment={"X": "a 'b'\nc"},
        mounts=(Mount(source=blob, target=target), Mount(source=blob, target=linked)),
        literals=(Literal(target=str(directory / "work/stdin"), content=b"in\n"),),
        stdin=str(directory / "work/stdin"),
        stdout="out.txt",
    )
    work = directory / "work"
    assert report.outcome.exit_code == 9
    expected = f"{work}\n{os.getuid()}\n{work} {directory}/tmp a 'b' c\ncontent\ncontent\ninputs\ntmp\nwork\nin\n"
    assert (work / "out.txt").read_text() == expected
    assert (work / "made").exists()
    assert (directory / "tmp" / "scratch").exists()
    assert blob.read_text() == "content\n"
    assert names(environ) == []


@pytest.mark.container
def test_directories_of_other_names(docker: LocalExecutor, jobs: Path) -> None:
    command = ("sh", "-c", "pwd; ls /data; touch here")
    literal = Literal(target="/data/x", content=b"x")
    run(docker, jobs / "a", *command, image=IMAGE, work="/outdir", temporary="/tmp", literals=(literal,))
    assert out(jobs / "a") == "/outdir\nx\n"
    assert (jobs / "a" / "work" / "here").exists()


@pytest.mark.container
def test_what_a_container_may_not_do(docker: LocalExecutor, jobs: Path) -> None:
    run(docker, jobs / "a", "grep", "-E", "^(CapEff|NoNewPrivs)", "/proc/self/status", image=IMAGE)
    assert out(jobs / "a").split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    run(docker, jobs / "b", "ls", "/sys/class/net", image=IMAGE)
    assert out(jobs / "b").split() == ["lo"]


@pytest.mark.container
@pytest.mark.parametrize(
    ("command", "reason", "words"),
    [
        (("no-such-command",), Reason.COMMAND_NOT_FOUND, "no-such-command"),
        (("/tmp",), Reason.COMMAND_NOT_FOUND, "permission denied"),
    ],
)
def test_commands_that_the_image_lacks(
    docker: LocalExecutor, jobs: Path, command: tuple[str, ...], reason: Reason, words: str
) -> None:
    outcome = run(docker, jobs / "a", *command, image=IMAGE, stderr="err.txt").outcome
    assert outcome.reason is reason
    assert words in outcome.message
    assert "runtime" not in outcome.message
    assert outcome.message.startswith(f'The image cannot run the command: "{command[0]}": ')


@pytest.mark.container
def test_out_of_memory(docker: LocalExecutor, jobs: Path, environ: Mapping[str, str]) -> None:
    small = Resources(cores=1, memory=20, memory_stated=True, memory_max=20)
    outcome = run(docker, jobs / "a", "tail", "/dev/zero", image=IMAGE, resources=small).outcome
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert outcome.exit_code == 137
    assert "limit of 20 MiB" in outcome.message
    assert names(environ) == []


@pytest.mark.container
def test_the_limits_of_a_container(docker: LocalExecutor, jobs: Path) -> None:
    files = {
        "memory": ("memory/memory.limit_in_bytes", "memory.max"),
        "quota": ("cpu/cpu.cfs_quota_us", "cpu.max"),
        "processes": ("pids/pids.max", "pids.max"),
    }
    script = "".join(f"echo {name} $(cat $(ls {' '.join(paths)} 2>/dev/null));" for name, paths in files.items())
    asked = Resources(cores=0.5, cores_max=1, memory=100, memory_stated=True, memory_max=200)
    line = f"cd /sys/fs/cgroup; {script} echo badness $(cat /proc/self/oom_score_adj)"
    run(docker, jobs / "a", "sh", "-c", line, image=IMAGE, resources=asked)
    found = dict(one.split(" ", 1) for one in out(jobs / "a").splitlines())
    badness = found.pop("badness")
    assert found == {"memory": str(200 * 2**20), "quota": "100000", "processes": "4096"} or found == {
        "memory": str(200 * 2**20), "quota": "100000 100000", "processes": "4096",
    }  # fmt: skip
    assert int(badness) > 900


@pytest.mark.container
def test_nothing_of_a_container_outlives_its_time_limit(docker: LocalExecutor, jobs: Path) -> None:
    script = "trap '' TERM HUP; (setsid setsid sleep 947 >/dev/null 2>&1 &); touch started; sleep 947; sleep 947"
    docker.submit(submission(jobs / "a", "sh", "-c", script, image=IMAGE, time_limit=3.0))
    outcome = wait(docker, ["a"], 30.0)["a"].outcome
    assert outcome.reason is Reason.TIME_LIMIT
    assert "after 3 s" in outcome.message
    assert (jobs / "a" / "work" / "started").exists()
    deadline = time.monotonic() + 5
    while left := subprocess.run(["pgrep", "-fx", "sleep 947"], capture_output=True, text=True, check=False).stdout:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.container
def test_cancelling_a_container(docker: LocalExecutor, jobs: Path, environ: Mapping[str, str]) -> None:
    line = "trap '' TERM; touch started; while true; do sleep 1; done"
    docker.submit(submission(jobs / "a", "sh", "-c", line, image=IMAGE))
    deadline = time.monotonic() + 20
    while not (jobs / "a" / "work" / "started").exists():
        docker.poll()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    docker.cancel("a")
    assert wait(docker, ["a"], 5.0)["a"].outcome.reason is Reason.CANCELLED
    while names(environ):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.container
def test_a_container_outlives_the_server(
    docker: LocalExecutor, containers: Containers, opened: Callable[..., LocalExecutor], jobs: Path
) -> None:
    docker.submit(submission(jobs / "a", "sh", "-c", "sleep 1; exit 5", image=IMAGE))
    deadline = time.monotonic() + 20
    while jobdir.examine(jobs / "a").pid is None:
        docker.poll()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    docker.close()
    second = opened(containers)
    assert second.recover({"a": jobs / "a"}) == {"a": Found.RUNNING}
    assert wait(second, ["a"])["a"].outcome.exit_code == 5


@pytest.mark.container
def test_images_by_other_means(docker: LocalExecutor, jobs: Path, environ: Mapping[str, str], tmp_path: Path) -> None:
    engine = environ["ENGINE"]
    save = [engine, "save", "-o", str(tmp_path / "saved.tar"), NAME]
    subprocess.run([engine, "tag", NAME, "araneus-saved:1"], env=environ, check=True)
    save[-1] = "araneus-saved:1"
    subprocess.run(save, env=environ, check=True, capture_output=True)
    subprocess.run([engine, "rmi", "araneus-saved:1"], env=environ, check=True, capture_output=True)
    (tmp_path / "root.tar").write_bytes(root_filesystem())
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        images = {
            "file": Image(file=f"FROM {NAME}\nENV BUILT=yes\n"),
            "load": Image(load=f"{url}/saved.tar", image_id="araneus-saved:1"),
            "import": Image(import_=f"{url}/root.tar", image_id="araneus-imported:1"),
            "rewritten": Image(pull="mirrored/test:1"),
        }
        for name, image in images.items():
            assert run(docker, jobs / name, "sh", "-c", "echo $BUILT", image=image).outcome.exit_code == 0, name
        server.shutdown()
    assert out(jobs / "file") == "yes\n"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        return


@pytest.mark.container
@pytest.mark.parametrize(
    "image",
    [
        Image(pull="127.0.0.1:9/nobody/nothing:1"),
        Image(pull="--privileged"),
        Image(pull="two words"),
        Image(load="/etc/passwd", image_id="araneus-none:1"),
        Image(import_="file:///etc/passwd", image_id="araneus-none:1"),
        Image(load="http://127.0.0.1:9/x", image_id="araneus-none:1"),
        Image(file="FROM scratch\nNONSENSE"),
        Image(),
    ],
)
def test_an_image_that_cannot_be_had_is_named(docker: LocalExecutor, jobs: Path, image: Image) -> None:
    outcome = run(docker, jobs / "a", "true", image=image).outcome
    assert outcome.reason is Reason.IMAGE_UNAVAILABLE
    assert (image.image_id or image.pull or "") in outcome.message
    assert not (jobs / "a" / "pid").exists()


@pytest.fixture
def slow_engine(tmp_path: Path) -> CommandLineEngine:
    """A program that takes docker's arguments, keeps a record of them, and takes its time to pull."""
    program = tmp_path / "docker"
    record = tmp_path / "record"
    program.write_text(
        f'#!/bin/sh\necho "$1" >>{record}\n'
        "case $1 in image) exit 1;; pull) sleep 0.5;; version) echo 1;; run) exit 0;; esac\n"
    )
    program.chmod(0o755)
    return CommandLineEngine(str(program), {}, {"PATH": "/usr/bin:/bin"})


def test_an_image_is_fetched_once_and_nobody_is_held_up(
    opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path, slow_engine: CommandLineEngine
) -> None:
    executor = opened(Containers(engine=slow_engine))
    attempts = [f"n{number}" for number in range(8)]
    began = time.monotonic()
    for attempt in attempts:
        executor.submit(submission(jobs / attempt, "true", image=IMAGE, resources=Resources(cores=0.1, memory=1)))
    assert time.monotonic() - began < 0.3
    wait(executor, attempts)
    assert (tmp_path / "record").read_text().split().count("pull") == 1


def test_cancelling_while_the_image_is_fetched(
    opened: Callable[..., LocalExecutor], jobs: Path, slow_engine: CommandLineEngine
) -> None:
    executor = opened(Containers(engine=slow_engine))
    executor.submit(submission(jobs / "a", "true", image=IMAGE))
    executor.cancel("a")
    assert wait(executor, ["a"], 0.4)["a"].outcome.reason is Reason.CANCELLED
    time.sleep(0.7)
    assert executor.poll() == []
    assert executor.recover({"a": jobs / "a"}) == {"a": Found.UNKNOWN}


def test_an_engine_that_is_not_there() -> None:
    engine = CommandLineEngine("/no/such/docker", {}, {})
    assert not engine.works()
    with pytest.raises(CannotStartError):
        engine.prepare(IMAGE, lambda _: None)


@pytest.mark.container
class TestContract(ExecutorContract):
    """The contract in containers."""

    EXTRA: ClassVar[Mapping[str, Any]] = {"image": IMAGE}

    @pytest.fixture
    def start(self, opened: Callable[..., LocalExecutor], containers: Containers) -> Start:
        return lambda: opened(containers)
