"""Errands: copying, moving and deleting many files and folders while the caller does something else.

The call only writes down what is asked; `api.background` does it. Source: API reference, "Asynchronous file jobs".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from araneus.api import wire
from araneus.api.call import Answer, Call, Handler, Route
from araneus.api.errors import fault_body
from araneus.api.file_views import show_file
from araneus.api.services import Services
from araneus.model.errand import MOST_ITEMS, Entry, EntryState, Errand, ErrandKind, ErrandState, new_errand_id
from araneus.model.errors import Fault, Refusal
from araneus.store import errands

LIST_FIELDS = (
    "href", "id", "type", "state", "total_files", "completed_files", "failed_files", "started_on", "finished_on",
)  # fmt: skip


class Item(msgspec.Struct, kw_only=True):
    """A file or folder, and where it should go; empty texts are as good as none."""

    file: str | None = None
    parent: str | None = None
    project: str | None = None
    name: str | None = None


class ItemsBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /async/files/...``."""

    items: list[Item] = []


def show_errand(call: Call, errand: Errand, entries: Sequence[Entry]) -> dict[str, Any]:
    """The object of an asynchronous job; its result is there when it is finished."""
    kind = errand.kind.value
    return {
        "href": call.href("async", "files", kind.lower(), errand.id),
        "id": errand.id,
        "type": kind,
        "state": errand.state.value,
        "result": [_show_entry(call, entry) for entry in entries],
        "total_files": errand.total,
        "completed_files": errand.completed,
        "failed_files": errand.failed,
        "started_on": wire.timestamp(errand.started_on),
        "finished_on": wire.timestamp(errand.finished_on),
    }


def _show_entry(call: Call, entry: Entry) -> dict[str, Any]:
    named = {"href": call.href("files", entry.source), "id": entry.source}
    shown = named if entry.shown is None else show_file(call, entry.shown)
    if entry.state is not EntryState.FAILED:
        return {"resource": shown}
    return {
        "error": fault_body(entry.fault or Fault.ERRAND_INTERRUPTED, entry.message or "", call.base),
        "resource": shown,
    }


def start(kind: ErrandKind) -> Handler:
    """The handler of ``POST /async/files/copy``, ``move`` or ``delete``."""

    def handler(call: Call, services: Services) -> Answer:
        items = call.parse(ItemsBody, Fault.ERRAND_REQUEST_INVALID).items
        _check(items, kind)
        errand = Errand(
            id=new_errand_id(services.clock()),
            username=call.caller.username,
            kind=kind,
            total=len(items),
            started_on=services.clock(),
        )
        entries = [_entry(errand, number, item) for number, item in enumerate(items, 1)]
        with services.database.write() as conn:
            errands.insert(conn, errand, entries)
        services.chores.set()
        return wire.created(call, show_errand(call, errand, ()))

    return handler


def _entry(errand: Errand, number: int, item: Item) -> Entry:
    aimed = errand.kind is not ErrandKind.DELETE
    return Entry(
        errand=errand.id,
        number=number,
        source=item.file or "",
        project=(item.project or None) if aimed else None,
        parent=(item.parent or None) if aimed else None,
        name=(item.name or None) if aimed else None,
    )


def _check(items: Sequence[Item], kind: ErrandKind) -> None:
    """Refuse what cannot be meant; what does not exist or is not allowed fails by itself, later."""
    if not items:
        raise Refusal(Fault.ERRAND_SOURCES_EMPTY, "Give the files as items: at least one.")
    if len(items) > MOST_ITEMS:
        raise Refusal(Fault.ERRAND_REQUEST_INVALID, f"At most {MOST_ITEMS} items per call, not {len(items)}.")
    seen: set[tuple[str | None, ...]] = set()
    for number, item in enumerate(items):
        if not item.file:
            raise Refusal(Fault.ERRAND_REQUEST_INVALID, f"items[{number}] has no file: give the id of one.")
        if kind is not ErrandKind.DELETE and not item.project and not item.parent:
            raise Refusal(
                Fault.ERRAND_DESTINATION_MISSING, f"items[{number}] has no destination: give its parent or project."
            )
        if kind is not ErrandKind.DELETE and item.project and item.parent:
            raise Refusal(Fault.ERRAND_REQUEST_INVALID, f"items[{number}]: give either parent or project, not both.")
        aim = (item.parent or "", item.project or "", item.name or "") if kind is ErrandKind.COPY else ()
        if (item.file, *aim) in seen:
            raise Refusal(Fault.ERRAND_SOURCES_DUPLICATE, f"items[{number}] names {item.file[:80]!r} once more.")
        seen.add((item.file, *aim))


def get(kind: ErrandKind) -> Handler:
    """The handler of ``GET /async/files/copy/{job_id}``, ``move`` or ``delete``."""

    def handler(call: Call, services: Services) -> Answer:
        with services.database.read() as conn:
            errand = errands.get(conn, call.path["job_id"])
            if errand is None or errand.kind is not kind or errand.username != call.caller.username:
                raise Refusal(Fault.ERRAND_NOT_FOUND, "Requested job does not exist; it is kept for about a month.")
            wanted = errand.state is ErrandState.FINISHED and wire.chosen(call).wants("result")
            entries = errands.result(conn, errand.id) if wanted else []
        return wire.one(call, show_errand(call, errand, entries))

    return handler


def list_errands(call: Call, services: Services) -> Answer:
    """``GET /async/files``: the caller's own, the latest first."""
    at = wire.window(call)
    with services.database.read() as conn:
        found = errands.page(conn, username=call.caller.username, offset=at.offset, limit=at.limit)
        detailed = wire.chosen(call, LIST_FIELDS).wants("result")
        entries = {
            errand.id: errands.result(conn, errand.id)
            for errand in found.items
            if detailed and errand.state is ErrandState.FINISHED
        }
    items = [show_errand(call, errand, entries.get(errand.id, ())) for errand in found.items]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def _routes(kind: ErrandKind) -> tuple[Route, ...]:
    path, verb = f"/async/files/{kind.value.lower()}", kind.value.capitalize()
    return (
        Route("POST", path, start(kind), f"{verb} files and folders in the background", shape=ItemsBody),
        Route("GET", f"{path}/{{job_id}}", get(kind), f"{verb}: how far it is, and its result", slow=True),
    )


ROUTES = (
    Route("GET", "/async/files", list_errands, "The caller's asynchronous jobs", importance=3, slow=True),
    *_routes(ErrandKind.COPY),
    *_routes(ErrandKind.MOVE),
    *_routes(ErrandKind.DELETE),
)
