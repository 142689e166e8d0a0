"""InitialWorkDirRequirement: what lies in the working directory when the tool starts."""

import os
from pathlib import Path
from typing import Any

import pytest

from araneus.cwl.errors import CWLError, ExpressionError, InputError
from araneus.cwl.files import local_path
from araneus.cwl.process import CommandLineTool
from tests.cwl.running import JS, Bench, file_value, tool, write


def _tool(listing: Any, version: str = "v1.2", **fields: Any) -> CommandLineTool:
    requirements = JS | {"InitialWorkDirRequirement": {"listing": listing}} | fields.pop("requirements", {})
    fields.setdefault("inputs", {"x": "File?", "d": "Directory?", "files": "File[]?", "name": "string?"})
    return tool(version, requirements=requirements, **fields)


def _staged(bench: Bench, listing: Any, inputs: dict[str, Any] | None = None, version: str = "v1.2") -> dict[str, str]:
    """What lies in the working directory, by relative path; links and copies are told apart."""
    bench.stage(bench.prepare(_tool(listing, version), inputs))
    found = {}
    everything = (
        Path(parent, name)
        for parent, directories, files in os.walk(bench.work, followlinks=True)
        for name in directories + files
    )
    for path in everything:
        if path.is_file():
            kind = "link:" if any(parent.is_symlink() for parent in (path, *path.parents)) else "copy:"
            found[str(path.relative_to(bench.work))] = kind + path.read_text()
        elif not any(path.iterdir()):
            found[str(path.relative_to(bench.work))] = "directory"
    return found


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ([], {}),
        ([None], {}),
        (["$(null)"], {}),
        (["$(inputs.x)"], {"x.txt": "link:X"}),
        ("$(inputs.files)", {"1.txt": "link:1", "2.txt": "link:2"}),
        (["$(inputs.files)", "$(inputs.x)"], {"1.txt": "link:1", "2.txt": "link:2", "x.txt": "link:X"}),
        (["$([inputs.x, null, [inputs.files[0]]])"], {"1.txt": "link:1", "x.txt": "link:X"}),
        (["$(inputs.d)"], {"d/e/f": "link:F"}),
        ([{"entry": "$(inputs.x)", "writable": True}], {"x.txt": "copy:X"}),
        ([{"entry": "$(inputs.d)", "writable": True, "entryname": "g/h"}], {"g/h/e/f": "copy:F"}),
        ([{"entry": "$(inputs.files)"}], {"1.txt": "link:1", "2.txt": "link:2"}),
        ([{"entry": "$([])"}], {}),
        ([{"entry": "$(inputs.x)", "entryname": "$(inputs.name).new"}], {"name.new": "link:X"}),
        ([{"entry": "$(null)", "entryname": "n"}], {}),
        ([{"entry": "a $(inputs.name)\n", "entryname": "n"}], {"n": "copy:a name\n"}),
        ([{"entry": "", "entryname": "n"}], {"n": "copy:"}),
        ([{"entry": "$(inputs.name)", "entryname": "a/b c/d"}], {"a/b c/d": "copy:name"}),
        ([{"entry": "$(44.4)\n", "entryname": "n"}], {"n": "copy:44.4\n"}),
        ([{"entry": "$([1, 'a'])", "entryname": "n"}], {"n": 'copy:[1, "a"]'}),
        ([{"entry": "$({'a': 1})", "entryname": "n"}], {"n": 'copy:{"a": 1}'}),
        ([{"entry": "$([])", "entryname": "n"}], {"n": "copy:[]"}),
        (["$({'class': 'Directory', 'basename': 'n', 'listing': []})"], {"n": "directory"}),
        (["$({'class': 'Directory', 'basename': 'n', 'listing': [inputs.x]})"], {"n/x.txt": "link:X"}),
        (["$({'class': 'File', 'basename': 'n', 'contents': 'C'})"], {"n": "copy:C"}),
        (["$({'class': 'File', 'basename': 'n', 'location': inputs.x.location})"], {"n": "link:X"}),
        ("${ return [{entry: '$(inputs.x)', entryname: 'n'}, {entry: inputs.x, entryname: 'm'}] }",
         {"n": "copy:$(inputs.x)", "m": "link:X"}),
        (["$(inputs.x)", "$(inputs.x)"], {"x.txt": "link:X"}),
        (["$(inputs.x)", {"entry": "$(inputs.x)", "writable": True}], {"x.txt": "copy:X"}),
        (["$(inputs.d)", {"entry": "N", "entryname": "d/new"}], {"d/e/f": "copy:F", "d/new": "copy:N"}),
    ],
)  # fmt: skip
def test_entries(bench: Bench, tmp_path: Path, listing: Any, expected: dict[str, str]) -> None:
    write(tmp_path / "d" / "e" / "f", "F")
    inputs = {
        "x": file_value(write(tmp_path / "x.txt", "X")),
        "d": file_value(tmp_path / "d"),
        "files": [file_value(write(tmp_path / f"{name}.txt", name)) for name in "12"],
        "name": "name",
    }
    assert _staged(bench, listing, inputs) == expected
    assert (tmp_path / "d" / "e" / "f").read_text() == "F"
    assert not (tmp_path / "d" / "new").exists()


def test_moved_inputs_have_their_new_paths(bench: Bench, tmp_path: Path) -> None:
    for name in ("a.bam", "a.bam.bai"):
        write(tmp_path / name)
    process = _tool(
        [{"entry": "$(inputs.x)", "entryname": "sub/b.bam"}],
        inputs={"x": {"type": "File", "secondaryFiles": [".bai"]}, "y": "File"},
        arguments=["$(inputs.x.path)", "$(inputs.x.basename)", "$(inputs.x.nameroot)", "$(inputs.y.path)"],
    )
    value = file_value(tmp_path / "a.bam")
    invocation = bench.prepare(process, {"x": value, "y": value})
    work, inputs = bench.layout.work, bench.layout.inputs
    assert invocation.command == (f"{work}/sub/b.bam", "b.bam", "b", f"{inputs}/2/a.bam")
    assert invocation.inputs["x"]["secondaryFiles"][0]["path"] == f"{work}/sub/a.bam.bai"
    assert {mount.target for mount in invocation.mounts} >= {f"{work}/sub/b.bam", f"{work}/sub/a.bam.bai"}


def test_the_platform_puts_inputs_into_the_working_directory_by_port(bench: Bench, tmp_path: Path) -> None:
    inputs = {
        "linked": {"type": "File", "sbg:stageInput": "link"},
        "copied": {"type": "File[]", "sbg:stageInput": "copy"},
        "plain": "File",
    }
    process = tool(inputs=inputs, arguments=["$(inputs.linked)", "$(inputs.copied[0].path)", "$(inputs.plain.dirname)"])
    values = {name: file_value(write(tmp_path / name)) for name in inputs}
    invocation = bench.prepare(process, {**values, "copied": [values["copied"]]})
    work = bench.layout.work
    assert invocation.command == (f"{work}/linked", f"{work}/copied", f"{bench.layout.inputs}/3")
    assert {mount.target for mount in invocation.mounts if mount.writable} == {f"{work}/copied"}


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/cron.d/x", "/x", "", ".", "..", "a//b", "./a", "a/.", "a\0b", "x" * 300, "/../x"],
)
def test_no_entry_leaves_the_working_directory(bench: Bench, tmp_path: Path, name: str) -> None:
    value = {"x": file_value(write(tmp_path / "x"))}
    for entry in ("text", "$(inputs.x)"):
        with pytest.raises(CWLError):
            bench.prepare(_tool([{"entry": entry, "entryname": name}]), value)
        with pytest.raises(CWLError):
            bench.prepare(_tool(f"${{ return [{{entry: 'text', entryname: {_quoted(name)}}}] }}"), value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\0", "\\0") + "'"


def test_absolute_names_need_a_required_container(bench: Bench) -> None:
    listing = [{"entry": "E", "entryname": "/etc/tool/conf"}]
    docker = {"DockerRequirement": {"dockerPull": "alpine"}}
    invocation = bench.prepare(_tool(listing, requirements=docker))
    assert [(literal.target, literal.content) for literal in invocation.literals] == [("/etc/tool/conf", b"E")]
    with pytest.raises(InputError, match="DockerRequirement among the requirements"):
        bench.prepare(_tool(listing, hints=docker))
    with pytest.raises(InputError, match="one path component"):
        bench.prepare(_tool([{"entry": "E", "entryname": "/etc/../x"}], requirements=docker))


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ([{"entry": "text"}], "needs an entryname"),
        ([{"entry": "$([inputs.x, inputs.x])", "entryname": "n"}], "cannot all be called 'n'"),
        (["$(1)"], "must be a File, a Directory or an object with an entry"),
        (["text"], "must be a File"),
        ([{"entry": "a", "entryname": "n"}, {"entry": "b", "entryname": "n"}], "two different files"),
        ([{"entry": "a", "entryname": "$([1])"}], "must be text"),
        (["$({'class': 'File', 'location': 'file:///etc/passwd'})"], "none of its inputs"),
        (["$({'class': 'Directory', 'basename': 'n', 'listing': [{'class': 'File', 'path': '/etc/passwd'}]})"],
         "needs a location, or contents"),
        (["$({'class': 'File', 'basename': '../x', 'contents': ''})"], "one path component"),
        (["$({'class': 'File', 'basename': ['x'], 'contents': ''})"], "must be text"),
        (["$({'class': 'Directory', 'basename': 'x', 'listing': 'x'})"], "must be a list"),
        (["$({class: 'Directory', basename: 'n', listing: [{class: 'File', basename: '../x', contents: ''}]})"],
         "one path component"),
    ],
)  # fmt: skip
def test_wrong_entries_are_refused(bench: Bench, tmp_path: Path, listing: Any, message: str) -> None:
    with pytest.raises((InputError, ExpressionError), match=message):
        bench.prepare(_tool(listing), {"x": file_value(write(tmp_path / "x"))})


def test_a_tool_changes_its_copy_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    source = write(tmp_path / "x", "before")
    process = _tool(
        [{"entry": "$(inputs.x)", "writable": True}],
        arguments=["sh", "-c", "printf after > $(inputs.x.basename)"],
        outputs={"y": {"type": "File", "outputBinding": {"glob": "x"}}},
    )
    outputs = bench.run(process, {"x": file_value(source)})
    assert local_path(outputs["y"]["location"]).read_text() == "after"
    assert source.read_text() == "before"


def test_what_was_only_passed_on_keeps_its_location_and_metadata(bench: Bench, tmp_path: Path) -> None:
    value = file_value(write(tmp_path / "x.txt", "X"), metadata={"sample": "S"})
    process = _tool(
        [{"entry": "$(inputs.x)", "entryname": "renamed.bam"}],
        outputs={"y": {"type": "File", "outputBinding": {"glob": "*.bam"}}},
    )
    assert bench.run(process, {"x": value})["y"] == {
        **value, "basename": "renamed.bam", "nameroot": "renamed", "nameext": ".bam", "size": 1
    }  # fmt: skip
