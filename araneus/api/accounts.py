"""Accounts and tokens, which the platform makes in its web pages: calls of our own, beside the documented ones.

Administrators add users, enable them again, name administrators and make tokens; everybody sees and revokes his own
tokens. (Whoever could make his own would turn a token that expires into one that does not.)
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from araneus.api import wire
from araneus.api.call import NO_CONTENT, Answer, Call, Route
from araneus.api.services import Services
from araneus.api.users import show_user
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import is_token_digest, new_token, new_uuid
from araneus.model.user import Token, User, check_not_last_admin, new_user, token_digest
from araneus.store import tokens, users
from araneus.store.database import Connection

MOST_DAYS = 36_500
_TEXTS = ("email", "first_name", "last_name", "affiliation")
_LONGEST = 255


class NewUserBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /users``."""

    username: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    affiliation: str = ""
    admin: bool = False


class UserBody(msgspec.Struct, kw_only=True):
    """Body of ``PATCH /users/{username}``: what is null or left out stays as it is."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    affiliation: str | None = None
    admin: bool | None = None
    disabled: bool | None = None


class TokenBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /users/{username}/tokens``; without ``days`` the token does not expire."""

    label: str = ""
    days: int | None = None


def add_user(call: Call, services: Services) -> Answer:
    """``POST /users``: for administrators. The account has no token yet."""
    _require_admin(call)
    body = call.parse(NewUserBody)
    made = new_user(body.username, email=body.email, admin=body.admin, billing_group=new_uuid(), now=services.clock())
    texts: dict[str, Any] = {name: _text(name, getattr(body, name) or getattr(made, name)) for name in _TEXTS}
    user = replace(made, **texts)
    with services.database.write() as conn:
        users.insert(conn, user)
    return wire.created(call, _show(call, user))


def edit_user(call: Call, services: Services) -> Answer:
    """``PATCH /users/{username}``: everybody his own name and address, administrators everything."""
    body = call.parse(UserBody)
    if body.admin is not None or body.disabled is not None or call.path["username"] != call.caller.username:
        _require_admin(call)
    with services.database.write() as conn:
        before = _user(conn, call.path["username"])
        texts: dict[str, Any] = {
            name: _text(name, getattr(body, name)) for name in _TEXTS if getattr(body, name) is not None
        }
        after = replace(
            before,
            **texts,
            admin=before.admin if body.admin is None else body.admin,
            disabled=before.disabled if body.disabled is None else body.disabled,
        )
        if after.disabled or not after.admin:
            check_not_last_admin(before, users.all_users(conn))
        users.save(conn, after)
    return wire.one(call, _show(call, after))


def _show(call: Call, user: User) -> dict[str, Any]:
    return show_user(call, user) | {"disabled": user.disabled}


def list_tokens(call: Call, services: Services) -> Answer:
    """``GET /users/{username}/tokens``: without their texts, which nobody knows."""
    username, at, now = _own_or_admin(call), wire.window(call), services.clock()
    with services.database.read() as conn:
        found = tokens.list_for(conn, _user(conn, username).username)
    shown = [
        _show_token(call, token) | {"expired": token.expires_on is not None and token.expires_on <= now}
        for token in found
    ]
    part = shown[at.offset : at.offset + at.limit]
    return wire.page(call, part, total=len(shown), at=at, default=("href", "id", "label", "created_on", "expires_on"))


def _show_token(call: Call, token: Token) -> dict[str, Any]:
    return {
        "href": call.href("users", token.username, "tokens", token.digest),
        "id": token.digest,
        "label": token.label,
        "created_on": wire.timestamp(token.created_on),
        "expires_on": wire.timestamp(token.expires_on),
    }


def create_token(call: Call, services: Services) -> Answer:
    """``POST /users/{username}/tokens``: for administrators; the answer shows the text, this one time."""
    _require_admin(call)
    username, body = call.path["username"], call.parse(TokenBody)
    if body.days is not None and not 1 <= body.days <= MOST_DAYS:
        raise Refusal(Fault.BAD_REQUEST, f"'days' must be a number from 1 to {MOST_DAYS}.")
    text, now = new_token(), services.clock()
    token = Token(
        digest=token_digest(text),
        username=username,
        label=_text("label", body.label),
        created_on=now,
        expires_on=now + timedelta(days=body.days) if body.days else None,
    )
    with services.database.write() as conn:
        _user(conn, username)
        tokens.insert(conn, token)
    return wire.created(call, _show_token(call, token) | {"token": text})


def revoke_token(call: Call, services: Services) -> Answer:
    """``DELETE /users/{username}/tokens/{token}``: it stops working at once, in every process."""
    username, digest = _own_or_admin(call), call.path["token"]
    with services.database.write() as conn:
        known = {token.digest for token in tokens.list_for(conn, username)} if is_token_digest(digest) else set()
        if digest not in known:
            raise Refusal(Fault.NOT_FOUND, "Requested token does not exist.")
        tokens.delete(conn, digest)
    return NO_CONTENT


def _require_admin(call: Call) -> None:
    if not call.caller.admin:
        raise Refusal(Fault.USER_FORBIDDEN, "Only administrators of the server can do this.")


def _own_or_admin(call: Call) -> str:
    if call.path["username"] != call.caller.username:
        _require_admin(call)
    return call.path["username"]


def _user(conn: Connection, username: str) -> User:
    user = users.get(conn, username)
    if user is None:
        raise Refusal(Fault.USER_NOT_FOUND, f"User {username[:80]!r} does not exist.")
    return user


def _text(name: str, value: str) -> str:
    if len(value) > _LONGEST or any(ord(character) < 32 for character in value):
        raise Refusal(Fault.BAD_REQUEST, f"{name!r} must be a text of at most {_LONGEST} characters, in one line.")
    return value


_TOKENS = "/users/{username}/tokens"
ROUTES = (
    Route("POST", "/users", add_user, "Add a user", importance=3, shape=NewUserBody),
    Route("PATCH", "/users/{username}", edit_user, "Change an account", importance=3, shape=UserBody),
    Route("GET", _TOKENS, list_tokens, "Tokens of a user", importance=3),
    Route("POST", _TOKENS, create_token, "Make a token", importance=3, shape=TokenBody),
    Route("DELETE", f"{_TOKENS}/{{token}}", revoke_token, "Revoke a token", importance=3),
)
