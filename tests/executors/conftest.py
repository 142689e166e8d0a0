"""Fixtures: executors that are closed after the test, on this machine with and without a sandbox."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.executors.watch import Watch


def now() -> datetime:
    """The clock of these tests."""
    return datetime.now(UTC)


@pytest.fixture
def opened() -> Iterator[Callable[..., LocalExecutor]]:
    """Makes executors with two cores and 2048 MiB, and closes them."""
    made: list[LocalExecutor] = []

    def make(containers: Containers, watch: Watch | None = None) -> LocalExecutor:
        made.append(LocalExecutor(cores=2, memory=2048, containers=containers, clock=now, grace=0.5, watch=watch))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


@pytest.fixture
def host(opened: Callable[..., LocalExecutor]) -> LocalExecutor:
    """An executor without any enclosure."""
    return opened(Containers.detect("none"))


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """Where job directories lie."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    return jobs
