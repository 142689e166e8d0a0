"""Searching files with the query language. Source: API reference, files, "Search".

A search walks through the folders in order, by name, and looks at a bounded number of files per call: when it stops
early, the token of the answer says where to go on, as it does behind the last file that fits the limit.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from araneus.api import wire
from araneus.api.call import Answer, Call, Route
from araneus.api.file_views import show_file
from araneus.api.paths import file_at
from araneus.api.scroll import decode_token, encode_token
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.model.search import Query, parse
from araneus.store import trees
from araneus.store.database import Connection

START = "start"
SEEN = 20_000
"""Files that one call looks at."""
DEEPEST = 200
"""Folders inside folders that a search follows."""
_PIECE = 200
_PROJECTS = "projects/"


class SearchBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /files/search``."""

    query: str | None = None


class _Walk:
    """The files of the locations in order. ``place`` is where it stands: the location's number, then the names of the
    folders and of the last file."""

    def __init__(self, conn: Connection, locations: list[File], *, recursive: bool, place: list[str]) -> None:
        self._conn = conn
        self._locations = locations
        self._recursive = recursive
        self.place = place

    def __iter__(self) -> Iterator[File]:
        number, names = (int(self.place[0]), self.place[1:]) if self.place else (0, [])
        for index, location in enumerate(self._locations[number:], number):
            yield from self._folder(location, [str(index)], names)
            names = []

    def _folder(self, folder: File, above: list[str], names: list[str]) -> Iterator[File]:
        """What is behind ``names`` in a folder: first inside the folder that the first of them names, if it is one."""
        last = names[0] if names else None
        if names and self._recursive and len(above) < DEEPEST:
            inner = trees.after(self._conn, folder.id, None, limit=1, which=trees.Filter(names=[names[0]]))
            if inner and inner[0].folder:
                yield from self._folder(inner[0], [*above, names[0]], names[1:])
        while True:
            found = trees.after(self._conn, folder.id, last, limit=_PIECE)
            for file in found:
                self.place = [*above, file.name]
                yield file
                if file.folder and self._recursive and len(above) < DEEPEST:
                    yield from self._folder(file, [*above, file.name], [])
            if len(found) < _PIECE:
                return
            last = found[-1].name


def search(call: Call, services: Services) -> Answer:
    """``POST /files/search``."""
    text = call.parse(SearchBody).query or ""
    if not text.strip():
        raise Refusal(Fault.BAD_REQUEST, 'Give a query, for example: IN "owner/project" WHERE type = "FILE".')
    query = parse(text)
    limit = min(query.limit or wire.MAX_LIMIT, wire.window(call).limit if call.one("limit") else wire.MAX_LIMIT)
    token = call.one("cont_token") or query.token or START
    place = [] if token.lower() in {START, "init"} else decode_token(token)
    known = {str(number) for number in range(len(query.locations))}
    if place and (place[0] not in known or len(place) > DEEPEST + 2):
        raise Refusal(Fault.BAD_REQUEST, "This token belongs to another search.")
    with services.database.read() as conn:
        locations = [_location(conn, call, name) for name in query.locations]
        found, following = _found(_Walk(conn, locations, recursive=query.recursive, place=place), query, limit)
    shown: list[dict[str, Any]] = [show_file(call, file) for file in found]
    return Answer(value={"count": len(shown), "cont_token": following, "result_set": shown})


def _found(walk: _Walk, query: Query, limit: int) -> tuple[list[File], str]:
    """The files, and the token to go on with; it is empty when there is nothing more to look at."""
    found: list[File] = []
    for seen, file in enumerate(walk, 1):
        if query.condition(file):
            found.append(file)
        if len(found) == limit or seen == SEEN:
            return found, encode_token(walk.place)
    return found, ""


def _location(conn: Connection, call: Call, name: str) -> File:
    """The folder of a location: a project, or a folder by its path; ``/Projects/`` may stand before it."""
    path = name.strip("/")
    if path.lower().startswith(_PROJECTS):
        path = path[len(_PROJECTS) :]
    folder = file_at(conn, call.caller.username, path)
    if folder is None or not folder.folder:
        raise Refusal(Fault.FILE_NOT_FOUND, f"The location {name[:200]!r} does not exist: name owner/project[/folder].")
    return folder


ROUTES = (Route("POST", "/files/search", search, "Search with a query", importance=3, shape=SearchBody),)
