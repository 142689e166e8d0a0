"""References from documents to other things: URIs, and the locations of File and Directory literals.

A document that came through the API has no base: what it names stays an opaque ``path``, never a location, so that no
document can make the server read a file of its own machine.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit

from araneus.model.values import Value, is_file_value

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://|file:|data:|keep:")
_SAFE = "/:@!$&'()*+,;=~%"


def join(base: str, reference: str) -> str:
    """A URI reference, with or without fragment, seen from a base URI."""
    if _SCHEME.match(reference):
        return reference
    if reference.startswith("#"):
        return base.partition("#")[0] + reference
    path, hash_, fragment = reference.partition("#")
    relative = quote(path, safe=_SAFE)
    joined = urljoin(base, relative if relative.startswith("/") else f"./{relative}")
    return joined + hash_ + fragment


def local_path(uri: str) -> Path | None:
    """The path that a ``file:`` URI names, without its fragment; None for any other scheme."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        return None
    return Path(unquote(parts.path))


def place_files(value: Value, base: str | None) -> Value:
    """The value with every File and Directory in it, at any depth, bound to its place.

    With a base ``location`` becomes absolute (from ``location``, a URI reference, or ``path``, a plain path), and
    ``path`` goes. Without one ``location`` becomes ``path``, for whoever runs the document to look up or refuse.
    """
    if isinstance(value, list):
        return [place_files(item, base) for item in value]
    if not isinstance(value, dict):
        return value
    base = getattr(value, "base", base)
    placed: dict[str, Any] = {key: place_files(item, base) for key, item in value.items()}
    if is_file_value(value):
        _place(placed, base)
    return placed


def _place(file: dict[str, Any], base: str | None) -> None:
    location, path = file.get("location"), file.get("path")
    if base is None:
        if "location" in file:
            del file["location"]
            file.setdefault("path", location)
    elif isinstance(location, str) and not location.startswith("_:"):
        file["location"] = join(base, location)
        file.pop("path", None)
    elif isinstance(path, str):
        file["location"] = path if _SCHEME.match(path) else join(base, quote(path, safe=_SAFE.replace("%", "")))
        del file["path"]
