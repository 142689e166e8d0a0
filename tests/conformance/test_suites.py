"""The CWL conformance suites, one item per test."""

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
    bridge_address,
    needs_container,
    page_at,
    read_suite,
    run_in_another_form,
    run_test,
    with_page,
)

pytestmark = pytest.mark.skipif(
    not SUITES.is_dir(), reason=f"the conformance suites are not in {SUITES}: see make conformance"
)


def _items() -> list[object]:
    if not SUITES.is_dir():
        return []
    elsewhere = run_in_another_form()
    return [
        pytest.param(test, id=f"{suite}-{test.id}")
        for suite in MANIFESTS
        for test in read_suite(suite)
        if (suite, test.id) not in elsewhere
    ]


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


@pytest.fixture(scope="session")
def bridge(engine: LocalExecutor) -> str:
    """An address of this machine that containers reach. Skips where there is none."""
    address = bridge_address()
    if address is None:
        pytest.skip("needs docker with a network that reaches this machine")
    return address


@pytest.mark.parametrize("test", _items())
def test_conformance(
    test: ConformanceTest, request: pytest.FixtureRequest, javascript: JavaScript, tmp_path: Path
) -> None:
    executor = request.getfixturevalue("engine" if needs_container(test) else "bare")
    try:
        run_test(test, executor=executor, javascript=javascript, directory=tmp_path)
    except ProcessFailedError as error:
        if error.failure.outcome.reason is Reason.IMAGE_UNAVAILABLE:
            pytest.skip("needs an image that cannot be had here")
        raise


@pytest.mark.container
@pytest.mark.parametrize("suite", ["v1.1", "v1.2"])
@pytest.mark.parametrize("name", ["networkaccess", "networkaccess_disabled"])
def test_the_network_with_a_page_of_this_machine(
    *, suite: str, name: str, bridge: str, engine: LocalExecutor, javascript: JavaScript, tmp_path: Path
) -> None:
    test = next(test for test in read_suite(suite) if test.id == name)
    (tmp_path / "tool").mkdir()
    with page_at(bridge) as url:
        local = with_page(test, url, tmp_path / "tool")
        run_test(local, executor=engine, javascript=javascript, directory=tmp_path)


def test_the_document_names_tests_that_exist() -> None:
    assert set(run_in_another_form()) == {("v1.1", "networkaccess"), ("v1.2", "networkaccess")}
