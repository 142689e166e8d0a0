"""What is wrong with the inputs of a task, as its errors and warnings tell over HTTP."""

from typing import Any

import pytest

from tests.api.tasks_fixtures import (
    WIDE,
    Lab,
    a_file,
    stored,
)


def errors_of(task: dict[str, Any]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for error in task["errors"]:
        assert set(error) == {"code", "status", "message", "input", "more_info"}
        found.setdefault(error["input"], []).append(error["message"])
    return found


def test_all_problems_of_all_ports_at_once(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam, folder = lab.file("a.bam"), lab.folder("place")
    task = lab.task(
        "wide",
        inputs={
            "bams": [a_file(bam), a_file("f" * 24), a_file(folder)],
            "mode": "medium",
            "place": {"class": "Directory", "path": bam},
            "count": "three",
            "pair": {"note": 7},
            "unknown": 1,
        },
    )
    errors = errors_of(task)
    assert set(errors) == {"bams", "mode", "place", "count", "pair"}
    said = " ".join(errors["bams"])
    assert "f" * 24 in said
    assert "folder" in said
    assert "a.bam.bai" in said
    assert "unknown" not in task["inputs"]


def test_good_values_of_every_kind(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bams = [lab.file("a.bam"), lab.file("b.bam")]
    indexes = [lab.file("a.bam.bai"), lab.file("b.bam.bai")]
    left, index, folder = lab.file("l.bed"), lab.file("l.idx"), lab.folder("place")
    task = lab.task(
        "wide",
        inputs={
            "bams": [a_file(bam) for bam in bams],
            "mode": "fast",
            "place": {"class": "Folder", "path": folder},
            "pair": {"left": a_file(left), "note": "n"},
            "anything": [1, "x", {"y": None}, a_file(left)],
        },
    )
    assert task["errors"] == []
    found = [[item["path"] for item in value["secondaryFiles"]] for value in task["inputs"]["bams"]]
    assert found == [[indexes[0]], [indexes[1]]]
    assert task["inputs"]["pair"]["left"]["secondaryFiles"][0]["path"] == index
    assert task["inputs"]["place"] == {"class": "Directory", "path": folder, "name": "place"}
    assert task["inputs"]["count"] is None
    assert task["inputs"]["anything"][3]["name"] == "l.bed"


def test_a_single_file_for_a_list_is_wrapped(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam = lab.file("a.bam")
    lab.file("a.bam.bai")
    task = lab.task("wide", inputs={"bams": a_file(bam)})
    assert [value["path"] for value in task["inputs"]["bams"]] == [bam]
    assert task["errors"] == []


def test_secondary_files_in_another_folder_do_not_count(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam = lab.file("a.bam")
    lab.file("a.bam.bai", parent=lab.folder("elsewhere"))
    assert set(errors_of(lab.task("wide", inputs={"bams": [a_file(bam)]}))) == {"bams"}


def test_explicit_secondary_files_count_by_name_wherever_they_lie(lab: Lab) -> None:
    lab.install("wide", WIDE)
    bam, bai = lab.file("a.bam"), lab.file("a.bam.bai", parent=lab.folder("elsewhere"))
    task = lab.task("wide", inputs={"bams": [a_file(bam) | {"secondaryFiles": [a_file(bai)]}]})
    assert task["errors"] == []
    assert task["inputs"]["bams"][0]["secondaryFiles"][0]["name"] == "a.bam.bai"
    unknown = lab.task("wide", inputs={"bams": [a_file(bam) | {"secondaryFiles": [a_file("f" * 24)]}]})
    assert set(errors_of(unknown)) == {"bams"}


def test_a_file_of_the_wrong_type_is_a_warning(lab: Lab) -> None:
    task = lab.task(inputs={"text": a_file(lab.file("a.bam"))})
    assert task["errors"] == []
    assert [warning["input"] for warning in task["warnings"]] == ["text"]
    assert lab.task(inputs={"text": a_file(lab.file("b.TXT"))})["warnings"] == []


def test_a_foreign_file_answers_like_an_unknown_one(lab: Lab) -> None:
    theirs = lab.another("Secret", "francis").file("secret.txt", metadata={"k": "v"})
    unknown = "0" * 24
    messages = []
    for identity in (theirs, unknown):
        task = lab.task(inputs={"text": a_file(identity)})
        assert task["inputs"]["text"] == a_file(identity)
        messages.append([(error["code"], error["message"].replace(identity, "ID")) for error in task["errors"]])
    assert messages[0] == messages[1]
    assert messages[0][0][0] == 5002


def test_a_hidden_file_cannot_be_an_input(lab: Lab) -> None:
    log = lab.file("job.err.log", hidden=True)
    assert set(errors_of(lab.task(inputs={"text": a_file(log)}))) == {"text"}


def test_no_location_of_a_caller_survives(lab: Lab) -> None:
    lab.install("wide", WIDE)
    text = lab.file("a.txt")
    sly = a_file(text) | {"location": "file:///etc/passwd", "contents": "x", "listing": [], "dirname": "/etc"}
    task = lab.task(inputs={"text": sly})
    assert stored(lab, task["id"]).inputs["text"] == a_file(text)
    deep = lab.task("wide", inputs={"anything": {"a": [sly]}})
    assert stored(lab, deep["id"]).inputs["anything"] == {"a": [a_file(text)]}


def test_a_list_of_one_file_for_a_single_one_is_that_file(lab: Lab) -> None:
    one, two = lab.file("a.txt"), lab.file("b.txt")
    task = lab.task(inputs={"text": [a_file(one)]})
    assert (task["errors"], task["inputs"]["text"]["path"]) == ([], one)
    assert set(errors_of(lab.task(inputs={"text": [a_file(one), a_file(two)]}))) == {"text"}


@pytest.mark.parametrize(
    ("suggested", "said"),
    [
        ({"class": "File", "path": "5f0c1ab2e4b0aa11cc22dd33", "name": "ref.fa"}, "'ref.fa' (id 5f0c1ab2e4b0aa"),
        ([{"class": "File", "path": "5f0c1ab2e4b0aa11cc22dd33"}], "file '5f0c1ab2e4b0aa11cc22dd33'."),
        (5, "suggests 5."),
        ({"odd": "é" * 500}, "suggests {"),
        ([], "is not set."),
    ],
)  # fmt: skip
def test_a_suggested_value_is_offered_and_never_taken(lab: Lab, suggested: Any, said: str) -> None:
    tool = {
        "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "true", "outputs": {},
        "inputs": {"x": {"type": ["File", "int"], "sbg:suggestedValue": suggested}},
    }  # fmt: skip
    lab.install("suggests", tool)
    task = lab.task("suggests")
    assert task["inputs"]["x"] is None
    (message,) = errors_of(task)["x"]
    assert said in message
    assert len(message) < 300


def test_odd_output_locations_are_warnings(lab: Lab) -> None:
    location = {
        "main_location": "/<task_name> é/<nonsense>/Été 1",
        "nodes_location": {"top": {"output_location": "x"}, "nowhere": {"output_location": "y"}},
    }
    task = lab.task(inputs={"text": a_file(lab.file("a.txt"))}, output_location=location)
    said = " ".join(warning["message"] for warning in task["warnings"])
    assert task["errors"] == []
    assert all(word in said for word in ("<nonsense>", "'nowhere'", "without nodes_override"))
    assert "'Été 1', it becomes '_t__1'" in said
    assert said.count("it becomes") == 1
    assert "'top'" not in said


@pytest.mark.parametrize("place", ["/a/../b", "volumes://mine/x", "a\n", "x" * 10_000])
def test_wrong_output_locations_are_refused_in_every_call(lab: Lab, place: str) -> None:
    location = {"output_location": {"main_location": place}}
    body = {"project": lab.project, "app": f"{lab.project}/head"} | location
    task = lab.task()["id"]
    answers = [lab.client.post(f"/v2/tasks{query}", json=body) for query in ("", "?action=run")]
    answers.append(lab.client.patch(f"/v2/tasks/{task}", json=location))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, 90000)
        assert "output_location.main_location" in answer.json()["message"]
