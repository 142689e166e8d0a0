"""Tools in containers: a private docker daemon runs for these tests where its binary is installed."""

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
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
from araneus.executors.docker import CommandLineEngine, rewritten
from araneus.executors.errors import CannotStartError
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason, Resources
from araneus.testing.executor_contract import ExecutorContract, Start, submission, wait
from tests.executors.test_local import out, run

NAME = "araneus-test:1"
IMAGE = Image(pull=NAME)
APPLETS = ("sh", "cat", "echo", "ls", "id", "env", "sleep", "true", "touch", "tail", "grep", "pwd", "wget", "readlink")


def _root_filesystem() -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.add(Path("/bin/busybox").resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        scratch = tarfile.TarInfo("tmp")
        scratch.type, scratch.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(scratch)
    return target.getvalue()


@pytest.fixture(scope="module", params=["docker", "podman"])
def environ(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """The environment of a client whose images and containers are its own, with the test image; ENGINE is its name."""
    engine = str(request.param)
    programs = ("dockerd", "docker", "busybox") if engine == "docker" else ("podman", "runc", "conmon", "busybox")
    missing = [name for name in programs if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and the programs {', '.join(missing or programs)} (busybox: package busybox-static)")
    # A socket's path must be short.
    base = Path(f"/tmp/araneus-{engine}-{os.getpid()}")
    base.mkdir()
    variables = {"PATH": os.environ["PATH"], "HOME": str(base), "ENGINE": engine}
    with _dockerd(base, variables) if engine == "docker" else _podman(base, variables):
        load = [engine, "import", "-", NAME]
        subprocess.run(load, input=_root_filesystem(), env=variables, check=True, capture_output=True)
        yield variables
    shutil.rmtree(base, ignore_errors=True)


@contextlib.contextmanager
def _dockerd(base: Path, variables: dict[str, str]) -> Iterator[None]:
    options = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=overlay2")
    places = (f"--data-root={base}/data", f"--exec-root={base}/exec", f"--pidfile={base}/pid")
    variables |= {"DOCKER_HOST": f"unix://{base}/socket", "DOCKER_BUILDKIT": "0"}
    with (
        (base / "log").open("wb") as log,
        subprocess.Popen(
            ["dockerd", *options, *places, "-H", variables["DOCKER_HOST"]],
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as daemon,
    ):
        try:
            _wait_for_daemon(variables, base / "log")
            yield
        finally:
            daemon.terminate()
            daemon.wait(30)


@contextlib.contextmanager
def _podman(base: Path, variables: dict[str, str]) -> Iterator[None]:
    (base / "containers.conf").write_text(
        '[containers]\nnetns = "none"\npids_limit = 2048\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    (base / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{base}/root"\nrunroot = "{base}/run"\n'
    )
    variables |= {
        "CONTAINERS_CONF": str(base / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(base / "storage.conf"),
    }
    yield
    subprocess.run(["podman", "rmi", "--all", "--force"], env=variables, capture_output=True, check=False)
    subprocess.run(["umount", "-l", base / "root" / "overlay"], capture_output=True, check=False)


def _wait_for_daemon(variables: Mapping[str, str], log: Path) -> None:
    deadline = time.monotonic() + 30
    while subprocess.run(["docker", "version"], env=variables, capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            pytest.skip(f"dockerd does not start here: {log.read_text()[-500:]}")
        time.sleep(0.1)


@pytest.fixture
def containers(environ: Mapping[str, str]) -> Containers:
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


@pytest.mark.container
def test_out_of_memory(docker: LocalExecutor, jobs: Path, environ: Mapping[str, str]) -> None:
    small = Resources(cores=1, memory=20)
    outcome = run(docker, jobs / "a", "tail", "/dev/zero", image=IMAGE, resources=small).outcome
    # Not every podman tells that it was for want of memory (4.3 with cgroups version 1 does not).
    told = outcome.reason is Reason.OUT_OF_MEMORY
    assert told or environ["ENGINE"] == "podman"
    assert outcome.exit_code == 137
    assert "memory" in outcome.message
    assert names(environ) == []


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
    (tmp_path / "root.tar").write_bytes(_root_filesystem())
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


def test_the_longest_prefix_is_rewritten() -> None:
    table = {"": "mirror.local/", "quay.io/": "mirror.local/quay/", "quay.io/bio": "bio"}
    assert rewritten("debian:12", table) == "mirror.local/debian:12"
    assert rewritten("quay.io/x:1", table) == "mirror.local/quay/x:1"
    assert rewritten("quay.io/biocontainers/x", table) == "biocontainers/x"
    assert rewritten("debian:12", {}) == "debian:12"


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
