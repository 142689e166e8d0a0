"""Users inside projects, with what they were given themselves; teams and divisions are in `store.crowds`."""

from sqlalchemy import Connection, func, select, update
from sqlalchemy import insert as insert_into

from araneus.model.access import Permissions
from araneus.model.errors import Fault, Refusal
from araneus.model.project import Member
from araneus.store import crowds, tables
from araneus.store.constraints import refusing
from araneus.store.page import Page

_table = tables.members
_COLUMNS = (_table.c.project, _table.c.username, _table.c.own)
_GIVEN = _table.c.own.is_not(None)


def page(conn: Connection, project: str, *, offset: int, limit: int) -> Page[Member]:
    """The users that are members of a project themselves, by username."""
    wanted = (_table.c.project == project, _GIVEN)
    query = select(*_COLUMNS).where(*wanted).order_by(_table.c.username).offset(offset).limit(limit)
    total = conn.execute(select(func.count()).select_from(_table).where(*wanted)).scalar_one()
    return Page([_read(*row) for row in conn.execute(query)], total)


def all_members(conn: Connection, project: str) -> list[Member]:
    """Every user that is a member himself, by username."""
    query = select(*_COLUMNS).where(_table.c.project == project, _GIVEN).order_by(_table.c.username)
    return [_read(*row) for row in conn.execute(query)]


def get(conn: Connection, project: str, username: str) -> Member | None:
    """The member, or None when the user is none himself or does not exist."""
    this = (_table.c.project == project, _table.c.username == username, _GIVEN)
    row = conn.execute(select(*_COLUMNS).where(*this)).first()
    return None if row is None else _read(*row)


def share_project(conn: Connection, username: str, other: str) -> bool:
    """Whether two users see a common project."""
    mine, theirs = _table.alias(), _table.alias()
    query = (
        select(mine.c.project)
        .join(theirs, theirs.c.project == mine.c.project)
        .where(mine.c.username == username, theirs.c.username == other)
        .limit(1)
    )
    return conn.execute(query).first() is not None


def insert(conn: Connection, member: Member) -> None:
    """Add a member. Raises `Refusal` USER_EXISTS when the user is one already, USER_NOT_FOUND when the user or the
    project does not exist."""
    if save(conn, member, new=True):
        return
    with refusing(
        conn,
        taken=Refusal(Fault.USER_EXISTS, f"{member.username!r} is a member of {member.project} already."),
        missing=Refusal(Fault.USER_NOT_FOUND, f"User {member.username!r} does not exist."),
    ):
        values = {"project": member.project, "username": member.username, "permissions": member.permissions}
        conn.execute(insert_into(_table), values | {"own": member.permissions})


def save(conn: Connection, member: Member, *, new: bool = False) -> bool:
    """Write the permissions of a member, or of somebody who becomes one and has been here with his team (``new``).
    False when there is nobody like that."""
    changed = conn.execute(
        update(_table)
        .where(
            _table.c.project == member.project,
            _table.c.username == member.username,
            _table.c.own.is_(None) if new else _GIVEN,
        )
        .values(own=member.permissions)
    )
    if changed.rowcount:
        crowds.settle(conn, [member.project], member.username)
    return changed.rowcount > 0


def delete(conn: Connection, project: str, username: str) -> bool:
    """Take a user out of a project; he stays as far as his team or division does. False when he is no member."""
    gone = conn.execute(
        update(_table).where(_table.c.project == project, _table.c.username == username, _GIVEN).values(own=None)
    )
    if gone.rowcount:
        crowds.settle(conn, [project], username)
    return gone.rowcount > 0


def _read(project: str, username: str, own: object) -> Member:
    assert isinstance(own, Permissions)
    return Member(project=project, username=username, permissions=own)
