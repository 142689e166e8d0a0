"""Bodies of task requests: what is decoded, what is refused and with which code."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api.task_bodies import (
    NewTask,
    batch_by,
    execution_settings,
    new_task,
    output_location,
    task_change,
    with_change,
)
from araneus.model.errors import Fault, Refusal
from araneus.model.task import Task

BASE = {"project": "rosalind/dna", "app": "rosalind/dna/photo"}
ITEM = {"type": "item"}
CRITERIA = {"type": "criteria", "criteria": ["metadata.sample_id"]}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
KEYS = ["project", "app", "name", "description", "inputs", "batch", "batch_input", "batch_by", "execution_settings",
        "output_location", "use_interruptible_instances"]  # fmt: skip


def refused(body: Any) -> Fault:
    with pytest.raises(Refusal) as caught:
        new_task(body)
    return caught.value.fault


@given(st.dictionaries(st.sampled_from(KEYS), json_values))
def test_any_body_gives_a_task_or_a_refusal(changes: dict[str, Any]) -> None:
    for body in (changes, BASE | changes):
        with suppress(Refusal):
            assert isinstance(new_task(body), NewTask)


@given(st.dictionaries(st.sampled_from(KEYS), json_values))
def test_any_change_gives_a_task_or_a_refusal(changes: dict[str, Any]) -> None:
    with suppress(Refusal):
        assert isinstance(with_change(stored(), task_change(changes)), Task)


def test_the_smallest_body() -> None:
    request = new_task(BASE)
    assert (str(request.project), str(request.app), request.inputs) == ("rosalind/dna", "rosalind/dna/photo", {})
    assert (request.name, request.batch, request.settings, request.use_interruptible_instances) == (
        None, False, None, None,
    )  # fmt: skip


@pytest.mark.parametrize("name", [None, "", "   "])
def test_an_empty_name_means_the_default(name: Any) -> None:
    assert new_task(BASE | {"name": name}).name is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"project": None}, Fault.BAD_REQUEST),
        ({"project": 7}, Fault.BAD_REQUEST),
        ({"project": "nope"}, Fault.PROJECT_ID_MALFORMED),
        ({"app": ""}, Fault.TASK_APP_EMPTY),
        ({"app": None}, Fault.TASK_APP_EMPTY),
        ({"app": "a/b"}, Fault.APP_ID_MALFORMED),
        ({"app": "a/b/c/d"}, Fault.APP_ID_MALFORMED),
        ({"name": 7}, Fault.BAD_REQUEST),
        ({"name": "x" * 2000}, Fault.BAD_REQUEST),
        ({"name": "a\x00b"}, Fault.BAD_REQUEST),
        ({"description": ["x"]}, Fault.BAD_REQUEST),
        ({"inputs": "x"}, Fault.BAD_REQUEST),
        ({"batch": "yes"}, Fault.BAD_REQUEST),
        ({"use_interruptible_instances": "true"}, Fault.BAD_REQUEST),
        ({"batch_input": "", "batch_by": ITEM}, Fault.BATCH_INPUT_INVALID),
        ({"batch_input": 7, "batch_by": ITEM}, Fault.BATCH_INPUT_INVALID),
        ({"batch_input": "reads"}, Fault.BATCH_INCOMPLETE),
        ({"batch_by": ITEM}, Fault.BATCH_INCOMPLETE),
        ({"batch_input": "reads", "batch_by": {"type": "sample"}}, Fault.BATCH_TYPE_INVALID),
        ({"batch_input": "reads", "batch_by": "item"}, Fault.BATCH_TYPE_INVALID),
        ({"batch_input": "reads", "batch_by": {"type": "criteria"}}, Fault.BATCH_CRITERIA_MISSING),
        ({"batch_input": "reads", "batch_by": {"type": "criteria", "criteria": []}}, Fault.BATCH_CRITERIA_MISSING),
        ({"batch_input": "reads", "batch_by": {"type": "criteria", "criteria": [1]}}, Fault.BATCH_CRITERIA_MISSING),
        ({"execution_settings": [1]}, Fault.BAD_REQUEST),
        ({"execution_settings": {"max_parallel_instances": 0}}, Fault.BAD_REQUEST),
        ({"execution_settings": {"max_parallel_instances": True}}, Fault.BAD_REQUEST),
        ({"execution_settings": {"instance_type": 4}}, Fault.BAD_REQUEST),
        ({"execution_settings": {"use_memoization": 1}}, Fault.BAD_REQUEST),
        ({"output_location": "x"}, Fault.BAD_REQUEST),
        ({"output_location": {"main_location": 1}}, Fault.BAD_REQUEST),
        ({"output_location": {"nodes_location": {"out": "x"}}}, Fault.BAD_REQUEST),
    ],
)
def test_what_is_refused(changes: dict[str, Any], fault: Fault) -> None:
    assert refused(BASE | changes) is fault


def test_batch_settings_alone_make_a_batch() -> None:
    request = new_task(BASE | {"batch_input": "#reads", "batch_by": {"type": "CRITERIA", "criteria": ["metadata.x"]}})
    assert request.batch
    assert request.settings is not None
    assert (request.settings.input, request.settings.by) == ("reads", {"type": "criteria", "criteria": ["metadata.x"]})


def test_batch_types_in_any_case() -> None:
    assert batch_by({"type": "ITEM"}) == ITEM
    assert batch_by({"type": "Criteria", "criteria": "metadata.x"}) == {"type": "criteria", "criteria": ["metadata.x"]}


def test_known_settings_are_kept_and_others_left_out() -> None:
    given_settings = {
        "instance_type": ["c4.2xlarge;ebs-gp2;2000"],
        "max_parallel_instances": 3,
        "use_memoization": False,
        "use_elastic_disk": None,
        "unknown": 1,
    }
    assert execution_settings(given_settings) == {
        "instance_type": "c4.2xlarge;ebs-gp2;2000",
        "max_parallel_instances": 3,
        "use_memoization": False,
    }
    assert execution_settings(None) == {}


def test_output_locations() -> None:
    location = {
        "main_location": "/Analysis/<task_id>/",
        "nodes_override": True,
        "nodes_location": {"out": {"output_location": "x", "unknown": 1}},
        "unknown": 1,
    }
    assert output_location(location) == {
        "main_location": "/Analysis/<task_id>/",
        "nodes_override": True,
        "nodes_location": {"out": {"output_location": "x"}},
    }


WRONG_PLACES = [
    "..", "/a/../b", "a/ .. /b", "a\x00b", "a\nb", "\ud800", "x" * 10_000, "a/" * 60,
    "volumes://mine/x", " VOLUMES://mine", "volumes:mine", "file:///etc", "s3://bucket/x", "C:/x",
]  # fmt: skip


@pytest.mark.parametrize("place", WRONG_PLACES)
@pytest.mark.parametrize("key", ["main_location", "main_location_alias", "output_location", "output_location_alias"])
def test_places_that_are_no_folders_of_the_project(place: str, key: str) -> None:
    given = {key: place} if key.startswith("main") else {"nodes_location": {"out": {key: place}}}
    with pytest.raises(Refusal) as refused:
        output_location(given)
    assert refused.value.fault is Fault.BAD_REQUEST
    assert key in refused.value.message
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("place", ["", "/", "a", "/a/b/", "/a..b/...", "<task_id>_<task_name>", "/etc/passwd", "é/x y"])
def test_places_that_are_folders_of_the_project(place: str) -> None:
    assert output_location({"main_location": place}) == {"main_location": place}


def stored(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "id": "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41",
        "project": "rosalind/dna",
        "app": "rosalind/dna/photo/0",
        "name": "t",
        "created_by": "rosalind",
        "created_time": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Task(**(fields | changes))


def changed(task: Task, body: dict[str, Any]) -> Task:
    return with_change(task, task_change(body))


def test_only_what_is_given_changes() -> None:
    task = stored(description="d", execution_settings={"max_parallel_instances": 2})
    after = changed(task, {"name": "n", "use_interruptible_instances": False})
    assert (after.name, after.description, after.use_interruptible_instances) == ("n", "d", False)
    assert after.execution_settings == {"max_parallel_instances": 2}
    assert changed(task, {"name": None, "description": None, "app": None, "inputs": None, "batch": None}) == task
    assert changed(task, {"description": ""}).description == ""
    assert changed(task, {"execution_settings": None}).execution_settings == {}
    assert changed(task, {}) == task


@pytest.mark.parametrize("name", ["", " "])
def test_a_name_cannot_be_emptied(name: Any) -> None:
    with pytest.raises(Refusal):
        changed(stored(), {"name": name})


BATCH = {"batch": True, "batch_input": "reads", "batch_by": ITEM}


@pytest.mark.parametrize("body", [{"batch": False}, {"batch_input": None, "batch_by": None}])
def test_switching_a_batch_off(body: dict[str, Any]) -> None:
    after = changed(stored(**BATCH), body)
    assert (after.batch, after.batch_input, after.batch_by) == (False, None, None)


def test_switching_a_batch_on_and_changing_it() -> None:
    on = changed(stored(), {"batch_input": "reads", "batch_by": CRITERIA})
    assert (on.batch, on.batch_input, on.batch_by) == (True, "reads", CRITERIA)
    assert changed(on, {"batch_input": "other", "batch_by": ITEM}).batch_input == "other"
    assert changed(on, {"batch": True}) == on
    assert changed(on, {"name": "n"}).batch
    with pytest.raises(Refusal) as caught:
        changed(on, {"batch_input": "other"})
    assert caught.value.fault is Fault.BATCH_INCOMPLETE


def test_the_app_of_a_change_must_be_an_app_id() -> None:
    with pytest.raises(Refusal):
        task_change({"app": "x"})
    with pytest.raises(Refusal):
        task_change([])
