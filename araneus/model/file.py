"""Files and folders: named rows that point at bytes, and the rules for their names, tags and metadata.

Source: API reference, files ("File object", "Names", "Metadata rules").
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from araneus.model.errors import Fault, Refusal

Location: TypeAlias = str
"""``scheme:path`` of bytes: ``blob:<sha256>`` (shared, immutable), ``job:<attempt id>/<name>`` (a log, may grow),
``file:///absolute/path`` (a path on this machine; never accepted from a caller of the API)."""

MAX_NAME = 255
MAX_METADATA_PAIRS = 1000
MAX_METADATA_KEY = 100
MAX_METADATA_VALUE = 300
_FOLDER_NAME = re.compile(r"[A-Za-z0-9_\-.]+")
_NOT_IN_FOLDER_NAME = re.compile(r"[^A-Za-z0-9_\-.]")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file or a folder of a project.

    ``hidden`` files (logs of jobs, and what failed tasks left) can be read by id but stand in no listing. ``parent`` is
    None only for the root folder of a project. ``size`` is in bytes, and None for a folder.
    """

    id: str
    project: str
    parent: str | None
    name: str
    folder: bool = False
    size: int | None = None
    location: Location | None = None
    hidden: bool = False
    origin_task: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    created_on: datetime
    modified_on: datetime

    @property
    def is_log(self) -> bool:
        """Whether it is a log, which all members may download, and not what a failed task has left, which is data."""
        return self.hidden and self.origin_task is None


def check_file_name(name: str) -> str:
    """The name itself when a file may bear it; else `Refusal` (5024)."""
    problem = None
    if not name or name in {".", ".."}:
        problem = "it is empty or a relative path"
    elif len(name) > MAX_NAME or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME:
        problem = f"it is longer than {MAX_NAME} bytes"
    elif any(map(is_refused, name)):
        problem = "it holds '/' or a control character"
    if problem:
        raise Refusal(Fault.FILE_NAME_INVALID, f"Invalid file name {name[:80]!r}: {problem}.")
    return name


def is_refused(character: str) -> bool:
    """Whether no name of a file may hold this character: a slash, a control character, half of a surrogate pair."""
    return character == "/" or unicodedata.category(character) in {"Cc", "Cs"}


def check_folder_name(name: str) -> str:
    """The name itself when a folder may bear it; else `Refusal` (5024)."""
    check_file_name(name)
    if not _FOLDER_NAME.fullmatch(name) or name.startswith("__"):
        raise Refusal(
            Fault.FILE_NAME_INVALID,
            f"Invalid folder name {name[:80]!r}: use letters, digits, '_', '-' and '.', not starting with '__'.",
        )
    return name


def safe_folder_name(name: str) -> str:
    """The nearest name that a folder may bear: letters, digits, ``_``, ``-`` and ``.``, not starting with ``__``."""
    clean = _NOT_IN_FOLDER_NAME.sub("_", name)
    if clean.startswith("__"):
        clean = "_" + clean.lstrip("_")
    if clean in {"", "_", ".", ".."}:
        clean = "folder"
    return clean[:MAX_NAME]


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or the first of ``_1_name``, ``_2_name``, ... that is not taken."""
    if name not in taken:
        return name
    number = 1
    while f"_{number}_{name}" in taken:
        number += 1
    return f"_{number}_{name}"


def check_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata without its null values, when every rule holds; else `Refusal` (5006, 5035).

    A value is text or a list of texts; numbers and booleans are kept as their JSON text, as the platform shows them.
    """
    if len(metadata) > MAX_METADATA_PAIRS:
        raise Refusal(Fault.METADATA_INVALID, f"A file may have at most {MAX_METADATA_PAIRS} metadata pairs.")
    return {key: _metadata_value(key, value) for key, value in metadata.items() if value is not None}


def _metadata_value(key: str, value: Any) -> str | list[str]:
    if not key:
        raise Refusal(Fault.METADATA_KEY_EMPTY, "A metadata key is empty.")
    if _too_long(key, MAX_METADATA_KEY):
        raise Refusal(Fault.METADATA_INVALID, f"Metadata key {key[:80]!r} is longer than {MAX_METADATA_KEY} bytes.")
    if isinstance(value, list):
        return [_metadata_text(key, item) for item in value]
    return _metadata_text(key, value)


def _metadata_text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        raise Refusal(Fault.METADATA_INVALID, f"Metadata value of {key[:80]!r} is neither text nor a list of texts.")
    if _too_long(value, MAX_METADATA_VALUE):
        raise Refusal(
            Fault.METADATA_INVALID, f"Metadata value of {key[:80]!r} is longer than {MAX_METADATA_VALUE} bytes."
        )
    return value


def _too_long(text: str, limit: int) -> bool:
    if any(character == "\x00" or 0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise Refusal(Fault.METADATA_INVALID, "Metadata holds a NUL or an unpaired surrogate character.")
    return len(text.encode()) > limit


def check_tags(tags: Any) -> tuple[str, ...]:
    """The tags, each once, in order; `Refusal` when they are not a list of texts without commas."""
    if tags is None:
        return ()
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Refusal(Fault.FILE_REQUEST_INVALID, "Tags must be a list of texts.")
    for tag in tags:
        if not tag or "," in tag or "\x00" in tag or len(tag) > MAX_NAME:
            raise Refusal(
                Fault.FILE_REQUEST_INVALID, f"Invalid tag {tag[:80]!r}: 1 to {MAX_NAME} characters without comma."
            )
    return tuple(dict.fromkeys(tags))
