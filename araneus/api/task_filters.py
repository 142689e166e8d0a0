"""The query of ``GET /tasks``: filters, order, bounds. Source: API reference, tasks, section 17. No I/O here."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from araneus.api.call import Call
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import ProjectId, is_uuid
from araneus.model.task import Status

ORDERS: Final = ("created_time", "start_time", "name", "end_time", "created_by")
_OFFSET: Final = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})", re.ASCII)
BOUNDS: Final = ("created_from", "created_to", "started_from", "started_to", "ended_from", "ended_to")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilters:
    """What a list of tasks is restricted to. ``bounds`` holds inclusive times in UTC by the names of `BOUNDS`.

    ``nothing`` is set when a filter can match no task here: tasks are never started by automations.
    """

    project: str | None
    status: Status | None
    parent: str | None
    batch: bool | None
    bounds: dict[str, datetime]
    order_by: str
    descending: bool
    nothing: bool


def task_filters(call: Call) -> TaskFilters:
    """Decode the query. Raises `Refusal` (400; 7006 for a status) naming the parameter."""
    project = call.one("project")
    order_by = (call.one("order_by") or "").strip().lower()
    if order_by and order_by not in ORDERS:
        raise _bad("order_by", order_by, f"one of {', '.join(ORDERS)}")
    order = (call.one("order") or "").strip().lower()
    if order not in {"", "asc", "desc"}:
        raise _bad("order", order, "asc or desc")
    parent = call.one("parent") or None
    if parent and not is_uuid(parent):
        raise Refusal(Fault.TASK_ID_MALFORMED, f"Query parameter 'parent' must be a task id, not {parent[:80]!r}.")
    bounds = {name: moment(name, call.one(name)) for name in BOUNDS}
    return TaskFilters(
        project=str(ProjectId.parse(project)) if project else None,
        status=_status(call.one("status")),
        parent=parent.lower() if parent else None,
        batch=call.flag("batch"),
        bounds={name: value for name, value in bounds.items() if value is not None},
        order_by=order_by or "created_time",
        descending=order != "asc",
        nothing=bool(call.one("origin_id") or call.one("origin.id")),
    )


def _status(text: str | None) -> Status | None:
    if not text:
        return None
    try:
        return Status(text.upper())
    except ValueError as error:
        allowed = ", ".join(Status)
        raise Refusal(
            Fault.TASK_STATUS_INVALID, f"Query parameter 'status' must be one of {allowed}, not {text[:80]!r}."
        ) from error


def moment(name: str, text: str | None) -> datetime | None:
    """A time of the query in UTC: with ``T`` or a space, with or without ``Z``, an offset or fractions, or a bare date.
    The ``+`` of an offset may have come as a space, which is what it means in a query.

    An upper bound (``..._to``) that is a bare date means the end of that day, and one in whole seconds the end of that
    second: answers show whole seconds, and what was created then is to be found by what they show.
    """
    if not text or not text.strip():
        return None
    plain = _OFFSET.sub(r"\1+\2", text.strip())
    try:
        time = datetime.fromisoformat(plain)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _bad(name, text, "a time such as 2024-05-01T10:00:00") from error
    if not name.endswith("_to"):
        return time
    if len(plain) == len("2024-05-01"):
        return time.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return time if "." in plain or "," in plain else time.replace(microsecond=999_999)


def _bad(name: str, value: Any, expected: str) -> Refusal:
    return Refusal(Fault.BAD_REQUEST, f"Query parameter {name!r} must be {expected}, not {str(value)[:80]!r}.")
