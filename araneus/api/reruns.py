"""A call beyond the platform: the tasks of a batch that failed, why, and all of them once more.

It lies below ``/araneus``, where no client of the platform looks. The tasks that run again are the children of a new
batch, whose batch input holds only what they had; so it can be cloned, watched and run again like any other.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from araneus.api import wire
from araneus.api.call import Answer, Call, Route
from araneus.api.launches import Launch, errors_message
from araneus.api.services import Services
from araneus.api.task_bodies import MAX_NAME
from araneus.api.task_loading import app_of, examination, examined, owned_task, task_id, visible_task
from araneus.api.tasks import show_tasks
from araneus.model.errors import Fault, Refusal
from araneus.model.failure import Alike, alike
from araneus.model.ids import new_uuid
from araneus.model.task import Status, Task, clone
from araneus.model.values import Value
from araneus.store import jobs, tasks
from araneus.store.database import Connection

SHOWN: Final = 100
"""Tasks that are named for one reason; the others are counted."""


def show_failed(call: Call, services: Services) -> Answer:
    """``GET /araneus/tasks/{id}/rerun-failed``: what failed, by reason; nothing is run."""
    with services.database.read() as conn:
        parent, _ = visible_task(conn, task_id(call), call.caller.username)
        failed = _failed(conn, parent)
        why = alike(failed, jobs.failed_of_children(conn, parent.id))
    return wire.one(call, _show(call, failed, why))


def rerun_failed(call: Call, services: Services) -> Answer:
    """``POST /araneus/tasks/{id}/rerun-failed``: the failed tasks again, as children of a new batch; also while other
    children still run. Raises `Refusal` 7024 when their inputs are not fit to run any more."""
    username = call.caller.username
    with services.database.read() as conn:
        parent = owned_task(conn, task_id(call), username, "run the task")
        failed = _failed(conn, parent)
        if not failed:
            raise Refusal(Fault.BAD_REQUEST, "None of the tasks of this batch has failed.")
        why = alike(failed, jobs.failed_of_children(conn, parent.id))
        app = app_of(conn, parent, username)
    copy = _parent_again(parent, failed, clone(parent, new_id=new_uuid(), actor=username, now=services.clock()))
    using = examination(services, app, username)
    with services.database.read() as conn:
        copy = examined(conn, copy, using)
    if copy.errors:
        raise Refusal(Fault.TASK_HAS_ERRORS, errors_message(copy))
    launch = Launch(copy, tuple(_children_again(copy, failed)), username)
    with services.database.write() as conn:
        tasks.insert(conn, copy)
        begun = launch.begin(conn, copy, services.clock())
    running = launch.complete(services, begun)
    with services.database.read() as conn:
        shown = show_tasks(call, services, conn, [running], listed=False)[0]
    return wire.created(call, {"task": shown} | _show(call, failed, why))


def _failed(conn: Connection, parent: Task) -> list[Task]:
    if not parent.batch:
        raise Refusal(Fault.BAD_REQUEST, "This is no batch: clone the task to run it again.")
    return tasks.children(conn, parent.id, [Status.FAILED])


def _parent_again(parent: Task, failed: list[Task], copy: Task) -> Task:
    port = parent.batch_input or ""
    items: list[Value] = []
    for child in failed:
        value = child.inputs.get(port)
        items += value if isinstance(value, list) else [value]
    return replace(copy, name=f"{parent.name} - rerun"[:MAX_NAME], inputs=copy.inputs | {port: items})


def _children_again(parent: Task, failed: list[Task]) -> list[Task]:
    return [
        replace(
            clone(
                child,
                new_id=new_uuid(),
                actor=parent.created_by,
                now=parent.created_time + timedelta(microseconds=number),
            ),
            parent=parent.id,
            batch_group=child.batch_group,
            outputs=parent.outputs,
        )
        for number, child in enumerate(failed)
    ]


def _show(call: Call, failed: list[Task], why: list[Alike]) -> dict[str, Any]:
    return {"failed": len(failed), "reasons": [_show_reason(call, group) for group in why]}


def _show_reason(call: Call, group: Alike) -> dict[str, Any]:
    return {
        "count": len(group.tasks),
        "reason": group.reason.value if group.reason else None,
        "step": group.step,
        "exit_code": group.exit_code,
        "message": group.message,
        "tasks": [
            {"href": call.href("tasks", task.id), "id": task.id, "name": task.name} for task in group.tasks[:SHOWN]
        ],
    }


_PATH = "/araneus/tasks/{task}/rerun-failed"
ROUTES = (
    Route("GET", _PATH, show_failed, "Failed tasks of a batch by reason", importance=3, slow=True),
    Route("POST", _PATH, rerun_failed, "Rerun the failed tasks of a batch", importance=3),
)
