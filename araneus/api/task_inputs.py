"""The inputs of a task as plain values: taking them from a request, merging a change, fitting them to the app's ports.

Flow: a request's ``inputs`` → `merged` into what is stored → `taken` (shape checked, file values reduced to class and
id) → `fitted` (every port, nothing else) → `api.task_checks`, which holds them against files and types. No I/O here.

A file value inside a task is ``{"class": "File"|"Directory", "path": <file id>}`` and, where the caller gave them,
``secondaryFiles`` of the same shape and ``format`` (an IRI); what a check found beside the file stands as ids under
`BESIDE`, for showing: a run looks again. Nothing else of what a caller sends for a file is kept: above all no
``location``, which would name bytes on the server. Source: API reference, tasks, sections 3 and 15.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from araneus.cwl.process import InputPort
from araneus.cwl.types import ANY, DIRECTORY, FILE, ArrayType, Type, options
from araneus.model.errors import Fault, Refusal
from araneus.model.values import FileValue, Value, file_values, is_file_value

MAX_DEPTH: Final = 40
MAX_INTEGER: Final = 2**63
BESIDE: Final = "beside"
_CLASSES: Final = {"file": "File", "directory": "Directory", "folder": "Directory"}
_MAX_ID = 200
_MAX_FORMAT = 2000


def taken(values: Any) -> dict[str, Value]:
    """The inputs of a request in the form in which a task stores them. R writes an empty list for no inputs.

    Raises `Refusal` (400) naming the place when they are unusable: not an object, a file value without an id, text with
    a NUL character, a number beyond 64 bits, or nesting deeper than `MAX_DEPTH`.
    """
    return {_text(key, "inputs"): _taken(value, f"inputs.{key}", 1) for key, value in _by_port(values).items()}


def _by_port(values: Any) -> dict[str, Any]:
    if values is None or values == []:
        return {}
    if not isinstance(values, dict):
        raise _unusable("inputs", f"expected an object keyed by input id, got {_kind(values)}")
    return values


def _taken(value: Value, where: str, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise _unusable(where[:200], f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, dict):
        if _file_class(value):
            return _taken_file(value, where, depth)
        if not isinstance(value.get("class", ""), str):
            raise _unusable(where, '"class" must be text')
        return {_text(key, where): _taken(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_taken(item, f"{where}[{number}]", depth + 1) for number, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise _unusable(where, "not a finite number")
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        raise _unusable(where, "an integer of more than 64 bits")
    return value


def _taken_file(value: dict[str, Any], where: str, depth: int) -> FileValue:
    identity = value.get("path")
    if not isinstance(identity, str) or not identity:
        raise _unusable(where, 'a File or Directory needs "path", the id of a file or folder of a project')
    if len(identity) > _MAX_ID:
        raise _unusable(where, f'"path" is longer than {_MAX_ID} characters; expected a file id')
    file: FileValue = {"class": _file_class(value), "path": _text(identity, where)}
    if isinstance(value.get("format"), str) and len(value["format"]) <= _MAX_FORMAT:
        file["format"] = _text(value["format"], where)
    secondaries = value.get("secondaryFiles")
    if secondaries is None:
        return file
    if not isinstance(secondaries, list) or not all(isinstance(item, dict) for item in secondaries):
        raise _unusable(where, "secondaryFiles must be a list of File or Directory objects")
    if secondaries:
        file["secondaryFiles"] = [
            _taken({"class": "File"} | item, f"{where}.secondaryFiles[{number}]", depth + 1)
            for number, item in enumerate(secondaries)
        ]
    return file


def _file_class(value: Mapping[str, Any]) -> str | None:
    name = value.get("class")
    return _CLASSES.get(name.lower()) if isinstance(name, str) else None


def _text(text: str, where: str) -> str:
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        raise _unusable(where[:200].replace("\x00", "?"), "text with a NUL or an unpaired surrogate character")
    return text


def _unusable(where: str, what: str) -> Refusal:
    place = where.encode("utf-8", "replace").decode()[:200]
    return Refusal(Fault.BAD_REQUEST, f"Unusable task inputs: {place}: {what}.")


def _kind(value: Any) -> str:
    names = {list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def merged(stored: Mapping[str, Value], change: Any) -> dict[str, Value]:
    """The stored inputs with a PATCH merged in, port by port; still to go through `taken`.

    A null clears a port. An object without ``class`` changes only its own keys of the stored object, since
    `sevenbridges-python` sends differences; when it changes the id of a file, the secondary files of the old one go.
    """
    changes = _by_port(change)
    return dict(stored) | {port: _merged_value(stored.get(port), value, 1) for port, value in changes.items()}


def _merged_value(old: Value, new: Value, depth: int) -> Value:
    if depth > MAX_DEPTH or not isinstance(old, dict) or not isinstance(new, dict) or "class" in new:
        return new
    result = dict(old)
    if is_file_value(old) and new.get("path", old["path"]) != old["path"]:
        result.pop("secondaryFiles", None)
        result.pop(BESIDE, None)
    for key, value in new.items():
        result[key] = _merged_value(old.get(key), value, depth + 1)
    return result


def fitted(ports: Iterable[InputPort], values: Mapping[str, Value], *, listed: str | None = None) -> dict[str, Value]:
    """One value per port, null where none is given; keys that are no ports are dropped.

    A single file at a port that takes only lists becomes a list of one, and a list of one file at a port that takes
    no lists becomes that file. ``listed`` names the batch input: its value is a list, whatever its type. A key may have
    the ``#`` of an id in a document of sbg:draft-2; what is stored has none, so it is newer than one without.
    """
    named = {**values, **{key[1:]: value for key, value in values.items() if key.startswith("#")}}
    return {port.id: _fitted(port.type, named.get(port.id), port.id == listed) for port in ports}


def _fitted(kind: Type, value: Value, listed: bool) -> Value:
    if isinstance(value, list) and not listed and len(value) == 1 and is_file_value(value[0]):
        return value[0] if _takes_single(kind) and not takes_list(kind) else value
    if value is None or isinstance(value, list):
        return value
    if listed:
        return [value]
    wrap = is_file_value(value) and takes_list(kind) and not _takes_single(kind)
    return [value] if wrap else value


def takes_list(kind: Type) -> bool:
    """Whether a list may stand at a port of this type."""
    return any(isinstance(option, ArrayType) or option == ANY for option in options(kind))


def _takes_single(kind: Type) -> bool:
    return any(option in (FILE, DIRECTORY, ANY) for option in options(kind))


def file_ids(values: Value) -> Iterator[str]:
    """Every file id in a value, with those of secondary files."""
    for file in file_values(values):
        yield from _ids_of(file)


def _ids_of(file: FileValue) -> Iterator[str]:
    if isinstance(file.get("path"), str):
        yield file["path"]
    yield from file.get(BESIDE) or ()
    for secondary in file.get("secondaryFiles") or ():
        yield from _ids_of(secondary)
