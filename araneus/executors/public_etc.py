"""The public part of /etc in one directory, which a sandbox mounts at once.

Each mount of a sandbox costs 0.13 ms, and what tools need of /etc lies in a dozen places. A copy is named by what it
was made of and by the boot of this machine: servers and restarts share it while nothing has changed, and nothing has to
be synced, for after a crash of the machine it is made anew. It has what everybody may read and nothing else.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

ETC: Final = Path("/etc")
# What dynamic linking, name lookups, fonts and certificates need; never all of /etc, which holds keys and hashes. Of
# the directories with certificates only what is public: the tools of a server that runs as root own its private keys.
NAMES: Final = (
    "R",
    "alternatives",
    "ca-certificates",
    "fonts",
    "group",
    "java*",
    "ld.so.cache",
    "localtime",
    "nsswitch.conf",
    "passwd",
    "perl",
    "pki/ca-trust",
    "pki/java",
    "pki/tls/cert.pem",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
)
# What says where names are looked up changes while a server runs: a tool that has the network gets it as it is now. The
# copy has something for these to be mounted upon, which is also what a tool without a network can use.
NETWORK: Final = ("hosts", "resolv.conf")
_PLACEHOLDERS: Final = {"hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost\n", "resolv.conf": ""}
# The tools of these roots are the same inside as outside.
_SHOWN: Final = Path("/usr")
_FORMAT: Final = "1"
_OLD: Final = ".old"
_KEPT: Final = 30 * 24 * 3600.0
"""Seconds for which a copy stays after another one has taken its place: attempts may outlive many servers."""


def present(names: Iterable[str], root: Path = ETC) -> list[Path]:
    """What there is below ``root`` of these names, which may be patterns."""
    return [path for name in names for path in sorted(root.glob(name)) if path.exists()]


def keep_copy(directory: Path, names: Sequence[str] = NAMES, root: Path = ETC) -> Path:
    """The copy of these names below ``root``, made in ``directory`` unless it is there. Raises OSError.

    Copies that were replaced long ago are removed.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    sources = present(names, root)
    copy = directory.absolute() / _digest(sources)
    if not copy.is_dir():
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=directory))
        try:
            _fill(fresh, sources, root)
            fresh.chmod(0o755)
            # Somebody else may have been quicker.
            with contextlib.suppress(OSError):
                fresh.rename(copy)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    if not copy.is_dir():
        raise NotADirectoryError(f"{copy} could not be made")
    _retire(directory, copy.name)
    return copy


def _fill(fresh: Path, sources: Iterable[Path], root: Path) -> None:
    for name, text in _PLACEHOLDERS.items():
        _write(fresh / name, text.encode())
    for source in sources:
        target = fresh / source.relative_to(root)
        for folder in reversed(target.relative_to(fresh).parents[:-1]):
            _make(fresh / folder)
        real = source.resolve()
        if real != source and real.is_relative_to(_SHOWN):
            target.symlink_to(real)
        else:
            _copy(real, target)


def _copy(source: Path, target: Path) -> None:
    """What everybody may read of a file or a tree. Links in a tree stay as they are, and lead nowhere new."""
    try:
        status = source.lstat()
        if stat.S_ISLNK(status.st_mode):
            target.symlink_to(source.readlink())
        elif stat.S_ISDIR(status.st_mode) and status.st_mode & 0o005 == 0o005:
            entries = sorted(source.iterdir())
            _make(target)
            for entry in entries:
                _copy(entry, target / entry.name)
        elif stat.S_ISREG(status.st_mode) and status.st_mode & 0o004:
            _write(target, source.read_bytes())
    except (PermissionError, FileNotFoundError):
        # Not ours to read, or gone meanwhile.
        return


def _make(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # whatever the umask


def _write(target: Path, content: bytes) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(descriptor, 0o644)
        stream.write(content)


def _digest(sources: Iterable[Path]) -> str:
    """A name for what a copy of these would be made of, and for this boot of the machine."""
    digest = hashlib.sha256(_FORMAT.encode())
    with contextlib.suppress(OSError):
        digest.update(Path("/proc/sys/kernel/random/boot_id").read_bytes())
    for source in sources:
        for path in (os.fspath(source), *_tree(os.fspath(source.resolve()))):
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                # The time of change too: it tells of permissions that were taken away.
                seen = (path, status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                digest.update(repr(seen).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _tree(top: str) -> Iterator[str]:
    yield top
    for place, folders, files in os.walk(top):
        folders.sort()
        yield from (f"{place}/{name}" for name in sorted((*folders, *files)))


def _retire(directory: Path, current: str) -> None:
    """Note which copies are not the current one, and since when; remove those of long ago."""
    for entry in list(directory.iterdir()):
        if entry.suffix == _OLD:
            continue
        note = entry.with_name(entry.name + _OLD)
        with contextlib.suppress(OSError):
            if entry.name == current:
                note.unlink(missing_ok=True)
            elif not note.exists():
                note.touch()
            elif time.time() - note.stat().st_mtime > _KEPT:
                shutil.rmtree(entry)
                note.unlink()
