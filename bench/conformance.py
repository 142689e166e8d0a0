"""The CWL conformance suites in one warm process: pass counts and wall time.

Usage: ``python -m bench.conformance [suite ...] [--show]``; ``--show`` prints why tests fail. Budget: the v1.2 suite
in 60 s.
"""

import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from araneus.cwl.javascript import JavaScript
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from tests.conformance.suites import MANIFESTS, SUITES, ConformanceTest, needs_container, read_suite, run_test


def outcome(test: ConformanceTest, executor: LocalExecutor, javascript: JavaScript) -> tuple[str, str]:
    """``passed``, ``container`` (not run for want of an engine) or ``failed``, and why."""
    if needs_container(test):
        return "container", ""
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        try:
            run_test(test, executor=executor, javascript=javascript, directory=Path(directory).resolve())
        except Exception as error:
            return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""


def main() -> int:
    """Run the suites that are named, or all."""
    show = "--show" in sys.argv
    chosen = [argument for argument in sys.argv[1:] if argument in MANIFESTS] or list(MANIFESTS)
    if not SUITES.is_dir():
        print(f"the conformance suites are not in {SUITES}")
        return 1
    containers = Containers(bare=Containers.detect("auto").bare)
    executor = LocalExecutor(cores=64, memory=1024 * 1024, containers=containers, clock=lambda: datetime.now(UTC))
    with JavaScript() as javascript:
        for suite in chosen:
            counts: Counter[str] = Counter()
            start = time.perf_counter()
            for test in read_suite(suite):
                result, why = outcome(test, executor, javascript)
                counts[result] += 1
                if result == "failed":
                    print(f"  {suite} {test.id}: {why[:600] if show else why[:120]!r}")
            seconds = time.perf_counter() - start
            print(
                f"{suite}: {counts['passed']} of {counts.total()} pass, {counts['failed']} fail,"
                f" {counts['container']} need a container; {seconds:.1f} s ({containers.bare.name})"
            )
    executor.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
