"""Limits without containers, where control groups can be made: real ones of version 1, files as version 2 has them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from araneus.executors.cgroup_layout import CONTROLLERS, Seat, Shortage
from araneus.executors.cgroups import Cgroups, unenforced
from araneus.executors.containers import Containers
from araneus.executors.limits import Limits, Policy
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason, Resources
from araneus.testing.executor_contract import submission, wait
from tests.executors.conftest import now
from tests.executors.test_local import _sleepers, out, run

ALL = 700
HOG = "b = bytearray({} * 1024 * 1024); print(len(b))"
STATED = Resources(memory=64, memory_stated=True, memory_max=64)


@pytest.fixture
def groups(request: pytest.FixtureRequest) -> Iterator[Cgroups]:
    found = Cgroups.detect(f"araneus-test-{os.getpid()}", ALL)
    if found.controllers != {*CONTROLLERS}:
        pytest.skip(f"this user may only make control groups for {sorted(found.controllers)} here")
    yield found
    found.close()
    left = [seat.folder for seat in found._seats if seat.folder.exists()]
    assert left == []


@pytest.fixture(params=["none", "auto"])
def executor(request: pytest.FixtureRequest, groups: Cgroups) -> Iterator[LocalExecutor]:
    bare = Containers.detect(request.param).bare
    containers = Containers(bare=bare, groups=groups, policy=Policy(memory=ALL, processes=40))
    executor = LocalExecutor(cores=2, memory=2048, containers=containers, clock=now, grace=0.5)
    yield executor
    executor.close()


def test_a_tool_that_takes_too_much_ends(executor: LocalExecutor, jobs: Path) -> None:
    outcome = run(executor, jobs / "a", "python", "-c", HOG.format(200), resources=STATED).outcome
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert outcome.message.startswith("It used more than its limit of 64 MiB. 64 MiB were set aside for it. State")
    assert "ramMin" in outcome.message
    enough = Resources(memory=500, memory_stated=True)
    assert run(executor, jobs / "b", "python", "-c", HOG.format(200), resources=enough).outcome.exit_code == 0


def test_an_app_that_states_nothing_may_use_what_all_jobs_have(executor: LocalExecutor, jobs: Path) -> None:
    asked = Resources(memory=64)
    assert run(executor, jobs / "a", "python", "-c", HOG.format(400), resources=asked).outcome.exit_code == 0
    outcome = run(executor, jobs / "b", "python", "-c", HOG.format(900), resources=asked).outcome
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert f"{ALL} MiB" in outcome.message


def test_who_uses_more_than_was_set_aside_goes_first(executor: LocalExecutor, groups: Cgroups, jobs: Path) -> None:
    waiting = "import time, os; b = bytearray({} * 1024 * 1024); open('there', 'w').close(); time.sleep({})"
    honest = Resources(cores=0.5, memory=400, memory_stated=True, memory_max=600)
    executor.submit(submission(jobs / "honest", "python", "-c", waiting.format(350, 60), resources=honest))
    _wait_for(jobs / "honest" / "work" / "there")
    greedy = Resources(cores=0.5, memory=64)
    executor.submit(submission(jobs / "greedy", "python", "-c", waiting.format(600, 60), resources=greedy))
    ended = wait(executor, ["greedy"])
    assert list(ended) == ["greedy"]
    assert ended["greedy"].outcome.reason is Reason.OUT_OF_MEMORY
    assert "All jobs together" in ended["greedy"].outcome.message
    executor.cancel("honest")
    assert wait(executor, ["honest"])["honest"].outcome.reason is Reason.CANCELLED


def test_a_tool_that_goes_on_without_the_process_that_was_ended(executor: LocalExecutor, jobs: Path) -> None:
    script = f'python -c "{HOG.format(200)}" || {{ echo no result >&2; exit 1; }}'
    outcome = run(executor, jobs / "a", "sh", "-c", script, resources=STATED).outcome
    assert (outcome.reason, outcome.exit_code) == (Reason.OUT_OF_MEMORY, 1)
    assert "the tool then ended with exit code 1" in outcome.message
    script = script.replace("exit 1", "exit 0")
    outcome = run(executor, jobs / "b", "sh", "-c", script, resources=STATED).outcome
    assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 0)


def test_a_fork_bomb_ends_its_own_job_only(executor: LocalExecutor, groups: Cgroups, jobs: Path) -> None:
    bomb = "import os, time\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.01)"
    small = Resources(cores=0.5, memory=100)
    executor.submit(submission(jobs / "bomb", "python", "-c", bomb, resources=small, time_limit=1.0))
    executor.submit(submission(jobs / "other", "sh", "-c", "sleep 0.3; ls | wc -l; echo fine", resources=small))
    ended = wait(executor, ["bomb", "other"])
    assert ended["bomb"].outcome.reason is Reason.TIME_LIMIT
    assert ended["other"].outcome.exit_code == 0
    assert out(jobs / "other").endswith("fine\n")


def test_a_tool_that_is_refused_processes_is_told_why(executor: LocalExecutor, jobs: Path) -> None:
    script = "import os, time\nfor _ in range(60):\n  if not os.fork(): time.sleep(5); os._exit(0)"
    outcome = run(executor, jobs / "a", "python", "-c", script, resources=Resources(memory=100)).outcome
    assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 1)
    assert "limit of 40 processes" in outcome.message
    assert "BlockingIOError" in (jobs / "a" / "job.err.log").read_text()


def test_no_more_processor_time_than_was_stated(executor: LocalExecutor, jobs: Path) -> None:
    burn = "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\nprint(time.process_time())"
    asked = Resources(cores=0.2, cores_max=0.2)
    run(executor, jobs / "a", "python", "-c", burn, resources=asked)
    assert float(out(jobs / "a")) < 0.8


def test_nothing_escapes_the_group(executor: LocalExecutor, groups: Cgroups, jobs: Path) -> None:
    script = "trap '' TERM; (env -i setsid sleep 91 </dev/null >/dev/null 2>&1 &); touch started; sleep 91"
    executor.submit(submission(jobs / "a", "sh", "-c", script, time_limit=0.5))
    outcome = wait(executor, ["a"], 6.0)["a"].outcome
    assert outcome.reason is Reason.TIME_LIMIT
    assert "0.5 s" in outcome.message
    assert _sleepers(jobs / "a") == []
    assert groups.shortage("a") is None


def test_what_an_earlier_process_started_is_judged_alike(groups: Cgroups, jobs: Path) -> None:
    containers = Containers(groups=groups, policy=Policy(memory=ALL))
    first = LocalExecutor(cores=2, memory=2048, containers=containers, clock=now)
    script = f'sleep 0.5; exec python -c "{HOG.format(200)}"'
    first.submit(submission(jobs / "a", "sh", "-c", script, resources=STATED))
    _wait_for(jobs / "a" / "pid")
    first.close()
    second = LocalExecutor(cores=2, memory=2048, containers=containers, clock=now)
    second.recover({"a": jobs / "a"})
    outcome = wait(second, ["a"])["a"].outcome
    second.close()
    assert outcome.reason is Reason.OUT_OF_MEMORY
    assert "64 MiB" in outcome.message


def test_a_name_cannot_leave_the_directory(groups: Cgroups) -> None:
    for name in ("../x", "a/b", "", ".."):
        with pytest.raises(OSError, match="cannot be the name"):
            groups.make(name, Limits(memory=1, cores=None, weight=1, processes=1, badness=1))


def test_no_groups_where_there_are_none(tmp_path: Path) -> None:
    mountinfo = (
        f"35 31 0:32 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / {tmp_path} rw - cgroup2 c rw\n"
    )
    (tmp_path / "memory").mkdir()
    for text in ("", mountinfo):
        found = Cgroups.detect("x", 100, own="4:memory:/\n0::/\n", mountinfo=text)
        assert found.controllers == frozenset()
        assert found.make("a", Limits(memory=1, cores=None, weight=1, processes=1, badness=1)) == ()
        assert (found.shortage("a"), found.forks_refused("a")) == (None, False)
    assert list((tmp_path / "memory").iterdir()) == []
    assert "memory, processor time, the number of processes" in unenforced(())[0]
    assert "Delegate=yes" in unenforced({"memory"})[0]
    assert "limited for tools that run without an engine: processor time." in unenforced({"memory", "pids"})[0]
    assert unenforced(CONTROLLERS) == []


def test_the_wrapper_joins_version_1_as_a_thread(tmp_path: Path) -> None:
    # A process that changes groups waits for the whole machine, for up to 20 ms.
    groups = Cgroups([Seat(folder=tmp_path, controllers=(), unified=False)])
    joins = groups.make("a", Limits(memory=64, cores=1.5, weight=2, processes=40, badness=9))
    assert joins == (tmp_path / "a" / "tasks",)


def test_files_of_version_2(tmp_path: Path) -> None:
    group = tmp_path / "a"
    group.mkdir()
    names = ("memory.max", "memory.oom.group", "cpu.weight", "cpu.max", "pids.max", "cgroup.procs", "memory.events")
    for name in names:
        (group / name).write_text("")
    groups = Cgroups([Seat(folder=tmp_path, controllers=CONTROLLERS, unified=True)])
    joins = groups.make("a", Limits(memory=64, cores=1.5, weight=2, processes=40, badness=9))
    assert joins == (group / "cgroup.procs",)
    written = {name: (group / name).read_text() for name in names}
    assert written == {
        "memory.max": str(64 * 2**20), "memory.oom.group": "1", "cpu.weight": "200", "cpu.max": "150000 100000",
        "pids.max": "40", "cgroup.procs": "", "memory.events": "",
    }  # fmt: skip
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n")
    assert groups.shortage("a") is Shortage.OWN


def test_killing_a_group_of_version_2() -> None:
    top = Path("/sys/fs/cgroup/unified")
    if not (top / "cgroup.procs").exists():
        top = top.parent
    ours = top / f"araneus-test-{os.getpid()}"
    try:
        (ours / "a").mkdir(parents=True)
    except OSError as problem:
        pytest.skip(f"no group of version 2 can be made here: {problem}")
    groups = Cgroups([Seat(folder=ours, controllers=(), unified=True)])
    joins = groups.make("a", Limits(memory=64, cores=1.5, weight=2, processes=40, badness=9))
    script = 'echo 0 >"$0"; trap "" TERM; (setsid sleep 92 &); sleep 92'
    with subprocess.Popen(["sh", "-c", script, str(joins[0])]) as child:
        _wait_until(lambda: len(joins[0].read_text().split()) == 3)
        groups.end("a")
        assert child.wait(5) == -9
    assert joins[0].read_text() == ""
    groups.remove("a")
    groups.close()
    assert not ours.exists()


def test_the_machine_keeps_the_server(groups: Cgroups, jobs: Path) -> None:
    containers = Containers(groups=groups, policy=Policy(memory=ALL))
    executor = LocalExecutor(cores=2, memory=2048, containers=containers, clock=now)
    script = "import sys; print(open('/proc/self/oom_score_adj').read())"
    run(executor, jobs / "a", sys.executable, "-c", script, resources=Resources(memory=70))
    executor.close()
    assert int(out(jobs / "a")) == 900
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 900


def _wait_for(path: Path) -> None:
    _wait_until(path.exists)


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
