"""What LocalExecutor gives a tool, and what it does when tools misbehave; without any enclosure."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from araneus.executors import processes
from araneus.executors.base import Ended, Image
from araneus.executors.containers import Containers
from araneus.executors.enclosure import Host
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.testing.executor_contract import quiet, submission, wait


def run(executor: LocalExecutor, directory: Path, *command: str, **changes: Any) -> Ended:
    """Run one attempt to its end."""
    executor.submit(submission(directory, *command, **changes))
    return wait(executor, [directory.name])[directory.name]


def out(directory: Path) -> str:
    return (directory / "job.out.log").read_text()


def test_the_job_directory_tells_people_what_ran(host: LocalExecutor, jobs: Path) -> None:
    report = run(host, jobs / "a", "echo", "two words", "it's", job={"name": "say", "inputs": {"n": 1}})
    assert (jobs / "a" / "cmd.log").read_text() == "echo 'two words' 'it'\"'\"'s'\n"
    assert json.loads((jobs / "a" / "job.json").read_text()) == {"name": "say", "inputs": {"n": 1}}
    assert out(jobs / "a") == "two words it's\n"
    assert (jobs / "a" / "exit_code").read_text() == "0\n"
    assert report.outcome.message == ""


def test_the_environment_is_explicit(host: LocalExecutor, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARANEUS_SECRET_TOKEN", "leaked")
    run(
        host,
        jobs / "a",
        "env",
        "-0",
        environment={"X": "1 'two'\n3", "a.b": "odd", "PATH": "/usr/bin:/bin", "IFS": ","},
    )
    seen = dict(entry.split("=", 1) for entry in out(jobs / "a").rstrip("\0").split("\0"))
    work = str(jobs / "a" / "work")
    assert seen == {
        "HOME": work,
        "PWD": work,
        "TMPDIR": str(jobs / "a" / "tmp"),
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "X": "1 'two'\n3",
        "a.b": "odd",
        "IFS": ",",
        "ARANEUS_ATTEMPT": f"a@{jobs / 'a'}",
    }


def test_variables_of_the_wrapper_are_not_the_tools(host: LocalExecutor, jobs: Path) -> None:
    given = dict.fromkeys(("job", "code", "file", "engine", "name", "x"), "mine")
    run(host, jobs / "a", "env", environment=given)
    assert out(jobs / "a").count("=mine\n") == len(given)


@pytest.mark.parametrize("name", ["", "a=b"])
def test_an_impossible_variable_is_refused(host: LocalExecutor, jobs: Path, name: str) -> None:
    outcome = run(host, jobs / "a", "true", environment={name: "x"}).outcome
    assert outcome.reason is Reason.BAD_INPUT
    assert repr(name) in outcome.message


def test_the_mark_cannot_be_changed_by_a_document(host: LocalExecutor, jobs: Path) -> None:
    run(host, jobs / "a", "sh", "-c", "echo $ARANEUS_ATTEMPT", environment={"ARANEUS_ATTEMPT": "other"})
    assert out(jobs / "a") == f"a@{jobs / 'a'}\n"


def test_no_descriptor_of_the_server_leaks(host: LocalExecutor, jobs: Path) -> None:
    run(host, jobs / "a", "sh", "-c", "ls /proc/$$/fd")
    assert out(jobs / "a").split() == ["0", "1", "2"]


def test_signals_start_with_their_defaults(host: LocalExecutor, jobs: Path) -> None:
    run(host, jobs / "a", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    # Those above 31 belong to the C library.
    assert [int(line.split()[1], 16) & 0x7FFFFFFF for line in out(jobs / "a").splitlines()] == [0, 0]


def test_work_directory_streams_and_modes(host: LocalExecutor, jobs: Path) -> None:
    script = "pwd; cat; echo problem >&2; umask; ulimit -c; touch here"
    run(host, jobs / "a", "sh", "-c", script, stdout="sub/out.txt", stderr="err.txt")
    work = jobs / "a" / "work"
    assert (work / "sub" / "out.txt").read_text() == f"{work}\n0022\n0\n"
    assert (work / "err.txt").read_text() == "problem\n"
    assert (work / "here").exists()
    assert out(jobs / "a") == ""


def test_one_file_for_both_streams(host: LocalExecutor, jobs: Path) -> None:
    run(host, jobs / "a", "sh", "-c", "echo 1; echo 2 >&2; echo 3", stdout="log", stderr="log")
    assert (jobs / "a" / "work" / "log").read_text() == "1\n2\n3\n"


@pytest.mark.parametrize("name", ["/tmp/out", "../out", "a/../../out", "", "."])
def test_a_stream_stays_in_the_working_directory(host: LocalExecutor, jobs: Path, name: str) -> None:
    outcome = run(host, jobs / "a", "true", stdout=name).outcome
    assert outcome.reason is Reason.BAD_INPUT
    assert repr(name) in outcome.message


def test_a_command_by_path(host: LocalExecutor, jobs: Path) -> None:
    assert run(host, jobs / "a", "/bin/true").outcome.exit_code == 0
    (jobs / "plain").write_text("#!/bin/sh\n")
    outcome = run(host, jobs / "b", str(jobs / "plain")).outcome
    assert outcome.reason is Reason.COMMAND_NOT_FOUND
    assert "not executable" in outcome.message
    assert run(host, jobs / "c", "./nothing").outcome.reason is Reason.COMMAND_NOT_FOUND
    assert run(host, jobs / "d").outcome.reason is Reason.NOT_STARTED


def test_impossible_command_lines_are_outcomes(host: LocalExecutor, jobs: Path) -> None:
    assert "longer than this system allows" in run(host, jobs / "a", "echo", "x" * 200_000).outcome.message
    assert run(host, jobs / "b", "echo", "a\0b").outcome.reason is Reason.NOT_STARTED
    assert run(host, jobs / "c", "echo", "\ud800").outcome.reason is Reason.NOT_STARTED
    assert run(host, jobs / "d", "printf", "%s", "--", "-n", "\udcff").outcome.exit_code == 0


def test_a_signal_is_its_exit_code(host: LocalExecutor, jobs: Path) -> None:
    outcome = run(host, jobs / "a", "sh", "-c", "kill -SEGV $$").outcome
    assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 139)


def test_a_tool_that_signals_its_whole_group_does_not_end_the_wrapper(host: LocalExecutor, jobs: Path) -> None:
    outcome = run(host, jobs / "a", "sh", "-c", "trap '' TERM; kill 0; exit 4").outcome
    assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 4)


def test_a_directory_that_cannot_be_made_is_an_outcome(host: LocalExecutor, jobs: Path) -> None:
    (jobs / "file").write_text("")
    outcome = run(host, jobs / "file" / "a", "true").outcome
    assert outcome.reason is Reason.NOT_STARTED
    assert str(jobs / "file") in outcome.message


def test_a_required_image_without_an_engine(host: LocalExecutor, jobs: Path) -> None:
    outcome = run(host, jobs / "a", "true", image=Image(pull="debian:12")).outcome
    assert outcome.reason is Reason.UNSUPPORTED
    assert "debian:12" in outcome.message
    assert run(host, jobs / "b", "true", image=Image(pull="debian:12", required=False)).outcome.exit_code == 0


def test_a_working_directory_elsewhere_needs_a_container(host: LocalExecutor, jobs: Path) -> None:
    assert run(host, jobs / "a", "true", work="/somewhere").outcome.reason is Reason.UNSUPPORTED


def test_a_full_disk_is_an_outcome(opened: Callable[..., LocalExecutor], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=False).returncode
    ):
        pytest.skip("mounting a small file system is not allowed here")
    try:
        executor = opened(Containers.detect("none"))
        _fill(small / "filler")
        outcome = run(executor, small / "a", "true").outcome
        assert outcome.reason is Reason.DISK_FULL
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def test_the_exit_code_survives_a_disk_that_fills_up(opened: Callable[..., LocalExecutor], tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        executor = opened(Containers.detect("none"))
        report = run(executor, small / "a", "sh", "-c", "cat /dev/zero >fill; exit 6")
        assert report.outcome.exit_code == 6
    finally:
        subprocess.run(["umount", "-l", small], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            return


ESCAPES = {
    "group": "sleep 71 & wait",
    "ignores SIGTERM": "trap '' TERM; sleep 72 & while true; do sleep 0.1; done",
    "session": "setsid sleep 73 & wait",
    "daemon": "(setsid sh -c 'sleep 74 & sleep 74' </dev/null >/dev/null 2>&1 &); sleep 74",
    "no environment": "env -i setsid sh -c 'sleep 75; echo' & sleep 75",
    "orphan without environment": "(env -i setsid sleep 76 &); sleep 76",
    "fork loop": "while true; do (setsid sleep 77 &); sleep 0.01; done",
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_cancelling_ends_the_whole_tree(host: LocalExecutor, jobs: Path, escape: str) -> None:
    directory = jobs / "a"
    host.submit(submission(directory, "sh", "-c", f"touch started; {ESCAPES[escape]}"))
    _wait_for(directory / "work" / "started")
    time.sleep(0.1)
    assert _sleepers(directory)
    began = time.monotonic()
    host.cancel("a")
    assert wait(host, ["a"], 5.0)["a"].outcome.reason is Reason.CANCELLED
    assert time.monotonic() - began < 5.0
    assert _sleepers(directory) == []
    quiet(host)


def test_what_a_tool_leaves_in_its_group_ends_with_it(host: LocalExecutor, jobs: Path) -> None:
    assert run(host, jobs / "a", "sh", "-c", "sleep 78 & exit 0").outcome.exit_code == 0
    assert _sleepers(jobs / "a") == []


def test_other_attempts_and_the_server_are_left_alone(host: LocalExecutor, jobs: Path) -> None:
    with subprocess.Popen(["sleep", "79"], cwd=jobs) as stranger:
        host.submit(submission(jobs / "a", "sleep", "79"))
        host.submit(submission(jobs / "ab", "sleep", "79"))
        _wait_for(jobs / "a" / "pid")
        _wait_for(jobs / "ab" / "pid")
        host.cancel("a")
        wait(host, ["a"])
        assert stranger.poll() is None
        assert _sleepers(jobs / "ab")
        host.cancel("ab")
        wait(host, ["ab"])
        stranger.kill()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _sleepers(directory: Path) -> list[str]:
    """Command lines of living processes whose working directory is the job's, found without the code under test."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
                if state not in "ZX" and (entry / "cwd").readlink() == directory / "work":
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
    return found


def test_sending_to_a_process_id_that_was_reused_does_nothing() -> None:
    with subprocess.Popen(["sleep", "80"]) as other:
        processes.send({other.pid: 1}, signal.SIGKILL)
        time.sleep(0.05)
        assert other.poll() is None
        other.kill()


def test_the_path_of_tools_can_be_set(opened: Callable[..., LocalExecutor], jobs: Path, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "mytool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho mine\n")
    tool.chmod(0o755)
    executor = opened(Containers(bare=Host(f"{tool.parent}:/bin")))
    run(executor, jobs / "a", "mytool")
    assert out(jobs / "a") == "mine\n"
