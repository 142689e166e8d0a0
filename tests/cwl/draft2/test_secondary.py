"""Secondary files of sbg:draft-2: suffixes and expressions, at inputs, outputs and fields of records."""

from typing import Any

import pytest

from araneus.cwl.errors import CWLError, DocumentError
from tests.cwl.draft2.documents import array, bound, expression, load_tool, output, port
from tests.cwl.running import Bench, file_value, write

NAMES = "{ return [].concat($job.inputs.f.secondaryFiles || []).map(function (f) { return f.name }).join() }"


def beside_input(bench: Bench, patterns: Any, *, at: str = "inputBinding", **more: Any) -> list[str]:
    """The names of the secondary files that a script sees at the input ``x.a.bam``."""
    place = {"inputBinding": {"sbg:cmdInclude": False, "secondaryFiles": patterns}}
    if at == "port":
        place = {"secondaryFiles": patterns}
    made = load_tool(
        baseCommand=["true"],
        inputs=[port("f", "File", **place, **more), port("other", ["null", "string"])],
        outputs=[output("o", "string", outputEval=expression(NAMES))],
    )
    for name in ("x.a.bam", "x.a.bam.bai", "x.a.bai", "x.a.dict", "x.fai", "index"):
        write(bench.directory / "in" / name)
    found = bench.run(made, {"f": file_value(bench.directory / "in" / "x.a.bam"), "other": ".dict"})["o"]
    assert isinstance(found, str)
    return [name for name in found.split(",") if name]


@pytest.mark.parametrize("at", ["inputBinding", "port"])
@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([expression("$self.path + '.bai'")], ["x.a.bam.bai"]),
        (expression("$self.path + '.bai'"), ["x.a.bam.bai"]),
        ([expression("$self.name.replace('.bam', '.bai')")], ["x.a.bai"]),
        ([expression("{ return $self.path.replace(/bam$/, 'bai') }")], ["x.a.bai"]),
        ([expression("$job.inputs.f.path.slice(0, -4) + $job.inputs.other")], ["x.a.dict"]),
        ([expression("[$self.path + '.bai', 'index', 'missing']")], ["x.a.bam.bai", "index"]),
        ([expression("{ return {'class': 'File', path: $self.path + '.bai'} }")], ["x.a.bam.bai"]),
        ([expression("[{'class': 'File', path: 'index'}]")], ["index"]),
        ([expression("'.bai'")], ["x.a.bam.bai"]),
        ([expression("'^.bai'")], ["x.a.bai"]),
        ([expression("'^^.fai'")], ["x.fai"]),
        ([expression("'./index'")], ["index"]),
        ([expression("null"), ".bai"], ["x.a.bam.bai"]),
        ([expression("''"), expression("undefined"), expression("[]")], []),
        ([expression("$self.path")], []),
        ([".bai", expression("$self.path + '.bai'"), "bai"], ["x.a.bam.bai"]),
        (["$(x)", "${y}"], []),
    ],
)
def test_of_inputs(bench: Bench, patterns: Any, found: list[str], at: str) -> None:
    assert beside_input(bench, patterns, at=at) == found


def test_of_staged_inputs(bench: Bench) -> None:
    found = beside_input(bench, [expression("$self.path + '.bai'")], **{"sbg:stageInput": "link"})
    assert found == ["x.a.bam.bai"]
    assert (bench.work / "x.a.bam.bai").exists()


def test_of_each_file_of_a_list_and_of_fields(bench: Bench) -> None:
    suffix = [expression("$self.path.replace('.fq', '.idx')")]
    record = {"type": "record", "name": "r", "fields": [
        {"name": "g", "type": "File", "inputBinding": {"secondaryFiles": suffix}}]}  # fmt: skip
    made = load_tool(
        baseCommand=["true"],
        inputs=[bound("l", array("File"), secondaryFiles=suffix), bound("r", record)],
        outputs=[output("o", array("string"), outputEval=expression(
            "$job.inputs.l.concat([$job.inputs.r.g]).map(function (f) { return f.secondaryFiles[0].name })"))],
    )  # fmt: skip
    files = []
    for name in "abc":
        write(bench.directory / "in" / f"{name}.idx")
        files.append(file_value(write(bench.directory / "in" / f"{name}.fq")))
    assert bench.run(made, {"l": files[:2], "r": {"g": files[2]}})["o"] == ["a.idx", "b.idx", "c.idx"]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([expression("$self.path + '.bai'")], ["a.b.bam.bai"]),
        ([expression("$self.path.replace('.bam', '.bai')")], ["a.b.bai"]),
        ([expression("['.bai', '^.bai', '.none']")], ["a.b.bam.bai", "a.b.bai"]),
        (expression("$self.name + $job.inputs.suffix"), ["a.b.bam.bai"]),
        ([expression("null")], []),
    ],
)
def test_of_outputs(bench: Bench, patterns: Any, found: list[str]) -> None:
    made = load_tool(
        baseCommand=["touch a.b.bam a.b.bam.bai a.b.bai;"],
        inputs=[port("suffix")],
        outputs=[output("o", glob="*.bam", secondaryFiles=patterns)],
    )
    value = bench.run(made, {"suffix": ".bai"})["o"]
    assert [item["basename"] for item in value.get("secondaryFiles", [])] == found


def test_scripts_of_outputs_see_the_secondary_files(bench: Bench) -> None:
    made = load_tool(
        baseCommand=["touch a.bam a.bam.bai;"],
        outputs=[
            output("o", glob="*.bam", secondaryFiles=[".bai"], metadata={
                "index": expression("$self.secondaryFiles[0].path.split('/').pop()")}),
            output("n", "string", glob="*.bam", secondaryFiles=["bai"],
                   outputEval=expression("$self[0].secondaryFiles[0].name")),
            output("i", glob="*.bam", secondaryFiles=["bai"], outputEval=expression("$self[0].secondaryFiles[0]")),
        ],
    )  # fmt: skip
    found = bench.run(made)
    assert found["o"]["metadata"] == {"index": "a.bam.bai"}
    assert [item["basename"] for item in found["o"]["secondaryFiles"]] == ["a.bam.bai"]
    assert found["n"] == "a.bam.bai"
    assert found["i"]["basename"] == "a.bam.bai"


def test_what_an_expression_gives_must_be_names(bench: Bench) -> None:
    with pytest.raises(CWLError, match="neither a name nor a File"):
        beside_input(bench, [expression("5")])


def test_an_expression_that_fails_gives_nothing(bench: Bench) -> None:
    assert beside_input(bench, [expression("self.basename + '.bai'"), ".bai"]) == ["x.a.bam.bai"]


@pytest.mark.parametrize(
    "script",
    [
        "'/etc/passwd'",
        "'../../../../etc/passwd'",
        "{ return {'class': 'File', path: '/etc/passwd'} }",
        "{ return {'class': 'File', location: 'file:///etc/passwd'} }",
    ],
)
def test_names_from_elsewhere_are_only_names(bench: Bench, script: str) -> None:
    assert beside_input(bench, [expression(script)]) == []


@pytest.mark.parametrize("script", ["'x/..'", "'a\\u0000b'", "'x/'"])
def test_what_is_no_name_is_refused(bench: Bench, script: str) -> None:
    with pytest.raises(CWLError):
        beside_input(bench, [expression(script)])


def test_what_is_neither_text_nor_expression_has_its_place() -> None:
    with pytest.raises(DocumentError) as caught:
        load_tool(inputs=[bound("f", "File", secondaryFiles=[{"pattern": ".bai"}, 5, [1]])])
    assert [problem.where for problem in caught.value.problems] == [
        "inputs/f/inputBinding/secondaryFiles/0", "inputs/f/inputBinding/secondaryFiles/2"]  # fmt: skip
