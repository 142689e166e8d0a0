"""What sets tasks going and stops them: create-and-run, run, clone, abort.

The API only writes intent: a status, with its event, guarded by the row's version; the scheduler, woken after the
commit, does the rest. So of two simultaneous runs one is granted and the other finds the task no draft any more.
Source: API reference, tasks, sections 4 and 10 to 13.
"""

from dataclasses import replace

from araneus.api.call import Answer, Call, Route
from araneus.api.launches import Launch, errors_message, launch_of
from araneus.api.services import Services
from araneus.api.task_bodies import new_task
from araneus.api.task_checks import entry
from araneus.api.task_loading import (
    Examination,
    app_of,
    examination,
    examined,
    owned_task,
    settled_batch,
    task_id,
)
from araneus.api.tasks import (
    answer_task,
    bulk_get,
    change_inputs,
    change_task,
    delete_task,
    draft,
    get_execution_details,
    get_inputs,
    get_task,
    list_tasks,
    polls_ahead,
    save,
    until_saved,
)
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import new_uuid
from araneus.model.task import Status, Task, check_runnable, clone, step
from araneus.store import tasks


def create_task(call: Call, services: Services) -> Answer:
    """``POST /tasks``: a draft, which runs straight away when that is asked for and it has no errors."""
    request, wanted = new_task(call.object()), call.flag("batch")
    asked = request.batch or wanted is True
    run = _wants_run(call) or call.flag("run") is True
    if wanted is False and asked and not run:
        raise Refusal(Fault.BATCH_OFF_ONLY_ON_RUN, "batch=false can be given only together with action=run.")
    task, using = draft(call, services, request, batch=asked and wanted is not False)
    return answer_task(call, services, _add(services, task, using, run=run), 201)


def _add(services: Services, task: Task, using: Examination, *, run: bool) -> Task:
    """Save a new draft, and start it when that is asked for and nothing is wrong with it."""
    launch = None
    if run and not task.errors:
        try:
            launch = launch_of(services, task, using)
        except Refusal as refusal:
            task = replace(task, errors=(entry(refusal.message, task.batch_input),))
    with services.database.write() as conn:
        tasks.insert(conn, task)
        if launch is not None:
            task = launch.begin(conn, task, services.clock())
    return task if launch is None else launch.complete(services, task)


def _wants_run(call: Call) -> bool:
    """Whether ``action=run`` is asked for. Raises `Refusal` 7013 for any other action."""
    action = (call.one("action") or "").strip().lower()
    if action not in {"", "run"}:
        raise Refusal(Fault.TASK_ACTION_INVALID, f"Unknown action {action[:80]!r}; expected run.")
    return action == "run"


def run_task(call: Call, services: Services) -> Answer:
    """``POST /tasks/{id}/actions/run``: drafts without errors."""
    batch, interruptible = call.flag("batch"), call.flag("use_interruptible_instances")
    launch, task = until_saved(lambda: _run(call, services, batch=batch, interruptible=interruptible))
    return answer_task(call, services, launch.complete(services, task))


def _run(call: Call, services: Services, *, batch: bool | None, interruptible: bool | None) -> tuple[Launch, Task]:
    username = call.caller.username
    with services.database.read() as conn:
        before = owned_task(conn, task_id(call), username, "run the task")
        check_runnable(before)
        app = app_of(conn, before, username)
    task = before if interruptible is None else replace(before, use_interruptible_instances=interruptible)
    if batch is False:
        if not before.batch:
            raise Refusal(Fault.BATCH_OFF_NOT_BATCH, "batch=false applies only to a batch task; this is not one.")
        task = replace(task, batch=False, batch_input=None, batch_by=None)
    using = examination(services, app, username)
    with services.database.read() as conn:
        task = examined(conn, task, using)
    if task.errors:
        save(services, before, replace(before, errors=task.errors, warnings=task.warnings))
        raise Refusal(Fault.TASK_HAS_ERRORS, errors_message(task))
    launch = launch_of(services, task, using)
    with services.database.write() as conn:
        return launch, launch.begin(conn, before, services.clock())


def clone_task(call: Call, services: Services) -> Answer:
    """``POST /tasks/{id}/actions/clone``: a new draft of the same analysis, which runs straight away if asked for."""
    username, run = call.caller.username, _wants_run(call)
    with services.database.read() as conn:
        original = owned_task(conn, task_id(call), username, "clone the task")
        app = app_of(conn, original, username)
    copy = clone(original, new_id=new_uuid(), actor=username, now=services.clock())
    using = examination(services, app, username)
    copy = settled_batch(copy, using)
    with services.database.read() as conn:
        copy = examined(conn, copy, using)
    return answer_task(call, services, _add(services, copy, using, run=run), 201)


def abort_task(call: Call, services: Services) -> Answer:
    """``POST /tasks/{id}/actions/abort``: a task that is being created, queued or running."""

    def attempt() -> Task:
        with services.database.write() as conn:
            before = owned_task(conn, task_id(call), call.caller.username, "abort the task")
            after, event = step(
                before, Status.ABORTING, now=services.clock(), actor=call.caller.username, message="Abort requested"
            )
            return tasks.save(conn, before, after, event)

    task = until_saved(attempt)
    services.wake()
    return answer_task(call, services, task)


_DETAILS = "/tasks/{task}/execution_details"
ROUTES = (
    Route("GET", "/tasks", list_tasks, "Tasks of the caller's projects", importance=1),
    Route("POST", "/tasks", create_task, "Create a task, and run it if asked to", importance=1),
    Route("GET", "/tasks/{task}", get_task, "One task", importance=1, ahead=polls_ahead),
    Route("PATCH", "/tasks/{task}", change_task, "Change a draft, or rename a task", importance=1),
    Route("DELETE", "/tasks/{task}", delete_task, "Delete a draft", importance=1),
    Route("POST", "/tasks/{task}/actions/run", run_task, "Run a draft", importance=1),
    Route("POST", "/tasks/{task}/actions/clone", clone_task, "Clone a task, and run the copy", importance=1),
    Route("POST", "/tasks/{task}/actions/abort", abort_task, "Abort a task", importance=1),
    Route("GET", _DETAILS, get_execution_details, "Jobs and logs of a task", importance=1, slow=True),
    Route("GET", "/tasks/{task}/inputs", get_inputs, "The inputs of a task", importance=3),
    Route("PATCH", "/tasks/{task}/inputs", change_inputs, "Merge inputs of a draft", importance=3),
    Route("POST", "/bulk/tasks/get", bulk_get, "Several tasks at once"),
)
