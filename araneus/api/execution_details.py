"""Execution details of a task: its jobs with times, command lines and links to their logs. No I/O here.

Source: API reference, tasks, section 18.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from araneus.api.task_views import execution_status
from araneus.api.wire import timestamp
from araneus.model.file import File
from araneus.model.job import OUTPUTS_LOG, WORK_DIRECTORY, Attempt, Job, JobStatus, Reason, log_ids
from araneus.model.memo import Reuse
from araneus.model.task import Task

PROVIDER: Final = "araneus"
STREAMS: Final = {"stdout": "job.out.log", "stderr": "job.err.log"}
_MEBIBYTES_PER_GB: Final = 1024


def show_execution(
    task: Task,
    href: str,
    *,
    jobs: Iterable[Job],
    attempts: Iterable[Attempt],
    log_href: Callable[[str], str],
    now: datetime,
    left: Iterable[File] = (),
) -> dict[str, Any]:
    """The execution details. ``log_href`` gives the ``download_info`` URL of a file id; the last attempt of a job is
    the one that is shown. ``left`` is what a failed task has left: ``partial/<path>`` among the logs of its job."""
    by_key: dict[str, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda attempt: attempt.number):
        by_key.setdefault(attempt.key, []).append(attempt)
    remains = list(left)
    ordered = sorted(jobs, key=lambda job: (job.created_on, job.key))
    shown = {
        "href": href,
        "start_time": timestamp(task.start_time),
        "end_time": timestamp(task.end_time),
        "status": task.status.value,
        "message": execution_status(task, now).get("message", ""),
        "jobs": [_show_job(job, by_key.get(job.key, []), log_href) for job in ordered],
    }
    for job, job_shown in zip(ordered, shown["jobs"], strict=True):
        job_shown["logs"] |= _partial(by_key.get(job.key, []), remains, log_href)
    return _known(shown)


def _show_job(job: Job, attempts: list[Attempt], log_href: Callable[[str], str]) -> dict[str, Any]:
    last = attempts[-1] if attempts else None
    logs = log_ids(last.id, last.saved) if last and _has_begun(job, last) else {}
    if job.status is not JobStatus.COMPLETED:
        logs.pop(OUTPUTS_LOG, None)
    shown = {
        "name": job.name,
        "start_time": timestamp(job.started_on),
        "end_time": timestamp(job.ended_on),
        "status": job.status.value,
        "command_line": job.command_line,
        "retried": len(attempts) > 1,
        "instance": _instance(last) if last else None,
        "memoization": _reuse(job.reuse) if job.reuse else None,
        "logs": {name: log_href(identity) for name, identity in _named(logs).items()},
    }
    return _known(shown)


def _has_begun(job: Job, attempt: Attempt) -> bool:
    """Whether there is a job directory: not while the job waits for room, nor when it was larger than all there is."""
    refused = attempt.outcome is not None and attempt.outcome.reason is Reason.TOO_LARGE
    return job.status is not JobStatus.QUEUED and not refused


def _reuse(reuse: Reuse) -> dict[str, Any]:
    """What memoization did for a job: a key of our own, and only where a project or task asks for memoization."""
    shown = {"reused": reuse.reused, "why": list(reuse.why), "result": reuse.memo, "task": reuse.task}
    return _known(shown)


def _partial(attempts: list[Attempt], left: list[File], log_href: Callable[[str], str]) -> dict[str, str]:
    """What the last attempt of a job has left, by its path in the working directory."""
    below = f"job:{attempts[-1].id}/{WORK_DIRECTORY}/" if attempts else None
    if below is None or not left:
        return {}
    found = ((str(file.location), file.id) for file in left)
    return {f"partial/{place.removeprefix(below)}": log_href(file) for place, file in found if place.startswith(below)}


def _instance(attempt: Attempt) -> dict[str, Any]:
    """What the job ran on: the instance that app or task named, which is a bound here, else the executor; and the disk
    that goes with its name, else what was set aside."""
    asked = -(-(attempt.resources.tmpdir + attempt.resources.outdir) // _MEBIBYTES_PER_GB)
    kind, disk, size, *_ = (part.strip() for part in f"{attempt.instance or ''};;".split(";"))
    has_size = size.isascii() and size.isdigit()
    shown = {
        "size": int(size) if has_size else asked,
        "unit": "GB",
        "type": disk.partition("-")[0].upper() if disk else "local",
    }
    return {"id": attempt.executor, "type": kind or attempt.executor, "provider": PROVIDER, "disk": shown}


def _known(shown: dict[str, Any]) -> dict[str, Any]:
    """Without what is not known yet: clients take an absent time for one that has not come."""
    return {name: value for name, value in shown.items() if value is not None}


def _named(logs: Mapping[str, str]) -> dict[str, str]:
    """The logs by file name, and the two streams also under the names that the documentation's example has."""
    streams = {alias: logs[name] for alias, name in STREAMS.items() if name in logs}
    return {**streams, **logs}
