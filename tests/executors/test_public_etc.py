"""A copy of the public part of /etc: what is in it, when it is made anew, and what is left of older ones."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from araneus.executors.public_etc import NAMES, keep_copy


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """Something like /etc."""
    etc = tmp_path / "etc"
    for folder in ("ssl/certs", "ssl/private", "fonts/conf.d", "R", "pki/tls/private", "java-99"):
        (etc / folder).mkdir(parents=True)
    (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (etc / "shadow").write_text("root:hash\n")
    (etc / "shadow").chmod(0o600)
    (etc / "group").write_text("root:x:0:\n")
    (etc / "group").chmod(0o600)
    (etc / "ssl/certs/ca.pem").write_text("public\n")
    (etc / "ssl/certs/server.key").write_text("private\n")
    (etc / "ssl/certs/server.key").chmod(0o640)
    (etc / "ssl/certs/linked.pem").symlink_to("ca.pem")
    (etc / "ssl/certs/outside.pem").symlink_to(etc / "ssl/private/key.pem")
    (etc / "ssl/private/key.pem").write_text("private\n")
    (etc / "pki/tls/private/key.pem").write_text("private\n")
    (etc / "fonts/closed").mkdir(mode=0o700)
    (etc / "fonts/closed/file").write_text("closed\n")
    (etc / "java-99/settings").write_text("j\n")
    os.mkfifo(etc / "R/pipe")
    (etc / "localtime").symlink_to("/usr/bin/env")
    real = tmp_path / "elsewhere"
    real.write_text("hosts: files\n")
    (etc / "nsswitch.conf").symlink_to(real)
    return etc


def listing(copy: Path) -> set[str]:
    return {str(path.relative_to(copy)) for path in copy.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_what_everybody_may_read_and_nothing_else(etc: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        copy = keep_copy(tmp_path / "kept", root=etc)
    finally:
        os.umask(before)
    assert listing(copy) == {
        "hosts", "resolv.conf", "passwd", "ssl/certs/ca.pem", "ssl/certs/linked.pem", "ssl/certs/outside.pem",
        "java-99/settings", "localtime", "nsswitch.conf",
    }  # fmt: skip
    assert "private" not in "".join(
        path.read_text() for path in copy.rglob("*") if path.is_file() and not path.is_symlink()
    )
    assert (copy / "localtime").readlink() == Path("/usr/bin/env").resolve()
    assert (copy / "nsswitch.conf").read_text() == "hosts: files\n"
    assert not (copy / "nsswitch.conf").is_symlink()
    assert (copy / "ssl/certs/outside.pem").is_symlink()
    assert "localhost" in (copy / "hosts").read_text()
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (copy, *copy.rglob("*")) if not path.is_symlink()}
    assert modes == {0o755, 0o644}
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "change",
    [
        lambda etc: (etc / "passwd").write_text("somebody else\n"),
        lambda etc: (etc / "passwd").chmod(0o600),
        lambda etc: (etc / "passwd").unlink(),
        lambda etc: (etc / "ssl/certs/new.pem").write_text("new\n"),
        lambda etc: (etc / "java-100").write_text("new\n"),
        lambda etc: (etc / "nsswitch.conf").resolve().write_text("hosts: dns\n"),
    ],
)
def test_a_change_is_seen_and_the_older_copy_stays(etc: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    first = keep_copy(tmp_path / "kept", root=etc)
    assert keep_copy(tmp_path / "kept", root=etc) == first
    (etc / "shadow").write_text("does not matter\n")
    assert keep_copy(tmp_path / "kept", root=etc) == first
    change(etc)
    second = keep_copy(tmp_path / "kept", root=etc)
    assert second != first
    assert (first / "passwd").read_text().startswith("root:")
    assert listing(second) != listing(first) or any(
        (second / name).read_bytes() != (first / name).read_bytes() for name in ("passwd", "nsswitch.conf")
    )


def test_copies_of_long_ago_are_removed(etc: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = keep_copy(kept, root=etc)
    (etc / "passwd").write_text("changed\n")
    second = keep_copy(kept, root=etc)
    note = kept / f"{first.name}.old"
    os.utime(note, (1, 1))
    # Nobody knows how long a copy was used that is in use again.
    assert second == keep_copy(kept, root=etc)
    assert {entry.name for entry in kept.iterdir()} == {second.name}


def test_a_copy_that_is_used_again_is_not_old(etc: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = keep_copy(kept, root=etc)
    (etc / "fonts/new").touch()
    keep_copy(kept, root=etc)
    assert (kept / f"{first.name}.old").exists()
    (etc / "fonts/new").unlink()
    again = keep_copy(kept, root=etc)
    assert not (kept / f"{again.name}.old").exists()


def test_half_a_copy_is_never_used(etc: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / ".new-crashed").mkdir(parents=True)
    copy = keep_copy(kept, root=etc)
    assert (copy / "passwd").exists()
    assert {entry.name for entry in kept.iterdir()} == {copy.name, ".new-crashed", ".new-crashed.old"}


def test_the_copy_of_this_machine_has_no_secrets(tmp_path: Path) -> None:
    copy = keep_copy(tmp_path / "kept", NAMES)
    names = listing(copy)
    assert "passwd" in names
    assert not any("shadow" in name or "private" in name for name in names)
    assert (copy / "passwd").read_bytes() == Path("/etc/passwd").read_bytes()
