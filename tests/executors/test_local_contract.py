"""LocalExecutor keeps the contract, bare and in the sandbox."""

from collections.abc import Callable

import pytest

from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.local import LocalExecutor
from araneus.executors.watch import Watch
from araneus.testing.executor_contract import ExecutorContract, Start


class TestHost(ExecutorContract):
    """Without any enclosure."""

    @pytest.fixture
    def start(self, opened: Callable[..., LocalExecutor]) -> Start:
        return lambda: opened(Containers.detect("none"))


class TestBubblewrap(ExecutorContract):
    """In the sandbox."""

    @pytest.fixture
    def start(self, opened: Callable[..., LocalExecutor]) -> Start:
        try:
            containers = Containers.detect("bubblewrap")
        except UnavailableError as problem:
            pytest.skip(str(problem))
        return lambda: opened(containers)


class TestWithoutProcessDescriptors(ExecutorContract):
    """As on systems without pidfds, where ends are seen by looking at the locks."""

    @pytest.fixture
    def start(self, opened: Callable[..., LocalExecutor]) -> Start:
        return lambda: opened(Containers.detect("none"), Watch(descriptors=False))
