"""What `execution_status` says of a task, worked out from its times and steps. Pure."""

from datetime import datetime, timedelta

from araneus.model.task import Progress, Status
from araneus.scheduler.facts import Steps

_CODES = {
    Status.CREATING: "task_creating",
    Status.QUEUED: "task_queued",
    Status.RUNNING: "task_running",
    Status.COMPLETED: "task_completed",
    Status.FAILED: "task_failed",
    Status.ABORTING: "task_aborting",
    Status.ABORTED: "task_aborted",
}
MAX_MESSAGE = 6000


def progress(
    status: Status,
    steps: Steps,
    *,
    message: str | None = None,
    run_on: datetime | None,
    claimed_on: datetime | None,
    started_on: datetime | None,
    now: datetime,
) -> Progress:
    """The progress of a task that was run at ``run_on``, claimed at ``claimed_on`` and whose first process started at
    ``started_on``; durations are milliseconds up to ``now``. Without a message a short one is made."""
    queued = _milliseconds((claimed_on or now) - run_on) if run_on else 0
    # Together they are the whole, to the millisecond.
    running = max(0, _milliseconds(now - (run_on or claimed_on)) - queued) if claimed_on else 0
    return Progress(
        message=_short(message if message is not None else _message(status, steps)),
        message_code=_CODES.get(status, "task_draft"),
        steps_completed=steps.completed,
        steps_total=steps.total,
        queued_duration=queued,
        running_duration=running,
        execution_duration=_milliseconds(now - started_on) if started_on else 0,
    )


def _message(status: Status, steps: Steps) -> str:
    if status is Status.RUNNING:
        return f"Running {steps.completed}/{steps.total} steps" if steps.total else "Initializing..."
    return {Status.COMPLETED: "Completed", Status.ABORTED: "Aborted by user"}.get(status, status.value.capitalize())


def _short(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def _milliseconds(span: timedelta) -> int:
    return max(0, int(span / timedelta(milliseconds=1)))
