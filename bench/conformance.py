"""The CWL conformance suites, in one warm process and through the API of a server: what passes, and wall time.

Usage: ``python -m bench.conformance [suite ...] [--direct | --api] [--show]``; ``--show`` prints why tests fail.
Tests whose tools insist on an image run only where there is a container engine that can get it; those that fetch a page
from the internet fetch one of this machine. Budget: the v1.2 suite in 60 s. The exit code is 1 when a test fails.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from araneus.cwl.errors import UnsupportedError
from araneus.cwl.javascript import JavaScript
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.scheduler.direct import ProcessFailedError
from tests.conformance.platform import Result, run_through
from tests.conformance.suites import (
    ABSENT,
    MANIFESTS,
    SUITES,
    ConformanceTest,
    NoNetworkError,
    bridge_address,
    in_local_form,
    needs_container,
    read_suite,
    run_test,
)

THREADS = 4
"""Several tests wait for a time limit; the others go on meanwhile."""
PASSED, FAILED, UNSUPPORTED, NOT_RUN = "passed", "failed", "unsupported", "not run"
_UNSUPPORTED_WORDS = "cannot run here yet"


@dataclass(frozen=True, slots=True)
class Line:
    """How a test went, why, and in how many seconds. ``NOT_RUN``: for want of an engine, an image or a network."""

    test: str
    result: str
    why: str
    seconds: float


class Runner:
    """Runs tests in threads of one warm process, each with an executor of its own."""

    def __init__(self, containers: Containers, javascript: JavaScript) -> None:
        self._containers = containers
        self._javascript = javascript
        self._local = threading.local()
        self._bridge = bridge_address() if containers.engine is not None else None

    def __call__(self, test: ConformanceTest) -> Line:
        """Run one test."""
        start = time.perf_counter()
        needs = needs_container(test)
        error: BaseException | None = None
        if needs and self._containers.engine is None:
            error = NoNetworkError()
        else:
            with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
                try:
                    self._run(test, Path(directory).resolve(), needs)
                except Exception as problem:
                    error = problem
        return Line(test.id, *verdict(error, needs=needs), time.perf_counter() - start)

    def _run(self, test: ConformanceTest, directory: Path, needs: bool) -> None:
        with in_local_form(test, self._bridge, directory) as form:
            run_test(form, executor=self._executor(needs), javascript=self._javascript, directory=directory)

    def _executor(self, with_images: bool) -> LocalExecutor:
        if not hasattr(self._local, "executors"):
            self._local.executors = {
                False: _executor(Containers(bare=self._containers.bare)),
                True: _executor(self._containers),
            }
        executor: LocalExecutor = self._local.executors[with_images]
        return executor


def _executor(containers: Containers) -> LocalExecutor:
    return LocalExecutor(cores=64, memory=1024 * 1024, containers=containers, clock=lambda: datetime.now(UTC))


def verdict(error: BaseException | None, *, needs: bool) -> tuple[str, str]:
    """What an error (None: there was none) says of a test, and why."""
    if error is None:
        return PASSED, ""
    if isinstance(error, NoNetworkError):
        return NOT_RUN, ""
    if isinstance(error, ProcessFailedError):
        reason = error.failure.outcome.reason
        if needs and reason is Reason.IMAGE_UNAVAILABLE:
            return NOT_RUN, str(error)
        return (UNSUPPORTED if reason is Reason.UNSUPPORTED else FAILED), str(error)
    if isinstance(error, UnsupportedError) or _UNSUPPORTED_WORDS in str(error):
        return UNSUPPORTED, str(error)
    return FAILED, f"{type(error).__name__}: {error}"


def directly(suite: str, runner: Runner) -> list[Line]:
    """Run a suite in this process."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(runner, read_suite(suite)))


def through_the_api(suite: str, *, engine: bool) -> list[Line]:
    """Run a suite on servers of its own."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        results = run_through(suite, Path(directory).resolve(), engine=engine)
    return list(_lines(suite, results))


def _lines(suite: str, results: dict[str, Result]) -> Iterator[Line]:
    for test in read_suite(suite):
        found = results.get(test.id)
        if found is None:
            yield Line(test.id, NOT_RUN, "", 0.0)
        else:
            yield Line(test.id, *verdict(found.error, needs=needs_container(test)), found.seconds)


def tell(suite: str, way: str, lines: Sequence[Line], wall: float, *, show: bool) -> int:
    """Print a row of the table, after what went wrong; how many tests did."""
    for line in lines:
        if line.result in {FAILED, UNSUPPORTED}:
            print(f"  {suite} {line.test}: {line.result}: {line.why[:2000] if show else line.why[:160]!r}")
    counts = Counter(line.result for line in lines)
    shown = "".join(f"{counts[result]:>13}" for result in (PASSED, FAILED, UNSUPPORTED, NOT_RUN))
    print(f"{suite:6}{way:16}{len(lines):>7}{shown}{wall:>9.1f}", flush=True)
    if show:
        slowest = sorted(lines, key=lambda line: -line.seconds)[:8]
        print("  slowest:", ", ".join(f"{line.test} {line.seconds:.1f} s" for line in slowest))
    return counts[FAILED] + counts[UNSUPPORTED]


def main() -> int:
    """Run the suites that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(MANIFESTS)}; all if none is named")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--direct", action="store_true", help="only in one warm process")
    way.add_argument("--api", action="store_true", help="only through the API of a server")
    parser.add_argument("--show", action="store_true", help="print why tests fail")
    options = parser.parse_args()
    unknown = [suite for suite in options.suites if suite not in MANIFESTS]
    if unknown:
        parser.error(f"there is no suite {unknown[0]!r}; there are {', '.join(MANIFESTS)}")
    if not SUITES.is_dir():
        print(ABSENT)
        return 1
    chosen = options.suites or list(MANIFESTS)
    containers = Containers.detect("auto")
    images = containers.engine.name if containers.engine else "none"
    wrong = 0
    print(f"tools run in: {containers.bare.name}; images: {images}")
    print(f"{'suite':6}{'way':16}{'tests':>7}{PASSED:>13}{FAILED:>13}{UNSUPPORTED:>13}{NOT_RUN:>13}{'seconds':>9}")
    with JavaScript(workers=2) as javascript:
        for suite in chosen:
            if not options.api:
                start = time.perf_counter()
                lines = directly(suite, Runner(containers, javascript))
                wrong += tell(suite, "direct", lines, time.perf_counter() - start, show=options.show)
            if not options.direct:
                start = time.perf_counter()
                lines = through_the_api(suite, engine=containers.engine is not None)
                wrong += tell(suite, "through the API", lines, time.perf_counter() - start, show=options.show)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
