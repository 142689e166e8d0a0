"""``make oracle``: many cases, others with each seed, held against the reference runner.

Cases are drawn in batches, so that no batch depends on another: 7 of 10 look at command lines, 2 run tools, 1 runs
workflows. Only cases of which two answers were compared are counted, and each once.
"""

import argparse
import signal
import sys
import time
from collections import Counter

from tests.oracle.judge import UNEXPLAINED
from tests.oracle.workers import ended, working


def main() -> int:
    """0 when every difference is explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--cases", type=int, default=5000, help="comparisons to make (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="which cases (default: others each time)")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default: %(default)s)")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, ended)
    print(f"seed {asked.seed}: {asked.cases} comparisons", flush=True)
    verdicts: Counter[str] = Counter()
    seen: set[str] = set()
    compared = 0
    shown = _Progress(asked.cases)
    with working(asked.seed, asked.jobs) as answers:
        for verdict in answers:
            if verdict.case in seen:
                continue
            seen.add(verdict.case)
            compared += verdict.is_comparison
            verdicts[verdict.name] += 1
            if verdict.shown is not None:
                print(f"\nan unexplained difference\n{verdict.shown}", flush=True)
            shown.update(compared, verdicts[UNEXPLAINED])
            if compared >= asked.cases:
                break
    print(f"\n{compared:7} comparisons, {len(seen)} distinct cases, seed {asked.seed}")
    for name, count in verdicts.most_common():
        print(f"{count:7} {name}")
    return 1 if verdicts[UNEXPLAINED] else 0


class _Progress:
    """One line on standard error: written over on a terminal, seldom in a log."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._began = time.monotonic()
        self._next = 0.0

    def update(self, compared: int, unexplained: int) -> None:
        now = time.monotonic()
        if now < self._next and compared < self._wanted:
            return
        terminal = sys.stderr.isatty()
        self._next = now + (0.5 if terminal else 30.0)
        filled = 30 * compared // self._wanted
        seconds = now - self._began
        line = f"[{'#' * filled:30}] {compared}/{self._wanted} compared, {unexplained} unexplained, {seconds:.0f} s"
        print(f"\r{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
