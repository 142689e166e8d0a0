"""Divisions, who belongs to them, and their teams."""

from sqlalchemy import ColumnElement, Connection, exists, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.division import Division, DivisionMember, Role, Team
from araneus.model.errors import Fault, Refusal
from araneus.model.project import Crowd
from araneus.model.user import User
from araneus.store import crowds, tables
from araneus.store.constraints import refusing
from araneus.store.page import Page
from araneus.store.shape import Shape

_divisions = Shape(Division, tables.divisions)
_belonging = Shape(DivisionMember, tables.division_members)
_teams = Shape(Team, tables.teams)
_users = Shape(User, tables.users)
_within = tables.team_members


def insert(conn: Connection, division: Division) -> None:
    """Add a division. Raises `Refusal` CONFLICT when its id is taken."""
    with refusing(conn, taken=Refusal(Fault.CONFLICT, f"There is a division {division.id!r} already.")):
        conn.execute(insert_into(tables.divisions), _divisions.values(division))


def get(conn: Connection, division: str) -> Division | None:
    """The division."""
    row = conn.execute(select(*_divisions.columns).where(tables.divisions.c.id == division)).first()
    return None if row is None else _divisions.read(row)


def of_user(conn: Connection, username: str) -> DivisionMember | None:
    """What a user is in his division; None when he has none."""
    table = tables.division_members
    row = conn.execute(select(*_belonging.columns).where(table.c.username == username)).first()
    return None if row is None else _belonging.read(row)


def put_member(conn: Connection, member: DivisionMember) -> None:
    """Let a user belong to a division, in place of an earlier one, whose teams he leaves.

    Raises `Refusal` DIVISION_NOT_FOUND when the division or the user does not exist.
    """
    before = of_user(conn, member.username)
    crowds.lock_user(conn, member.username)
    left = crowds.of_user(conn, member.username)
    concerned = [*left, (Crowd.DIVISION, member.division)]
    crowds.lock(conn, concerned)
    table = tables.division_members
    conn.execute(delete_from(table).where(table.c.username == member.username))
    if before is not None and before.division != member.division:
        conn.execute(delete_from(_within).where(_within.c.username == member.username))
    gone = Refusal(Fault.DIVISION_NOT_FOUND, f"There is no division {member.division!r}, or no such user.")
    with refusing(conn, missing=gone):
        conn.execute(insert_into(table), _belonging.values(member))
    crowds.settle(conn, crowds.projects_of(conn, concerned), member.username)


def remove_member(conn: Connection, username: str) -> bool:
    """Take a user out of his division and its teams, and out of the projects that he saw only with these. False when
    he belongs to none."""
    crowds.lock_user(conn, username)
    left = crowds.of_user(conn, username)
    crowds.lock(conn, left)
    conn.execute(delete_from(_within).where(_within.c.username == username))
    table = tables.division_members
    gone = conn.execute(delete_from(table).where(table.c.username == username)).rowcount > 0
    crowds.settle(conn, crowds.projects_of(conn, left), username)
    return gone


def members(
    conn: Connection, division: str, *, role: Role | None = None, offset: int, limit: int
) -> Page[tuple[User, Role]]:
    """The users of a division, by name."""
    table = tables.division_members
    here = table.c.division == division
    if role is not None:
        here &= table.c.role == role
    query = (
        select(*_users.columns, table.c.role)
        .join(table, table.c.username == tables.users.c.username)
        .where(here)
        .order_by(table.c.username)
        .offset(offset)
        .limit(limit)
    )
    total = conn.execute(select(func.count()).select_from(table).where(here)).scalar_one()
    return Page([(_users.read(row), _users.rest(row)[0]) for row in conn.execute(query)], total)


def insert_team(conn: Connection, team: Team) -> None:
    """Add a team. Raises `Refusal` CONFLICT when its name is taken in the division."""
    with refusing(conn, taken=_taken(team)):
        conn.execute(insert_into(tables.teams), _teams.values(team))


def save_team(conn: Connection, team: Team) -> None:
    """Write a team back. Raises `Refusal` CONFLICT as `insert_team` does."""
    with refusing(conn, taken=_taken(team)):
        conn.execute(update(tables.teams).where(tables.teams.c.id == team.id).values(**_teams.values(team)))


def get_team(conn: Connection, team: str) -> Team | None:
    """The team."""
    row = conn.execute(select(*_teams.columns).where(tables.teams.c.id == team)).first()
    return None if row is None else _teams.read(row)


def delete_team(conn: Connection, team: str) -> None:
    """Delete a team; its members stay what they are, but leave the projects that they saw only with it."""
    concerned = crowds.forget(conn, Crowd.TEAM, team)
    conn.execute(delete_from(tables.teams).where(tables.teams.c.id == team))
    crowds.settle(conn, concerned)


def teams(conn: Connection, division: str, *, of: str | None, offset: int, limit: int) -> Page[Team]:
    """The teams of a division by name: all, or those of the user ``of``."""
    table = tables.teams
    wanted: list[ColumnElement[bool]] = [table.c.division == division]
    if of is not None:
        wanted.append(exists().where(_within.c.team == table.c.id, _within.c.username == of))
    query = select(*_teams.columns).where(*wanted).order_by(table.c.name).offset(offset).limit(limit)
    total = conn.execute(select(func.count()).select_from(table).where(*wanted)).scalar_one()
    return Page(_teams.read_all(conn.execute(query)), total)


def team_members(conn: Connection, team: str, *, offset: int, limit: int) -> Page[tuple[str, Role]]:
    """The users of a team by name, with what they are in the division."""
    belonging = tables.division_members
    query = (
        select(_within.c.username, belonging.c.role)
        .join(belonging, belonging.c.username == _within.c.username)
        .where(_within.c.team == team)
        .order_by(_within.c.username)
        .offset(offset)
        .limit(limit)
    )
    total = conn.execute(select(func.count()).select_from(_within).where(_within.c.team == team)).scalar_one()
    return Page([(row[0], row[1]) for row in conn.execute(query)], total)


def add_to_team(conn: Connection, team: str, username: str) -> None:
    """Add a user to a team. Raises `Refusal` CONFLICT when he is in it."""
    crowds.lock_user(conn, username)
    crowds.lock(conn, [(Crowd.TEAM, team)])
    with refusing(conn, taken=Refusal(Fault.CONFLICT, f"{username!r} is in this team already.")):
        conn.execute(insert_into(_within), {"team": team, "username": username})
    crowds.settle(conn, crowds.projects_of(conn, [(Crowd.TEAM, team)]), username)


def remove_from_team(conn: Connection, team: str, username: str) -> bool:
    """Take a user out of a team. False when he is not in it."""
    crowds.lock_user(conn, username)
    crowds.lock(conn, [(Crowd.TEAM, team)])
    gone = conn.execute(delete_from(_within).where(_within.c.team == team, _within.c.username == username)).rowcount > 0
    crowds.settle(conn, crowds.projects_of(conn, [(Crowd.TEAM, team)]), username)
    return gone


def _taken(team: Team) -> Refusal:
    return Refusal(Fault.CONFLICT, f"The division has a team {team.name[:80]!r} already.")
