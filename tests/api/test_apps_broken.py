"""Apps whose links are broken: refused, or stored with what is wrong where they come from the platform; real apps."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from araneus.model.app import content_hash
from araneus.store import apps
from tests.api.conftest import Server
from tests.api.tasks_fixtures import WORKFLOW, Lab, make_lab
from tests.api.test_apps import code, plain, post


@pytest.fixture
def lab(server: Server) -> Iterator[Lab]:
    with make_lab(server) as made:
        yield made


def bare(value: Any) -> Any:
    """The document without the platform's keys."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {key: bare(item) for key, item in value.items() if not key.startswith("sbg:")}
    return value


def broken_workflow() -> dict[str, Any]:
    """Two links that lead nowhere, and nothing of the platform."""
    broken: dict[str, Any] = bare(json.loads(json.dumps(WORKFLOW)))
    broken["steps"][0]["in"][0]["source"] = "nowhere"
    broken["outputs"][0]["outputSource"] = "head/nothing"
    return broken


def test_steps_that_lead_nowhere_are_refused_with_every_mistake(lab: Lab) -> None:
    answer = post(lab, "broken/raw", json.dumps(broken_workflow()).encode())
    assert code(answer) == (400, 90000)
    message = answer.json()["message"]
    for text in ("2 problems", "steps/head/in/text", "nowhere", "outputs/tops", "head/nothing"):
        assert text in message, message
    assert "line" not in message
    assert code(lab.client.get(f"/v2/apps/{lab.project}/broken")) == (404, 6002)
    assert code(post(lab, "broken/raw", json.dumps(broken_workflow()).encode())) == (400, 90000)


def test_mistakes_in_a_text_with_lines_are_told_with_them(lab: Lab) -> None:
    text = json.dumps(broken_workflow() | {"label": ["x"]}, indent=2)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "nowhere" in line)
    for content in (text.encode(), json.dumps(text).encode()):
        message = post(lab, "broken/raw", content).json()["message"]
        assert f"label (line {text[: text.index('label')].count(chr(10)) + 1}, column 3): must be text" in message
        assert f"steps/head/in/text (line {line - 2}, column 9): the source 'nowhere'" in message, message


def test_a_broken_revision_leaves_the_app_as_it_was(lab: Lab) -> None:
    lab.install("wf", WORKFLOW)
    assert code(post(lab, "wf/1/raw", json.dumps(broken_workflow()).encode())) == (400, 90000)
    assert lab.client.get(f"/v2/apps/{lab.project}/wf").json()["latest_revision"] == 0


MARKS: list[dict[str, Any]] = [
    {"sbg:appVersion": ["v1.2"]},
    {"sbg:id": "someone/project/app/3"},
    {"sbg:revisionNotes": "as sbpack sends it"},
    {"hints": [{"class": "sbg:AWSInstanceType", "value": "c4.2xlarge"}]},
    {"hints": {"sbg:maxNumberOfParallelInstances": {"value": 2}}},
    {"$namespaces": {"sbg": "https://sevenbridges.com"}},
]


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: next(iter(mark)))
def test_a_broken_app_of_the_platform_is_stored_and_says_what_is_wrong(lab: Lab, mark: dict[str, Any]) -> None:
    assert code(post(lab, "plain/raw", json.dumps(broken_workflow()).encode())) == (400, 90000)
    answer = post(lab, "wf/raw", json.dumps(broken_workflow() | mark).encode())
    assert answer.status_code == 201, answer.text
    wrong = answer.json()["sbg:validationErrors"]
    assert [text.partition(":")[0] for text in wrong] == ["steps/head/in/text", "outputs/tops"]
    for path in ("apps/{}/wf", "apps/{}/wf/0"):
        assert lab.client.get(f"/v2/{path.format(lab.project)}").json()["raw"]["sbg:validationErrors"] == wrong
    assert lab.client.get(f"/v2/apps/{lab.project}/wf/raw").json()["sbg:validationErrors"] == wrong
    listed = lab.client.get("/v2/apps", params={"project": lab.project, "fields": "_all"}).json()["items"]
    assert listed[0]["raw"]["sbg:validationErrors"] == wrong
    file = {"class": "File", "path": lab.file("a.txt")}
    task = lab.task("wf", inputs={"texts": [file]})
    assert [error["code"] for error in task["errors"]] == [7017, 7017]
    assert all(text in error["message"] for text, error in zip(wrong, task["errors"], strict=True))
    run = lab.client.post(f"/v2/tasks/{task['id']}/actions/run")
    assert code(run) == (400, 7024)
    assert all(text.partition(":")[2] in run.json()["message"] for text in wrong), run.json()["message"]
    assert code(post(lab, "plain/raw", json.dumps(broken_workflow()).encode())) == (400, 90000)


def test_a_broken_app_of_the_platform_is_mended_by_a_revision(lab: Lab) -> None:
    assert post(lab, "wf/raw", json.dumps(broken_workflow() | MARKS[0]).encode()).status_code == 201
    mended = post(lab, "wf/1/raw", json.dumps(WORKFLOW | MARKS[0]).encode())
    assert mended.json()["sbg:validationErrors"] == []
    assert lab.client.get(f"/v2/apps/{lab.project}/wf/0/raw").json()["sbg:validationErrors"] != []
    assert lab.task("wf", inputs={"texts": []})["errors"] == []


def test_marks_do_not_make_other_documents_apps(lab: Lab) -> None:
    for document in (broken_workflow() | {"inputs": [{"id": "a", "type": "nope"}]}, {"class": "Nonsense"}):
        answer = post(lab, "wf/raw", json.dumps(document | MARKS[0]).encode())
        assert code(answer) == (400, 90000)
    assert code(lab.client.get(f"/v2/apps/{lab.project}/wf")) == (404, 6002)


def test_harmless_mistakes_are_warnings_of_the_tasks(lab: Lab) -> None:
    document = json.loads(json.dumps(WORKFLOW))
    document["steps"][0]["out"] = [*document["steps"][0]["out"], "nobody_asks"]
    answer = post(lab, "wf/raw", json.dumps(document).encode())
    assert answer.status_code == 201, answer.text
    assert answer.json()["sbg:validationErrors"] == []
    task = lab.task("wf", inputs={"texts": []})
    assert task["errors"] == []
    [warning] = task["warnings"]
    assert "nobody_asks" in warning["message"]
    assert lab.client.post(f"/v2/tasks/{task['id']}/actions/run").json()["status"] == "QUEUED"


def test_a_broken_app_that_is_stored_already_says_so_in_its_tasks(lab: Lab) -> None:
    """As an earlier version may have left it."""
    lab.install("wf", WORKFLOW)
    document = broken_workflow()
    with lab.server.services.database.write() as conn:
        before = apps.get(conn, lab.project, "wf")
        assert before is not None
        apps.insert(conn, replace(before, revision=1, raw=document, content=content_hash(document)))
    task = lab.task("wf")
    assert len([error for error in task["errors"] if error["code"] == 7017]) == 2
    assert {error["input"] for error in task["errors"]} == {None, "texts"}
    assert code(lab.client.post(f"/v2/tasks/{task['id']}/actions/run")) == (400, 7024)


# ---- real apps


BROKEN_IN_USE = {
    # A step takes an output of a step that is called otherwise.
    "Kids-First-Elements-of-Style-Workflow-Creation-Maintenance__fastqc_multiqc_wf.json": [
        "steps/multiqc/in/fastqc_results",
        "run_fastqc/fastqc_results",
    ],
    # A type stands where the name of an input belongs.
    "d3b-dev-rnaseq-snv__d3b_strelka2_rnaseq_snv_wf.json": ["steps/gatk_pass_vcf/in/init_bam_index_style", "'string'"],
    # A step lists and uses an output that its tool does not have.
    "kf-dev-single-cell-rna__kf_qc_rerun_wf.json": ["steps/seurat_qc/out", "'rds'", "did you mean 'qc_rds'"],
}
"""Packed apps of real projects whose links are broken where they were published, and what is said of each."""


def test_real_packed_apps_install_and_give_drafts(lab: Lab, shared: Path) -> None:
    slowest, broken = 0.0, {}
    for number, path in enumerate(sorted((shared / "apps" / "packed").glob("*.json"))):
        document = json.loads(path.read_text())
        started = time.monotonic()
        answer = post(lab, f"app{number}/raw", path.read_bytes())
        slowest = max(slowest, time.monotonic() - started)
        assert answer.status_code == 201, (path.name, answer.text[:500])
        assert plain(answer.json()) == plain(document), path.name
        if answer.json()["sbg:validationErrors"]:
            [broken[path.name]] = answer.json()["sbg:validationErrors"]
        task = lab.task(f"app{number}")
        declared = document["inputs"]
        names = declared if isinstance(declared, dict) else [port["id"].lstrip("#").split("/")[-1] for port in declared]
        assert set(task["inputs"]) == set(names), path.name
        missing = {error["input"] for error in task["errors"] if "is not set" in error["message"]}
        assert missing == {port["id"].lstrip("#").split("/")[-1] for port in declared if _required(port)}, path.name
        assert (path.name in broken) == any(error["code"] == 7017 for error in task["errors"]), path.name
        answer = lab.client.post(f"/v2/tasks/{task['id']}/actions/run")
        assert (code(answer) == (400, 7024)) if task["errors"] else answer.status_code == 200, path.name
    assert slowest < 3
    assert set(broken) == set(BROKEN_IN_USE), broken
    for name, said in BROKEN_IN_USE.items():
        assert all(text in broken[name] for text in said), (name, broken[name])


def _required(port: dict[str, Any]) -> bool:
    kind = port["type"]
    optional = kind.endswith("?") if isinstance(kind, str) else isinstance(kind, list) and "null" in kind
    return not optional and "default" not in port
