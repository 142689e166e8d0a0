"""The CWL conformance suites in one warm process: pass counts and wall time.

Usage: ``python -m bench.conformance [suite ...] [--show]``; ``--show`` prints why tests fail. Tests whose tools insist
on an image run only where there is a container engine that can get it; those that fetch a page from the internet fetch
one of this machine. Budget: the v1.2 suite in 60 s.
"""

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from araneus.cwl.javascript import JavaScript
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.scheduler.direct import ProcessFailedError
from tests.conformance.suites import (
    ABSENT,
    MANIFESTS,
    SUITES,
    ConformanceTest,
    bridge_address,
    known_failures,
    needs_container,
    page_at,
    read_suite,
    run_in_another_form,
    run_test,
    with_page,
)

THREADS = 4
"""Several tests wait for a time limit; the others go on meanwhile."""


class Runner:
    """Runs tests in threads of one warm process, each with an executor of its own."""

    def __init__(self, containers: Containers, javascript: JavaScript) -> None:
        self._containers = containers
        self._javascript = javascript
        self._local = threading.local()
        self._bridge = bridge_address() if containers.engine is not None else None

    def __call__(self, test: ConformanceTest) -> tuple[ConformanceTest, str, str, float]:
        """``passed``, ``container`` (not run for want of an engine, an image or a network) or ``failed``, why, and
        seconds."""
        start = time.perf_counter()
        result, why = self._outcome(test)
        return test, result, why, time.perf_counter() - start

    def _outcome(self, test: ConformanceTest) -> tuple[str, str]:
        needs = needs_container(test)
        if needs and self._containers.engine is None:
            return "container", ""
        with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
            try:
                self._run(test, Path(directory).resolve(), needs)
            except _NoNetworkError:
                return "container", ""
            except ProcessFailedError as error:
                absent = needs and error.failure.outcome.reason is Reason.IMAGE_UNAVAILABLE
                return ("container" if absent else "failed"), str(error)
            except Exception as error:
                return "failed", f"{type(error).__name__}: {error}"
        return "passed", ""

    def _run(self, test: ConformanceTest, directory: Path, needs: bool) -> None:
        with self._local_form(test, directory) as form:
            run_test(form, executor=self._executor(needs), javascript=self._javascript, directory=directory)

    @contextmanager
    def _local_form(self, test: ConformanceTest, directory: Path) -> Iterator[ConformanceTest]:
        if (test.suite, test.id) not in run_in_another_form():
            yield test
            return
        if self._bridge is None:
            raise _NoNetworkError
        (directory / "tool").mkdir()
        with page_at(self._bridge) as url:
            yield with_page(test, url, directory / "tool")

    def _executor(self, with_images: bool) -> LocalExecutor:
        if not hasattr(self._local, "executors"):
            self._local.executors = {
                False: _executor(Containers(bare=self._containers.bare)),
                True: _executor(self._containers),
            }
        executor: LocalExecutor = self._local.executors[with_images]
        return executor


class _NoNetworkError(Exception):
    """Containers have no network here that reaches this machine."""


def _executor(containers: Containers) -> LocalExecutor:
    return LocalExecutor(cores=64, memory=1024 * 1024, containers=containers, clock=lambda: datetime.now(UTC))


def run_suite(suite: str, runner: Runner, pool: Executor, *, show: bool) -> None:
    """Run one suite and print its figures."""
    counts: Counter[str] = Counter()
    known = known_failures()
    slow: list[tuple[float, str]] = []
    start = time.perf_counter()
    for test, result, why, seconds in pool.map(runner, read_suite(suite)):
        counts[result] += 1
        slow.append((seconds, test.id))
        if result == "failed":
            expected = "known failure" if (suite, test.id) in known else "FAILED"
            print(f"  {suite} {test.id}: {expected}: {why[:600] if show else why[:120]!r}")
    wall = time.perf_counter() - start
    print(
        f"{suite}: {counts['passed']} of {counts.total()} pass, {counts['failed']} fail,"
        f" {counts['container']} not run for want of an image; {wall:.1f} s"
    )
    if show:
        print("  slowest:", ", ".join(f"{name} {spent:.1f} s" for spent, name in sorted(slow)[:-9:-1]))


def main() -> int:
    """Run the suites that are named, or all."""
    if not SUITES.is_dir():
        print(ABSENT)
        return 1
    chosen = [argument for argument in sys.argv[1:] if argument in MANIFESTS] or list(MANIFESTS)
    containers = Containers.detect("auto")
    images = containers.engine.name if containers.engine else "none"
    print(f"tools run in: {containers.bare.name}; images: {images}; {THREADS} tests at a time")
    with JavaScript(workers=2) as javascript, ThreadPoolExecutor(THREADS) as pool:
        for suite in chosen:
            run_suite(suite, Runner(containers, javascript), pool, show="--show" in sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())
