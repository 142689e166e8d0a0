"""What a task was given as its tools see it: folders, their listings, and what a File says of its format."""

from typing import Any

import pytest

from araneus.model.task import Status
from tests.scheduler.house import House, tool

SEEN = {"type": "File", "outputBinding": {"glob": "seen"}}


def folder(house: House) -> dict[str, Any]:
    outer = house.folder("outer")
    house.upload("a.txt", b"a", outer)
    house.upload("b.txt", b"b", house.folder("inner", outer))
    return {"class": "Directory", "path": outer}


def test_a_folder_may_be_passed_on_as_an_output(any_house: House) -> None:
    house = any_house
    document = tool(
        "true",
        inputs={"d": "Directory"},
        outputs={"d": {"type": "Directory", "outputBinding": {"outputEval": "$(inputs.d)"}}},
    )
    with house.scheduling():
        ended = house.wait(house.queue(house.install(document), {"d": folder(house)}))
    assert ended.status is Status.COMPLETED, ended.progress
    found = house.listed(ended.outputs["d"]["path"])
    assert set(found) == {"a.txt", "inner"}
    assert set(house.listed(found["inner"].id)) == {"b.txt"}


@pytest.mark.parametrize(
    ("version", "more", "seen"),
    [
        ("v1.2", {}, b"hidden"),
        ("v1.2", {"loadListing": "no_listing"}, b"hidden"),
        ("v1.2", {"loadListing": "shallow_listing"}, b"a.txt hidden"),
        ("v1.2", {"loadListing": "deep_listing"}, b"a.txt b.txt"),
        ("v1.0", {}, b"a.txt b.txt"),
    ],
)
def test_the_listing_of_a_folder_is_seen_as_the_document_asks(
    house: House, version: str, more: dict[str, Any], seen: bytes
) -> None:
    names = "d => d.listing ? d.listing.map(x => x.class == 'File' ? x.basename : names(x)).join(' ') : 'hidden'"
    document = tool(
        "",
        inputs={"d": {"type": "Directory", **more}},
        outputs={"seen": SEEN},
        requirements=[{"class": "InlineJavascriptRequirement"}],
        cwlVersion=version,
    )
    document["arguments"] = [
        {"valueFrom": "printf '%s' ", "shellQuote": False},
        {"valueFrom": f"${{var names = {names}; return names(inputs.d)}}"},
        {"valueFrom": "> seen", "shellQuote": False},
    ]
    with house.scheduling():
        ended = house.wait(house.queue(house.install(document), {"d": folder(house)}))
    assert ended.status is Status.COMPLETED, ended.progress
    assert house.content(ended.outputs["seen"]) == seen


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("http://edamontology.org/format_2330", Status.COMPLETED),
        ("edam:format_2330", Status.COMPLETED),
        ("edam:format_1929", Status.FAILED),
    ],
)
def test_the_format_that_a_task_says_is_held_against_the_port(house: House, given: str, status: Status) -> None:
    document = tool(
        "printf %s $(inputs.f.format) > seen",
        inputs={"f": {"type": "File", "format": "edam:format_2330"}},
        outputs={"seen": SEEN},
        **{"$namespaces": {"edam": "http://edamontology.org/"}},
    )
    file = {**house.upload("in.txt", b"x"), "format": given}
    with house.scheduling():
        ended = house.wait(house.queue(house.install(document), {"f": file}))
    assert ended.status is status, ended.progress
    if status is Status.COMPLETED:
        assert house.content(ended.outputs["seen"]) == b"http://edamontology.org/format_2330"
