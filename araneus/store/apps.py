"""Apps and their revisions."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Row,
    Select,
    func,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy import (
    delete as delete_from,
)
from sqlalchemy import (
    insert as insert_into,
)

from araneus.model.app import App
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import AppId
from araneus.store import documents, tables
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.search import contains
from araneus.store.shape import Shape

_table = tables.apps
_apps = Shape(App, _table, without={"raw"})
_LATEST = _table.c.latest == true()
_SEARCHED = ("sbg:toolkit", "sbg:toolkitVersion", "sbg:categories", "sbg:tagline", "description", "doc")
_SEARCHED_CHARACTERS = 20_000


def insert(conn: Connection, app: App) -> None:
    """Add a revision. Raises `Refusal` APP_EXISTS when it is there already, PROJECT_NOT_FOUND when its project is not.

    The document is stored once for all revisions and copies with the same content.
    """
    gone = Refusal(Fault.PROJECT_NOT_FOUND, f"Project {app.project!r} does not exist.")
    projects = tables.projects
    # The project first, then the documents: the order in which deleting a project takes them.
    held = select(projects.c.id).where(projects.c.id == app.project).with_for_update(read=True, key_share=True)
    if conn.execute(held).first() is None:
        raise gone
    documents.put(conn, app.content, app.raw)
    newest = latest_revision(conn, app.project, app.name)
    latest = newest is None or app.revision > newest
    with refusing(conn, taken=Refusal(Fault.APP_EXISTS, f"App revision {app.id} exists already."), missing=gone):
        if latest and newest is not None:
            conn.execute(update(_table).where(*_is(app.project, app.name), _LATEST).values(latest=False))
        conn.execute(insert_into(_table), _apps.values(app) | {"latest": latest, "search": search_text(app)})


def get(conn: Connection, project: str, name: str, revision: int | None = None) -> App | None:
    """A revision with its document; without a number the latest one."""
    which = _LATEST if revision is None else _table.c.revision == revision
    row = conn.execute(_with_document().where(*_is(project, name), which)).first()
    return None if row is None else _read(row)


def latest_revision(conn: Connection, project: str, name: str) -> int | None:
    """The number of the latest revision, or None when there is no such app."""
    return conn.execute(select(_table.c.revision).where(*_is(project, name), _LATEST)).scalar()


def revisions(conn: Connection, project: str, name: str) -> list[App]:
    """Every revision in order, without its document (``raw`` is empty)."""
    query = select(*_apps.columns).where(*_is(project, name)).order_by(_table.c.revision)
    return [_apps.read(row, raw={}) for row in conn.execute(query)]


def page(
    conn: Connection,
    *,
    username: str,
    project: str | None = None,
    owner: str | None = None,
    ids: Sequence[AppId] | None = None,
    terms: Sequence[str] = (),
    with_raw: bool = False,
    offset: int,
    limit: int,
) -> Page[App]:
    """The latest revisions of the apps in the user's projects, by project and name.

    Of a project; in projects of an owner; of the ids (whatever their revision); and with every one of the terms, in
    any case, in the name, label, toolkit, toolkit version, categories, tagline or description. ``raw`` is empty unless
    asked for.
    """
    mine = tables.members.join(_table, tables.members.c.project == _table.c.project)
    wanted: list[ColumnElement[bool]] = [_LATEST, tables.members.c.username == username]
    if project is not None:
        wanted.append(tables.members.c.project == project)
    if owner is not None:
        mine = mine.join(tables.projects, tables.projects.c.id == _table.c.project)
        wanted.append(tables.projects.c.owner == owner)
    if ids is not None:
        named = sorted({(str(app.project), app.name) for app in ids})
        wanted.append(tuple_(_table.c.project, _table.c.name).in_(named))
    wanted += [contains(_table.c.search, term.casefold()) for term in terms if term]
    total = conn.execute(select(func.count()).select_from(mine).where(*wanted)).scalar_one()
    rows = conn.execute(
        (_with_document(mine) if with_raw else select(*_apps.columns).select_from(mine))
        .where(*wanted)
        .order_by(_table.c.project, _table.c.name)
        .offset(offset)
        .limit(limit)
    )
    return Page([_read(row) if with_raw else _apps.read(row, raw={}) for row in rows], total)


def delete(conn: Connection, project: str, name: str, revision: int | None = None) -> bool:
    """Delete a revision, or without a number the whole app. The latest of the remaining revisions becomes the latest.
    False when there is no such revision."""
    which = _is(project, name) if revision is None else (*_is(project, name), _table.c.revision == revision)
    contents = set(conn.execute(select(_table.c.content).where(*which)).scalars())
    conn.execute(delete_from(_table).where(*which))
    newest = select(func.max(_table.c.revision)).where(*_is(project, name)).scalar_subquery()
    conn.execute(update(_table).where(*_is(project, name), _table.c.revision == newest).values(latest=True))
    documents.drop_unused(conn, contents)
    return bool(contents)


def search_text(app: App) -> str:
    """What search terms are looked for in: the searched fields in lower case, each on lines of its own."""
    found = [app.name, app.label]
    for key in _SEARCHED:
        value = app.raw.get(key)
        found += [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    text = "\n".join(found).casefold()[:_SEARCHED_CHARACTERS]
    # PostgreSQL stores no NUL in a text, SQLite no unpaired surrogate; neither is worth searching for.
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()


def _is(project: str, name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return _table.c.project == project, _table.c.name == name


def _with_document(source: FromClause = _table) -> Select[Any]:
    joined = source.join(tables.documents, tables.documents.c.content == _table.c.content)
    return select(*_apps.columns, tables.documents.c.body).select_from(joined)


def _read(row: Row[Any]) -> App:
    return _apps.read(row, raw=documents.unpack(_apps.rest(row)[0]))
