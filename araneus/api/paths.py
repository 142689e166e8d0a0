"""Files by path, ``owner/project/folder/name``, as the first R client asks for them. Source: API reference, bulk calls
(``get_ids``); the shape of the answer is that of the client: an id for each path, null where there is nothing."""

from collections.abc import Sequence
from typing import Any

from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.model.ids import is_file_id
from araneus.store import files, projects
from araneus.store.database import Connection

MOST = 100


def file_at(conn: Connection, username: str, path: str) -> File | None:
    """The file or folder at a path that a user may see; a project alone names its root folder."""
    owner, _, rest = path.strip("/").partition("/")
    project, _, inside = rest.partition("/")
    found = projects.get_for(conn, f"{owner}/{project}", username)
    here = files.get(conn, found[0].root_folder) if found is not None else None
    for name in [name for name in inside.split("/") if name]:
        if here is None or not here.folder:
            return None
        here = files.in_folder(conn, here.id, name)
    return here


def get_ids(call: Call, services: Services) -> Answer:
    """``POST /action/files/get_ids``."""
    paths = _paths(call.body)
    with services.database.read() as conn:
        found = [file_at(conn, call.caller.username, path) for path in paths]
    return Answer(value=[None if file is None else file.id for file in found])


def _paths(body: Any) -> Sequence[str]:
    if isinstance(body, dict):
        listed = body.get("paths")
        body = listed if isinstance(listed, list) else list(body.values())
    if not body:
        raise Refusal(Fault.PATHS_EMPTY, "Give the paths of the files as a list: owner/project/folder/name.")
    if not isinstance(body, list) or not all(isinstance(path, str) for path in body):
        raise Refusal(Fault.ERRAND_REQUEST_INVALID, "The paths must be a list of texts: owner/project/folder/name.")
    if len(body) > MOST:
        raise Refusal(Fault.ERRAND_REQUEST_INVALID, f"At most {MOST} paths per call, not {len(body)}.")
    if any(is_file_id(path) for path in body):
        raise Refusal(Fault.PATH_EXPECTED, "Give full paths, owner/project/folder/name, instead of ids.")
    return body


ROUTES = (Route("POST", "/action/files/get_ids", get_ids, "Ids of files by their paths", importance=3),)
