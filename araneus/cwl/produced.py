"""The working directory after a tool ended: what lies there, and where its links lead.

A tool may leave anything behind. Links are followed one by one and only inside the working directory, or to an input
that was staged for this very job, which then keeps its own location. Used by `cwl.outputs`. Source: CWL v1.2
CommandLineTool, "Output binding".
"""

import hashlib
import os
import posixpath
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from araneus.cwl.command import Invocation
from araneus.cwl.errors import OutputError, Problem
from araneus.cwl.files import MAX_ENTRIES, file_location, is_literal, split_name
from araneus.cwl.globs import Component, fits, patterns
from araneus.cwl.staging import FileMount
from araneus.cwl.types import MAX_FILE_DEPTH
from araneus.model.values import FileValue

MAX_LINKS: Final = 40
"""Symbolic links that one path may lead through."""


@dataclass(frozen=True, slots=True)
class Found:
    """Something below the working directory: where its bytes are, and the staged input that it is, if it is one.

    ``path`` is the tool's own view of the place that the links led to, ``linked`` tells that there were links.
    """

    host: Path
    path: str
    origin: FileValue | None = None
    linked: bool = False


class WorkTree:
    """Looks into one job's working directory. Lives for one call of `cwl.outputs.collect`."""

    def __init__(self, invocation: Invocation, host_work: Path, *, checksum: bool) -> None:
        self._work = invocation.work
        self._host = host_work
        self._host_text = os.path.realpath(host_work)
        self._origins = invocation.origins
        self._mounts = {mount.target: mount for mount in invocation.mounts if not mount.writable}
        self._locate = invocation.locate
        self._checksum = checksum
        self._sources: dict[str, str] | None = None
        self._entries = 0

    # Paths

    def relative(self, path: str) -> str | None:
        """The path relative to the working directory, for a path in the tool's view or in this machine's; else None."""
        for root in (self._work, str(self._host), self._host_text):
            if path == root:
                return ""
            if path.startswith(root + "/"):
                return path[len(root) + 1 :]
        return None

    def resolve(self, path: str) -> Found | None:
        """What is at a path of the tool's view; None when nothing is there.

        Raises `OutputError` for a link that leads to anything but the working directory and staged inputs.
        """
        links = 0
        place, waiting = self._start(path)
        while True:
            staged = self._staged(place)
            if staged is not None:
                return self._inside_input(place, staged, waiting, linked=links > 0)
            host = self._host_of(place)
            target = _link(host)
            if target is not None:
                links += 1
                if links > MAX_LINKS:
                    raise OutputError(Problem("", f"{path!r} leads through more than {MAX_LINKS} links"))
                joined = posixpath.normpath(posixpath.join(posixpath.dirname(place), target, *waiting))
                place, waiting = self._start(self._known(joined, path))
            elif not waiting:
                return Found(host, place, linked=links > 0) if os.path.lexists(host) else None
            else:
                place = f"{place}/{waiting.pop(0)}"

    def _start(self, path: str) -> tuple[str, list[str]]:
        """Where to begin walking, and the names that are left: the working directory, or a staged input."""
        relative = self.relative(path)
        if relative is not None:
            names = [name for name in relative.split("/") if name not in {"", "."}]
            return self._work, names
        root = path
        while root not in self._mounts and root not in {"", "/"}:
            root = posixpath.dirname(root)
        return root, [name for name in path[len(root) :].split("/") if name]

    def _known(self, path: str, asked: str) -> str:
        """The path that a link names, when it is one that the job may name."""
        if self.relative(path) is not None:
            return path
        root = path
        while root not in {"", "/"}:
            if root in self._mounts:
                return path
            root = posixpath.dirname(root)
        source = self._source_target(path)
        if source is None:
            message = f"{asked!r} is a link to {path!r}, which is neither an input nor in the working directory"
            raise OutputError(Problem("", message))
        return source

    def _source_target(self, path: str) -> str | None:
        """The staged path of an input whose bytes are at a path of this machine."""
        if self._sources is None:
            self._sources = {}
            for mount in self._mounts.values():
                self._sources[os.path.realpath(self._locate(mount.location))] = mount.target
        real, inner = os.path.realpath(path), list[str]()
        while real not in self._sources:
            if real in {"", "/"}:
                return None
            inner.insert(0, posixpath.basename(real))
            real = posixpath.dirname(real)
        return "/".join([self._sources[real], *inner])

    def _staged(self, place: str) -> FileMount | None:
        """The mount at a place, unless the tool has put something of its own there."""
        mount = self._mounts.get(place)
        if mount is None or self.relative(place) is None:
            return mount
        host = self._host_of(place)
        try:
            status = host.lstat()
        except OSError:
            return mount
        if stat.S_ISLNK(status.st_mode):
            same = os.path.realpath(host) == os.path.realpath(self._locate(mount.location))
        elif stat.S_ISDIR(status.st_mode):
            same = not any(host.iterdir())
        else:
            same = status.st_size == 0  # the empty file that a bind mount needs under it
        return mount if same else None

    def _host_of(self, place: str) -> Path:
        relative = self.relative(place)
        if relative is None:
            raise OutputError(Problem("", f"{place!r} is neither an input nor in the working directory"))
        return self._host / relative

    def _inside_input(self, place: str, mount: FileMount, names: list[str], *, linked: bool) -> Found | None:
        origin = self._origins.get(place, {})
        host = self._locate(mount.location)
        if not names:
            return Found(host, place, origin, linked=True)
        inner = host.joinpath(*names)
        real = os.path.realpath(inner)
        if not real.startswith(os.path.realpath(host) + "/"):
            raise OutputError(Problem("", f"{'/'.join([place, *names])!r} leads out of the input directory"))
        if not os.path.lexists(real):
            return None
        kind = "Directory" if Path(real).is_dir() else "File"
        location = "/".join([mount.location.rstrip("/"), *(quote(os.fsencode(name)) for name in names)])
        value: FileValue = {"class": kind, "location": location, "basename": names[-1]}
        return Found(Path(real), "/".join([place, *names]), value, linked=linked)

    # Values

    def value_at(self, path: str) -> FileValue | None:
        """The file value at a path of the tool's view, a Directory with its whole listing; None when nothing is there.

        ``path`` and ``dirname`` are the tool's view, too.
        """
        found = self.resolve(path)
        return None if found is None else self._value(path, found, ())

    def _value(self, path: str, found: Found, around: tuple[str, ...]) -> FileValue:
        name = posixpath.basename(path) or posixpath.basename(self._work)
        _check_text(name)
        value: FileValue = {"class": "File", "basename": name, "path": path}
        if found.origin is not None:
            kept = {key: item for key, item in found.origin.items() if key not in {"secondaryFiles", "contents"}}
            value = {**kept, **value, "class": found.origin["class"]}
            if value["class"] == "Directory" and "listing" not in value and not is_literal(found.origin):
                return self._directory(value, found, around)
        else:
            value["location"] = file_location(found.host)
            # A copy that was staged is still what it is a copy of, whatever the tool did to its bytes.
            metadata = self._origins.get(found.path, {}).get("metadata")
            if metadata is not None:
                value["metadata"] = metadata
        if value["class"] == "Directory":
            return value
        value["dirname"] = posixpath.dirname(path)
        value["nameroot"], value["nameext"] = split_name(name)
        if found.origin is not None and "size" in value:
            return value
        status = found.host.stat()
        if stat.S_ISDIR(status.st_mode):
            return self._directory({"class": "Directory", **_without_file_keys(value)}, found, around)
        if not stat.S_ISREG(status.st_mode):
            raise OutputError(Problem("", f"{path!r} is neither a file nor a directory (a pipe, socket or device)"))
        value["size"] = status.st_size
        if self._checksum:
            value["checksum"] = _checksum(found.host)
        return value

    def _directory(self, value: FileValue, found: Found, around: tuple[str, ...]) -> FileValue:
        """A Directory with its listing. It keeps a location only when it holds no links: then it can be moved whole."""
        real = os.path.realpath(found.host)
        if real in around:
            raise OutputError(Problem("", f"{value['path']!r} is a link to a directory that it lies in"))
        if len(around) >= MAX_FILE_DEPTH:
            raise OutputError(Problem("", f"directories are nested more than {MAX_FILE_DEPTH} levels deep"))
        listing, whole = [], True
        for name in sorted(os.listdir(found.host)):  # noqa: PTH208 -- names are wanted, not paths
            self._entries += 1
            if self._entries > MAX_ENTRIES:
                raise OutputError(Problem("", f"the outputs hold more than {MAX_ENTRIES} files"))
            inner = self.resolve(f"{found.path}/{name}")
            if inner is None:
                continue
            item = self._value(f"{found.path}/{name}", inner, (*around, real))
            whole = whole and (found.origin is not None or not inner.linked) and "location" in item
            listing.append({**item, "path": f"{value['path']}/{name}"})
        value = {**value, "class": "Directory", "listing": listing}
        if not whole:
            value.pop("location", None)
        return value

    # Patterns

    def matching(self, pattern: str) -> list[str]:
        """The paths, in the tool's view, that a glob pattern matches: sorted, each once."""
        relative = self.relative(pattern) if pattern.startswith("/") else pattern
        if pattern.startswith("/") and relative == "":
            relative = "."
        found: set[str] = set()
        for components in patterns(pattern if relative is None else relative):
            found.update(self._matching([self._work], components))
        if not found and relative and not pattern.startswith("/") and ".." not in relative.split("/"):
            literal = f"{self._work}/{relative}"
            there = self.is_directory(literal) if relative.endswith("/") else self.resolve(literal) is not None
            found.update([literal.rstrip("/")] if there else [])
        return sorted(found, key=os.fsencode)

    def _matching(self, roots: list[str], components: tuple[Component, ...]) -> list[str]:
        for component in components:
            if component == "":
                roots = [root for root in roots if self.is_directory(root)]
            elif isinstance(component, str):
                roots = [f"{root}/{component}" for root in roots]
            else:
                roots = [f"{root}/{name}" for root in roots for name in self._names(root) if fits(name, component)]
        return [root for root in roots if self.resolve(root) is not None]

    def _names(self, path: str) -> list[str]:
        found = self.resolve(path)
        if found is None or not found.host.is_dir():
            return []
        return os.listdir(found.host)  # noqa: PTH208 -- names are wanted, not paths

    def is_directory(self, path: str) -> bool:
        """Whether a directory is at a path of the tool's view."""
        found = self.resolve(path)
        return found is not None and found.host.is_dir()

    def entries(self, path: str = "") -> list[str]:
        """What a directory of the tool's view holds, the working directory without a ``path``: paths, sorted, of what
        is there."""
        root = path or self._work
        found = [f"{root}/{name}" for name in self._names(root)]
        return sorted(each for each in found if self.resolve(each) is not None)

    def inputs(self) -> list[str]:
        """The paths, in the tool's view, of all that was staged for the job."""
        return list(self._origins)

    def names(self) -> list[str]:
        """What the working directory holds, for messages."""
        return sorted(os.listdir(self._host))  # noqa: PTH208 -- names are wanted, not paths


def _link(path: Path) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115 -- the text of the link is wanted, not a path
    except (OSError, ValueError):
        return None


def _without_file_keys(value: FileValue) -> FileValue:
    return {key: item for key, item in value.items() if key not in {"class", "dirname", "nameroot", "nameext"}}


def _check_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise OutputError(Problem("", f"the name {name!r} is not UTF-8 text; let the tool rename the file")) from None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return "sha1$" + hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
