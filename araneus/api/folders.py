"""Folders: making and listing them. Source: API reference, files, "Folders"."""

import msgspec

from araneus.api import access, wire
from araneus.api.call import Answer, Call, Route
from araneus.api.file_views import show_file
from araneus.api.files import list_folder
from araneus.api.places import check_free, folder_for, require_write
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, check_folder_name
from araneus.model.ids import new_file_id
from araneus.store import files


class FolderBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /files``."""

    name: str | None = None
    type: str | None = None
    project: str | None = None
    parent: str | None = None


def create_folder(call: Call, services: Services) -> Answer:
    """``POST /files``: folders only; files arrive as uploads."""
    body = call.parse(FolderBody, Fault.FILE_REQUEST_INVALID)
    if (body.type or "").lower() != "folder":
        raise Refusal(Fault.FOLDER_TYPE_INVALID, "Only folders can be created by this call: set type to folder.")
    name, now = check_folder_name(body.name or ""), services.clock()
    with services.database.write() as conn:
        parent, held = folder_for(conn, call, project=body.project, parent=body.parent)
        require_write(held, "create folders")
        check_free(conn, parent.id, name, Fault.FOLDER_EXISTS)
        folder = File(
            id=new_file_id(now.timestamp()),
            project=parent.project,
            parent=parent.id,
            name=name,
            folder=True,
            created_on=now,
            modified_on=now,
        )
        files.insert(conn, folder)
    return wire.created(call, show_file(call, folder))


def list_content(call: Call, services: Services) -> Answer:
    """``GET /files/{id}/list``."""
    with services.database.read() as conn:
        folder, _ = access.file_of(conn, call, call.path["file"])
        if not folder.folder:
            raise Refusal(Fault.PARENT_NOT_FOLDER, f"{folder.name[:80]!r} is a file: it has no content to list.")
        return list_folder(conn, call, folder)


ROUTES = (
    Route("POST", "/files", create_folder, "Create a folder", importance=1, shape=FolderBody),
    Route("GET", "/files/{file}/list", list_content, "Content of a folder", importance=1),
)
