"""What a task was given becomes what the engine works with: file ids turn into file values with locations.

Reads the database, writes nothing. Every value is built anew from the file's row: what a caller or a document put
beside the id (a ``location``, a ``listing``) never gets through. Source: execution semantics of the platform, "Inputs".
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from araneus.cwl.errors import ExpressionError, InputError, Problem
from araneus.cwl.expressions import Evaluator
from araneus.cwl.files import split_name
from araneus.cwl.inplace import IDENTITY, may_happen
from araneus.cwl.process import Process, Script, SecondaryFile, Text, Workflow
from araneus.cwl.secondary import asked_name, fixed_name
from araneus.cwl.types import MAX_FILE_DEPTH, ArrayType, RecordType, Type, options
from araneus.model.file import File, Location
from araneus.model.ids import is_file_id
from araneus.model.values import FileValue, Value, is_file_value
from araneus.scheduler.jobfile import format_iri
from araneus.store import files, projects
from araneus.store.database import Connection

MAX_LISTED = 100_000
"""How many files and folders one input folder may hold, all levels together."""
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Located:
    """The inputs of a task with locations, and the rows behind them by location."""

    inputs: dict[str, Value]
    rows: Mapping[Location, tuple[File, ...]] = field(default_factory=dict)


def locate_inputs(
    connection: Connection, process: Process, inputs: Mapping[str, Value], *, actor: str, evaluator: Evaluator
) -> Located:
    """The inputs with every file id replaced. ``actor`` must be able to read each file's project.

    Raises `InputError` naming every port whose file is gone, unreadable or of the wrong kind.
    """
    search = _Search(connection, actor, inputs, process)
    located = {port: search.value(value, port) for port, value in inputs.items()}
    if search.problems:
        raise InputError(*search.problems)
    _attach_secondary(connection, process, located, search, evaluator)
    return Located(located, {location: tuple(rows) for location, rows in search.rows.items()})


class _Search:
    """One pass over the inputs: looks ids up in bulk, builds values, gathers problems."""

    def __init__(self, connection: Connection, actor: str, inputs: Mapping[str, Value], process: Process) -> None:
        self._named = may_happen(process)  # who changes files in place must know which they are
        self._namespaces = process.extensions.get("$namespaces") or {}
        self._connection = connection
        self._actor = actor
        self._readable: dict[str, bool] = {}
        self._found = files.get_many(connection, sorted(set(_ids(list(inputs.values())))))
        self._listed = 0
        self.problems: list[Problem] = []
        self.rows: dict[Location, list[File]] = defaultdict(list)
        self.sources: dict[int, File] = {}

    def value(self, value: Value, where: str) -> Value:
        """The value with its files located; ``where`` is its place for messages."""
        if is_file_value(value):
            return self._file_value(value, where)
        if isinstance(value, list):
            return [self.value(item, f"{where}[{number}]") for number, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.value(item, f"{where}.{key}") for key, item in value.items()}
        return value

    def _file_value(self, value: FileValue, where: str) -> FileValue | None:
        identity = value.get("path") or value.get("location")
        if identity is None and isinstance(value.get("contents"), str):
            literal = {"class": "File", "basename": _safe(value.get("basename")), "contents": value["contents"]}
            return self._with_said(literal, value, where)
        if identity is None and value["class"] == "Directory" and isinstance(value.get("listing"), list):
            listing = [self.value(item, f"{where}.listing") for item in value["listing"]]
            return {"class": "Directory", "basename": _safe(value.get("basename")), "listing": listing}
        row = self._row(value, identity, where)
        if row is None:
            return None
        if row.folder:
            return self.folder_value(row, where)
        return self._with_said(self.file_value(row), value, where)

    def _with_said(self, located: FileValue, value: FileValue, where: str) -> FileValue:
        """The file with what may be said of it: its format, and the files that belong to it."""
        if isinstance(value.get("format"), str):
            located["format"] = format_iri(value["format"], self._namespaces)
        explicit = [item for item in value.get("secondaryFiles") or [] if is_file_value(item)]
        if explicit:
            located["secondaryFiles"] = [
                self._file_value(item, f"{where}.secondaryFiles[{number}]") for number, item in enumerate(explicit)
            ]
        return located

    def _row(self, value: FileValue, identity: Any, where: str) -> File | None:
        kind = "folder" if value["class"] == "Directory" else "file"
        shown = value.get("name") or value.get("basename") or identity
        if not isinstance(identity, str) or not is_file_id(identity):
            self._refuse(where, f"{str(identity)[:120]!r} is not the id of a {kind}; choose a {kind} for this input")
            return None
        row = self._found.get(identity)
        if row is None or not self._may_read(row):
            self._refuse(where, f"{kind} {shown!r} (id {identity}) was deleted or is not readable by {self._actor}")
            return None
        if row.folder is not (kind == "folder"):
            self._refuse(where, f"{row.name!r} (id {identity}) is a {'folder' if row.folder else 'file'}, not a {kind}")
            return None
        return row

    def _may_read(self, row: File) -> bool:
        if row.project not in self._readable:
            self._readable[row.project] = projects.permissions(self._connection, row.project, self._actor) is not None
        return self._readable[row.project]

    def file_value(self, row: File) -> FileValue:
        """The value of one file row; remembers the row."""
        assert row.location is not None, row.id
        self.rows[row.location].append(row)
        root, extension = split_name(row.name)
        value: FileValue = {
            "class": "File",
            "location": row.location,
            "basename": row.name,
            "nameroot": root,
            "nameext": extension,
            "size": row.size or 0,
            "metadata": dict(row.metadata),
        }
        self.sources[id(value)] = row
        if self._named:
            value[IDENTITY] = row.id
        return value

    def folder_value(self, folder: File, where: str, depth: int = 1) -> FileValue:
        """The value of a folder row with all that it holds, ``depth`` being its own."""
        if depth > MAX_FILE_DEPTH:
            raise InputError(Problem(where, f"its folders are nested more than {MAX_FILE_DEPTH} levels deep"))
        listing: list[FileValue] = []
        for row in _children(self._connection, folder.id):
            self._listed += 1
            if self._listed > MAX_LISTED:
                raise InputError(Problem(where, f"folder {folder.name!r} holds more than {MAX_LISTED} files"))
            listing.append(self.folder_value(row, where, depth + 1) if row.folder else self.file_value(row))
        # A blank location says which folder it is; what it holds is in the listing alone, as with every literal.
        return {"class": "Directory", "location": f"_:{folder.id}", "basename": folder.name, "listing": listing}

    def _refuse(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))


def _children(connection: Connection, parent: str) -> Iterator[File]:
    offset = 0
    while True:
        page = files.page(connection, parent=parent, offset=offset, limit=_PAGE)
        yield from page.items
        offset += len(page.items)
        if not page.items or offset >= page.total:
            return


def _ids(value: Value) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _ids(item)
    elif isinstance(value, dict):
        if is_file_value(value):
            identity = value.get("path") or value.get("location")
            if isinstance(identity, str) and is_file_id(identity):
                yield identity
        for item in value.values():
            if isinstance(item, list | dict):
                yield from _ids(item)


def _safe(name: Any) -> str:
    text = name if isinstance(name, str) and name not in {"", ".", ".."} else "literal"
    return "".join("_" if character == "/" or ord(character) < 32 else character for character in text)[:255]


def _attach_secondary(
    connection: Connection, process: Process, inputs: Mapping[str, Value], search: _Search, evaluator: Evaluator
) -> None:
    """Give each primary file the secondary files of its port that lie beside it, unless it came with its own."""
    wanted: list[tuple[FileValue, str]] = []
    for port in process.inputs:
        patterns = port.secondary_files or _inner_patterns(process, port.id)
        for value, applied in _with_patterns(port.type, inputs.get(port.id), patterns):
            if "secondaryFiles" in value or id(value) not in search.sources:
                continue
            for pattern in applied:
                wanted += [(value, name) for name in _names(pattern, value, inputs, evaluator, port.id)]
    by_folder: dict[str, set[str]] = defaultdict(set)
    for value, name in wanted:
        by_folder[search.sources[id(value)].parent or ""].add(name)
    beside = {parent: files.named(connection, parent, sorted(names)) for parent, names in by_folder.items()}
    for value, name in wanted:
        row = beside[search.sources[id(value)].parent or ""].get(name)
        if row is not None and name not in {item["basename"] for item in value.get("secondaryFiles", ())}:
            found = search.folder_value(row, "secondaryFiles") if row.folder else search.file_value(row)
            value.setdefault("secondaryFiles", []).append(found)


def _inner_patterns(process: Process, port: str) -> tuple[SecondaryFile, ...]:
    """The patterns of the step ports that take this workflow input as it is: the platform's editor may leave the
    workflow's own port without them."""
    if not isinstance(process, Workflow):
        return ()
    found: dict[Text, SecondaryFile] = {}
    for step in process.steps:
        inner = {item.id: item for item in step.run.inputs}
        for item in step.inputs:
            if port in item.source and item.id in inner:
                patterns = inner[item.id].secondary_files or _inner_patterns(step.run, item.id)
                found.update({pattern.pattern: pattern for pattern in patterns})
    return tuple(found.values())


def _with_patterns(
    kind: Type, value: Value, patterns: tuple[SecondaryFile, ...]
) -> Iterator[tuple[FileValue, tuple[SecondaryFile, ...]]]:
    """Every File in the value with the patterns that apply to it: a record field's own, else the port's."""
    if is_file_value(value):
        if value["class"] == "File" and patterns:
            yield value, patterns
    elif isinstance(value, list):
        items = [option.items for option in options(kind) if isinstance(option, ArrayType)]
        for item in value:
            yield from _with_patterns(items[0] if items else kind, item, patterns)
    elif isinstance(value, dict):
        for option in options(kind):
            if isinstance(option, RecordType):
                for entry in option.fields:
                    yield from _with_patterns(entry.type, value.get(entry.name), entry.secondary_files)


def _names(
    pattern: SecondaryFile, value: FileValue, inputs: Mapping[str, Value], evaluator: Evaluator, port: str
) -> list[str]:
    text = pattern.pattern
    name = fixed_name(value["basename"], text)
    if name is not None:
        return [name]
    where = f"inputs/{port}/secondaryFiles"
    try:
        return list(_asked(evaluator.evaluate(text, inputs=inputs, self_=value, where=where), value["basename"], text))
    except ExpressionError:
        if isinstance(text, Script):  # of which none must be there; it may know other inputs than the workflow's
            return []
        raise


def _asked(result: Value, basename: str, pattern: Text) -> Iterator[str]:
    if isinstance(result, str) and result:
        yield asked_name(basename, pattern, result)
    elif isinstance(result, list):
        for item in result:
            yield from _asked(item, basename, pattern)
    elif is_file_value(result):
        yield from _asked(result.get("basename") or result.get("path") or result.get("location"), basename, pattern)


def known_locations(inputs: Mapping[str, Value]) -> set[Location]:
    """Every location in located inputs, secondary files and listings included."""
    return set(_locations(list(inputs.values())))


def _locations(value: Value) -> Iterator[Location]:
    if isinstance(value, list):
        for item in value:
            yield from _locations(item)
    elif isinstance(value, dict):
        if is_file_value(value) and isinstance(value.get("location"), str):
            yield value["location"]
        for item in value.values():
            if isinstance(item, list | dict):
                yield from _locations(item)
