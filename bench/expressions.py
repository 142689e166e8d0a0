"""What evaluating and preparing cost: `python -m bench.expressions`.

Prints microseconds per parameter reference, per JavaScript evaluation (beside a start of node, where it is installed),
per prepared and per collected trivial job.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from araneus.cwl.command import Layout, prepare, resources
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.cwl.outputs import collect
from araneus.cwl.process import CommandLineTool

LIBRARY = "\n".join(f"var helper{number} = function (x) {{ return x + {number}; }};" for number in range(100))
TOOL = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "baseCommand": ["cp"],
    "inputs": {"x": {"type": "File", "inputBinding": {"position": 1}}, "n": {"type": "int", "default": 1}},
    "arguments": [{"position": 2, "valueFrom": "$(inputs.x.nameroot).copy"}],
    "outputs": {"y": {"type": "File", "outputBinding": {"glob": "*.copy"}}},
}


def microseconds(action: Callable[[], object], times: int, pause: float = 0.0) -> float:
    """The median of single calls; with ``pause`` seconds between them, which are not counted."""
    action()
    taken = []
    for _ in range(times):
        if pause:
            time.sleep(pause)
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return sorted(taken)[times // 2] * 1e6


def processor_time(action: Callable[[], object], times: int) -> float:
    """Of one call, in this process and in the worker."""

    def used() -> float:
        here = psutil.Process()
        return sum(sum(process.cpu_times()[:2]) for process in (here, *here.children()))

    action()
    before = used()
    for _ in range(times):
        action()
    return (used() - before) / times * 1e6


def expressions(javascript: JavaScript) -> None:
    """References and JavaScript."""
    requirement = {"InlineJavascriptRequirement": {"expressionLib": [LIBRARY]}}
    plain = evaluator_for(load_document({**TOOL, "requirements": {"InlineJavascriptRequirement": {}}}), javascript)
    library = evaluator_for(load_document({**TOOL, "requirements": requirement}), javascript)
    inputs = {"x": {"class": "File", "path": "/in/1/reads.bam", "basename": "reads.bam", "size": 10}, "n": 1}
    row("parameter reference", microseconds(lambda: plain.evaluate("$(inputs.x.basename)", inputs=inputs), 20_000))
    row("two in a text", microseconds(lambda: plain.evaluate("$(inputs.n)-$(inputs.x.size)", inputs=inputs), 20_000))
    shared = "$(inputs.n + 1)"
    alone = "$(this === undefined ? 0 : inputs.n + 1)"
    for name, text in (("shared context", shared), ("context of its own", alone)):
        row(f"JavaScript, {name}", microseconds(lambda: plain.evaluate(text, inputs=inputs), 2000))  # noqa: B023 -- called at once
        row("  the same, 1 ms apart", microseconds(lambda: plain.evaluate(text, inputs=inputs), 1000, 0.001))  # noqa: B023
        row("  processor time, both sides", processor_time(lambda: plain.evaluate(text, inputs=inputs), 2000))  # noqa: B023
    row("with a library of 5 kB", microseconds(lambda: library.evaluate("$(helper7(1))", inputs=inputs), 1000, 0.002))
    node = shutil.which("node")
    if node is not None:
        command = [node, "-e", "console.log(1 + 1)"]
        row("node -e", microseconds(lambda: subprocess.run(command, check=True, capture_output=True), 10))


def jobs(javascript: JavaScript) -> None:
    """Preparing and collecting `TOOL`."""
    process = load_document(TOOL)
    assert isinstance(process, CommandLineTool)
    evaluator = evaluator_for(process, javascript)
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory) / "work"
        work.mkdir()
        (work / "reads.copy").write_text("x")
        layout = Layout(work=str(work), temporary=f"{directory}/tmp", inputs=f"{directory}/inputs")
        inputs = {"x": {"class": "File", "location": "blob:0", "basename": "reads.bam", "size": 10}, "n": 1}
        asked = resources(process, inputs, evaluator)
        invocation = prepare(process, inputs, layout, asked, evaluator)
        row("prepare a trivial job", microseconds(lambda: prepare(process, inputs, layout, asked, evaluator), 2000))
        row(
            "collect a trivial job",
            microseconds(lambda: collect(process, invocation, work, evaluator, exit_code=0), 2000),
        )


def row(name: str, cost: float) -> None:
    """One line of the table."""
    print(f"{name:32}{cost:12.1f} µs")


def main() -> None:
    """Print the table."""
    with JavaScript() as javascript:
        expressions(javascript)
        jobs(javascript)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
