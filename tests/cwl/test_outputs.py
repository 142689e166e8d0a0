"""Collecting outputs: globs, links, what outputEval makes of files, and what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.errors import ExpressionError, MissingOutputError, OutputError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.files import file_location, local_path
from araneus.cwl.globs import fits, patterns
from araneus.cwl.outputs import collect
from araneus.cwl.process import CommandLineTool
from araneus.model.job import Reason
from tests.cwl.running import JS, Bench, file_value, tool, write


def _collect(bench: Bench, process: CommandLineTool, inputs: Any = None, **options: Any) -> dict[str, Any]:
    """Collect what the test itself put into the working directory."""
    invocation = bench.prepare(process, inputs)
    if options.pop("stage", True):
        bench.stage(invocation)
    options.setdefault("exit_code", 0)
    return collect(process, invocation, bench.work, evaluator_for(process, bench.javascript), **options)


def _glob(pattern: Any, kind: Any = "File[]", **binding: Any) -> CommandLineTool:
    port = {"type": kind, "outputBinding": {"glob": pattern, **binding}}
    return tool(outputs={"o": port}, requirements=JS, inputs={"n": {"type": "string", "default": "a"}})


NAMES = ["a.txt", "b.txt", "B.txt", ".hidden.txt", "c.bam", "sub/d.txt", "sub/deeper/e.txt", "x[1].txt", "*.odd", "{z}"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", ["a.txt"]),
        ("./a.txt", ["a.txt"]),
        ("*.txt", ["B.txt", "a.txt", "b.txt", "x[1].txt"]),
        (".*.txt", [".hidden.txt"]),
        ("*/*.txt", ["d.txt"]),
        ("**/*.txt", ["d.txt"]),
        ("sub/*/*", ["e.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("[!ab].txt", ["B.txt"]),
        ("?.bam", ["c.bam"]),
        ("{a.txt,c.bam}", ["a.txt", "c.bam"]),
        ("{*.bam,{a,b}.txt}", ["a.txt", "b.txt", "c.bam"]),
        (["c.bam", "a.txt"], ["c.bam", "a.txt"]),
        (["*.txt", "a.txt"], ["B.txt", "a.txt", "b.txt", "x[1].txt"]),
        ("$(inputs.n).txt", ["a.txt"]),
        ("$(['c.bam', 'a.txt'])", ["c.bam", "a.txt"]),
        ("$(null)", []),
        ("$(runtime.outdir)/*.bam", ["c.bam"]),
        ("x[1].txt", ["x[1].txt"]),
        ("\\*.odd", ["*.odd"]),
        ("{z}", ["{z}"]),
        ("none*", []),
        ("none/a.txt", []),
        ("a.txt/b", []),
        ("", []),
        ("{,c.bam}", ["c.bam"]),
        ("a.txt/", []),
        ("*.txt/", []),
        ("{a.txt/,c.bam}", ["c.bam"]),
    ],
)
def test_globs(bench: Bench, pattern: Any, found: list[str]) -> None:
    for name in NAMES:
        write(bench.work / name, name)
    values = _collect(bench, _glob(pattern))["o"]
    assert [value["basename"] for value in values] == found
    for value in values:
        assert local_path(value["location"]).is_relative_to(bench.work)
        assert value["size"] == len(local_path(value["location"]).read_bytes())


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (".", ["work"]), ("./", ["work"]), ("$(runtime.outdir)", ["work"]), ("$(runtime.outdir)/", ["work"]), ("", []),
        ("s*/", ["sub"]), ("sub/", ["sub"]), ("sub//", ["sub"]), ("*/*/", ["deeper"]), ("o[1]/", ["o[1]"]),
        ("*", ["a.txt", "o[1]", "sub"]), ("sub/..", ["work"]), ("sub/../a.*", ["a.txt"]),
        ("./sub/deeper/../../*b", ["sub"]),
    ],
)  # fmt: skip
def test_globs_of_directories(bench: Bench, pattern: str, found: list[str]) -> None:
    write(bench.work / "a.txt")
    write(bench.work / "sub" / "deeper" / "e.txt")
    write(bench.work / "o[1]" / "in.txt")
    kind = {"type": "array", "items": ["File", "Directory"]}
    assert [value["basename"] for value in _collect(bench, _glob(pattern, kind))["o"]] == found


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "sub/../../x", "/", "$('/etc/*')", "*/../../*"])
def test_globs_do_not_leave_the_working_directory(bench: Bench, pattern: str) -> None:
    write(bench.work / "sub" / "a")
    with pytest.raises(OutputError, match=r"outputs/o: glob .* leaves the working directory"):
        _collect(bench, _glob(pattern))


def test_too_many_alternatives_are_refused(bench: Bench) -> None:
    with pytest.raises(OutputError, match="more than 1000 patterns"):
        _collect(bench, _glob("{a,b}" * 40))


@given(text=st.text("ab*?[]{},!\\./-", max_size=20), name=st.text("ab[]{}*.", min_size=1, max_size=8))
def test_any_pattern_is_read_or_refused(text: str, name: str) -> None:
    try:
        alternatives = patterns(text)
    except OutputError:
        return
    for components in alternatives:
        for component in components:
            assert component not in {".", ".."}
            assert component != "" or component is components[-1]
            if not isinstance(component, str):
                fits(name, component)


def test_files_are_described(bench: Bench) -> None:
    path = write(bench.work / "a b#.tar.gz", "hello")
    value = {
        "class": "File", "location": file_location(path), "basename": "a b#.tar.gz", "nameroot": "a b#.tar",
        "nameext": ".gz", "size": 5,
    }  # fmt: skip
    assert _collect(bench, _glob("*.gz", "File")) == {"o": value}
    checksum = "sha1$aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"
    assert _collect(bench, _glob("*.gz", "File"), checksum=True) == {"o": {**value, "checksum": checksum}}


@pytest.mark.parametrize("pattern", [".", "./", "$(runtime.outdir)"])
def test_the_working_directory_itself_may_be_an_output(bench: Bench, pattern: str) -> None:
    write(bench.work / "sub" / "a", "A")
    value = _collect(bench, _glob(pattern, "Directory"))["o"]
    assert value["location"] == file_location(bench.work)
    (sub,) = value["listing"]
    assert (sub["class"], sub["basename"], [item["basename"] for item in sub["listing"]]) == ("Directory", "sub", ["a"])
    assert "path" not in sub["listing"][0]


@pytest.mark.parametrize(
    ("kind", "names", "found"),
    [
        ("File", ["1"], "1"),
        ("File?", [], None),
        ("File?", ["1"], "1"),
        ("File[]", [], []),
        ("File[]", ["1"], ["1"]),
        ("File[]?", [], None),
        (["null", "File", {"type": "array", "items": "File"}], [], None),
        (["null", "File", {"type": "array", "items": "File"}], ["1"], "1"),
        (["null", "File", {"type": "array", "items": "File"}], ["1", "2"], ["1", "2"]),
        ("Any", ["1", "2"], ["1", "2"]),
    ],
)
def test_matches_take_the_shape_of_the_port(bench: Bench, kind: Any, names: list[str], found: Any) -> None:
    for name in names:
        write(bench.work / name)
    value = _collect(bench, _glob("?", kind))["o"]
    shown = [item["basename"] for item in value] if isinstance(value, list) else value and value["basename"]
    assert shown == found


def test_a_missing_output_names_port_glob_and_what_is_there(bench: Bench) -> None:
    for number in range(12):
        write(bench.work / f"file{number:02}")
    with pytest.raises(MissingOutputError) as failure:
        _collect(bench, _glob("$(inputs.n)*.bam", "File"))
    message = str(failure.value)
    assert failure.value.reason is Reason.MISSING_OUTPUT
    assert message.startswith("outputs/o: no file matches 'a*.bam'; the working directory holds 'file00', 'file01'")
    assert message.endswith("and 2 more")


def test_several_files_for_one_are_refused(bench: Bench) -> None:
    for name in ("1", "2"):
        write(bench.work / name)
    with pytest.raises(OutputError, match=r"outputs/o: 2 files match \('1', '2', ...\)"):
        _collect(bench, _glob("?", "File"))


# outputEval


@pytest.mark.parametrize(
    ("kind", "binding", "value"),
    [
        ("int", {"outputEval": "$(self.length)"}, 2),
        ("string", {"outputEval": "$(self[0].contents)", "loadContents": True}, "A"),
        ("int", {"outputEval": "$(runtime.exitCode)"}, 3),
        ("string[]", {"outputEval": "${ return self.map(function (f) { return f.basename }) }"}, ["a", "b"]),
        ("float", {"outputEval": "$(1 / 2)"}, 0.5),
        ("string?", {"outputEval": "$(null)"}, None),
        ("Any", {"outputEval": "$(null)"}, None),
        ({"type": "enum", "symbols": ["x", "y"]}, {"outputEval": "$('y')"}, "y"),
    ],
)
def test_output_eval(bench: Bench, kind: Any, binding: Any, value: object) -> None:
    write(bench.work / "a", "A")
    write(bench.work / "b", "B")
    assert _collect(bench, _glob("?", kind, **binding), exit_code=3)["o"] == value


def test_output_eval_without_glob_sees_an_empty_list(bench: Bench) -> None:
    process = tool(outputs={"o": {"type": "int", "outputBinding": {"outputEval": "$(self.length)"}}}, requirements=JS)
    assert _collect(bench, process)["o"] == 0


def test_output_eval_may_rename_and_annotate(bench: Bench) -> None:
    path = write(bench.work / "a.txt", "A")
    body = "${ self[0].basename = 'new.csv'; self[0].metadata = {k: 1}; return self }"
    assert _collect(bench, _glob("a.txt", "File", outputEval=body))["o"] == {
        "class": "File", "location": file_location(path), "basename": "new.csv", "nameroot": "new", "nameext": ".csv",
        "size": 1, "metadata": {"k": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "{class: 'File', path: 'a'}",
        "{class: 'File', path: runtime.outdir + '/a'}",
        "{class: 'File', location: 'file://' + runtime.outdir + '/a'}",
        "{class: 'File', location: self[0].location}",
        "{class: 'File', path: 'sub/../a'}",
    ],
)
def test_output_eval_may_name_files_of_the_working_directory(bench: Bench, body: str) -> None:
    path = write(bench.work / "a", "A")
    value = _collect(bench, _glob("a", "File", outputEval=f"$({body})"))["o"]
    assert (value["location"], value["size"]) == (file_location(path), 1)


@pytest.mark.parametrize(
    "body",
    [
        "{class: 'File', path: '/etc/passwd'}",
        "{class: 'File', path: '../../secret'}",
        "{class: 'File', location: 'file:///etc/passwd'}",
        "{class: 'File', location: 'file://' + runtime.outdir + '/../../secret'}",
        "{class: 'File', path: 'nowhere'}",
        "{class: 'Directory', path: 'a'}",
        "{class: 'File', basename: 'x'}",
        "{class: 'File', basename: '../x', contents: ''}",
        "{class: 'Directory', basename: 'x'}",
        "{class: 'Directory', basename: 'x', listing: [{class: 'File', path: '/etc/passwd'}]}",
        "{class: 'File', path: 'a', basename: 'x/y'}",
        "{class: 'File', path: 'a', secondaryFiles: [{class: 'File', path: '/etc/passwd'}]}",
        "'text'",
        "7",
    ],
)
def test_output_eval_cannot_name_anything_else(bench: Bench, tmp_path: Path, body: str) -> None:
    write(tmp_path / "secret")
    write(bench.work / "a", "A")
    with pytest.raises((OutputError, ExpressionError), match="outputs/o"):
        _collect(bench, _glob("a", "Any" if "Directory" in body else "File", outputEval=f"$({body})"))


def test_literals_are_outputs_too(bench: Bench) -> None:
    write(bench.work / "a", "A")
    body = "$({class: 'Directory', basename: 'd', listing: [self[0], {class: 'File', basename: 'l', contents: 'L'}]})"
    value = _collect(bench, _glob("a", "Directory", outputEval=body))["o"]
    assert "location" not in value
    assert [(item["basename"], item.get("contents"), "location" in item) for item in value["listing"]] == [
        ("a", None, True),
        ("l", "L", False),
    ]


def test_inputs_may_be_outputs(bench: Bench, tmp_path: Path) -> None:
    port = {"type": "File", "outputBinding": {"outputEval": "$(inputs.x)"}}
    process = tool(inputs={"x": "File"}, outputs={"o": port})
    value = file_value(write(tmp_path / "x.txt", "X"), metadata={"sample": "1"}, checksum="sha1$1")
    assert _collect(bench, process, {"x": value})["o"] == {
        **value, "basename": "x.txt", "nameroot": "x", "nameext": ".txt", "size": 1
    }  # fmt: skip


def test_contents_of_outputs_are_limited(bench: Bench) -> None:
    write(bench.work / "a", "x" * 65537)
    with pytest.raises(OutputError, match="64 KiB"):
        _collect(bench, _glob("a", "string", loadContents=True, outputEval="$(self[0].contents)"))


# Secondary files, formats, records


def test_secondary_files_of_outputs(bench: Bench) -> None:
    for name in ("a.bam", "a.bam.bai", "a.txt", "extra"):
        write(bench.work / name, name)
    patterns = [".bai", "^.txt", ".none", "$({'class': 'File', 'path': runtime.outdir + '/extra', 'basename': 'e'})"]
    port = {
        "type": "File",
        "secondaryFiles": patterns,
        "outputBinding": {"glob": "a.bam"},
        "format": "http://e.com/bam",
    }
    value = _collect(bench, tool(outputs={"o": port}, requirements=JS))["o"]
    assert value["format"] == "http://e.com/bam"
    assert [(item["basename"], item["size"]) for item in value["secondaryFiles"]] == [
        ("a.bam.bai", 9),
        ("a.txt", 5),
        ("e", 5),
    ]
    assert all("path" not in item for item in value["secondaryFiles"])
    required = {**port, "secondaryFiles": [{"pattern": ".none", "required": True}]}
    with pytest.raises(MissingOutputError, match=r"'a.bam.none' of 'a.bam' is missing"):
        _collect(bench, tool(outputs={"o": required}))


def test_a_file_is_not_its_own_secondary_file(bench: Bench) -> None:
    write(bench.work / "a.bai")
    port = {"type": "File", "secondaryFiles": ["$(self.nameroot).bai"], "outputBinding": {"glob": "a.bai"}}
    assert "secondaryFiles" not in _collect(bench, tool(outputs={"o": port}))["o"]


def test_records(bench: Bench) -> None:
    write(bench.work / "a", "A")
    fields = {
        "file": {"type": "File", "outputBinding": {"glob": "a"}},
        "text": {
            "type": "string",
            "outputBinding": {"glob": "a", "loadContents": True, "outputEval": "$(self[0].contents)"},
        },
        "none": {"type": "File?", "outputBinding": {"glob": "b"}},
    }
    process = tool(outputs={"o": {"type": {"type": "record", "fields": fields}}}, requirements=JS)
    value = _collect(bench, process)["o"]
    assert (value["file"]["basename"], value["text"], value["none"]) == ("a", "A", None)


# Links


def _linked(bench: Bench, target: str, kind: str = "File", name: str = "link") -> Any:
    bench.work.mkdir(parents=True, exist_ok=True)
    (bench.work / name).symlink_to(target)
    return _collect(bench, _glob(name, kind))["o"]


def test_links_inside_the_working_directory_are_followed(bench: Bench) -> None:
    path = write(bench.work / "sub" / "a", "A")
    for number, target in enumerate(["sub/a", "./sub/../sub/a", str(path), "sub/b"]):
        (bench.work / "sub" / "b").unlink(missing_ok=True)
        (bench.work / "sub" / "b").symlink_to("a")
        value = _linked(bench, target, name=f"link{number}")
        assert (value["location"], value["basename"]) == (file_location(path), f"link{number}")
    assert [item["basename"] for item in _linked(bench, "sub", "Directory", "dir")["listing"]] == ["a", "b"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret", "/proc/self/environ", "/dev/zero", "../../", "/"])
def test_links_that_leave_are_refused(bench: Bench, tmp_path: Path, target: str) -> None:
    write(tmp_path / "secret", "S")
    for kind in ("File", "Directory"):
        with pytest.raises(OutputError, match="neither an input nor in the working directory"):
            _linked(bench, target, kind, name=kind)


def test_links_that_leave_are_refused_deep_down_too(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "secret" / "s", "S")
    (bench.work / "d").mkdir(parents=True)
    (bench.work / "d" / "out").symlink_to(tmp_path / "secret")
    for pattern, kind in (("d", "Directory"), ("d/out/s", "File"), ("d/*/s", "File[]"), ("d/out/*", "File[]")):
        with pytest.raises(OutputError, match="is a link to"):
            _collect(bench, _glob(pattern, kind))


@pytest.mark.parametrize("targets", [("a", "a"), ("b", "a"), (".", "x"), ("b/c", "a/d")])
def test_circles_of_links_end(bench: Bench, targets: tuple[str, str]) -> None:
    bench.work.mkdir(parents=True)
    for name, target in zip("ab", targets, strict=True):
        (bench.work / name).symlink_to(target)
    with pytest.raises(OutputError, match=r"links|lies in|no file matches"):
        _collect(bench, _glob("a", "Directory"))


def test_dangling_links_are_missing_files(bench: Bench) -> None:
    bench.work.mkdir(parents=True)
    (bench.work / "a").symlink_to("nowhere")
    with pytest.raises(MissingOutputError):
        _collect(bench, _glob("a", "File"))


def test_links_to_inputs_keep_the_location_of_the_input(bench: Bench, tmp_path: Path) -> None:
    value = file_value(write(tmp_path / "data" / "x.txt", "X"), metadata={"k": "v"})
    process = tool(
        arguments=["sh", "-c", 'ln -s "$0" a.txt; ln -s "`readlink -f "$0"`" b.txt; ln -s a.txt c.txt', "$(inputs.x)"],
        inputs={"x": "File"},
        outputs={"o": {"type": "File[]", "outputBinding": {"glob": "*.txt"}}},
    )
    for found, name in zip(bench.run(process, {"x": value})["o"], ("a", "b", "c"), strict=True):
        assert found == {
            **value, "basename": f"{name}.txt", "nameroot": name, "nameext": ".txt", "size": 1
        }  # fmt: skip


def test_directories_with_links_are_taken_apart(bench: Bench, tmp_path: Path) -> None:
    value = file_value(write(tmp_path / "x.txt", "X"))
    process = tool(
        arguments=["sh", "-c", 'mkdir d p; ln -s "$0" d/a; echo > d/b; echo > p/c', "$(inputs.x)"],
        inputs={"x": "File"},
        outputs={"o": {"type": "Directory[]", "outputBinding": {"glob": "[dp]"}}},
    )
    linked, plain = bench.run(process, {"x": value})["o"]
    assert "location" not in linked
    assert [item["location"] for item in linked["listing"]] == [
        value["location"],
        file_location(bench.work / "d" / "b"),
    ]
    assert plain["location"] == file_location(bench.work / "p")


def test_files_inside_an_input_directory_can_be_outputs(bench: Bench, tmp_path: Path) -> None:
    write(tmp_path / "d" / "sub" / "x y", "X")
    (tmp_path / "d" / "escape").symlink_to("/etc/passwd")
    listing = [{"entry": "$(inputs.d)", "entryname": "in"}]
    process = tool(
        inputs={"d": "Directory", "pattern": "string"},
        outputs={"o": {"type": "File", "outputBinding": {"glob": "$(inputs.pattern)"}}},
        requirements={"InitialWorkDirRequirement": {"listing": listing}},
    )
    directory = file_value(tmp_path / "d")
    value = _collect(bench, process, {"d": directory, "pattern": "in/sub/*"})["o"]
    assert value["location"] == directory["location"] + "/sub/x%20y"
    with pytest.raises(OutputError, match="leads out of the input directory"):
        _collect(bench, process, {"d": directory, "pattern": "in/escape"}, stage=False)


def test_what_is_neither_file_nor_directory_is_refused(bench: Bench) -> None:
    bench.work.mkdir(parents=True)
    os.mkfifo(bench.work / "pipe")
    with pytest.raises(OutputError, match="neither a file nor a directory"):
        _collect(bench, _glob("pipe", "File"))
    with pytest.raises(OutputError, match="neither a file nor a directory"):
        _collect(bench, _glob(".", "Directory"))


def test_names_that_are_no_text_are_refused(bench: Bench) -> None:
    bench.work.mkdir(parents=True)
    Path(os.fsdecode(os.fsencode(bench.work) + b"/bad\xff.txt")).write_text("")
    with pytest.raises(OutputError, match="not UTF-8"):
        _collect(bench, _glob("*.txt"))


def test_blobs_that_are_passed_on_stay_blobs(bench: Bench) -> None:
    value = bench.blob("content", "x.txt", metadata={"sample": "S"})
    process = tool(
        arguments=["sh", "-c", 'ln -s "$0" a.out; ln -s "`readlink -f "$0"`" b.out; cp "$0" c.copy', "$(inputs.x)"],
        inputs={"x": "File"},
        outputs={
            "linked": {"type": "File[]", "outputBinding": {"glob": "*.out"}},
            "staged": {"type": "File", "outputBinding": {"glob": "sub/in.txt"}},
            "text": {"type": "string", "outputBinding": {"glob": "a.out", "loadContents": True,
                                                         "outputEval": "$(self[0].contents)"}},
            "itself": {"type": "File", "outputBinding": {"outputEval": "$(inputs.x)"}},
            "copied": {"type": "File", "outputBinding": {"glob": "c.copy"}},
        },
        requirements={"InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs.x)", "entryname": "sub/in.txt"}]}},
    )  # fmt: skip
    outputs = bench.run(process, {"x": value})
    passed = [*outputs["linked"], outputs["staged"], outputs["itself"]]
    assert [item["basename"] for item in passed] == ["a.out", "b.out", "in.txt", "in.txt"]
    for item in passed:
        assert (item["location"], item["size"], item["metadata"]) == (value["location"], 7, {"sample": "S"})
    assert outputs["text"] == "content"
    assert outputs["copied"]["location"] == file_location(bench.work / "c.copy")
    assert "metadata" not in outputs["copied"]


def test_a_tool_may_put_its_own_file_in_the_place_of_a_staged_one(bench: Bench) -> None:
    value = bench.blob("before", "x.txt")
    process = tool(
        arguments=["sh", "-c", "rm x.txt && printf after > x.txt"],
        inputs={"x": "File"},
        outputs={"o": {"type": "File", "outputBinding": {"glob": "x.txt"}}},
        requirements={"InitialWorkDirRequirement": {"listing": ["$(inputs.x)"]}},
    )
    found = bench.run(process, {"x": value})["o"]
    assert (found["location"], found["size"]) == (file_location(bench.work / "x.txt"), 5)
