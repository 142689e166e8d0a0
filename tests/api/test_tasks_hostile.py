"""Hostile callers: random bodies never break the server, and no app or task reads files of the server itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from araneus.scheduler.loop import Options
from araneus.storage.posix import PosixStorage
from tests.api.conftest import Server, running
from tests.api.tasks_fixtures import TOOL, WIDE, Lab, a_file, make_lab
from tests.api.test_tasks_running import ended
from tests.scheduler.house import House

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6), inner, max_size=3)
        | st.fixed_dictionaries({"class": st.sampled_from(["File", "Directory", "x"]) | inner, "path": inner})
    ),
    max_leaves=12,
)
ports = st.sampled_from(["bams", "mode", "place", "count", "pair", "anything", "x"])
task_bodies = st.dictionaries(
    st.sampled_from(["name", "description", "batch", "batch_input", "batch_by", "execution_settings",
                     "output_location", "use_interruptible_instances"]),
    json_values,
) | st.fixed_dictionaries({"inputs": json_values | st.dictionaries(ports, json_values)})  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("hostile")) as server, make_lab(server) as made:
        made.install("wide", WIDE)
        yield made


def encoded(body: Any) -> bytes:
    return json.dumps(body).encode()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=task_bodies, query=st.sampled_from([{}, {"action": "run"}, {"batch": "true"}, {"fields": "id,inputs.x"}]))
def test_random_tasks_are_drafts_or_refusals(lab: Lab, body: dict[str, Any], query: dict[str, str]) -> None:
    whole = {"project": lab.project, "app": f"{lab.project}/wide"} | body
    answer = lab.client.post("/v2/tasks", content=encoded(whole), params=query)
    assert answer.status_code in {201, 400}, answer.text
    assert answer.json()
    if answer.status_code == 201 and not query:
        path = f"/v2/tasks/{answer.json()['id']}"
        assert lab.client.get(path).status_code == 200
        assert lab.client.post(f"{path}/actions/clone").status_code == 201


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=st.dictionaries(ports, json_values), second=st.dictionaries(ports, json_values))
def test_random_changes_are_merged_or_refused(lab: Lab, first: dict[str, Any], second: dict[str, Any]) -> None:
    path = f"/v2/tasks/{lab.task('wide')['id']}"
    for change in (first, second):
        answer = lab.client.patch(path, content=encoded({"inputs": change}))
        assert answer.status_code in {200, 400}, answer.text
        assert answer.json()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    place=st.sampled_from(["inputs", "outputs", "baseCommand", "requirements", "hints", "label", "id", "cwlVersion",
                           "arguments", "stdout", "$namespaces", "sbg:batchInput", "sbg:batchBy", "sbg:revisionNotes"]),
    value=json_values,
    number=st.integers(0, 10**9),
)  # fmt: skip
def test_random_documents_are_apps_or_refusals(lab: Lab, place: str, value: Any, number: int) -> None:
    answer = lab.client.post(f"/v2/apps/{lab.project}/app{number}/raw", content=encoded(TOOL | {place: value}))
    assert answer.status_code in {201, 400, 409}, answer.text
    if answer.status_code == 201:
        assert lab.client.get(f"/v2/apps/{lab.project}/app{number}").status_code == 200
        body = {"project": lab.project, "app": f"{lab.project}/app{number}", "batch": place.startswith("sbg:batch")}
        assert lab.client.post("/v2/tasks", json=body).status_code in {201, 400}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text("the server's own")
    return path


SLY: list[dict[str, Any]] = [
    {"class": "File", "path": "{path}"},
    {"class": "File", "location": "file://{path}"},
    {"class": "File", "location": "{path}"},
    {"class": "File", "contents": "x", "basename": "x", "secondaryFiles": [{"class": "File", "path": "{path}"}]},
    {"class": "Directory", "listing": [{"class": "File", "location": "file://{path}", "basename": "x"}]},
    {"class": "Directory", "path": "{folder}"},
]  # fmt: skip


def filled(value: Any, secret: Path) -> Any:
    text = json.dumps(value).replace("{path}", str(secret)).replace("{folder}", str(secret.parent))
    return json.loads(text)


FILE_AT = {"class": "File", "path": "{path}", "location": "file://{path}", "basename": "x"}
JS = {"class": "InlineJavascriptRequirement"}
LITERAL = json.dumps(FILE_AT)
READER: dict[str, Any] = {
    "class": "CommandLineTool",
    "baseCommand": ["cat"],
    "inputs": [{"id": "sly", "type": "File", "inputBinding": {}}],
    "outputs": [{"id": "found", "type": "stdout"}],
}


def workflow(**step: Any) -> dict[str, Any]:
    """A workflow of one step that reads a file."""
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [JS, {"class": "StepInputExpressionRequirement"}],
        "inputs": [],
        "outputs": [{"id": "found", "type": "File?", "outputSource": "s/found"}],
        "steps": [{"id": "s", "in": [{"id": "sly"}], "out": ["found"], "run": READER} | step],
    }


def maker(command: str, output: Any, *requirements: Any) -> dict[str, Any]:
    """A tool whose output is sly."""
    return {
        "class": "CommandLineTool",
        "cwlVersion": "v1.2",
        "requirements": [JS, {"class": "ShellCommandRequirement"}, *requirements],
        "arguments": [{"valueFrom": command, "shellQuote": False}],
        "inputs": [],
        "outputs": [{"id": "found", "type": "File?"} | output],
    }


EVAL = "${return " + LITERAL + ";}"
EXPRESSION_TOOL = {
    "class": "ExpressionTool",
    "cwlVersion": "v1.2",
    "requirements": [JS],
    "inputs": [],
    "outputs": [{"id": "found", "type": "File"}],
    "expression": "${return {found: " + LITERAL + "};}",
}
WORKDIR = {"class": "InitialWorkDirRequirement", "listing": [FILE_AT, {"entryname": "y", "entry": EVAL}]}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "default of a step input": workflow(**{"in": [{"id": "sly", "default": FILE_AT}]}),
    "default of an inner tool": workflow(run=READER | {"inputs": [READER["inputs"][0] | {"default": FILE_AT}]}),
    "valueFrom of a step input": workflow(**{"in": [{"id": "sly", "valueFrom": EVAL}]}),
    "output of an expression": EXPRESSION_TOOL,
    "outputEval": maker("true", {"outputBinding": {"glob": "*", "outputEval": EVAL}}),
    "absolute glob": maker("true", {"outputBinding": {"glob": "{path}"}}),
    "glob upwards": maker("true", {"outputBinding": {"glob": "../../../../../../../../../../{path}"}}),
    "link": maker("ln -s {path} out", {"outputBinding": {"glob": "out"}}),
    "link to a folder": maker("ln -s {folder} out", {"outputBinding": {"glob": "out/*"}}),
    "output object": maker('echo \'{"found": ' + LITERAL + "}' > cwl.output.json", {}),
    "initial work directory": maker("true", {"outputBinding": {"glob": "x"}}, WORKDIR),
}


def published(server: Server) -> bool:
    """Whether the secret has come into the storage."""
    blobs = [path for path in (server.directory / "blobs").rglob("*") if path.is_file()]
    return any(b"the server's own" in path.read_bytes() for path in blobs)


def outcome(lab: Lab, document: Any, inputs: dict[str, Any]) -> dict[str, Any] | None:
    """The ended task of a sly app, or None when the app or the task was refused."""
    answer = lab.client.post(f"/v2/apps/{lab.project}/sly/raw", content=encoded(document))
    if answer.status_code == 400:
        return None
    task = lab.task("sly", inputs=inputs)
    if lab.client.post(f"/v2/tasks/{task['id']}/actions/run").status_code == 400:
        return None
    return ended(lab, task)


@pytest.fixture
def sly_lab(server: Server) -> Iterator[Lab]:
    storage = server.services.storage
    assert isinstance(storage, PosixStorage)
    house = House(server.directory, server.services.database, storage, "")
    with make_lab(server) as lab, house.scheduling(options=Options(poll=0.05)):
        yield lab


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_makes_the_server_publish_its_own_files(sly_lab: Lab, secret: Path, name: str) -> None:
    """Nothing that an app says about places makes a file that is none of the project's an output of a task."""
    outcome(sly_lab, filled(DOCUMENTS[name], secret), {})
    assert not published(sly_lab.server)


@pytest.mark.parametrize("default", SLY)
def test_defaults_of_an_app_never_name_files_of_the_server(sly_lab: Lab, secret: Path, default: Any) -> None:
    """Whatever an installed document says, a tool of it is not handed the server's own files."""
    document = {
        "class": "CommandLineTool",
        "cwlVersion": "v1.2",
        "requirements": [JS],
        "baseCommand": ["grep", "-rh", "own"],
        "successCodes": [1, 2],
        "inputs": [
            {"id": "sly", "type": "Any", "default": filled(default, secret), "loadListing": "deep_listing"},
            {"id": "text", "type": "File?", "inputBinding": {}},
        ],
        "arguments": ["$(inputs.sly.path)"],
        "outputs": [{"id": "found", "type": "stdout"}],
    }
    after = outcome(sly_lab, document, {"text": a_file(sly_lab.file("a.txt"))})
    if after is not None and after["status"] == "COMPLETED":
        assert after["outputs"]["found"]["size"] == 0, "the tool read a file of the server"
    assert not published(sly_lab.server)
