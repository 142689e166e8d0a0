"""Many files at once: one answer per entry, in order; an entry that fails does not stop the others.

Source: API reference, "Synchronous bulk" and "old batch copy".
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from araneus.api import access, wire
from araneus.api.call import Answer, Call, Route
from araneus.api.errors import fault_body
from araneus.api.file_views import show_file, show_one
from araneus.api.files import FileBody, copied, edited, remove, rename_checked, writable_file
from araneus.api.places import drop_orphans, folder_for, require_write
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import files, projects
from araneus.store.database import Connection

MOST = 100


class IdsBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /bulk/files/get`` and ``/delete``."""

    file_ids: list[str]


class Change(msgspec.Struct, kw_only=True):
    """What should become of one file; the Python client says ``id``, the reference ``file_id``."""

    id: str | None = None
    file_id: str | None = None
    name: str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None


class ChangesBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /bulk/files/update`` and ``/edit``."""

    items: list[Change]


class CopiesBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /action/files/copy``."""

    file_ids: list[str]
    project: str | None = None
    parent: str | None = None


class _Listed(msgspec.Struct, kw_only=True):
    """What is taken of the bodies above before each entry is looked at by itself: one that is no file id, or no change,
    fails alone."""

    file_ids: list[Any] | None = None
    items: list[Any] | None = None


def get_files(call: Call, services: Services) -> Answer:
    """``POST /bulk/files/get``."""

    def get(conn: Connection, file_id: Any) -> dict[str, Any]:
        return show_one(call, services, access.file_of(conn, call, _id(file_id))[0])

    wanted = _ids(call)
    with services.database.read() as conn:
        return _answer([_entry(call, partial(get, conn, one)) for one in wanted])


def delete_files(call: Call, services: Services) -> Answer:
    """``POST /bulk/files/delete``."""
    orphans: list[str | None] = []

    def delete(conn: Connection, file_id: Any) -> dict[str, Any]:
        file, _ = access.file_of(conn, call, _id(file_id))
        orphans.append(remove(conn, call.caller.username, file.id))
        return show_file(call, file)

    with services.database.write() as conn:
        entries = [_entry(call, partial(delete, conn, one)) for one in _ids(call)]
    drop_orphans(services, orphans)
    return _answer(entries)


def update_files(call: Call, services: Services) -> Answer:
    """``POST /bulk/files/update``: metadata and tags become what is given, also when nothing is."""
    return _change_files(
        call,
        services,
        lambda file, change: FileBody(name=change.name, metadata=change.metadata or {}, tags=change.tags or []),
    )


def edit_files(call: Call, services: Services) -> Answer:
    """``POST /bulk/files/edit``: metadata is merged, and what is left out stays."""
    return _change_files(
        call,
        services,
        lambda file, change: FileBody(
            name=change.name,
            metadata=None if change.metadata is None else {**file.metadata, **change.metadata},
            tags=change.tags,
        ),
    )


def _change_files(call: Call, services: Services, meaning: Callable[[File, Change], FileBody]) -> Answer:
    def save(conn: Connection, item: Any) -> dict[str, Any]:
        change = _change(item)
        file = writable_file(conn, call, _named(item), "change its files", Fault.FOLDER_NOT_EDITABLE)
        changed = replace(edited(file, meaning(file, change)), modified_on=services.clock())
        rename_checked(conn, file, changed)
        files.save(conn, changed)
        return show_file(call, changed)

    changes = _few(call.parse(_Listed, Fault.FILE_REQUEST_INVALID).items, "items")
    with services.database.write() as conn:
        _lock_projects(conn, call, [_named(item) for item in changes])
        entries = [_entry(call, partial(save, conn, item)) for item in changes]
    return _answer(entries)


def _lock_projects(conn: Connection, call: Call, ids: Sequence[str]) -> None:
    """Lock the projects of the files in one order for everybody, so that two bulk calls cannot wait for each other."""
    for project in sorted({file.project for file in files.get_many(conn, ids).values()}):
        if projects.permissions(conn, project, call.caller.username) is not None:
            projects.lock(conn, project)


def copy_files(call: Call, services: Services) -> Answer:
    """``POST /action/files/copy``: copies into one project, keyed by the id of the source."""
    body, wanted = call.parse(CopiesBody, Fault.FILE_REQUEST_INVALID), _ids(call)

    def copy(conn: Connection, folder: File, file_id: str) -> dict[str, Any]:
        try:
            made = copied(conn, call.caller.username, file_id, folder, now=services.clock())
        except Refusal as refusal:
            return {"status": "ERROR", "message": refusal.message, "error": _error(call, refusal)}
        return {"status": "OK", "new_file_id": made.id, "new_file_name": made.name}

    with services.database.write() as conn:
        folder, held = folder_for(conn, call, project=body.project, parent=body.parent)
        require_write(held, "copy files into it")
        return Answer(value={one: copy(conn, folder, one) for one in dict.fromkeys(wanted)})


def _ids(call: Call) -> list[Any]:
    return _few(call.parse(_Listed, Fault.FILE_REQUEST_INVALID).file_ids, "file_ids")


def _few(items: list[Any] | None, name: str) -> list[Any]:
    if items is None:
        raise Refusal(Fault.FILE_REQUEST_INVALID, f"Give the files as a list: {name!r}.")
    if len(items) > MOST:
        raise Refusal(Fault.FILE_REQUEST_INVALID, f"At most {MOST} files per call, not {len(items)}.")
    return items


def _id(value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal(Fault.FILE_REQUEST_INVALID, "The id of a file is a text.")
    return value


def _change(item: Any) -> Change:
    try:
        return msgspec.convert(item, type=Change)
    except msgspec.ValidationError as error:
        raise Refusal(Fault.FILE_REQUEST_INVALID, f"Invalid change: {error}.") from error


def _named(item: Any) -> str:
    """The id in a change, empty for none."""
    named = (item.get("id") or item.get("file_id")) if isinstance(item, dict) else None
    return named if isinstance(named, str) else ""


def _entry(call: Call, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What one entry answers. Refusals come before anything is written, so the others' transaction goes on."""
    try:
        return {"resource": wire.chosen(call).apply(work())}
    except Refusal as refusal:
        return {"error": _error(call, refusal)}


def _error(call: Call, refusal: Refusal) -> dict[str, Any]:
    return fault_body(refusal.fault, refusal.message, call.base)


def _answer(entries: Sequence[dict[str, Any]]) -> Answer:
    return Answer(value={"items": list(entries)})


ROUTES = (
    Route("POST", "/bulk/files/get", get_files, "Many files", shape=IdsBody),
    Route("POST", "/bulk/files/delete", delete_files, "Delete many files", shape=IdsBody),
    Route("POST", "/bulk/files/update", update_files, "Replace details of many files", shape=ChangesBody),
    Route("POST", "/bulk/files/edit", edit_files, "Merge details into many files", shape=ChangesBody),
    Route("POST", "/action/files/copy", copy_files, "Copy many files to a project", shape=CopiesBody),
)
