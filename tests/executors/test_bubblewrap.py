"""In the sandbox a tool sees its own job, this machine's programs, and nothing else."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from araneus.executors.base import Literal, Mount
from araneus.executors.bubblewrap import Bubblewrap
from araneus.executors.containers import Containers, UnavailableError, default_path
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.testing.executor_contract import submission, wait
from tests.executors.test_local import _sleepers, out, run


@pytest.fixture(scope="module", params=["bound", "copied"])
def containers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Containers:
    """The sandbox with /etc in a dozen mounts, and with a copy of it in one."""
    etc = tmp_path_factory.mktemp("etc") if request.param == "copied" else None
    try:
        return Containers.detect("bubblewrap", etc=etc)
    except UnavailableError as problem:
        pytest.skip(str(problem))


@pytest.fixture
def sandbox(opened: Callable[..., LocalExecutor], containers: Containers) -> LocalExecutor:
    return opened(containers)


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    folder.mkdir()
    (folder / "other").write_bytes(b"somebody else's")
    blob = folder / "0123abcd"
    blob.write_bytes(b"content\n")
    blob.chmod(0o444)
    return blob


def test_nothing_private_of_etc_is_there(sandbox: LocalExecutor, jobs: Path) -> None:
    # To find nothing would prove nothing, were the certificates not there, either.
    script = "ls -d /etc/ssl/certs; find /etc -type f -not -perm -o=r; ls -d /etc/ssl/private"
    run(sandbox, jobs / "a", "sh", "-c", script)
    assert out(jobs / "a") == "/etc/ssl/certs\n"


def test_what_is_public_of_etc_is_there(sandbox: LocalExecutor, jobs: Path) -> None:
    script = "cat /etc/passwd; getent passwd root >&2; cat /etc/localtime | wc -c; ls /etc/ssl/certs | wc -l"
    assert run(sandbox, jobs / "a", "sh", "-c", script).outcome.exit_code == 0
    count = len(os.listdir("/etc/ssl/certs"))  # noqa: PTH208
    size = Path("/etc/localtime").stat().st_size
    assert out(jobs / "a") == f"{Path('/etc/passwd').read_text()}{size}\n{count}\n"
    assert (jobs / "a" / "job.err.log").read_text().startswith("root:")


def test_etc_cannot_be_changed(sandbox: LocalExecutor, jobs: Path) -> None:
    script = (
        "for f in /etc/passwd /etc/ssl/certs /etc/hosts; do chmod 777 $f && echo changed $f; done; rm /etc/passwd &&"
        " echo removed; echo evil >>/etc/passwd && echo written; mv /etc/ssl /etc/x && echo moved; touch /etc/y"
    )
    before = Path("/etc/passwd").stat()
    run(sandbox, jobs / "a", "sh", "-c", script)
    assert out(jobs / "a") == ""
    assert Path("/etc/passwd").stat().st_ctime_ns == before.st_ctime_ns
    run(sandbox, jobs / "b", "cat", "/etc/passwd")
    assert out(jobs / "b") == Path("/etc/passwd").read_text()


def test_names_are_looked_up_as_on_this_machine_with_the_network(sandbox: LocalExecutor, jobs: Path) -> None:
    run(sandbox, jobs / "a", "cat", "/etc/resolv.conf", "/etc/hosts", network=True)
    assert out(jobs / "a") == Path("/etc/resolv.conf").read_text() + Path("/etc/hosts").read_text()
    run(sandbox, jobs / "b", "cat", "/etc/resolv.conf", "/etc/hosts")
    assert Path("/etc/hosts").read_text() not in out(jobs / "b")


def test_an_input_below_etc(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    target = "/etc/tool/settings"
    run(sandbox, jobs / "a", "cat", target, mounts=(Mount(source=blob, target=target),))
    assert out(jobs / "a") == "content\n"


def test_other_files_are_not_there(sandbox: LocalExecutor, jobs: Path, tmp_path: Path, blob: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    hidden = [
        tmp_path / "secret",
        blob,
        Path("/etc/shadow"),
        Path("/root/.bashrc"),
        Path("/home"),
        jobs / "b",
        Path("/sys"),
    ]
    script = "".join(f"ls -d '{path}'\n" for path in hidden)
    (jobs / "b").mkdir()
    assert run(sandbox, jobs / "a", "sh", "-c", script).outcome.exit_code == 2
    assert out(jobs / "a") == ""


def test_the_files_of_the_job_directory_are_out_of_reach(sandbox: LocalExecutor, jobs: Path) -> None:
    directory = jobs / "a"
    run(sandbox, directory, "sh", "-c", f"ls -A {directory}; echo 0 >{directory}/exit_code; exit 5")
    assert out(directory).split() == ["tmp", "work"]
    assert (directory / "exit_code").read_text() == "5\n"


def test_the_system_is_read_only(sandbox: LocalExecutor, jobs: Path) -> None:
    script = "for f in /usr/bin/x /etc/x /bin/x; do touch $f && echo wrote $f; done; touch /tmp/y $TMPDIR/z $HOME/w"
    run(sandbox, jobs / "a", "sh", "-c", script)
    assert out(jobs / "a") == ""
    assert not Path("/tmp/y").exists()
    assert (jobs / "a" / "tmp" / "z").exists()
    assert (jobs / "a" / "work" / "w").exists()


def test_processes_of_others_are_not_seen(sandbox: LocalExecutor, jobs: Path) -> None:
    run(sandbox, jobs / "a", "sh", "-c", "ls -d /proc/[0-9]*")
    assert len(out(jobs / "a").split()) <= 3


def test_no_capabilities(sandbox: LocalExecutor, jobs: Path) -> None:
    run(sandbox, jobs / "a", "grep", "-E", "^(CapEff|CapPrm|CapBnd|NoNewPrivs)", "/proc/self/status")
    seen = dict(line.split() for line in out(jobs / "a").splitlines())
    assert seen == {"CapPrm:": "0" * 16, "CapEff:": "0" * 16, "CapBnd:": "0" * 16, "NoNewPrivs:": "1"}


def test_an_archive_of_somebody_elses_files_can_be_unpacked(sandbox: LocalExecutor, jobs: Path) -> None:
    script = "echo x >x; tar -c --owner=1001 --group=1001 -f a.tar x && rm x && tar -xf a.tar && id -u"
    assert run(sandbox, jobs / "a", "sh", "-c", script).outcome.exit_code == 0
    assert (jobs / "a" / "work" / "x").stat().st_uid == os.geteuid()
    assert out(jobs / "a").strip() != "0"


def test_network_only_on_request(sandbox: LocalExecutor, jobs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert run(sandbox, jobs / "a", "python", "-c", program).outcome.exit_code == 1
        assert run(sandbox, jobs / "b", "python", "-c", program, network=True).outcome.exit_code == 0


def test_inputs_are_plain_read_only_files_at_their_targets(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    directory = jobs / "a"
    target = f"{directory}/inputs/1/in put.txt"
    script = f"cat '{target}'; readlink -f '{target}'; ls {directory}/inputs/1; echo x >'{target}' || rm -f '{target}'"
    run(
        sandbox,
        directory,
        *("sh", "-c", script),
        mounts=(Mount(source=blob, target=target),),
        literals=(Literal(target=f"{directory}/inputs/1/list", content=b"l"),),
    )
    assert out(directory) == f"content\n{target}\nin put.txt\nlist\n"
    assert blob.read_bytes() == b"content\n"


def test_files_in_the_working_directory(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    directory = jobs / "a"
    mounts = (
        Mount(source=blob, target=str(directory / "work/linked")),
        Mount(source=blob, target=str(directory / "work/mine"), writable=True),
    )
    literal = Literal(target=str(directory / "work/go"), content=b"#!/bin/sh\ncat linked mine\n", executable=True)
    script = "./go; echo more >>mine; echo more >>linked"
    report = run(sandbox, directory, "sh", "-c", script, mounts=mounts, literals=(literal,))
    assert report.outcome.exit_code == 2
    assert out(directory) == "content\ncontent\n"
    assert (directory / "work" / "linked").readlink() == blob
    assert (directory / "work" / "mine").read_text() == "content\nmore\n"
    assert blob.read_bytes() == b"content\n"


def test_a_directory_of_inputs(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    folder = f"{jobs}/a/inputs/1/folder"
    things = {
        "mounts": (Mount(source=blob, target=f"{folder}/x"), Mount(source=blob.parent, target=f"{folder}/whole")),
        "literals": (Literal(target=folder, content=None), Literal(target=f"{folder}/empty", content=None)),
    }
    run(sandbox, jobs / "a", "find", folder, "-type", "f", **things)
    assert sorted(out(jobs / "a").split()) == [f"{folder}/whole/0123abcd", f"{folder}/whole/other", f"{folder}/x"]


def test_many_inputs_cost_one_bind(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    directory = jobs / "a"
    folder = blob.parent / "folder"
    folder.mkdir()
    (folder / "inner").write_text("inner")
    target = f"{directory}/inputs"
    mounts = (
        *(Mount(source=blob, target=f"{target}/{number}/x.txt") for number in range(300)),
        Mount(source=folder, target=f"{target}/300/folder"),
        Mount(source=blob, target=str(directory / "work/linked")),
    )
    literals = (
        Literal(target=f"{target}/301/list", content=b"l\n"),
        Literal(target=f"{target}/302/folder", content=None),
        Literal(target=f"{target}/302/folder/inner", content=b"i\n"),
    )
    script = (
        f"cat {target}/*/x.txt | wc -l; cat linked {target}/301/list {target}/302/folder/inner; ls {target}/300/folder;"
        f" chmod 666 {target}/7/x.txt; echo evil >{target}/8/x.txt; rm {target}/9/x.txt; touch {target}/new"
    )
    began = time.monotonic()
    run(sandbox, directory, "sh", "-c", script, mounts=mounts, literals=literals)
    assert time.monotonic() - began < 5
    assert out(directory) == "300\ncontent\nl\ni\ninner\n"
    assert (directory / "job.err.log").read_text().count("Read-only file system") == 4
    assert blob.read_bytes() == b"content\n"
    assert blob.stat().st_mode & 0o777 == 0o444


def test_stdin_from_an_input(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    target = f"{jobs}/a/inputs/1/x"
    run(sandbox, jobs / "a", "cat", stdin=target, mounts=(Mount(source=blob, target=target),))
    assert out(jobs / "a") == "content\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "{work}/../secret", "{work}/link/secret"])
def test_stdin_reaches_nothing_else(sandbox: LocalExecutor, jobs: Path, path: str) -> None:
    path = path.format(work=jobs / "a" / "work")
    outcome = run(sandbox, jobs / "a", "cat", stdin=path).outcome
    assert outcome.reason in {Reason.BAD_INPUT, Reason.NOT_STARTED}
    assert not (jobs / "a" / "exit_code").exists()


def test_stdout_does_not_write_through_a_staged_input(sandbox: LocalExecutor, jobs: Path, blob: Path) -> None:
    mounts = (Mount(source=blob, target=f"{jobs}/a/work/out"),)
    run(sandbox, jobs / "a", "echo", "evil", mounts=mounts, stdout="out")
    assert blob.read_bytes() == b"content\n"
    assert (jobs / "a" / "work" / "out").read_text() == "evil\n"


def test_a_working_directory_of_another_name(sandbox: LocalExecutor, jobs: Path) -> None:
    run(sandbox, jobs / "a", "sh", "-c", "pwd; touch here", work="/var/spool/cwl")
    assert out(jobs / "a") == "/var/spool/cwl\n"
    assert (jobs / "a" / "work" / "here").exists()


def test_a_command_that_the_sandbox_does_not_show(
    opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path
) -> None:
    tool = tmp_path / "bin" / "mytool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    path = f"{tool.parent}:{default_path()}"
    hidden = opened(Containers.detect("bubblewrap", path=path))
    assert run(hidden, jobs / "a", "mytool").outcome.reason is Reason.COMMAND_NOT_FOUND
    shown = opened(Containers.detect("bubblewrap", path=path, read_only=[tool.parent]))
    assert run(shown, jobs / "b", "mytool").outcome.exit_code == 0
    missing = run(shown, jobs / "c", "/usr/bin/env", "no-such-command").outcome
    assert (missing.reason, missing.exit_code) == (Reason.SUCCEEDED, 127)
    bad = Literal(target=f"{jobs}/d/work/bad", content=b"#!/no/such/interpreter\n", executable=True)
    outcome = run(shown, jobs / "d", "./bad", literals=(bad,)).outcome
    assert outcome.reason is Reason.COMMAND_NOT_FOUND
    assert "./bad" in outcome.message


def test_daemons_end_with_the_tool(sandbox: LocalExecutor, jobs: Path) -> None:
    script = "(env -i setsid sleep 81 </dev/null >/dev/null 2>&1 &); sleep 0.1; exit 3"
    assert run(sandbox, jobs / "a", "sh", "-c", script).outcome.exit_code == 3
    deadline = time.monotonic() + 2.0
    while _sleepers(jobs / "a") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _sleepers(jobs / "a") == []


@pytest.mark.parametrize("how", ["cancel", "kill the wrapper"])
def test_the_whole_sandbox_ends(sandbox: LocalExecutor, jobs: Path, how: str) -> None:
    directory = jobs / "a"
    sandbox.submit(
        submission(directory, "sh", "-c", "touch started; (env -i setsid sleep 82 &); trap '' TERM; sleep 82")
    )
    deadline = time.monotonic() + 10
    while not (directory / "work" / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if how == "cancel":
        sandbox.cancel("a")
    else:
        os.kill(int((directory / "pid").read_text()), 9)
    expected = Reason.CANCELLED if how == "cancel" else Reason.LOST
    assert wait(sandbox, ["a"], 5.0)["a"].outcome.reason is expected
    found = subprocess.run(["pgrep", "-fx", "sleep 82"], capture_output=True, text=True, check=False).stdout
    assert found == ""


def test_detection_is_real() -> None:
    assert not Bubblewrap(default_path(), program="no-such-bwrap").works()
    assert not Bubblewrap(default_path(), program="false").works()


def test_a_copy_of_etc_that_cannot_be_made(opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sandbox = opened(Containers.detect("bubblewrap", etc=tmp_path / "file" / "etc"))
    assert run(sandbox, jobs / "a", "cat", "/etc/passwd").outcome.exit_code == 0
    assert out(jobs / "a") == Path("/etc/passwd").read_text()


def test_a_copy_of_etc_is_made_when_it_pays(opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path) -> None:
    sandbox = opened(Containers.detect("bubblewrap", etc=tmp_path / "etc", patience=3))
    mounts = []
    for name in "abcd":
        run(sandbox, jobs / name, "grep", "-c", " /etc", "/proc/self/mountinfo")
        mounts.append(int(out(jobs / name)))
    assert mounts[0] == mounts[1] > 1
    assert mounts[2] == mounts[3] == 1
    assert len(list((tmp_path / "etc").iterdir())) == 1


def test_choices_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UnavailableError, match="apptainer"):
        Containers.detect("apptainer")


def test_warnings_say_what_is_not_protected(containers: Containers) -> None:
    assert len(containers.warnings) == 1
    assert len(Containers.detect("none").warnings) == 2


def test_variables_of_a_tool_reach_nothing_outside_of_it(sandbox: LocalExecutor, jobs: Path, tmp_path: Path) -> None:
    # The dynamic loader obeys these in any program, so also in those that come before the sandbox is closed.
    environment = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(tmp_path / "escaped"), "LD_PRELOAD": "libno-such.so"}
    report = run(sandbox, jobs / "a", "sh", "-c", "echo $LD_DEBUG", environment=environment)
    assert report.outcome.exit_code == 0
    assert out(jobs / "a") == "files\n"
    assert list(tmp_path.glob("escaped*")) == []
