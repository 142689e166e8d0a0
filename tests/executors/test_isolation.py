"""What a tool that nobody trusts can reach from bubblewrap's sandbox: tried from inside."""

import json
import os
import platform
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.limits import Policy
from araneus.executors.local import LocalExecutor
from araneus.executors.seccomp import filter_program
from tests.executors.test_local import out, run

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOW, LACKING, NO_FAMILY = "allow", "ENOSYS", "EAFNOSUPPORT"
ANSWERS = {0x7FFF0000: ALLOW, 0x00050026: LACKING, 0x00050061: NO_FAMILY}


def answer(program: bytes, number: int, architecture: int, first: int = 0) -> str:
    """What the kernel does with a call, found by running the program as the kernel does."""
    words = {0: number & 0xFFFFFFFF, 4: architecture, 16: first & 0xFFFFFFFF}
    steps = list(struct.iter_unpack("HBBI", program))
    loaded = place = 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        if code == 0x20:
            loaded = words[value]
        elif code == 0x06:
            return ANSWERS[value]
        else:
            place += yes if (loaded == value if code == 0x15 else loaded >= value) else no


@pytest.mark.parametrize(
    ("machine", "architecture", "number", "first", "expected"),
    [
        ("x86_64", X86_64, 250, 0, LACKING),
        ("x86_64", X86_64, 0, 0, ALLOW),
        ("x86_64", X86_64, 427, 0, LACKING),
        ("x86_64", X86_64, 41, 40, NO_FAMILY),
        ("x86_64", X86_64, 41, 40 + (1 << 32), NO_FAMILY),
        ("x86_64", X86_64, 41, 2, ALLOW),
        ("x86_64", X86_64, 42, 40, ALLOW),
        ("x86_64", X86_64, 0x40000000 + 250, 0, LACKING),
        ("x86_64", X86_64, -1, 0, LACKING),
        ("x86_64", I386, 288, 0, LACKING),
        ("x86_64", I386, 250, 0, ALLOW),
        ("x86_64", I386, 102, 1, LACKING),
        ("x86_64", I386, 359, 40, NO_FAMILY),
        ("x86_64", AARCH64, 0, 0, LACKING),
        ("aarch64", AARCH64, 219, 0, LACKING),
        ("aarch64", AARCH64, 198, 40, NO_FAMILY),
        ("aarch64", AARCH64, 250, 0, ALLOW),
        ("aarch64", X86_64, 0, 0, LACKING),
    ],
)
def test_the_filter(machine: str, architecture: int, number: int, first: int, expected: str) -> None:
    assert answer(filter_program(machine), number, architecture, first) == expected


@given(
    st.sampled_from(["x86_64", "aarch64"]),
    st.sampled_from([X86_64, I386, AARCH64, 0]),
    st.integers(-(2**31), 2**31),
    st.integers(0, 2**64),
)
def test_the_filter_answers_everything(machine: str, architecture: int, number: int, first: int) -> None:
    assert answer(filter_program(machine), number, architecture, first) in {ALLOW, LACKING, NO_FAMILY}


def test_no_filter_for_other_machines() -> None:
    assert filter_program("riscv64") == b""


@pytest.fixture(scope="module", params=["bound", "copied"])
def containers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Containers:
    etc = tmp_path_factory.mktemp("etc") if request.param == "copied" else None
    try:
        return Containers.detect("bubblewrap", etc=etc)
    except UnavailableError as problem:
        pytest.skip(str(problem))


@pytest.fixture
def sandbox(opened: Callable[..., LocalExecutor], containers: Containers) -> LocalExecutor:
    return opened(containers)


@pytest.fixture
def listeners() -> Iterator[tuple[int, str]]:
    """A port of this machine's loopback, and the name of an abstract socket, that somebody listens on."""
    name = f"araneus-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen()
        yield tcp.getsockname()[1], name


CALLS = """
import ctypes, errno, json, socket, threading
library = ctypes.CDLL(None, use_errno=True)

def call(*arguments):
    ctypes.set_errno(0)
    return "done" if library.syscall(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]

def attempt(action):
    try:
        action()
    except OSError as problem:
        return errno.errorcode.get(problem.errno, "timeout")
    return "done"
"""

NUMBERS = {
    "x86_64": {"add_key": 248, "keyctl": 250, "syslog": 103, "bpf": 321, "perf": 298, "userfaultfd": 323, "uring": 425},
    "aarch64": {
        "add_key": 217,
        "keyctl": 219,
        "syslog": 116,
        "bpf": 280,
        "perf": 241,
        "userfaultfd": 282,
        "uring": 425,
    },
}


def tried(sandbox: LocalExecutor, directory: Path, program: str, **changes: object) -> Mapping[str, str]:
    """What the tool printed as JSON."""
    outcome = run(sandbox, directory, "python", "-c", CALLS + program, **changes).outcome
    assert outcome.exit_code == 0, (directory / "job.err.log").read_text()
    found: dict[str, str] = json.loads(out(directory))
    return found


def test_system_calls_that_lead_out(sandbox: LocalExecutor, jobs: Path) -> None:
    numbers = NUMBERS.get(platform.machine())
    if numbers is None:
        pytest.skip("there is no filter for this kind of machine")
    program = f"""
found = {{name: call(number, 0, 0, 0, 0, 0) for name, number in {numbers}.items()}}
found["vsock"] = attempt(lambda: socket.socket(40, socket.SOCK_STREAM))
found["namespace"] = call({{"x86_64": 272, "aarch64": 97}}[{platform.machine()!r}], 0x10000000)
print(json.dumps(found))
"""
    found = dict(tried(sandbox, jobs / "a", program))
    assert found.pop("namespace") in {"ENOSPC", "EPERM"}
    assert found == {**dict.fromkeys(numbers, "ENOSYS"), "vsock": "EAFNOSUPPORT"}
    # The same with the network: what is refused is no part of it.
    assert tried(sandbox, jobs / "b", program, network=True)["vsock"] == "EAFNOSUPPORT"


def test_listeners_of_the_machine(sandbox: LocalExecutor, jobs: Path, listeners: tuple[int, str]) -> None:
    port, name = listeners
    program = f"""
def unix(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)

def own():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), 2)

print(json.dumps({{
    "tcp": attempt(lambda: socket.create_connection(("127.0.0.1", {port}), 2)),
    "abstract": attempt(lambda: unix("\\0{name}")),
    "docker": attempt(lambda: unix("/var/run/docker.sock")),
    "outside": attempt(lambda: socket.create_connection(("192.0.2.1", 80), 2)),
    "own": attempt(own),
}}))
"""
    found = tried(sandbox, jobs / "a", program)
    assert found == {
        "tcp": "ECONNREFUSED", "abstract": "ECONNREFUSED", "docker": "ENOENT", "outside": "ENETUNREACH", "own": "done",
    }  # fmt: skip
    assert tried(sandbox, jobs / "b", program, network=True)["tcp"] == "done"


def test_a_server_that_forbids_the_network(
    opened: Callable[..., LocalExecutor], containers: Containers, jobs: Path, listeners: tuple[int, str]
) -> None:
    closed = opened(Containers(bare=containers.bare, policy=Policy(memory=1000, network=False)))
    program = f"""
print(json.dumps({{"tcp": attempt(lambda: socket.create_connection(("127.0.0.1", {listeners[0]}), 2))}}))
"""
    assert tried(closed, jobs / "a", program, network=True) == {"tcp": "ECONNREFUSED"}


def test_the_kernels_files(sandbox: LocalExecutor, jobs: Path) -> None:
    with subprocess.Popen(["sleep", "93"]) as stranger:
        places = [
            "/dev/kmsg", "/dev/mem", "/dev/vsock", "/dev/kvm", "/dev/fuse", "/proc/kmsg", "/proc/kcore", "/proc/keys",
            "/sys/fs/cgroup", "/proc/1/root/etc/shadow", f"/proc/{stranger.pid}/environ",
            f"/proc/{os.getpid()}/environ",
        ]  # fmt: skip
        writes = [
            "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/etc/passwd",
            "/proc/self/oom_score_adj", "/proc/sys/vm/overcommit_memory",
        ]  # fmt: skip
        program = f"""
print(json.dumps({{
    **{{path: attempt(lambda: open(path, "rb").close()) for path in {places}}},
    **{{path: attempt(lambda: open(path, "r+b", 0).close()) for path in {writes}}},
}}))
"""
        found = tried(sandbox, jobs / "a", program)
        stranger.kill()
    assert set(found) == {*places, *writes}
    assert [path for path, what in found.items() if what == "done"] == []


def test_no_terminal_to_type_into(sandbox: LocalExecutor, jobs: Path) -> None:
    program = """
import fcntl
print(json.dumps({
    "terminal": attempt(lambda: open("/dev/tty").close()),
    "typing": attempt(lambda: fcntl.ioctl(0, 0x5412, b"x")),
}))
"""
    assert "done" not in tried(sandbox, jobs / "a", program).values()


def test_keys_of_this_machine_in_no_variable(
    sandbox: LocalExecutor, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "PGPASSWORD", "ARANEUS__DATABASE__URL", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "leaked")
    run(sandbox, jobs / "a", "sh", "-c", "env; cat /proc/*/environ /proc/*/cmdline")
    assert "leaked" not in out(jobs / "a")


def test_other_jobs(sandbox: LocalExecutor, jobs: Path) -> None:
    run(sandbox, jobs / "other", "sh", "-c", "echo secret >kept; echo secret")
    script = f"cat {jobs}/other/work/kept {jobs}/other/job.out.log; ls -A {jobs} {jobs}/.."
    run(sandbox, jobs / "a", "sh", "-c", script)
    assert "secret" not in out(jobs / "a")
    assert out(jobs / "a").split() == [f"{jobs}:", "a", f"{jobs}/..:", "jobs"]
