"""The fakes keep the same contracts as the real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.executors.base import Submission
from araneus.testing.executor_contract import ExecutorContract, Start
from araneus.testing.fakes import FakeExecutor, FakeMachine, MemoryStorage
from araneus.testing.storage_contract import StorageContract


def _count(submission: Submission) -> None:
    with (submission.directory / "work" / "started").open("a") as file:
        file.write("x\n")


def _count_and_end(submission: Submission) -> int:
    _count(submission)
    return 0


class TestMemoryStorage(StorageContract):
    """MemoryStorage is a Storage."""

    @pytest.fixture
    def storage(self) -> Iterator[MemoryStorage]:
        storage = MemoryStorage()
        yield storage
        storage.close()


class TestFakeExecutor(ExecutorContract):
    """FakeExecutor is an Executor."""

    @pytest.fixture
    def start(self) -> Iterator[Start]:
        machine = FakeMachine(
            programs={
                "true": lambda _: 0,
                "sh -c exit 3": lambda _: 3,
                "sleep": lambda _: None,
                "sh -c echo x >>started": _count_and_end,
                "sh -c echo x >>started; sleep 60": _count,
            }
        )
        made: list[FakeExecutor] = []

        def make() -> FakeExecutor:
            made.append(FakeExecutor(machine))
            return made[-1]

        yield make
        for executor in made:
            executor.close()

    def test_a_time_limit(self, executor: FakeExecutor, jobs: Path) -> None:  # type: ignore[override]
        """Its time passes when `elapse` says so."""
        executor.submit(self.submission(jobs / "a", "long", time_limit=5))
        executor.submit(self.submission(jobs / "b", "long", time_limit=50))
        executor.elapse(5)
        (report,) = executor.poll()
        assert (report.attempt, report.outcome.reason.value) == ("a", "time_limit")
