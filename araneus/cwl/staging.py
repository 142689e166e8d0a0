"""Giving every input file a path as the tool sees it, and noting what must be put there.

A `Stage` gathers mounts and literals while a command is prepared; nothing touches the disk here. Each primary file gets
a numbered directory of its own below the inputs directory, so names never clash; its secondary files lie beside it.
Source: CWL v1.2 CommandLineTool, "File" (path, dirname) and "Directory".
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.files import is_literal, split_name
from araneus.model.file import Location
from araneus.model.values import FileValue, Value, is_file_value

_NOT_PLAIN: Final = re.compile(r"[\s\x00-\x1f\x7f\"'`$&|;<>()\[\]{}*?!#~\\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMount:
    """The bytes at ``location`` appear at ``target`` (absolute, as the tool sees it); writable ones as a copy."""

    location: Location
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLiteral:
    """A file with this content at ``target``, or an empty directory when ``content`` is None."""

    target: str
    content: bytes | None
    executable: bool = False


class Stage:
    """What one job finds in its directories. Owned by one call of `cwl.command.prepare`.

    With ``plain_names`` files get names that a shell takes as they are: a command line that quotes nothing holds them.
    """

    def __init__(self, inputs: str, *, plain_names: bool = False) -> None:
        self._inputs = inputs
        self._plain_names = plain_names
        self._number = 0
        self._mounts: dict[str, FileMount] = {}
        self._literals: dict[str, FileLiteral] = {}
        self.origins: dict[str, FileValue] = {}
        """The file value behind each path that was given out, as it was before it got a path."""
        self.writable: set[str] = set()
        """The paths among them whose copies the tool may change."""

    def place_inputs(self, value: Value, where: str) -> Value:
        """The value with every file value in it placed below the inputs directory."""
        if is_file_value(value):
            self._number += 1
            return self.place(value, f"{self._inputs}/{self._number}", where=where)
        if isinstance(value, list):
            return [self.place_inputs(item, where) for item in value]
        if isinstance(value, dict):
            return {key: self.place_inputs(item, where) for key, item in value.items()}
        return value

    def place(
        self, value: FileValue, directory: str, *, name: str | None = None, writable: bool = False, where: str = ""
    ) -> FileValue:
        """The file value at ``directory/name``, its secondary files beside it. Raises `InputError` when two different
        files would get the same path."""
        basename = name or (_plain(value["basename"]) if self._plain_names else value["basename"])
        target = f"{directory}/{basename}"
        if is_literal(value):
            self._add_literal(value, target, where)
        else:
            self._add_mount(FileMount(location=value["location"], target=target, writable=writable), where)
        placed = _at(value, directory, basename)
        self._note(target, value, writable)
        if value["class"] == "Directory" and value.get("listing") is not None:
            place = self.place if is_literal(value) else self._inside
            placed["listing"] = [place(item, target, writable=writable, where=where) for item in value["listing"]]
        if value.get("secondaryFiles"):
            placed["secondaryFiles"] = [
                self.place(item, directory, writable=writable, where=where) for item in value["secondaryFiles"]
            ]
        return placed

    def write(self, target: str, content: str, where: str) -> None:
        """Put a file with this text (UTF-8) at the target."""
        self._add_content(FileLiteral(target=target, content=content.encode("utf-8", "surrogatepass")), where)

    def offer(self, target: str, content: str) -> None:
        """Put a file with this text at the target, unless something else is there."""
        if target not in self._mounts and target not in self._literals:
            self.write(target, content, "")

    def mounts(self) -> tuple[FileMount, ...]:
        """The mounts, parents first. A directory into which something else is put becomes a copy."""
        inner = {parent for target in (*self._mounts, *self._literals) for parent in _parents(target)}
        return tuple(
            replace(self._mounts[target], writable=True) if target in inner else self._mounts[target]
            for target in sorted(self._mounts)
        )

    def literals(self) -> tuple[FileLiteral, ...]:
        """The literals, parents first."""
        return tuple(self._literals[target] for target in sorted(self._literals))

    def _inside(self, value: FileValue, directory: str, *, writable: bool = False, where: str = "") -> FileValue:
        """The path of something that is there already because a directory around it is mounted."""
        placed = _at(value, directory, value["basename"])
        self._note(placed["path"], value, writable)
        if value.get("listing"):
            placed["listing"] = [
                self._inside(item, placed["path"], writable=writable, where=where) for item in value["listing"]
            ]
        return placed

    def _note(self, target: str, value: FileValue, writable: bool) -> None:
        self.origins[target] = value
        if writable:
            self.writable.add(target)

    def _add_mount(self, mount: FileMount, where: str) -> None:
        before = self._mounts.get(mount.target)
        if mount.target in self._literals or (before is not None and before.location != mount.location):
            raise _clash(mount.target, where)
        if before is None or mount.writable:
            self._mounts[mount.target] = mount

    def _add_literal(self, value: FileValue, target: str, where: str) -> None:
        if value["class"] == "Directory":
            self._add_content(FileLiteral(target=target, content=None), where)
        elif isinstance(value.get("contents"), str):
            self.write(target, value["contents"], where)
        else:
            raise InputError(Problem(where, f"file {value['basename']!r} has neither a location nor contents"))

    def _add_content(self, literal: FileLiteral, where: str) -> None:
        before = self._literals.get(literal.target)
        if literal.target in self._mounts or (before is not None and before != literal):
            raise _clash(literal.target, where)
        self._literals[literal.target] = literal


def _plain(name: str) -> str:
    return _NOT_PLAIN.sub("_", name)


def _clash(target: str, where: str) -> InputError:
    return InputError(Problem(where, f"two different files would both be {target!r}; give one of them another name"))


def _at(value: FileValue, directory: str, basename: str) -> FileValue:
    placed = {**value, "path": f"{directory}/{basename}", "basename": basename}
    if value["class"] == "File":
        placed["dirname"] = directory
        placed["nameroot"], placed["nameext"] = split_name(basename)
    return placed


def _parents(path: str) -> list[str]:
    found = []
    while (path := posixpath.dirname(path)) not in {"/", ""}:
        found.append(path)
    return found


def moved(value: Value, places: Mapping[str, FileValue]) -> Value:
    """The value in which every file value whose path is in ``places`` stands at its new place."""
    if isinstance(value, list):
        return [moved(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    if not is_file_value(value):
        return {key: moved(item, places) for key, item in value.items()}
    place = places.get(value.get("path", ""))
    result = dict(value)
    if place is not None:
        kept = ("path", "dirname", "basename", "nameroot", "nameext")
        result.update({key: place[key] for key in kept if key in place})
    for key in ("secondaryFiles", "listing"):
        if result.get(key):
            result[key] = [moved(item, places) for item in result[key]]
    return result
