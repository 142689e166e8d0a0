"""The packed apps of public repositories, read by us and by cwltool: the same processes, ports, types and defaults."""

import io
import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.load import examine, parse_text
from araneus.cwl.process import MISSING, InputPort, Process, Workflow
from araneus.cwl.types import ArrayType, EnumType, Primitive, RecordType, Type, options

context = pytest.importorskip("cwltool.context", reason="cwltool is not installed")
load_tool = pytest.importorskip("cwltool.load_tool")
default_make_tool = pytest.importorskip("cwltool.workflow").default_make_tool
SaladException = pytest.importorskip("schema_salad.exceptions").SchemaSaladException

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

SHARED = Path(__file__).resolve().parents[3] / "shared"
REFUSED = {
    "Kids-First-Elements-of-Style-Workflow-Creation-Maintenance__fastqc_multiqc_wf.json",
    "d3b-dev-rnaseq-snv__d3b_strelka2_rnaseq_snv_wf.json",
    "d3b_bic-seq2__kfdrc_bic-seq_wf.json",
    "kf-dev-single-cell-rna__kf_qc_rerun_wf.json",
}
"""What cwltool does not load, for the reasons that `test_load_suites.BROKEN` and ``DOUBTFUL`` name."""
WIDER = {("bwa_mem", "bwa_input_prepare", "max_siz")}
"""An int whose default needs more than 32 bits is a long here; cwltool takes the app and fails when it runs."""

Shape = Any
Port = tuple[str, Shape, bool, Shape]


def theirs(path: Path) -> Any:
    """The process that cwltool makes of a document, without its word-for-word validation (which takes minutes)."""
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            settings = {
                "strict": False,
                "skip_schemas": True,
                "do_validate": False,
                "construct_tool_object": default_make_tool,
            }
            fetched = load_tool.fetch_document(str(path), context.LoadingContext(settings))
            loading, uri = load_tool.resolve_and_validate_document(*fetched)
            return load_tool.make_tool(uri, loading)
    finally:
        logging.disable(logging.NOTSET)


def last(name: str) -> str:
    return name.rpartition("#")[2].rpartition("/")[2]


def tail(symbol: str) -> str:
    """What both make of a symbol: ``FASTQ/A`` and ``splice:hq`` become URIs in cwltool."""
    return re.split(r"[/:#]", symbol)[-1]


def their_type(kind: Any) -> Shape:
    if isinstance(kind, list):
        return their_union([their_type(option) for option in kind])
    if isinstance(kind, str):
        return "File" if kind in {"stdin", "stdout", "stderr"} else last(kind)
    name = kind["type"]
    if name == "array":
        return ("array", their_type(kind["items"]))
    if name == "enum":
        return ("enum", *map(tail, kind["symbols"]))
    if name == "record":
        return ("record", *((last(each["name"]), their_type(each["type"])) for each in kind["fields"]))
    return their_type(name)


def their_union(shapes: list[Shape]) -> Shape:
    flat: list[Shape] = []
    for shape in shapes:
        flat += shape[1:] if isinstance(shape, tuple) and shape[0] == "union" else [shape]
    several = list(dict.fromkeys(flat))
    return several[0] if len(several) == 1 else ("union", *several)


def our_type(kind: Type) -> Shape:
    if isinstance(kind, Primitive):
        return kind.name
    if isinstance(kind, ArrayType):
        return ("array", our_type(kind.items))
    if isinstance(kind, EnumType):
        return ("enum", *map(tail, kind.symbols))
    if isinstance(kind, RecordType):
        return ("record", *((each.name, our_type(each.type)) for each in kind.fields))
    return ("union", *map(our_type, options(kind)))


def listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def their_ports(process: Any, section: str) -> list[Port]:
    return [
        (
            last(port["id"]),
            their_type(port["type"]),
            port.get("default") is not None,
            [
                (each["pattern"], _required(each.get("required"), section))
                for each in listed(port.get("secondaryFiles"))
            ],
        )
        for port in process.tool[section]
    ]


def our_ports(process: Process, section: str) -> list[Port]:
    return [
        (
            port.id,
            our_type(port.type),
            isinstance(port, InputPort) and port.default is not MISSING and port.default is not None,
            [(each.pattern, _required(each.required, section)) for each in port.secondary_files],
        )
        for port in (process.inputs if section == "inputs" else process.outputs)
    ]


def _required(said: bool | str | None, section: str) -> bool | str:
    return said if said is not None else section == "inputs"


def pairs(ours: Process, other: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Process, Any]]:
    """Our processes and theirs, by the steps that lead to them."""
    yield place, ours, other
    if isinstance(ours, Workflow):
        steps = {last(step.tool["id"]): step.embedded_tool for step in other.steps}
        assert {step.id for step in ours.steps} == steps.keys(), place  # cwltool shuffles them
        for step in ours.steps:
            yield from pairs(step.run, steps[step.id], (*place, step.id))


def packed() -> list[Path]:
    return sorted((SHARED / "apps" / "packed").glob("*.json"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in packed()])
def test_a_packed_app_has_the_ports_that_cwltool_sees(path: Path) -> None:
    process = examine(parse_text(path.read_bytes())).process
    if path.name in REFUSED:
        with pytest.raises(SaladException):
            theirs(path)
        return
    for place, ours, other in pairs(process, theirs(path)):
        for section in ("inputs", "outputs"):
            found, wanted = our_ports(ours, section), their_ports(other, section)
            assert [port[0] for port in found] == [port[0] for port in wanted], place
            for mine, its in zip(found, wanted, strict=True):
                if (*place, mine[0]) not in WIDER:
                    assert mine == its, (place, section)
