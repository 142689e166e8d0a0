"""``araneus cwl`` with documents of sbg:draft-2: files on disk, several versions, the log of stderr as an output."""

import json
from pathlib import Path
from typing import Any

import pytest

from araneus.direct import EXIT_FAILURE, EXIT_SUCCESS, run_cwl_command
from tests.cwl.draft2.documents import array, bound, draft2_tool, draft2_workflow, expression, output, port, step

V1_TOOL = {
    "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "cat", "stdout": "all.txt",
    "inputs": {"files": {"type": "File[]", "inputBinding": {}}}, "outputs": {"all": "stdout"},
}  # fmt: skip


def run(folder: Path, capfd: pytest.CaptureFixture[str], document: Any, job: Any = None) -> tuple[int, Any]:
    """Exit code, and the output object or what was said."""
    (folder / "doc.json").write_text(json.dumps(document))
    (folder / "job.json").write_text(json.dumps(job or {}))
    code = run_cwl_command(
        str(folder / "doc.json"), str(folder / "job.json"), outdir=folder / "out", quiet=True, containers="none"
    )
    said = capfd.readouterr()
    return code, json.loads(said.out) if code == EXIT_SUCCESS else said.err


def test_a_workflow_of_both_versions(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    upper = draft2_tool(
        baseCommand=["tr", "a-z", "A-Z"], stdin=expression("$job.inputs.x.path"),
        inputs=[port("x", "File", inputBinding={"secondaryFiles": [".idx"], "sbg:cmdInclude": False})],
        stdout=expression("$job.inputs.x.name.replace('.txt', '.up') + ($job.inputs.x.secondaryFiles ? 2 : '')"),
        outputs=[output("y", glob="*.up*")],
    )  # fmt: skip
    (tmp_path / "upper.json").write_text(json.dumps(upper))
    (tmp_path / "cat.json").write_text(json.dumps(V1_TOOL))
    for name in ("a.txt", "b.txt", "b.txt.idx"):
        (tmp_path / name).write_text(f"{name}\n")
    workflow = draft2_workflow(
        inputs=[port("xs", {"type": "array", "items": "File"})],
        steps=[
            step("up", {"import": "upper.json"}, {"x": ["#xs"]}, scatter="#up.x", outputs=[{"id": "#up.y"}]),
            step("cat", "cat.json", {"files": ["#up.y"]}, outputs=[{"id": "#cat.all"}]),
        ],
        outputs=[
            {"id": "#all", "type": "File", "source": ["#cat.all"]},
            {"id": "#ups", "type": ["null", "File"], "source": ["#up.y"]},
        ],
    )
    job = {"xs": [{"class": "File", "path": name} for name in ("a.txt", "b.txt")]}
    code, found = run(tmp_path, capfd, workflow, job)
    assert code == EXIT_SUCCESS, found
    assert Path(found["all"]["path"]).read_text() == "A.TXT\nB.TXT\n"
    assert [each["basename"] for each in found["ups"]] == ["a.up", "b.up2"]


def test_the_log_of_stderr_can_be_an_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = expression("$self[0].contents.trim()")
    tool = draft2_tool(
        baseCommand=["ls; echo said >&2;"], stdout="listing",
        outputs=[
            output("log", glob="{exit.log,job.err.log}"),
            output("text", "string", glob=expression("'job.err.log'"), loadContents=True, outputEval=text),
            output("logs", ["null", "File"], glob="*.log"),
            output("all", array("File"), glob="*"),
        ],
    )  # fmt: skip
    code, found = run(tmp_path, capfd, tool)
    assert code == EXIT_SUCCESS, found
    assert Path(found["log"]["path"]).read_text() == "said\n"
    assert (found["text"], found["logs"]) == ("said", None)
    assert [each["basename"] for each in found["all"]] == ["listing"]


def test_lists_of_logs_hold_that_of_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    check = """{
        for (i in $self) { if ($self[i].path.includes('code.log')) e = i; else j = i }
        if (parseInt($self[e].contents) !== 0) throw 'FAILED ' + $self[j].contents
        return $self }"""
    logs = output("logs", array("File"), glob="*.log", loadContents=True, outputEval=expression(check))
    tool = draft2_tool(baseCommand=["echo said >&2; (exit", expression("$job.inputs.n"), "); echo $? > code.log"],
                       inputs=[port("n", "int")], outputs=[logs])  # fmt: skip
    code, found = run(tmp_path, capfd, tool, {"n": 0})
    assert code == EXIT_SUCCESS, found
    assert [each["basename"] for each in found["logs"]] == ["code.log", "job.err.log"]
    code, said = run(tmp_path, capfd, tool, {"n": 3})
    assert code == EXIT_FAILURE
    assert "FAILED said" in said


def test_a_log_of_the_tools_own_stays(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tool = draft2_tool(baseCommand=["echo said >&2; echo own > job.err.log"], outputs=[output("o", glob="job.err.log")])
    code, found = run(tmp_path, capfd, tool)
    assert code == EXIT_SUCCESS, found
    assert Path(found["o"]["path"]).read_text() == "own\n"


@pytest.mark.parametrize(
    ("codes", "expected"), [([], EXIT_FAILURE), ([3], EXIT_SUCCESS), ([0], EXIT_FAILURE), ([0, 3], EXIT_SUCCESS)]
)
def test_a_list_of_success_codes_takes_the_place_of_zero(
    codes: list[int], expected: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tool = draft2_tool(baseCommand=["exit", "3"], successCodes=codes)
    assert run(tmp_path, capfd, tool)[0] == expected
    ends_well = run(tmp_path, capfd, tool | {"baseCommand": ["exit", "0"]})[0]
    assert ends_well == (EXIT_SUCCESS if 0 in (codes or [0]) else EXIT_FAILURE)


def test_what_fails_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tool = draft2_tool(inputs=[bound("x", "File", valueFrom=expression("{ return $self.nothing.at.all }"))])
    (tmp_path / "a").write_text("")
    code, said = run(tmp_path, capfd, tool, {"x": {"class": "File", "path": "a"}})
    assert code == EXIT_FAILURE
    assert "inputs/x/valueFrom" in said
    assert "$self.nothing.at.all" in said
