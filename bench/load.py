"""What it costs to read an app: milliseconds, and per megabyte, for the real packed apps and for one made large.

Usage: ``python bench/load.py``. Budget: a packed app of 1 MB and 100 tools in 0.5 s. Times are of the processor, best
of three; the real apps are read from ``../shared/apps/packed`` and left out where that is absent.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from araneus.cwl.errors import CWLError
from araneus.cwl.load import examine, parse_text

PACKED = Path(__file__).resolve().parents[2] / "shared" / "apps" / "packed"


def best(act: Callable[[], object]) -> float:
    """Processor milliseconds of the fastest of three runs."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        act()
        taken.append(time.process_time() - began)
    return min(taken) * 1000


def row(name: str, text: str) -> None:
    """One line of the report: parsing and loading one document."""
    document = parse_text(text)
    size = len(text.encode()) / 1e6
    parse = best(lambda: parse_text(text))
    load = best(lambda: examine(document))
    print(f"{name[:60]:60} {size:6.3f} MB  parse {parse:7.1f} ms  load {load:7.1f} ms  {load / size:6.0f} ms/MB")


def large(tools: int, size: float) -> dict[str, Any]:
    """A workflow of this many tools, about this many MB in JSON."""
    port = {"type": ["null", "File"], "inputBinding": {"position": 1, "prefix": "--in"}, "sbg:fileTypes": "BAM"}
    tool: dict[str, Any] = {
        "class": "CommandLineTool",
        "cwlVersion": "v1.0",
        "baseCommand": ["run"],
        "inputs": [],
        "outputs": [{"id": "out", "type": "File", "outputBinding": {"glob": "*.bam"}}],
        "requirements": [{"class": "DockerRequirement", "dockerPull": "images.example.org/tool:1"}],
    }
    while len(json.dumps(tool)) < size * 1e6 / tools:
        tool["inputs"].append(copy.deepcopy(port) | {"id": f"in_{len(tool['inputs'])}"})
    steps = [
        {
            "id": f"step_{number}",
            "run": copy.deepcopy(tool),
            "in": [{"id": "in_0", "source": f"step_{number - 1}/out" if number else "reads"}],
            "out": [{"id": "out"}],
        }
        for number in range(tools)
    ]
    inputs = [{"id": "reads", "type": "File"}]
    return {"class": "Workflow", "cwlVersion": "v1.2", "id": "large", "inputs": inputs, "outputs": [], "steps": steps}


def main() -> None:
    """Print the report."""
    made = large(100, 1.0)
    row("made: 100 tools, JSON", json.dumps(made))
    row("made: 100 tools, YAML", yaml.dump(made, Dumper=yaml.CSafeDumper))
    apps = sorted(PACKED.glob("*.json"), key=lambda path: -path.stat().st_size)
    for path in apps[:5]:
        row(path.name, path.read_text())
    documents = [json.loads(path.read_bytes()) for path in apps]
    total = sum(path.stat().st_size for path in apps) / 1e6
    if documents:
        taken = best(lambda: [_examined(document) for document in documents])
        print(f"all {len(documents)} packed apps: {total:.2f} MB in {taken:.0f} ms, {taken / total:.0f} ms/MB")


def _examined(document: dict[str, Any]) -> bool:
    try:
        return not examine(document).broken
    except CWLError:
        return False


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
