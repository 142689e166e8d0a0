"""Files and folders: the tree of each project, and which bytes are still named by a row."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    exists,
    func,
    select,
    union_all,
    update,
)
from sqlalchemy import (
    delete as delete_from,
)
from sqlalchemy import (
    insert as insert_into,
)

from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, Location
from araneus.store import labels, tables
from araneus.store.chunks import chunks
from araneus.store.constraints import refusing
from araneus.store.locks import Turn, take_turn
from araneus.store.page import Page
from araneus.store.prepared import Prepared, PreparedIn
from araneus.store.shape import Shape
from araneus.store.trees import BRIEF, Filter

_table = tables.files
_files = Shape(File, _table)
_LISTED = ""
_GET = Prepared(select(*_files.columns).where(_table.c.id == bindparam("file")))
_GET_MANY = PreparedIn(select(*_files.columns), _table.c.id)
_REFERENCED = union_all(
    select(_table.c.location).where(_table.c.location == bindparam("wanted")),
    select(tables.holds.c.location).where(tables.holds.c.location == bindparam("wanted")),
    select(tables.memo_locations.c.location).where(tables.memo_locations.c.location == bindparam("wanted")),
).limit(1)


_HERE = [_table.c.parent == bindparam("folder"), _table.c.shelf == _LISTED]
_COUNT = Prepared(select(func.count()).select_from(_table).where(*_HERE))
_LIST = {
    shape: Prepared(
        select(*shape.columns)
        .where(*_HERE)
        .order_by(_table.c.name)
        .offset(bindparam("skipped", type_=Integer))
        .limit(bindparam("most", type_=Integer))
    )
    for shape in (_files, BRIEF)
}
"""The list without filters, made once: making a statement costs as much as running it."""


def insert(conn: Connection, *files: File) -> None:
    """Add files and folders, parents before their children.

    Raises `Refusal` FILE_EXISTS or FOLDER_EXISTS when a name is taken in its folder (hidden files never clash), and
    PARENT_MISSING when a folder or the project is gone; then none of them is added.
    """
    if not files:
        return
    missing = Refusal(Fault.PARENT_MISSING, "The destination folder does not exist any more.")
    try:
        with refusing(conn, taken=_taken(files[0]), missing=missing):
            conn.execute(insert_into(_table), [_values(file) for file in files])
            labels.add(conn, files)
    except Refusal as refusal:
        if refusal.fault in {Fault.FILE_EXISTS, Fault.FOLDER_EXISTS}:
            raise _taken(_first_clash(conn, files)) from refusal
        raise


def get(conn: Connection, file_id: str) -> File | None:
    """The file or folder, hidden or not."""
    row = _GET.first(conn, {"file": file_id})
    return None if row is None else _files.read(row)


def get_many(conn: Connection, file_ids: Collection[str]) -> dict[str, File]:
    """The files and folders that exist, by id."""
    return {file.id: file for file in _files.read_all(_GET_MANY.all(conn, file_ids))}


def in_folder(conn: Connection, parent: str, name: str) -> File | None:
    """The file or folder of this name in a folder."""
    return named(conn, parent, [name]).get(name)


def named(conn: Connection, parent: str, names: Collection[str]) -> dict[str, File]:
    """Those of the names that stand in a folder, by name."""
    here = _in(parent)
    return _by(conn, "name", (here & _table.c.name.in_(some) for some in chunks(names)))


def taken_names(conn: Connection, parent: str) -> set[str]:
    """Every name that stands in a folder."""
    return set(conn.execute(select(_table.c.name).where(_in(parent))).scalars())


def page(
    conn: Connection,
    *,
    parent: str,
    names: Sequence[str] | None = None,
    metadata: Mapping[str, Sequence[str]] | None = None,
    tags: Sequence[str] = (),
    origin_task: str | None = None,
    offset: int,
    limit: int,
    brief: bool = False,
) -> Page[File]:
    """What stands directly in a folder, by name: with one of the names, one of the tags, made by a task, and for every
    metadata key one of its values (the text itself, or an element of a list). ``brief`` files are to be
    shown and no more: they have neither location nor origin, tags or metadata."""
    shape = BRIEF if brief else _files
    made = shape.parts if brief else shape.read_all
    if names is None and origin_task is None and not metadata and not tags:
        total = _COUNT.scalar(conn, {"folder": parent})
        place = {"folder": parent, "skipped": offset, "most": limit}
        return Page(made(_LIST[shape].all(conn, place)), total)
    which = Filter(names=names, metadata=metadata or {}, tags=tags, origin_task=origin_task)
    wanted = which.conditions(parent)
    query = select(*shape.columns).where(*wanted).order_by(_table.c.name).offset(offset).limit(limit)
    total = conn.execute(select(func.count()).select_from(_table).where(*wanted)).scalar_one()
    return Page(made(conn.execute(query)), total)


def children_count(conn: Connection, parent: str) -> int:
    """How many files and folders stand directly in a folder."""
    return conn.execute(select(func.count()).select_from(_table).where(_in(parent))).scalar_one()


def path(conn: Connection, file: File) -> list[File]:
    """The folders above a file or folder, the root of the project first."""
    above: list[File] = []
    parent = file.parent
    while parent is not None:
        folder = get(conn, parent)
        if folder is None:
            break
        above.append(folder)
        parent = folder.parent
    return above[::-1]


def save(conn: Connection, file: File) -> File | None:
    """Write a file or folder back under its id. Answers how it was before; None when it is gone, and nothing happens.

    Raises `Refusal` FILE_EXISTS or FOLDER_EXISTS when the name is taken in its folder, PARENT_MISSING when the folder
    is gone or in another project, FILE_MOVE_FORBIDDEN when a folder would come to lie inside itself, and ValueError
    when the project would change.
    """
    before = get(conn, file.id)
    if before is None:
        return None
    if before.project != file.project:
        raise ValueError(f"file {file.id} cannot leave its project by being saved: insert a copy, then delete it")
    changed = _files.changes(before, file)
    if not changed:
        return before
    if "parent" in changed:
        _check_move(conn, file)
    missing = Refusal(Fault.PARENT_MISSING, "The destination folder does not exist any more.")
    with refusing(conn, taken=_taken(file), missing=missing):
        changed["shelf"] = _shelf(file)
        conn.execute(update(_table).where(_table.c.id == file.id).values(**changed))
    if changed.keys() & {"tags", "metadata", "hidden"}:
        labels.replace(conn, file)
    elif "parent" in changed:
        labels.move(conn, file)
    return before


def delete(conn: Connection, file_id: str) -> Location | None:
    """Delete a file or an empty folder. Answers its location when no other row names it and no task or memo holds
    it: the bytes may be dropped after the commit. Nothing happens when it is gone.

    Raises `Refusal` FOLDER_NOT_EMPTY.
    """
    take_turn(conn, Turn.LOCATIONS)
    file = get(conn, file_id)
    if file is None:
        return None
    with refusing(conn, missing=Refusal(Fault.FOLDER_NOT_EMPTY, f"Folder {file.name!r} is not empty.")):
        conn.execute(delete_from(_table).where(_table.c.id == file_id))
    if file.location is None or blobs_referenced(conn, file.location):
        return None
    return file.location


def delete_all(conn: Connection, project: str) -> list[Location]:
    """Delete every file and folder of a project, its root too. Answers the locations that no row names any more."""
    take_turn(conn, Turn.LOCATIONS)
    other = _table.alias()
    elsewhere = exists().where(other.c.location == _table.c.location, other.c.project != project)
    alone = (
        select(_table.c.location)
        .where(_table.c.project == project, _table.c.location.is_not(None), ~elsewhere)
        .distinct()
        .order_by(_table.c.location)
    )
    orphans = list(conn.execute(alone).scalars())
    conn.execute(delete_from(_table).where(_table.c.project == project))
    return orphans


def blobs_referenced(conn: Connection, location: Location) -> bool:
    """Whether any file names the location, or a running task or a memo holds it."""
    return conn.execute(_REFERENCED, {"wanted": location}).first() is not None


def referenced(conn: Connection, locations: Collection[Location]) -> set[Location]:
    """Those of the locations that a file names, or a running task or a memo holds. Three look-ups in an index for
    each."""
    found: set[Location] = set()
    for some in chunks(locations):
        for column in (_table.c.location, tables.holds.c.location, tables.memo_locations.c.location):
            found.update(conn.execute(select(column).where(column.in_(some)).distinct()).scalars())
    return found


def _check_move(conn: Connection, file: File) -> None:
    if file.parent is None:
        raise ValueError(f"file {file.id} needs a parent: only the root folder of a project has none")
    # Folders that move at the same time could make a ring that neither of the two sees.
    conn.execute(select(tables.projects.c.id).where(tables.projects.c.id == file.project).with_for_update())
    destination = get(conn, file.parent)
    if destination is None or not destination.folder or destination.project != file.project:
        raise Refusal(Fault.PARENT_MISSING, "The destination is not a folder of the same project.")
    if file.folder and file.id in {destination.id, *(folder.id for folder in path(conn, destination))}:
        raise Refusal(Fault.FILE_MOVE_FORBIDDEN, f"Folder {file.name!r} cannot be moved into itself.")


def _in(parent: str) -> ColumnElement[bool]:
    return (_table.c.parent == parent) & (_table.c.shelf == _LISTED)


def _by(conn: Connection, field: str, conditions: Iterable[ColumnElement[bool]]) -> dict[str, File]:
    found: dict[str, File] = {}
    for condition in conditions:
        for file in _files.read_all(conn.execute(select(*_files.columns).where(condition))):
            found[getattr(file, field)] = file
    return found


def _shelf(file: File) -> str:
    return file.id if file.hidden else _LISTED


def _values(file: File) -> dict[str, Any]:
    return _files.values(file) | {"shelf": _shelf(file)}


def _taken(file: File) -> Refusal:
    if file.folder:
        return Refusal(Fault.FOLDER_EXISTS, f"The folder has an entry named {file.name!r} already.")
    return Refusal(Fault.FILE_EXISTS, f"The folder has an entry named {file.name!r} already.")


def _first_clash(conn: Connection, files: Sequence[File]) -> File:
    """Which of the files cannot be inserted because its name is taken, by an earlier one of them if by no row."""
    placed: set[tuple[str | None, str]] = set()
    for file in files:
        place = (file.parent, file.name)
        if file.hidden or file.parent is None:
            continue
        if place in placed or in_folder(conn, file.parent, file.name) is not None:
            return file
        placed.add(place)
    return files[0]
