"""Names and target folders made from what tools and users give."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies

from araneus.model.file import check_file_name, check_folder_name, safe_folder_name
from araneus.model.task import Task
from araneus.scheduler.names import safe_file_name, targets

NOW = datetime(2024, 5, 1, 9, 8, 7, tzinfo=UTC)


def task(**settings: Any) -> Task:
    return Task(
        id="7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41",
        project="rosalind/cells",
        app="rosalind/cells/align/3",
        name="First try: a/b",
        created_by="rosalind",
        created_time=datetime.now(UTC),
        output_location=settings,
    )


@given(strategies.text(strategies.characters(), max_size=400))
def test_any_name_becomes_one_that_a_file_may_bear(name: str) -> None:
    check_file_name(safe_file_name(name))


@given(strategies.text(strategies.characters(), max_size=400))
def test_any_name_becomes_one_that_a_folder_may_bear(name: str) -> None:
    check_folder_name(safe_folder_name(name))


@pytest.mark.parametrize(
    ("given_name", "name"),
    [("a b.txt", "a b.txt"), ("a/b\n.txt", "a_b_.txt"), ("..", "___"), ("x" * 300 + ".bam", "x" * 251 + ".bam")],
)
def test_good_names_stay_and_bad_characters_are_replaced(given_name: str, name: str) -> None:
    assert safe_file_name(given_name) == name


def test_without_settings_outputs_go_to_the_root() -> None:
    assert targets(task(), NOW)("report") == ()


def test_tokens_are_replaced_and_made_safe() -> None:
    where = targets(task(main_location="/Analysis/<app_name>/<task_id>_<task_name>/<project_id>"), NOW)
    assert where("report") == (
        "Analysis",
        "align",
        "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41_First_try__a_b",
        "cells",
    )


def test_a_port_may_have_its_own_place() -> None:
    nodes = {"report": {"output_location": "html"}, "log": {"output_location": "/logs"}}
    where = targets(task(main_location="main", nodes_override=True, nodes_location=nodes), NOW)
    assert where("report") == ("main", "html")
    assert where("log") == ("logs",)
    assert where("other") == ("main",)
    assert targets(task(main_location="main", nodes_override=False, nodes_location=nodes), NOW)("log") == ("main",)


@pytest.mark.parametrize(
    ("place", "folders"),
    [
        ("<app_id>/r<app_revision>", ("rosalind.cells.align", "r3")),
        ("<date>/<time>", ("2024-05-01", "09-08-07")),
        ("<year>/<MONTH>-<day>/<user>", ("2024", "05-01", "rosalind")),
        ("<batch_group>/x/", ("x",)),
        ("<nothing>/a b/ /.", ("nothing", "a_b")),
    ],
)
def test_every_token(place: str, folders: tuple[str, ...]) -> None:
    assert targets(task(main_location=place), NOW)("report") == folders


def test_the_tokens_of_a_child_of_a_batch() -> None:
    child = replace(task(main_location="<batch_group>"), batch_group={"value": "S 1/2", "fields": {}})
    assert targets(child, NOW)("report") == ("S_1_2",)


def test_a_port_may_be_named_as_in_older_documents() -> None:
    nodes = {"#log": {"output_location": "/logs"}}
    assert targets(task(nodes_override=True, nodes_location=nodes), NOW)("log") == ("logs",)


@pytest.mark.parametrize("place", ["../../etc", "/../..//./x/..", 5, None, "volumes://v/x"])
def test_no_place_leads_out_of_the_project(place: object) -> None:
    for name in targets(task(main_location=place), NOW)("x"):
        check_folder_name(name)
