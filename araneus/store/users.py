"""Accounts."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, false, func, or_, select, update
from sqlalchemy import insert as insert_into

from araneus.model.errors import Fault, Refusal
from araneus.model.user import User
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.constraints import refusing
from araneus.store.prepared import PreparedIn
from araneus.store.shape import Shape

_users = Shape(User, tables.users)
_BY_TOKEN = PreparedIn(
    select(*_users.columns, tables.tokens.c.digest)
    .join(tables.tokens, tables.tokens.c.username == tables.users.c.username)
    .where(
        or_(tables.tokens.c.expires_on.is_(None), tables.tokens.c.expires_on > bindparam("now")),
        tables.users.c.disabled == false(),
    ),
    tables.tokens.c.digest,
)
_ENABLED = select(func.count()).select_from(tables.users).where(tables.users.c.disabled == false())


def insert(conn: Connection, user: User) -> None:
    """Add an account. Raises `Refusal` USER_EXISTS when the username or the email address is taken."""
    with refusing(conn, taken=_exists(user)):
        conn.execute(insert_into(tables.users), _users.values(user))


def get(conn: Connection, username: str) -> User | None:
    """The account, disabled or not."""
    row = conn.execute(select(*_users.columns).where(tables.users.c.username == username)).first()
    return None if row is None else _users.read(row)


def get_many(conn: Connection, usernames: Collection[str]) -> dict[str, User]:
    """The accounts that exist, by username."""
    found: dict[str, User] = {}
    for some in chunks(usernames):
        rows = conn.execute(select(*_users.columns).where(tables.users.c.username.in_(some)))
        found.update((user.username, user) for user in _users.read_all(rows))
    return found


def by_email(conn: Connection, email: str) -> User | None:
    """The account with this address, character by character; None for the empty address."""
    table = tables.users
    if not email:
        return None
    # Repeating the condition of the partial index lets SQLite use it.
    row = conn.execute(select(*_users.columns).where(table.c.email == email, table.c.email != "")).first()
    return None if row is None else _users.read(row)


def in_billing_group(conn: Connection, group: str) -> list[User]:
    """The accounts of a billing group, by username."""
    query = select(*_users.columns).where(tables.users.c.billing_group == group).order_by(tables.users.c.username)
    return _users.read_all(conn.execute(query))


def all_users(conn: Connection) -> list[User]:
    """Every account, by username."""
    return _users.read_all(conn.execute(select(*_users.columns).order_by(tables.users.c.username)))


def count_enabled(conn: Connection) -> int:
    """How many accounts can be used."""
    return conn.execute(_ENABLED).scalar_one()


def save(conn: Connection, user: User) -> None:
    """Write an account back. Raises `Refusal` USER_EXISTS when its new email address is taken."""
    with refusing(conn, taken=_exists(user)):
        conn.execute(update(tables.users).where(tables.users.c.username == user.username).values(**_users.values(user)))


def by_token(conn: Connection, digest: str, now: datetime) -> User | None:
    """The owner of a token that is known and has not expired, unless the account is disabled."""
    return by_tokens(conn, [digest], now).get(digest)


def by_tokens(conn: Connection, digests: Collection[str], now: datetime) -> dict[str, User]:
    """`by_token` for several at once; only those that have an owner are in the answer."""
    return {row[-1]: _users.read(row) for row in _BY_TOKEN.all(conn, digests, now=now)}


def _exists(user: User) -> Refusal:
    return Refusal(
        Fault.USER_EXISTS, f"There is a user {user.username!r} already, or another one with this email address."
    )
