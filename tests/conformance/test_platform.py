"""The CWL conformance suites through the API of a real server, one item per test."""

from pathlib import Path

import pytest

from araneus.executors.containers import Containers
from tests.conformance.platform import Result, run_through
from tests.conformance.suites import (
    MANIFESTS,
    SUITES,
    ConformanceTest,
    NoNetworkError,
    needs_container,
    read_suite,
)

pytestmark = pytest.mark.skipif(
    not SUITES.is_dir(), reason=f"the conformance suites are not in {SUITES}: see make conformance"
)


class Suites:
    """Runs each suite once, whole, when the first of its tests asks for it: many of its tasks are then under way."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._results: dict[str, dict[str, Result]] = {}
        self.engine = Containers.detect("auto").engine is not None

    def result(self, test: ConformanceTest) -> Result:
        """How a test went."""
        if test.suite not in self._results:
            self._results[test.suite] = run_through(test.suite, self._directory / test.suite, engine=self.engine)
        return self._results[test.suite][test.id]


@pytest.fixture(scope="session")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Suites:
    return Suites(tmp_path_factory.mktemp("platform"))


def _items() -> list[object]:
    if not SUITES.is_dir():
        return []
    return [
        pytest.param(test, id=f"{suite}-{test.id}", marks=pytest.mark.xdist_group(f"platform-{suite}"))
        for suite in MANIFESTS
        for test in read_suite(suite)
    ]


@pytest.mark.parametrize("test", _items())
def test_through_the_api(test: ConformanceTest, suites: Suites) -> None:
    if needs_container(test) and not suites.engine:
        pytest.skip("needs a container engine")
    error = suites.result(test).error
    if isinstance(error, NoNetworkError):
        pytest.skip("needs docker with a network that reaches this machine")
    if error is not None:
        raise error
