"""Users: the caller himself and the people he shares a project with. Source: API reference, users."""

from dataclasses import replace
from typing import Any

from araneus.api import wire
from araneus.api.call import NO_CONTENT, Answer, Call, Route
from araneus.api.divisions import administers, own_division
from araneus.api.services import Services
from araneus.model.division import Role
from araneus.model.errors import Fault, Refusal
from araneus.model.user import User, check_not_last_admin
from araneus.store import divisions, members, users
from araneus.store.database import Connection

LIST_FIELDS = ("href", "username", "email", "first_name", "last_name", "affiliation", "role")


def show_user(call: Call, user: User) -> dict[str, Any]:
    """The user object."""
    return {
        "href": call.href("users", user.username),
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "affiliation": user.affiliation,
        "phone": "",
        "address": "",
        "city": "",
        "state": "",
        "country": "",
        "zip_code": "",
        "role": "ADMIN" if user.admin else "MEMBER",
        "tags": [],
    }


def get_self(call: Call, services: Services) -> Answer:
    """``GET /user``."""
    return wire.one(call, show_user(call, call.caller))


def get_user(call: Call, services: Services) -> Answer:
    """``GET /users/{username}``: oneself, people of common projects and of the division; administrators all.

    A name that nobody has answers like one that the caller may not see: only administrators learn which there are.
    """
    username = call.path["username"]
    if username == call.caller.username:
        return wire.one(call, show_user(call, call.caller))
    with services.database.read() as conn:
        user = users.get(conn, username)
        if user is None and call.caller.admin:
            raise Refusal(Fault.USER_NOT_FOUND, f"User {username[:80]!r} does not exist.")
        if user is None or not (call.caller.admin or _acquainted(conn, call.caller.username, username)):
            raise Refusal(Fault.USER_FORBIDDEN, "You can see only users with whom you share a project or division.")
    return wire.one(call, show_user(call, user))


def _acquainted(conn: Connection, username: str, other: str) -> bool:
    if members.share_project(conn, username, other):
        return True
    mine, theirs = divisions.of_user(conn, username), divisions.of_user(conn, other)
    return mine is not None and theirs is not None and mine.division == theirs.division


def list_users(call: Call, services: Services) -> Answer:
    """``GET /users``: the users of the caller's division."""
    at, role = wire.window(call), (call.one("role") or "").upper()
    if role and role not in Role.__members__:
        raise Refusal(Fault.BAD_REQUEST, f"Unknown role {role[:80]!r}: member, admin or external_collaborator.")
    with services.database.read() as conn:
        division = own_division(conn, call, call.one("division"))
        wanted = Role(role) if role else None
        found = divisions.members(conn, division.id, role=wanted, offset=at.offset, limit=at.limit)
    items = [show_user(call, user) | {"role": held.value} for user, held in found.items]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def disable_user(call: Call, services: Services) -> Answer:
    """``DELETE /users/{username}``: the account works no more, at once; what it owns stays. For administrators of the
    server, and of the user's division."""
    username = call.path["username"]
    with services.database.write() as conn:
        user, belongs = users.get(conn, username), divisions.of_user(conn, username)
        in_charge = belongs is not None and user is not None and not user.admin
        if not call.caller.admin and not (in_charge and belongs and administers(conn, call, belongs.division)):
            raise Refusal(Fault.USER_FORBIDDEN, "Only administrators can disable accounts.")
        if user is None:
            raise Refusal(Fault.USER_NOT_FOUND, f"User {username[:80]!r} does not exist.")
        check_not_last_admin(user, users.all_users(conn))
        users.save(conn, replace(user, disabled=True))
    return NO_CONTENT


ROUTES = (
    Route("GET", "/user", get_self, "The caller's own account", importance=1),
    Route("GET", "/users", list_users, "Users of a division", importance=3),
    Route("GET", "/users/{username}", get_user, "One user"),
    Route("DELETE", "/users/{username}", disable_user, "Disable a user", importance=3),
)
