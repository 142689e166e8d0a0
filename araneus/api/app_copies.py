"""Copies of apps in other projects, and bringing a copy up to its source. Source: API reference, apps, "copy", "sync".

A copy's ``copy_of`` is the app id, with revision, from which it is brought up to date: the original for the strategies
``clone`` and ``transient``, the app that was copied for ``direct`` and ``clone_direct``.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from araneus.api.access import project_of
from araneus.api.apps import answer_app, app_id, visible_app
from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services
from araneus.model.access import Permission, require
from araneus.model.app import App
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import AppId, ProjectId, short_name
from araneus.store import apps
from araneus.store.database import Connection

ALL_REVISIONS: Final = frozenset({"clone", "clone_direct"})
FROM_ORIGINAL: Final = frozenset({"clone", "transient"})
STRATEGIES: Final = ("clone", "direct", "clone_direct", "transient")


def copy_app(call: Call, services: Services) -> Answer:
    """``POST /apps/{id}/actions/copy``: into a project where the caller may write."""
    body = call.object()
    target = _destination(body.get("project"))
    strategy = _strategy(body.get("strategy"))
    with services.database.write() as conn:
        source, held = visible_app(conn, call, app_id(call))
        require(held, Permission.COPY, Fault.APP_FORBIDDEN, "copy its apps")
        project_of(conn, call, target, Permission.WRITE, to="copy apps into it", fault=Fault.APP_FORBIDDEN)
        name = _new_name(body.get("name"), source.name)
        if apps.latest_revision(conn, target, name) is not None:
            raise Refusal(Fault.APP_EXISTS, f"App {target}/{name} exists already; give the copy another name.")
        copies = _copies(conn, source, strategy, call.caller.username, services.clock())
        placed = [replace(copy, project=target, name=name) for copy in copies]
        for copy in placed:
            apps.insert(conn, copy)
        return answer_app(call, conn, placed[-1], 201)


def _destination(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise Refusal(Fault.APP_DESTINATION_EMPTY, "project, the id of the destination project, is missing.")
    return str(ProjectId.parse(value))


def _strategy(value: object) -> str:
    if value is None or value == "":
        return "clone"
    if not isinstance(value, str) or value.lower() not in STRATEGIES:
        raise Refusal(Fault.BAD_REQUEST, f"strategy must be one of {', '.join(STRATEGIES)}.")
    return value.lower()


def _new_name(value: object, default: str) -> str:
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise Refusal(Fault.BAD_REQUEST, "name must be text.")
    try:
        return AppId.parse(f"owner/project/{value}").name
    except Refusal:
        return short_name(value)[:100]


def _copies(conn: Connection, source: App, strategy: str, username: str, now: datetime) -> list[App]:
    """The revisions of the copy, oldest first, still under the source's project and name."""
    followed = source.copy_of if strategy in FROM_ORIGINAL and source.copy_of else None
    numbers = [source.revision]
    if strategy in ALL_REVISIONS:
        known = apps.revisions(conn, source.project, source.name)
        numbers = sorted(one.revision for one in known if one.revision <= source.revision)
    copies = []
    for position, number in enumerate(numbers):
        revision = apps.get(conn, source.project, source.name, number)
        assert revision is not None, number
        last = number == source.revision
        copies.append(
            replace(
                revision,
                revision=position,
                notes=f"Copy of {revision.id}" if last else revision.notes,
                copy_of=followed or revision.id,
                created_by=username,
                created_on=now,
            )
        )
    return copies


def sync_app(call: Call, services: Services) -> Answer:
    """``POST /apps/{id}/actions/sync``: a copy gets the newest revision of its source, when that is newer."""
    with services.database.write() as conn:
        copy, held = visible_app(conn, call, app_id(call))
        require(held, Permission.WRITE, Fault.APP_FORBIDDEN, "update its apps")
        latest, _ = visible_app(conn, call, replace(app_id(call), revision=None))
        if latest.copy_of is None:
            raise Refusal(Fault.BAD_REQUEST, f"App {copy.project}/{copy.name} is not a copy: there is no source.")
        followed = AppId.parse(latest.copy_of)
        source, _ = visible_app(conn, call, AppId(followed.project, followed.name))
        if source.id == latest.copy_of or source.content == latest.content:
            return answer_app(call, conn, latest)
        updated = replace(
            source,
            project=latest.project,
            name=latest.name,
            revision=latest.revision + 1,
            notes=f"Copy of {source.id}",
            copy_of=source.id,
            created_by=call.caller.username,
            created_on=services.clock(),
        )
        apps.insert(conn, updated)
        return answer_app(call, conn, updated)


_APP = "/apps/{owner}/{project}/{app}"
ROUTES = (
    Route("POST", _APP + "/actions/copy", copy_app, "Copy the latest revision to a project"),
    Route("POST", _APP + "/{revision}/actions/copy", copy_app, "Copy a revision to a project"),
    Route("POST", _APP + "/actions/sync", sync_app, "Update a copy from its source", importance=3),
)
