"""Keys of jobs: the same exactly when the job would do the same, as far as anybody can tell before it runs."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.command import prepare
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.fingerprint import job_parts, key_of, tool_parts
from araneus.cwl.javascript import JavaScript
from araneus.cwl.process import CommandLineTool
from araneus.cwl.staging import FileMount
from araneus.model.job import Resources
from araneus.model.values import FileValue
from araneus.scheduler.staging import layout
from tests.cwl.running import tool


def blob(text: str) -> str:
    return f"blob:{hashlib.sha256(text.encode()).hexdigest()}"


def in_storage(location: str) -> Path:
    """Blobs are never looked at: their location says what is in them."""
    raise AssertionError(location)


def parts(
    javascript: JavaScript, process: CommandLineTool, inputs: dict[str, Any], *, attempt: str = "11", **more: Any
) -> dict[str, str]:
    evaluator = evaluator_for(process, javascript)
    directory = layout(Path("/jobs") / attempt)
    resources = more.get("resources", Resources())
    invocation = prepare(process, inputs, directory, resources, evaluator, locate=in_storage, discover=False)
    return job_parts(
        tool_parts(process), inputs, invocation, attempt=attempt, network=more.get("network", False),
        digest=lambda location: location.removeprefix("blob:"),
    )  # fmt: skip


def file(name: str, content: str, index: str | None, sample: str) -> FileValue:
    value: FileValue = {
        "class": "File", "location": blob(content), "basename": name, "size": len(content),
        "metadata": {"sample": sample},
    }  # fmt: skip
    if index is not None:
        value["secondaryFiles"] = [{"class": "File", "location": blob(index), "basename": f"{name}.i", "size": 1}]
    return value


OUT: dict[str, Any] = {"glob": "out"}
READERS: dict[str, tuple[dict[str, Any], bool, bool]] = {
    # A tool, and whether it sees metadata, and resources.
    "plain": ({"arguments": ["cat", "$(inputs.f.path)"]}, False, False),
    "metadata in the command": ({"arguments": ["echo", "$(inputs.f.metadata.sample)"]}, True, False),
    "metadata through a whole value": ({"arguments": ["echo", "${return JSON.stringify(inputs)}"]}, True, False),
    "cores in the command": ({"arguments": ["echo", "$(runtime.cores)"]}, False, True),
    "metadata in a file": (
        {"requirements": {"InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs)", "entryname": "j"}]}}},
        True, False,
    ),
    "an output that is computed": (
        {"outputs": {"o": {"type": "Any", "outputBinding": {
            "outputEval": "${var k = 'meta' + 'data'; return [inputs.f[k], runtime.ram]}"}}}},
        True, True,
    ),
    "an output that is found": (
        {"outputs": {"o": {"type": "File?", "outputBinding": {"glob": "$(inputs.f.nameroot)"}}}}, False, False,
    ),
}  # fmt: skip
FILES = st.tuples(
    st.sampled_from(["a.txt", "b.txt"]), st.sampled_from(["1", "2"]), st.sampled_from([None, "i", "j"]),
    st.sampled_from(["A", "B"]),
)  # fmt: skip
JOBS = st.tuples(FILES, st.sampled_from(["x", "y"]), st.sampled_from([1, 2]), st.booleans())


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=40, deadline=None)
@given(one=JOBS, other=JOBS)
def test_keys_are_equal_exactly_for_equal_jobs(javascript: JavaScript, reader: str, one: Any, other: Any) -> None:
    fields, sees_metadata, sees_resources = READERS[reader]
    process = compiled(fields)

    def seen(job: Any) -> Any:
        (name, content, index, sample), word, cores, network = job
        return name, content, index, word, network, sees_metadata and sample, sees_resources and cores

    keys = []
    for attempt, (given_file, word, cores, network) in zip("12", (one, other), strict=True):
        size = Resources(cores=cores, memory=1000 * cores)
        inputs = {"f": file(*given_file), "word": word}
        keys.append(key_of(parts(javascript, process, inputs, attempt=attempt * 8, resources=size, network=network)))
    assert (keys[0] == keys[1]) is (seen(one) == seen(other))


_COMPILED: dict[str, CommandLineTool] = {}


def compiled(fields: dict[str, Any]) -> CommandLineTool:
    if repr(fields) not in _COMPILED:
        more = {"inputs": {"f": "File", "word": "string"}, "outputs": {}, **fields}
        needs = {"InlineJavascriptRequirement": {}, **more.pop("requirements", {})}
        _COMPILED[repr(fields)] = tool(requirements=needs, **more)
    return _COMPILED[repr(fields)]


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": ["true", "1"]},
        {"baseCommand": "false"},
        {"stdout": "out"},
        {"successCodes": [1]},
        {"outputs": {"o": {"type": "File?", "outputBinding": {"glob": "x"}}}},
        {"requirements": {"DockerRequirement": {"dockerPull": "debian:12"}}},
        {"requirements": {"EnvVarRequirement": {"envDef": {"A": "1"}}}},
        {"requirements": {"InlineJavascriptRequirement": {"expressionLib": ["var x = 1"]}}},
    ],
)
def test_any_change_of_what_is_executed_is_seen(javascript: JavaScript, change: dict[str, Any]) -> None:
    before, after = tool(inputs={}, outputs={}), tool(**{"inputs": {}, "outputs": {}, **change})
    assert key_of(parts(javascript, before, {})) != key_of(parts(javascript, after, {}))


def test_directories_count_with_all_that_they_hold(javascript: JavaScript) -> None:
    process = tool(inputs={"d": "Directory"}, arguments=["ls", "$(inputs.d.path)"])

    def folder(*members: FileValue) -> dict[str, Any]:
        return {"d": {"class": "Directory", "location": "_:1", "basename": "d", "listing": list(members)}}

    one, two = file("a", "1", None, "A"), file("b", "1", None, "A")
    keys = {key_of(parts(javascript, process, folder(*members))) for members in ((), (one,), (two,), (one, two))}
    assert len(keys) == 4


def test_what_is_mounted_counts_by_its_content(javascript: JavaScript) -> None:
    """A file that stands in no input, such as one that the document itself names."""
    process = tool(inputs={}, outputs={})
    evaluator = evaluator_for(process, javascript)
    invocation = prepare(process, {}, layout(Path("/jobs/1")), Resources(), evaluator, locate=in_storage)
    keys = set()
    for content in ("1", "2"):
        mounted = replace(invocation, mounts=(FileMount(location=blob(content), target="/x"),))
        found = job_parts(tool_parts(process), {}, mounted, attempt="1", network=False, digest=lambda name: name)
        keys.add(key_of(found))
    assert len(keys) == 2
