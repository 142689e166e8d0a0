"""Outputs of a finished task become files of the project.

`plan` runs in the task's lane: it takes bytes into storage and says which files and folders will appear. `place` runs
inside the transaction that completes the task: it finds free names and inserts the rows, so nothing is visible before.
Source: execution semantics of the platform, "Outputs".
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from araneus.cwl.errors import OutputError, Problem
from araneus.cwl.files import Locate
from araneus.model.errors import Refusal
from araneus.model.file import MAX_METADATA_PAIRS, File, Location, check_metadata, safe_folder_name
from araneus.model.ids import new_file_id
from araneus.model.task import Task
from araneus.model.values import FileValue, Value, is_file_value, map_file_values
from araneus.scheduler.facts import Completed, NewNode
from araneus.scheduler.names import safe_file_name
from araneus.scheduler.staging import file_path
from araneus.storage.base import Blob, Storage
from araneus.store import files
from araneus.store.database import Connection

MAX_DEPTH = 100
"""How deep an output directory may go."""
MAX_NODES = 200_000
"""How many files and folders one task may leave."""
_THREADS = 8
"""How many literals are written side by side: each is synced to the disk, and a disk syncs eight as fast as one."""
_LADDER = 20
_AT_ONCE = 32
_AHEAD = 200


@dataclass(frozen=True, slots=True)
class _Use:
    """A node (its position) and the value that shows it: both are told the size when the bytes have been taken in."""

    node: int
    shown: FileValue


@dataclass(slots=True)
class Planner:
    """Turns the outputs of one execution into a `Completed`. Used once, in a lane.

    First every value is looked through, which may refuse it; then the bytes of all files are taken in together: each
    needs the disk several times, and together they wait for it once.
    """

    storage: Storage
    locate: Locate
    inputs: Mapping[Location, tuple[File, ...]]
    targets: Callable[[str], tuple[str, ...]]
    now: datetime
    _nodes: list[NewNode] = field(default_factory=list)
    _positions: dict[str, int] = field(default_factory=dict)
    _placed: dict[tuple[str, str, tuple[str, ...]], "_Use"] = field(default_factory=dict)
    _made: dict[Path, list["_Use"]] = field(default_factory=dict)
    _literal: dict[str, list["_Use"]] = field(default_factory=dict)
    _target: tuple[str, ...] = ()

    def plan(self, outputs: Mapping[str, Value]) -> Completed:
        """The files and folders to be, and the outputs that name them by id.

        Raises `CWLError` when a value points at bytes that are not the task's, and `Refusal` STORAGE_FULL.
        """
        shown: dict[str, Value] = {}
        for port, value in outputs.items():
            self._target = self.targets(port)
            shown[port] = map_file_values(value, self._top)
        self._take_in()
        return Completed(outputs=shown, nodes=tuple(self._nodes), planned_on=self.now)

    def _top(self, value: FileValue) -> FileValue:
        return self._beside(value, None)

    def _file(self, value: FileValue, parent: str | None) -> FileValue:
        passed = self._passed_through(value) if parent is None else None
        if passed is not None:
            return passed
        key = (
            str(value.get("location") or value.get("path")),
            str(value.get("basename")),
            (parent or "", *self._target),
        )
        if "contents" not in value and key in self._placed:
            return self._again(value, self._placed[key], parent)
        node = NewNode(
            id=new_file_id(self.now.timestamp()),
            name=safe_file_name(_basename(value)),
            parent=parent,
            target=() if parent else self._target,
            metadata=kept_metadata(value),
        )
        shown = _shown(node.id, node.name, node.size, node.metadata)
        self._add(node)
        self._placed[key] = use = _Use(len(self._nodes) - 1, shown)
        self._use_bytes(value, use)
        return self._accompanied(shown, value, parent)

    def _again(self, value: FileValue, use: "_Use", parent: str | None) -> FileValue:
        """A file that another port has given already: the same node, with the secondary files that this port names."""
        shown = {key: item for key, item in use.shown.items() if key != "secondaryFiles"}
        self._use_bytes(value, _Use(use.node, shown))
        return self._accompanied(shown, value, parent)

    def _accompanied(self, shown: FileValue, value: FileValue, parent: str | None) -> FileValue:
        others = [item for item in value.get("secondaryFiles") or () if not _is_same(item, value)]
        if others:
            shown["secondaryFiles"] = [self._companion(item, parent, shown["path"]) for item in others]
        return shown

    def _companion(self, value: FileValue, parent: str | None, primary: str) -> FileValue:
        """A secondary file; when it is new, it is told whose, unless that is known already."""
        shown = self._beside(value, parent)
        position = self._positions.get(shown["path"])
        if position is not None and self._nodes[position].beside is None:
            self._nodes[position] = replace(self._nodes[position], beside=primary)
        return shown

    def _beside(self, value: FileValue, parent: str | None, depth: int = MAX_DEPTH) -> FileValue:
        return self._folder(value, parent, depth) if value["class"] == "Directory" else self._file(value, parent)

    def _passed_through(self, value: FileValue) -> FileValue | None:
        """The project's own file, when nothing about it has changed: files of the project never do."""
        for row in self.inputs.get(str(value.get("location")), ()):
            if row.name == value.get("basename", row.name) and _says_the_same(value, row):
                shown = _shown(row.id, row.name, row.size, row.metadata)
                secondary = [self._beside(item, None) for item in value.get("secondaryFiles") or ()]
                return {**shown, "secondaryFiles": secondary} if secondary else shown
        return None

    def _use_bytes(self, value: FileValue, use: "_Use") -> None:
        """Note whose bytes a node is to have. Raises `CWLError` when the task may not use them."""
        location = value.get("location") or value.get("path")
        if location is None and isinstance(value.get("contents"), str):
            self._literal.setdefault(value["contents"], []).append(use)
            return
        if not isinstance(location, str):
            raise OutputError(Problem("", f"output file {value.get('basename')!r} has neither location nor contents"))
        path = self.locate(location)
        if file_path(location) is None:
            self._give(use, Blob(location, self.storage.size(location)))
        else:
            self._made.setdefault(path, []).append(use)

    def _take_in(self) -> None:
        """Take all bytes into storage and tell the nodes that use them."""
        self._tell(self._made.values(), self.storage.adopt(*self._made))
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="publish") as pool:
            self._tell(self._literal.values(), pool.map(self._write, self._literal))

    def _write(self, contents: str) -> Blob:
        writer = self.storage.writer()
        writer.write(contents.encode("utf-8", "surrogatepass"))
        return writer.commit()

    def _tell(self, uses: Iterable[list["_Use"]], blobs: Iterable[Blob]) -> None:
        for users, blob in zip(uses, blobs, strict=True):
            for use in users:
                self._give(use, blob)

    def _give(self, use: "_Use", blob: Blob) -> None:
        self._nodes[use.node] = replace(self._nodes[use.node], location=blob.location, size=blob.size)
        use.shown["size"] = blob.size

    def _folder(self, value: FileValue, parent: str | None, depth: int) -> FileValue:
        if depth == 0:
            raise OutputError(Problem("", f"output directory is deeper than {MAX_DEPTH} levels"))
        node = NewNode(
            id=new_file_id(self.now.timestamp()),
            name=safe_folder_name(_basename(value)),
            folder=True,
            parent=parent,
            target=() if parent else self._target,
        )
        self._add(node)
        for item in self._listing(value):
            self._beside(item, node.id, depth - 1)
        return {"class": "Directory", "path": node.id, "name": node.name, "basename": node.name}

    def _listing(self, value: FileValue) -> Iterator[FileValue]:
        listing = value.get("listing")
        location = value.get("location") or value.get("path")
        if isinstance(location, str) and file_path(location) is not None:
            yield from _entries(self.locate(location))
        elif isinstance(listing, list):
            yield from (item for item in listing if is_file_value(item))
        else:
            raise OutputError(Problem("", f"output directory {_basename(value)!r} has neither location nor listing"))

    def _add(self, node: NewNode) -> None:
        if len(self._nodes) >= MAX_NODES:
            raise OutputError(Problem("", f"the outputs are more than {MAX_NODES} files and folders"))
        self._positions[node.id] = len(self._nodes)
        self._nodes.append(node)


def _entries(real: Path) -> Iterator[FileValue]:
    """What a directory holds. Links are followed (the caller locates each of them), except those that lead back to a
    directory around them; what is neither file nor directory is left out."""
    for entry in sorted(os.scandir(real), key=lambda entry: entry.name):
        if entry.is_symlink() and entry.is_dir() and real.is_relative_to(os.path.realpath(entry.path)):
            continue
        if entry.is_dir() or entry.is_file():
            kind = "Directory" if entry.is_dir() else "File"
            yield {"class": kind, "path": entry.path, "basename": entry.name}


def _is_same(value: FileValue, other: FileValue) -> bool:
    """Whether two values are one file."""
    place = value.get("location") or value.get("path")
    same = place is not None and place == (other.get("location") or other.get("path"))
    return same and value.get("basename") == other.get("basename")


def _basename(value: FileValue) -> str:
    name = value.get("basename")
    if not name:
        location = str(value.get("location") or value.get("path") or "")
        path = file_path(location)
        name = path.name if path is not None else location.rsplit("/", 1)[-1]
    return str(name)


def kept_metadata(value: FileValue) -> dict[str, Any]:
    """The pairs that the platform accepts; a tool's odd ones are left out rather than losing its file."""
    kept: dict[str, Any] = {}
    given = value.get("metadata")
    for key, item in given.items() if isinstance(given, dict) else ():
        if len(kept) == MAX_METADATA_PAIRS:
            break
        try:
            kept.update(check_metadata({str(key): item}))
        except Refusal:
            continue
    return kept


def _says_the_same(value: FileValue, row: File) -> bool:
    return "metadata" not in value or kept_metadata(value) == row.metadata


def _shown(identity: str, name: str, size: int | None, metadata: Mapping[str, Any]) -> FileValue:
    value: FileValue = {"class": "File", "path": identity, "name": name, "basename": name, "size": size}
    if metadata:
        value["metadata"] = dict(metadata)
    return value


def place(connection: Connection, task: Task, root: str, done: Completed, now: datetime) -> dict[str, Value]:
    """Insert the rows of a completed task and give its outputs with their final names.

    ``root`` is the id of the project's root folder. Nothing is overwritten: a taken name gets a number in front, and
    the secondary files of a file get the same one as it, so that they are still found beside it.
    """
    folders = _Folders(connection, task, root, now)
    names: dict[str, str] = {}
    wanted: dict[tuple[str, ...], set[str]] = {}
    for node in done.nodes:
        if node.parent is None:
            wanted.setdefault(node.target, set()).add(node.name)
        else:
            folders.is_new(node.parent)
    for target, taken in wanted.items():
        folders.look_up(folders.at(target), taken)
    for group in _groups(done.nodes):
        parent = group[0].parent or folders.at(group[0].target)
        number = folders.free_number(parent, [node.name for node in group])
        names.update({node.id: _numbered(node.name, number) for node in group})
    rows = [_row(node, task, node.parent or folders.at(node.target), names[node.id], now) for node in done.nodes]
    if rows:
        files.insert(connection, *rows)
    return {port: map_file_values(value, lambda item: _renamed(item, names)) for port, value in done.outputs.items()}


def _groups(nodes: Collection[NewNode]) -> Collection[list[NewNode]]:
    """The nodes that get one prefix together: a file and what belongs to it in the same folder."""
    known = {node.id: node for node in nodes}
    groups: dict[tuple[str, str], list[NewNode]] = {}
    for node in nodes:
        leader = _leader(node, known)
        alone = any(node.name == other.name for other in groups.get((leader, ""), ()))
        groups.setdefault((leader, node.id if alone else ""), []).append(node)
    return groups.values()


def _leader(node: NewNode, known: Mapping[str, NewNode]) -> str:
    """The id of the file at the end of the chain; of one of them, always the same, where they belong to each other."""
    passed = {node.id}
    while (primary := known.get(node.beside or "")) is not None:
        if (primary.parent, primary.target) != (node.parent, node.target):
            break
        if primary.id in passed:
            return min(passed)
        node = primary
        passed.add(node.id)
    return node.id


def _row(node: NewNode, task: Task, parent: str, name: str, now: datetime) -> File:
    return File(
        id=node.id,
        project=task.project,
        parent=parent,
        name=name,
        folder=node.folder,
        size=node.size,
        location=node.location,
        origin_task=task.id,
        metadata=dict(node.metadata),
        created_on=now,
        modified_on=now,
    )


def _renamed(value: FileValue, names: Mapping[str, str]) -> FileValue:
    changed = dict(value)
    name = names.get(str(value.get("path")))
    if name is not None:
        changed.update(name=name, basename=name)
    if "secondaryFiles" in value:
        changed["secondaryFiles"] = [_renamed(item, names) for item in value["secondaryFiles"]]
    return changed


class _Folders:
    """The target folders of one placement: found or made, with the names that are taken in them."""

    def __init__(self, connection: Connection, task: Task, root: str, now: datetime) -> None:
        self._connection = connection
        self._task = task
        self._now = now
        self._known: dict[tuple[str, ...], str] = {(): root}
        self._taken: dict[str, set[str]] = {}
        self._looked_up: dict[str, set[str]] = {}
        self._new: set[str] = set()
        self._numbers: dict[tuple[str, str], int] = {}

    def at(self, path: tuple[str, ...]) -> str:
        """The id of the folder at this path, made where it does not exist."""
        if path not in self._known:
            parent = self.at(path[:-1])
            found = files.named(self._connection, parent, [path[-1]]).get(path[-1])
            self._known[path] = found.id if found is not None and found.folder else self._make(parent, path[-1])
        return self._known[path]

    def _make(self, parent: str, name: str) -> str:
        node = NewNode(id=new_file_id(self._now.timestamp()), name=name, folder=True)
        files.insert(
            self._connection, _row(node, self._task, parent, self.free(parent, safe_folder_name(name)), self._now)
        )
        return node.id

    def is_new(self, folder: str) -> None:
        """Nobody can have a name in this folder yet."""
        self._new.add(folder)

    def look_up(self, parent: str, names: Collection[str]) -> None:
        """Ask for many names at once; `free` then asks only for the numbered ones that it tries."""
        self._taken.setdefault(parent, set()).update(files.named(self._connection, parent, sorted(names)))
        self._looked_up.setdefault(parent, set()).update(names)

    def free(self, parent: str, name: str) -> str:
        """The name, or a numbered one that nobody has in this folder; it counts as taken from now on."""
        return _numbered(name, self.free_number(parent, [name]))

    def free_number(self, parent: str, names: Collection[str]) -> int:
        """The number (0 for none) under which nobody has any of these names; they count as taken from now on."""
        number = max(self._number(parent, name) for name in names)
        while any(self._is_taken(parent, _numbered(name, number)) for name in names):
            number += 1
        for name in names:
            self._numbers[parent, name] = number
            self._taken.setdefault(parent, set()).add(_numbered(name, number))
        return number

    def _number(self, parent: str, name: str) -> int:
        """A number under which nobody has this name.

        A thousand tasks may leave a thousand files of one name, so the number is not counted up to but searched for,
        many at a time: one whose predecessor is taken.
        """
        low = self._numbers.get((parent, name), -1)
        high = low + 1
        if low >= 0 and _numbered(name, high) not in self._looked_up.get(parent, ()):
            # The name comes back again and again, as that of a scattered job's output does.
            self.look_up(parent, {_numbered(name, number) for number in range(high, high + _AHEAD)})
        if self._is_taken(parent, _numbered(name, high)):
            low, high = self._between(parent, name, high, [high + 2**power for power in range(_LADDER)])
            while high - low > 1:
                stride = max(1, (high - low) // _AT_ONCE)
                low, high = self._between(parent, name, low, [*range(low + stride, high, stride), high])
        return high

    def _between(self, parent: str, name: str, low: int, numbers: list[int]) -> tuple[int, int]:
        """The last taken and the first free of some ascending numbers, ``low`` being taken and the last one free."""
        self.look_up(parent, {_numbered(name, number) for number in numbers})
        for number in numbers:
            if not self._is_taken(parent, _numbered(name, number)):
                return low, number
            low = number
        return low, low + 1

    def _is_taken(self, parent: str, name: str) -> bool:
        if name in self._taken.get(parent, ()):
            return True
        if parent in self._new or name in self._looked_up.get(parent, ()):
            return False
        return bool(files.named(self._connection, parent, [name]))


def _numbered(name: str, number: int) -> str:
    return f"_{number}_{name}" if number else name
