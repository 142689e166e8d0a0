"""The guard between a task and the machine's files."""

import os
from pathlib import Path

import pytest

from araneus.cwl.errors import InputError
from araneus.scheduler.staging import Gate, file_path
from araneus.storage.posix import PosixStorage


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    storage = PosixStorage(tmp_path / "store", tmp_path / "jobs")
    (tmp_path / "jobs" / "mine" / "work").mkdir(parents=True)
    (tmp_path / "jobs" / "other" / "work").mkdir(parents=True)
    (tmp_path / "jobs" / "mine" / "work" / "a b#.txt").write_text("a")
    (tmp_path / "jobs" / "other" / "work" / "secret").write_text("s")
    (tmp_path / "secret").write_text("s")
    made = Gate(storage)
    made.open(tmp_path / "jobs" / "mine")
    return made


def stored(tmp_path: Path, content: bytes) -> str:
    writer = PosixStorage(tmp_path / "store", tmp_path / "jobs").writer()
    writer.write(content)
    return writer.commit().location


def test_files_of_the_own_jobs_are_reached(gate: Gate, tmp_path: Path) -> None:
    plain = tmp_path / "jobs" / "mine" / "work" / "a b#.txt"
    assert gate.locate(plain.as_uri()) == plain
    assert gate.locate(str(plain)) == plain


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "/etc/passwd",
        "file://elsewhere/etc/passwd",
        "http://example.org/x",
        "blob:" + "0" * 64,
        "job:other/job.err.log",
        "job:mine/../other/work/secret",
        "",
        "relative",
        "file:///\0",
        "file:etc",
        "//etc/passwd",
        "file://[bad/x",
    ],
)
def test_nothing_else_is(gate: Gate, location: str) -> None:
    with pytest.raises(InputError):
        gate.locate(location)


def test_a_path_that_is_too_long_is_no_file_that_went_away(gate: Gate, tmp_path: Path) -> None:
    name = "d" * 250
    folder = os.open(tmp_path / "jobs" / "mine" / "work", os.O_RDONLY)
    for _ in range(20):
        os.mkdir(name, dir_fd=folder)
        above, folder = folder, os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(above)
    os.close(folder)
    deep = "/".join([name] * 20)
    with pytest.raises(InputError, match="the path of 'f' is longer than this system allows"):
        gate.locate(f"file://{tmp_path}/jobs/mine/work/{deep}/f")


@pytest.mark.parametrize("path", ["jobs/other/work/secret", "secret", "jobs/mine/../other/work/secret", "jobs"])
def test_other_jobs_and_other_files_are_not(gate: Gate, tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError):
        gate.locate(f"file://{tmp_path}/{path}")


def test_a_link_is_judged_by_where_it_leads(gate: Gate, tmp_path: Path) -> None:
    work = tmp_path / "jobs" / "mine" / "work"
    (work / "out").symlink_to(tmp_path / "secret")
    (work / "in").symlink_to(work / "a b#.txt")
    (work / "loop").symlink_to(work / "loop")
    (work / "up").symlink_to(tmp_path)
    assert gate.locate(f"file://{work}/in") == work / "a b#.txt"
    for name in ("out", "loop", "up/secret", "up"):
        with pytest.raises(InputError):
            gate.locate(f"file://{work}/{name}")


def test_blobs_are_reached_once_they_were_given(gate: Gate, tmp_path: Path) -> None:
    location = stored(tmp_path, b"content")
    with pytest.raises(InputError, match="none of the task's"):
        gate.locate(location)
    gate.admit([location])
    path = gate.locate(location)
    assert path.read_bytes() == b"content"
    assert gate.locate(f"file://{path}") == path, "a tool's link to a staged input"
    with pytest.raises(InputError):
        gate.locate(f"file://{path.parent}")


def test_paths_of_locations() -> None:
    assert file_path("file:///a/b%20c") == Path("/a/b c")
    assert file_path("blob:00") is None
    assert file_path("file://localhost/a") == Path("/a")
