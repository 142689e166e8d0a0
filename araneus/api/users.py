"""Users: the caller himself and the people he shares a project with. Source: API reference, users."""

from typing import Any

from araneus.api import wire
from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.user import User
from araneus.store import members, users


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
    """``GET /users/{username}``: oneself, people of common projects, and for administrators everybody."""
    username = call.path["username"]
    if username == call.caller.username:
        return wire.one(call, show_user(call, call.caller))
    with services.database.read() as conn:
        user = users.get(conn, username)
        if user is None:
            raise Refusal(Fault.USER_NOT_FOUND, f"User {username[:80]!r} does not exist.")
        if not call.caller.admin and not members.share_project(conn, call.caller.username, username):
            raise Refusal(Fault.USER_FORBIDDEN, "You can see only users with whom you share a project.")
    return wire.one(call, show_user(call, user))


def list_users(call: Call, services: Services) -> Answer:
    """``GET /users``: lists a division's users, and this server has no divisions."""
    if not call.one("division"):
        raise Refusal(Fault.DIVISION_REQUIRED, "Give the division whose users you want to list.")
    raise Refusal(Fault.BAD_REQUEST, "You are not a division user: this server has no divisions.")


ROUTES = (
    Route("GET", "/user", get_self, "The caller's own account", importance=1),
    Route("GET", "/users", list_users, "Users of a division", importance=3),
    Route("GET", "/users/{username}", get_user, "One user"),
)
