"""Bodies of apps: once by content, compressed."""

import zlib
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, exists, select
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.store import tables
from araneus.store.columns import decode_json, encode_json
from araneus.store.locks import Turn, take_turn

_table = tables.documents
_FAST = 3


def put(conn: Connection, content: str, raw: dict[str, Any]) -> None:
    """Keep a document under its content hash, unless it is there already."""
    take_turn(conn, Turn.DOCUMENTS)
    if conn.execute(select(_table.c.content).where(_table.c.content == content)).first() is None:
        body = zlib.compress(encode_json(raw).encode(), _FAST)
        conn.execute(insert_into(_table), {"content": content, "body": body})


def unpack(body: bytes) -> dict[str, Any]:
    """The document of a stored body."""
    document: dict[str, Any] = decode_json(zlib.decompress(body))
    return document


def drop_unused(conn: Connection, contents: Collection[str]) -> None:
    """Delete those documents that no app revision names any more."""
    take_turn(conn, Turn.DOCUMENTS)
    for content in contents:
        unused = ~exists().where(tables.apps.c.content == content)
        conn.execute(delete_from(_table).where(_table.c.content == content, unused))
