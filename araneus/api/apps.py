"""Apps: listing, reading, installing, revising and deleting them. Copies are in `api.app_copies`.

Flow of an install: body → `app_documents.read_document` → the loader, off the event loop → a row; the answer is the raw
document with the server's keys, from which clients read ``sbg:id``. Source: API reference, apps.
"""

from typing import Any, Final

from araneus.api import wire
from araneus.api.access import project_of
from araneus.api.app_documents import History, raw_document, read_document, without_managed
from araneus.api.call import NO_CONTENT, Answer, Call, Route, Takes
from araneus.api.services import Services
from araneus.model.access import Permission, Permissions, require
from araneus.model.app import App, app_label, content_hash
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import AppId, ProjectId
from araneus.store import apps, projects, tasks
from araneus.store.database import Connection
from araneus.store.page import Page

LIST_FIELDS: Final = ("href", "id", "name", "project", "revision")
MAX_NOTES: Final = 100_000


def app_id(call: Call) -> AppId:
    """The app id of the path. Raises `Refusal` 6011 when it is malformed."""
    parts = [call.path["owner"], call.path["project"], call.path["app"]]
    if "revision" in call.path:
        parts.append(call.path["revision"])
    return AppId.parse("/".join(parts))


def visible_app(conn: Connection, call: Call, identity: AppId) -> tuple[App, Permissions]:
    """An app revision (the latest when none is named) and the caller's permissions on its project.

    Raises `Refusal` 6002 when there is none or the caller is no member: clients create an app on that 404.
    """
    held = projects.permissions(conn, str(identity.project), call.caller.username)
    app = apps.get(conn, str(identity.project), identity.name, identity.revision) if held is not None else None
    if app is None or held is None:
        raise Refusal(Fault.APP_NOT_FOUND, f"Requested app {identity} does not exist.")
    return app, held


def history(conn: Connection, app: App) -> History:
    """What the bookkeeping keys of an app's document need."""
    project = projects.get(conn, app.project)
    return History(
        revisions=tuple(apps.revisions(conn, app.project, app.name)), project_name=project.name if project else ""
    )


def show_app(call: Call, app: App, *, latest: int, raw: dict[str, Any] | None) -> dict[str, Any]:
    """The app object; ``raw`` None leaves the document out."""
    shown: dict[str, Any] = {
        "href": call.href("apps", app.id),
        "id": app.id,
        "project": app.project,
        "name": app.label,
        "revision": app.revision,
        "latest_revision": latest,
    }
    if app.copy_of is not None:
        shown["copy_of"] = app.copy_of
    return shown if raw is None else shown | {"raw": raw}


def answer_app(call: Call, conn: Connection, app: App, status: int = 200) -> Answer:
    """One app as the caller selected it."""
    found = history(conn, app)
    latest = max((revision.revision for revision in found.revisions), default=app.revision)
    raw = raw_document(app, found) if wire.chosen(call).wants("raw") else None
    return wire.one(call, show_app(call, app, latest=latest, raw=raw), status)


def get_app(call: Call, services: Services) -> Answer:
    """``GET /apps/{id}``, ``GET /apps/{id}/{revision}``."""
    with services.database.read() as conn:
        app, _ = visible_app(conn, call, app_id(call))
        return answer_app(call, conn, app)


def get_raw(call: Call, services: Services) -> Answer:
    """``GET .../raw``: the bare document."""
    with services.database.read() as conn:
        app, _ = visible_app(conn, call, app_id(call))
        return Answer(value=raw_document(app, history(conn, app)))


def list_apps(call: Call, services: Services) -> Answer:
    """``GET /apps``: the latest revision of every app in the caller's projects. There are no public apps."""
    at = wire.window(call)
    visibility = (call.one("visibility") or "private").lower()
    if visibility not in {"public", "private"}:
        raise Refusal(Fault.APP_VISIBILITY_INVALID, "Query parameter 'visibility' must be PUBLIC or PRIVATE.")
    project = call.one("project") or None
    wanted = wire.chosen(call, LIST_FIELDS)
    ids = [AppId.parse(text) for text in call.many("id") if text]
    terms = tuple(term for text in call.many("q") for term in text.split())
    with services.database.read() as conn:
        if project is not None:
            project = str(ProjectId.parse(project))
            project_of(conn, call, project)
        found: Page[App] = Page([], 0)
        if visibility == "private":
            found = apps.page(
                conn,
                username=call.caller.username,
                project=project,
                owner=call.one("project_owner") or None,
                ids=ids or None,
                terms=terms,
                with_raw=wanted.wants("raw"),
                offset=at.offset,
                limit=at.limit,
            )
        raws = [raw_document(app, history(conn, app)) if wanted.wants("raw") else None for app in found.items]
    items = [show_app(call, app, latest=app.revision, raw=raw) for app, raw in zip(found.items, raws, strict=True)]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


# ---- installing


def install_app(call: Call, services: Services) -> Answer:
    """``POST /apps/{id}/raw``: revision 0 of a new app."""
    return _store(call, services, app_id(call), 0)


def revise_app(call: Call, services: Services) -> Answer:
    """``POST /apps/{id}/{revision}/raw``: the next revision."""
    identity = app_id(call)
    return _store(call, services, AppId(identity.project, identity.name), identity.revision or 0)


def _store(call: Call, services: Services, identity: AppId, revision: int) -> Answer:
    with services.database.read() as conn:
        _check_place(conn, call, identity, revision)
    upload = read_document(call.body)
    document, notes = without_managed(upload.document)
    content = content_hash(document)
    form = services.forms.admit(content, document, identity.name, upload)
    app = App(
        project=str(identity.project),
        name=identity.name,
        revision=revision,
        label=app_label(document, identity.name)[:1000],
        raw=document,
        content=content,
        notes=notes[:MAX_NOTES] if notes else None,
        validation_errors=form.validation_errors,
        created_by=call.caller.username,
        created_on=services.clock(),
    )
    with services.database.write() as conn:
        _check_place(conn, call, identity, revision)
        apps.insert(conn, app)
        found = history(conn, app)
    return Answer(status=201, value=raw_document(app, found))


def _check_place(conn: Connection, call: Call, identity: AppId, revision: int) -> None:
    """Whether this revision may come next. Raises `Refusal` 3002, 6001, 6003, or 400 for a gap."""
    project, held = project_of(conn, call, str(identity.project))
    require(held, Permission.WRITE, Fault.APP_FORBIDDEN, "install apps")
    latest = apps.latest_revision(conn, project.id, identity.name)
    if latest is None and revision > 0:
        raise Refusal(Fault.APP_NOT_FOUND, f"App {identity} does not exist; install it by a POST to {identity}/raw.")
    if latest is not None and revision <= latest:
        raise Refusal(
            Fault.APP_EXISTS, f"App revision {identity.at(revision)} exists already; the next one is {latest + 1}."
        )
    if latest is not None and revision > latest + 1:
        raise Refusal(
            Fault.BAD_REQUEST,
            f"Revision {revision} would leave a gap: the next revision of {identity} is {latest + 1}.",
        )


# ---- deleting


def delete_app(call: Call, services: Services) -> Answer:
    """``DELETE /apps/{id}`` with all revisions, ``DELETE /apps/{id}/{revision}`` one of them.

    Tasks that have ended stay as they are; drafts and clones of them say that their app is gone. Tasks that run need
    their app (after a restart of the server too), so they keep it from being deleted.
    """
    identity = app_id(call)
    with services.database.write() as conn:
        app, held = visible_app(conn, call, identity)
        require(held, Permission.WRITE, Fault.APP_FORBIDDEN, "delete its apps")
        mine = f"{app.project}/{app.name}/"
        for used in sorted(tasks.apps_active(conn)):
            if used == app.id or (identity.revision is None and used.startswith(mine)):
                raise Refusal(Fault.CONFLICT, f"App {used} is in use: wait for its running tasks, or abort them.")
        apps.delete(conn, app.project, app.name, identity.revision)
    return NO_CONTENT


_APP = "/apps/{owner}/{project}/{app}"
ROUTES = (
    Route("GET", "/apps", list_apps, "Apps of the caller's projects", importance=1, slow=True),
    Route("GET", _APP, get_app, "The latest revision of an app", importance=1, slow=True),
    Route("GET", _APP + "/{revision}", get_app, "One revision of an app", importance=1, slow=True),
    Route("GET", _APP + "/raw", get_raw, "The document of the latest revision", slow=True),
    Route("GET", _APP + "/{revision}/raw", get_raw, "The document of a revision", slow=True),
    Route("POST", _APP + "/raw", install_app, "Install an app", importance=1, takes=Takes.RAW),
    Route("POST", _APP + "/{revision}/raw", revise_app, "Add a revision", importance=1, takes=Takes.RAW),
    Route("DELETE", _APP, delete_app, "Delete an app with all revisions", importance=3),
    Route("DELETE", _APP + "/{revision}", delete_app, "Delete a revision of an app", importance=3),
)
