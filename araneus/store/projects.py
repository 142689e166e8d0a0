"""Projects: their rows, who sees them, and emptying one before it goes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    exists,
    func,
    select,
    update,
)
from sqlalchemy import (
    delete as delete_from,
)
from sqlalchemy import (
    insert as insert_into,
)

from araneus.model.access import Permissions
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, Location
from araneus.model.project import Member, Project
from araneus.store import documents, files, members, tables
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.prepared import Prepared
from araneus.store.search import contains
from araneus.store.shape import Shape

_table = tables.projects
_projects = Shape(Project, _table)
_GET = Prepared(select(*_projects.columns).where(_table.c.id == bindparam("project")))
_PERMISSIONS = Prepared(
    select(tables.members.c.permissions).where(
        tables.members.c.project == bindparam("project"), tables.members.c.username == bindparam("username")
    )
)
_GET_FOR = Prepared(
    select(*_projects.columns, tables.members.c.permissions)
    .join(tables.members, tables.members.c.project == _table.c.id)
    .where(_table.c.id == bindparam("project"), tables.members.c.username == bindparam("username"))
)


def insert(conn: Connection, project: Project, root: File, owner_member: Member) -> None:
    """Add a project with its root folder and first member. Raises `Refusal` PROJECT_EXISTS when the id is taken."""
    with refusing(conn, taken=Refusal(Fault.PROJECT_EXISTS, f"A project {project.id} exists already.")):
        conn.execute(insert_into(_table), _values(project) | {"owner": project.id.partition("/")[0]})
        _write_tags(conn, project)
    files.insert(conn, root)
    members.insert(conn, owner_member)


def get(conn: Connection, project: str) -> Project | None:
    """The project, whoever asks."""
    row = _GET.first(conn, {"project": project})
    return None if row is None else _projects.read(row)


def get_for(conn: Connection, project: str, username: str) -> tuple[Project, Permissions] | None:
    """The project and what a member may do in it; None for everybody else."""
    row = _GET_FOR.first(conn, {"project": project, "username": username})
    return None if row is None else (_projects.read(row), _projects.rest(row)[0])


def permissions(conn: Connection, project: str, username: str) -> Permissions | None:
    """What a member may do in a project; None for everybody else."""
    held: Permissions | None = _PERMISSIONS.scalar(conn, {"project": project, "username": username})
    return held


def page(
    conn: Connection,
    *,
    username: str,
    owner: str | None = None,
    name: str | None = None,
    category: str | None = None,
    tags: Sequence[str] = (),
    offset: int,
    limit: int,
) -> Page[Project]:
    """The projects of which the user is a member, by name: those of an owner, with a part of the name (in any case),
    of a category, with all of the tags."""
    wanted: list[ColumnElement[bool]] = [tables.members.c.username == username]
    if owner is not None:
        wanted.append(_table.c.owner == owner)
    if name is not None:
        wanted.append(contains(_table.c.name_folded, name.casefold()))
    if category is not None:
        wanted.append(_table.c.category == category)
    labels = tables.project_tags
    wanted += [exists().where(labels.c.tag == tag, labels.c.project == _table.c.id) for tag in dict.fromkeys(tags)]
    mine = tables.members.join(_table, tables.members.c.project == _table.c.id)
    query = (
        select(*_projects.columns)
        .select_from(mine)
        .where(*wanted)
        .order_by(_table.c.name, _table.c.id)
        .offset(offset)
        .limit(limit)
    )
    total = conn.execute(select(func.count()).select_from(mine).where(*wanted)).scalar_one()
    return Page(_projects.read_all(conn.execute(query)), total)


def save(conn: Connection, project: Project) -> None:
    """Write a project back. Raises `Refusal` PROJECT_NOT_FOUND when it is gone."""
    changed = conn.execute(update(_table).where(_table.c.id == project.id).values(**_values(project)))
    if not changed.rowcount:
        raise _gone(project.id)
    conn.execute(delete_from(tables.project_tags).where(tables.project_tags.c.project == project.id))
    _write_tags(conn, project)


def lock(conn: Connection, project: str) -> None:
    """Keep others from changing or deleting the project until the transaction ends: for rules over several rows, such
    as "the last administrator stays". Raises `Refusal` PROJECT_NOT_FOUND when it is gone."""
    if conn.execute(select(_table.c.id).where(_table.c.id == project).with_for_update()).first() is None:
        raise _gone(project)


def delete(conn: Connection, project: str) -> list[Location]:
    """Delete a project and everything in it. Answers the locations that no row names any more; their bytes may be
    dropped after the commit. Raises `Refusal` PROJECT_NOT_FOUND when it is gone."""
    lock(conn, project)
    conn.execute(delete_from(tables.tasks).where(tables.tasks.c.project == project))
    orphans = files.delete_all(conn, project)
    of_apps = select(tables.apps.c.content).where(tables.apps.c.project == project).distinct()
    contents = list(conn.execute(of_apps).scalars())
    # Members, tags, apps and uploads leave with the row.
    conn.execute(delete_from(_table).where(_table.c.id == project))
    documents.drop_unused(conn, contents)
    return orphans


def taken_names(conn: Connection, owner: str, prefix: str) -> set[str]:
    """The short names of an owner's projects that start with a text."""
    rows = conn.execute(select(_table.c.id).where(_table.c.owner == owner)).scalars()
    names = (project.partition("/")[2] for project in rows)
    return {name for name in names if name.startswith(prefix)}


def ids_for(conn: Connection, username: str) -> list[str]:
    """The ids of the projects of which the user is a member."""
    query = select(tables.members.c.project).where(tables.members.c.username == username)
    return list(conn.execute(query.order_by(tables.members.c.project)).scalars())


def in_billing_group(conn: Connection, group: str) -> list[Project]:
    """The projects that a billing group pays for, by id."""
    query = select(*_projects.columns).where(_table.c.billing_group == group).order_by(_table.c.id)
    return _projects.read_all(conn.execute(query))


def _values(project: Project) -> dict[str, Any]:
    return _projects.values(project) | {"name_folded": project.name.casefold()}


def _write_tags(conn: Connection, project: Project) -> None:
    if project.tags:
        rows = [{"project": project.id, "tag": tag} for tag in dict.fromkeys(project.tags)]
        conn.execute(insert_into(tables.project_tags), rows)


def _gone(project: str) -> Refusal:
    return Refusal(Fault.PROJECT_NOT_FOUND, f"Project {project[:200]!r} does not exist.")
