"""Blobs in a directory of this machine, one file per content: ``blobs/ab/<sha256>``.

Bytes are written to ``incoming/`` on the same file system, synced, made read-only and linked or renamed to their place,
so a blob is whole or absent, also after a power cut. Locations of the scheme ``job:`` are the files of running or
finished jobs (logs): they are read where they lie, may still grow, and were written by strangers, so each step of
their path is opened without following links.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Final

from araneus.model.errors import Fault, Refusal
from araneus.model.file import Location
from araneus.model.job import TREE_LOG
from araneus.storage.base import Blob
from araneus.storage.listing import open_tree
from araneus.storage.shelves import GRACE, Shelves, side_by_side

PIECE: Final = 1024 * 1024
_TOGETHER: Final = 128
"""How many files are taken in at once: each holds a descriptor, and a process may have no more than a thousand."""
_FICLONE: Final = 0x40049409
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class PosixStorage:
    """`Storage` below ``root``; ``jobs`` is where job directories lie, one per attempt id.

    Several processes may share a root. What a killed process left in ``incoming/`` is swept when the next one starts.
    ``grace``: how many seconds after it was taken in a blob is safe from `delete`, for its row may be on the way.
    """

    def __init__(self, root: Path, jobs: Path, *, grace: float = GRACE) -> None:
        self._shelves = Shelves(root, grace)
        self._incoming = root / "incoming"
        self._jobs = jobs
        sweep_incoming(root)

    def writer(self) -> "PosixWriter":
        """See the protocol. Raises `Refusal` STORAGE_FULL."""
        return PosixWriter(self._incoming, self._shelves)

    def adopt(self, *paths: Path) -> list[Blob]:
        """See the protocol. Linked or cloned on the same file system, copied from another one.

        A file becomes read-only when it is linked: it and the blob are one from then on.
        """
        blobs: list[Blob] = []
        for first in range(0, len(paths), _TOGETHER):
            blobs += self._adopt(paths[first : first + _TOGETHER])
        return blobs

    def _adopt(self, paths: Sequence[Path]) -> list[Blob]:
        """Take files in together: all are synced before the first is given its place."""
        with contextlib.ExitStack() as stack, _room():
            taken = side_by_side(lambda path: self._take_in(path, stack), paths)
            self._shelves.publish(*((name, blob.location.removeprefix("blob:")) for blob, name in taken if name))
        return [blob for blob, _ in taken]

    def _take_in(self, path: Path, stack: contextlib.ExitStack) -> tuple[Blob, Path | None]:
        """The blob, and the name on its way in under which it waits for its place, synced; None when it has its place.
        The stack takes what is to be done when it has been published, or not."""
        try:
            descriptor = os.open(path, _READ)
        except OSError as problem:
            if problem.errno == errno.ELOOP:
                raise ValueError(f"{path} is a symbolic link: only a file itself can be taken in.") from problem
            raise
        stack.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path} is not a regular file: only files can be taken in.")
        self._fit(status)
        name = self._incoming / _temporary_name()
        stack.callback(name.unlink, missing_ok=True)
        return self._linked(path, name, descriptor, status) or (self._copied(descriptor), None)

    def read(self, location: Location, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See the protocol. The location is looked up at once, not at the first piece."""
        if start < 0 or (length is not None and length < 0):
            raise ValueError("start and length must not be negative")
        return _pieces(self._open(location), start, length)

    def path(self, location: Location) -> Path:
        """See the protocol. The path of a ``job:`` location has no links in it now; its job may change that later, so
        what strangers can still write is better read with `read`."""
        descriptor = self._open(location)
        os.close(descriptor)
        scheme, _, rest = location.partition(":")
        return self._shelves.place(rest) if scheme == "blob" else self._jobs / rest

    def size(self, location: Location) -> int:
        """See the protocol."""
        descriptor = self._open(location)
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def delete(self, location: Location) -> None:
        """See the protocol. Only blobs are dropped: the files of a job leave with its directory."""
        removed = self._shelves.take_off(location)
        if removed is not None:
            removed.unlink(missing_ok=True)

    def _open(self, location: Location) -> int:
        scheme, _, rest = location.partition(":")
        if scheme == "blob" and _DIGEST.fullmatch(rest):
            return os.open(self._shelves.place(rest), _READ)
        if scheme == "job":
            return self._open_tree(rest) or _open_beneath(self._jobs, rest)
        raise FileNotFoundError(errno.ENOENT, "no such location", location)

    def _open_tree(self, rest: str) -> int | None:
        """The listing of a working directory that is still there."""
        attempt, _, name = rest.partition("/")
        if name != TREE_LOG or attempt in {"", ".", ".."} or "\0" in attempt:
            return None
        try:
            job = os.open(self._jobs / attempt, _FOLDER)
        except OSError:
            return None
        try:
            return open_tree(job)
        finally:
            os.close(job)

    def _fit(self, status: os.stat_result) -> None:
        """A file with holes may say that it is larger than any disk, and reading it to its end takes days."""
        room = os.statvfs(self._incoming)
        if status.st_size > room.f_frsize * room.f_blocks:
            raise OSError(errno.ENOSPC, "the file is larger than the whole storage")

    def _linked(
        self, path: Path, name: Path, descriptor: int, status: os.stat_result
    ) -> tuple[Blob, Path | None] | None:
        """The blob as a further name of the same file, or None where the file system cannot do that."""
        with contextlib.suppress(OSError):
            # Against being swept by a process that starts just now.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        try:
            os.link(path, name, follow_symlinks=False)
        except OSError as problem:
            if problem.errno in _FULL:
                raise
            return None
        linked = name.lstat()
        # Another file may stand under the path by now; and a file that somebody holds under further names, or that
        # belongs to somebody else, could be changed behind the blob's back.
        if (linked.st_dev, linked.st_ino) != (status.st_dev, status.st_ino) or linked.st_nlink != 2:
            known = self._known(descriptor, status)
            return (known, None) if known else None
        if linked.st_uid != os.geteuid():
            return None
        os.fchmod(descriptor, 0o444)
        digest = _digest(descriptor)
        os.fsync(descriptor)
        return Blob(f"blob:{digest}", os.fstat(descriptor).st_size), name

    def _known(self, descriptor: int, status: os.stat_result) -> Blob | None:
        """The blob, when this very file is one already (it was taken in before)."""
        if status.st_mode & 0o222:
            return None
        digest = _digest(descriptor)
        return Blob(f"blob:{digest}", status.st_size) if self._shelves.renew(descriptor, digest) else None

    def _copied(self, source: int) -> Blob:
        writer = self.writer()
        try:
            if writer.clone(source):
                return writer.commit()
            offset = 0
            while piece := os.pread(source, PIECE, offset):
                writer.write(piece)
                offset += len(piece)
            return writer.commit()
        finally:
            writer.abandon()


class PosixWriter:
    """`BlobWriter` into a temporary file, which is locked while this process works on it."""

    def __init__(self, incoming: Path, shelves: Shelves) -> None:
        self._shelves = shelves
        self._hash = hashlib.sha256()
        self._cloned = False
        self._size = 0
        with _room():
            self._name, self._descriptor = _new_file(incoming)

    def __enter__(self) -> "PosixWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def __del__(self) -> None:
        self.abandon()

    def write(self, data: bytes) -> None:
        """See the protocol. A writer that met a full storage has given its room back."""
        view = memoryview(data)
        with _room(self.abandon):
            while view:
                written = os.write(self._open(), view)
                self._hash.update(view[:written])
                self._size += written
                view = view[written:]

    def clone(self, source: int) -> bool:
        """Take the bytes of an open file by sharing its blocks; False where the file system cannot."""
        try:
            fcntl.ioctl(self._open(), _FICLONE, source)
        except OSError:
            return False
        self._cloned = True
        self._size = os.fstat(self._open()).st_size
        return True

    def commit(self) -> Blob:
        """See the protocol. Raises `Refusal` STORAGE_FULL."""
        descriptor = self._open()
        digest = _digest(descriptor) if self._cloned else self._hash.hexdigest()
        with _room(self.abandon):
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
            self._shelves.publish((self._name, digest))
        self.abandon()
        return Blob(f"blob:{digest}", self._size)

    def abandon(self) -> None:
        """See the protocol. Nothing happens after `commit`."""
        descriptor, self._descriptor = getattr(self, "_descriptor", None), None
        if descriptor is not None:
            self._name.unlink(missing_ok=True)
            os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError("this writer is committed or abandoned")
        return self._descriptor


def _new_file(incoming: Path) -> tuple[Path, int | None]:
    """A new temporary file, locked so that no other process sweeps it away."""
    while True:
        name = incoming / _temporary_name()
        descriptor = os.open(name, _CREATE, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return name, descriptor
        # Another process has just started, and swept the file before it was locked.
        os.close(descriptor)


def _digest(descriptor: int) -> str:
    """SHA-256 of an open file from its beginning, in hexadecimal."""
    with open(os.dup(descriptor), "rb", buffering=0) as source:  # noqa: PTH123 - an open descriptor
        source.seek(0)
        return hashlib.file_digest(source, "sha256").hexdigest()


def _pieces(descriptor: int, start: int, length: int | None) -> Iterator[bytes]:
    with open(descriptor, "rb", buffering=0) as source:
        source.seek(start)
        left = length
        while left is None or left > 0:
            piece = source.read(PIECE if left is None else min(PIECE, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece


def _open_beneath(base: Path, rest: str) -> int:
    """Open a regular file below ``base`` without following any link. Raises FileNotFoundError for everything else."""
    parts = PurePosixPath(rest).parts
    if len(parts) < 2 or rest.startswith("/") or ".." in parts or "\0" in rest:
        raise FileNotFoundError(errno.ENOENT, "no such location", f"job:{rest}")
    folder = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(parts[-1], _READ, dir_fd=folder)
    except (OSError, UnicodeEncodeError) as problem:
        raise FileNotFoundError(errno.ENOENT, "no such location", f"job:{rest}") from problem
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "not a regular file", f"job:{rest}")
    return descriptor


def _temporary_name() -> str:
    return secrets.token_hex(16)


def sweep_incoming(root: Path) -> None:
    """Remove what dead processes left on its way in: temporary files that nobody holds a lock on."""
    incoming = root / "incoming"
    for name in os.listdir(incoming):  # noqa: PTH208 - names are all that is needed
        with contextlib.suppress(OSError):
            descriptor = os.open(incoming / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                (incoming / name).unlink()
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _room(give_back: Callable[[], None] = lambda: None) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        if problem.errno in _FULL:
            give_back()
            raise Refusal(
                Fault.STORAGE_FULL, "The storage is full: delete files that are not needed, or ask for more room."
            ) from problem
        raise
