"""What failed tasks left behind: hidden files whose bytes lie in working directories, as long as these are kept."""

from collections.abc import Collection

from sqlalchemy import Connection, delete, or_, select

from araneus.model.file import File
from araneus.store import tables
from araneus.store.chunks import chunks
from araneus.store.shape import Shape

_table = tables.files
_files = Shape(File, _table)


def of_task(conn: Connection, task: str) -> list[File]:
    """The hidden files of a task, by location."""
    query = select(*_files.columns).where(_table.c.origin_task == task, _table.c.hidden).order_by(_table.c.location)
    return list(_files.read_all(conn.execute(query)))


def drop(conn: Connection, attempts: Collection[str]) -> int:
    """Delete the rows of what lies below the directories of these attempts; how many there were."""
    dropped = 0
    for some in chunks(sorted(attempts)):
        # Ranges of the index of locations: "0" follows "/".
        place = _table.c.location
        below = [(place >= f"job:{attempt}/") & (place < f"job:{attempt}0") for attempt in some]
        dropped += conn.execute(delete(_table).where(_table.c.hidden, or_(*below))).rowcount
    return dropped
