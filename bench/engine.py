"""What an execution costs when it is wide: time per job at several widths, and memory, without running anything.

Usage: ``python -m bench.engine``. Budgets: the same time per job at 10,000 as at 1,000; 500 MB for 10,000 jobs.
"""

import argparse
import gc
import resource
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any

from araneus.cwl.load import load_document
from araneus.cwl.process import Process
from araneus.engine.execution import Execution
from araneus.model.job import Outcome, Reason

DONE = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
TOOL = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "inputs": {"read": "File", "reference": "File[]", "threads": "int"},
    "outputs": {"bam": "File"},
    "baseCommand": "true",
}
LINKS = {"read": "reads", "reference": "reference", "threads": "threads"}


def workflow(run: Mapping[str, Any], kind: str, output: str) -> dict[str, Any]:
    """A workflow of one scattered step."""
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": {"ScatterFeatureRequirement": {}, "SubworkflowFeatureRequirement": {}},
        "inputs": {"reads": kind, "reference": "File[]", "threads": "int"},
        "outputs": {"bams": {"type": output, "outputSource": "align/bam"}},
        "steps": {"align": {"run": dict(run), "in": LINKS, "out": ["bam"], "scatter": "read"}},
    }


def two_steps() -> dict[str, Any]:
    """A workflow for one read: two tools, one after the other."""
    link = {"reference": "reference", "threads": "threads"}
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": {"read": "File", "reference": "File[]", "threads": "int"},
        "outputs": {"bam": {"type": "File", "outputSource": "sort/bam"}},
        "steps": {
            "map": {"run": TOOL, "in": {"read": "read", **link}, "out": ["bam"]},
            "sort": {"run": TOOL, "in": {"read": "map/bam", **link}, "out": ["bam"]},
        },
    }


def file(number: int) -> dict[str, Any]:
    """A File as the scheduler makes it."""
    name = f"sample_{number}.fastq"
    return {
        "class": "File", "location": f"blob:{number:064d}", "basename": name, "nameroot": name[:-6],
        "nameext": ".fastq", "size": number, "metadata": {"sample_id": str(number)},
    }  # fmt: skip


def run(process: Process, reads: list[Any]) -> int:
    """Run an execution to its end with made-up results; the number of jobs."""
    inputs = {"reads": reads, "reference": [file(n) for n in range(20)], "threads": 4}
    execution = Execution(process, inputs, _no_expressions)
    ready = execution.start()
    count = 0
    while ready:
        later = []
        for job in ready:
            count += 1
            later += execution.finish(job.key, DONE, {"bam": file(count)})
        ready = later
    assert execution.failure is None, execution.failure
    return count


def _no_expressions(_process: Process) -> Any:
    raise AssertionError("these documents have no expressions")


def measure(name: str, process: Process, reads: Callable[[int], list[Any]]) -> None:
    """Print processor time per job at three widths, and what 10,000 jobs take."""
    figures = []
    for width in (1_000, 10_000, 40_000):
        best = min(_timed(process, reads(width)) for _ in range(3))
        figures.append(f"{width}: {best:6.1f}")
    gc.collect()
    tracemalloc.start()
    run(process, reads(10_000))
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    print(f"{name:28} µs per job at {', '.join(figures)}   peak at 10,000: {peak:.0f} MB")


def _timed(process: Process, reads: list[Any]) -> float:
    start = time.process_time()
    count = run(process, reads)
    return (time.process_time() - start) / count * 1e6


def _square(width: int) -> list[Any]:
    side = round(width**0.5)
    return [[file(row * side + column) for column in range(side)] for row in range(side)]


def main() -> None:
    """Run all measurements."""
    flat = load_document(workflow(TOOL, "File[]", "File[]"))
    nested = load_document(
        {
            **workflow(_inner(), "File[][]", "File[][]"),
            "inputs": {"reads": {"type": {"type": "array", "items": {"type": "array", "items": "File"}}},
                       "reference": "File[]", "threads": "int"},
            "outputs": {"bams": {"type": {"type": "array", "items": {"type": "array", "items": "File"}},
                                 "outputSource": "align/bam"}},
        }
    )  # fmt: skip
    chains = load_document(workflow(two_steps(), "File[]", "File[]"))
    measure("scatter", flat, lambda width: [file(n) for n in range(width)])
    measure("scatter of scatters", nested, _square)
    measure("scatter of two-step chains", chains, lambda width: [file(n) for n in range(width)])
    print(f"largest resident size: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _inner() -> dict[str, Any]:
    inner = workflow(TOOL, "File[]", "File[]")
    step = inner["steps"]["align"] | {"in": {**LINKS, "read": "read"}}
    return inner | {
        "inputs": {"read": "File[]", "reference": "File[]", "threads": "int"},
        "outputs": {"bam": {"type": "File[]", "outputSource": "align/bam"}},
        "steps": {"align": step},
    }


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
