"""Where a file may go: from the ``project`` or ``parent`` of a request to a folder that the caller may use.

Also what takes names there and what leaves storage behind. Used by every call that puts a file somewhere.
"""

from collections.abc import Iterable

from araneus.api import access
from araneus.api.call import Call
from araneus.api.services import Services
from araneus.model.access import Permission, Permissions, require
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, check_file_name, free_name
from araneus.store import files
from araneus.store.database import Connection
from araneus.store.locks import Turn, take_turn

_PROBES = 64


def folder_for(
    conn: Connection,
    call: Call,
    *,
    project: str | None,
    parent: str | None,
    malformed: Fault = Fault.FILE_PROJECT_MALFORMED,
    missing: Fault = Fault.FOLDER_NOT_FOUND,
) -> tuple[File, Permissions]:
    """The folder that exactly one of ``project`` (its root) and ``parent`` names, and the caller's permissions there.

    Raises `Refusal` 5029 for neither, 5031 for both, ``malformed``, PROJECT_NOT_FOUND, ``missing`` or 5022.
    """
    if project and parent:
        raise Refusal(Fault.PARENT_AMBIGUOUS, "Give either project or parent, not both.")
    if project:
        found, held = access.project_of(conn, call, access.project_id(project, malformed))
        root = files.get(conn, found.root_folder)
        if root is None:
            # It was deleted between the two looks: PostgreSQL shows each of them what is committed by then.
            raise Refusal(Fault.PROJECT_NOT_FOUND, "Requested project does not exist.")
        return root, held
    if not parent:
        raise Refusal(Fault.PARENT_MISSING, "Give the project, or the id of the folder as parent.")
    folder, held = access.file_of(conn, call, parent, missing)
    if not folder.folder:
        raise Refusal(Fault.PARENT_NOT_FOLDER, f"The parent {parent} is a file, not a folder.")
    return folder, held


def require_write(held: Permissions, to: str, fault: Fault = Fault.FILE_FORBIDDEN) -> None:
    """Raise `Refusal` unless the caller may write in the project."""
    require(held, Permission.WRITE, fault, to)


def free_name_in(conn: Connection, folder: str, name: str) -> str:
    """The name, or the first of ``_1_name``, ``_2_name``, ... that nothing in the folder has."""
    taken: set[str] = set()
    first = 0
    while True:
        candidates = [f"_{number}_{name}" if number else name for number in range(first, first + _PROBES)]
        taken.update(files.named(conn, folder, candidates))
        free = free_name(name, taken)
        if free in candidates:
            return check_file_name(free)
        first += _PROBES


def check_free(conn: Connection, folder: str, name: str, fault: Fault, besides: str | None = None) -> None:
    """Raise `Refusal` when something other than the file ``besides`` has this name in the folder."""
    present = files.in_folder(conn, folder, name)
    if present is not None and present.id != besides:
        raise Refusal(fault, f"{'A folder' if present.folder else 'A file'} named {name[:80]!r} exists here already.")


def drop_orphans(services: Services, locations: Iterable[str | None]) -> None:
    """Delete bytes whose last row has left. Looks again under the write lock: a new row may want them meanwhile."""
    for location in locations:
        if location is None or not location.startswith("blob:"):
            continue
        with services.database.write() as conn:
            take_turn(conn, Turn.LOCATIONS)
            if not files.blobs_referenced(conn, location):
                services.storage.delete(location)
