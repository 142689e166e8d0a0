"""The executor in a process of its own: the contract, and what happens when that process dies."""

import contextlib
import os
import pickle
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import psutil
import pytest

from araneus.executors.apart import Apart
from araneus.executors.base import Ended, Found, Image, Literal, Mount, Submission
from araneus.executors.channel import Cancel, Say, Submit
from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.enclosure import Guarded, Host
from araneus.model.job import Reason, Resources
from araneus.testing.executor_contract import ExecutorContract, Start, submission, wait


@pytest.fixture
def apart() -> Iterator[Callable[..., Apart]]:
    """Makes executors with two cores and 2048 MiB, and closes them."""
    made: list[Apart] = []

    def make(containers: Containers | None = None, say: Callable[[str], None] = lambda _: None) -> Apart:
        containers = containers or Containers.detect("none")
        made.append(Apart(cores=2, memory=2048, containers=containers, say=say, grace=0.5))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def living() -> list[psutil.Process]:
    """The processes of executors, the newest last."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and "apart_process" in " ".join(child.cmdline()):
                found.append(child)
    return sorted(found, key=psutil.Process.create_time)


def kill(executor: Apart) -> list[Ended]:
    """Kill the executor's process and poll until another one has taken over; what ended meanwhile."""
    victim = living()[-1]
    victim.kill()
    ended: list[Ended] = []
    while not any(one.pid != victim.pid for one in living()):
        ended += executor.poll()
        time.sleep(0.001)
    return ended


class TestApart(ExecutorContract):
    """Without any enclosure."""

    @pytest.fixture
    def start(self, apart: Callable[..., Apart]) -> Start:
        return apart


class TestApartInBubblewrap(ExecutorContract):
    """In the sandbox."""

    @pytest.fixture
    def start(self, apart: Callable[..., Apart]) -> Start:
        try:
            containers = Containers.detect("bubblewrap")
        except UnavailableError as problem:
            pytest.skip(str(problem))
        return lambda: apart(containers)


def test_another_process_takes_over(apart: Callable[..., Apart], tmp_path: Path) -> None:
    said: list[str] = []
    executor = apart(say=said.append)
    for name in ("running", "waiting"):
        executor.submit(submission(tmp_path / name, "sh", "-c", "echo x >>started; sleep 2"))
    while not (tmp_path / "running" / "work" / "started").exists():
        time.sleep(0.01)
    ended = {report.attempt: report for report in kill(executor)}
    executor.submit(submission(tmp_path / "later", "true"))
    ended |= wait(executor, {"running", "waiting", "later"} - ended.keys())
    assert {name: report.outcome.reason for name, report in ended.items()} == dict.fromkeys(ended, Reason.SUCCEEDED)
    for name in ("running", "waiting"):
        assert (tmp_path / name / "work" / "started").read_text() == "x\n"
    assert said == ["The executor's process ended; another one takes over."]


def test_whatever_the_instant_of_its_death_each_attempt_runs_once(apart: Callable[..., Apart], tmp_path: Path) -> None:
    executor = apart()
    names = [f"a{number}" for number in range(30)]
    ended: list[Ended] = []
    for number, name in enumerate(names):
        executor.submit(submission(tmp_path / name, "sh", "-c", "echo x >>started"))
        if number % 10 == 5:
            time.sleep(0.003 * number)
            ended += kill(executor)
        ended += executor.poll()
    ended += wait(executor, set(names) - {report.attempt for report in ended}).values()
    assert sorted(report.attempt for report in ended) == sorted(names)
    assert all(report.outcome.reason is Reason.SUCCEEDED for report in ended), ended
    assert all((tmp_path / name / "work" / "started").read_text() == "x\n" for name in names)


def test_what_was_recovered_is_not_lost_with_the_process(apart: Callable[..., Apart], tmp_path: Path) -> None:
    first = apart()
    first.submit(submission(tmp_path / "a", "sleep", "2.5"))
    while not (tmp_path / "a" / "pid").exists():
        time.sleep(0.01)
    first.close()
    second = apart()
    assert second.recover({"a": tmp_path / "a", "never": tmp_path / "never"}) == {
        "a": Found.RUNNING,
        "never": Found.UNKNOWN,
    }
    (ended,) = kill(second) or wait(second, ["a"]).values()
    assert ended.outcome.reason is Reason.SUCCEEDED


def test_it_ends_with_its_scheduler_and_not_by_a_signal_to_all(apart: Callable[..., Apart], tmp_path: Path) -> None:
    executor = apart()
    executor.submit(submission(tmp_path / "a", "true"))
    wait(executor, ["a"])
    child = living()[-1]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        child.send_signal(number)
    executor.submit(submission(tmp_path / "b", "true"))
    wait(executor, ["b"])
    assert child.is_running()
    executor.close()
    assert not psutil.pid_exists(child.pid)


def test_who_may_run_bare_is_asked_for_each_tool(apart: Callable[..., Apart], tmp_path: Path) -> None:
    allowed = [True]
    executor = apart(Containers(bare=Guarded(Host(os.environ["PATH"]), lambda: allowed[0])))
    executor.submit(submission(tmp_path / "a", "true"))
    assert wait(executor, ["a"])["a"].outcome.reason is Reason.SUCCEEDED
    allowed[0] = False
    executor.submit(submission(tmp_path / "b", "true"))
    assert wait(executor, ["b"])["b"].outcome.reason is Reason.UNSUPPORTED


def test_a_flood_of_submissions_waits_for_nobody(apart: Callable[..., Apart], tmp_path: Path) -> None:
    executor = apart()
    names = [f"a{number}" for number in range(40)]
    for name in names:
        executor.submit(submission(tmp_path / name, "true", "x" * 50_000))
    assert all(report.outcome.exit_code == 0 for report in wait(executor, names).values())


def test_messages_stay_what_they_are(tmp_path: Path) -> None:
    whole = Submission(
        attempt="a",
        directory=tmp_path / "\udcff",
        command=("a", "b"),
        environment={"A": "b"},
        work="/w",
        temporary="/t",
        stdin="/i",
        stdout="o",
        stderr="e",
        mounts=(Mount(source=Path("/x y"), target="/in/x"), Mount(source=Path("/y"), target="/in/y", writable=True)),
        literals=(Literal(target="/w/a", content=b"\0", executable=True), Literal(target="/w/b", content=None)),
        resources=Resources(cores=0.5, memory=3, tmpdir=4, outdir=5),
        image=Image(pull="p", required=False),
        network=True,
        time_limit=2.5,
        interruptible=True,
        job={"name": "n", "inputs": {"x": [1, None, "é"]}},
    )
    assert all(getattr(whole, field.name) for field in fields(Submission))
    for message in (Submit(whole, allowed=False), Submit(submission(tmp_path, "true")), Say("x"), Cancel("a")):
        assert pickle.loads(pickle.dumps(message, pickle.HIGHEST_PROTOCOL)) == message
