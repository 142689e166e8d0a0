"""The bytes of files, at signed URLs: whole or a range, never in memory at once. Source: API reference, uploads,
"Download protocol"."""

from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote

from araneus.api import links
from araneus.api.call import Answer, Call, Route, Stream
from araneus.api.errors import error_body
from araneus.api.ranges import Unsatisfiable, parse_range
from araneus.api.services import Services
from araneus.model.access import Permission
from araneus.model.errors import Fault, Refusal
from araneus.storage.base import Storage
from araneus.store import files, logs


def download(call: Call, services: Services) -> Answer:
    """``GET`` of a signed URL. A log that still grows is answered with the size that it has now."""
    file_id, name = call.path["file"], call.path["name"]
    by = links.check_signature(links.signing_key(services), call, f"downloads/{file_id}/{name}", services.clock())
    with services.database.read() as conn:
        file = files.get(conn, file_id) or logs.get(conn, file_id)
        if file is None or file.location is None:
            raise Refusal(Fault.FILE_NOT_FOUND, "Requested file does not exist any more.")
        links.check_still_allowed(conn, by, file.project, Permission.READ if file.is_log else Permission.COPY)
    try:
        size = services.storage.size(file.location)
    except FileNotFoundError as error:
        raise Refusal(Fault.FILE_NOT_FOUND, "The bytes of this file are not there.") from error
    return _answer(call, services.storage, file.location, file.name, size)


def _answer(call: Call, storage: Storage, location: str, name: str, size: int) -> Answer:
    tag = f'"{location.removeprefix("blob:")}"' if location.startswith("blob:") else None
    headers = [
        ("content-type", "application/octet-stream"),
        ("content-disposition", disposition(name)),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-cache"),
    ]
    if tag:
        headers.append(("etag", tag))
    if tag is not None and _has(call.headers.get("if-none-match"), tag):
        return Answer(status=304, headers=tuple(headers))
    wanted = call.headers.get("range")
    if call.headers.get("if-range", tag) != tag:
        wanted = None
    try:
        part = parse_range(wanted, size)
    except Unsatisfiable:
        body = error_body(416, 90000, f"The range starts behind the end: the file has {size} bytes.", call.base)
        return Answer(status=416, value=body, headers=(("content-range", f"bytes */{size}"),))
    if part is None:
        return Answer(headers=tuple(headers), stream=Stream(length=size, pieces=_pieces(storage, location, 0, size)))
    headers.append(("content-range", f"bytes {part.start}-{part.start + part.length - 1}/{size}"))
    pieces = _pieces(storage, location, part.start, part.length)
    return Answer(status=206, headers=tuple(headers), stream=Stream(length=part.length, pieces=pieces))


def _has(condition: str | None, tag: str) -> bool:
    """Whether an If-None-Match header names the tag, or any. Source: RFC 9110, section 13.1.2."""
    known = [one.strip().removeprefix("W/") for one in (condition or "").split(",")]
    return tag in known or known == ["*"]


def _pieces(storage: Storage, location: str, start: int, length: int) -> Iterator[bytes]:
    """The bytes, with the first piece read already: the file is open from here on, whatever becomes of its row."""
    if not length:
        return iter(())
    pieces = storage.read(location, start, length)
    first = next(pieces, b"")
    return chain([first], pieces)


def disposition(name: str) -> str:
    """Content-Disposition that saves under this name: plain ASCII for old clients, RFC 5987 for the others."""
    plain = "".join(character if 32 <= ord(character) < 127 and character not in '"\\%' else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"


ROUTES = (Route("GET", "/downloads/{file}/{name}", download, "Bytes of a file", importance=1, auth=False, slow=True),)
