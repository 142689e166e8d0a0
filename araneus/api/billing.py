"""Billing: one free group per user, so that scripts which start by choosing a group work, and what its tasks and files
cost by the prices of the settings. Nobody is charged.

Source: API reference, billing groups.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from araneus.api import wire
from araneus.api.call import Answer, Call, Route
from araneus.api.invoices import month_of
from araneus.api.services import Services
from araneus.model.charge import CURRENCY, GIGABYTE, MILLION, Charge, Cost, text_of
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import is_uuid
from araneus.model.project import Project
from araneus.model.user import User
from araneus.store import charges, projects, trees
from araneus.store.database import Connection

ANALYSIS_FIELDS = (
    "project_name", "analysis_app_name", "analysis_name", "analysis_type", "analysis_id", "ran_by", "analysis_status",
    "analysis_cost", "refunded_amount", "time_started", "time_finished", "project_locked",
)  # fmt: skip
STORAGE_FIELDS = ("project_name", "project_created_by", "location", "active", "archived", "project_locked")
LATEST = 1000
"""Tasks in the old breakdown, which knows no pages; its sums are of all."""
_DAY = "%m-%d-%Y"
_LAST_YEAR = 9000


def show_group(call: Call, user: User) -> dict[str, Any]:
    """The billing group of a user."""
    return {
        "href": call.href("billing", "groups", user.billing_group),
        "id": user.billing_group,
        "owner": user.username,
        "name": f"{user.username}'s resources",
        "type": "free",
        "pending": False,
        "disabled": False,
        "balance": {"currency": "USD", "amount": 0.0},
    }


def check_group(user: User, group: str) -> str:
    """The id of a billing group that the user may charge; `Refusal` for a malformed or foreign one."""
    if not is_uuid(group):
        raise Refusal(Fault.BILLING_ID_MALFORMED, f"Billing group id {group[:80]!r} is not a UUID.")
    if group.lower() != user.billing_group:
        raise Refusal(Fault.BILLING_NOT_FOUND, "Requested billing group does not exist.")
    return user.billing_group


def show_links(call: Call, services: Services) -> Answer:
    """``GET /billing``."""
    return Answer(
        value={"groups_url": call.href("billing", "groups"), "invoices_url": call.href("billing", "invoices")}
    )


def list_groups(call: Call, services: Services) -> Answer:
    """``GET /billing/groups``."""
    at = wire.window(call)
    groups = [show_group(call, call.caller)]
    return wire.page(call, groups[at.offset :], total=1, at=at, default=("href", "id", "name"))


def get_group(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}``."""
    check_group(call.caller, call.path["group"])
    return wire.one(call, show_group(call, call.caller))


def list_analysis_costs(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}/breakdown/analysis``: a task each, the latest first."""
    at, group = wire.window(call), check_group(call.caller, call.path["group"])
    with services.database.read() as conn:
        first, behind = _bounds(conn, call, services, group)
        found = charges.page(conn, group, first=first, behind=behind, offset=at.offset, limit=at.limit)
    items = [_show_analysis(charge) for charge in found.items]
    return wire.page(call, items, total=found.total, at=at, default=ANALYSIS_FIELDS)


def _show_analysis(charge: Charge) -> dict[str, Any]:
    parts = {"storage": charge.storage / MILLION, "computation": charge.computation / MILLION, "data_transfer_in": 0.0}
    return {
        "project_name": charge.project_name,
        "analysis_app_name": charge.app,
        "analysis_name": charge.name,
        "analysis_type": "TASK",
        "analysis_id": charge.task,
        "ran_by": charge.ran_by,
        "analysis_status": charge.status.value,
        "analysis_cost": {"currency": CURRENCY, "amount": text_of(charge.cost.total), "breakdown": parts},
        "refunded_amount": 0.0,
        "time_started": wire.timestamp(charge.started_on),
        "time_finished": wire.timestamp(charge.ended_on),
        "project_locked": charge.locked,
    }


def list_storage_costs(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}/breakdown/storage``: what the files of each project take now, and cost a month. An
    invoice has none: what they took then is not known."""
    at, group = wire.window(call), check_group(call.caller, call.path["group"])
    with services.database.read() as conn:
        _bounds(conn, call, services, group)
        found = [] if call.one("invoice_id") else projects.in_billing_group(conn, group)
        shown = found[at.offset : at.offset + at.limit]
        sizes = trees.sizes(conn, [project.id for project in shown])
    month = services.settings.prices.storage_month
    items = [_show_storage(project, sizes.get(project.id, 0), month) for project in shown]
    return wire.page(call, items, total=len(found), at=at, default=STORAGE_FIELDS)


def _show_storage(project: Project, size: int, month: float) -> dict[str, Any]:
    def measured(size: int) -> dict[str, Any]:
        amount = round(size / GIGABYTE * month * MILLION) / MILLION
        return {"size": size / GIGABYTE, "unit": "GB", "cost": {"amount": amount, "currency": CURRENCY}}

    return {
        "project_name": project.name,
        "project_created_by": project.created_by,
        "location": project.settings.get("location", ""),
        "active": measured(size),
        "archived": measured(0),
        "project_locked": bool(project.settings.get("locked")),
    }


def list_egress_costs(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}/breakdown/egress``: empty, as downloads from one's own server cost nothing."""
    group = check_group(call.caller, call.path["group"])
    with services.database.read() as conn:
        _bounds(conn, call, services, group)
    return wire.page(call, [], total=0, at=wire.window(call), default=("project_name",))


def _bounds(conn: Connection, call: Call, services: Services, group: str) -> tuple[datetime | None, datetime | None]:
    """From which moment to before which tasks have ended that are asked for: by days, and by an invoice."""
    first, last = _day(call, "date_from"), _day(call, "date_to")
    behind, invoice = last and last + timedelta(days=1), call.one("invoice_id")
    if not invoice:
        return first, behind
    month = month_of(conn, group, invoice, services.clock())
    start, end = month.first, month.next.first
    return max(first or start, start), min(behind or end, end)


def _day(call: Call, name: str) -> datetime | None:
    """The start of a day of the query, in UTC."""
    text = call.one(name)
    if not text:
        return None
    try:
        day = datetime.strptime(text, _DAY).replace(tzinfo=UTC)
        if day.year > _LAST_YEAR:
            raise ValueError("beyond the calendar")
        return day
    except ValueError as error:
        raise Refusal(Fault.BAD_REQUEST, f"{name!r} must be a day as MM-DD-YYYY, not {text[:40]!r}.") from error


def old_breakdown(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}/breakdown``: one object, as older clients read it."""
    group = check_group(call.caller, call.path["group"])
    with services.database.read() as conn:
        first, behind = _bounds(conn, call, services, group)
        spent = charges.by_project(conn, group, first=first, behind=behind)
        latest = charges.latest(conn, group, LATEST, first=first, behind=behind)
    return Answer(
        value={
            "total_spending": _money(sum(spent.values(), Cost())),
            "project_breakdown": [
                {
                    "href": call.href("projects", project),
                    "analysis_spending": _money(cost),
                    "task_breakdown": _show_tasks(call, (charge for charge in latest if charge.project == project)),
                }
                for project, cost in spent.items()
            ],
        }
    )


def _show_tasks(call: Call, listed: Iterable[Charge]) -> list[dict[str, Any]]:
    return [
        {
            "href": call.href("tasks", charge.task),
            "runner_username": charge.ran_by,
            "time_started": wire.timestamp(charge.started_on),
            "time_finished": wire.timestamp(charge.ended_on),
            "task_cost": _money(charge.cost),
        }
        for charge in listed
    ]


def _money(cost: Cost) -> dict[str, Any]:
    return {"amount": text_of(cost.total), "currency": CURRENCY}


ROUTES = (
    Route("GET", "/billing", show_links, "Links of billing", importance=3),
    Route("GET", "/billing/groups", list_groups, "Billing groups", importance=1),
    Route("GET", "/billing/groups/{group}", get_group, "One billing group"),
    Route("GET", "/billing/groups/{group}/breakdown", old_breakdown, "Costs, old form", importance=3, slow=True),
    Route(
        "GET", "/billing/groups/{group}/breakdown/analysis", list_analysis_costs, "Analysis costs",
        importance=3, slow=True,
    ),
    Route(
        "GET", "/billing/groups/{group}/breakdown/storage", list_storage_costs, "Storage costs",
        importance=3, slow=True,
    ),
    Route("GET", "/billing/groups/{group}/breakdown/egress", list_egress_costs, "Egress costs", importance=3),
)  # fmt: skip
