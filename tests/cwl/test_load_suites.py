"""Documents that others wrote: the three conformance suites and the packed apps of public repositories."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import DocumentError
from araneus.cwl.load import examine, load_document, load_path, parse_text
from araneus.cwl.process import CommandLineTool, Process, Workflow

SHARED = Path(__file__).resolve().parents[3] / "shared"
SUITES = {
    "v1.0": "conformance_test_v1.0.yaml",
    "v1.1": "conformance_tests.yaml",
    "v1.2": "conformance_tests.yaml",
}
REFUSED_AT_LOAD = {
    "timelimit_invalid",
    "all_non_null_multi_with_non_array_output",
    "all_non_null_multi_with_non_array_output_nojs",
    "invalid_syntax_v10_uses_v12_tool",
    "invalid_syntax_v11_uses_v12_tool",
    "invalid_syntax_v10_uses_v12_workflow",
    "invalid_syntax_v11_uses_v12_workflow",
    "invalid_syntax_mixed_v12_workflow",
}
BROKEN = {
    "Kids-First-Elements-of-Style-Workflow-Creation-Maintenance__fastqc_multiqc_wf.json": {
        "steps/multiqc/in/fastqc_results"
    },
    "d3b-dev-rnaseq-snv__d3b_strelka2_rnaseq_snv_wf.json": {"steps/gatk_pass_vcf/in/init_bam_index_style"},
    "kf-dev-single-cell-rna__kf_qc_rerun_wf.json": {"steps/seurat_qc/out"},
}
"""Packed apps whose steps name sources or outputs that do not exist, and where."""
DOUBTFUL = {
    "d3b_bic-seq2__kfdrc_bic-seq_wf.json": {"steps/prep_input_subwf/out"},
    "kf-alignment-workflow__kfdrc_alignment_CramOnly_wf.json": {
        "steps/bwa_mem/run/steps/bwa_input_prepare/run/inputs/max_siz/default"
    },
    **{
        f"kf-{name}.json": {
            f"{place}steps/vep_annotate_vcf/run/inputs/{port}/default" for port in ("failed", "shift_hgvs")
        }
        for name, place in (
            ("annotation-tools__kfdrc-germline-snv-annot-workflow", ""),
            ("annotation-tools__kfdrc-somatic-snv-annot-workflow", ""),
            ("jointgenotyping-workflow__kfdrc-jointgenotyping-refinement-workflow", "steps/annotate_vcf/run/"),
        )
    },
}
"""Packed apps that run in spite of a mistake, and where it is."""


def entries(manifest: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """The tests of a manifest and of those that it imports, with the folder that their paths start from."""
    for entry in parse_text(manifest.read_bytes()):
        if "$import" in entry:
            yield from entries(manifest.parent / entry["$import"])
        else:
            yield entry, manifest.parent


def suite(version: str) -> list[tuple[dict[str, Any], Path]]:
    return list(entries(SHARED / "conformance" / version / SUITES[version]))


def loaded(folder: Path, tool: str) -> Process:
    path, _, fragment = tool.partition("#")
    return load_path(folder / path, fragment or None)


@pytest.mark.parametrize("version", SUITES)
def test_every_document_of_a_suite_loads(version: str, shared: Path) -> None:
    assert (shared / "conformance" / version).is_dir()
    seen = {(folder, str(entry["tool"])) for entry, folder in suite(version) if not entry.get("should_fail")}
    assert len(seen) > 100
    for folder, tool in sorted(seen):
        process = loaded(folder, tool)
        assert process.id
        ids = [port.id for port in process.inputs] + [port.id for port in process.outputs]
        assert not any("#" in name or "/" in name for name in ids)


@pytest.mark.parametrize("version", SUITES)
def test_what_a_suite_wants_refused_at_load_is_refused(version: str, shared: Path) -> None:
    assert (shared / "conformance" / version).is_dir()
    for entry, folder in suite(version):
        if entry["id"] in REFUSED_AT_LOAD:
            assert entry["should_fail"]
            with pytest.raises(DocumentError):
                loaded(folder, entry["tool"])
        elif entry.get("should_fail"):
            loaded(folder, entry["tool"])  # fails when it runs, not before


def packed_apps() -> list[Path]:
    return sorted((SHARED / "apps" / "packed").glob("*.json"))


def test_every_packed_app_is_read_and_the_largest_in_time(shared: Path) -> None:
    paths = sorted((shared / "apps" / "packed").glob("*.json"))
    assert len(paths) >= 69 - 1
    slowest = (0.0, "")
    for path in paths:
        document = json.loads(path.read_bytes())
        began = time.process_time()
        examined = examine(document)
        slowest = max(slowest, (time.process_time() - began, path.name))
        assert {problem.where for problem in examined.broken} == BROKEN.get(path.name, set())
        assert {problem.where for problem in examined.doubts} == DOUBTFUL.get(path.name, set())
        assert len(examined.process.inputs) == len(document["inputs"])
        assert isinstance(examined.process, Workflow)
        assert len(examined.process.steps) == len(document["steps"])
    print(f"slowest of {len(paths)}: {slowest[1]} in {slowest[0] * 1000:.1f} ms")
    assert slowest[0] < 0.5


def test_apps_with_broken_links_are_refused_by_the_strict_loader(shared: Path) -> None:
    for name in BROKEN:
        document = json.loads((shared / "apps" / "packed" / name).read_bytes())
        with pytest.raises(DocumentError):
            load_document(document)


def test_no_packed_app_names_a_location_of_this_machine(shared: Path) -> None:
    for path in (shared / "apps" / "packed").glob("*.json"):
        for tool in tools(examine(json.loads(path.read_bytes())).process):
            for port in tool.inputs:
                assert not holds_location(port.default), (path.name, port.id)


def tools(process: Process) -> Iterator[Process]:
    yield process
    if isinstance(process, Workflow):
        for step in process.steps:
            yield from tools(step.run)


def holds_location(value: Any) -> bool:
    if isinstance(value, dict):
        return "location" in value or any(holds_location(item) for item in value.values())
    return isinstance(value, list) and any(holds_location(item) for item in value)


def test_requirements_reach_the_tools_of_a_packed_app(shared: Path) -> None:
    name = "Broad-Best-Practice-Somatic-CNV-Workflows__gatk-cnv-pair-workflow_decomposed.json"
    process = examine(json.loads((shared / "apps" / "packed" / name).read_bytes())).process
    inner = [tool for tool in tools(process) if isinstance(tool, CommandLineTool)]
    assert len(inner) > 10
    for tool in inner:
        docker = tool.requirement("DockerRequirement")
        assert docker is not None
        assert docker["dockerPull"]
        for name in process.requirements:
            assert tool.requirement(name) is not None
