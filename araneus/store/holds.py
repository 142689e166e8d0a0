"""Bytes that running tasks were given: a file may be deleted meanwhile, its bytes stay until the task has ended."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, bindparam
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects import postgresql, sqlite

from araneus.model.file import Location
from araneus.store import tables

_table = tables.holds
_INSERT = {
    "sqlite": sqlite.insert(_table).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_table).on_conflict_do_nothing(),
}
_DROP = delete_from(_table).where(_table.c.task == bindparam("holder"))


def insert(conn: Connection, held: Mapping[str, Collection[Location]]) -> None:
    """Keep locations for tasks, by task id; what is held already stays so."""
    rows = [{"task": task, "location": location} for task, locations in held.items() for location in locations]
    if rows:
        conn.execute(_INSERT[conn.dialect.name], rows)


def drop(conn: Connection, task_ids: Collection[str]) -> None:
    """Let go of everything that these tasks held. Bytes that nothing else names are then found by the sweep."""
    if task_ids:
        conn.execute(_DROP, [{"holder": task} for task in task_ids])
