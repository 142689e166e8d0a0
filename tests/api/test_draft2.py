"""Apps in sbg:draft-2 over HTTP: installed and shown as they came, inputs checked, run, batched."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from araneus.scheduler.loop import Options
from araneus.storage.posix import PosixStorage
from tests.api.conftest import Server
from tests.api.tasks_fixtures import Lab, a_file, act, code, make_lab
from tests.api.test_apps import plain
from tests.api.test_tasks_running import ended, run
from tests.cwl.draft2.documents import array, bound, draft2_tool, draft2_workflow, expression, output, port, step
from tests.scheduler.house import House

GREP = draft2_tool(
    label="Grep",
    requirements=[{"class": "ExpressionEngineRequirement", "id": "#cwl-js-engine", "requirements": []}],
    hints=[{"class": "sbg:CPURequirement", "value": 1}, {"class": "sbg:MemRequirement", "value": expression("100")}],
    baseCommand=["grep", expression("'-h'")],
    inputs=[
        bound("word", "string", position=1, at={"label": "Word"}),
        bound("files", array("File"), position=2, secondaryFiles=["idx"]),
        bound("case", ["null", {"type": "enum", "name": "case", "symbols": ["-i", "-s"]}], position=0),
    ],
    stdout=expression("{ name = [].concat($job.inputs.files)[0].name; return name + '.found' }"),
    outputs=[
        output("found", ["File"], glob="*.found", inherit="#files", metadata={"word": expression("$job.inputs.word")})
    ],
)  # fmt: skip
V1_COUNT = {
    "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": ["wc", "-l"], "stdin": "$(inputs.text.path)",
    "inputs": {"text": "File"}, "outputs": {"count": "stdout"}, "stdout": "$(inputs.text.basename).count",
}  # fmt: skip
WORKFLOW = draft2_workflow(
    label="Find and count",
    **{"sbg:batchInput": "#texts", "sbg:batchBy": ["metadata.sample_id"], "sbg:canvas_x": 1, "x": 5.5},
    inputs=[port("texts", array("File"), **{"sbg:x": 1}), port("word", "string")],
    steps=[
        step("Grep", GREP, {"files": ["#texts"], "word": ["#word"]}, scatter="#Grep.files"),
        {
            "id": "#Count", "run": V1_COUNT, "scatter": "#Count.text",
            "inputs": [{"id": "#Count.text", "source": ["#Grep.found"]}], "outputs": [{"id": "#Count.count"}],
        },
    ],
    outputs=[
        {"id": "#found", "type": ["null", "File"], "source": ["#Grep.found"]},
        {"id": "#counts", "type": array("File"), "source": ["#Count.count"]},
    ],
)  # fmt: skip


@pytest.fixture
def lab(server: Server) -> Iterator[Lab]:
    """A project on a server whose scheduler runs."""
    storage = server.services.storage
    assert isinstance(storage, PosixStorage)
    house = House(server.directory, server.services.database, storage, "")
    with make_lab(server) as made, house.scheduling(options=Options(poll=0.05)):
        made.install("grep", GREP)
        made.install("wf", WORKFLOW)
        yield made


def content(lab: Lab, value: dict[str, Any]) -> str:
    link = lab.client.get(f"/v2/files/{value['path']}/download_info").json()["url"]
    return lab.client.get(link).text


def test_a_document_is_kept_value_for_value(lab: Lab) -> None:
    for name, document in (("grep", GREP), ("wf", WORKFLOW)):
        app = lab.client.get(f"/v2/apps/{lab.project}/{name}").json()
        assert plain(app["raw"]) == {key: value for key, value in document.items() if key != "id"}
        assert app["raw"]["sbg:validationErrors"] == []
        assert app["raw"]["sbg:appVersion"] == ["sbg:draft-2"]
    assert app["name"] == "Find and count"


def test_every_shared_document_is_installed_and_gives_drafts(lab: Lab, shared: Path) -> None:
    folder = shared / "apps" / "draft2"
    for number, path in enumerate([*sorted((folder / "documents").iterdir()), *folder.glob("replay/*/app.json")]):
        app = lab.client.post(f"/v2/apps/{lab.project}/app{number}/raw", content=path.read_bytes())
        assert app.status_code == 201, (path.name, app.text)
        assert app.json()["sbg:validationErrors"] == [], path.name
        if path.suffix == ".json":
            sent = json.loads(path.read_bytes())
            raw = lab.client.get(f"/v2/apps/{lab.project}/app{number}").json()["raw"]
            assert {key: raw[key] for key in plain(raw)} == {key: sent[key] for key in plain(sent)}
        task = lab.task(f"app{number}")
        wanted = {error["input"] for error in task["errors"]}
        assert set(task["inputs"]) >= wanted - {None}, path.name
        assert all("required" in error["message"].lower() for error in task["errors"]), (path.name, task["errors"])


def test_inputs_are_checked_against_the_ports(lab: Lab) -> None:
    text = a_file(lab.file("a.txt"))
    task = lab.task("grep", inputs={"files": [text], "case": "-x"})
    assert sorted(error["input"] for error in task["errors"]) == ["case", "word"]
    assert code(act(lab, task, "run"))[0] == 400
    assert lab.task("grep", inputs={"files": [text], "word": "one"})["errors"] == []


def test_a_tool_runs_and_its_file_has_metadata(lab: Lab) -> None:
    texts = [lab.file(f"{name} b.txt", metadata={"sample_id": "S", "n": name}) for name in "ab"]
    lab.file("a b.txt.idx")
    inputs = {"files": [a_file(identity) for identity in texts], "word": "tw."}
    task = ended(lab, run(lab, "grep", inputs))
    assert task["status"] == "COMPLETED", task
    assert content(lab, task["outputs"]["found"]) == "two\ntwo\n"
    found = lab.client.get(f"/v2/files/{task['outputs']['found']['path']}").json()
    assert found["name"] == "a_b.txt.found"
    assert found["metadata"] == {"sample_id": "S", "word": "tw."}


def test_a_workflow_with_a_tool_of_cwl_v1_runs(lab: Lab) -> None:
    texts = [a_file(lab.file(f"{name}.txt", content=f"{name} x\nx\ny\n".encode())) for name in "ab"]
    task = ended(lab, run(lab, "wf", {"texts": texts, "word": "x"}, batch=False))
    assert task["status"] == "COMPLETED", task
    assert [content(lab, each) for each in task["outputs"]["found"]] == ["a x\nx\n", "b x\nx\n"]
    assert [content(lab, each).strip() for each in task["outputs"]["counts"]] == ["2", "2"]
    jobs = lab.client.get(f"/v2/tasks/{task['id']}/execution_details").json()["jobs"]
    assert any("grep -h x" in job["command_line"] for job in jobs)


def test_a_workflow_of_cwl_v1_with_a_draft_2_tool_runs(lab: Lab) -> None:
    document = {
        "class": "Workflow", "cwlVersion": "v1.2", "inputs": {"text": "File"},
        "steps": {"grep": {"run": GREP, "in": {"files": {"source": ["text"], "linkMerge": "merge_nested"},
                                               "word": {"default": "one"}}, "out": ["found"]}},
        "outputs": {"found": {"type": "File", "outputSource": "grep/found"}},
        "requirements": {"MultipleInputFeatureRequirement": {}, "InlineJavascriptRequirement": {}},
    }  # fmt: skip
    lab.install("mixed", document)
    task = ended(lab, run(lab, "mixed", {"text": a_file(lab.file("a.txt"))}))
    assert task["status"] == "COMPLETED", task
    assert content(lab, task["outputs"]["found"]) == "one\n"


def test_a_failing_script_fails_the_task_with_its_words(lab: Lab) -> None:
    lab.install("bad", GREP | {"stdout": expression("$job.inputs.nothing.path")})
    task = ended(lab, run(lab, "bad", {"files": [a_file(lab.file("a.txt"))], "word": "x"}))
    assert task["status"] == "FAILED"
    assert "$job.inputs.nothing.path" in task["execution_status"]["message"]


def test_an_app_brings_its_batch_settings(lab: Lab) -> None:
    samples = ["one", "two", "one"]
    texts = [a_file(lab.file(f"{n}.txt", metadata={"sample_id": each})) for n, each in enumerate(samples)]
    task = lab.task("wf", batch=True, inputs={"texts": texts, "word": "one"})
    assert (task["batch_input"], task["errors"]) == ("texts", [])
    assert task["batch_by"] == {"type": "criteria", "criteria": ["metadata.sample_id"]}
    parent = ended(lab, act(lab, task, "run").json())
    children = lab.client.get("/v2/tasks", params={"parent": parent["id"], "fields": "_all"}).json()["items"]
    assert sorted(len(child["inputs"]["texts"]) for child in children) == [1, 2]
    assert {child["status"] for child in children} == {"COMPLETED"}


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ({"type": "ITEM"}, {"type": "item"}),
        ("item", {"type": "item"}),
        ("metadata.sample_id", {"type": "criteria", "criteria": ["metadata.sample_id"]}),
        (["metadata.a", "metadata.b"], {"type": "criteria", "criteria": ["metadata.a", "metadata.b"]}),
        ({"type": "criteria", "criteria": ["metadata.a"]}, {"type": "criteria", "criteria": ["metadata.a"]}),
    ],
)
def test_shapes_of_batch_settings(lab: Lab, by: Any, expected: Any) -> None:
    lab.install("batched", WORKFLOW | {"sbg:batchBy": by})
    assert lab.task("batched", batch=True)["batch_by"] == expected


def test_a_broken_app_is_kept_and_says_so(lab: Lab) -> None:
    broken = draft2_workflow(inputs=[port("i", "File")], steps=[step("s", GREP, {"files": ["#nope"]})])
    app = lab.client.post(f"/v2/apps/{lab.project}/broken/raw", json=broken)
    assert app.status_code == 201, app.text
    assert "nope" in app.json()["sbg:validationErrors"][0]
    assert [error["code"] for error in lab.task("broken", inputs={"i": None})["errors"]][:1] == [7017]


def test_a_document_that_is_wrong_is_refused_with_places(lab: Lab) -> None:
    answer = lab.client.post(
        f"/v2/apps/{lab.project}/wrong/raw", json=GREP | {"inputs": [port("x", {"type": "sideways"})], "stdin": [1]}
    )
    assert answer.status_code == 400
    assert "inputs/x/type/type: unknown type 'sideways'" in answer.json()["message"]
    assert "stdin: must be text or an expression, not a list" in answer.json()["message"]
