"""The CWL conformance suites, one item per test."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from araneus.cwl.javascript import JavaScript
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from tests.conformance.suites import (
    MANIFESTS,
    SUITES,
    ConformanceTest,
    known_failures,
    needs_container,
    read_suite,
    run_test,
)

pytestmark = pytest.mark.skipif(not SUITES.is_dir(), reason=f"the conformance suites are not in {SUITES}")


def _items() -> list[object]:
    if not SUITES.is_dir():
        return []
    failing = known_failures()
    items: list[object] = []
    for suite in MANIFESTS:
        for test in read_suite(suite):
            reason = failing.get((suite, test.id))
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            items.append(pytest.param(test, id=f"{suite}-{test.id}", marks=marks))
    return items


@pytest.fixture(scope="session")
def javascript() -> Iterator[JavaScript]:
    with JavaScript() as javascript:
        yield javascript


@pytest.fixture(scope="session")
def containers() -> Containers:
    """Whatever encloses tools here, without a container engine: images are fetched from the internet."""
    return Containers(bare=Containers.detect("auto").bare)


@pytest.fixture(scope="session")
def executor(containers: Containers) -> Iterator[LocalExecutor]:
    executor = LocalExecutor(cores=64, memory=1024 * 1024, containers=containers, clock=lambda: datetime.now(UTC))
    yield executor
    executor.close()


@pytest.mark.parametrize("test", _items())
def test_conformance(test: ConformanceTest, executor: LocalExecutor, javascript: JavaScript, tmp_path: Path) -> None:
    if needs_container(test):
        pytest.skip("needs a container engine and its image")
    run_test(test, executor=executor, javascript=javascript, directory=tmp_path)


def test_known_failures_name_tests_that_exist() -> None:
    tests = {(suite, test.id) for suite in MANIFESTS for test in read_suite(suite)}
    assert set(known_failures()) <= tests
