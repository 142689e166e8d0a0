"""The listing of a job's working directory: what a tool leaves there is told, and never followed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.model.job import TREE_LOG
from araneus.storage.listing import MAX_DEPTH, MAX_LINES, keep_tree, tree_of
from araneus.storage.posix import PosixStorage


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "jobs" / "one" / "work").mkdir(parents=True)
    return tmp_path / "jobs" / "one"


@pytest.fixture
def opened(job: Path) -> Iterator[int]:
    descriptor = os.open(job, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def lines(descriptor: int) -> list[str]:
    return (tree_of(descriptor) or b"").decode().splitlines()


def test_files_folders_and_links(job: Path, opened: int) -> None:
    work = job / "work"
    (work / "b.txt").write_bytes(b"12345")
    (work / "a").mkdir()
    (work / "a" / "c.bam").write_bytes(b"1" * 1000)
    (work / "link").symlink_to("/etc")
    assert lines(opened) == [
        "                 a/",
        "           1000  a/c.bam",
        "              5  b.txt",
        "                 link -> /etc",
    ]


def test_hostile_names_stay_on_their_line(job: Path, opened: int) -> None:
    (job / "work" / "a\nb\x1b[2J").touch()
    os.mkdir(os.path.join(os.fsencode(job), b"work", b"\xff"))  # noqa: PTH118, PTH102 - bytes
    assert lines(opened) == ["              0  a\\nb\\x1b[2J", "                 \\udcff/"]


def test_a_working_directory_that_is_a_link_is_none(job: Path, opened: int) -> None:
    (job / "work").rmdir()
    assert tree_of(opened) is None
    (job / "work").symlink_to("/etc")
    assert tree_of(opened) is None


def test_it_ends(job: Path, opened: int) -> None:
    deep = job / "work"
    for _ in range(MAX_DEPTH + 20):
        deep /= "d"
    deep.mkdir(parents=True)
    assert len(lines(opened)) == MAX_DEPTH + 1
    for number in range(MAX_LINES):
        (job / "work" / f"f{number}").touch()
    found = lines(opened)
    assert len(found) == MAX_LINES + 1
    assert found[-1].startswith("... and more")


def test_reading_it(job: Path, tmp_path: Path) -> None:
    storage = PosixStorage(tmp_path / "storage", tmp_path / "jobs")
    location = f"job:one/{TREE_LOG}"
    assert b"".join(storage.read(location)) == b""
    (job / "work" / "out").write_bytes(b"123")
    shown = b"              3  out\n"
    assert b"".join(storage.read(location)) == shown
    assert storage.size(location) == len(shown)
    (job / TREE_LOG).symlink_to("/etc/passwd")
    keep_tree(job)
    (job / "work" / "out").unlink()
    (job / "work").rmdir()
    assert b"".join(storage.read(location)) == shown
    for other in ("job:two", "job:..", "job:.", "job:one/work", "job:"):
        with pytest.raises(FileNotFoundError):
            storage.read(f"{other}/{TREE_LOG}")
