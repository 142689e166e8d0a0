"""Placing output files: names, clashes, links, directories."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import OutputError
from araneus.scheduler.direct import locate
from araneus.scheduler.outdir import Outdir


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def made(path: Path, text: str = "text", **fields: Any) -> dict[str, Any]:
    """A file that a job made, as a value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return {"class": "File", "location": path.as_uri(), "basename": path.name, **fields}


def place(own: Path, value: Any) -> Any:
    return Outdir(own.parent / "out", own, locate).place({"o": value})["o"]


def names(own: Path) -> list[str]:
    return sorted(str(path.relative_to(own.parent / "out")) for path in (own.parent / "out").rglob("*"))


def test_bytes_of_own_files_are_not_copied(own: Path) -> None:
    value = made(own / "1/work/a.txt")
    placed = place(own, value)
    assert Path(placed["path"]).stat().st_ino == (own / "1/work/a.txt").stat().st_ino
    assert placed["checksum"] == "sha1$372ea08cab33e71c02c651dbc83a474d32c676ea"
    assert (placed["size"], placed["nameroot"], placed["nameext"]) == (4, "a", ".txt")


def test_files_of_others_are_copied_and_become_writable(own: Path) -> None:
    theirs = made(own.parent / "input.txt")
    (own.parent / "input.txt").chmod(0o444)
    placed = place(own, theirs)
    Path(placed["path"]).write_text("changed")
    assert (own.parent / "input.txt").read_text() == "text"


def test_a_file_with_another_hard_link_is_copied(own: Path) -> None:
    made(own.parent / "input.txt")
    (own / "1").mkdir()
    os.link(own.parent / "input.txt", own / "1/linked.txt")
    placed = place(own, {"class": "File", "location": (own / "1/linked.txt").as_uri(), "basename": "linked.txt"})
    Path(placed["path"]).write_text("changed")
    assert (own.parent / "input.txt").read_text() == "text"


def test_clashing_names_are_told_apart_and_groups_stay_together(own: Path) -> None:
    values = [
        made(own / f"{n}/x.bam", str(n), secondaryFiles=[made(own / f"{n}/x.bam.bai", f"index {n}")]) for n in range(3)
    ]
    placed = place(own, values)
    assert [value["basename"] for value in placed] == ["x.bam", "_1_x.bam", "_2_x.bam"]
    assert [Path(value["path"]).read_text() for value in placed] == ["0", "1", "2"]
    assert [value["secondaryFiles"][0]["basename"] for value in placed] == [
        "x.bam.bai",
        "_1_x.bam.bai",
        "_2_x.bam.bai",
    ]
    assert len(names(own)) == 6


def test_a_file_that_is_named_twice_is_placed_once(own: Path) -> None:
    value = made(own / "1/x")
    first, second = place(own, [value, dict(value)])
    assert first == second
    assert names(own) == ["x"]


def test_literals_and_directories_become_files(own: Path) -> None:
    listing = [
        {"class": "File", "basename": "l.txt", "contents": "literal"},
        made(own / "1/x"),
        {"class": "Directory", "basename": "empty", "listing": []},
    ]
    placed = place(own, {"class": "Directory", "basename": "d", "listing": listing})
    assert names(own) == ["d", "d/empty", "d/l.txt", "d/x"]
    assert (own.parent / "out/d/l.txt").read_text() == "literal"
    assert [item["class"] for item in placed["listing"]] == ["File", "File", "Directory"]
    assert "contents" not in placed["listing"][0]


def test_a_directory_without_listing_is_walked(own: Path) -> None:
    made(own / "1/d/sub/x")
    made(own / "1/d/y")
    (own / "1/d/link").symlink_to("y")
    placed = place(own, {"class": "Directory", "location": (own / "1/d").as_uri(), "basename": "d"})
    assert names(own) == ["d", "d/link", "d/sub", "d/sub/x", "d/y"]
    assert not (own.parent / "out/d/link").is_symlink()
    assert [item["basename"] for item in placed["listing"]] == ["link", "sub", "y"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "..", ".", "", "a\nb", "x" * 300])
def test_names_that_lead_elsewhere_are_refused(own: Path, name: str) -> None:
    value = made(own / "1/x") | {"basename": name}
    if name:
        with pytest.raises(OutputError, match="o: "):
            place(own, value)
        assert names(own) == []
    else:
        assert place(own, value)["basename"] == "x"


def test_a_file_that_is_gone_is_an_error_that_names_the_port(own: Path) -> None:
    with pytest.raises(OutputError, match="o: "):
        place(own, {"class": "File", "location": (own / "gone").as_uri(), "basename": "gone"})


def test_secondary_files_of_one_name_are_refused(own: Path) -> None:
    with pytest.raises(OutputError, match="o: a file and its secondary files share a name"):
        place(own, made(own / "1/x", secondaryFiles=[made(own / "2/x")]))


def test_ten_thousand_files_of_one_name_do_not_take_longer_each(own: Path) -> None:
    outdir = Outdir(own.parent / "out", own, locate)
    values = [{"class": "File", "basename": "x", "contents": str(n)} for n in range(10_000)]
    placed = outdir.place({"o": values})["o"]
    assert placed[9_999]["basename"] == "_9999_x"


@given(st.lists(st.sampled_from(["a", "b", "_1_a", "_1_b", "_2_a"]), max_size=8))
@settings(max_examples=40, deadline=None)
def test_every_literal_gets_a_name_of_its_own(tmp_path_factory: pytest.TempPathFactory, basenames: list[str]) -> None:
    base = tmp_path_factory.mktemp("outdir")
    outdir = Outdir(base / "out", base / "own", locate)
    values = [{"class": "File", "basename": name, "contents": str(n)} for n, name in enumerate(basenames)]
    placed = outdir.place({"o": values})["o"]
    assert [Path(value["path"]).read_text() for value in placed] == [str(n) for n in range(len(basenames))]
    assert len({value["path"] for value in placed}) == len(basenames)


def test_each_port_says_its_own_of_one_file(own: Path) -> None:
    value, index = made(own / "1/work/a.bam"), made(own / "1/work/a.bam.bai")
    ports = {
        "plain": value,
        "full": value | {"format": "http://e.com/bam", "secondaryFiles": [index]},
        "index": index,
    }
    placed = Outdir(own.parent / "out", own, locate).place(ports)
    assert names(own) == ["a.bam", "a.bam.bai"]
    assert "format" not in placed["plain"]
    assert "secondaryFiles" not in placed["plain"]
    assert placed["full"]["format"] == "http://e.com/bam"
    assert [item["location"] for item in placed["full"]["secondaryFiles"]] == [placed["index"]["location"]]
    assert placed["plain"]["location"] == placed["full"]["location"]


def test_secondary_files_that_a_later_port_brings_stand_beside_their_file(own: Path) -> None:
    first = made(own / "1/work/a.bam", "first")
    value, index = made(own / "2/work/a.bam"), made(own / "2/work/a.bam.bai")
    ports = {"first": first, "alone": value, "both": value | {"secondaryFiles": [index, value]}}
    placed = Outdir(own.parent / "out", own, locate).place(ports)
    assert names(own) == ["_1_a.bam", "_1_a.bam.bai", "a.bam"]
    assert [item["basename"] for item in placed["both"]["secondaryFiles"]] == ["_1_a.bam.bai", "_1_a.bam"]
