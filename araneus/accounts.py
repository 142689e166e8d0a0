"""Accounts of people: the first user of a fresh data directory, further users, tokens, the credentials file.

Used by the command line only; it works on the database directly, for the person who owns the machine.
"""

import configparser
import getpass
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from araneus.config import CREDENTIALS
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import new_token, new_uuid
from araneus.model.user import Token, User, check_not_last_admin, new_user, token_digest
from araneus.store import tokens, users
from araneus.store.database import Database


def add_user(database: Database, username: str, *, email: str = "", admin: bool = False, now: datetime) -> User:
    """Insert a user with a billing group of their own; `Refusal` when the name is taken or unusable."""
    user = new_user(username, email=email, admin=admin, billing_group=new_uuid(), now=now)
    with database.write() as connection:
        users.insert(connection, user)
    return user


def set_disabled(database: Database, username: str, *, disabled: bool) -> None:
    """Let an account work no more, at once, or again; `Refusal` for an unknown name and for the last administrator."""
    with database.write() as connection:
        user = users.get(connection, username)
        if user is None:
            raise no_user(username)
        if disabled:
            check_not_last_admin(user, users.all_users(connection))
        users.save(connection, replace(user, disabled=disabled))


def add_token(
    database: Database, username: str, *, label: str = "", days: int | None = None, now: datetime
) -> tuple[str, Token]:
    """Make a token for a user; the text is returned once and only its hash is kept."""
    text = new_token()
    token = Token(
        digest=token_digest(text),
        username=username,
        label=label,
        created_on=now,
        expires_on=now + timedelta(days=days) if days else None,
    )
    with database.write() as connection:
        if users.get(connection, username) is None:
            raise no_user(username)
        tokens.insert(connection, token)
    return text, token


def no_user(username: str) -> Refusal:
    """The error for a name that nobody has."""
    return Refusal(Fault.USER_NOT_FOUND, f"No user {username[:80]!r}; see `araneus user list`.")


def ensure_first_user(database: Database, data: Path, endpoint: str, now: datetime) -> str:
    """Make the first user and their token on a fresh start, and keep ``data/credentials`` up to date.

    The file has the form of ``~/.sevenbridges/credentials`` with the profile ``default`` and is readable by its owner
    only. Returns the username it belongs to. A lost or revoked token is replaced by a new one.
    """
    with database.read() as connection:
        known = users.all_users(connection)
    user = known[0] if known else add_user(database, _own_name(), admin=True, now=now)
    file = data / CREDENTIALS
    text = _token_in(file)
    owner = None
    if text:
        with database.read() as connection:
            owner = users.by_token(connection, token_digest(text), now)
    if owner is None:
        text, _ = add_token(database, user.username, label="made by araneus up", now=now)
    else:
        user = owner
    assert text is not None
    _write_credentials(file, endpoint, text)
    return user.username


def _own_name() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ""
    return re.sub(r"[^A-Za-z0-9_\-]", "-", name)[:64] or "me"


def _token_in(file: Path) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, "utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None
    return parser.get("default", "auth_token", fallback=None)


def _write_credentials(file: Path, endpoint: str, token: str) -> None:
    text = f"[default]\napi_endpoint = {endpoint}\nauth_token = {token}\n"
    if file.exists() and file.read_text("utf-8", "replace") == text:
        return
    fresh = file.with_name(file.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    fresh.replace(file)
