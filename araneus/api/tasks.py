"""Tasks: creating, reading, listing, changing and deleting them. What sets them going is in `api.task_actions`.

Flow of a write: decode the body, load what it names, examine the draft, save it guarded by its version; a save that
meets a change by somebody else starts again from the load. Source: API reference, tasks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from araneus.api import wire
from araneus.api.bills import costs
from araneus.api.call import NO_CONTENT, Answer, Call
from araneus.api.errors import fault_body
from araneus.api.execution_details import show_execution
from araneus.api.services import Services
from araneus.api.task_bodies import NewTask, TaskChange, task_change, with_change
from araneus.api.task_filters import task_filters
from araneus.api.task_inputs import merged, taken
from araneus.api.task_loading import (
    NO_TASK,
    Examination,
    app_of,
    default_name,
    examination,
    examined,
    owned_task,
    readable_app,
    readable_files,
    settled_batch,
    task_id,
    visible_task,
)
from araneus.api.task_views import (
    LIST_FIELDS,
    Background,
    show_task,
    show_values,
    shown_file_ids,
    shown_names,
    stored_names,
)
from araneus.model.access import Permission, require
from araneus.model.app import App
from araneus.model.errors import ConcurrentChange, Fault, Refusal
from araneus.model.ids import AppId, is_uuid, new_uuid
from araneus.model.project import Project
from araneus.model.task import Status, Task, check_deletable, check_editable
from araneus.store import jobs, leftovers, projects, tasks
from araneus.store.database import Connection
from araneus.store.page import Page

T = TypeVar("T")
MAX_BULK: Final = 100
_ATTEMPTS: Final = 20


# ---- showing


def show_tasks(call: Call, services: Services, conn: Connection, found: Sequence[Task], *, listed: bool) -> list[Any]:
    """The task objects, with rows of the files that they name when inputs or outputs are wanted."""
    names = shown_names(wire.chosen(call, LIST_FIELDS if listed else None))
    background = _background(services, conn, found, names, call.caller.username)
    return [show_task(task, call.href("tasks", task.id), background, names) for task in found]


def _background(
    services: Services, conn: Connection, found: Sequence[Task], names: tuple[str, ...], username: str
) -> Background:
    """What tasks that the user sees are shown with, as far as fields of these names need it."""
    inputs, outputs = "inputs" in names, "outputs" in names
    ids = (identity for task in found for identity in shown_file_ids(task, inputs=inputs, outputs=outputs))
    rows = readable_files(conn, ids, username, {task.project for task in found}) if inputs or outputs else {}
    parents = [task.id for task in found if task.batch and task.status is not Status.DRAFT]
    counts = {parent: tasks.status_counts(conn, parent) for parent in parents if "execution_status" in names}
    paid = costs(conn, found, services.settings.prices) if "price" in names else {}
    return Background(files=rows, now=services.clock(), children=counts, costs=paid)


def answer_task(call: Call, services: Services, task: Task, status: int = 200) -> Answer:
    """One task as the answer of a call that changed it."""
    with services.database.read() as conn:
        shown = show_tasks(call, services, conn, [task], listed=False)
    return wire.one(call, shown[0], status)


class Poll(NamedTuple):
    """What is asked of one task: its id, by whom, and the names of the fields that he wants to see."""

    task: str
    username: str
    names: tuple[str, ...]


Polled: TypeAlias = dict[Poll, tuple[Task, Background] | None]
"""The tasks with what they are shown with; None for those that the user cannot see."""


def get_task(call: Call, services: Services) -> Answer:
    """``GET /tasks/{id}``: what clients poll, so that no more is read than what is shown."""
    poll = _poll(call, task_id(call))
    found = (call.ahead if poll in call.ahead else polled([poll], services))[poll]
    if found is None:
        raise Refusal(Fault.TASK_NOT_FOUND, NO_TASK)
    return wire.one(call, show_task(found[0], call.href("tasks", poll.task), found[1], poll.names))


def polls_ahead(calls: Sequence[Call], services: Services) -> Polled:
    """What several `get_task` find."""
    polls = []
    for call in calls:
        with suppress(Refusal):
            polls.append(_poll(call, task_id(call)))
    return polled(polls, services)


def polled(polls: Iterable[Poll], services: Services) -> Polled:
    """Look up tasks together that the same user wants to see the same fields of: so many queries as for one."""
    together: dict[tuple[str, tuple[str, ...]], list[Poll]] = {}
    for poll in polls:
        together.setdefault((poll.username, poll.names), []).append(poll)
    answers: Polled = {}
    with services.database.read() as conn:
        for (username, names), some in together.items():
            found = tasks.get_all_for(conn, {poll.task for poll in some}, username, needed=stored_names(names))
            background = _background(services, conn, list(found.values()), names, username)
            answers |= {poll: (found[poll.task], background) if poll.task in found else None for poll in some}
    return answers


def _poll(call: Call, identity: str) -> Poll:
    return Poll(identity, call.caller.username, shown_names(wire.chosen(call)))


def list_tasks(call: Call, services: Services) -> Answer:
    """``GET /tasks``: those of the projects that the caller is a member of."""
    at, filters = wire.window(call), task_filters(call)
    with services.database.read() as conn:
        if filters.project is not None:
            _member_of(conn, call, filters.project)
        found: Page[Task] = Page([], 0)
        if not filters.nothing:
            found = tasks.page(
                conn,
                username=call.caller.username,
                project=filters.project,
                status=filters.status,
                parent=filters.parent,
                batch=filters.batch,
                **filters.bounds,
                order_by=filters.order_by,
                order="desc" if filters.descending else "asc",
                offset=at.offset,
                limit=at.limit,
                needed=stored_names(shown_names(wire.chosen(call, LIST_FIELDS))),
            )
        items = show_tasks(call, services, conn, found.items, listed=True)
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def _member_of(conn: Connection, call: Call, project: str) -> None:
    if projects.permissions(conn, project, call.caller.username) is None:
        raise Refusal(Fault.PROJECT_NOT_FOUND, f"Requested project {project} does not exist.")


def get_inputs(call: Call, services: Services) -> Answer:
    """``GET /tasks/{id}/inputs``: the inputs alone, for old clients."""
    with services.database.read() as conn:
        task, _ = visible_task(conn, task_id(call), call.caller.username)
        rows = readable_files(
            conn, shown_file_ids(task, inputs=True, outputs=False), call.caller.username, {task.project}
        )
    return Answer(value=show_values(task.inputs, rows))


def get_execution_details(call: Call, services: Services) -> Answer:
    """``GET /tasks/{id}/execution_details``: jobs with times, command lines and logs."""
    with services.database.read() as conn:
        task, _ = visible_task(conn, task_id(call), call.caller.username)
        found, attempts = jobs.shown_for_task(conn, task.id), jobs.attempts_for(conn, task.id)
        left = leftovers.of_task(conn, task.id) if task.status is Status.FAILED else []
    shown = show_execution(
        task,
        call.href("tasks", task.id, "execution_details"),
        jobs=found,
        attempts=attempts,
        log_href=lambda identity: call.href("files", identity, "download_info"),
        now=services.clock(),
        left=left,
    )
    return wire.one(call, shown)


def bulk_get(call: Call, services: Services) -> Answer:
    """``POST /bulk/tasks/get``: up to 100 tasks, each with its own answer."""
    ids = call.object().get("task_ids")
    if not isinstance(ids, list):
        raise Refusal(Fault.BAD_REQUEST, "task_ids must be a list of task ids.")
    if len(ids) > MAX_BULK:
        raise Refusal(Fault.BAD_REQUEST, f"At most {MAX_BULK} tasks can be asked for at once.")
    polls = {
        identity: _poll(call, identity.lower()) for identity in ids if isinstance(identity, str) and is_uuid(identity)
    }
    found = polled(polls.values(), services)
    return Answer(value={"items": [_bulk_entry(call, identity, polls, found) for identity in ids]})


def _bulk_entry(call: Call, identity: Any, polls: Mapping[str, Poll], found: Polled) -> dict[str, Any]:
    poll = polls.get(identity) if isinstance(identity, str) else None
    if poll is None:
        message = f"Malformed task id {str(identity)[:80]!r}: a UUID is expected."
        return {"error": fault_body(Fault.TASK_ID_MALFORMED, message, call.base)}
    seen = found[poll]
    if seen is None:
        return {"error": fault_body(Fault.TASK_NOT_FOUND, NO_TASK, call.base)}
    shown = show_task(seen[0], call.href("tasks", poll.task), seen[1], poll.names)
    return {"resource": wire.chosen(call).apply(shown)}


# ---- creating


def draft(call: Call, services: Services, request: NewTask, *, batch: bool) -> tuple[Task, Examination]:
    """The draft that a request describes, examined and not yet saved."""
    username, now = call.caller.username, services.clock()
    with services.database.read() as conn:
        project = _project_to_run_in(conn, call, str(request.project))
        app = readable_app(conn, request.app, username)
    using = examination(services, app, username)
    task = Task(
        id=new_uuid(),
        project=project.id,
        app=app.id,
        name=request.name or default_name(app, now),
        description=request.description,
        created_by=username,
        created_time=now,
        batch=batch,
        batch_input=request.settings.input if batch and request.settings else None,
        batch_by=request.settings.by if batch and request.settings else None,
        use_interruptible_instances=_interruptible(request.use_interruptible_instances, project),
        execution_settings=request.execution_settings,
        output_location=request.output_location,
        inputs=request.inputs,
    )
    task = settled_batch(task, using)
    with services.database.read() as conn:
        return examined(conn, task, using), using


def _project_to_run_in(conn: Connection, call: Call, identity: str) -> Project:
    held = projects.permissions(conn, identity, call.caller.username)
    project = projects.get(conn, identity) if held is not None else None
    if held is None or project is None:
        raise Refusal(Fault.PROJECT_NOT_FOUND, f"Requested project {identity} does not exist.")
    require(held, Permission.EXECUTE, Fault.TASK_FORBIDDEN, "create tasks")
    return project


def _interruptible(wanted: bool | None, project: Project) -> bool:
    if wanted is not None:
        return wanted
    return bool(project.settings.get("use_interruptible_instances", True))


# ---- changing


def until_saved(step: Callable[[], T]) -> T:
    """The result of a step that loads, decides and saves; done again while somebody else saves in between."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return step()
        except ConcurrentChange:
            continue
    return step()


def save(services: Services, before: Task, after: Task) -> Task:
    """Save a change that sets nothing going. Raises `ConcurrentChange`."""
    if after == before:
        return before
    with services.database.write() as conn:
        return tasks.save(conn, before, after)


def change_task(call: Call, services: Services) -> Answer:
    """``PATCH /tasks/{id}``: drafts in full, running and completed tasks their name."""
    change = task_change(call.object())
    return answer_task(call, services, until_saved(lambda: _change(call, services, change)))


def change_inputs(call: Call, services: Services) -> Answer:
    """``PATCH /tasks/{id}/inputs``: the bare inputs, merged, for old clients."""
    change = task_change({"inputs": call.object()})
    task = until_saved(lambda: _change(call, services, change))
    with services.database.read() as conn:
        rows = readable_files(
            conn, shown_file_ids(task, inputs=True, outputs=False), call.caller.username, {task.project}
        )
    return Answer(value=show_values(task.inputs, rows))


def _change(call: Call, services: Services, change: TaskChange) -> Task:
    username = call.caller.username
    with services.database.read() as conn:
        before = owned_task(conn, task_id(call), username, "change the task")
        check_editable(before, set(change.fields))
        if change.body.get("project") not in (None, before.project):
            raise Refusal(Fault.BAD_REQUEST, "A task cannot be moved to another project; create a new one there.")
        app = _app_after(conn, before, change, username)
    after = with_change(before, change)
    if before.status is not Status.DRAFT:
        return save(services, before, after)
    using = examination(services, app, username)
    inputs = taken(merged(before.inputs, change.body.get("inputs"))) if "inputs" in change.fields else before.inputs
    after = settled_batch(replace(after, app=app.id if app else after.app, inputs=inputs), using)
    with services.database.read() as conn:
        after = examined(conn, after, using)
    return save(services, before, after)


def _app_after(conn: Connection, task: Task, change: TaskChange, username: str) -> App | None:
    if change.app is None:
        return app_of(conn, task, username)
    stored = AppId.parse(task.app)
    if change.app.revision is None and change.app == AppId(stored.project, stored.name):
        return app_of(conn, task, username)
    return readable_app(conn, change.app, username)


def delete_task(call: Call, services: Services) -> Answer:
    """``DELETE /tasks/{id}``: drafts only."""

    def attempt() -> None:
        with services.database.write() as conn:
            task = owned_task(conn, task_id(call), call.caller.username, "delete the task")
            check_deletable(task)
            tasks.delete(conn, task)

    until_saved(attempt)
    return NO_CONTENT
