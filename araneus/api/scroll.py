"""Lists of files that are read from one token to the next: nothing comes twice or is missed while others come and go.

Source: API reference, files, "GET /files/scroll". A token says behind which name the list goes on.
"""

import base64
import binascii

import msgspec

from araneus.api import access, wire
from araneus.api.call import Answer, Call, Route
from araneus.api.file_views import LIST_FIELDS, is_brief, show_listed
from araneus.api.files import METADATA
from araneus.api.places import folder_for
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import trees
from araneus.store.database import Connection

START = "init"


def encode_token(place: list[str]) -> str:
    """The token of a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def decode_token(token: str) -> list[str]:
    """The place of a token; `Refusal` for a text that is none."""
    try:
        place = msgspec.json.decode(base64.b64decode(token, altchars=b"-_", validate=True), type=list[str])
        if any("\x00" in name for name in place):
            raise ValueError("no name holds a NUL character")
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise Refusal(
            Fault.BAD_REQUEST, f"{token[:80]!r} is no token of a list: begin with {START!r}, then follow the links."
        ) from error
    return place


def scroll_files(call: Call, services: Services) -> Answer:
    """``GET /files/scroll``."""
    if call.one("dataset"):
        raise Refusal(Fault.NOT_FOUND, "Requested dataset does not exist: this server has no datasets.")
    with services.database.read() as conn:
        folder, _ = folder_for(
            conn, call, project=call.one("project"), parent=call.one("parent"), missing=Fault.FILE_NOT_FOUND
        )
        return _scroll(conn, call, folder)


def scroll_folder(call: Call, services: Services) -> Answer:
    """``GET /files/{id}/scroll``."""
    with services.database.read() as conn:
        folder, _ = access.file_of(conn, call, call.path["file"])
        if not folder.folder:
            raise Refusal(Fault.PARENT_NOT_FOLDER, f"{folder.name[:80]!r} is a file: it has no content to list.")
        return _scroll(conn, call, folder)


def _scroll(conn: Connection, call: Call, folder: File) -> Answer:
    at = wire.window(call)
    if at.offset:
        raise Refusal(Fault.BAD_REQUEST, "Give either offset or token: a token says itself where the list goes on.")
    limit, token = at.limit, call.one("token") or START
    place = [] if token == START else decode_token(token)
    if len(place) > 1:
        raise Refusal(Fault.BAD_REQUEST, "This token belongs to another list.")
    which = trees.Filter(
        names=call.many("name") or None,
        metadata={key.removeprefix(METADATA): values for key, values in call.query.items() if key.startswith(METADATA)},
        tags=tuple(call.many("tag")),
        origin_task=call.one("origin.task") or None,
    )
    selector = wire.chosen(call, LIST_FIELDS)
    behind = place[0] if place else None
    found = trees.after(conn, folder.id, behind, limit=limit + 1, which=which, brief=is_brief(selector))
    shown = show_listed(call, found[:limit], selector)
    following = encode_token([found[limit - 1].name]) if len(found) > limit else None
    total = trees.count(conn, folder.id, which)
    return wire.stretch(call, shown, total=total, limit=limit, token=following, default=LIST_FIELDS)


ROUTES = (
    Route("GET", "/files/scroll", scroll_files, "Files of a project or folder, from token to token", importance=3),
    Route("GET", "/files/{file}/scroll", scroll_folder, "Content of a folder, from token to token", importance=3),
)
