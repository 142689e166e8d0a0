"""Files: finding, reading, renaming, copying, moving and deleting them. Source: API reference, files."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec

from araneus.api import access, links, wire
from araneus.api.call import NO_CONTENT, Answer, Call, Route
from araneus.api.file_views import LIST_FIELDS, is_brief, show_file, show_listed, show_one
from araneus.api.places import check_free, drop_orphans, folder_for, free_name_in, require_write
from araneus.api.services import Services
from araneus.model.access import Permission, require
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, check_file_name, check_metadata, check_tags
from araneus.model.ids import new_file_id
from araneus.store import files, projects
from araneus.store.database import Connection
from araneus.store.locks import Turn, take_turn

METADATA = "metadata."


class FileBody(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /files/{id}``: what is null or left out stays as it is."""

    name: str | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None


class CopyBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /files/{id}/actions/copy``."""

    project: str | None = None
    parent: str | None = None
    name: str | None = None


class MoveBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /files/{id}/actions/move``."""

    parent: str | None = None
    name: str | None = None


def list_files(call: Call, services: Services) -> Answer:
    """``GET /files``: what is directly in a project's root folder or in another folder."""
    if call.one("dataset"):
        raise Refusal(Fault.NOT_FOUND, "Requested dataset does not exist: this server has no datasets.")
    with services.database.read() as conn:
        folder, _ = folder_for(
            conn, call, project=call.one("project"), parent=call.one("parent"), missing=Fault.FILE_NOT_FOUND
        )
        return list_folder(conn, call, folder)


def list_folder(conn: Connection, call: Call, folder: File) -> Answer:
    """The content of a folder, filtered as the query says: names, tags and values of one key or, keys and."""
    at, selector = wire.window(call), wire.chosen(call, LIST_FIELDS)
    found = files.page(
        conn,
        parent=folder.id,
        names=call.many("name") or None,
        metadata={key[len(METADATA) :]: values for key, values in call.query.items() if key.startswith(METADATA)},
        tags=tuple(call.many("tag")),
        origin_task=call.one("origin.task") or None,
        offset=at.offset,
        limit=at.limit,
        brief=is_brief(selector),
    )
    return wire.page(call, show_listed(call, found.items, selector), total=found.total, at=at, default=LIST_FIELDS)


def get_file(call: Call, services: Services) -> Answer:
    """``GET /files/{id}``: a file, a folder, or a log."""
    with services.database.read() as conn:
        file, _ = access.file_of(conn, call, call.path["file"])
    return wire.one(call, show_one(call, services, file))


def edit_file(call: Call, services: Services) -> Answer:
    """``PATCH /files/{id}``: name, and the full sets of metadata and tags."""
    body = call.parse(FileBody, Fault.FILE_REQUEST_INVALID)
    with services.database.write() as conn:
        file = writable_file(conn, call, call.path["file"], "change the file", Fault.FOLDER_NOT_EDITABLE)
        changed = replace(edited(file, body), modified_on=services.clock())
        rename_checked(conn, file, changed)
        files.save(conn, changed)
    return wire.one(call, show_file(call, changed))


def rename_checked(conn: Connection, before: File, after: File) -> None:
    """Raise `Refusal` FILE_EXISTS when the new name is taken in the folder."""
    if after.name != before.name and before.parent is not None:
        check_free(conn, before.parent, after.name, Fault.FILE_EXISTS, besides=before.id)


def edited(file: File, body: FileBody) -> File:
    """The file as the body wants it; every rule is checked."""
    return replace(
        file,
        name=file.name if body.name is None else check_file_name(body.name),
        metadata=file.metadata if body.metadata is None else check_metadata(body.metadata),
        tags=file.tags if body.tags is None else check_tags(body.tags),
    )


def writable_file(conn: Connection, call: Call, file_id: str, to: str, folder_fault: Fault) -> File:
    """A file that the caller may change; not a folder (``folder_fault``), not a log, which are what they are.

    Nobody else can change it until the transaction ends, so that what is read may be merged and written back.
    """
    projects.lock(conn, access.file_of(conn, call, file_id)[0].project)
    file, held = access.file_of(conn, call, file_id)
    if file.folder:
        raise Refusal(folder_fault, f"{file.name[:80]!r} is a folder: its details cannot be changed by this call.")
    if file.hidden:
        raise Refusal(Fault.FILE_FORBIDDEN, "Logs of a task can be read, but not changed.")
    require_write(held, to)
    return file


def delete_file(call: Call, services: Services) -> Answer:
    """``DELETE /files/{id}``: a file or an empty folder."""
    with services.database.write() as conn:
        orphan = remove(conn, call.caller.username, call.path["file"])
    drop_orphans(services, [orphan])
    return NO_CONTENT


def remove(conn: Connection, username: str, file_id: str) -> str | None:
    """Delete the row in a user's name; the location of the bytes when that was their last one."""
    file, held = access.file_for(conn, username, file_id)
    if file.hidden:
        raise Refusal(Fault.FILE_FORBIDDEN, "Logs of a task leave with the task.")
    require_write(held, "delete the file")
    if file.folder and file.parent is None:
        raise Refusal(Fault.FILE_REQUEST_INVALID, "The root folder of a project leaves with the project.")
    if file.folder and files.children_count(conn, file.id):
        raise Refusal(Fault.FOLDER_NOT_EMPTY, f"Folder {file.name[:80]!r} is not empty: delete its content first.")
    return files.delete(conn, file.id)


def copy_file(call: Call, services: Services) -> Answer:
    """``POST /files/{id}/actions/copy``: a new row for the same bytes."""
    body = call.parse(CopyBody, Fault.FILE_REQUEST_INVALID)
    with services.database.write() as conn:
        folder, held = folder_for(conn, call, project=body.project, parent=body.parent)
        require_write(held, "copy files into it")
        copy = copied(conn, call.caller.username, call.path["file"], folder, body.name, now=services.clock())
    return wire.created(call, show_file(call, copy))


def copied(
    conn: Connection, username: str, file_id: str, folder: File, name: str | None = None, *, now: datetime
) -> File:
    """Insert a user's copy of a file into a folder; a name that is taken there gets a numeric prefix."""
    projects.lock(conn, folder.project)  # before the turn, as everybody does: the other order would deadlock
    take_turn(conn, Turn.LOCATIONS)  # so that nobody drops the bytes between our look at the row and the new one
    source, held = access.file_for(conn, username, file_id)
    if source.folder:
        raise Refusal(Fault.FOLDER_NOT_COPYABLE, "Folders cannot be copied by this call.")
    require(held, Permission.COPY, Fault.FILE_COPY_FORBIDDEN, "copy its files")
    if source.hidden:
        raise Refusal(Fault.FILE_COPY_FORBIDDEN, "Logs of a task can be downloaded, but not copied.")
    copy = replace(
        source,
        id=new_file_id(now.timestamp()),
        project=folder.project,
        parent=folder.id,
        name=free_name_in(conn, folder.id, check_file_name(name or source.name)),
        created_on=now,
        modified_on=now,
    )
    files.insert(conn, copy)
    return copy


def move_file(call: Call, services: Services) -> Answer:
    """``POST /files/{id}/actions/move``: to another folder of the same project; the id stays."""
    body = call.parse(MoveBody, Fault.FILE_REQUEST_INVALID)
    if not body.parent:
        raise Refusal(Fault.PARENT_MISSING, "Give the id of the folder as parent.")
    with services.database.write() as conn:
        file, held = access.file_of(conn, call, call.path["file"])
        if file.folder:
            raise Refusal(Fault.FILE_REQUEST_INVALID, "Folders cannot be moved by this call.")
        if file.hidden:
            raise Refusal(Fault.FILE_MOVE_FORBIDDEN, "Logs of a task cannot be moved.")
        require_write(held, "move its files", Fault.FILE_MOVE_FORBIDDEN)
        folder, _ = folder_for(conn, call, project=None, parent=body.parent)
        if folder.project != file.project:
            raise Refusal(Fault.FILE_MOVE_ACROSS_PROJECTS, "Files move within their project only; copy them instead.")
        name = check_file_name(body.name or file.name)
        check_free(conn, folder.id, name, Fault.FILE_EXISTS, besides=file.id)
        moved = replace(file, parent=folder.id, name=name, modified_on=services.clock())
        files.save(conn, moved)
    return wire.one(call, show_file(call, moved))


def download_info(call: Call, services: Services) -> Answer:
    """``GET /files/{id}/download_info``: a signed URL. Members read logs; all else needs the right to copy it out."""
    with services.database.read() as conn:
        file, held = access.file_of(conn, call, call.path["file"])
        if file.folder:
            raise Refusal(Fault.FOLDER_NOT_DOWNLOADABLE, "Folders cannot be downloaded.")
        if not file.is_log:
            require(held, Permission.COPY, Fault.FILE_FORBIDDEN, "download its files")
        key = links.signing_key(services)
    expires = services.clock() + services.settings.link_lifetime
    return Answer(value={"url": links.download_url(key, call, file, expires)})


ROUTES = (
    Route("GET", "/files", list_files, "Files of a project or folder", importance=1),
    Route("GET", "/files/{file}", get_file, "One file or folder", importance=1),
    Route("PATCH", "/files/{file}", edit_file, "Rename, replace metadata and tags", importance=1, shape=FileBody),
    Route("DELETE", "/files/{file}", delete_file, "Delete a file or an empty folder", importance=1),
    Route("POST", "/files/{file}/actions/copy", copy_file, "Copy to a project or folder", importance=1, shape=CopyBody),
    Route("POST", "/files/{file}/actions/move", move_file, "Move inside the project", shape=MoveBody),
    Route("GET", "/files/{file}/download_info", download_info, "Signed URL of the bytes", importance=1),
)
