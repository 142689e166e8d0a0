"""Credentials, by their hash."""

from sqlalchemy import Connection, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.errors import Fault, Refusal
from araneus.model.user import Token
from araneus.store import tables
from araneus.store.constraints import refusing
from araneus.store.shape import Shape

_tokens = Shape(Token, tables.tokens)


def insert(conn: Connection, token: Token) -> None:
    """Add a token. Raises `Refusal` USER_NOT_FOUND when its user does not exist, CONFLICT when it is known."""
    with refusing(
        conn,
        taken=Refusal(Fault.CONFLICT, "This token exists already."),
        missing=Refusal(Fault.USER_NOT_FOUND, f"User {token.username!r} does not exist."),
    ):
        conn.execute(insert_into(tables.tokens), _tokens.values(token))


def list_for(conn: Connection, username: str) -> list[Token]:
    """The tokens of a user, oldest first, expired ones too."""
    table = tables.tokens
    query = select(*_tokens.columns).where(table.c.username == username).order_by(table.c.created_on, table.c.digest)
    return _tokens.read_all(conn.execute(query))


def delete(conn: Connection, digest: str) -> bool:
    """Revoke a token, at once. False when it is not known."""
    return conn.execute(delete_from(tables.tokens).where(tables.tokens.c.digest == digest)).rowcount > 0
