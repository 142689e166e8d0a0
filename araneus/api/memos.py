"""Calls beyond the platform: what is remembered of the jobs of a project, and making one result invalid.

They lie below ``/araneus``, where no client of the platform looks. What was made of files of a project that the caller
cannot read does not exist for him.
"""

from collections.abc import Iterable
from typing import Any, Final

from araneus.api import wire
from araneus.api.access import permissions_on, project_id, project_of
from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services
from araneus.model.access import Permission, require
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import is_uuid
from araneus.model.memo import Memo, is_alive, kept_for
from araneus.model.project import Project
from araneus.store import memos, projects
from araneus.store.database import Connection

LIST_FIELDS: Final = ("href", "id", "name", "task", "valid", "expires_on")


def list_memos(call: Call, services: Services) -> Answer:
    """``GET /araneus/memos?project=``: the results that are kept, newest first."""
    at = wire.window(call)
    named = call.one("project")
    if not named:
        raise Refusal(Fault.BAD_REQUEST, "Give the project whose results you want.")
    with services.database.read() as conn:
        project, _ = project_of(conn, call, project_id(named))
        seen = [sources for sources in memos.sources(conn, project.id) if _may_read(conn, call, sources)]
        found = memos.page(conn, project.id, sources=seen, offset=at.offset, limit=at.limit)
    items = [_show(call, services, memo, project) for memo in found.items]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def get_memo(call: Call, services: Services) -> Answer:
    """``GET /araneus/memos/{memo}``."""
    with services.database.read() as conn:
        memo, project = _visible(conn, call)
    return wire.one(call, _show(call, services, memo, project))


def invalidate_memo(call: Call, services: Services) -> Answer:
    """``POST /araneus/memos/{memo}/actions/invalidate``: no job uses the result any more; needs write permission.
    Nothing changes when it is invalid already."""
    with services.database.write() as conn:
        memo, project = _visible(conn, call)
        require(permissions_on(conn, call, project.id), Permission.WRITE, Fault.FORBIDDEN, "make results invalid")
        memos.invalidate(conn, memo.id, call.caller.username, services.clock())
        memo, project = _visible(conn, call)
    return wire.one(call, _show(call, services, memo, project))


def _visible(conn: Connection, call: Call) -> tuple[Memo, Project]:
    identity = call.path["memo"]
    memo = memos.get(conn, identity.lower()) if is_uuid(identity) else None
    project = projects.get(conn, memo.project) if memo is not None else None
    if memo is None or project is None or not _may_see(conn, call, memo):
        raise Refusal(Fault.NOT_FOUND, "Requested result does not exist.")
    return memo, project


def _may_see(conn: Connection, call: Call, memo: Memo) -> bool:
    return _may_read(conn, call, (memo.project, *memo.sources))


def _may_read(conn: Connection, call: Call, needed: Iterable[str]) -> bool:
    return all(projects.permissions(conn, project, call.caller.username) is not None for project in needed)


def _show(call: Call, services: Services, memo: Memo, project: Project) -> dict[str, Any]:
    return {
        "href": call.href("araneus", "memos", memo.id),
        "id": memo.id,
        "name": memo.name,
        "project": memo.project,
        "app": memo.app,
        "task": memo.task,
        "created_by": memo.made_by,
        "created_on": wire.timestamp(memo.made_on),
        "used_on": wire.timestamp(memo.used_on),
        "expires_on": wire.timestamp(memo.used_on + kept_for(project.settings)),
        "valid": is_alive(memo, project.settings, services.clock()),
        "invalidated_by": memo.void_by,
        "invalidated_on": wire.timestamp(memo.void_on),
    }


ROUTES: tuple[Route, ...] = (
    Route("GET", "/araneus/memos", list_memos, "Results of jobs that may be reused", importance=3),
    Route("GET", "/araneus/memos/{memo}", get_memo, "One result that may be reused", importance=3),
    Route("POST", "/araneus/memos/{memo}/actions/invalidate", invalidate_memo, "Make a result invalid", importance=3),
)
