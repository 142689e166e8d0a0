"""Preparing a job: paths, secondary files, contents, listings, environment, streams, limits."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.command import resources, run_expression
from araneus.cwl.errors import CWLError, ExpressionError, InputError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.files import check_basename, file_location, local_path
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_document
from araneus.cwl.process import ExpressionTool
from araneus.model.job import Resources
from tests.cwl.running import JS, Bench, file_value, tool, write


def test_every_file_gets_a_directory_of_its_own(bench: Bench, tmp_path: Path) -> None:
    one, two = write(tmp_path / "1" / "same.txt", "one"), write(tmp_path / "2" / "same.txt", "two")
    process = tool(baseCommand="cat", inputs={"files": {"type": "File[]", "inputBinding": {}}})
    invocation = bench.prepare(process, {"files": [file_value(one), file_value(two)]})
    inputs = bench.layout.inputs
    assert invocation.command == ("cat", f"{inputs}/1/same.txt", f"{inputs}/2/same.txt")
    assert [(mount.location, mount.writable) for mount in invocation.mounts] == [
        (file_location(one), False),
        (file_location(two), False),
    ]
    assert invocation.inputs["files"][0] == {
        **file_value(one), "basename": "same.txt", "nameroot": "same", "nameext": ".txt", "size": 3,
        "path": f"{inputs}/1/same.txt", "dirname": f"{inputs}/1",
    }  # fmt: skip
    assert invocation.source_of(f"{inputs}/2/same.txt") == file_location(two)


def test_the_same_arguments_give_the_same_invocation(bench: Bench, tmp_path: Path) -> None:
    process = tool(inputs={"x": "File"}, requirements={"InitialWorkDirRequirement": {"listing": ["$(inputs.x)"]}})
    inputs = {"x": file_value(write(tmp_path / "x"))}
    assert bench.prepare(process, inputs) == bench.prepare(process, inputs)


def test_blobs_need_no_file_to_be_looked_at(bench: Bench) -> None:
    value = {"class": "File", "location": "blob:" + "a" * 64, "basename": "r.fq", "size": 5, "metadata": {"k": "v"}}
    process = tool(inputs={"x": "File"}, arguments=["run", "$(inputs.x)", "$(inputs.x.metadata.k)"])
    invocation = bench.prepare(process, {"x": value})
    assert invocation.command[-2:] == (f"{bench.layout.inputs}/1/r.fq", "v")


ODD_NAMES = ["a b", "a#b%20", "it's", 'say "x"', "new\nline", "$(inputs.x)", "*", "[a]", "-rf", "ü€😀", "\\", "a;b|c&d"]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("shell", [False, True])
def test_odd_names_go_through_the_tool_unharmed(bench: Bench, tmp_path: Path, name: str, shell: bool) -> None:
    process = tool(
        arguments=["cp", "--", "$(inputs.x.path)", "$('out ' + inputs.x.basename)"],
        inputs={"x": "File"},
        outputs={"y": {"type": "File", "outputBinding": {"glob": "out*", "outputEval": "$(self[0])"}}},
        requirements=JS | ({"ShellCommandRequirement": {}} if shell else {}),
    )
    outputs = bench.run(process, {"x": file_value(write(tmp_path / "source" / name, "content"))})
    assert outputs["y"]["basename"] == f"out {name}"
    assert local_path(outputs["y"]["location"]).read_text() == "content"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "/etc/passwd", "a\0b", "x" * 256, "ü" * 128, 7, None])
def test_names_that_are_no_single_component_are_refused(bench: Bench, name: Any) -> None:
    with pytest.raises(InputError):
        check_basename(name, "inputs/x")
    if name is not None:
        value = {"class": "File", "location": "blob:1", "size": 1, "basename": name}
        with pytest.raises(InputError):
            bench.prepare(tool(inputs={"x": "File"}), {"x": value})


@given(name=st.text(max_size=300))
def test_a_name_is_taken_or_refused_never_changed(name: str) -> None:
    try:
        assert check_basename(name, "x") == name
    except InputError:
        return
    assert "/" not in name
    assert name not in {"", ".", ".."}


def test_what_is_not_there_or_no_file_is_refused(bench: Bench, tmp_path: Path) -> None:
    process = tool(inputs={"x": "File"})
    for value in (
        {"class": "File", "location": file_location(tmp_path / "nowhere")},
        {"class": "File", "location": file_location(tmp_path)},
        {"class": "File", "location": "file:///dev/null"},
        {"class": "File", "location": "http://example.com/x", "basename": "x"},
        {"class": "File", "location": "blob:1", "basename": "x"},
        {"class": "File", "path": "/etc/passwd"},
    ):
        with pytest.raises(InputError, match=r"inputs/x|there is no file"):
            bench.prepare(process, {"x": value})
    with pytest.raises(InputError, match="listing"):
        bench.prepare(tool(inputs={"x": "Directory"}), {"x": {"class": "Directory", "path": "/etc"}})


def test_literals_become_files_and_directories(bench: Bench) -> None:
    tree = {
        "class": "Directory",
        "basename": "d",
        "listing": [
            {"class": "File", "basename": "a", "contents": "A"},
            {"class": "Directory", "basename": "e", "listing": [{"class": "File", "basename": "b", "contents": "B"}]},
        ],
    }
    process = tool(
        baseCommand="cat",
        inputs={"d": "Directory", "f": "File"},
        arguments=["$(inputs.f.path)", "$(inputs.d.path)/a", "$(inputs.d.listing[1].listing[0].path)"],
        outputs={"o": "stdout"},
    )
    outputs = bench.run(process, {"d": tree, "f": {"class": "File", "contents": "F"}})
    assert local_path(outputs["o"]["location"]).read_text() == "FAB"


def test_two_files_with_one_path_are_refused(bench: Bench) -> None:
    same = {"class": "File", "basename": "a", "contents": "A"}
    other = {"class": "File", "basename": "a", "contents": "B"}
    process = tool(inputs={"d": "Directory"})
    bench.prepare(process, {"d": {"class": "Directory", "basename": "d", "listing": [same, same]}})
    with pytest.raises(InputError, match="two different files would both be"):
        bench.prepare(process, {"d": {"class": "Directory", "basename": "d", "listing": [same, other]}})


# Secondary files


def _secondary(bench: Bench, tmp_path: Path, patterns: Any, names: list[str], version: str = "v1.2") -> list[str]:
    for name in names:
        write(tmp_path / "s" / name)
    process = tool(version, inputs={"x": {"type": "File", "secondaryFiles": patterns}}, requirements=JS)
    value = file_value(write(tmp_path / "s" / "reads.sorted.bam"))
    invocation = bench.prepare(process, {"x": value})
    staged = invocation.inputs["x"].get("secondaryFiles", [])
    assert all(item["path"] == f"{bench.layout.inputs}/1/{item['basename']}" for item in staged)
    assert {item["path"] for item in staged} < {mount.target for mount in invocation.mounts} | {None}
    return [item["basename"] for item in staged]


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([".bai"], ["reads.sorted.bam.bai"]),
        (["^.bai"], ["reads.sorted.bai"]),
        (["^^.dict"], ["reads.dict"]),
        (["^^^^.dict"], ["reads.dict"]),
        ([".bai", "^.bai"], ["reads.sorted.bam.bai", "reads.sorted.bai"]),
        ([".none?"], []),
        ([{"pattern": ".none", "required": "$(1 > 2)"}], []),
        (["$(self.nameroot).bai"], ["reads.sorted.bai"]),
        (["${ return [self.basename + '.bai', null] }"], ["reads.sorted.bam.bai"]),
        (["${ return {class: 'File', location: self.location + '.bai'} }"], None),
    ],
)
def test_secondary_files_are_found_beside(bench: Bench, tmp_path: Path, patterns: Any, found: list[str] | None) -> None:
    names = ["reads.sorted.bam.bai", "reads.sorted.bai", "reads.dict"]
    if found is None:
        with pytest.raises(ExpressionError, match="none of its inputs"):
            _secondary(bench, tmp_path, patterns, names)
    else:
        assert _secondary(bench, tmp_path, patterns, names) == found


def test_a_required_secondary_file_must_be_there(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"inputs/x: secondary file 'reads.sorted.bam.bai'.*is missing"):
        _secondary(bench, tmp_path, [".bai"], [])
    assert _secondary(bench, tmp_path, [".bai"], [], version="v1.0") == []


def test_given_secondary_files_are_not_looked_for(bench: Bench, tmp_path: Path) -> None:
    index = {"class": "File", "location": "blob:2", "basename": "x.bam.bai", "size": 1}
    value = {"class": "File", "location": "blob:1", "basename": "x.bam", "size": 1, "secondaryFiles": [index]}
    process = tool(inputs={"x": {"type": "File", "secondaryFiles": [".bai"]}})
    invocation = bench.prepare(process, {"x": value})
    assert [mount.target.removeprefix(bench.layout.inputs) for mount in invocation.mounts] == [
        "/1/x.bam",
        "/1/x.bam.bai",
    ]


def test_record_fields_have_rules_of_their_own(bench: Bench, tmp_path: Path) -> None:
    fields = {
        "bam": {"type": "File", "secondaryFiles": [".bai"], "format": "http://example.com/bam"},
        "note": {"type": "File", "loadContents": True},
    }
    process = tool(
        inputs={"r": {"type": {"type": "record", "fields": fields}}}, arguments=["$(inputs.r.note.contents)"]
    )
    write(tmp_path / "a.bam.bai")
    bam = file_value(write(tmp_path / "a.bam"), format="http://example.com/bam")
    value = {"bam": bam, "note": file_value(write(tmp_path / "n", "hello"))}
    invocation = bench.prepare(process, {"r": value})
    assert invocation.command == ("hello",)
    assert [item["basename"] for item in invocation.inputs["r"]["bam"]["secondaryFiles"]] == ["a.bam.bai"]
    with pytest.raises(InputError, match=r"example\.com/bam is needed"):
        bench.prepare(process, {"r": {**value, "bam": {**bam, "format": "http://example.com/sam"}}})


# Contents, listings, formats


@pytest.mark.parametrize(("version", "fails"), [("v1.0", False), ("v1.1", False), ("v1.2", True)])
def test_contents_are_limited_to_64_kib(bench: Bench, tmp_path: Path, version: str, fails: bool) -> None:
    binding = {"loadContents": True, "valueFrom": "$(self.contents)"}
    port = {"type": "File", "inputBinding": binding if version == "v1.0" else {"valueFrom": "$(self.contents)"}}
    process = tool(version, inputs={"x": port if version == "v1.0" else {**port, "loadContents": True}})
    exact = file_value(write(tmp_path / "exact", "x" * 65536))
    assert bench.prepare(process, {"x": exact}).command[1] == "x" * 65536
    large = file_value(write(tmp_path / "large", "y" * 65537))
    if fails:
        with pytest.raises(InputError, match="64 KiB"):
            bench.prepare(process, {"x": large})
    else:
        assert bench.prepare(process, {"x": large}).command[1] == "y" * 65536


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v1.2"])
def test_the_contents_of_a_list_of_files_are_loaded(bench: Bench, tmp_path: Path, version: str) -> None:
    binding = {"valueFrom": "$(self[1].contents)"}
    port: dict[str, object] = {"type": "File[]", "inputBinding": binding, "loadContents": True}
    if version == "v1.0":
        port = {"type": "File[]", "inputBinding": {**binding, "loadContents": True}}
    process = tool(version, inputs={"x": port})
    files = [file_value(write(tmp_path / name, name)) for name in ("one", "two")]
    assert bench.prepare(process, {"x": files}).command[1] == "two"


@pytest.mark.parametrize(
    ("version", "level", "seen"),
    [
        ("v1.0", None, "deep"),
        ("v1.2", None, "none"),
        ("v1.2", "no_listing", "none"),
        ("v1.2", "shallow_listing", "shallow"),
        ("v1.2", "deep_listing", "deep"),
    ],
)
def test_listings_are_as_deep_as_asked(bench: Bench, tmp_path: Path, version: str, level: Any, seen: str) -> None:
    write(tmp_path / "d" / "a b", "1")
    write(tmp_path / "d" / "sub" / "c", "1")
    port = {"type": "Directory"} | ({"loadListing": level} if level else {})
    value = bench.prepare(tool(version, inputs={"d": port}), {"d": file_value(tmp_path / "d")}).inputs["d"]
    if seen == "none":
        assert "listing" not in value
        return
    first, second = value["listing"]
    assert (first["basename"], first["size"], first["path"]) == ("a b", 1, f"{value['path']}/a b")
    assert first["location"] == value["location"] + "/a%20b"
    assert [item["basename"] for item in second.get("listing", [])] == (["c"] if seen == "deep" else [])


def test_formats_are_compared_when_both_are_known(bench: Bench, tmp_path: Path) -> None:
    plain = file_value(write(tmp_path / "x"))
    process = tool(inputs={"x": {"type": "File", "format": ["http://e.com/a", "http://e.com/b"]}})
    bench.prepare(process, {"x": plain})
    bench.prepare(process, {"x": {**plain, "format": "http://e.com/b"}})
    with pytest.raises(InputError, match=r"'http://e\.com/c', but http://e\.com/a or http://e\.com/b is needed"):
        bench.prepare(process, {"x": {**plain, "format": "http://e.com/c"}})


# Environment, streams, limits


def test_environment_streams_and_container(bench: Bench, tmp_path: Path) -> None:
    process = tool(
        arguments=["sh", "-c", 'cat; echo "$A|$B|$HOME|$TMPDIR" >&2; pwd >&2'],
        inputs={"x": "File", "n": {"type": "float", "default": 1e-7}},
        stdin="$(inputs.x.path)",
        stdout="o.txt",
        stderr="$(inputs.x.nameroot).log",
        outputs={"o": "stdout", "e": "stderr"},
        requirements={"EnvVarRequirement": {"envDef": {"A": "n=$(inputs.n)", "B": "$(inputs.x.basename)"}}},
        hints={"DockerRequirement": {"dockerPull": "alpine", "dockerOutputDirectory": "/out"}},
    )
    outputs = bench.run(process, {"x": file_value(write(tmp_path / "in.txt", "text"))})
    assert local_path(outputs["o"]["location"]).read_text() == "text"
    work = bench.layout.work
    expected = f"n=0.0000001|in.txt|{work}|{bench.layout.temporary}\n{work}\n"
    assert local_path(outputs["e"]["location"]).read_text() == expected
    assert outputs["e"]["basename"] == "in.log"
    invocation = bench.prepare(process, {"x": file_value(tmp_path / "in.txt")})
    assert not invocation.container_required
    assert invocation.container is not None
    assert invocation.container["dockerPull"] == "alpine"


def test_a_required_container_may_move_the_working_directory(bench: Bench) -> None:
    requirement = {"dockerPull": "alpine", "dockerOutputDirectory": "/out/"}
    invocation = bench.prepare(tool(arguments=["$(runtime.outdir)"], requirements={"DockerRequirement": requirement}))
    assert (invocation.work, invocation.environment["HOME"], invocation.command) == ("/out", "/out", ("/out",))
    assert invocation.container_required
    for wrong in ("out", "/a/../b", "/", "//", "/.", "/././/", "/proc/self", "/dev", "//sys/fs"):
        bad = tool(requirements={"DockerRequirement": {"dockerPull": "alpine", "dockerOutputDirectory": wrong}})
        with pytest.raises(InputError, match="dockerOutputDirectory"):
            bench.prepare(bad)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "$('')", "a//b", "./x", "a\0b", "$(['x'])"])
def test_streams_stay_in_the_working_directory(bench: Bench, name: str) -> None:
    for stream in ("stdout", "stderr"):
        fields: dict[str, Any] = {stream: name, "requirements": JS}
        with pytest.raises(InputError, match=stream):
            bench.prepare(tool(**fields))


@pytest.mark.parametrize(
    ("version", "requirement", "allowed"),
    [
        ("v1.0", None, True),
        ("v1.0", {"networkAccess": False}, False),
        ("v1.1", None, False),
        ("v1.2", None, False),
        ("v1.2", {"networkAccess": True}, True),
        ("v1.2", {"networkAccess": False}, False),
        ("v1.2", {"networkAccess": "$(inputs.n > 1)"}, True),
    ],
)
def test_network(bench: Bench, version: str, requirement: Any, allowed: bool) -> None:
    requirements = JS if requirement is None else JS | {"NetworkAccess": requirement}
    process = tool(version, inputs={"n": {"type": "int", "default": 2}}, requirements=requirements)
    assert bench.prepare(process).network is allowed


@pytest.mark.parametrize(("limit", "seconds"), [(0, None), (5, 5.0), ("$(inputs.n * 1.5)", 3.0)])
def test_time_limits(bench: Bench, limit: Any, seconds: float | None) -> None:
    requirements = JS | {"ToolTimeLimit": {"timelimit": limit}}
    process = tool(inputs={"n": {"type": "int", "default": 2}}, requirements=requirements)
    assert bench.prepare(process).time_limit == seconds


@pytest.mark.parametrize("limit", [-1, "$(-1)", "$('x')", "$(true)", "$(null)"])
def test_what_is_no_time_limit_is_refused(bench: Bench, limit: Any) -> None:
    with pytest.raises(CWLError, match="timelimit"):
        bench.prepare(tool(requirements=JS | {"ToolTimeLimit": {"timelimit": limit}}))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Resources()),
        (
            {"coresMin": 2, "ramMin": 500, "tmpdirMin": 1, "outdirMin": 2},
            Resources(cores=2, memory=500, tmpdir=1, outdir=2, memory_stated=True),
        ),
        (
            {"coresMax": 8, "ramMax": 100},
            Resources(cores=8, memory=100, memory_stated=True, cores_max=8, memory_max=100),
        ),
        ({"coresMin": 2, "coresMax": 8}, Resources(cores=2, cores_max=8)),
        (
            {"ramMin": 10, "ramMax": "$(inputs.x.size * 5.5)"},
            Resources(memory=10, memory_stated=True, memory_max=22),
        ),
        ({"ramMax": 0, "coresMax": 0}, Resources(memory=0, memory_stated=True)),
        ({"coresMin": 0.5, "ramMin": 0.5}, Resources(cores=0.5, memory=1, memory_stated=True)),
        (
            {"coresMin": "$(inputs.n + 1)", "ramMin": "$(inputs.x.size * 10)"},
            Resources(cores=4, memory=40, memory_stated=True),
        ),
        ({"coresMin": "${ return '2' }"}, Resources(cores=2)),
        ({"coresMin": "$(null)"}, Resources()),
        ({"coresMin": "$(null)", "coresMax": 3}, Resources(cores=3, cores_max=3)),
    ],
)
def test_resources(javascript: JavaScript, tmp_path: Path, fields: Any, expected: Resources) -> None:
    process = tool(inputs={"n": "int", "x": "File"}, requirements=JS | {"ResourceRequirement": fields})
    inputs = {"n": 3, "x": file_value(write(tmp_path / "x", "1234"))}
    assert resources(process, inputs, evaluator_for(process, javascript)) == expected


def test_platform_hints_take_precedence(javascript: JavaScript) -> None:
    process = tool(
        requirements={"ResourceRequirement": {"coresMin": 2, "ramMin": 500}},
        hints=[{"class": "sbg:CPURequirement", "value": 4}, {"class": "sbg:MemRequirement", "value": 2000}],
    )
    assert resources(process, {}, evaluator_for(process, javascript)) == Resources(
        cores=4, memory=2000, memory_stated=True
    )


@pytest.mark.parametrize("amount", ["$(-1)", "$('many')", "$([1])", "$(true)", "$(1e300)"])
def test_what_is_no_amount_is_refused(javascript: JavaScript, amount: str) -> None:
    process = tool(requirements=JS | {"ResourceRequirement": {"ramMin": amount}})
    with pytest.raises(ExpressionError, match="ResourceRequirement/ram"):
        resources(process, {}, evaluator_for(process, javascript))


def test_runtime_rounds_cores_up(bench: Bench) -> None:
    process = tool(
        arguments=["$(runtime.cores)", "$(runtime.ram)", "$(runtime.tmpdir)"],
        requirements={"ResourceRequirement": {"coresMin": 1.2, "ramMin": 99.5}},
    )
    assert bench.prepare(process).command == ("2", "100", bench.layout.temporary)


# Expression tools


def _expression(javascript: JavaScript, expression: str, outputs: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    process = load_document(
        {
            "class": "ExpressionTool",
            "cwlVersion": "v1.2",
            "requirements": JS,
            "expression": expression,
            "inputs": dict.fromkeys(inputs, "Any"),
            "outputs": outputs,
        }
    )
    assert isinstance(process, ExpressionTool)
    return run_expression(process, inputs, evaluator_for(process, javascript))


def test_expression_tools_pass_inputs_on_and_make_literals(javascript: JavaScript, tmp_path: Path) -> None:
    value = file_value(write(tmp_path / "a.txt", "x"), metadata={"k": 1})
    body = "${ var c = inputs.f; c.metadata.k = 2; return {n: c.path.length > 0 ? 1 : 0, f: c, l: [{class: 'File', basename: 'b', contents: 'B'}]} }"  # noqa: E501
    outputs = _expression(javascript, body, {"n": "int", "f": "File", "l": "File[]", "none": "string?"}, {"f": value})
    assert outputs == {
        "n": 1,
        "f": {**value, "basename": "a.txt", "nameroot": "a", "nameext": ".txt", "size": 1, "metadata": {"k": 2}},
        "l": [{"class": "File", "basename": "b", "contents": "B"}],
        "none": None,
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("${ return 1 }", "must give an object"),
        ("${ return {n: 'x'} }", "outputs/n"),
        ("${ return {} }", "outputs/n"),
        ("${ return {n: 1, f: {class: 'File', location: 'file:///etc/shadow'}} }", "none of its inputs"),
        ("${ return {n: 1, f: {class: 'File', basename: 'x'}} }", "outputs/f"),
    ],
)
def test_expression_tools_that_give_something_else_fail(javascript: JavaScript, body: str, message: str) -> None:
    with pytest.raises(CWLError, match=message):
        _expression(javascript, body, {"n": "int", "f": "File?"}, {})


def test_a_field_that_was_left_out_is_null(bench: Bench) -> None:
    fields = [{"name": "a", "type": "int?"}, {"name": "b", "type": "int"}]
    kind = {"type": "array", "items": {"type": "record", "name": "r", "fields": fields}}
    process = tool(inputs={"x": kind}, arguments=["a=$(inputs.x[0].a)", "$(inputs.x[0].a)", "$(inputs.x[0].b)"])
    assert bench.prepare(process, {"x": [{"b": 1}]}).command == ("a=null", "1")
