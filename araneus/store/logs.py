"""The logs of jobs as files. They have no rows of their own: an id names the attempt and which of its logs it is
(`model.job.log_ids`), and everything else follows from the attempt."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from araneus.model.file import File
from araneus.model.job import SAVED_LOGS, WORK_DIRECTORY, log_of
from araneus.store import tables

_attempts, _tasks, _projects = tables.attempts, tables.tasks, tables.projects
_GET = (
    select(
        _attempts.c.id,
        _attempts.c.created_on,
        _attempts.c.outcome,
        _attempts.c.logs,
        _tasks.c.project,
        _projects.c.root_folder,
    )
    .join(_tasks, _tasks.c.id == _attempts.c.task)
    .join(_projects, _projects.c.id == _tasks.c.project)
    # A range of the primary key: ids sort by their characters in both databases, and no digit lies behind "g".
    .where(_attempts.c.id >= bindparam("stem"), _attempts.c.id < bindparam("behind"))
    .limit(1)
)


def get(conn: Connection, file_id: str) -> File | None:
    """The log of this file id: hidden, in the root folder of its task's project, its bytes in the job directory.
    None when the id names no attempt, or the attempt has no such log."""
    named = log_of(file_id)
    if named is None:
        return None
    stem, which = named
    row = conn.execute(_GET, {"stem": stem, "behind": stem + "g"}).first()
    if row is None:
        return None
    attempt, created_on, outcome, seen, project, root = row
    if isinstance(which, str):
        name = place = which
    else:
        kept = outcome.logs if outcome is not None else ()
        path = _nth(kept or seen, which)
        if not path:
            return None
        # What was not copied, since nobody waited for the job's end, lies where the job has put it.
        name, place = path.rpartition("/")[2], f"{SAVED_LOGS}/{which}" if kept else f"{WORK_DIRECTORY}/{path}"
    return File(
        id=file_id,
        project=project,
        parent=root,
        name=name,
        location=f"job:{attempt}/{place}",
        hidden=True,
        created_on=created_on,
        modified_on=created_on,
    )


def _nth(paths: Sequence[str], number: int) -> str:
    return paths[number] if number < len(paths) else ""
