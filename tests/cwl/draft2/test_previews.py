"""The command lines that the platform's editor saved in documents, ``sbg:cmdPreview`` of the example job ``sbg:job``.

An editor shows what it knew when the tool was saved: only some of the inputs, and not in the order of the executor. So
each of its words must be among those of the command line here, where paths are other ones.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from araneus.cwl.command import Layout, prepare, resources
from araneus.cwl.errors import InputError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.cwl.nesting import mappings
from araneus.cwl.process import CommandLineTool
from araneus.engine.ports import Fitter
from tests.cwl.draft2.test_documents import documents

LAYOUT = Layout(work="/job/work", temporary="/job/tmp", inputs="/job/inputs")
PATHS = re.compile(r"(?<![\w.])(?:\.\./|/)?(?:[\w.-]+/)+(?=[\w.-])")
CHANGED_SINCE = frozenset(
    {
        "SBG Coverage", "XenomeV2", "PY-allele_depth_min_and_AF_from_ADs-tumoronly", "MSIsensor2 msi",
        "GATK VariantAnnotator", "GATK IndexFeatureFile", "STAR Genome Generate", "SBG FASTQ Quality Detector",
        "Picard SortSam",
    }
)  # fmt: skip
"""Tools whose documents hold the preview of an older revision: words that they have no more, or twice."""
INCOMPLETE = frozenset({"BamTools Split", "Picard CalculateHsMetrics"})
"""Tools whose example job lacks a required input."""


def previews(shared: Path) -> Iterator[dict[str, Any]]:
    """Each tool with a preview and an example job, once, with its version."""
    seen: set[str] = set()
    for _, document in documents(shared):
        for node in mappings(document):
            text = json.dumps(node, sort_keys=True)
            if node.get("class") == "CommandLineTool" and node.get("sbg:cmdPreview") and node.get("sbg:job"):
                if text not in seen:
                    yield {"cwlVersion": "sbg:draft-2", **node}
                seen.add(text)


def words(line: str) -> Counter[str]:
    """The words, of paths only the last part; how many cores there are is no word."""
    return Counter(PATHS.sub("", re.sub(r"-@ [0-9]+", "", line)).split())


def line(document: Mapping[str, Any], javascript: JavaScript) -> str:
    """The command line for the example job of a tool."""
    tool = load_document(dict(document))
    assert isinstance(tool, CommandLineTool)
    evaluator = evaluator_for(tool, javascript)
    given = {name: as_input(value) for name, value in document["sbg:job"]["inputs"].items()}
    inputs = Fitter().fit(tool.inputs, {port.id: given.get(port.id) for port in tool.inputs}, where="")
    asked = resources(tool, inputs, evaluator)
    seen = prepare(tool, inputs, LAYOUT, asked, evaluator, locate=lambda _: Path("/dev/null"))
    return seen.command[-1]


def as_input(value: Any) -> Any:
    """A value of an example job, in which files are paths."""
    if isinstance(value, list):
        return [as_input(item) for item in value]
    if not isinstance(value, dict) or "path" not in value:
        return value
    name = str(value["path"]).rpartition("/")[2] or "x"
    kept = {"metadata": value["metadata"]} if value.get("metadata") else {}
    beside = [as_input(item) for item in value.get("secondaryFiles") or ()]
    return {"class": "File", "basename": name, "location": f"blob:{name}", "size": 0, "secondaryFiles": beside} | kept


def test_the_words_of_previews_are_on_the_command_line(shared: Path, javascript: JavaScript) -> None:
    compared = 0
    for document in previews(shared):
        label = document["label"]
        if label in CHANGED_SINCE:
            continue
        try:
            made = line(document, javascript)
        except InputError:
            assert label in INCOMPLETE
            continue
        missing = words(document["sbg:cmdPreview"]) - words(made)
        assert not missing, (label, missing, made)
        compared += 1
    assert compared >= 70


def test_previews_of_tools_without_further_inputs_are_the_command_line(shared: Path, javascript: JavaScript) -> None:
    same = 0
    for document in previews(shared):
        if document["label"] not in CHANGED_SINCE | INCOMPLETE:
            made = words(line(document, javascript))
            same += made == words(document["sbg:cmdPreview"])
    assert same >= 30
