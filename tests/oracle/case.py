"""One case of the oracle, and what a runner made of it, in a form in which two runners can be compared.

A `Case` is a document, a job object and the files that it names; `written` puts it on disk once, for both runners. What
they saw comes back as a `Seen` in which no path of this machine is left.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

DOCUMENT: Final = "tool.cwl"
JOB: Final = "job.json"
SHOWN: Final = 4096
"""Bytes of an output file that are kept, for messages."""
INPUT: Final = "<input>"
"""Stands for the directory of one staged input; both runners give each primary file one of its own."""
_BOOKKEEPING: Final = frozenset(
    {"location", "path", "dirname", "listing", "contents", "http://commonwl.org/cwltool#generation", "writable"}
)
"""Places, and marks that the peer leaves on values; what lies at a location is compared instead."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """``files`` maps paths beside the document to their text; a path that ends in ``/`` is an empty directory."""

    document: dict[str, Any]
    job: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version that the document declares."""
        return str(self.document["cwlVersion"])

    def written(self, directory: Path) -> Path:
        """The directory, made new, with the document, the job and the files in it."""
        directory.mkdir(parents=True)
        for name, text in self.files.items():
            place = directory / name
            if name.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        (directory / DOCUMENT).write_text(json.dumps(self.document, ensure_ascii=False))
        (directory / JOB).write_text(json.dumps(self.job, ensure_ascii=False))
        return directory

    def __repr__(self) -> str:
        files = "".join(f"\n  {name}: {text!r}" for name, text in self.files.items())
        return f"\n{json.dumps(self.document, indent=1)}\n--- job\n{json.dumps(self.job, indent=1)}\n--- files{files}\n"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a runner made of a case: a refusal with its words, or command and environment, or outputs."""

    refusal: str | None = None
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, str | None] = field(default_factory=dict)
    outputs: Any = None


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def masked(value: Any, places: Mapping[str, str]) -> Any:
    """The value with the job's own directories replaced by names; ``places`` maps patterns to names, tried in order."""
    if isinstance(value, str):
        for pattern, name in places.items():
            value = re.sub(pattern, name, value)
        return value
    if isinstance(value, list | tuple):
        return type(value)(masked(item, places) for item in value)
    if isinstance(value, Mapping):
        return {masked(key, places): masked(item, places) for key, item in value.items()}
    return value


def portable(value: Any) -> Any:
    """An output object without locations: files by name, size and the bytes that are really there."""
    if isinstance(value, list):
        return [portable(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("class") not in {"File", "Directory"}:
        return {key: portable(item) for key, item in value.items()}
    found = {key: item for key, item in value.items() if key not in _BOOKKEEPING}
    found["secondaryFiles"] = sorted(map(portable, value.get("secondaryFiles") or ()), key=_name)
    found |= _content(value)
    for key in ("size", "checksum"):
        if key in value and value[key] != found.get(key):
            found[f"wrong {key}"] = value[key]
    return found


def _content(value: Mapping[str, Any]) -> dict[str, Any]:
    """What a File or Directory really holds; a literal, which has no place, holds what it says."""
    place = Path(unquote(str(value.get("location", "")).removeprefix("file://")))
    if value["class"] == "Directory":
        listing = value.get("listing")
        if not place.is_dir() and isinstance(listing, list):
            return {"listing": sorted(map(_plain, listing), key=_name)}
        entries = sorted(place.iterdir(), key=lambda entry: entry.name) if place.is_dir() else None
        return {"listing": entries and [_plain(_found(entry)) for entry in entries]}
    if place.is_file():
        content = place.read_bytes()
    elif isinstance(value.get("contents"), str):
        content = value["contents"].encode()
    else:
        return {"missing": True}
    checksum = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    found = {"size": len(content), "checksum": f"sha1${checksum}"}
    return found | {"text": content.decode(errors="replace")} if len(content) < SHOWN else found


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of a listing."""
    return {"class": value["class"], "basename": value["basename"], **_content(value)}


def _found(place: Path) -> dict[str, Any]:
    kind = "Directory" if place.is_dir() else "File"
    return {"class": kind, "basename": place.name, "location": place.as_uri()}


def _name(value: Any) -> str:
    return str(value.get("basename")) if isinstance(value, dict) else ""
