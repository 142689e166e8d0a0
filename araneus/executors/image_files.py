"""Images as files of the server's own, for the engines that keep none themselves.

Below one directory, closed to other users of the machine: what is finished has its final name, what is being made lies
in a directory with a lock, and what a killed process left there is removed by the next one.
"""

import fcntl
import gzip
import hashlib
import io
import json
import lzma
import os
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from araneus.executors import images
from araneus.executors.base import Image
from araneus.executors.download import LARGEST, downloaded, single
from araneus.executors.images import unavailable

_CHUNK: Final = 1024 * 1024
_PARTIAL: Final = "partial-"
_LOCK: Final = "lock"


class OncePerImage:
    """Remembers what was made of each image, and lets nobody make it twice at the same time."""

    def __init__(self) -> None:
        self._empty()

    def __getstate__(self) -> None:
        """Another process begins with nothing: what it needs of this one lies on disk."""

    def __setstate__(self, _: object) -> None:
        self._empty()

    def _empty(self) -> None:
        self._ready: dict[str, str] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def __reduce__(self) -> tuple[type["OncePerImage"], tuple[()]]:
        # Sent to the executor's own process (`apart`), it begins anew there.
        return OncePerImage, ()

    def get(self, image: Image, make: Callable[[], str]) -> str:
        """What ``make`` gave for this image, now or earlier."""
        key = images.key(image)
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._ready:
                self._ready[key] = make()
            return self._ready[key]

    def forget(self) -> None:
        """Make all of them anew when they are asked for again."""
        self._ready.clear()


@contextmanager
def workplace(directory: Path) -> Iterator[Path]:
    """An empty directory in ``directory`` that is removed afterwards, also when this process is killed meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    _sweep(directory)
    place = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=directory))
    lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place
    finally:
        remove(place)
        os.close(lock)


def remove(place: Path) -> None:
    """Remove a tree that strangers have made: of any depth, with directories that are closed to their owner."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    opened = ["find", os.fspath(place), "-type", "d", "!", "-perm", "-0700", "-exec", "chmod", "u+rwx", "{}", ";"]
    subprocess.run(opened, check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["rm", "-rf", "--one-file-system", os.fspath(place)], check=False, **quiet)  # type: ignore[call-overload]


@contextmanager
def docker_archive(image: Image, place: Path, say: Callable[[str], None]) -> Iterator[Path]:
    """What dockerLoad or dockerImport names, as a ``docker save`` archive with one image in ``place``."""
    where = repr(image.image_id) if image.image_id else images.describe(image)
    say(f"fetching the image {where}")
    path = place / "archive.tar"
    with downloaded(image.load or image.import_ or "", where, say, place) as source, path.open("w+b") as target:
        if image.load:
            single(source, target, own_name(image), image.image_id, where)
        else:
            _wrap(source, target, place, own_name(image), where)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def own_name(image: Image) -> str:
    """The name of what was loaded, imported or built for an app: its origin decides it, and nothing else does."""
    kind = "build" if image.file is not None else "load" if image.load else "import"
    return f"localhost/araneus-{kind}:{images.key(image)}"


def _wrap(source: IO[bytes], target: IO[bytes], place: Path, tag: str, where: str) -> None:
    """Make an archive with an image whose one layer is this tar archive of a root file system."""
    with tempfile.TemporaryFile(dir=place) as layer:
        digest, size = _unpack(source, layer, where)
        config = json.dumps(
            {
                "architecture": _architecture(),
                "os": "linux",
                "config": {},
                "history": [{"created_by": "dockerImport"}],
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = json.dumps([{"Config": name, "RepoTags": [tag], "Layers": ["layer.tar"]}])
        with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for member, content, length in (
                (name, io.BytesIO(config), len(config)),
                ("layer.tar", layer, size),
                ("manifest.json", io.BytesIO(manifest.encode()), len(manifest)),
            ):
                entry = tarfile.TarInfo(member)
                entry.size = length
                archive.addfile(entry, content)


def _unpack(source: IO[bytes], layer: IO[bytes], where: str) -> tuple[str, int]:
    """Write the archive to ``layer`` without compression; its SHA-256 and size."""
    start = source.read(6)
    source.seek(0)
    read: Callable[[int], bytes] = source.read
    if start.startswith(b"\x1f\x8b"):
        read = gzip.GzipFile(fileobj=source).read
    elif start == b"\xfd7zXZ\x00":
        read = lzma.LZMAFile(source).read  # noqa: SIM115 (it owns nothing that must be closed)
    digest, size = hashlib.sha256(), 0
    try:
        while chunk := read(_CHUNK):
            size += len(chunk)
            if size > LARGEST:
                raise unavailable(where, "its files are larger than 64 GiB")
            digest.update(chunk)
            layer.write(chunk)
        layer.seek(0)
        with tarfile.open(fileobj=layer, mode="r:") as archive:
            archive.next()
    except (tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile) as problem:
        raise unavailable(where, f"it is not a tar archive of a root file system ({problem})") from problem
    layer.seek(0)
    return digest.hexdigest(), size


def _architecture() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _sweep(directory: Path) -> None:
    """Remove what was being made by processes that are gone."""
    for place in directory.glob(f"{_PARTIAL}*"):
        with suppress(OSError):
            lock = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(place)
            finally:
                os.close(lock)
