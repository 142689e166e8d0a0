"""What every `Executor` must do: a base class of tests that an executor's own tests inherit.

    class TestMyExecutor(ExecutorContract):
        @pytest.fixture
        def start(self, tmp_path): return lambda: MyExecutor(...)    # cores=2, memory=2048; each call a new process's

Two executors that ``start`` returned stand for a server before and after a crash. The tools are ``true``,
``sh -c 'exit 3'``, ``sleep 60``, ``no-such-command`` and ``sh -c 'echo x >>started'``; an executor that cannot run them
overrides `COMMANDS`. pytest is needed only by whoever runs these.
"""

import select
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import pytest

from araneus.executors.base import Ended, Executor, Fit, Found, Submission
from araneus.model.job import Reason, Resources

Start: TypeAlias = Callable[[], Executor]
SMALL = Resources(cores=1, memory=256)
PATIENCE = 30.0


def submission(directory: Path, *command: str, **changes: Any) -> Submission:
    """A submission whose attempt is named like its directory."""
    fields: dict[str, Any] = {
        "attempt": directory.name,
        "directory": directory,
        "command": command,
        "work": str(directory / "work"),
        "temporary": str(directory / "tmp"),
        "resources": SMALL,
        **changes,
    }
    return Submission(**fields)


def wait(executor: Executor, attempts: Collection[str], patience: float = PATIENCE) -> dict[str, Ended]:
    """Poll as a scheduler does, woken by the descriptor, until all of these ended; fails when it takes too long."""
    ended: dict[str, Ended] = {}
    deadline = time.monotonic() + patience
    while not ended.keys() >= set(attempts):
        left = deadline - time.monotonic()
        assert left > 0, f"no end of {set(attempts) - ended.keys()} within {patience} s"
        select.select([executor.fileno()], [], [], left)
        for report in executor.poll():
            assert report.attempt not in ended, f"{report.attempt} was reported twice"
            ended[report.attempt] = report
    return ended


def quiet(executor: Executor, seconds: float = 0.3) -> None:
    """Make sure that nothing (more) is reported."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert not executor.poll()
        time.sleep(0.02)


class ExecutorContract:
    """Tests of the obligations in `executors.base.Executor`."""

    COMMANDS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "succeed": ("true",),
        "fail": ("sh", "-c", "exit 3"),
        "long": ("sleep", "60"),
        "missing": ("no-such-command",),
        "count": ("sh", "-c", "echo x >>started"),
        "count long": ("sh", "-c", "echo x >>started; sleep 60"),
    }

    EXTRA: ClassVar[Mapping[str, Any]] = {}
    """Fields that every submission gets: an image, say."""

    def submission(self, directory: Path, command: str, **changes: Any) -> Submission:
        """A submission of one of the commands."""
        return submission(directory, *self.COMMANDS[command], **{**self.EXTRA, **changes})

    def starts(self, directory: Path) -> int:
        """How often the tool of a "count" command was started."""
        file = directory / "work" / "started"
        return len(file.read_text().splitlines()) if file.exists() else 0

    @pytest.fixture
    def jobs(self, tmp_path: Path) -> Path:
        """Where the job directories lie."""
        jobs = tmp_path / "jobs"
        jobs.mkdir()
        return jobs

    @pytest.fixture
    def executor(self, start: Start) -> Executor:
        """An executor for one test."""
        return start()

    def test_success_is_reported_once(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "succeed"))
        report = wait(executor, ["a"])["a"]
        assert report.outcome.reason is Reason.SUCCEEDED
        assert report.outcome.exit_code == 0
        assert report.started_on is not None
        assert report.started_on <= report.ended_on
        quiet(executor)

    def test_an_exit_code_is_not_judged(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "fail"))
        outcome = wait(executor, ["a"])["a"].outcome
        assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 3), outcome.message

    def test_a_missing_command_is_named(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "missing"))
        outcome = wait(executor, ["a"])["a"].outcome
        assert outcome.reason is Reason.COMMAND_NOT_FOUND
        assert self.COMMANDS["missing"][0] in outcome.message

    def test_fit_counts_from_submit_until_the_end_was_told(self, executor: Executor, jobs: Path) -> None:
        assert executor.fit(Resources(cores=2, memory=2048)) is Fit.NOW
        assert executor.fit(Resources(cores=2.5, memory=1)) is Fit.NEVER
        assert executor.fit(Resources(cores=1, memory=2049)) is Fit.NEVER
        executor.submit(self.submission(jobs / "a", "succeed", resources=Resources(cores=1.5, memory=100)))
        assert executor.fit(Resources(cores=0.5, memory=1948)) is Fit.NOW
        assert executor.fit(Resources(cores=0.6, memory=1)) is Fit.LATER
        assert executor.fit(Resources(cores=0.1, memory=1949)) is Fit.LATER
        wait(executor, ["a"])
        assert executor.fit(Resources(cores=2, memory=2048)) is Fit.NOW

    def test_what_cannot_start_gives_its_resources_back(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "missing", resources=Resources(cores=2, memory=2048)))
        wait(executor, ["a"])
        assert executor.fit(Resources(cores=2, memory=2048)) is Fit.NOW

    def test_submitting_twice_starts_once(self, executor: Executor, jobs: Path) -> None:
        for _ in range(3):
            executor.submit(self.submission(jobs / "a", "count"))
        wait(executor, ["a"])
        quiet(executor)
        assert self.starts(jobs / "a") == 1

    def test_several_attempts_end_in_any_order(self, executor: Executor, jobs: Path) -> None:
        names = [f"n{number}" for number in range(12)]
        for name in names:
            executor.submit(self.submission(jobs / name, "succeed", resources=Resources(cores=0.1, memory=1)))
        reports = wait(executor, names)
        assert {report.outcome.exit_code for report in reports.values()} == {0}

    def test_cancelling(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "long"))
        executor.submit(self.submission(jobs / "b", "long"))
        executor.cancel("a")
        executor.cancel("a")
        assert wait(executor, ["a"], 5.0)["a"].outcome.reason is Reason.CANCELLED
        quiet(executor)
        executor.cancel("b")
        assert wait(executor, ["b"], 5.0)["b"].outcome.reason is Reason.CANCELLED

    def test_cancelling_the_unknown_and_the_ended_does_nothing(self, executor: Executor, jobs: Path) -> None:
        executor.cancel("nobody")
        executor.submit(self.submission(jobs / "a", "succeed"))
        wait(executor, ["a"])
        executor.cancel("a")
        quiet(executor)

    def test_polling_never_blocks(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "long"))
        began = time.monotonic()
        for _ in range(20):
            assert not executor.poll()
        assert time.monotonic() - began < 1.0
        executor.cancel("a")
        wait(executor, ["a"])

    def test_a_time_limit(self, executor: Executor, jobs: Path) -> None:
        executor.submit(self.submission(jobs / "a", "long", time_limit=0.2))
        executor.submit(self.submission(jobs / "b", "succeed", time_limit=60.0))
        reports = wait(executor, ["a", "b"], 6.0)
        assert reports["a"].outcome.reason is Reason.TIME_LIMIT
        assert reports["b"].outcome.reason is Reason.SUCCEEDED

    def test_recovering_what_ended_meanwhile(self, start: Start, jobs: Path) -> None:
        first = start()
        first.submit(self.submission(jobs / "a", "fail"))
        wait(first, ["a"])
        second = start()
        assert second.recover({"a": jobs / "a"}) == {"a": Found.ENDED}
        outcome = wait(second, ["a"])["a"].outcome
        assert (outcome.reason, outcome.exit_code) == (Reason.SUCCEEDED, 3), outcome.message
        quiet(second)

    def test_recovering_what_still_runs(self, start: Start, jobs: Path) -> None:
        first = start()
        first.submit(self.submission(jobs / "a", "count long", resources=Resources(cores=2, memory=10)))
        deadline = time.monotonic() + PATIENCE
        while not self.starts(jobs / "a"):
            assert not first.poll()
            assert time.monotonic() < deadline, "the tool was not started"
            time.sleep(0.01)
        second = start()
        assert second.recover({"a": jobs / "a"}) == {"a": Found.RUNNING}
        assert second.recover({"a": jobs / "a"}) == {"a": Found.RUNNING}
        assert second.fit(SMALL) is Fit.LATER
        second.submit(self.submission(jobs / "a", "count long"))
        quiet(second)
        second.cancel("a")
        assert wait(second, ["a"], 5.0)["a"].outcome.reason is Reason.CANCELLED
        assert self.starts(jobs / "a") == 1
        assert second.fit(SMALL) is Fit.NOW

    def test_recovering_what_never_started(self, executor: Executor, jobs: Path) -> None:
        (jobs / "made").mkdir()
        directories = {"made": jobs / "made", "missing": jobs / "missing"}
        assert executor.recover(directories) == dict.fromkeys(directories, Found.UNKNOWN)
        quiet(executor)
        assert executor.fit(Resources(cores=2, memory=2048)) is Fit.NOW
        executor.submit(self.submission(jobs / "made", "count"))
        wait(executor, ["made"])
        assert self.starts(jobs / "made") == 1

    def test_submitting_again_after_a_crash_starts_at_most_once(self, start: Start, jobs: Path) -> None:
        first = start()
        first.submit(self.submission(jobs / "a", "count"))
        wait(first, ["a"])
        second = start()
        second.submit(self.submission(jobs / "a", "count"))
        assert wait(second, ["a"])["a"].outcome.exit_code == 0
        assert self.starts(jobs / "a") == 1
