"""How the children of a batch come about: groups by several keys, both steps of a run, and the step that was missed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api.batches import groups
from araneus.api.launches import LEFT_ALONE, resume
from araneus.model.file import File
from araneus.model.task import Status, step
from araneus.store import tasks
from tests.api.conftest import Server, utc_now
from tests.api.tasks_fixtures import ITEM, TOOL, WIDE, Lab, a_file, act, code, make_lab, stored

S = Status
PAIRS: dict[str, Any] = {
    "class": "CommandLineTool",
    "cwlVersion": "v1.2",
    "baseCommand": ["true"],
    "inputs": {"pairs": {"type": {"type": "array", "items": {"type": "array", "items": "File"}}}},
    "outputs": {},
}


def children_of(lab: Lab, parent: dict[str, Any]) -> list[dict[str, Any]]:
    params = {"parent": parent["id"], "fields": "_all", "order_by": "created_time", "order": "asc"}
    items: list[dict[str, Any]] = lab.client.get("/v2/tasks", params=params).json()["items"]
    return items


def a_batch(lab: Lab, count: int = 2) -> dict[str, Any]:
    texts = [a_file(lab.file(f"{number}.txt")) for number in range(count)]
    return lab.task(name="b", batch_input="text", batch_by=ITEM, inputs={"text": texts})


def test_several_keys_of_metadata_make_a_child_for_each_combination(lab: Lab) -> None:
    """Keys are taken as they are, with spaces and dots."""
    lab.install("wide", WIDE | {"inputs": WIDE["inputs"] | {"bams": "File[]?"}})
    samples = [("A", "1"), ("A", "2"), ("B", "1"), ("A", "1"), ("", "2"), ("", "")]
    bams = [
        a_file(lab.file(f"{number}.bam", metadata={"Sample ID": sample, "lane.no": lane}))
        for number, (sample, lane) in enumerate(samples)
    ]
    by = {"type": "CRITERIA", "criteria": ["metadata.Sample ID", "metadata.lane.no"]}
    parent = lab.task("wide", name="b", batch_input="bams", batch_by=by, inputs={"bams": bams})
    assert act(lab, parent, "run").status_code == 200
    made = children_of(lab, parent)
    assert [(child["name"], len(child["inputs"]["bams"])) for child in made] == [
        ("b - A, 1", 2),
        ("b - A, 2", 1),
        ("b - B, 1", 1),
        ("b - , 2", 1),
        ("b", 1),
    ]
    assert made[1]["batch_group"]["fields"] == {"metadata.Sample ID": "A", "metadata.lane.no": "2"}


def test_lists_of_files_are_grouped_by_their_first_file(lab: Lab) -> None:
    lab.install("pairs", PAIRS)
    pairs = [
        [a_file(lab.file(f"{sample}{lane}{end}.fq", metadata={"sample": sample})) for end in "12"]
        for sample, lane in ("AX", "BX", "AY")
    ]
    by = {"type": "criteria", "criteria": ["metadata.sample"]}
    parent = lab.task("pairs", name="b", batch_input="pairs", batch_by=by, inputs={"pairs": pairs})
    assert act(lab, parent, "run").status_code == 200
    assert [(child["name"], len(child["inputs"]["pairs"])) for child in children_of(lab, parent)] == [
        ("b - A", 2),
        ("b - B", 1),
    ]
    by_item = lab.task("pairs", name="i", batch_input="pairs", batch_by=ITEM, inputs={"pairs": pairs})
    assert act(lab, by_item, "run").status_code == 200
    made = children_of(lab, by_item)
    assert [child["name"] for child in made] == ["i - AX1.fq", "i - BX1.fq", "i - AY1.fq"]
    assert [file["name"] for file in made[0]["inputs"]["pairs"][0]] == ["AX1.fq", "AX2.fq"]


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b c", "ä"]), st.sampled_from(["", "1", "2"])), max_size=8))
def test_every_item_goes_into_the_group_that_has_its_values(metadata: list[dict[str, str]]) -> None:
    now = utc_now()
    rows = {
        f"{number:024x}": File(
            id=f"{number:024x}", project="p/q", parent=None, name="n", metadata=held, created_on=now, modified_on=now
        )
        for number, held in enumerate(metadata)
    }
    keys = ["metadata.a", "metadata.b c", "metadata.ä"]
    found = groups({"type": "criteria", "criteria": keys}, [a_file(identity) for identity in rows], rows)
    placed = [item["path"] for group in found for item in group.items]
    assert sorted(placed) == sorted(rows)
    assert len({tuple(group.fields.items()) for group in found}) == len(found)
    for group in found:
        for item in group.items:
            held = rows[item["path"]].metadata
            assert group.fields == {key: held.get(key.removeprefix("metadata."), "") for key in keys}


def test_a_batch_is_created_then_queued_with_all_its_children(lab: Lab) -> None:
    parent = a_batch(lab)
    assert act(lab, parent, "run").json()["status"] == "QUEUED"
    with lab.server.services.database.read() as conn:
        of_parent = tasks.events(conn, parent["id"])
        of_child = tasks.events(conn, children_of(lab, parent)[0]["id"])
    assert [(event.before, event.after) for event in of_parent] == [(S.DRAFT, S.CREATING), (S.CREATING, S.QUEUED)]
    assert of_parent[1].message == "2 tasks were made"
    assert [(event.before, event.after, event.actor) for event in of_child] == [(S.DRAFT, S.QUEUED, "rosalind")]


def begin(lab: Lab, parent: dict[str, Any], *, ago: timedelta) -> None:
    """What a process has done that dies between the two steps of a run."""
    before = stored(lab, parent["id"])
    after, event = step(before, S.CREATING, now=utc_now() - ago, actor="rosalind")
    with lab.server.services.database.write() as conn:
        tasks.save(conn, before, after, event)


def test_a_batch_whose_maker_died_gets_its_children(lab: Lab) -> None:
    fresh, left = a_batch(lab), a_batch_of(lab, "late")
    begin(lab, fresh, ago=timedelta())
    begin(lab, left, ago=2 * LEFT_ALONE)
    resume(lab.server.services)
    assert [stored(lab, task["id"]).status for task in (fresh, left)] == [S.CREATING, S.QUEUED]
    assert [child["name"] for child in children_of(lab, left)] == ["late - late.txt"]
    assert resume(lab.server.services) == 0


def a_batch_of(lab: Lab, name: str) -> dict[str, Any]:
    texts = [a_file(lab.file(f"{name}.txt"))]
    return lab.task(name=name, batch_input="text", batch_by=ITEM, inputs={"text": texts})


def test_a_batch_that_lost_its_files_meanwhile_fails_and_says_so(lab: Lab) -> None:
    parent = a_batch_of(lab, "lost")
    assert lab.client.delete(f"/v2/files/{parent['inputs']['text'][0]['path']}").status_code == 204
    begin(lab, parent, ago=2 * LEFT_ALONE)
    resume(lab.server.services)
    shown = lab.client.get(f"/v2/tasks/{parent['id']}").json()
    assert shown["status"] == "FAILED"
    assert "no file or folder" in shown["errors"][0]["message"]
    assert "no file or folder" in shown["execution_status"]["message"]


def test_a_batch_can_be_aborted_while_it_is_created(lab: Lab) -> None:
    parent = a_batch_of(lab, "early")
    begin(lab, parent, ago=2 * LEFT_ALONE)
    assert act(lab, parent, "abort").json()["status"] == "ABORTING"
    assert resume(lab.server.services) == 0
    assert children_of(lab, parent) == []


def test_a_new_batch_that_has_nothing_to_split_is_a_draft_that_says_so(lab: Lab) -> None:
    lab.install("wide", WIDE)
    body = {
        "project": lab.project, "app": f"{lab.project}/wide", "inputs": {"bams": []}, "batch_input": "bams",
        "batch_by": ITEM,
    }  # fmt: skip
    answer = lab.client.post("/v2/tasks", json=body, params={"action": "run"})
    assert (answer.status_code, answer.json()["status"]) == (201, "DRAFT")
    assert "nothing to split" in answer.json()["errors"][0]["message"]


def test_copies_of_parents_and_children_run(lab: Lab) -> None:
    parent = a_batch(lab)
    act(lab, parent, "run")
    child = children_of(lab, parent)[1]
    alone = act(lab, child, "clone", action="run").json()
    assert (alone["status"], alone["name"], alone["batch"]) == ("QUEUED", "b - 1.txt", False)
    assert not {"parent", "batch_group", "batch_by"} & set(alone)
    assert alone["inputs"]["text"]["name"] == "1.txt"
    again = act(lab, parent, "clone", action="Run").json()
    assert (again["status"], again["name"], again["batch_by"]) == ("QUEUED", "b", ITEM)
    assert [made["name"] for made in children_of(lab, again)] == ["b - 0.txt", "b - 1.txt"]
    assert len(children_of(lab, parent)) == 2


def test_default_settings_of_an_app_that_are_wrong_are_told(lab: Lab) -> None:
    lab.install("odd", TOOL | {"sbg:batchInput": "#text", "sbg:batchBy": {"type": "CRITERIA", "criteria": []}})
    body = {"project": lab.project, "app": f"{lab.project}/odd", "batch": True}
    assert code(lab.client.post("/v2/tasks", json=body)) == (400, 7019)
    lab.install("absent", TOOL | {"sbg:batchInput": "#no", "sbg:batchBy": {"type": "item"}})
    assert code(lab.client.post("/v2/tasks", json=body | {"app": f"{lab.project}/absent"})) == (400, 7018)


def test_names_of_children_have_an_end(lab: Lab) -> None:
    texts = [a_file(lab.file("a.txt"))]
    parent = lab.task(name="n" * 1000, batch_input="text", batch_by=ITEM, inputs={"text": texts})
    act(lab, parent, "run")
    assert children_of(lab, parent)[0]["name"] == "n" * 1000


def test_the_events_of_new_tasks_are_theirs(lab: Lab) -> None:
    task = stored(lab, a_batch(lab)["id"])
    _, event = step(task, S.QUEUED, now=utc_now(), actor="rosalind")
    with lab.server.services.database.write() as conn, pytest.raises(ValueError, match="events that led"):
        tasks.insert(conn, replace(task, id="7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"), events=[event])


def test_batches_that_are_made_while_their_project_goes(server: Server) -> None:
    """The project or the batch comes first; neither waits for the other for ever."""
    for turn in range(6):
        with make_lab(server, name=f"Gone {turn}") as lab:
            lab.install()
            running, doomed = a_batch(lab, 20), lab.task(name="draft")

            def run(lab: Lab = lab, task: dict[str, Any] = running) -> int:
                return act(lab, task, "run").status_code

            def delete_draft(lab: Lab = lab, task: dict[str, Any] = doomed) -> int:
                return lab.client.delete(f"/v2/tasks/{task['id']}").status_code

            def delete_project(lab: Lab = lab) -> int:
                return lab.client.delete(f"/v2/projects/{lab.project}").status_code

            with ThreadPoolExecutor(3) as pool:
                ran, gone, deleted = (each.result() for each in map(pool.submit, (run, delete_draft, delete_project)))
            assert (ran in {200, 404}, gone in {204, 404}, deleted) == (True, True, 204)
