"""Walking the content of folders piece by piece, and taking a file to another project under its id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import ColumnElement, Connection, func, select, update

from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import labels, tables
from araneus.store.constraints import refusing
from araneus.store.shape import Shape

_table = tables.files
_files = Shape(File, _table)
BRIEF = Shape(File, _table, without={"location", "origin_task", "tags", "metadata"})
"""Files that are shown in short."""
_LISTED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of a folder's content is meant: as in `files.page`."""

    names: Sequence[str] | None = None
    metadata: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tags: Sequence[str] = ()
    origin_task: str | None = None

    def conditions(self, parent: str) -> list[ColumnElement[bool]]:
        """The same for the database."""
        wanted = list(labels.matching(parent, self.metadata, self.tags))
        if not wanted or self.names is not None or self.origin_task is not None:
            # Labels name the folder themselves; beside them it would only tempt planners to read all of it.
            wanted.append((_table.c.parent == parent) & (_table.c.shelf == _LISTED))
        if self.names is not None:
            wanted.append(_table.c.name.in_(self.names))
        if self.origin_task is not None:
            wanted.append(_table.c.origin_task == self.origin_task)
        return wanted


ALL = Filter()


def after(
    conn: Connection, parent: str, name: str | None, *, limit: int, which: Filter = ALL, brief: bool = False
) -> list[File]:
    """What stands in a folder behind a name (None: from the start), by name: a place that stays the same whatever else
    comes and goes. ``brief`` is that of `files.page`."""
    behind = [] if name is None else [_table.c.name > name]
    if name is not None and which.names is not None:
        # Names and a range beside them: one of the planners reads all that lies in the range.
        which, behind = replace(which, names=[one for one in which.names if one > name]), []
    shape = BRIEF if brief else _files
    query = select(*shape.columns).where(*which.conditions(parent), *behind).order_by(_table.c.name).limit(limit)
    rows = conn.execute(query)
    return shape.parts(rows) if brief else shape.read_all(rows)


def count(conn: Connection, parent: str, which: Filter = ALL) -> int:
    """How much of the content of a folder that is."""
    return conn.execute(select(func.count()).select_from(_table).where(*which.conditions(parent))).scalar_one()


def transfer(conn: Connection, before: File, after: File) -> None:
    """Give a file the project, parent and name that it has in ``after``; its id stays. Not for folders, whose content
    would stay behind (ValueError). Raises `Refusal` FILE_EXISTS when the name is taken and PARENT_MISSING when the
    folder is gone."""
    if before.folder or before.id != after.id or after.parent is None:
        raise ValueError(f"only a file can be transferred, and into a folder: {before.id}")
    destination = conn.execute(
        select(_table.c.folder).where(_table.c.id == after.parent, _table.c.project == after.project)
    ).scalar()
    missing = Refusal(Fault.PARENT_MISSING, "The destination folder does not exist any more.")
    if not destination:
        raise missing
    taken = Refusal(Fault.FILE_EXISTS, f"The folder has an entry named {after.name!r} already.")
    with refusing(conn, taken=taken, missing=missing):
        conn.execute(update(_table).where(_table.c.id == before.id).values(**_files.changes(before, after)))
    labels.move(conn, after)


def sizes(conn: Connection, projects: Sequence[str]) -> Mapping[str, int]:
    """The bytes of all files of each project; a project without any is left out. Reads every file of the projects."""
    query = (
        select(_table.c.project, func.sum(_table.c.size))
        .where(_table.c.project.in_(projects), _table.c.size.is_not(None))
        .group_by(_table.c.project)
    )
    return {project: int(size) for project, size in conn.execute(query)}
