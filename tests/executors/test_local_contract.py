"""LocalExecutor keeps the contract, bare and in the sandbox."""

from collections.abc import Callable

import pytest

from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.local import LocalExecutor
from araneus.testing.executor_contract import ExecutorContract, Start


class TestHost(ExecutorContract):
    """Without any enclosure."""

    @pytest.fixture
    def start(self, opened: Callable[[Containers], LocalExecutor]) -> Start:
        return lambda: opened(Containers.detect("none"))


class TestBubblewrap(ExecutorContract):
    """In the sandbox."""

    @pytest.fixture
    def start(self, opened: Callable[[Containers], LocalExecutor]) -> Start:
        try:
            containers = Containers.detect("bubblewrap")
        except UnavailableError as problem:
            pytest.skip(str(problem))
        return lambda: opened(containers)
