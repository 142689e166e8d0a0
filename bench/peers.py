"""The same documents with Araneus and with other CWL runners: ``python -m bench.peers [--rounds 3] [--only NAME ...]``.

Peers are installed from the package index into environments of their own in the cache directory, at the versions of
``bench/peers-<name>.txt`` (pinned with hashes; made with ``uv pip compile --universal --generate-hashes``); one that
cannot be installed is named and left out. In each round every runner has its turn with every document, without
containers, from a cold start; ``server`` is a running `araneus up` that is given tasks through its API, without a
sandbox as the others, and once more with it, which is what it does where bubblewrap is installed. The figures are
medians of seconds from start to end, and of processor seconds of the runner with everything that it started and waited
for; the processor time tells more on a machine that does other things too. A run that takes longer than ``--limit``
seconds is ended and shown as such.
"""

import argparse
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.replay import SETTINGS, Site
from tests.live import BYTECODE, CACHE

HERE = Path(__file__).resolve().parent
JS = {"class": "InlineJavascriptRequirement"}
SMALL = {"class": "ResourceRequirement", "coresMin": 0.5, "ramMin": 16}
OUT = {"out": {"type": "File", "outputBinding": {"glob": "out.txt"}}}


def _tool(command: Sequence[str], inputs: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": list(command), "inputs": dict(inputs),
        "outputs": OUT, "stdout": "out.txt", **more,
    }  # fmt: skip


TRIVIAL = _tool(["echo"], {"message": {"type": "string", "inputBinding": {}}}, requirements=[SMALL])
_CAT = _tool(
    ["cat"],
    {"text": {"type": "File", "inputBinding": {}}},
    stdout="${return 'out' + '.txt';}",
    requirements=[JS, SMALL],
)
CHAIN = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "requirements": [JS, {"class": "StepInputExpressionRequirement"}],
    "inputs": {"message": "string"},
    "outputs": {"out": {"type": "File", "outputSource": "c/out"}},
    "steps": {
        "a": {
            "run": TRIVIAL,
            "in": {"message": {"source": "message", "valueFrom": "$(self.toUpperCase() + '!')"}},
            "out": ["out"],
        },
        "b": {"run": _CAT, "in": {"text": "a/out"}, "out": ["out"]},
        "c": {"run": _CAT, "in": {"text": "b/out"}, "out": ["out"]},
    },
}
SCATTER = {
    "class": "Workflow",
    "cwlVersion": "v1.2",
    "requirements": [{"class": "ScatterFeatureRequirement"}],
    "inputs": {"messages": "string[]"},
    "outputs": {"out": {"type": "File[]", "outputSource": "one/out"}},
    "steps": {"one": {"run": TRIVIAL, "scatter": "message", "in": {"message": "messages"}, "out": ["out"]}},
}


@dataclass(frozen=True, slots=True)
class Case:
    """One document and its inputs; ``rounds`` is at most that, ``without`` names who does not run it, and why."""

    name: str
    document: Mapping[str, Any]
    inputs: Mapping[str, Any]
    jobs: int
    rounds: int = 99
    without: Mapping[str, str] = field(default_factory=dict)


def _wide(width: int, rounds: int, without: Mapping[str, str] | None = None) -> Case:
    messages = [f"message {number}" for number in range(width)]
    return Case(f"scatter {width}", SCATTER, {"messages": messages}, width, rounds, without or {})


CASES = (
    Case("trivial tool", TRIVIAL, {"message": "hello"}, 1),
    Case("chain of 3, JavaScript", CHAIN, {"message": "hello"}, 3),
    _wide(100, 2),
    _wide(1000, 2, {"toil": "about 20 min"}),
)
ONCE = {("toil", "scatter 100"), ("streamflow", "scatter 1000"), ("cwltool", "scatter 1000"),
        ("cwltool --parallel", "scatter 1000")}  # fmt: skip
"""What takes so long that it is run in the first round only."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: of wall time, and of processor time. ``late``: the run was ended at the limit."""

    wall: float
    cpu: float
    late: bool = False


Runner = Callable[[Case, Path], Spent]
"""Runs a case in a fresh directory that holds ``doc.cwl`` and ``job.json``."""


# --- command lines ----------------------------------------------------------------------------------------------------


def command_line(command: Sequence[str], environment: Mapping[str, str], limit: float) -> Runner:
    """A runner that is started once for each document, with its arguments after ``command``."""

    def run(case: Case, directory: Path) -> Spent:
        output, errors = directory / "stdout", directory / "stderr"
        with output.open("wb") as stdout, errors.open("wb") as stderr:
            begun = time.perf_counter()
            process = subprocess.Popen(
                [*command, "--outdir", str(directory / "out"), "doc.cwl", "job.json"],
                cwd=directory, env={**os.environ, **environment}, stdout=stdout, stderr=stderr,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            late = threading.Event()

            def end() -> None:
                late.set()
                os.killpg(process.pid, signal.SIGKILL)

            timer = threading.Timer(limit, end)
            timer.start()
            try:
                _, status, used = os.wait4(process.pid, 0)
            finally:
                timer.cancel()
            wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        spent = Spent(wall, used.ru_utime + used.ru_stime, late.is_set())
        if not spent.late:
            _check(case, process.returncode, output.read_text(), errors.read_text())
        return spent

    return run


def _check(case: Case, code: int, output: str, errors: str) -> None:
    if code:
        raise RuntimeError(f"exit code {code}: {errors.strip()[-500:]}")
    made = json.loads(output)["out"]
    if len(made if isinstance(made, list) else [made]) != (1 if case.document is not SCATTER else case.jobs):
        raise RuntimeError(f"it gave other outputs: {output[:200]}")


# --- the server -------------------------------------------------------------------------------------------------------


def server(site: Site, installed: set[str]) -> Runner:
    """Tasks through the API of a running server, from POST to COMPLETED."""

    def run(case: Case, _directory: Path) -> Spent:
        app = case.name.replace(" ", "-").replace(",", "")
        if app not in installed:
            site.install(app, dict(case.document))
            installed.add(app)
        before, begun = _server_cpu(site), time.perf_counter()
        site.wait(site.create(app, case.inputs, run=True), 0.002 if case.jobs < 10 else 0.05)
        return Spent(time.perf_counter() - begun, _server_cpu(site) - before)

    return run


def _server_cpu(site: Site) -> float:
    """Processor seconds of both halves and the executor's process, with the tools that have ended."""
    scheduler = site.server.half("scheduler")
    processes = [site.server.half("api"), scheduler, *scheduler.children()]
    return sum(sum(process.cpu_times()[:4]) for process in processes)


# --- peers ------------------------------------------------------------------------------------------------------------


class CannotInstallError(Exception):
    """A peer is not to be had here."""


def installed(name: str) -> Path:
    """The ``bin`` directory of a peer's environment, made where it is missing."""
    pins = HERE / f"peers-{name}.txt"
    place = CACHE / f"peer-{name}-{hashlib.sha256(pins.read_bytes()).hexdigest()[:12]}"
    done = place / "complete"
    if not done.exists():
        print(f"installing {name} into {place} ...", file=sys.stderr, flush=True)
        place.mkdir(parents=True, exist_ok=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(pins)]
        for command in ([sys.executable, "-m", "venv", "--clear", str(place)], pip):
            made = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
            if made.returncode:
                raise CannotInstallError(made.stderr.strip().splitlines()[-1] if made.stderr.strip() else "no reason")
        done.touch()
    return place / "bin"


def version(bin_: Path, package: str) -> str:
    """The version that is installed there."""
    program = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return subprocess.run([bin_ / "python", "-c", program], capture_output=True, text=True, check=True).stdout.strip()


PEERS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "cwltool": {
        "cwltool": ("cwltool", "--quiet"),
        "cwltool --parallel": ("cwltool", "--quiet", "--parallel"),
    },
    "streamflow": {"streamflow": ("cwl-runner", "--quiet")},
    "toil": {"toil": ("toil-cwl-runner", "--logCritical", "--batchSystem", "single_machine", "--maxCores", "2")},
}


def peers(limit: float, only: Sequence[str]) -> tuple[dict[str, Runner], list[str]]:
    """The runners of the wanted peers (all, if none is named) that could be installed, and a line about each."""
    runners: dict[str, Runner] = {}
    said: list[str] = []
    for name, commands in PEERS.items():
        if only and name not in only:
            continue
        try:
            bin_ = installed(name)
        except (CannotInstallError, subprocess.TimeoutExpired) as problem:
            said.append(f"{name}: cannot be installed here: {problem}")
            continue
        said.append(f"{name} {version(bin_, name)}")
        environment = {**BYTECODE, "PATH": f"{bin_}:{os.environ['PATH']}"}
        for shown, (program, *options) in commands.items():
            runners[shown] = command_line([str(bin_ / program), *options], environment, limit)
    return runners, said


# --- measuring and showing --------------------------------------------------------------------------------------------


@dataclass
class Figures:
    """What was measured, by runner and case; ``gone`` says why a runner has none for a case."""

    spent: dict[tuple[str, str], list[Spent]] = field(default_factory=dict)
    gone: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, runner: str, run: Runner, case: Case) -> None:
        """Run once and keep what it took; a failure ends this runner's turns at this case."""
        key = (runner, case.name)
        with tempfile.TemporaryDirectory(prefix="araneus-peers-") as name:
            directory = Path(name).resolve()
            (directory / "doc.cwl").write_text(json.dumps(case.document))
            (directory / "job.json").write_text(json.dumps(case.inputs))
            try:
                spent = run(case, directory)
            except (RuntimeError, AssertionError, ValueError, KeyError) as problem:
                self.gone[key] = "failed"
                print(f"{runner}, {case.name}: {problem}", file=sys.stderr, flush=True)
                return
        print(f"{runner}, {case.name}: {spent.wall:.2f} s, {spent.cpu:.2f} s of CPU", file=sys.stderr, flush=True)
        if spent.late:
            self.gone[key] = f"more than {spent.wall:.0f} s"
        self.spent.setdefault(key, []).append(spent)

    def wall(self, runner: str, case: str) -> float | None:
        """Median seconds; None when there are none."""
        return self._median([spent.wall for spent in self.spent.get((runner, case), []) if not spent.late])

    def cpu(self, runner: str, case: str) -> float | None:
        """Median processor seconds; None when there are none."""
        return self._median([spent.cpu for spent in self.spent.get((runner, case), []) if not spent.late])

    @staticmethod
    def _median(values: list[float]) -> float | None:
        return statistics.median(values) if values else None


def rounds(runners: Mapping[str, Runner], cases: Sequence[Case], count: int) -> Figures:
    """Every runner in turn with every case, ``count`` times."""
    figures = Figures()
    for number in range(-1, count):
        for case in cases:
            for runner, run in runners.items():
                skip = number >= case.rounds or (number > 0 and (runner, case.name) in ONCE)
                # Before the rounds each runs once for its bytecode and the disk's cache; that is not counted.
                skip |= number < 0 and case is not cases[0]
                if runner in case.without:
                    figures.gone[runner, case.name] = f"not run: {case.without[runner]}"
                elif not skip and (runner, case.name) not in figures.gone:
                    figures.take(runner, run, case)
        if number < 0:
            figures.spent.clear()
    return figures


def table(figures: Figures, runners: Sequence[str], cases: Sequence[Case]) -> list[str]:
    """The figures as a table in Markdown: seconds, and how many times those of `araneus cwl`."""
    heads = [*(case.name for case in cases), "CPU ms per scattered job"]
    lines = [f"| | {' | '.join(heads)} |", f"|---{'|---' * len(heads)}|"]
    for runner in runners:
        cells = [_cell(figures, runner, case.name) for case in cases]
        lines.append(f"| {runner} | {' | '.join([*cells, _per_job(figures, runner, cases)])} |")
    return lines


def _cell(figures: Figures, runner: str, case: str) -> str:
    wall, own = figures.wall(runner, case), figures.wall("araneus cwl", case)
    if wall is None:
        return figures.gone.get((runner, case), "")
    ratio = f" ({wall / own:.1f}x)" if own and runner != "araneus cwl" else ""
    return f"{wall:.2f} s{ratio}"


def _per_job(figures: Figures, runner: str, cases: Sequence[Case]) -> str:
    """Processor time of the widest scatter less that of a trivial tool, for each job."""
    for case in reversed(cases):
        wide, one = figures.cpu(runner, case.name), figures.cpu(runner, CASES[0].name)
        if case.document is SCATTER and wide is not None and one is not None:
            return f"{(wide - one) / case.jobs * 1000:.1f} (of {case.jobs})"
    return ""


def separate(runners: Mapping[str, Runner], count: int = 6) -> list[str]:
    """Separate trivial tasks, two at a time: seconds for each."""
    lines = ["", f"| {count} separate trivial tasks | s per task, two at a time |", "|---|---|"]
    for name, run in runners.items():
        figures = Figures()

        def some(take: Callable[[], None] = lambda f=figures, n=name, r=run: f.take(n, r, CASES[0])) -> None:  # type: ignore[misc]
            for _ in range(count // 2):
                take()

        threads = [threading.Thread(target=some) for _ in range(2)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines.append(f"| {name} | {(time.perf_counter() - begun) / count:.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=150.0, help="seconds that one run may take")
    parser.add_argument("--only", action="append", choices=list(PEERS), help="beside this peer alone")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that servers are stopped then, too
    ours = command_line(
        [sys.executable, "-m", "araneus", "cwl", "--quiet", "--containers", "none"],
        {**BYTECODE, "PYTHONPATH": str(HERE.parent)},
        options.limit,
    )
    cases = [case for case in CASES if not options.case or case.name in options.case or case is CASES[0]]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="araneus-peers-"))).resolve()
        bare = stack.enter_context(Site.at(directory / "bare", {**SETTINGS, "ARANEUS__JOBS__SANDBOX": "none"}))
        closed = stack.enter_context(Site.at(directory / "closed"))
        others, said = peers(options.limit, options.only or ())
        runners = {
            "araneus cwl": ours,
            "araneus server": server(bare, set()),
            "server, sandbox": server(closed, set()),
            **others,
        }
        print("\n".join(said), flush=True)
        figures = rounds(runners, cases, options.rounds)
        print("\n".join(["", *table(figures, list(runners), cases), *separate(runners)]), flush=True)


if __name__ == "__main__":
    main()
