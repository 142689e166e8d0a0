"""Teams and divisions inside projects, and what follows: the permissions in ``members``, which all reads join.

Whoever changes what a crowd is, or what it may do, locks its row first, so that on PostgreSQL two changes that concern
each other never pass each other by; then the projects, in one order. On SQLite there is one writer at a time.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, func, select, tuple_, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.access import Permissions
from araneus.model.errors import Fault, Refusal
from araneus.model.project import Crowd, CrowdMember
from araneus.store import tables
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.shape import Shape

_table = tables.crowd_members
_members = tables.members
_shape = Shape(CrowdMember, _table)
_ROWS = {Crowd.TEAM: tables.teams, Crowd.DIVISION: tables.divisions}
_USERS = {
    Crowd.TEAM: (tables.team_members.c.username, tables.team_members.c.team),
    Crowd.DIVISION: (tables.division_members.c.username, tables.division_members.c.division),
}
CrowdId = tuple[Crowd, str]


def lock(conn: Connection, crowds: Iterable[CrowdId]) -> None:
    """Keep others from changing these until the transaction ends; one that does not exist is passed over."""
    for crowd, name in sorted(set(crowds)):
        row = _ROWS[crowd].c.id
        conn.execute(select(row).where(row == name).with_for_update(key_share=True)).first()


def lock_user(conn: Connection, username: str) -> None:
    """Keep others from changing to which crowds a user belongs; taken before `lock`."""
    row = tables.users.c.username
    conn.execute(select(row).where(row == username).with_for_update(key_share=True)).first()


def of_user(conn: Connection, username: str) -> list[CrowdId]:
    """The teams and the division to which a user belongs."""
    return [
        (crowd, name)
        for crowd, (user, which) in _USERS.items()
        for name in conn.execute(select(which).where(user == username)).scalars()
    ]


def page(conn: Connection, project: str, *, offset: int, limit: int) -> Page[CrowdMember]:
    """The teams and divisions that are members of a project."""
    query = select(*_shape.columns).where(_table.c.project == project).order_by(_table.c.crowd, _table.c.id)
    total = conn.execute(select(func.count()).select_from(_table).where(_table.c.project == project)).scalar_one()
    return Page(_shape.read_all(conn.execute(query.offset(offset).limit(limit))), total)


def get(conn: Connection, project: str, name: str) -> CrowdMember | None:
    """The team or division of this id, when it is a member."""
    row = conn.execute(select(*_shape.columns).where(_table.c.project == project, _table.c.id == name)).first()
    return None if row is None else _shape.read(row)


def insert(conn: Connection, member: CrowdMember) -> None:
    """Add a team or division. Raises `Refusal` PROJECT_EXISTS when it is a member already, PROJECT_NOT_FOUND."""
    _lock_both(conn, member)
    with refusing(
        conn,
        taken=Refusal(Fault.PROJECT_EXISTS, f"{member.id!r} is a member of {member.project} already."),
        missing=Refusal(Fault.PROJECT_NOT_FOUND, f"Project {member.project!r} does not exist."),
    ):
        conn.execute(insert_into(_table), _shape.values(member))
    settle(conn, [member.project])


def save(conn: Connection, member: CrowdMember) -> None:
    """Write the permissions of a team or division."""
    _lock_both(conn, member)
    conn.execute(update(_table).where(*_is(member)).values(permissions=member.permissions))
    settle(conn, [member.project])


def delete(conn: Connection, member: CrowdMember) -> None:
    """Take a team or division out of a project."""
    _lock_both(conn, member)
    conn.execute(delete_from(_table).where(*_is(member)))
    settle(conn, [member.project])


def projects_of(conn: Connection, crowds: Collection[CrowdId]) -> list[str]:
    """The projects of which any of these is a member, by id."""
    if not crowds:
        return []
    named = tuple_(_table.c.crowd, _table.c.id).in_(sorted(set(crowds)))
    return list(conn.execute(select(_table.c.project).where(named).distinct().order_by(_table.c.project)).scalars())


def forget(conn: Connection, crowd: Crowd, name: str) -> list[str]:
    """Take a team or division, which is about to go, out of all projects; which they are, to be settled then."""
    lock(conn, [(crowd, name)])
    found = projects_of(conn, [(crowd, name)])
    conn.execute(delete_from(_table).where(_table.c.crowd == crowd, _table.c.id == name))
    return found


def settle(conn: Connection, projects: Iterable[str], username: str | None = None) -> None:
    """Bring the permissions of everybody, or of one user, to what he was given himself and what his crowds were."""
    for project in sorted(set(projects)):
        if _lock_project(conn, project):
            _settle(conn, project, username)


def _lock_both(conn: Connection, member: CrowdMember) -> None:
    lock(conn, [(member.crowd, member.id)])
    _lock_project(conn, member.project)


def _lock_project(conn: Connection, project: str) -> bool:
    """Before any row that refers to the project: PostgreSQL then holds it a little, and two that want more deadlock."""
    row = tables.projects.c.id
    return conn.execute(select(row).where(row == project).with_for_update()).first() is not None


def _settle(conn: Connection, project: str, username: str | None) -> None:
    granted = _granted(conn, project, username)
    mine = [_members.c.project == project, *([] if username is None else [_members.c.username == username])]
    present = {
        user: (own, permissions)
        for user, own, permissions in conn.execute(
            select(_members.c.username, _members.c.own, _members.c.permissions).where(*mine)
        )
    }
    for user in sorted(granted.keys() | present.keys()):
        own, before = present.get(user, (None, None))
        given = [permissions for permissions in (own, granted.get(user)) if permissions is not None]
        after = None if not given else given[0] | given[-1]
        if after != before:
            _write(conn, project, user, before, after)


def _granted(conn: Connection, project: str, username: str | None) -> dict[str, Permissions]:
    """What users may do by way of their teams and divisions."""
    found: dict[str, Permissions] = {}
    crowds = conn.execute(select(*_shape.columns).where(_table.c.project == project).order_by(_table.c.id))
    for member in _shape.read_all(crowds):
        user, which = _USERS[member.crowd]
        wanted = [which == member.id, *([] if username is None else [user == username])]
        for name in conn.execute(select(user).where(*wanted)).scalars():
            found[name] = found.get(name, member.permissions) | member.permissions
    return found


def _write(
    conn: Connection, project: str, username: str, before: Permissions | None, after: Permissions | None
) -> None:
    this = (_members.c.project == project, _members.c.username == username)
    if after is None:
        conn.execute(delete_from(_members).where(*this))
    elif before is None:
        conn.execute(insert_into(_members), {"project": project, "username": username, "permissions": after})
    else:
        conn.execute(update(_members).where(*this).values(permissions=after))


def _is(member: CrowdMember) -> tuple[ColumnElement[bool], ...]:
    return _table.c.project == member.project, _table.c.crowd == member.crowd, _table.c.id == member.id
