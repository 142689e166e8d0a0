"""InitialWorkDirRequirement: what the working directory holds when the tool starts.

Called by `cwl.command` after the inputs have their paths; entries are put on the same `Stage`. Source: CWL v1.2
CommandLineTool, "InitialWorkDirRequirement" and "Dirent".
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.expressions import Evaluator, value_text
from araneus.cwl.files import check_basename, described, is_literal, local_path, well_formed
from araneus.cwl.inplace import IDENTITY
from araneus.cwl.process import CommandLineTool
from araneus.cwl.staging import Stage, moved
from araneus.model.values import FileValue, Value, file_values, is_file_value

_WHERE = "InitialWorkDirRequirement/listing"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One thing to be put into the working directory: a file value, or text under a name."""

    content: FileValue | str
    name: str | None = None
    writable: bool = False


def fill_work_directory(
    tool: CommandLineTool,
    stage: Stage,
    inputs: Mapping[str, Value],
    runtime: Mapping[str, Value],
    evaluator: Evaluator,
) -> dict[str, Value]:
    """Stage the entries below ``runtime["outdir"]``; gives the inputs with the paths of what was moved there.

    Raises `InputError` for names that leave the working directory, and `ExpressionError`.
    """
    work: str = runtime["outdir"]
    reader = _ListingReader(inputs, runtime, evaluator)
    entries = [*_port_entries(tool, inputs)]
    requirement = tool.requirement("InitialWorkDirRequirement")
    if requirement is not None:
        entries += reader.entries(requirement.get("listing"))
    if not entries:
        return dict(inputs)
    absolute = "DockerRequirement" in tool.requirements
    places: dict[str, FileValue] = {}
    for entry in entries:
        directory, name = _target(entry, work, absolute=absolute)
        if isinstance(entry.content, str):
            assert name is not None
            stage.write(f"{directory}/{name}", entry.content, _WHERE)
            continue
        source = _original(entry.content, stage)
        placed = stage.place(source, directory, name=name, writable=entry.writable, where=_WHERE)
        _note_moves(entry.content, placed, inputs, places)
    return {port: moved(value, places) for port, value in inputs.items()}


def _port_entries(tool: CommandLineTool, inputs: Mapping[str, Value]) -> Iterator[_Entry]:
    """Inputs that their port itself asks for (``sbg:stageInput``: link or copy)."""
    for port in tool.inputs:
        kind = port.extensions.get("sbg:stageInput")
        if kind in ("link", "copy"):
            for value in file_values(inputs.get(port.id)):
                yield _Entry(value, writable=kind == "copy")


class _ListingReader:
    """Reads a listing in all its forms into entries."""

    def __init__(self, inputs: Mapping[str, Value], runtime: Mapping[str, Value], evaluator: Evaluator) -> None:
        self._inputs = inputs
        self._runtime = runtime
        self._evaluator = evaluator

    def entries(self, listing: Value) -> Iterator[_Entry]:
        """The entries, in order; nulls are nothing."""
        if isinstance(listing, str):
            yield from self._results(self._evaluate(listing), _WHERE)
            return
        for number, item in enumerate(listing if isinstance(listing, list | tuple) else [listing]):
            where = f"{_WHERE}[{number}]"
            if isinstance(item, Mapping) and "entry" in item:
                yield from self._dirent(item, where)
            else:
                yield from self._results(self._evaluate(item), where)

    def _evaluate(self, text: Value, *, strip: bool = True) -> Value:
        return self._evaluator.evaluate(text, inputs=self._inputs, runtime=self._runtime, where=_WHERE, strip=strip)

    def _results(self, value: Value, where: str) -> Iterator[_Entry]:
        """What an expression gave: files, Dirents whose text is final, nulls, and lists of these."""
        if value is None:
            return
        if isinstance(value, list):
            for item in value:
                yield from self._results(item, where)
        elif is_file_value(value):
            yield _Entry(well_formed(value, where))
        elif isinstance(value, Mapping) and "entry" in value:
            yield from _named(value["entry"], value.get("entryname"), value.get("writable") is True, where)
        else:
            message = f"gave {value_text(value)[:80]!r}; it must be a File, a Directory or an object with an entry"
            raise InputError(Problem(where, message))

    def _dirent(self, item: Mapping[str, Any], where: str) -> Iterator[_Entry]:
        name = self._evaluate(item.get("entryname"))
        if name is not None and not isinstance(name, str):
            raise InputError(Problem(f"{where}/entryname", f"must be text, not {value_text(name)[:80]}"))
        content = self._evaluate(item["entry"], strip=False)
        writable = self._evaluate(item.get("writable", False)) is True
        yield from _named(content, name, writable, where)


def _named(content: Value, name: str | None, writable: bool, where: str) -> Iterator[_Entry]:
    if content is None:
        return
    if isinstance(content, list) and (content or name is None) and all(is_file_value(item) for item in content):
        if name is not None:
            raise InputError(Problem(where, f"a list of files cannot all be called {name!r}; leave entryname out"))
        for item in content:
            yield _Entry(well_formed(item, where), None, writable)
    elif is_file_value(content):
        yield _Entry(well_formed(content, where), name, writable)
    elif name is None:
        raise InputError(Problem(where, "text needs an entryname"))
    else:
        yield _Entry(value_text(content), name, writable)


def _target(entry: _Entry, work: str, *, absolute: bool) -> tuple[str, str | None]:
    """Directory and name of an entry. Raises `InputError` for a name that leaves the working directory."""
    if entry.name is None:
        return work, None
    parts = entry.name.rstrip("/").split("/")
    if entry.name.startswith("/"):
        if not absolute:
            message = f"entryname {entry.name!r} is absolute; that needs DockerRequirement among the requirements"
            raise InputError(Problem(_WHERE, message))
        parts = parts[1:]
        work = ""
    for part in parts:
        check_basename(part, f"{_WHERE}: entryname {entry.name!r}")
    return posixpath.join(work or "/", *parts[:-1]).rstrip("/"), parts[-1]


def _original(value: FileValue, stage: Stage) -> FileValue:
    """The value with what expressions do not see of it: the listing of a literal directory, the name of a file."""
    source = dict(value)
    known = stage.origins.get(value.get("path", ""))
    if known is not None and is_literal(value):
        for key in ("listing", "contents"):
            if key in known:
                source.setdefault(key, known[key])
    if known is not None and IDENTITY in known:
        source.setdefault(IDENTITY, known[IDENTITY])
    source.pop("path", None)
    if "basename" not in source and known is not None:
        source["basename"] = known["basename"]
    return described(source, local_path, _WHERE) if "basename" not in source or "size" not in source else source


def _note_moves(value: FileValue, placed: FileValue, inputs: Mapping[str, Value], places: dict[str, FileValue]) -> None:
    path = value.get("path")
    if path is not None:
        places[path] = placed
    elif "location" in value:
        for item in _deep_files(list(inputs.values())):
            if item.get("location") == value["location"]:
                places.setdefault(item["path"], placed)
    for key in ("secondaryFiles", "listing"):
        for inner, inner_placed in zip(value.get(key) or (), placed.get(key) or (), strict=False):
            _note_moves(inner, inner_placed, {}, places)


def _deep_files(value: Value) -> Iterator[FileValue]:
    if isinstance(value, list):
        for item in value:
            yield from _deep_files(item)
    elif isinstance(value, dict):
        if is_file_value(value):
            yield value
        for item in value.values():
            if isinstance(item, list | dict):
                yield from _deep_files(item)
