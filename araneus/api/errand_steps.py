"""Doing errands: one step is one transaction, which does some entries and writes that they are done.

So an errand goes on after a crash where it stood, and nothing is done twice. Each entry is held against what its user
may do at that moment, not when he asked; an entry that is refused keeps the reason, and the others go on.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from araneus.api import access
from araneus.api.files import copied, remove
from araneus.api.places import free_name_in
from araneus.model.access import Permission, require
from araneus.model.errand import Entry, EntryState, Errand, ErrandKind, ErrandState
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, check_file_name, check_folder_name
from araneus.model.ids import new_file_id
from araneus.store import errands, files, projects, trees
from araneus.store.database import Connection

CHILDREN = 500
"""How much of a folder becomes entries in one step."""


@dataclass(slots=True)
class Step:
    """A step that is being done: the errand so far, the entries seen, and the bytes that lost their last row."""

    conn: Connection
    errand: Errand
    now: datetime
    entries: dict[int, Entry] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)

    def above(self, entry: Entry) -> Entry:
        """The entry of the folder in which this one was found."""
        assert entry.above is not None
        if entry.above not in self.entries:
            self.entries |= errands.numbered(self.conn, self.errand.id, [entry.above])
        return self.entries[entry.above]

    def save(self, entry: Entry) -> None:
        """Write an entry back."""
        self.entries[entry.number] = entry
        errands.save_entry(self.conn, entry)

    def end(self, entry: Entry, shown: File | None, *, made: str | None = None) -> None:
        """The entry is done."""
        kept = replace(shown, location=None) if shown is not None and entry.above is None else None
        self.save(replace(entry, state=EntryState.DONE, shown=kept, made=made))
        if not entry.folder:
            self.errand = replace(self.errand, completed=self.errand.completed + 1)

    def fail(self, entry: Entry, refusal: Refusal, shown: File | None) -> None:
        """The entry cannot be done. A folder is counted only now."""
        kept = replace(shown, location=None) if shown is not None else None
        failed = replace(
            entry, state=EntryState.FAILED, shown=kept, fault=refusal.fault, message=refusal.message, made=None
        )
        self.save(failed)
        errand = self.errand
        self.errand = replace(errand, failed=errand.failed + 1, total=errand.total + entry.folder)


def advance(conn: Connection, errand: Errand, *, most: int, now: datetime) -> Step:
    """Do up to ``most`` entries of an errand that is held. Raises `Refusal` STORAGE_FULL, and then nothing is done."""
    step = Step(conn, errand, now)
    if errand.state in {ErrandState.SUBMITTED, ErrandState.RESOLVING}:
        _resolve(step, most)
    else:
        _perform(step, most)
    return step


def skip(conn: Connection, errand: Errand, *, now: datetime) -> Step:
    """Let the entry fail that is next: doing it has failed again and again for no fault of the caller."""
    step = Step(conn, errand, now)
    for state in (EntryState.WAITING, EntryState.READY, EntryState.EMPTYING):
        last_first = state is EntryState.EMPTYING or (errand.kind is ErrandKind.DELETE and state is EntryState.READY)
        found = errands.entries_in(conn, errand.id, state, last_first=last_first, limit=1)
        if found:
            message = "Unexpected error; the server's log has the details."
            step.fail(found[0], Refusal(Fault.ERRAND_INTERRUPTED, message), None)
            break
    return step


def _resolve(step: Step, most: int) -> None:
    waiting = errands.entries_in(step.conn, step.errand.id, EntryState.WAITING, limit=most)
    state = ErrandState.RESOLVING if waiting else ErrandState.RUNNING
    step.errand = replace(step.errand, state=state)
    for entry in waiting:
        _attempt(step, entry, _look_up)


def _perform(step: Step, most: int) -> None:
    last_first = step.errand.kind is ErrandKind.DELETE
    ready = errands.entries_in(step.conn, step.errand.id, EntryState.READY, last_first=last_first, limit=most)
    if ready:
        _lock(step, ready)
        for entry in ready:
            _attempt(step, entry, _WORK[step.errand.kind])
        return
    left = errands.entries_in(step.conn, step.errand.id, EntryState.EMPTYING, last_first=True, limit=most)
    for entry in left:
        _attempt(step, entry, _drop_emptied)
    if not left:
        step.errand = replace(step.errand, state=ErrandState.FINISHED, finished_on=step.now)


def _attempt(step: Step, entry: Entry, work: Callable[[Step, Entry], None]) -> None:
    """Refusals come before anything is written, so that the transaction goes on."""
    try:
        work(step, entry)
    except Refusal as refusal:
        if refusal.fault is Fault.STORAGE_FULL:
            raise
        step.fail(entry, refusal, _seen(step, entry))


def _seen(step: Step, entry: Entry) -> File | None:
    try:
        return access.file_for(step.conn, step.errand.username, entry.source)[0]
    except Refusal:
        return None


# --- looking up -------------------------------------------------------------------------------------------------------


def _look_up(step: Step, entry: Entry) -> None:
    """What the entry is, and whether its user may do that to it. A folder brings its content along, piece by piece."""
    source = _source(step, entry)
    if entry.above is None and entry.opened is None and step.errand.kind is not ErrandKind.DELETE:
        _check_aim(step, entry, source)
    if not source.folder:
        step.save(replace(entry, state=EntryState.READY))
        return
    if not entry.folder:  # asked for, and counted as a file until now
        step.errand = replace(step.errand, total=step.errand.total - 1)
    _open(step, replace(entry, folder=True))


def _check_aim(step: Step, entry: Entry, source: File) -> None:
    """Raise `Refusal` unless the file or folder can go where it was asked to: before its content becomes entries."""
    folder, name = _destination(step, entry), entry.name or source.name
    if step.errand.kind is ErrandKind.MOVE:
        _check_leaving(step, source, folder)
    if not source.folder:
        check_file_name(name)
        return
    check_folder_name(name)
    above = {folder.id, *(place.id for place in files.path(step.conn, folder))}
    if source.id in above or (folder.id == source.parent and name == source.name):
        raise Refusal(
            Fault.ERRAND_INTO_ITSELF, f"Folder {source.name[:80]!r} cannot go into itself, or to where it is."
        )


def _open(step: Step, entry: Entry) -> None:
    found = trees.after(step.conn, entry.source, entry.opened, limit=CHILDREN)
    first = errands.last_number(step.conn, step.errand.id) + 1
    children = [
        Entry(
            errand=entry.errand,
            number=number,
            above=entry.number,
            source=file.id,
            folder=file.folder,
            state=EntryState.WAITING if file.folder else EntryState.READY,
        )
        for number, file in enumerate(found, first)
    ]
    errands.add(step.conn, children)
    step.errand = replace(step.errand, total=step.errand.total + sum(not child.folder for child in children))
    if len(found) == CHILDREN:
        step.save(replace(entry, opened=found[-1].name))
    else:
        step.save(replace(entry, state=EntryState.READY))


def _source(step: Step, entry: Entry) -> File:
    """The file of an entry, which must still be where it was found, and with which its user may do what he asks."""
    source, held = access.file_for(step.conn, step.errand.username, entry.source, Fault.ERRAND_SOURCE_NOT_FOUND)
    if source.hidden:
        raise Refusal(Fault.ERRAND_SOURCE_FORBIDDEN, "Logs of a task can be downloaded, but not changed or copied.")
    if source.folder and source.parent is None:
        raise Refusal(Fault.ERRAND_SOURCE_FORBIDDEN, "The root folder of a project stays as it is; name its content.")
    if entry.above is not None and source.parent != step.above(entry).source:
        raise Refusal(Fault.ERRAND_SOURCE_NOT_FOUND, f"{source.name[:80]!r} has left its folder meanwhile.")
    if step.errand.kind is ErrandKind.COPY:
        require(held, Permission.COPY, Fault.ERRAND_SOURCE_FORBIDDEN, "copy its files")
    else:
        doing = "delete its files" if step.errand.kind is ErrandKind.DELETE else "move its files"
        require(held, Permission.WRITE, Fault.ERRAND_SOURCE_FORBIDDEN, doing)
    return source


# --- doing ------------------------------------------------------------------------------------------------------------


def _lock(step: Step, entries: Sequence[Entry]) -> None:
    """Lock the projects of a step in one order for everybody, so that no two steps can wait for each other; only those
    that the user is a member of, so that nobody holds up the others."""
    named = {entry.project for entry in entries if entry.project}
    ids = {entry.source for entry in entries} | {entry.parent for entry in entries if entry.parent}
    numbers = {entry.above for entry in entries if entry.above is not None}
    step.entries |= errands.numbered(step.conn, step.errand.id, numbers)
    ids |= {above.made for above in step.entries.values() if above.made}
    named |= {file.project for file in files.get_many(step.conn, ids).values()}
    for project in sorted(named):
        if projects.permissions(step.conn, project, step.errand.username) is not None:
            with contextlib.suppress(Refusal):  # gone at this moment: its entries will say so
                projects.lock(step.conn, project)


def _copy(step: Step, entry: Entry) -> None:
    source, folder = _source(step, entry), _destination(step, entry)
    if source.folder:
        made = _place(step, entry, source, folder)
        step.end(entry, made, made=made.id)
    else:
        made = copied(step.conn, step.errand.username, source.id, folder, entry.name, now=step.now)
        step.end(entry, made, made=made.id)


def _move(step: Step, entry: Entry) -> None:
    source, folder = _source(step, entry), _destination(step, entry)
    _check_leaving(step, source, folder)
    if source.folder:
        made = _place(step, entry, source, folder)
        kept = replace(made, location=None) if entry.above is None else None
        step.save(replace(entry, state=EntryState.EMPTYING, made=made.id, shown=kept))
        return
    name = check_file_name(entry.name or source.name)
    if (folder.id, name) != (source.parent, source.name):
        free = free_name_in(step.conn, folder.id, name)
        moved = replace(source, project=folder.project, parent=folder.id, name=free, modified_on=step.now)
        trees.transfer(step.conn, source, moved)
        source = moved
    step.end(entry, source, made=source.id)


def _check_leaving(step: Step, source: File, folder: File) -> None:
    """A file that moves to another project is also copied out of its own."""
    if source.project != folder.project:
        _, held = access.file_for(step.conn, step.errand.username, source.id)
        require(held, Permission.COPY, Fault.ERRAND_SOURCE_FORBIDDEN, "move its files to another project")


def _drop_emptied(step: Step, entry: Entry) -> None:
    """A folder whose content has been moved goes; what could not be moved, or came meanwhile, keeps it."""
    remove(step.conn, step.errand.username, entry.source)
    step.end(entry, entry.shown, made=entry.made)


def _delete(step: Step, entry: Entry) -> None:
    source = _source(step, entry)
    orphan = remove(step.conn, step.errand.username, source.id)
    if orphan is not None:
        step.orphans.append(orphan)
    step.end(entry, source)


def _destination(step: Step, entry: Entry) -> File:
    """The folder into which the entry goes, and in which its user may write."""
    username = step.errand.username
    if entry.above is not None:
        wanted = step.above(entry).made
        if wanted is None:
            raise Refusal(Fault.ERRAND_FOLDER_NOT_FOUND, "Its folder could not be made in the destination.")
    elif entry.project:
        found = projects.get_for(step.conn, entry.project, username)
        if found is None:
            raise Refusal(Fault.ERRAND_PROJECT_NOT_FOUND, "The destination project does not exist.")
        wanted = found[0].root_folder
    else:
        wanted = entry.parent or ""
    folder, held = access.file_for(step.conn, username, wanted, Fault.ERRAND_FOLDER_NOT_FOUND)
    if not folder.folder:
        raise Refusal(Fault.ERRAND_DESTINATION_NOT_FOLDER, f"The destination {wanted} is a file, not a folder.")
    require(held, Permission.WRITE, Fault.ERRAND_DESTINATION_FORBIDDEN, "put files into it")
    return folder


def _place(step: Step, entry: Entry, source: File, folder: File) -> File:
    """The folder that takes the content of ``source``: one of the same name that is there, or a new one."""
    name = entry.name or source.name
    present = files.in_folder(step.conn, folder.id, name)
    if present is not None and present.folder:
        return present
    made = File(
        id=new_file_id(step.now.timestamp()),
        project=folder.project,
        parent=folder.id,
        name=name if present is None else free_name_in(step.conn, folder.id, name),
        folder=True,
        created_on=step.now,
        modified_on=step.now,
    )
    files.insert(step.conn, made)
    return made


_WORK: dict[ErrandKind, Callable[[Step, Entry], None]] = {
    ErrandKind.COPY: _copy,
    ErrandKind.MOVE: _move,
    ErrandKind.DELETE: _delete,
}
