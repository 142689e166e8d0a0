"""Trees that a hostile tool left are removed, and nothing beside them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.scheduler.removal import Bin


def test_a_tree_of_any_depth_leaves(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(3000):  # longer than any path may be, deeper than Python recurs
        os.mkdir("d" * 100, dir_fd=descriptor)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    trash = Bin(tmp_path / "bin")
    assert trash.throw(top)
    assert trash.empty() == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "bin"]


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("stays")
    top = tmp_path / "top"
    top.mkdir()
    (top / "away").symlink_to(outside)
    (top / "nowhere").symlink_to("/no/such/place")
    os.link(outside / "precious", top / "same")
    os.mkfifo(top / "pipe")
    (tmp_path / "work").symlink_to(outside)
    trash = Bin(tmp_path / "bin")
    assert trash.throw(top)
    assert trash.throw(tmp_path / "work")
    assert trash.empty() == 0
    assert (outside / "precious").read_text() == "stays"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "outside"]
    assert not trash.throw(tmp_path / "top")


CLOSED = """
import os, sys
from pathlib import Path
from araneus.scheduler.removal import Bin
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
top = Path(sys.argv[1], "top")
(top / "inner" / "most").mkdir(parents=True)
(top / "inner" / "most" / "file").write_text("x")
for path in (top / "inner" / "most", top / "inner", top):
    path.chmod(0)
trash = Bin(Path(sys.argv[1], "bin"))
print(trash.throw(top), trash.empty())
"""


def test_closed_directories_are_opened_by_their_owner(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    base.chmod(0o777)
    for parent in base.parents:
        if not parent.stat().st_mode & 0o001:
            if os.geteuid() != 0 or parent == Path("/"):
                pytest.skip("nobody can reach the directory of this test")
            parent.chmod(parent.stat().st_mode | 0o001)
    done = subprocess.run([sys.executable, "-c", CLOSED, base], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True 0\n", "")
    assert list(base.rglob("*")) == [base / "bin"]


def test_emptying_can_be_interrupted_and_goes_on(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "top" / str(number) / "inner").mkdir(parents=True)
    trash = Bin(tmp_path / "bin")
    trash.throw(tmp_path / "top")
    answers = iter([True, True, True, False, False])
    assert trash.empty(lambda: next(answers)) > 0
    assert Bin(tmp_path / "bin").empty() == 0


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)
trees = st.recursive(st.none(), lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=12)


def build(tree: object, at: Path) -> None:
    if isinstance(tree, dict):
        at.mkdir()
        for name, inner in tree.items():
            build(inner, at / name)
    else:
        at.write_bytes(b"x")


@settings(max_examples=60, deadline=None)
@given(tree=trees)
def test_any_tree(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    base = tmp_path_factory.mktemp("any")
    build(tree, base / "top")
    trash = Bin(base / "bin")
    assert trash.throw(base / "top")
    assert trash.empty() == 0
    assert list((base / "bin").iterdir()) == []
