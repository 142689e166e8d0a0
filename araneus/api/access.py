"""What the caller may see and do: loading a project or a file together with his permissions on it.

A project that he is no member of, and whatever is in it, does not exist for him: the same 404 as for an unknown id.
A member without the right permission gets a 403 that names it. Source: API reference, "Authentication".
"""

from araneus.api.call import Call
from araneus.model.access import Permission, Permissions, require
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.model.ids import ProjectId, is_file_id
from araneus.model.project import Project
from araneus.store import files, logs, projects
from araneus.store.database import Connection

_NO_PROJECT = "Requested project does not exist."
_NO_FILE = "Requested file does not exist."


def project_id(text: str, fault: Fault = Fault.PROJECT_NOT_FOUND) -> str:
    """The id when it has the form of one; in a path a malformed one is simply not found."""
    if fault is not Fault.PROJECT_NOT_FOUND:
        return str(ProjectId.parse(text, fault))
    try:
        return str(ProjectId.parse(text))
    except Refusal as refusal:
        raise Refusal(fault, _NO_PROJECT) from refusal


def permissions_on(conn: Connection, call: Call, project: str) -> Permissions:
    """The caller's permissions on a project; `Refusal` PROJECT_NOT_FOUND unless he is a member."""
    held = projects.permissions(conn, project, call.caller.username)
    if held is None:
        raise Refusal(Fault.PROJECT_NOT_FOUND, _NO_PROJECT)
    return held


def project_of(
    conn: Connection,
    call: Call,
    project: str,
    needed: Permission = Permission.READ,
    *,
    to: str = "see it",
    fault: Fault = Fault.PROJECT_FORBIDDEN,
) -> tuple[Project, Permissions]:
    """A project and the caller's permissions on it, among which is ``needed`` (else `Refusal` with ``fault``)."""
    found = projects.get_for(conn, project, call.caller.username)
    if found is None:
        raise Refusal(Fault.PROJECT_NOT_FOUND, _NO_PROJECT)
    require(found[1], needed, fault, to)
    return found


def file_of(
    conn: Connection, call: Call, file_id: str, fault: Fault = Fault.FILE_NOT_FOUND
) -> tuple[File, Permissions]:
    """A file or folder and the caller's permissions on its project; `Refusal` with ``fault`` when he sees none."""
    return file_for(conn, call.caller.username, file_id, fault)


def file_for(
    conn: Connection, username: str, file_id: str, fault: Fault = Fault.FILE_NOT_FOUND
) -> tuple[File, Permissions]:
    """As `file_of`, for what is done in a user's name after the call has been answered."""
    file = (files.get(conn, file_id) or logs.get(conn, file_id)) if is_file_id(file_id) else None
    held = projects.permissions(conn, file.project, username) if file else None
    if file is None or held is None:
        raise Refusal(fault, _NO_FILE)
    return file, held
