"""The ``user``, ``token`` and ``division`` commands: they work on the database of a data directory, for its owner."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from araneus import accounts, config
from araneus.model.division import Division, DivisionMember, Role
from araneus.model.errors import AraneusError
from araneus.model.user import Token, check_username, token_digest
from araneus.store import divisions, tokens, users
from araneus.store.database import Database

_SHORTEST_PREFIX = 8


def add_user(data: Path, username: str, email: str, *, admin: bool = False) -> int:
    """``araneus user add``: the exit code."""

    def act(database: Database) -> int:
        user = accounts.add_user(database, username, email=email, admin=admin, now=_now())
        text, _ = accounts.add_token(database, user.username, label="made by araneus user add", now=_now())
        print(f"User {user.username} added. Their token, shown this once:\n{text}")
        return 0

    return _with_database(data, act)


def list_users(data: Path) -> int:
    """``araneus user list``: the exit code."""

    def act(database: Database) -> int:
        with database.read() as connection:
            found = users.all_users(connection)
        table = Table("username", "email", "admin", "disabled", "since")
        for user in found:
            table.add_row(
                user.username, user.email, _mark(user.admin), _mark(user.disabled), f"{user.created_on:%Y-%m-%d}"
            )
        Console().print(table)
        return 0

    return _with_database(data, act)


def disable_user(data: Path, username: str, *, disabled: bool) -> int:
    """``araneus user disable`` and ``enable``: the exit code."""

    def act(database: Database) -> int:
        accounts.set_disabled(database, username, disabled=disabled)
        print(f"User {username} is {'disabled: their tokens and links work no more' if disabled else 'enabled'}.")
        return 0

    return _with_database(data, act)


def add_division(data: Path, division: str, name: str) -> int:
    """``araneus division add``: the exit code."""

    def act(database: Database) -> int:
        made = Division(id=check_username(division), name=name or division, created_on=_now())
        with database.write() as connection:
            divisions.insert(connection, made)
        print(f"Division {division} added; see `araneus division join`.")
        return 0

    return _with_database(data, act)


def join_division(data: Path, division: str, username: str, role: str) -> int:
    """``araneus division join``: the exit code."""

    def act(database: Database) -> int:
        with database.write() as connection:
            divisions.put_member(
                connection, DivisionMember(username=username, division=division, role=Role(role.upper()))
            )
        print(f"User {username} belongs to {division} ({role.lower()}).")
        return 0

    return _with_database(data, act)


def leave_division(data: Path, username: str) -> int:
    """``araneus division leave``: the exit code."""

    def act(database: Database) -> int:
        with database.write() as connection:
            left = divisions.remove_member(connection, username)
        print(f"User {username} belongs to no division{'' if left else ', as before'}.")
        return 0 if left else 1

    return _with_database(data, act)


def create_token(data: Path, username: str, label: str, days: int | None) -> int:
    """``araneus token create``: the exit code. Only the token goes to standard output, so that it can be captured."""

    def act(database: Database) -> int:
        text, _ = accounts.add_token(database, username, label=label, days=days, now=_now())
        print(text)
        return 0

    return _with_database(data, act)


def list_tokens(data: Path, username: str | None) -> int:
    """``araneus token list``: the exit code."""

    def act(database: Database) -> int:
        table = Table("hash starts with", "user", "label", "made", "expires")
        for token in _all_tokens(database, username):
            expires = f"{token.expires_on:%Y-%m-%d}" if token.expires_on else "never"
            table.add_row(token.digest[:12], token.username, token.label, f"{token.created_on:%Y-%m-%d}", expires)
        Console().print(table)
        return 0

    return _with_database(data, act)


def revoke_token(data: Path, token: str) -> int:
    """``araneus token revoke``: the exit code."""

    def act(database: Database) -> int:
        digest = token_digest(token)
        found = [
            known
            for known in _all_tokens(database, None)
            if known.digest == digest or (len(token) >= _SHORTEST_PREFIX and known.digest.startswith(token))
        ]
        if len(found) != 1:
            print(f"{len(found)} tokens match; see `araneus token list`.", file=sys.stderr)
            return 1
        with database.write() as connection:
            tokens.delete(connection, found[0].digest)
        print(f"Revoked a token of {found[0].username} ({found[0].label or 'no label'}).")
        return 0

    return _with_database(data, act)


def _all_tokens(database: Database, username: str | None) -> list[Token]:
    with database.read() as connection:
        if username and users.get(connection, username) is None:
            raise accounts.no_user(username)
        names = [username] if username else [user.username for user in users.all_users(connection)]
        return [token for name in names for token in tokens.list_for(connection, name)]


def _with_database(data: Path, act: Callable[[Database], int]) -> int:
    """Run on the database of an existing data directory, with every expected error as one line."""
    try:
        settings = config.load(data, os.environ)
        if not settings.database.url and not (data / "araneus.db").exists():
            print(f"No server data in {data}: start it once with `araneus up --data {data}`.", file=sys.stderr)
            return 1
        database = Database.open(settings.database_url)
        try:
            database.migrate()
            return act(database)
        finally:
            database.close()
    except (AraneusError, config.SettingsError) as error:
        print(error, file=sys.stderr)
        return 1


def _mark(value: bool) -> str:
    return "yes" if value else ""


def _now() -> datetime:
    return datetime.now(UTC)
