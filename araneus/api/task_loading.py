"""What handlers of tasks load, and holding a task against it: the app's normal form, file rows, secondary files.

Flow: `api.tasks` and `api.task_actions` call these inside a read; the decisions are in `task_checks` and `model.task`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from araneus.api.app_documents import Checked as Form
from araneus.api.call import Call
from araneus.api.errors import STATUS
from araneus.api.services import Services
from araneus.api.task_bodies import BatchSettings, batch_by
from araneus.api.task_checks import NOT_CWL, BatchPlan, check, entry, wanted_names
from araneus.api.task_inputs import file_ids, fitted, taken
from araneus.model.access import Permission, Permissions, require
from araneus.model.app import App
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.model.ids import AppId, is_uuid
from araneus.model.output_location import doubts
from araneus.model.task import Task
from araneus.model.values import Value
from araneus.store import apps, files, projects, tasks
from araneus.store.database import Connection

NO_TASK: Final = "Requested task does not exist."
_UNKNOWN_APP: Final = 6002
_ODD_PLACE: Final = 90000


def task_id(call: Call) -> str:
    """The task id of the path. Raises `Refusal` 7005 for anything that is no UUID."""
    text = call.path["task"]
    if not is_uuid(text):
        raise Refusal(Fault.TASK_ID_MALFORMED, f"Malformed task id {text[:80]!r}: a UUID is expected.")
    return text.lower()


def visible_task(conn: Connection, identity: str, username: str) -> tuple[Task, Permissions]:
    """A task of a project that the user is a member of, and what he may do there. Raises `Refusal` 7002."""
    found = tasks.get_for(conn, identity, username)
    if found is None:
        raise Refusal(Fault.TASK_NOT_FOUND, NO_TASK)
    return found


def owned_task(conn: Connection, identity: str, username: str, what: str) -> Task:
    """A task that the user may change or run; ``what`` finishes "You need execute permission to"."""
    task, permissions = visible_task(conn, identity, username)
    require(permissions, Permission.EXECUTE, Fault.TASK_FORBIDDEN, what)
    return task


def readable_app(conn: Connection, identity: AppId, username: str) -> App:
    """An app revision, the latest when none is named, of a project that the user can read. Raises `Refusal` 6002."""
    project = str(identity.project)
    app = None
    if projects.permissions(conn, project, username) is not None:
        app = apps.get(conn, project, identity.name, identity.revision)
    if app is None:
        raise Refusal(Fault.APP_NOT_FOUND, f"Requested app {identity} does not exist.")
    return app


def app_of(conn: Connection, task: Task, username: str) -> App | None:
    """The app of a stored task, or None when the user cannot read it any more."""
    try:
        return readable_app(conn, AppId.parse(task.app), username)
    except Refusal:
        return None


def readable_files(conn: Connection, ids: Iterable[str], username: str, homes: Collection[str] = ()) -> dict[str, File]:
    """The rows of these ids that the user can read, by id. ``homes`` are projects that are known to be readable."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return {}
    rows = [row for row in files.get_many(conn, wanted).values() if not row.hidden]
    readable = set(homes)
    foreign = {row.project for row in rows} - readable
    readable |= {project for project in foreign if projects.permissions(conn, project, username) is not None}
    return {row.id: row for row in rows if row.project in readable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a task is examined with."""

    app: App | None
    form: Form
    username: str


def examination(services: Services, app: App | None, username: str) -> Examination:
    """Load the app's normal form, which may take a moment the first time."""
    form = services.forms.get(app) if app is not None else Form(process=None)
    return Examination(app=app, form=form, username=username)


def examined(conn: Connection, task: Task, using: Examination) -> Task:
    """The draft with fitted inputs, an empty value per output, and its errors and warnings computed anew."""
    process = using.form.process
    if process is None:
        return replace(task, inputs=taken(task.inputs), errors=_app_errors(task, using), warnings=())
    batch = _plan(task)
    values = fitted(process.inputs, taken(task.inputs), listed=batch.port if batch else None)
    rows = readable_files(conn, file_ids(list(values.values())), using.username)
    beside = {
        (folder, name): row
        for folder, names in wanted_names(process, values, rows).items()
        for name, row in files.named(conn, folder, sorted(names)).items()
    }
    found = check(process, values, files=rows, beside=beside, batch=batch)
    outputs = dict.fromkeys(port.id for port in process.outputs)
    errors = (*_app_errors(task, using), *found.errors, *_kept_away(conn, task, values, rows, using.username))
    places = doubts(task.output_location, [port.id for port in process.outputs])
    warnings = (
        *(entry(f"The app: {doubt}", None, NOT_CWL) for doubt in using.form.doubts),
        *found.warnings,
        *(entry(doubt, None, _ODD_PLACE) for doubt in places),
    )
    return replace(task, inputs=found.inputs, outputs=outputs, errors=errors, warnings=warnings)


def _kept_away(
    conn: Connection, task: Task, values: Mapping[str, Value], rows: Mapping[str, File], username: str
) -> Iterator[dict[str, Any]]:
    """Errors for inputs from projects that the user may read but not copy out of: a task elsewhere would copy them."""
    held: dict[str, bool] = {task.project: True}
    for port, value in values.items():
        foreign = {rows[identity].project for identity in file_ids(value) if identity in rows} - {task.project}
        for project in sorted(foreign):
            if project not in held:
                found = projects.permissions(conn, project, username)
                held[project] = found is not None and found.allow(Permission.COPY)
            if not held[project]:
                message = f"Input {port}: you may read the files of project {project}, but not copy them out of it."
                yield entry(message, port, STATUS[Fault.FILE_COPY_FORBIDDEN][1])


def _app_errors(task: Task, using: Examination) -> tuple[dict[str, Any], ...]:
    if using.app is None:
        return (entry(f"App {task.app} does not exist or you cannot read it.", None, _UNKNOWN_APP),)
    broken = "The app cannot run: " if using.form.process is not None else ""
    return tuple(entry(broken + text, None, NOT_CWL) for text in using.form.validation_errors)


def _plan(task: Task) -> BatchPlan | None:
    if not task.batch or task.batch_input is None:
        return None
    criteria = (task.batch_by or {}).get("criteria") or ()
    return BatchPlan(port=task.batch_input, criteria=tuple(criteria))


def settled_batch(task: Task, using: Examination) -> Task:
    """A batch draft with its settings: its own, else the app's defaults.

    Raises `Refusal` 7019 when there are none and 7018 when the batch input is no input of the app.
    """
    if not task.batch:
        return task
    if task.batch_input is None or task.batch_by is None:
        settings = app_batch(using.app)
        if settings is None:
            raise Refusal(
                Fault.BATCH_CRITERIA_MISSING, "The app has no batch settings of its own: give batch_input and batch_by."
            )
        task = replace(task, batch_input=settings.input, batch_by=settings.by)
    process = using.form.process
    if process is not None and all(port.id != task.batch_input for port in process.inputs):
        raise Refusal(
            Fault.BATCH_INPUT_INVALID, f"batch_input {str(task.batch_input)[:80]!r} is not an input of the app."
        )
    return task


def app_batch(app: App | None) -> BatchSettings | None:
    """The batch settings that an app brings: ``sbg:batchInput`` and ``sbg:batchBy``."""
    name, by = (app.raw.get("sbg:batchInput"), app.raw.get("sbg:batchBy")) if app is not None else (None, None)
    if not isinstance(name, str) or by is None:
        return None
    return BatchSettings(input=name.rpartition("#")[2], by=batch_by(_in_full(by)))


def _in_full(by: Any) -> Any:
    """``sbg:batchBy`` as an object: older apps have the keys alone, or one of them."""
    if isinstance(by, str) and by.casefold() == "item":
        return {"type": "item"}
    return {"type": "criteria", "criteria": by} if isinstance(by, str | list) else by


def default_name(app: App, now: datetime) -> str:
    """The name of a task that was given none: ``<app label> run - MM-DD-YY HH:MM:SS``, in UTC."""
    return f"{app.label} run - {now:%m-%d-%y %H:%M:%S}"
