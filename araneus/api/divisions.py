"""Divisions and their teams, as far as the clients call them. Source: API reference, "Divisions and teams".

Who belongs to no division sees none. Members see their division's users and teams; its administrators, and those of the
server, make and change teams.
"""

from dataclasses import replace
from typing import Any

import msgspec

from araneus.api import wire
from araneus.api.call import NO_CONTENT, Answer, Call, Route
from araneus.api.services import Services
from araneus.model.division import Division, Role, Team
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import is_uuid, new_uuid
from araneus.store import divisions
from araneus.store.database import Connection

LIST_FIELDS = ("href", "id", "name")
MEMBER_FIELDS = ("href", "id", "username", "role")
_LONGEST = 255


class TeamBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /teams`` and ``PATCH /teams/{id}``."""

    name: str | None = None
    division: str | None = None


class TeamMemberBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /teams/{id}/members``."""

    id: str | None = None


def own_division(conn: Connection, call: Call, named: str | None) -> Division:
    """The division that is named, when the caller belongs to it or administers the server; `Refusal` otherwise."""
    if not named:
        raise Refusal(Fault.DIVISION_REQUIRED, "Give the division whose users or teams you want.")
    belongs = divisions.of_user(conn, call.caller.username)
    if belongs is None and not call.caller.admin:
        raise Refusal(Fault.BAD_REQUEST, "You are not a division user: your account belongs to no division.")
    allowed = call.caller.admin or (belongs is not None and belongs.division == named)
    division = divisions.get(conn, named) if allowed else None
    if division is None:
        raise Refusal(Fault.DIVISION_NOT_FOUND, "Requested division does not exist.")
    return division


def administers(conn: Connection, call: Call, division: str) -> bool:
    """Whether the caller may change the division's teams and disable its users."""
    belongs = divisions.of_user(conn, call.caller.username)
    return call.caller.admin or (belongs is not None and belongs.division == division and belongs.role is Role.ADMIN)


def list_divisions(call: Call, services: Services) -> Answer:
    """``GET /divisions``: the caller's own, if he has one."""
    at = wire.window(call)
    with services.database.read() as conn:
        belongs = divisions.of_user(conn, call.caller.username)
        own = divisions.get(conn, belongs.division) if belongs is not None else None
    shown = [_show_division(call, own)] if own is not None else []
    return wire.page(call, shown[at.offset :], total=len(shown), at=at, default=LIST_FIELDS)


def get_division(call: Call, services: Services) -> Answer:
    """``GET /divisions/{division}``."""
    with services.database.read() as conn:
        try:
            division = own_division(conn, call, call.path["division"])
        except Refusal as refusal:
            raise Refusal(Fault.DIVISION_NOT_FOUND, "Requested division does not exist.") from refusal
    return wire.one(call, _show_division(call, division))


def _show_division(call: Call, division: Division) -> dict[str, Any]:
    return {"href": call.href("divisions", division.id), "id": division.id, "name": division.name}


def list_teams(call: Call, services: Services) -> Answer:
    """``GET /teams`` and ``GET /divisions/{division}/teams``: the caller's, or all with ``_all``."""
    at = wire.window(call)
    named = call.path.get("division") or call.one("division")
    everyone = "division" in call.path or bool(call.flag("_all"))
    with services.database.read() as conn:
        division = own_division(conn, call, named)
        of = None if everyone else call.caller.username
        found = divisions.teams(conn, division.id, of=of, offset=at.offset, limit=at.limit)
    items = [_show_team(call, team) for team in found.items]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def _show_team(call: Call, team: Team) -> dict[str, Any]:
    return {"href": call.href("teams", team.id), "id": team.id, "name": team.name}


def visible_team(conn: Connection, call: Call, identity: str) -> Team:
    """A team; those of other divisions do not exist for the caller."""
    team = divisions.get_team(conn, identity) if is_uuid(identity) else None
    belongs = divisions.of_user(conn, call.caller.username)
    seen = team is not None and (call.caller.admin or (belongs is not None and belongs.division == team.division))
    if team is None or not seen:
        raise Refusal(Fault.NOT_FOUND, "Requested team does not exist.")
    return team


def _team(conn: Connection, call: Call, *, to_change: bool = False) -> Team:
    team = visible_team(conn, call, call.path["team"])
    if to_change and not administers(conn, call, team.division):
        raise Refusal(Fault.FORBIDDEN, "Only administrators of the division can change its teams.")
    return team


def _name(body: TeamBody) -> str:
    name = (body.name or "").strip()
    if not name or len(name) > _LONGEST or any(ord(character) < 32 for character in name):
        raise Refusal(Fault.BAD_REQUEST, f"A team needs a name of 1 to {_LONGEST} characters.")
    return name


def create_team(call: Call, services: Services) -> Answer:
    """``POST /teams``."""
    body = call.parse(TeamBody)
    with services.database.write() as conn:
        division = own_division(conn, call, body.division)
        if not administers(conn, call, division.id):
            raise Refusal(Fault.FORBIDDEN, "Only administrators of the division can make teams.")
        team = Team(
            id=new_uuid(),
            division=division.id,
            name=_name(body),
            created_by=call.caller.username,
            created_on=services.clock(),
        )
        divisions.insert_team(conn, team)
    return wire.created(call, _show_team(call, team))


def get_team(call: Call, services: Services) -> Answer:
    """``GET /teams/{team}``."""
    with services.database.read() as conn:
        return wire.one(call, _show_team(call, _team(conn, call)))


def rename_team(call: Call, services: Services) -> Answer:
    """``PATCH /teams/{team}``."""
    body = call.parse(TeamBody)
    with services.database.write() as conn:
        team = _team(conn, call, to_change=True)
        renamed = replace(team, name=_name(body))
        divisions.save_team(conn, renamed)
    return wire.one(call, _show_team(call, renamed))


def delete_team(call: Call, services: Services) -> Answer:
    """``DELETE /teams/{team}``."""
    with services.database.write() as conn:
        divisions.delete_team(conn, _team(conn, call, to_change=True).id)
    return NO_CONTENT


def list_team_members(call: Call, services: Services) -> Answer:
    """``GET /teams/{team}/members``."""
    at = wire.window(call)
    with services.database.read() as conn:
        team = _team(conn, call)
        found = divisions.team_members(conn, team.id, offset=at.offset, limit=at.limit)
    items = [_show_member(call, username, role) for username, role in found.items]
    return wire.page(call, items, total=found.total, at=at, default=MEMBER_FIELDS)


def _show_member(call: Call, username: str, role: Role) -> dict[str, Any]:
    href = call.href("users", username)
    return {"href": href, "id": username, "username": username, "role": role.value}


def add_team_member(call: Call, services: Services) -> Answer:
    """``POST /teams/{team}/members``: users of the division."""
    username = call.parse(TeamMemberBody).id or ""
    with services.database.write() as conn:
        team = _team(conn, call, to_change=True)
        belongs = divisions.of_user(conn, username)
        if belongs is None or belongs.division != team.division:
            raise Refusal(Fault.USER_NOT_FOUND, f"The division has no user {username[:80]!r}.")
        divisions.add_to_team(conn, team.id, username)
    return wire.created(call, _show_member(call, username, belongs.role))


def remove_team_member(call: Call, services: Services) -> Answer:
    """``DELETE /teams/{team}/members/{username}``."""
    username = call.path["username"]
    with services.database.write() as conn:
        team = _team(conn, call, to_change=True)
        if not divisions.remove_from_team(conn, team.id, username):
            raise Refusal(Fault.USER_NOT_FOUND, f"{username[:80]!r} is not in this team.")
    return NO_CONTENT


ROUTES = (
    Route("GET", "/divisions", list_divisions, "The caller's division", importance=3),
    Route("GET", "/divisions/{division}", get_division, "One division", importance=3),
    Route("GET", "/divisions/{division}/teams", list_teams, "All teams of a division", importance=3),
    Route("GET", "/teams", list_teams, "Teams of a division", importance=3),
    Route("POST", "/teams", create_team, "Make a team", importance=3, shape=TeamBody),
    Route("GET", "/teams/{team}", get_team, "One team", importance=3),
    Route("PATCH", "/teams/{team}", rename_team, "Rename a team", importance=3, shape=TeamBody),
    Route("DELETE", "/teams/{team}", delete_team, "Delete a team", importance=3),
    Route("GET", "/teams/{team}/members", list_team_members, "Members of a team", importance=3),
    Route("POST", "/teams/{team}/members", add_team_member, "Add a user to a team", importance=3, shape=TeamMemberBody),
    Route("DELETE", "/teams/{team}/members/{username}", remove_team_member, "Remove from a team", importance=3),
)
