"""Schemathesis against a live server with real things in it: ``python -m tests.fuzz [--requests 20000]``.

All phases (examples, coverage, fuzzing, stateful), run after run with another seed, until that many requests have been
answered. Ends with 1 when an answer was a 5xx, did not fit the OpenAPI document or took longer than five seconds.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.runs import PHASES, SLOWEST, Tally, found, run
from tests.fuzz.world import made_world
from tests.live import Server


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--examples", type=int, default=40, help="cases for an operation in a phase of a run")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--keep", type=Path, help="a directory for the server and the reports")
    options, more = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers are stopped then, too
    with tempfile.TemporaryDirectory(prefix="araneus-fuzz-") as name:
        directory = options.keep or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        return fuzz(options, directory, tuple(more))


def fuzz(options: argparse.Namespace, directory: Path, more: tuple[str, ...]) -> int:
    """Run until there were enough requests; the exit code."""
    tally, failed, begun, shown = Tally(), 0, time.monotonic(), 0.0

    def show(tally: Tally) -> None:
        nonlocal shown
        if time.monotonic() - shown >= 1:
            shown = time.monotonic()
            rate = tally.calls / (shown - begun)
            faults = sum(count for status, count in tally.statuses.items() if status >= 500)
            print(
                f"\r{tally.calls:7} requests of {options.requests}, {rate:5.0f}/s, {faults} of 5xx,"
                f" slowest {tally.slowest[0]:.2f} s ",
                end="", file=sys.stderr, flush=True,
            )  # fmt: skip

    seed = options.seed
    while tally.calls < options.requests:
        server = Server(directory / f"data-{seed}")
        server.start()
        before = tally.calls
        try:
            world = made_world(server)
            done = run(
                world, directory, seed=seed, examples=options.examples, phases=tuple(options.phases.split(",")),
                tally=tally, more=more, show=show,
            )  # fmt: skip
        finally:
            server.stop()
        failed += found(done)
        if done.returncode:
            print(f"\nseed {seed}:\n{done.stdout}", flush=True)
        if tally.calls == before:
            return 1
        seed += 1
    report(tally, time.monotonic() - begun, failed)
    return bool(failed)


def report(tally: Tally, seconds: float, failed: int) -> None:
    """What was done, for the reader."""
    print(f"\n{tally.calls} requests in {seconds:.0f} s to {len(tally.reached)} operations;")
    print(f"{len(tally.granted)} of them granted some; {failed} runs found something.")
    print(f"slowest answer: {tally.slowest[0]:.2f} s ({tally.slowest[1]}); allowed: {SLOWEST:.0f} s")
    print("phases:   " + ", ".join(f"{name} {count}" for name, count in sorted(tally.phases.items())))
    print("statuses: " + ", ".join(f"{status} {count}" for status, count in sorted(tally.statuses.items())))
    refused = sorted(tally.reached - tally.granted)
    print("never granted: " + (", ".join(refused) or "none"))


if __name__ == "__main__":
    sys.exit(main())
