"""cwl.output.json: outputs that the tool writes down itself, and is not trusted with."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.command import Invocation
from araneus.cwl.errors import CWLError, OutputError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.files import file_location
from araneus.cwl.output_document import MAX_DOCUMENT
from araneus.cwl.outputs import collect
from araneus.cwl.process import CommandLineTool
from tests.cwl.running import Bench, tool, write


def _collect(bench: Bench, process: CommandLineTool, inputs: Any = None, **options: Any) -> dict[str, Any]:
    """Collect what the test itself put into the working directory."""
    invocation = bench.prepare(process, inputs)
    if options.pop("stage", True):
        bench.stage(invocation)
    options.setdefault("exit_code", 0)
    return collect(process, invocation, bench.work, evaluator_for(process, bench.javascript), **options)


def _documented(bench: Bench, content: Any, kind: Any = "File?") -> Any:
    write(bench.work / "cwl.output.json", content if isinstance(content, str) else json.dumps(content))
    return _collect(bench, tool(outputs={"o": {"type": kind, "outputBinding": {"glob": "ignored"}}}))["o"]


def test_the_tool_may_write_its_outputs_itself(bench: Bench) -> None:
    path = write(bench.work / "a", "A")
    write(bench.work / "a.bai")
    for value in (
        {"class": "File", "path": "a"},
        {"class": "File", "location": "a"},
        {"class": "File", "path": str(path)},
        {"class": "File", "location": file_location(path)},
    ):
        found = _documented(bench, {"o": value, "other": 1})
        assert (found["location"], found["size"]) == (file_location(path), 1)
    with_index = {"class": "File", "path": "a", "secondaryFiles": [{"class": "File", "path": "a.bai"}]}
    assert _documented(bench, {"o": with_index})["secondaryFiles"][0]["basename"] == "a.bai"
    assert _documented(bench, {"o": [1, {"x": "y"}]}, "Any") == [1, {"x": "y"}]
    assert _documented(bench, {}) is None


@pytest.mark.parametrize(
    "content",
    [
        {"o": {"class": "File", "path": "/etc/passwd"}},
        {"o": {"class": "File", "location": "file:///etc/passwd"}},
        {"o": {"class": "File", "location": "http://example.com/x"}},
        {"o": {"class": "File", "path": "../../x"}},
        {"o": {"class": "File", "path": "nowhere"}},
        {"o": {"class": "Directory", "path": "/"}},
        {"o": "text"},
        [],
        "{",
        "",
        "[" * 100_000,
        '{"o":' + "[" * 500 + "]" * 500 + "}",
    ],
)
def test_what_a_tool_writes_is_not_trusted(bench: Bench, content: Any) -> None:
    with pytest.raises(OutputError):
        _documented(bench, content)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"o": NaN}', "NaN is not a JSON number"),
        ('{"o": [{"x": -Infinity}]}', "-Infinity is not a JSON number"),
        ('{"o": 1e999}', "the number 1e999 is too large"),
        ('{"o": "a\\ud800b"}', "unpaired surrogate"),
        ('{"o": {"\\uDFFF": 1}}', "unpaired surrogate"),
    ],
)
def test_values_that_are_no_json_elsewhere_are_refused(bench: Bench, text: str, why: str) -> None:
    with pytest.raises(OutputError, match=why):
        _documented(bench, text, "Any")


def test_escaped_characters_of_any_plane_are_texts(bench: Bench) -> None:
    assert _documented(bench, '{"o": "\\ud83d\\ude00 \\\\ud800"}', "string") == "\U0001f600 \\ud800"


def test_the_document_must_be_a_file_of_the_tool(bench: Bench, tmp_path: Path) -> None:
    bench.work.mkdir(parents=True)
    place = bench.work / "cwl.output.json"
    place.symlink_to(write(tmp_path / "elsewhere", '{"o": 1}'))
    with pytest.raises(OutputError, match=r"cwl\.output\.json: .*link"):
        _collect(bench, tool(outputs={"o": "int"}))
    place.unlink()
    place.mkdir()
    with pytest.raises(OutputError, match=r"cwl\.output\.json: is not a file"):
        _collect(bench, tool(outputs={"o": "int"}), stage=False)
    place.rmdir()
    os.mkfifo(place)
    with pytest.raises(OutputError, match=r"cwl\.output\.json: is not a file"):
        _collect(bench, tool(outputs={"o": "int"}), stage=False)


@given(content=st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.sampled_from(["File", "Directory", "/etc", "."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["class", "path", "location", "basename", "listing", "secondaryFiles", "contents"]), inner
    ),
))  # fmt: skip
def test_any_document_gives_outputs_or_an_error(tmp_path_factory: pytest.TempPathFactory, content: Any) -> None:
    work = tmp_path_factory.mktemp("job") / "work"
    write(work / "cwl.output.json", json.dumps({"o": content}))
    process = tool(outputs={"o": "Any"})
    invocation = Invocation(command=("true",), environment={}, work=str(work))
    evaluator = evaluator_for(process, None)  # type: ignore[arg-type]  # no expression is evaluated here
    try:
        found = collect(process, invocation, work, evaluator, exit_code=0)["o"]
    except CWLError:
        return
    assert "/etc" not in json.dumps([value.get("location") for value in _files(found)])


def _files(value: Any) -> list[Any]:
    if isinstance(value, dict):
        own = [value] if value.get("class") in ("File", "Directory") else []
        return own + [found for item in value.values() for found in _files(item)]
    return [found for item in value for found in _files(item)] if isinstance(value, list) else []


def test_the_limit_of_the_document_is_large_enough_for_long_lists() -> None:
    assert MAX_DOCUMENT >= 64 * 2**20
