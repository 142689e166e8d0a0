"""Where a job's files are put, bare and enclosed, and that nothing is ever written through a link."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.executors.base import Literal, Mount, Submission
from araneus.executors.errors import CannotStartError
from araneus.executors.mounts import Bind, Placer, copy
from araneus.model.job import Reason
from araneus.testing.executor_contract import submission


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "job"
    for name in ("work", "tmp", "inputs"):
        (directory / name).mkdir(parents=True)
    return directory


@pytest.fixture
def blob(tmp_path: Path) -> Path:
    blob = tmp_path / "blob"
    blob.write_bytes(b"content")
    blob.chmod(0o444)
    return blob


def place(directory: Path, *things: Mount | Literal, enclosed: bool = False) -> tuple[Bind, ...]:
    mounts = tuple(thing for thing in things if isinstance(thing, Mount))
    literals = tuple(thing for thing in things if isinstance(thing, Literal))
    return Placer(_submission(directory, mounts, literals), enclosed).place()


def _submission(directory: Path, mounts: tuple[Mount, ...], literals: tuple[Literal, ...]) -> Submission:
    return submission(directory, "true", mounts=mounts, literals=literals)


def test_inputs_are_links_and_bound_as_plain_files(directory: Path, blob: Path) -> None:
    target = directory / "inputs" / "1" / "my reads.bam"
    mount = Mount(source=blob, target=str(target))
    assert place(directory, mount) == ()
    assert target.readlink() == blob
    target.unlink()
    assert place(directory, mount, enclosed=True) == (Bind(source=str(blob), target=str(target)),)


def test_links_in_the_working_directory_have_their_source_bound(directory: Path, blob: Path) -> None:
    target = directory / "work" / "sub" / "x"
    assert place(directory, Mount(source=blob, target=str(target)), enclosed=True) == (
        Bind(source=str(blob), target=str(blob)),
    )
    assert target.readlink() == blob


def test_writable_mounts_are_copies(directory: Path, blob: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "file").write_text("inner")
    (tree / "link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "pipe")
    work = directory / "work"
    place(
        directory,
        Mount(source=blob, target=str(work / "x"), writable=True),
        Mount(source=tree, target=str(work / "tree"), writable=True),
    )
    assert not (work / "x").is_symlink()
    (work / "x").write_bytes(b"changed")
    (work / "tree" / "inner" / "file").write_text("changed")
    assert (work / "tree" / "link").is_symlink()
    assert not (work / "tree" / "pipe").exists()
    assert blob.read_bytes() == b"content"
    assert (tree / "inner" / "file").read_text() == "inner"


def test_literals(directory: Path) -> None:
    work, inputs = directory / "work", directory / "inputs"
    binds = place(
        directory,
        Literal(target=str(work / "script.sh"), content=b"#!/bin/sh\n", executable=True),
        Literal(target=str(work / "a" / "plain"), content=b"x"),
        Literal(target=str(work / "empty"), content=None),
        Literal(target=str(inputs / "2" / "list.txt"), content=b"y"),
        enclosed=True,
    )
    assert (work / "script.sh").stat().st_mode & 0o777 == 0o755
    assert (work / "a" / "plain").stat().st_mode & 0o777 == 0o644
    assert (work / "empty").is_dir()
    assert binds == (Bind(source=str(inputs / "2" / "list.txt"), target=str(inputs / "2" / "list.txt")),)


def test_a_literal_directory_around_mounts_is_not_bound_over_them(directory: Path, blob: Path) -> None:
    folder = directory / "inputs" / "3" / "folder"
    binds = place(
        directory,
        Literal(target=str(folder), content=None),
        Literal(target=str(folder / "empty"), content=None),
        Mount(source=blob, target=str(folder / "x")),
        enclosed=True,
    )
    assert [bind.target for bind in binds] == [str(folder / "empty"), str(folder / "x")]


def test_nothing_is_written_through_a_staged_link(directory: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    work = directory / "work"
    with pytest.raises(CannotStartError) as refused:
        place(
            directory,
            Mount(source=shared, target=str(work / "folder")),
            Literal(target=str(work / "folder" / "evil"), content=b"x"),
        )
    assert refused.value.reason is Reason.BAD_INPUT
    assert "'folder' is staged read-only" in refused.value.message
    assert list(shared.iterdir()) == []


def test_a_literal_replaces_a_link_and_not_what_it_points_to(directory: Path, blob: Path) -> None:
    target = str(directory / "work" / "x")
    place(directory, Mount(source=blob, target=target), Literal(target=target, content=b"new"))
    assert Path(target).read_bytes() == b"new"
    assert blob.read_bytes() == b"content"


@pytest.mark.parametrize("target", ["relative", "/a/../b", "{work}/../../x", "{work}", "{work}/", "{inputs}", "/x\0y"])
def test_targets_that_are_refused(directory: Path, blob: Path, target: str) -> None:
    target = target.format(work=directory / "work", inputs=directory / "inputs")
    for enclosed in (False, True):
        with pytest.raises(CannotStartError):
            place(directory, Mount(source=blob, target=target), enclosed=enclosed)


def test_a_target_elsewhere_needs_an_enclosure(directory: Path, blob: Path) -> None:
    mount = Mount(source=blob, target="/data/x")
    with pytest.raises(CannotStartError) as refused:
        place(directory, mount)
    assert refused.value.reason is Reason.UNSUPPORTED
    assert place(directory, mount, enclosed=True) == (Bind(source=str(blob), target="/data/x"),)
    (bind,) = place(directory, Literal(target="/data/y", content=b"y"), enclosed=True)
    assert Path(bind.source).read_bytes() == b"y"
    (bind,) = place(directory, Mount(source=blob, target="/data/z", writable=True), enclosed=True)
    assert (bind.target, bind.writable) == ("/data/z", True)
    assert Path(bind.source) != blob


def test_a_missing_source_is_named(directory: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match=r"'gone\.bam'"):
        place(directory, Mount(source=tmp_path / "gone.bam", target=str(directory / "inputs" / "1" / "x")))


names = st.text(st.sampled_from("ab./ \n"), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(targets=st.lists(st.tuples(names, st.sampled_from(["mount", "copy", "file", "folder"])), max_size=5))
def test_nothing_outside_the_job_directory_ever_changes(
    tmp_path_factory: pytest.TempPathFactory, targets: list[tuple[str, str]]
) -> None:
    root = tmp_path_factory.getbasetemp() / "placing"
    number = len(list(root.iterdir())) if root.exists() else 0
    directory = root / str(number) / "job"
    shared = root / str(number) / "shared"
    for folder in (directory / "work", directory / "tmp", directory / "inputs", shared):
        folder.mkdir(parents=True)
    (shared / "a").write_bytes(b"original")
    work = directory / "work"
    things: list[Mount | Literal] = []
    for name, kind in targets:
        target = f"{work}/{name}"
        if kind in {"mount", "copy"}:
            things.append(Mount(source=shared, target=target, writable=kind == "copy"))
        else:
            things.append(Literal(target=target, content=b"evil" if kind == "file" else None))
    with contextlib.suppress(CannotStartError, OSError):
        place(directory, *things)
    assert [entry.name for entry in shared.iterdir()] == ["a"]
    assert (shared / "a").read_bytes() == b"original"
    assert sorted(entry.name for entry in directory.parent.iterdir()) == ["job", "shared"]


def test_copying_keeps_what_can_be_executed(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o555)
    copy(tmp_path / "tool", tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o755
