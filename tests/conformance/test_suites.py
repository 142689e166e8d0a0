"""The CWL conformance suites, one item per test."""

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from araneus.cwl.javascript import JavaScript
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.scheduler.direct import ProcessFailedError
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
    return Containers.detect("auto")


def _executor(containers: Containers) -> LocalExecutor:
    return LocalExecutor(cores=64, memory=1024 * 1024, containers=containers, clock=lambda: datetime.now(UTC))


@pytest.fixture(scope="session")
def bare(containers: Containers) -> Iterator[LocalExecutor]:
    """Without images: where they are only hints, this machine's own programs do, and are quicker."""
    executor = _executor(Containers(bare=containers.bare))
    yield executor
    executor.close()


@pytest.fixture(scope="session")
def engine(containers: Containers) -> Iterator[LocalExecutor]:
    """With images. Skips where there is no container engine."""
    if containers.engine is None:
        pytest.skip("needs a container engine")
    executor = _executor(containers)
    yield executor
    executor.close()


def _internet() -> bool:
    try:
        socket.create_connection(("commonwl.org", 80), 5).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("test", _items())
def test_conformance(
    test: ConformanceTest, request: pytest.FixtureRequest, javascript: JavaScript, tmp_path: Path
) -> None:
    executor = request.getfixturevalue("engine" if needs_container(test) else "bare")
    if test.id == "networkaccess" and not _internet():
        pytest.skip("fetches a page from the internet, which is out of reach")
    try:
        run_test(test, executor=executor, javascript=javascript, directory=tmp_path)
    except ProcessFailedError as error:
        if error.failure.outcome.reason is Reason.IMAGE_UNAVAILABLE:
            pytest.skip(f"needs an image that cannot be had here: {str(error)[:160]}")
        raise


def test_known_failures_name_tests_that_exist() -> None:
    tests = {(suite, test.id) for suite in MANIFESTS for test in read_suite(suite)}
    assert set(known_failures()) <= tests
