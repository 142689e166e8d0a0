"""Are these inputs fit to run? Every problem at once, as the ``errors`` and ``warnings`` of a task.

Flow: `api.task_inputs` gives fitted values; the resource loads the file rows that they name (only those that the caller
may read) and the rows that lie beside them under the names of `wanted_names`; `check` decides. No I/O here.

An id that the caller may not read and one that does not exist give the same answer. Source: API reference, tasks,
sections 9 and 10.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from araneus.api.task_inputs import BESIDE, takes_list
from araneus.cwl.errors import Problem
from araneus.cwl.inputs import check_values
from araneus.cwl.process import MISSING, InputPort, Process, SecondaryFile
from araneus.cwl.secondary import fixed_name
from araneus.cwl.types import ArrayType, RecordType, Type, is_optional, options
from araneus.model.file import File
from araneus.model.values import FileValue, Value, file_values, is_file_value

MISSING_INPUT: Final = 7012
UNKNOWN_FILE: Final = 5002
NOT_CWL: Final = 7017
MAX_REPORTED: Final = 100
_SUGGESTIONS: Final = 3

FileRows = Mapping[str, File]
"""Rows by file id: only those that the caller may read."""
Neighbours = Mapping[tuple[str, str], File]
"""Rows by (id of the folder, name)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Inputs with the secondary files that were found, and what is wrong with them."""

    inputs: dict[str, Value]
    errors: tuple[dict[str, Any], ...] = ()
    warnings: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPlan:
    """How a task is split: by the input ``port``; ``criteria`` is empty for one child per item."""

    port: str
    criteria: tuple[str, ...] = ()


@dataclass(slots=True)
class _Findings:
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)


def entry(message: str, port: str | None, code: int = MISSING_INPUT) -> dict[str, Any]:
    """One item of a task's ``errors`` or ``warnings``."""
    return {"code": code, "status": 400, "message": message, "input": port, "more_info": None}


def wanted_names(process: Process, values: Mapping[str, Value], files: FileRows) -> dict[str, set[str]]:
    """The names of secondary files to look for, by the id of the folder in which the primary file lies."""
    wanted: dict[str, set[str]] = {}

    def note(_: str, file: FileValue, patterns: tuple[SecondaryFile, ...]) -> FileValue:
        row = files.get(file["path"])
        if row is not None and row.parent is not None:
            names = (fixed_name(row.name, pattern.pattern) for pattern in patterns)
            wanted.setdefault(row.parent, set()).update(name for name in names if name)
        return file

    for port in process.inputs:
        _map_primaries(port.type, port.secondary_files, values.get(port.id), port.id, note)
    return {folder: names for folder, names in wanted.items() if names}


def check(
    process: Process, values: Mapping[str, Value], *, files: FileRows, beside: Neighbours, batch: BatchPlan | None
) -> Checked:
    """The inputs with their secondary files, and all errors and warnings, in the order of the app's ports."""
    findings = _Findings()
    inputs = dict(values)
    for port in process.inputs:
        value = inputs.get(port.id)
        _check_files(port, value, files, findings)
        _check_file_types(port, value, files, findings)
        inputs[port.id] = _with_secondaries(port, value, files, beside, findings)
    _check_types(process, inputs, batch, findings)
    if batch is not None:
        _check_criteria(batch, inputs.get(batch.port), files, findings)
    order = {port.id: number for number, port in enumerate(process.inputs)}
    findings.errors.sort(key=lambda error: order.get(error["input"], len(order)))
    return Checked(inputs=inputs, errors=_capped(findings.errors), warnings=_capped(findings.warnings))


def _capped(entries: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    if len(entries) <= MAX_REPORTED:
        return tuple(entries)
    rest = len(entries) - MAX_REPORTED
    return (*entries[:MAX_REPORTED], entry(f"... and {rest} more of the same kind.", None, entries[-1]["code"]))


# ---- types


def _check_types(process: Process, inputs: Mapping[str, Value], batch: BatchPlan | None, findings: _Findings) -> None:
    listed = _listed_port(process, batch)
    for port in process.inputs:
        missing = inputs.get(port.id) is None and not is_optional(port.type) and port.default is MISSING
        if missing:
            findings.errors.append(entry(f"Required input {port.id} is not set.{_suggestion(port)}", port.id))
    asked = {port.id for port in process.inputs if inputs.get(port.id) is not None}
    plain = {name: inputs[name] for name in asked if listed is None or name != listed.id}
    for problem in check_values(process, plain):
        port_id = _port_of(problem, process.inputs)
        if port_id is None or port_id in plain:
            findings.errors.append(_type_error(problem, port_id))
    if listed is not None and inputs.get(listed.id) is not None:
        _check_items(process, listed, inputs[listed.id], findings)


def _suggestion(port: InputPort) -> str:
    """What the app suggests for an input (``sbg:suggestedValue``), for people: it is never taken unasked."""
    suggested = port.extensions.get("sbg:suggestedValue")
    if suggested is None or suggested == []:
        return ""
    values = suggested if isinstance(suggested, list) else [suggested]
    shown = ", ".join(_suggested(value) for value in values[:_SUGGESTIONS])
    return f" The app suggests {shown}{', ...' if len(values) > _SUGGESTIONS else ''}."


def _suggested(value: Value) -> str:
    if is_file_value(value):
        name, identity = value.get("name") or value.get("basename"), value.get("path")
        return f"{value['class'].lower()} {str(name or identity)[:80]!r}" + (
            f" (id {str(identity)[:40]})" if name else ""
        )
    return json.dumps(value, ensure_ascii=False)[:80]


def _listed_port(process: Process, batch: BatchPlan | None) -> InputPort | None:
    """The batch input, when its type takes one item and the batch gives a list of them."""
    for port in process.inputs:
        if batch is not None and port.id == batch.port and not takes_list(port.type):
            return port
    return None


def _check_items(process: Process, port: InputPort, items: Value, findings: _Findings) -> None:
    for number, item in enumerate(items if isinstance(items, list) else [items]):
        for problem in check_values(process, {port.id: item}):
            if _port_of(problem, process.inputs) == port.id:
                where = f"{port.id}[{number}]{problem.where[len(port.id) :]}"
                findings.errors.append(_type_error(Problem(where, problem.what), port.id))


def _type_error(problem: Problem, port: str | None) -> dict[str, Any]:
    return entry(f"Invalid value of input {problem}", port)


def _port_of(problem: Problem, ports: Iterable[InputPort]) -> str | None:
    """The port that a problem's place begins with; the longest, since port ids may hold dots."""
    names = [
        port.id
        for port in ports
        if problem.where == port.id or problem.where.startswith((f"{port.id}.", f"{port.id}[", f"{port.id}/"))
    ]
    return max(names, key=len, default=None)


# ---- files


def _check_files(port: InputPort, value: Value, files: FileRows, findings: _Findings) -> None:
    for file in file_values(value):
        row = files.get(file["path"])
        if row is None:
            findings.errors.append(
                entry(f"Input {port.id}: no file or folder {file['path']!r} that you can read.", port.id, UNKNOWN_FILE)
            )
        elif row.folder != (file["class"] == "Directory"):
            found = "a folder, not a file" if row.folder else "a file, not a folder"
            findings.errors.append(entry(f"Input {port.id}: {row.name!r} ({row.id}) is {found}.", port.id))


def _check_file_types(port: InputPort, value: Value, files: FileRows, findings: _Findings) -> None:
    suffixes = _file_types(port.extensions.get("sbg:fileTypes"))
    if not suffixes:
        return
    for file in file_values(value):
        row = files.get(file["path"])
        if row is not None and not row.folder and not row.name.lower().endswith(suffixes):
            shown = ", ".join(suffix.lstrip(".").upper() for suffix in suffixes)
            findings.warnings.append(entry(f"Input {port.id}: {row.name!r} is not of type {shown}.", port.id))


def _file_types(declared: Any) -> tuple[str, ...]:
    """``"BAM, .CRAM"`` or a list of such texts as lower-case endings of file names."""
    parts = declared if isinstance(declared, list) else [declared]
    names = [name.strip().lstrip(".").lower() for part in parts if isinstance(part, str) for name in part.split(",")]
    return tuple(f".{name}" for name in names if name)


def _with_secondaries(port: InputPort, value: Value, files: FileRows, beside: Neighbours, found: _Findings) -> Value:
    """The value with what lies beside its files: added to explicit ``secondaryFiles``, else noted under `BESIDE`."""

    def change(where: str, file: FileValue, patterns: tuple[SecondaryFile, ...]) -> FileValue:
        row = files.get(file["path"])
        if row is None or row.folder:
            return file
        given = file.get("secondaryFiles") or []
        rows = [files.get(item["path"]) for item in given]
        for item, known in zip(given, rows, strict=True):
            if known is None:
                message = f"Input {where}: no secondary file {item['path']!r} that you can read."
                found.errors.append(entry(message, port.id, UNKNOWN_FILE))
        names = {known.name for known in rows if known is not None}
        missing, neighbours = _look_beside(row, patterns, names, beside)
        for name in missing:
            message = f"Input {where}: required secondary file {name!r} is not beside {row.name!r}."
            found.errors.append(entry(message, port.id))
        if given:
            return file | {"secondaryFiles": [*given, *map(_value_of, neighbours)]}
        return file | {BESIDE: [neighbour.id for neighbour in neighbours]} if neighbours else file

    return _map_primaries(port.type, port.secondary_files, value, port.id, change)


def _look_beside(
    primary: File, patterns: Iterable[SecondaryFile], given: Collection[str], beside: Neighbours
) -> tuple[list[str], list[File]]:
    """Names that are required and absent, and rows that were found, for one primary file."""
    missing: dict[str, None] = {}
    neighbours: dict[str, File] = {}
    for pattern in patterns:
        name = fixed_name(primary.name, pattern.pattern)
        if name is None or name in given:
            continue
        row = beside.get((primary.parent or "", name))
        if row is not None:
            neighbours[name] = row
        elif pattern.required is None or pattern.required is True:
            missing[name] = None
    return list(missing), list(neighbours.values())


def _value_of(row: File) -> FileValue:
    return {"class": "Directory" if row.folder else "File", "path": row.id}


# ---- walking the files of a value along its type

_Patterns = tuple[SecondaryFile, ...]
_Change = Callable[[str, FileValue, _Patterns], FileValue]


def _map_primaries(kind: Type, patterns: _Patterns, value: Value, where: str, change: _Change) -> Value:
    """The value with every file value (not within secondary files) replaced by ``change(place, file, patterns)``."""
    if is_file_value(value):
        return change(where, value, patterns)
    if isinstance(value, list):
        items = next((option.items for option in options(kind) if isinstance(option, ArrayType)), kind)
        return [
            _map_primaries(items, patterns, item, f"{where}[{number}]", change) for number, item in enumerate(value)
        ]
    if isinstance(value, dict):
        fields = _record_fields(kind, value)
        return {
            key: _map_primaries(*fields.get(key, (kind, ())), item, f"{where}.{key}", change)
            for key, item in value.items()
        }
    return value


def _record_fields(kind: Type, value: Mapping[str, Value]) -> dict[str, tuple[Type, _Patterns]]:
    records = [option for option in options(kind) if isinstance(option, RecordType)]
    best = max(records, key=lambda record: sum(item.name in value for item in record.fields), default=None)
    return {item.name: (item.type, item.secondary_files) for item in best.fields} if best else {}


# ---- batch


def _check_criteria(batch: BatchPlan, value: Value, files: FileRows, findings: _Findings) -> None:
    for criterion in batch.criteria:
        key = criterion.removeprefix("metadata.")
        rows = (files.get(file["path"]) for file in file_values(value))
        without = [row.name for row in rows if row is not None and _lacks(row, criterion, key)]
        if without:
            shown = ", ".join(repr(name) for name in without[:5]) + (", ..." if len(without) > 5 else "")
            message = f"Batch input {batch.port}: no metadata {key!r} on {shown}; grouped under an empty value."
            findings.warnings.append(entry(message, batch.port))


def _lacks(row: File, criterion: str, key: str) -> bool:
    return criterion.startswith("metadata.") and not row.metadata.get(key)
