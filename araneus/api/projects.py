"""Projects: making, finding, editing and deleting them. Source: API reference, projects."""

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec

from araneus.api import access, part_files, wire
from araneus.api.billing import check_group
from araneus.api.call import NO_CONTENT, Answer, Call, Route
from araneus.api.places import drop_orphans
from araneus.api.project_bodies import ProjectBody, check_text, check_type, merge_settings
from araneus.api.services import Services
from araneus.model.access import ALL_PERMISSIONS, Permission, Permissions, require
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, check_tags
from araneus.model.ids import new_file_id, short_name
from araneus.model.project import DEFAULT_SETTINGS, Member, Project
from araneus.store import projects, uploads

LIST_FIELDS = ("href", "id", "name")
ROOT_NAME = "root"
_ATTEMPTS = 64


def show_project(call: Call, project: Project, held: Permissions) -> dict[str, Any]:
    """The project object; ``permissions`` are the caller's own."""
    return {
        "href": call.href("projects", project.id),
        "id": project.id,
        "name": project.name,
        "description": project.description,
        "type": project.type,
        "billing_group": project.billing_group,
        "tags": list(project.tags),
        "settings": project.settings,
        "root_folder": project.root_folder,
        "created_by": project.created_by,
        "created_on": wire.timestamp(project.created_on),
        "modified_on": wire.timestamp(project.modified_on),
        "category": project.category,
        "permissions": held.as_dict(),
    }


def list_projects(call: Call, services: Services) -> Answer:
    """``GET /projects`` and ``GET /projects/{owner}``: those the caller is a member of."""
    at = wire.window(call)
    with services.database.read() as conn:
        found = projects.page(
            conn,
            username=call.caller.username,
            owner=call.path.get("owner"),
            name=call.one("name") or None,
            category=call.one("category") or None,
            tags=tuple(call.many("tags")),
            offset=at.offset,
            limit=at.limit,
        )
        detailed = wire.chosen(call, LIST_FIELDS).wants("permissions")
        held = {project.id: access.permissions_on(conn, call, project.id) for project in found.items if detailed}
    items = [show_project(call, project, held.get(project.id, Permissions())) for project in found.items]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def get_project(call: Call, services: Services) -> Answer:
    """``GET /projects/{owner}/{project}``."""
    with services.database.read() as conn:
        project, held = access.project_of(conn, call, _id(call))
    return wire.one(call, show_project(call, project, held))


def create_project(call: Call, services: Services) -> Answer:
    """``POST /projects``: the creator becomes a member with all permissions, and the root folder is made."""
    body = call.parse(ProjectBody)
    name = check_text(body.name or body.project or "", "name", 255).strip()
    if not name:
        raise Refusal(Fault.PROJECT_NAME_EMPTY, "A project needs a name.")
    check_type(body.type)
    user, now = call.caller, services.clock()
    project = Project(
        id="",
        name=name,
        description=check_text(body.description or "", "description", 100_000),
        category=check_text(body.category or "PRIVATE", "category", 100),
        billing_group=check_group(user, body.billing_group) if body.billing_group else user.billing_group,
        tags=() if body.tags is msgspec.UNSET else check_tags(body.tags),
        settings=merge_settings(DEFAULT_SETTINGS, body.all_settings(), new=True),
        root_folder=new_file_id(now.timestamp()),
        created_by=user.username,
        created_on=now,
        modified_on=now,
    )
    for attempt in range(_ATTEMPTS):
        try:
            project = _insert(services, project)
            break
        except Refusal as refusal:
            # Somebody took the same short name between our look and our insertion; PostgreSQL allows that.
            if refusal.fault is not Fault.PROJECT_EXISTS or attempt == _ATTEMPTS - 1:
                raise
    return wire.created(call, show_project(call, project, ALL_PERMISSIONS))


def _insert(services: Services, project: Project) -> Project:
    owner, short = project.created_by, short_name(project.name)[:90]
    with services.database.write() as conn:
        named = replace(project, id=f"{owner}/{_free_short_name(short, projects.taken_names(conn, owner, short))}")
        root = File(
            id=project.root_folder,
            project=named.id,
            parent=None,
            name=ROOT_NAME,
            folder=True,
            created_on=project.created_on,
            modified_on=project.created_on,
        )
        projects.insert(conn, named, root, Member(project=named.id, username=owner, permissions=ALL_PERMISSIONS))
    return named


def _free_short_name(short: str, taken: Any) -> str:
    if short not in taken:
        return short
    number = 1
    while f"{short}-{number}" in taken:
        number += 1
    return f"{short}-{number}"


def edit_project(call: Call, services: Services) -> Answer:
    """``PATCH /projects/{owner}/{project}``: an administrator everything, a writer the description."""
    body = call.parse(ProjectBody)
    with services.database.write() as conn:
        access.permissions_on(conn, call, _id(call))  # strangers neither lock it nor learn that it is there
        projects.lock(conn, _id(call))  # what is read here is merged and written back: nobody may write in between
        project, held = access.project_of(conn, call, _id(call), Permission.WRITE, to="edit it")
        if body.given() - {"description"}:
            require(held, Permission.ADMIN, Fault.PROJECT_FORBIDDEN, "change more than its description")
        edited = replace(_edited(call, project, body), modified_on=services.clock())
        projects.save(conn, edited)
    return wire.one(call, show_project(call, edited, held))


def _edited(call: Call, project: Project, body: ProjectBody) -> Project:
    check_type(body.type)
    name = project.name if body.name is None else check_text(body.name, "name", 255).strip()
    if not name:
        raise Refusal(Fault.PROJECT_NAME_EMPTY, "A project needs a name.")
    group = body.billing_group
    return replace(
        project,
        name=name,
        description=project.description
        if body.description is None
        else check_text(body.description, "description", 100_000),
        category=check_text(body.category, "category", 100) if body.category else project.category,
        billing_group=check_group(call.caller, group)
        if group and group != project.billing_group
        else project.billing_group,
        tags=project.tags if body.tags is msgspec.UNSET else check_tags(body.tags),
        settings=merge_settings(project.settings, body.all_settings(), new=False),
    )


def delete_project(call: Call, services: Services) -> Answer:
    """``DELETE /projects/{owner}/{project}`` with its files, apps and tasks."""
    with services.database.write() as conn:
        project, _ = access.project_of(conn, call, _id(call), Permission.ADMIN, to="delete it")
        pending = uploads.in_project(conn, project.id)
        orphans = projects.delete(conn, project.id)
    for upload in pending:
        part_files.discard(services.settings.uploads / upload.id)
    services.wake()  # its running tasks are gone: their processes have to be ended
    drop_orphans(services, orphans)
    return NO_CONTENT


def _alias(resource: str) -> Any:
    def redirect(call: Call, services: Services) -> Answer:
        """An older address of a list: the same list of the project, with the caller's query."""
        pairs = [("project", _id(call))]
        pairs += [(name, value) for name, values in call.query.items() if name != "project" for value in values]
        query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
        return Answer(status=302, value={}, headers=(("location", f"{call.href(resource)}?{query}"),))

    return redirect


def _id(call: Call) -> str:
    return access.project_id(f"{call.path['owner']}/{call.path['project']}")


ROUTES = (
    Route("GET", "/projects", list_projects, "The caller's projects", importance=1),
    Route("POST", "/projects", create_project, "Create a project", importance=1, shape=ProjectBody),
    Route("GET", "/projects/{owner}", list_projects, "The caller's projects of one owner"),
    Route("GET", "/projects/{owner}/{project}", get_project, "One project", importance=1),
    Route("PATCH", "/projects/{owner}/{project}", edit_project, "Edit a project", shape=ProjectBody),
    Route("DELETE", "/projects/{owner}/{project}", delete_project, "Delete a project and everything in it"),
    Route("GET", "/projects/{owner}/{project}/files", _alias("files"), "Redirects to the files of the project"),
    Route("GET", "/projects/{owner}/{project}/apps", _alias("apps"), "Redirects to the apps of the project"),
    Route("GET", "/projects/{owner}/{project}/tasks", _alias("tasks"), "Redirects to the tasks of the project"),
)
