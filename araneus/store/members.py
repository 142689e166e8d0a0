"""Users inside projects."""

from sqlalchemy import Connection, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.errors import Fault, Refusal
from araneus.model.project import Member
from araneus.store import tables
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.shape import Shape

_table = tables.members
_members = Shape(Member, _table)


def page(conn: Connection, project: str, *, offset: int, limit: int) -> Page[Member]:
    """The members of a project by username."""
    query = (
        select(*_members.columns)
        .where(_table.c.project == project)
        .order_by(_table.c.username)
        .offset(offset)
        .limit(limit)
    )
    total = conn.execute(select(func.count()).select_from(_table).where(_table.c.project == project)).scalar_one()
    return Page(_members.read_all(conn.execute(query)), total)


def all_members(conn: Connection, project: str) -> list[Member]:
    """Every member of a project, by username."""
    query = select(*_members.columns).where(_table.c.project == project).order_by(_table.c.username)
    return _members.read_all(conn.execute(query))


def get(conn: Connection, project: str, username: str) -> Member | None:
    """The member, or None when the user is no member or does not exist."""
    row = conn.execute(
        select(*_members.columns).where(_table.c.project == project, _table.c.username == username)
    ).first()
    return None if row is None else _members.read(row)


def share_project(conn: Connection, username: str, other: str) -> bool:
    """Whether two users are members of a common project."""
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
    with refusing(
        conn,
        taken=Refusal(Fault.USER_EXISTS, f"{member.username!r} is a member of {member.project} already."),
        missing=Refusal(Fault.USER_NOT_FOUND, f"User {member.username!r} does not exist."),
    ):
        conn.execute(insert_into(_table), _members.values(member))


def save(conn: Connection, member: Member) -> bool:
    """Write the permissions of a member. False when there is no such member."""
    changed = conn.execute(
        update(_table)
        .where(_table.c.project == member.project, _table.c.username == member.username)
        .values(permissions=member.permissions)
    )
    return changed.rowcount > 0


def delete(conn: Connection, project: str, username: str) -> bool:
    """Take a user out of a project. False when there is no such member."""
    gone = conn.execute(delete_from(_table).where(_table.c.project == project, _table.c.username == username))
    return gone.rowcount > 0
