"""File values close up: names, sizes, contents and listings, read from where their bytes are.

Used by `cwl.ready` before a job starts and by `cwl.produced` after it ended. Every path comes from a `Locate`, so that
the caller decides which bytes may be reached. Source: CWL v1.2 CommandLineTool, "File", "Directory", "loadContents".
"""

import os
import posixpath
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from araneus.cwl.errors import CWLError, InputError, Problem
from araneus.cwl.process import DRAFT_2, Listing
from araneus.cwl.types import DIRECTORY, FILE, matches
from araneus.model.file import Location
from araneus.model.values import FileValue, Value

Locate: TypeAlias = Callable[[Location], Path]
"""A location as a path of this machine, to be read only. Raises `InputError` when it may not or cannot be reached."""

CONTENTS_LIMIT: Final = 64 * 1024
"""Bytes that ``loadContents`` may load."""
MAX_ENTRIES: Final = 100_000
"""Files and directories that one listing may hold, all levels together."""
_MAX_NAME: Final = 255
_LENIENT_CONTENTS: Final = frozenset({"v1.0", "v1.1", DRAFT_2})


def local_path(location: Location) -> Path:
    """The path of a ``file://`` location; `InputError` for any other."""
    if location.startswith("file:///"):
        return Path(os.fsdecode(_unquoted(location[7:])))
    if location.startswith("file://localhost/"):
        return Path(os.fsdecode(_unquoted(location[16:])))
    raise InputError(Problem("", f"there is no file at {location[:200]!r}: only file:/// locations can be read here"))


def _unquoted(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text


def file_location(path: Path | str) -> Location:
    """The ``file://`` location of an absolute path."""
    return "file://" + quote(os.fsencode(path))


def split_name(basename: str) -> tuple[str, str]:
    """``nameroot`` and ``nameext``: the last extension is split off; a leading dot does not begin one."""
    return posixpath.splitext(basename)


def check_basename(name: Value, where: str, error: type[CWLError] = InputError) -> str:
    """The name itself when one file of a directory may bear it; otherwise ``error`` is raised."""
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise error(Problem(where, f"{str(name)[:80]!r} cannot be the name of a file: it must be one path component"))
    if len(os.fsencode(name) if name.isascii() else name.encode("utf-8", "surrogatepass")) > _MAX_NAME:
        raise error(Problem(where, f"file name {name[:80]!r}... is longer than {_MAX_NAME} bytes"))
    return name


def is_literal(value: FileValue) -> bool:
    """Whether a file value carries its own content instead of a location."""
    location = value.get("location")
    return location is None or str(location).startswith("_:")


def well_formed(value: FileValue, where: str, error: type[CWLError] = InputError) -> FileValue:
    """The value itself when it is a File or Directory through and through; otherwise ``error`` is raised."""
    problems = matches(DIRECTORY if value["class"] == "Directory" else FILE, value)
    if problems:
        raise error(*(Problem(f"{where}{problem.where}", problem.what) for problem in problems))
    return value


def described(value: FileValue, locate: Locate, where: str) -> FileValue:
    """A copy with ``basename``, ``nameroot``, ``nameext`` and ``size``, inside secondary files and listings too.

    Raises `InputError` for a name that cannot be one, and for a value without location or content.
    """
    return _described(well_formed(value, where), locate, where)


def _described(value: FileValue, locate: Locate, where: str) -> FileValue:
    result = dict(value)
    basename = result.get("basename")
    if basename is None:
        basename = _own_name(value, where)
    result["basename"] = check_basename(basename, where)
    if value.get("class") == "File":
        result["nameroot"], result["nameext"] = split_name(basename)
        if "size" not in result:
            result["size"] = _size(value, locate, where)
    elif is_literal(value) and not isinstance(value.get("listing"), list):
        raise InputError(Problem(where, f"directory {basename!r} has neither a location nor a listing"))
    for key in ("secondaryFiles", "listing"):
        if result.get(key):
            result[key] = [_described(item, locate, f"{where}/{key}") for item in result[key]]
    return result


def _own_name(value: FileValue, where: str) -> str:
    location = value.get("location")
    if isinstance(location, str) and location.startswith(("file://", "/")):
        return posixpath.basename(_unquoted(location).rstrip("/"))
    if isinstance(value.get("path"), str):
        return posixpath.basename(str(value["path"]).rstrip("/"))
    if is_literal(value):
        return "literal"
    raise InputError(Problem(where, f"the {value.get('class')} at {str(location)[:100]!r} has no basename"))


def _size(value: FileValue, locate: Locate, where: str) -> int:
    if is_literal(value):
        contents = value.get("contents")
        if not isinstance(contents, str):
            raise InputError(Problem(where, "a File needs a location, or contents"))
        return len(contents.encode("utf-8", "surrogatepass"))
    path = locate(value["location"])
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(Problem(where, f"{value['location']} cannot be read: {error.strerror}")) from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(Problem(where, f"{value['location']} is not a regular file"))
    return found.st_size


def contents(path: Path, cwl_version: str, where: str, error: type[CWLError] = InputError) -> str:
    """The first 64 KiB of a file as text (UTF-8). From v1.2 on a larger file is an error; earlier it is cut."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(CONTENTS_LIMIT + 1)
    except OSError as problem:
        raise error(Problem(where, f"{path.name} cannot be read: {problem.strerror}")) from None
    if len(content) > CONTENTS_LIMIT and cwl_version not in _LENIENT_CONTENTS:
        raise error(
            Problem(where, f"{path.name} is larger than the 64 KiB that loadContents may load; read it in the tool")
        )
    return content[:CONTENTS_LIMIT].decode("utf-8", "replace")


def literal_contents(value: FileValue, cwl_version: str, where: str) -> str:
    """The content of a literal, under the same limit as a file's."""
    content = value["contents"].encode("utf-8", "surrogatepass")
    if len(content) > CONTENTS_LIMIT and cwl_version not in _LENIENT_CONTENTS:
        raise InputError(Problem(where, "the literal is larger than the 64 KiB that loadContents may load"))
    return str(content[:CONTENTS_LIMIT].decode("utf-8", "replace"))


def listed(value: FileValue, level: Listing, locate: Locate, where: str) -> FileValue:
    """The Directory with its listing as deep as ``level`` asks for; literals keep the listing that they are made of."""
    if level is Listing.NONE:
        return value
    if is_literal(value):
        entries = value.get("listing") or []
    elif isinstance(value.get("listing"), list):
        entries = value["listing"]
    else:
        entries = _read_listing(value["location"], locate, where)
    if level is Listing.DEEP:
        entries = [listed(item, level, locate, where) if item["class"] == "Directory" else item for item in entries]
    return {**value, "listing": entries}


def _read_listing(location: Location, locate: Locate, where: str) -> list[FileValue]:
    path = locate(location)
    base = location.rstrip("/")
    found: list[FileValue] = []
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if len(found) >= MAX_ENTRIES:
                    raise InputError(Problem(where, f"{location} holds more than {MAX_ENTRIES} entries"))
                if entry.is_dir():
                    found.append(_entry("Directory", base, entry.name))
                elif entry.is_file():
                    found.append({**_entry("File", base, entry.name), "size": entry.stat().st_size})
    except OSError as error:
        raise InputError(Problem(where, f"{location} cannot be listed: {error.strerror}")) from None
    return found


def _entry(kind: str, base: Location, name: str) -> FileValue:
    value: FileValue = {"class": kind, "location": f"{base}/{quote(os.fsencode(name))}", "basename": name}
    if kind == "File":
        value["nameroot"], value["nameext"] = split_name(name)
    return value


def trimmed(value: Value, level: Listing) -> Value:
    """What an expression may see of a value's listings at this level. A directory without a location is its listing."""
    if isinstance(value, list):
        return [trimmed(item, level) for item in value]
    if not isinstance(value, dict) or level is Listing.DEEP:
        return value
    if value.get("class") == "Directory":
        if "listing" not in value:
            return value
        if "location" not in value:
            return {**value, "listing": [trimmed(item, level) for item in value["listing"]]}
        rest = {key: item for key, item in value.items() if key != "listing"}
        if level is Listing.SHALLOW:
            rest["listing"] = [trimmed(item, Listing.NONE) for item in value["listing"]]
        return rest
    if value.get("class") == "File":
        return value
    return {key: trimmed(item, level) for key, item in value.items()}
