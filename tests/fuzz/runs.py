"""Running schemathesis against a live server, and counting what it did."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.fuzz.aimed import aimed
from tests.fuzz.world import World
from tests.live import CHECKOUT

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "ignored_auth", "use_after_free",
)  # fmt: skip
PHASES = ("examples", "coverage", "fuzzing", "stateful")
SLOWEST = 5.0
"""Seconds that an answer may take."""


_SETTINGS = """\
[phases.stateful]
generation.mode = "positive"
"""
"""Bodies that are wrong on purpose make nothing that the next call of a sequence could work with."""


@dataclass(slots=True)
class Tally:
    """What was counted: calls, by status, by phase, and the slowest answer."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    granted: set[str] = field(default_factory=set)
    slowest: tuple[float, str] = (0.0, "")

    def take(self, line: str) -> None:
        """Count one call as `hooks` wrote it down."""
        call = json.loads(line)
        label = call["operation"]
        self.calls += 1
        self.statuses[call["status"]] += 1
        self.phases[call["phase"]] += 1
        self.reached.add(label)
        if call["status"] < 400 and label.startswith(f"{call['method']} "):
            self.granted.add(label)
        self.slowest = max(self.slowest, (float(call["seconds"]), label))


def run(
    world: World,
    directory: Path,
    *,
    seed: int,
    examples: int,
    phases: tuple[str, ...] = PHASES,
    tally: Tally,
    more: tuple[str, ...] = (),
    show: Callable[[Tally], None] = lambda tally: None,
) -> subprocess.CompletedProcess[str]:
    """One run of all phases; ``examples`` is how many cases each operation has at most, ``show`` is called meanwhile.

    Adds to ``tally``. The result's output is schemathesis's report.
    """
    described = httpx.get(f"{world.url}/openapi.json", timeout=30).raise_for_status().json()
    schema, calls = directory / f"aimed-{seed}.json", directory / f"calls-{seed}.ndjson"
    schema.write_text(json.dumps(aimed(described, world)))
    calls.touch()
    settings = directory / "schemathesis.toml"
    settings.write_text(_SETTINGS)
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run", str(schema),
        "--url", world.url, "--header",
        f"X-SBG-Auth-Token: {world.token}", "--checks", ",".join(CHECKS), "--phases", ",".join(phases),
        "--max-examples", str(examples), "--seed", str(seed), "--max-response-time", str(SLOWEST),
        "--request-timeout", "60", "--continue-on-failure", "--no-shrink", "--warnings", "off",
        "--suppress-health-check", "all", *more,
    ]  # fmt: skip
    known = {"me": world.me, "kept": world.kept, "values": dict(world.values)}
    environment = {
        **os.environ,
        "PYTHONPATH": CHECKOUT,
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "NO_COLOR": "1",
        "ARANEUS_FUZZ_WORLD": json.dumps(known),
        "ARANEUS_FUZZ_CALLS": str(calls),
    }
    output = directory / f"report-{seed}.txt"
    with output.open("w") as writing, calls.open() as reading:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=writing, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            for line in _lines(reading.readline, lambda: process.poll() is None):
                tally.take(line)
                show(tally)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
    return subprocess.CompletedProcess(command, process.returncode, output.read_text(), "")


def found(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a run found something wrong with the server, and not only stumbled over itself: hypothesis at times ends
    an operation with an error of its own, which says nothing of the server."""
    errors = re.findall(r"^  🚫 (.+?): \d+$", done.stdout, re.MULTILINE)
    own = errors == ["Runtime Error"] and "hypothesis/internal" in done.stdout and "\nFailures:\n" not in done.stdout
    return done.returncode != 0 and not own


def _lines(read: Callable[[], str], goes_on: Callable[[], bool]) -> Iterator[str]:
    """Whole lines as they are written, until the writer has ended."""
    pending, last = "", False
    while True:
        pending += read()
        if pending.endswith("\n"):
            yield pending
            pending = ""
        elif last:
            return
        else:
            last = not goes_on()
            if not last:
                time.sleep(0.05)
