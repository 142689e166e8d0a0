"""Names and target folders made from what tools and users give."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies

from araneus.model.file import check_file_name, check_folder_name
from araneus.model.task import Task
from araneus.scheduler.names import safe_file_name, safe_folder_name, targets


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
    assert targets(task())("report") == ()


def test_tokens_are_replaced_and_made_safe() -> None:
    where = targets(task(main_location="/Analysis/<app_name>/<task_id>_<task_name>/<project_id>"))
    assert where("report") == (
        "Analysis",
        "align",
        "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41_First_try__a_b",
        "cells",
    )


def test_a_port_may_have_its_own_place() -> None:
    nodes = {"report": {"output_location": "html"}, "log": {"output_location": "/logs"}}
    where = targets(task(main_location="main", nodes_override=True, nodes_location=nodes))
    assert where("report") == ("main", "html")
    assert where("log") == ("logs",)
    assert where("other") == ("main",)
    assert targets(task(main_location="main", nodes_override=False, nodes_location=nodes))("log") == ("main",)


@pytest.mark.parametrize("place", ["../../etc", "/../..//./x/..", 5, None, "volumes://v/x"])
def test_no_place_leads_out_of_the_project(place: object) -> None:
    for name in targets(task(main_location=place))("x"):
        check_folder_name(name)
