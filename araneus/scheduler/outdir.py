"""Outputs of a foreground run: files leave the job directories for the output directory.

Last stage of `scheduler.direct`. Nothing is written outside the output directory, nothing in it is overwritten, and
no link of a tool survives: a tool may make names and links as it likes.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from araneus.cwl.errors import CWLError, OutputError, Problem
from araneus.model.errors import Refusal
from araneus.model.file import Location, check_file_name, free_name
from araneus.model.values import FileValue, Value, map_file_values

_CHUNK = 1024 * 1024
_PLACES = frozenset(
    {"location", "path", "basename", "nameroot", "nameext", "size", "checksum", "listing", "contents", "dirname",
     "secondaryFiles"}
)  # fmt: skip
"""What a value says of where a file is and what is in it; the rest is what a port says of it."""
_MAX_DEPTH = 64


class Outdir:
    """Places output values in one directory.

    ``own`` is the directory whose files this run made: they may be linked rather than copied. ``locate`` gives the path
    of a location. A file that several outputs name is placed once.
    """

    def __init__(self, outdir: Path, own: Path, locate: Callable[[Location], Path]) -> None:
        self._outdir = outdir.resolve()
        self._own = own.resolve()
        self._locate = locate
        self._placed: dict[tuple[Path, str], FileValue] = {}
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def place(self, outputs: Mapping[str, Value]) -> dict[str, Value]:
        """The outputs with every file placed. Raises `OutputError` naming the port when one cannot be."""
        self._outdir.mkdir(parents=True, exist_ok=True)
        self._taken = {entry.name for entry in self._outdir.iterdir()}
        placed: dict[str, Value] = {}
        for port, value in outputs.items():
            try:
                placed[port] = map_file_values(value, self._group)
            except Refusal as refusal:
                raise OutputError(Problem(port, refusal.message)) from refusal
            except CWLError as error:
                raise OutputError(*(Problem(port, str(problem)) for problem in error.problems)) from error
            except OSError as error:
                raise OutputError(Problem(port, f"cannot be placed in {self._outdir}: {error}")) from error
        return placed

    def _group(self, value: FileValue) -> FileValue:
        """A file and its secondary files: they keep standing beside each other, so they are renamed together."""
        group = [value, *(value.get("secondaryFiles") or ())]
        new = {self._identity(member): member for member in group if self._identity(member) not in self._placed}
        names = [_name(member) for member in new.values()]
        prefix = self._prefix_of(value, names) if names else ""
        self._taken.update(prefix + name for name in names)
        for (identity, member), name in zip(new.items(), names, strict=True):
            self._placed[identity] = self._one(member, self._outdir / (prefix + name), 0)
        result, *beside = [self._said(member) for member in group]
        return result | {"secondaryFiles": beside} if beside else result

    def _said(self, value: FileValue) -> FileValue:
        """A placed file with what this port says of it: another port may have given it another format."""
        placed = self._placed[self._identity(value)]
        return {key: item for key, item in value.items() if key not in _PLACES} | {
            key: item for key, item in placed.items() if key in _PLACES
        }

    def _prefix_of(self, primary: FileValue, names: list[str]) -> str:
        """The prefix that a primary file has already, where its secondary files can have it too; else a free one."""
        placed = self._placed.get(self._identity(primary))
        prefix = str(placed["basename"]).removesuffix(_name(primary)) if placed is not None else None
        if prefix is not None and not any(prefix + name in self._taken for name in names):
            return prefix
        return self._free_prefix(names)

    def _free_prefix(self, names: list[str]) -> str:
        """The prefix ``""``, ``_1_``, ``_2_``, ... under which none of the names is taken."""
        if len(set(names)) < len(names):
            raise OutputError(Problem("", f"a file and its secondary files share a name: {', '.join(names)}"))
        # A wide scatter gives one name many times: the search goes on where it ended the last time.
        number = self._numbers.get(names[0], 0)
        while any(_prefix(number) + name in self._taken for name in names):
            number += 1
        self._numbers[names[0]] = number
        return _prefix(number)

    def _identity(self, value: FileValue) -> tuple[Path, str]:
        location = value.get("location")
        # A literal has no identity but its own; its object is alive as long as the outputs are.
        return (self._locate(location), _name(value)) if location else (Path(f"/{id(value)}"), "")

    def _one(self, value: FileValue, target: Path, depth: int) -> FileValue:
        if depth > _MAX_DEPTH:
            raise OutputError(Problem("", f"{target}: directories are nested more than {_MAX_DEPTH} deep"))
        if value["class"] == "Directory":
            return self._directory(value, target, depth)
        if value.get("location"):
            self._take(self._locate(value["location"]), target)
        else:
            with target.open("x", encoding="utf-8", errors="surrogatepass", newline="") as file:
                file.write(str(value.get("contents", "")))
        kept = {key: item for key, item in value.items() if key not in {"contents", "secondaryFiles", "dirname"}}
        root, extension = _split(target.name)
        return kept | {
            "location": target.as_uri(),
            "path": str(target),
            "basename": target.name,
            "nameroot": root,
            "nameext": extension,
            "size": target.stat().st_size,
            "checksum": _checksum(target),
        }

    def _directory(self, value: FileValue, target: Path, depth: int) -> FileValue:
        target.mkdir()
        listing = value.get("listing")
        if listing is None:
            listing = _entries(self._locate(value["location"])) if value.get("location") else []
        members: list[FileValue] = []
        taken: set[str] = set()
        for member in listing:
            for each in (member, *(member.get("secondaryFiles") or ())):
                name = free_name(_name(each), taken)
                taken.add(name)
                members.append(self._one(each, target / name, depth + 1))
        kept = {key: item for key, item in value.items() if key not in {"listing", "dirname"}}
        return kept | {
            "location": target.as_uri(),
            "path": str(target),
            "basename": target.name,
            "listing": members,
        }

    def _take(self, source: Path, target: Path) -> None:
        """Bring a file's bytes to the target: by a hard link when nobody else has the file, else by a copy."""
        real = source.resolve(strict=True)
        status = real.stat()
        if self._own in real.parents and status.st_nlink == 1 and os.access(real, os.W_OK):
            try:
                os.link(real, target)
            except OSError as error:
                if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                    raise
            else:
                return
        with real.open("rb") as reader, target.open("xb") as writer:
            shutil.copyfileobj(reader, writer, _CHUNK)
        target.chmod(0o755 if status.st_mode & 0o111 else 0o644)


def _name(value: FileValue) -> str:
    name = value.get("basename")
    if not name:
        location = value.get("location") or value.get("path") or ""
        name = Path(location).name if location else "literal"
    return check_file_name(str(name))


def _prefix(number: int) -> str:
    return f"_{number}_" if number else ""


def _entries(directory: Path) -> list[FileValue]:
    """What stands in a directory, as values; links are followed when `Outdir` takes them."""
    return [
        {"class": "Directory" if entry.is_dir() else "File", "location": Path(entry.path).as_uri(),
         "basename": entry.name}
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name)
    ]  # fmt: skip


def _split(name: str) -> tuple[str, str]:
    root, dot, extension = name.rpartition(".")
    return (root, dot + extension) if dot and root else (name, "")


def _checksum(path: Path) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha1${digest.hexdigest()}"
