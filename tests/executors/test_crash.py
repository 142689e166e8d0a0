"""A server that is killed with -9 finds its attempts again, and none runs twice."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.executors import jobdir, processes
from araneus.executors.base import Found
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason, Resources
from araneus.testing.executor_contract import SMALL, submission, wait

T = TypeVar("T")

SERVER = """
    import sys, time
    from datetime import UTC, datetime
    from pathlib import Path
    from araneus.executors.containers import Containers
    from araneus.executors.local import LocalExecutor
    from araneus.model.job import Resources
    from araneus.testing.executor_contract import submission

    jobs, line, count, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    executor = LocalExecutor(cores=100, memory=10**6, containers=Containers.detect(sys.argv[5]),
                             clock=lambda: datetime.now(UTC))
    print("ready", flush=True)
    for number in range(count):
        executor.submit(submission(jobs / f"n{number}", "sh", "-c", line, resources=Resources(cores=1, memory=1),
                                   time_limit=limit or None))
    while not all((jobs / f"n{number}" / "pid").exists() for number in range(count)):
        time.sleep(0.01)
    print("started", flush=True)
    time.sleep(300)
"""


class Server:
    """A process that submits attempts and waits to be killed."""

    def __init__(self, jobs: Path, line: str, count: int, limit: float = 0, enclosure: str = "none") -> None:
        arguments = [str(jobs), line, str(count), str(limit), enclosure]
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVER), *arguments], stdout=subprocess.PIPE, text=True
        )
        self.expect("ready")

    def expect(self, word: str) -> None:
        """Wait for a line of the server."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == word

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.communicate()


def starts(jobs: Path, name: str) -> int:
    file = jobs / name / "work" / "started"
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.mark.parametrize("enclosure", ["none", "bubblewrap"])
def test_running_attempts_outlive_the_server(opened: Callable[..., LocalExecutor], jobs: Path, enclosure: str) -> None:
    server = Server(jobs, "sleep 1.5; echo done; exit 7", 3, enclosure=enclosure)
    server.expect("started")
    server.kill()
    executor = opened(Containers.detect(enclosure))
    directories = {f"n{number}": jobs / f"n{number}" for number in range(3)}
    assert executor.recover(directories) == dict.fromkeys(directories, Found.RUNNING)
    reports = wait(executor, directories)
    assert {report.outcome.exit_code for report in reports.values()} == {7}
    assert (jobs / "n0" / "job.out.log").read_text() == "done\n"


@pytest.mark.parametrize("delay", [0.0, 0.004, 0.01, 0.02, 0.04])
def test_whatever_the_instant_of_the_kill_each_attempt_runs_once(host: LocalExecutor, jobs: Path, delay: float) -> None:
    count = 60
    server = Server(jobs, "echo x >>started", count)
    time.sleep(delay)
    server.kill()
    directories = {f"n{number}": jobs / f"n{number}" for number in range(count)}
    found = host.recover(directories)
    unknown = [name for name, state in found.items() if state is Found.UNKNOWN]
    wait(host, directories.keys() - set(unknown))
    for name in unknown:
        host.submit(submission(jobs / name, "sh", "-c", "echo x >>started", resources=Resources(cores=0, memory=0)))
    wait(host, unknown)
    assert [starts(jobs, name) for name in directories] == [1] * count


def test_a_time_limit_holds_across_a_crash(host: LocalExecutor, jobs: Path) -> None:
    server = Server(jobs, "sleep 60", 1, limit=0.7)
    server.expect("started")
    server.kill()
    assert host.recover({"n0": jobs / "n0"}) == {"n0": Found.RUNNING}
    assert wait(host, ["n0"], 5)["n0"].outcome.reason is Reason.TIME_LIMIT


def test_a_killed_wrapper_is_lost_and_its_children_are_ended(host: LocalExecutor, jobs: Path) -> None:
    host.submit(submission(jobs / "a", "sh", "-c", "setsid sleep 61 & sleep 62"))
    pid = until(lambda: jobdir.examine(jobs / "a").pid)
    until(lambda: len(alive("a", jobs)) >= 4)
    os.kill(pid, signal.SIGKILL)
    assert wait(host, ["a"])["a"].outcome.reason is Reason.LOST
    assert alive("a", jobs) == {}


def test_a_wrapper_killed_while_the_server_was_away_is_lost(opened: Callable[..., LocalExecutor], jobs: Path) -> None:
    server = Server(jobs, "sleep 63", 1)
    server.expect("started")
    pid = until(lambda: jobdir.examine(jobs / "n0").pid)
    until(lambda: len(alive("n0", jobs)) >= 2)
    server.kill()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not jobdir.is_held(jobs / "n0"))
    assert alive("n0", jobs)
    executor = opened(Containers.detect("none"))
    assert executor.recover({"n0": jobs / "n0"}) == {"n0": Found.ENDED}
    assert alive("n0", jobs) == {}
    assert wait(executor, ["n0"])["n0"].outcome.reason is Reason.LOST


def test_a_reused_process_id_is_not_mistaken_for_the_wrapper(host: LocalExecutor, jobs: Path) -> None:
    """The pid file names a living process that has nothing to do with the attempt."""
    with subprocess.Popen(["sleep", "64"]) as stranger:
        (jobs / "a").mkdir()
        (jobs / "a" / "pid").write_text(f"{stranger.pid}\n")
        assert host.recover({"a": jobs / "a"}) == {"a": Found.ENDED}
        assert wait(host, ["a"])["a"].outcome.reason is Reason.LOST
        assert stranger.poll() is None
        stranger.kill()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pid=st.none() | st.binary(max_size=14), code=st.none() | st.binary(max_size=6), record=st.binary(max_size=40))
def test_no_content_of_a_job_directory_breaks_recovery(
    tmp_path_factory: pytest.TempPathFactory, pid: bytes | None, code: bytes | None, record: bytes
) -> None:
    directory = tmp_path_factory.mktemp("hostile")
    for name, content in (("pid", pid), ("exit_code", code), ("attempt.json", record)):
        if content is not None:
            (directory / name).write_bytes(content)
    finding = jobdir.examine(directory)
    assert finding.trace is not jobdir.Trace.ALIVE
    if finding.trace is jobdir.Trace.ENDED:
        assert code is not None
        assert code.endswith(b"\n")
        assert finding.exit_code == int(code)
    jobdir.read_record(directory)


@pytest.mark.parametrize("name", ["pid", "exit_code", "attempt.json"])
def test_a_pipe_or_a_link_in_place_of_a_file_counts_as_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "target").write_text("5\n")
    (tmp_path / "pid").write_text("1\n")
    (tmp_path / "exit_code").write_text("0\n")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to("target")
    assert jobdir.read_small(tmp_path / name) is None
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert jobdir.read_small(tmp_path / name) is None
    expected = {"pid": jobdir.Trace.NOT_STARTED, "exit_code": jobdir.Trace.LOST, "attempt.json": jobdir.Trace.ENDED}
    assert jobdir.examine(tmp_path).trace is expected[name]


def test_an_unfinished_exit_code_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("1\n")
    (tmp_path / "exit_code").write_text("12")
    assert jobdir.examine(tmp_path).trace is jobdir.Trace.LOST
    (tmp_path / "exit_code").write_text("12\n")
    assert jobdir.examine(tmp_path).exit_code == 12


def test_a_record_beyond_all_bounds_is_no_record(tmp_path: Path) -> None:
    for text in ('{"memory": 1e999}', "[" * 100_000, '{"cores": []}', "3", '{"time_limit": "soon"}'):
        (tmp_path / "attempt.json").write_text(text)
        assert jobdir.read_record(tmp_path) is None


def test_a_time_limit_of_centuries(host: LocalExecutor, jobs: Path) -> None:
    host.submit(submission(jobs / "a", "true", time_limit=1e300))
    host.submit(submission(jobs / "b", "sleep", "60", time_limit=0.3))
    assert wait(host, ["a", "b"], 5)["b"].outcome.reason is Reason.TIME_LIMIT


def test_what_an_unfinished_submission_left_is_thrown_away(host: LocalExecutor, jobs: Path) -> None:
    directory = jobs / "a"
    for name in ("work", "tmp", "inputs"):
        (directory / name).mkdir(parents=True)
    (directory / "work" / "half").write_text("written by a submission that was killed")
    lock = jobdir.claim(directory)
    assert lock is not None
    assert not jobdir.write_record(lock, jobdir.Record(attempt="a"))
    os.close(lock)
    host.submit(submission(directory, "ls", resources=SMALL))
    assert wait(host, ["a"])["a"].outcome.exit_code == 0
    assert (directory / "job.out.log").read_text() == ""


def alive(attempt: str, jobs: Path) -> dict[int, int]:
    """The living processes of an attempt, by other evidence than its session."""
    return processes.belonging([processes.Suspect(attempt=attempt, directory=str(jobs / attempt))])[attempt]


def until(look: Callable[[], T | None], patience: float = 5.0) -> T:
    """The first true answer."""
    deadline = time.monotonic() + patience
    while True:
        found = look()
        if found or time.monotonic() > deadline:
            assert found
            return found
        time.sleep(0.005)
