"""Billing: one free group per user, so that scripts which start by choosing a group work; nothing costs anything.

Source: API reference, billing groups.
"""

from typing import Any

from araneus.api import wire
from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import is_uuid
from araneus.model.user import User


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


def list_costs(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}/breakdown/...``: empty, as nothing was charged."""
    check_group(call.caller, call.path["group"])
    return wire.page(call, [], total=0, at=wire.window(call), default=("href",))


def old_breakdown(call: Call, services: Services) -> Answer:
    """``GET /billing/groups/{id}/breakdown``: one object, as older clients read it."""
    check_group(call.caller, call.path["group"])
    return Answer(value={"total_spending": {"amount": "0.00", "currency": "USD"}, "project_breakdown": []})


def list_invoices(call: Call, services: Services) -> Answer:
    """``GET /billing/invoices``: empty."""
    return wire.page(call, [], total=0, at=wire.window(call), default=("href", "id"))


def get_invoice(call: Call, services: Services) -> Answer:
    """``GET /billing/invoices/{id}``: there are none."""
    raise Refusal(Fault.BILLING_NOT_FOUND, "Requested invoice does not exist.")


ROUTES = (
    Route("GET", "/billing", show_links, "Links of billing", importance=3),
    Route("GET", "/billing/groups", list_groups, "Billing groups", importance=1),
    Route("GET", "/billing/groups/{group}", get_group, "One billing group"),
    Route("GET", "/billing/groups/{group}/breakdown", old_breakdown, "Costs, old form", importance=3),
    Route("GET", "/billing/groups/{group}/breakdown/analysis", list_costs, "Analysis costs", importance=3),
    Route("GET", "/billing/groups/{group}/breakdown/storage", list_costs, "Storage costs", importance=3),
    Route("GET", "/billing/groups/{group}/breakdown/egress", list_costs, "Egress costs", importance=3),
    Route("GET", "/billing/invoices", list_invoices, "Invoices", importance=3),
    Route("GET", "/billing/invoices/{invoice}", get_invoice, "One invoice", importance=3),
)
