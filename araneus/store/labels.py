"""Tags and metadata of files as rows, so that filters use an index. Derived: the file row holds the truth."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy import insert as insert_into

from araneus.model.file import File
from araneus.store import tables

_table = tables.file_labels
_TAG = ""
"""The key under which tags stand; no metadata key is empty."""


def add(conn: Connection, files: Sequence[File]) -> None:
    """Write the labels of new files."""
    rows = [row for file in files for row in _rows(file)]
    if rows:
        conn.execute(insert_into(_table), rows)


def replace(conn: Connection, file: File) -> None:
    """Write the labels of a changed file."""
    conn.execute(delete_from(_table).where(_table.c.file == file.id))
    add(conn, [file])


def move(conn: Connection, file: File) -> None:
    """Follow a file into another folder."""
    conn.execute(update(_table).where(_table.c.file == file.id).values(folder=file.parent))


def matching(parent: str, metadata: Mapping[str, Sequence[str]], tags: Sequence[str]) -> Iterator[ColumnElement[bool]]:
    """Conditions that pick files of a folder: any of the values for each metadata key, and any of the tags.

    They name the folder themselves, so that the query can start from the labels and not from all files of the folder.
    """
    wanted = [*metadata.items(), (_TAG, tags)] if tags else list(metadata.items())
    for key, values in wanted:
        yield tables.files.c.id.in_(
            select(_table.c.file).where(_table.c.folder == parent, _table.c.key == key, _table.c.value.in_(values))
        )


def _rows(file: File) -> list[dict[str, Any]]:
    if file.parent is None or file.hidden:
        return []
    pairs = {(_TAG, tag) for tag in file.tags}
    for key, value in file.metadata.items():
        texts = value if isinstance(value, list) else [value]
        pairs |= {(key, text) for text in texts if isinstance(text, str)}
    return [{"folder": file.parent, "key": key, "value": value, "file": file.id} for key, value in sorted(pairs)]
