"""Outputs of sbg:draft-2 tools: globs, contents, metadata, secondary files, exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import OutputError
from araneus.model.job import WORK_DIRECTORY
from tests.cwl.draft2.documents import array, expression, load_tool, output, port
from tests.cwl.running import Bench, file_value, tool, write

FILES = ["a.txt", "b.txt", "c.log", "sub/d.txt", "sub/e.bed", "sub/deep/f.txt", "other/g.bed", "x.bam", "x.bam.bai"]
MAKE = f"mkdir -p sub/deep other && touch {' '.join(FILES)}; echo said >&2; true"


def names(bench: Bench, **binding: Any) -> Any:
    """The places of the files that one output of a tool has, relative to the working directory."""
    made = load_tool(baseCommand=[MAKE], outputs=[output("o", array("File"), **binding)])
    value = bench.run(made)["o"]
    assert isinstance(value, list)
    return [item["location"].partition(f"/{WORK_DIRECTORY}/")[2] for item in value]


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("a.txt", ["a.txt"]),
        ("./a.txt", ["a.txt"]),
        (" a.txt", ["a.txt"]),
        ("?.log", ["c.log"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("sub/*.txt", ["sub/d.txt"]),
        ("sub/deep/f.txt", ["sub/deep/f.txt"]),
        ("sub", ["sub/d.txt", "sub/e.bed"]),
        ("sub/", ["sub/d.txt", "sub/e.bed"]),
        ("./sub", ["sub/d.txt", "sub/e.bed"]),
        ("*.bed", ["other/g.bed", "sub/e.bed"]),
        ("d.txt", ["sub/d.txt"]),
        ("f.txt", []),
        ("s*", ["sub/d.txt", "sub/e.bed"]),
        ("{*.log,b.txt}", ["b.txt", "c.log"]),
        ("{*.log, b.txt}", ["b.txt", "c.log"]),
        ("*.{log,bam}", ["c.log", "x.bam"]),
        ("sub/{d,e}.*", ["sub/d.txt", "sub/e.bed"]),
        (["*.log", "a.txt"], ["c.log", "a.txt"]),
        (["*.txt", "a.txt"], ["a.txt", "b.txt"]),
        (expression("'*.log'"), ["c.log"]),
        (expression("['*.log', 'x.bam']"), ["c.log", "x.bam"]),
        ([expression("'*.log'"), None, "x.bam"], ["c.log", "x.bam"]),
        (expression("null"), []),
        ("", []),
        (None, []),
        ("!(*.txt|*.bam*)", ["c.log"]),
        ("sub/!(*.txt)", ["sub/e.bed"]),
        ("*", ["a.txt", "b.txt", "c.log", "x.bam", "x.bam.bai"]),
        ("*.*", ["a.txt", "b.txt", "c.log", "x.bam", "x.bam.bai"]),
        ("job.json", ["job.json"]),
        ("nothing*", []),
        ("sub/f.txt", ["sub/deep/f.txt"]),
        ("sub/f.*", ["sub/deep/f.txt"]),
        ("./sub/*.bed", ["sub/e.bed"]),
        ("*/d.txt", ["sub/d.txt"]),
        ("other/{f,g}.*", ["other/g.bed"]),
        ("sub/!(d.txt)", ["sub/e.bed"]),
        ("!(*.txt)", ["c.log", "x.bam", "x.bam.bai"]),
        ("*.{bam,bam.bai}", ["x.bam", "x.bam.bai"]),
        ("{sub,other}/*.bed", ["other/g.bed", "sub/e.bed"]),
        ("{sub,a.txt}", ["a.txt", "sub/d.txt", "sub/e.bed"]),
        (expression("{ return 'x.bam' + '{,.bai}' }"), ["x.bam", "x.bam.bai"]),
        (expression("[['*.log'], null, ['x.bam']]"), ["c.log", "x.bam"]),
        (expression("false"), []),
    ],
)
def test_globs(bench: Bench, glob: Any, found: list[str]) -> None:
    assert names(bench, glob=glob) == found


def test_a_working_directory_may_be_named_whole(bench: Bench) -> None:
    assert names(bench, glob=expression(f"'{bench.work}/*.log'")) == ["c.log"]


@pytest.mark.parametrize(
    ("glob", "names"),
    [
        ("$job.inputs.f.path", ["a.bam"]),
        ("$job.inputs.f", ["a.bam"]),
        ("[$job.inputs.f.path, '*.new']", ["a.bam", "b.new"]),
        ("$job.inputs.f.path + '.bai'", ["a.bam.bai"]),
        ("$job.inputs.f.path + '*'", ["a.bam", "a.bam.bai"]),
        ("$job.inputs.f.path.replace(/[^/]*$/, '{a,b}.bam')", ["a.bam"]),
    ],
)
def test_globs_may_name_inputs(bench: Bench, glob: str, names: list[str]) -> None:
    made = load_tool(
        baseCommand=["touch b.new;"], inputs=[port("f", "File")],
        outputs=[output("o", array("File"), glob=expression(glob), metadata={"k": "v"})],
    )  # fmt: skip
    source = bench.blob("text", "a.bam", metadata={"m": 1}, secondaryFiles=[bench.blob("index", "a.bam.bai")])
    found = bench.run(made, {"f": source})["o"]
    assert [each["basename"] for each in found] == names
    assert found[0]["location"] in {source["location"], source["secondaryFiles"][0]["location"]}
    assert found[0]["metadata"]["k"] == "v"


@pytest.mark.parametrize("kind", [["null", "File"], array("File")])
def test_an_empty_text_is_no_file(bench: Bench, kind: Any) -> None:
    assert one(bench, kind, outputEval=expression("''")) in (None, [])


@pytest.mark.parametrize("glob", ["../*.txt", "/etc/passwd", "sub/../../x"])
def test_globs_stay_in_the_working_directory(bench: Bench, glob: str) -> None:
    with pytest.raises(OutputError, match="leaves the working directory"):
        names(bench, glob=glob)


def one(bench: Bench, kind: Any, command: str = "true", inputs: dict[str, Any] | None = None, **binding: Any) -> Any:
    ports = [port("f", array("File")), port("s", ["null", "string"])]
    made = load_tool(baseCommand=[command], inputs=ports, outputs=[output("o", kind, **binding)])
    return bench.run(made, inputs)["o"]


def test_one_file_is_itself_and_none_is_null(bench: Bench) -> None:
    assert one(bench, ["null", "File"], "touch a", glob="a")["basename"] == "a"
    assert one(bench, ["null", "File"], glob="b") is None
    assert one(bench, array("File"), glob="b") == []
    assert one(bench, ["File"], glob="b") is None
    assert one(bench, ["File"], glob="b", outputEval=expression("$self")) is None
    assert one(bench, "int", glob="b", outputEval=expression("$self[0] ? 1 : undefined")) is None
    with pytest.raises(OutputError, match="takes a single one"):
        one(bench, "File", "touch a b", glob="?")


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "array", "items": "File", "outputBinding": {"glob": "a*"}},
        ["null", {"type": "array", "items": {"type": "File", "outputBinding": {"glob": "a*"}}}],
        {"type": "File", "outputBinding": {"glob": "a*"}},
    ],
)
def test_a_binding_may_stand_at_the_type(bench: Bench, kind: Any) -> None:
    made = load_tool(baseCommand=["touch a1;"], outputs=[{"id": "#o", "type": kind}])
    found = bench.run(made)["o"]
    assert [each["basename"] for each in (found if isinstance(found, list) else [found])] == ["a1"]


def test_records_of_outputs_have_a_binding_for_each_field(bench: Bench) -> None:
    record = {"type": "record", "name": "r", "fields": [
        {"name": "#one", "type": "File", "outputBinding": {"glob": "a", "sbg:metadata": {"k": "v"}}},
        {"name": "many", "type": array("File"), "outputBinding": {"glob": "?", "secondaryFiles": [".x"]}},
        {"name": "count", "type": "int", "outputBinding": {"glob": "?", "outputEval": expression("$self.length")}},
        {"name": "none", "type": ["null", "File"], "outputBinding": {"glob": "z*"}},
    ]}  # fmt: skip
    made = load_tool(baseCommand=["touch a b a.x;"], outputs=[{"id": "#o", "type": ["null", record]}])
    found = bench.run(made)["o"]
    assert (found["one"]["basename"], found["one"]["metadata"]) == ("a", {"k": "v"})
    assert [each["basename"] for each in found["many"]] == ["a", "b"]
    assert [each["basename"] for each in found["many"][0]["secondaryFiles"]] == ["a.x"]
    assert (found["count"], found["none"]) == (2, None)


def test_output_eval_sees_a_list_in_any_case(bench: Bench) -> None:
    count = expression("$self.length")
    assert one(bench, "int", "touch a b", glob="?", outputEval=count) == 2
    assert one(bench, "int", "rm ?; true", glob="?", outputEval=count) == 0
    assert one(bench, "int", outputEval=count) == 0
    assert one(bench, ["null", "File"], glob="x", outputEval=expression("$self")) is None
    assert one(bench, array("File"), glob="x", outputEval=expression("$self")) == []
    alone = one(bench, array("File"), "touch a", glob="a", outputEval=expression("$self[0]"))
    assert [item["basename"] for item in alone] == ["a"]
    first = one(bench, ["null", "File"], "touch a b", glob="?", outputEval=expression("[$self[1]]"))
    assert (first["basename"], "name" in first) == ("b", False)


def test_contents_for_output_eval(bench: Bench) -> None:
    text = expression("$self[0].contents")
    assert one(bench, "string", "printf 12 > n", glob="n", loadContents=True, outputEval=text) == "12"
    script = expression("{ return JSON.parse($self[0].contents).allocatedResources.cpu }")
    assert one(bench, "int", glob="job.json", loadContents=True, outputEval=script) == 1


@pytest.mark.parametrize(("character", "length"), [("a", 65536), ("\u00e9", 32768)])
def test_contents_are_the_beginning_of_a_file(bench: Bench, character: str, length: int) -> None:
    make = f"head -c 40000 /dev/zero | sed 's/\\x00/{character * 2}/g' > n; :"
    length_ = expression("$self[0].contents.length")
    assert one(bench, "int", make, glob="n", loadContents=True, outputEval=length_) == length


def test_contents_that_end_within_a_character_or_are_no_text(bench: Bench) -> None:
    text = expression("$self[0].contents.length > 10 ? 'long' : $self[0].contents.length")
    cut = "(printf x; head -c 40000 /dev/zero | sed 's/\\x00/\u00e9/g') > n; :"
    assert one(bench, "string", cut, glob="n", loadContents=True, outputEval=text) == "long"
    assert one(bench, "int", "printf 'a\\377b' > n; :", glob="n", loadContents=True, outputEval=text) == 3


def test_what_is_no_file_is_not_held_against_its_type(bench: Bench) -> None:
    assert one(bench, "int", outputEval=expression("1 < 2")) is True
    assert one(bench, ["null", "string"], outputEval=expression("5")) == 5
    with pytest.raises(OutputError, match="File"):
        one(bench, "File", outputEval=expression("5"))


def test_a_file_made_by_a_script_must_be_the_jobs_own(bench: Bench) -> None:
    made = expression("{ return {'class': 'File', 'path': 'a', 'metadata': {'k': 1}} }")
    found = one(bench, "File", "touch a", outputEval=made)
    assert (found["basename"], found["metadata"]) == ("a", {"k": 1})
    with pytest.raises(OutputError, match="neither an input nor"):
        one(bench, "File", outputEval=expression("{ return {'class': 'File', 'path': '/etc/passwd'} }"))


def inputs(bench: Bench, *metadata: dict[str, Any] | None) -> dict[str, Any]:
    files = [bench.blob("", f"in{n}.txt", **({"metadata": each} if each else {})) for n, each in enumerate(metadata)]
    return {"f": files, "s": "text"}


def metadata(bench: Bench, given: dict[str, Any], **binding: Any) -> Any:
    return one(bench, "File", "touch a.out", given, glob="*.out", **binding).get("metadata")


def test_metadata_literals_and_expressions(bench: Bench) -> None:
    own = {"k": "v", "n": 5, "e": expression("$self.path.split('/').pop() + $job.inputs.s"), "gone": expression("null")}
    expected = {"k": "v", "n": 5, "e": "a.outtext"}
    assert metadata(bench, inputs(bench), metadata=own) == expected


def test_the_old_spelling_of_metadata(bench: Bench) -> None:
    old = load_tool(baseCommand="touch a", outputs=[{"id": "#o", "type": "File", "outputBinding": {
        "glob": "a", "metadata": {"k": "$(v)"}}}])  # fmt: skip
    assert bench.run(old)["o"]["metadata"] == {"k": "$(v)"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([{"a": 1, "b": 2}], {"a": 1, "b": 2}),
        ([{"a": 1, "b": 2}, {"a": 1, "b": 3}], {"a": 1}),
        ([{"a": 1, "b": 2}, {"b": 2, "c": 3}], {"b": 2}),
        ([{"a": 1}, None], None),
        ([{"a": 1}, {"a": True}], None),
        ([], None),
    ],
)
def test_metadata_is_what_all_files_have_in_common(
    bench: Bench, given: list[dict[str, Any] | None], expected: dict[str, Any] | None
) -> None:
    assert metadata(bench, inputs(bench, *given), inherit="#f") == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"b": "own", "c": 1}, {"a": 1, "b": "own", "c": 1}),
        ({"b": expression("null"), "c": expression("$self.metadata.a")}, {"a": 1, "b": 2, "c": 1}),
    ],
)
def test_own_metadata_wins_over_what_is_inherited(bench: Bench, own: dict[str, Any], expected: Any) -> None:
    assert metadata(bench, inputs(bench, {"a": 1, "b": 2}), inherit="#f", metadata=own) == expected


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (expression("{ return {k: $self.path.split('/').pop(), n: null} }"), {"a": 1, "b": 2, "k": "a.out"}),
        (expression("{ var m = $job.inputs.f[0].metadata; m.b = 3; return m }"), {"a": 1, "b": 3}),
        (expression("null"), {"a": 1, "b": 2}),
        ({"deep": {"k": expression("1 + 1"), "l": [expression("$job.inputs.s"), 3]}},
         {"a": 1, "b": 2, "deep": {"k": 2, "l": ["text", 3]}}),
        ({"class": "text", "script": "x"}, {"a": 1, "b": 2, "class": "text", "script": "x"}),
    ],
)  # fmt: skip
def test_metadata_as_a_whole_and_in_depth_may_be_expressions(bench: Bench, own: Any, expected: Any) -> None:
    assert metadata(bench, inputs(bench, {"a": 1, "b": 2}), inherit="#f", metadata=own) == expected


def test_metadata_that_is_no_mapping_is_an_error(bench: Bench) -> None:
    with pytest.raises(OutputError, match="must give a mapping"):
        metadata(bench, inputs(bench), metadata=expression("'text'"))


@pytest.mark.parametrize("name", ["#missing", "missing", "#s", ""])
def test_what_has_no_metadata_gives_none(bench: Bench, name: str) -> None:
    assert metadata(bench, inputs(bench, {"a": 1}), inherit=name, metadata={"k": 1}) == {"k": 1}


def test_metadata_stays_through_output_eval_and_on_files_that_pass(bench: Bench) -> None:
    found = metadata(bench, inputs(bench, {"a": 1}), inherit="#f", outputEval=expression("$self.reverse()"))
    assert found == {"a": 1}
    passing = load_tool(
        baseCommand="true",
        inputs=[port("f", "File", **{"sbg:stageInput": "link"})],
        outputs=[output("o", glob="*.txt")],
    )
    source = file_value(write(bench.directory / "in.txt"), metadata={"k": "v"})
    assert bench.run(passing, {"f": source})["o"]["metadata"] == {"k": "v"}


def test_a_tool_without_a_command_gives_what_its_scripts_choose(bench: Bench) -> None:
    chosen = expression("$job.inputs.f.filter(function (f) { return f.metadata.paired_end == '2' })")
    ports = [port("f", array("File"))]
    made = load_tool(
        baseCommand=[], inputs=ports, outputs=[output("o", array("File"), outputEval=chosen, inherit="#f")]
    )
    files = [bench.blob(str(n), f"{n}.fq", metadata={"paired_end": str(n), "sample_id": "s"}) for n in (1, 2)]
    found = bench.run(made, {"f": files})["o"]
    assert [(item["basename"], item["metadata"]) for item in found] == [("2.fq", files[1]["metadata"])]
    assert found[0]["location"] == files[1]["location"]


def test_what_a_script_makes_has_the_metadata_of_the_binding(bench: Bench) -> None:
    made = expression("{ return {'class': 'File', path: 'a'} }")
    found = one(bench, "File", "touch a", inputs(bench, {"a": 1}), outputEval=made, inherit="#f", metadata={"k": 2})
    assert found["metadata"] == {"a": 1, "k": 2}


def test_the_same_keys_in_cwl_v1(bench: Bench) -> None:
    binding = {"glob": "a", "sbg:metadata": {"k": "$(inputs.f.basename)"}, "sbg:inheritMetadataFrom": "f"}
    made = tool(
        baseCommand=["touch", "a"], inputs={"f": "File"}, outputs={"o": {"type": "File", "outputBinding": binding}}
    )
    source = file_value(write(bench.directory / "in.txt"), metadata={"m": "v"})
    assert bench.run(made, {"f": source})["o"]["metadata"] == {"m": "v", "k": "in.txt"}


def test_secondary_files_are_those_that_exist(bench: Bench) -> None:
    patterns = ["bai", ".idx", "^.bai", "^^.dict", "*.bai", "^", "", None]
    files = "a.b.bam a.b.bam.bai a.b.bai a.dict a.b.bam.tbi"
    found = one(bench, "File", f"touch {files}", glob="*.bam", secondaryFiles=patterns)
    assert [item["basename"] for item in found["secondaryFiles"]] == ["a.b.bam.bai", "a.b.bai", "a.dict"]
    assert all("metadata" not in item for item in found["secondaryFiles"])


def test_a_secondary_file_that_is_an_output_of_its_own_keeps_its_metadata(bench: Bench) -> None:
    made = load_tool(
        baseCommand=["touch a.bam a.bam.bai a.bam.txt;"],
        outputs=[
            output("bam", glob="a.bam", metadata={"k": "bam"}, secondaryFiles=[".bai", ".txt"]),
            output("index", array("File"), glob="*.bai", metadata={"k": "index"}),
            output("text", glob="*.txt"),
        ],
    )
    found = bench.run(made)
    assert found["bam"]["metadata"] == {"k": "bam"}
    assert [item["metadata"] for item in found["bam"]["secondaryFiles"]] == [{"k": "index"}, {"k": "bam"}]
    assert found["index"][0]["metadata"] == {"k": "index"}


def test_secondary_files_of_inputs_are_found_beside_them(bench: Bench) -> None:
    made = load_tool(
        baseCommand=["ls"], stdout="o",
        inputs=[port("f", "File", inputBinding={"secondaryFiles": ["bai", "^.dict", ".missing"]})],
        outputs=[output("o", "string", glob="o", loadContents=True, outputEval=expression(
            "$job.inputs.f.secondaryFiles.map(function (f) { return f.name }).join()"))],
    )  # fmt: skip
    for name in ("a.bam", "a.bam.bai", "a.dict"):
        write(bench.directory / name)
    assert bench.run(made, {"f": file_value(bench.directory / "a.bam")}) == {"o": "a.bam.bai,a.dict"}


def test_cwl_output_json_overrides(bench: Bench) -> None:
    text = json.dumps({"o": {"class": "File", "path": "b"}})
    found = one(bench, "File", f"touch a b; echo '{text}' > cwl.output.json; true", glob="a")
    assert found["basename"] == "b"


def test_cwl_output_json_as_tools_of_the_platform_write_it(bench: Bench) -> None:
    written = {"class": "File", "path": "b", "name": "b", "size": 99, "checksum": None, "metadata": {"k": "v"}}
    text = json.dumps({"o": [written]})
    found = one(bench, ["null", "File"], f"echo 1 > b; echo '{text}' > cwl.output.json; true", glob="a", inherit="#f")
    assert (found["metadata"], found["size"], "name" in found) == ({"k": "v"}, 2, False)


def test_cwl_output_json_may_name_inputs(bench: Bench) -> None:
    content = "JSON.stringify({o: [[{'class': 'File', path: $job.inputs.f.path, metadata: {new: 1}}]]})"
    files = [{"filename": "cwl.output.json", "fileContent": expression(content)}]
    made = load_tool(
        baseCommand=[],
        inputs=[port("f", "File")],
        requirements=[{"class": "CreateFileRequirement", "fileDef": files}],
        outputs=[output("o", array({"type": "array", "items": "File"}))],
    )
    source = bench.blob("text", "in.txt", metadata={"old": 1})
    found = bench.run(made, {"f": source})["o"][0][0]
    assert (found["location"], found["metadata"]) == (source["location"], {"new": 1})


def test_exit_codes() -> None:
    assert load_tool().success_codes == {0}
    found = load_tool(successCodes=[1, "2", ""], temporaryFailCodes=[3], permanentFailCodes=None)
    assert sorted(found.success_codes) == [1, 2]
    assert sorted(found.temporary_fail_codes) == [3]


def test_links_out_of_the_job_are_refused(bench: Bench) -> None:
    with pytest.raises(OutputError, match="neither an input nor"):
        one(bench, "File", "ln -s /etc/passwd a", glob="a")
    with pytest.raises(OutputError, match="neither an input nor"):
        one(bench, array("File"), "ln -s /etc d", glob="d")


def test_files_are_where_they_were_made(bench: Bench) -> None:
    found = one(bench, "File", "mkdir d; echo 1 > d/a.x", glob="*.x")
    assert Path(found["location"].removeprefix("file://")) == bench.work / "d" / "a.x"
