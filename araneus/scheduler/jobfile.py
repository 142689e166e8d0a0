"""The inputs of a foreground run: a job file becomes values with locations.

Before the first stage of `scheduler.direct`. References in a job file are relative to the job file; what a file value
lacks (basename, size, ...) is filled in from the file itself. Source: CWL v1.2 CommandLineTool, "File", "Directory" and
"Executing CWL documents as scripts" (``cwl:tool``, ``cwl:requirements``).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from araneus.cwl.errors import InputError, Problem, UnsupportedError
from araneus.cwl.text import parse_text
from araneus.model.values import FileValue, Value, map_file_values

_MAX_BYTES = 64 * 1024 * 1024
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """What a job file says: the input values, the document to run (``cwl:tool``), requirements that come on top.

    ``namespaces`` are its own ``$namespaces``.
    """

    inputs: dict[str, Value] = field(default_factory=dict)
    namespaces: Mapping[str, str] = field(default_factory=dict)
    tool: str | None = None
    requirements: tuple[Mapping[str, Any], ...] = ()


def read_job(path: Path) -> JobFile:
    """The job file's content, files located. Raises `InputError` naming every port with a file that is not there."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(Problem(str(path), f"a job file may have at most {_MAX_BYTES // 2**20} MiB"))
        content = parse_text(path.read_bytes())
    except OSError as error:
        raise InputError(Problem(str(path), f"the job file cannot be read: {error.strerror}")) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise InputError(Problem(str(path), "a job file is a mapping from input names to values"))
    values = {_short(key): value for key, value in content.items() if not key.startswith(("cwl:", "$"))}
    tool = content.get("cwl:tool")
    spaces = content.get("$namespaces")
    return JobFile(
        inputs=located(values, path.parent.absolute()),
        namespaces={str(key): str(uri) for key, uri in spaces.items()} if isinstance(spaces, dict) else {},
        tool=tool if isinstance(tool, str) else None,
        requirements=_requirements(content.get("cwl:requirements")),
    )


def format_iri(text: str, namespaces: Mapping[str, str]) -> str:
    """A file format with its prefix written out, where there is one."""
    prefix, colon, rest = text.partition(":")
    return namespaces[prefix] + rest if colon and prefix in namespaces else text


def with_formats(values: Mapping[str, Value], namespaces: Mapping[str, str]) -> dict[str, Value]:
    """The values with the prefixes of file formats (``edam:format_2330``) written out."""

    def expanded(value: FileValue) -> FileValue:
        changed = dict(value)
        if value.get("format"):
            changed["format"] = format_iri(str(value["format"]), namespaces)
        if value.get("secondaryFiles"):
            changed["secondaryFiles"] = [map_file_values(item, expanded) for item in value["secondaryFiles"]]
        return changed

    return {port: map_file_values(value, expanded) for port, value in values.items()}


def _short(key: str) -> str:
    return key.rpartition("#")[2].rpartition("/")[2]


def _requirements(given: Any) -> tuple[Mapping[str, Any], ...]:
    if isinstance(given, dict):
        given = [{"class": name, **fields} for name, fields in given.items() if isinstance(fields, dict)]
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(item, dict) and "class" in item for item in given):
        raise InputError(Problem("cwl:requirements", "must be a list of requirements, each with its class"))
    return tuple(given)


def located(values: Mapping[str, Value], base: Path) -> dict[str, Value]:
    """The values with every File and Directory located and described. ``base`` is where relative references start."""
    problems: list[Problem] = []
    found = {port: _value(value, base, port, problems, 0) for port, value in values.items()}
    if problems:
        raise InputError(*problems)
    return found


def _value(value: Value, base: Path, where: str, problems: list[Problem], depth: int) -> Value:
    if depth > _MAX_DEPTH:
        problems.append(Problem(where, f"values are nested more than {_MAX_DEPTH} deep"))
        return None
    if isinstance(value, list):
        return [_value(item, base, f"{where}[{n}]", problems, depth + 1) for n, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if value.get("class") in {"File", "Directory"}:
        return _file_value(value, base, where, problems, depth)
    return {key: _value(item, base, f"{where}.{key}", problems, depth + 1) for key, item in value.items()}


def _file_value(value: FileValue, base: Path, where: str, problems: list[Problem], depth: int) -> FileValue:
    described = dict(value)
    for key in ("secondaryFiles", "listing"):
        if value.get(key) is not None:
            described[key] = _value(value[key], base, f"{where}.{key}", problems, depth + 1)
    reference = value.get("location") or value.get("path")
    if reference is None:
        if value["class"] == "File" and not isinstance(value.get("contents"), str):
            problems.append(Problem(where, "a File needs a location, a path or contents"))
        return described
    try:
        path = _path(str(reference), base, is_uri=bool(value.get("location")))
        return described | _description(value, path)
    except (InputError, UnsupportedError) as error:
        problems += (Problem(where, problem.what) for problem in error.problems)
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or error
        problems.append(Problem(where, f"{str(reference)[:200]!r} cannot be read: {why}"))
    return described


def _path(reference: str, base: Path, *, is_uri: bool) -> Path:
    parts = urlsplit(reference)
    if parts.scheme == "file":
        return Path(unquote(reference.partition("://")[2], errors="surrogateescape"))
    if parts.scheme and "://" in reference:
        raise UnsupportedError(Problem("", f"{reference[:200]!r} is not a file of this machine; fetch it first"))
    literal = base / reference
    if is_uri and not literal.exists():
        return base / unquote(reference, errors="surrogateescape")
    return literal


def _description(value: FileValue, path: Path) -> FileValue:
    """Location, names and size. The path is made absolute but links in it are kept: siblings are found beside it."""
    path = Path(os.path.normpath(path))
    status = path.stat()
    is_directory = value["class"] == "Directory"
    if path.is_dir() is not is_directory:
        raise InputError(Problem("", f"{str(path)!r} is {'not ' if is_directory else ''}a directory"))
    name = str(value.get("basename") or path.name)
    described: FileValue = {"class": value["class"], "location": path.as_uri(), "basename": name}
    if not is_directory:
        root, dot, extension = name.rpartition(".")
        split = bool(dot and root)
        described |= {
            "nameroot": root if split else name,
            "nameext": dot + extension if split else "",
            "size": status.st_size,
        }
    return described
