"""What a tool that nobody trusts can reach from bubblewrap's sandbox: tried from inside."""

import json
import os
import platform
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from araneus.executors.base import Submission
from araneus.executors.bubblewrap import Bubblewrap
from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.enclosure import Launch
from araneus.executors.limits import Policy
from araneus.executors.local import LocalExecutor
from araneus.executors.mounts import Bind
from araneus.executors.seccomp import filter_program
from tests.executors.test_local import out, run

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOW, LACKING, NO_FAMILY, FORBIDDEN = "allow", "ENOSYS", "EAFNOSUPPORT", "EPERM"
ANSWERS = {0x7FFF0000: ALLOW, 0x00050026: LACKING, 0x00050061: NO_FAMILY, 0x00050001: FORBIDDEN}
NAMESPACES = {
    "mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "user": 0x10000000,
    "pid": 0x20000000, "net": 0x40000000,
}  # fmt: skip
CLONE = {X86_64: 56, I386: 120, AARCH64: 220}
UNSHARE = {X86_64: 272, I386: 310, AARCH64: 97}
SETNS = {X86_64: 308, I386: 346, AARCH64: 268}


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
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: loaded & value != 0}[code]
            place += yes if holds else no


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
    assert answer(filter_program(machine), number, architecture, first) in set(ANSWERS.values())


@pytest.mark.parametrize(
    ("machine", "architecture"), [("x86_64", X86_64), ("x86_64", I386), ("aarch64", AARCH64)], ids=str
)
@given(flags=st.integers(0, 2**64 - 1))
@example(flags=0x11)
@example(flags=0x003D0F00)
@example(flags=0x10000011)
@example(flags=0x00020000 | 1 << 40)
@example(flags=0x80)
def test_the_filter_refuses_namespaces_and_nothing_else(machine: str, architecture: int, flags: int) -> None:
    program = filter_program(machine)
    makes_some = any(flags & flag for flag in NAMESPACES.values())
    assert answer(program, CLONE[architecture], architecture, flags) == (FORBIDDEN if makes_some else ALLOW)
    expected = FORBIDDEN if makes_some or flags & 0x80 else ALLOW
    assert answer(program, UNSHARE[architecture], architecture, flags) == expected
    assert answer(program, SETNS[architecture], architecture, flags) == LACKING
    assert answer(program, 435, architecture, flags) == LACKING


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


# A second sandbox without what bubblewrap itself does against user namespaces: older ones cannot.
@pytest.fixture(scope="module", params=["all that is closed", "the filter alone"])
def seals(request: pytest.FixtureRequest) -> Containers:
    try:
        containers = Containers.detect("bubblewrap")
    except UnavailableError as problem:
        pytest.skip(str(problem))
    if request.param == "the filter alone":
        bare = containers.bare
        assert isinstance(bare, Bubblewrap)
        return replace(containers, bare=FilterAlone(bare))
    return containers


class FilterAlone:
    """A sandbox that an older bubblewrap would make."""

    name = Bubblewrap.name
    encloses = True

    def __init__(self, sandbox: Bubblewrap) -> None:
        self._sandbox = sandbox
        self.judge = sandbox.judge

    def launch(self, submission: Submission, binds: tuple[Bind, ...], image: str) -> Launch:
        launch = self._sandbox.launch(submission, binds, image)
        assert launch.filter
        return replace(launch, command=tuple(word for word in launch.command if word != "--disable-userns"))


IN_32_BITS = """
import mmap
# push rbx; mov eax, edi; mov ebx, esi; mov ecx, edx; int 0x80; pop rbx; ret
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("53 89f8 89f3 89d1 cd80 5b c3"))
old = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(
    ctypes.addressof(ctypes.c_char.from_buffer(code))
)
"""


def test_no_namespaces_of_ones_own(opened: Callable[..., LocalExecutor], seals: Containers, jobs: Path) -> None:
    architecture = {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine())
    if architecture is None:
        pytest.skip("there is no filter for this kind of machine")
    program = f"""
import os, struct

def cloned(number, flags):
    pid = library.syscall(number, flags | 17, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return "done" if pid > 0 else errno.errorcode[ctypes.get_errno()]

flags = {NAMESPACES!r}
found = {{f"unshare {{name}}": call({UNSHARE[architecture]}, flag) for name, flag in flags.items()}}
found["unshare time"] = call({UNSHARE[architecture]}, 0x80)
for name, flag in flags.items():
    found[f"clone {{name}}"] = cloned({CLONE[architecture]}, flag)
    arguments = ctypes.create_string_buffer(struct.pack("11Q", flag, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0))
    found[f"clone3 {{name}}"] = call(435, arguments, 88)
own = os.open("/proc/self/ns/user", os.O_RDONLY)
found["setns"] = call({SETNS[architecture]}, own, 0)
found["x32"] = call(0x40000000 + {UNSHARE[architecture]}, 0x10000000)
print(json.dumps(found))
"""
    sandbox = opened(seals)
    found = dict(tried(sandbox, jobs / "a", program))
    assert {key: what for key, what in found.items() if what not in {"EPERM", "ENOSYS"}} == {}
    assert len(found) == 3 * len(NAMESPACES) + 3
    # What needs no privilege goes on: threads, processes, a table of files of one's own.
    program = f"""
import subprocess, sys
thread = threading.Thread(target=lambda: None)
thread.start()
print(json.dumps({{"files": call({UNSHARE[architecture]}, 0x400), "run": subprocess.run(["true"]).returncode}}))
"""
    assert tried(sandbox, jobs / "b", program) == {"files": "done", "run": 0}


def test_no_namespaces_through_the_calls_of_32_bits(
    opened: Callable[..., LocalExecutor], seals: Containers, jobs: Path
) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("only x86_64 has calls of 32 bits in a process of 64 bits")
    sandbox = opened(seals)
    outcome = run(sandbox, jobs / "probe", "python", "-c", CALLS + IN_32_BITS + "print(old(20, 0, 0))").outcome
    if outcome.exit_code != 0:
        pytest.skip("this kernel has no calls of 32 bits")
    assert int(out(jobs / "probe")) > 0
    program = f"""
found = {{f"unshare {{name}}": old({UNSHARE[I386]}, flag, 0) for name, flag in {NAMESPACES!r}.items()}}
found |= {{f"clone {{name}}": old({CLONE[I386]}, flag | 17, 0) for name, flag in {NAMESPACES!r}.items()}}
found["clone3"], found["setns"] = old(435, 0, 0), old({SETNS[I386]}, 0, 0)
print(json.dumps(found))
"""
    found = tried(sandbox, jobs / "a", IN_32_BITS + program)
    assert set(map(str, found.values())) == {"-1", "-38"}


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
