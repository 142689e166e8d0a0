"""Invoices: one for each calendar month that is over and in which tasks have ended. Nobody has to pay them.

Source: API reference, billing groups, "Invoice". They are computed from the bills of the tasks (`model.invoice`).
"""

from datetime import datetime
from typing import Any

from araneus.api import wire
from araneus.api.call import Answer, Call, Route
from araneus.api.services import Services
from araneus.model.charge import CURRENCY, MILLION, Cost
from araneus.model.errors import Fault, Refusal
from araneus.model.invoice import Month, months_over
from araneus.store import charges
from araneus.store.database import Connection


def month_of(conn: Connection, group: str, invoice: str, now: datetime) -> Month:
    """The month of an invoice of a group. Raises `Refusal` BILLING_NOT_FOUND when there is none."""
    month = Month.parse(invoice)
    if month is None or month.next.first > now or _cost(conn, group, month) is None:
        raise Refusal(Fault.BILLING_NOT_FOUND, "Requested invoice does not exist.")
    return month


def _cost(conn: Connection, group: str, month: Month) -> Cost | None:
    """What the tasks of a month cost; None when none ended."""
    spent = charges.by_project(conn, group, first=month.first, behind=month.next.first)
    return sum(spent.values(), Cost()) if spent else None


def list_invoices(call: Call, services: Services) -> Answer:
    """``GET /billing/invoices``: the latest first."""
    at, group = wire.window(call), call.caller.billing_group
    if call.one("billing_group") not in {None, "", group}:
        raise Refusal(Fault.BILLING_NOT_FOUND, "Requested billing group does not exist.")
    with services.database.read() as conn:
        first = charges.earliest(conn, group)
        months = months_over(first, services.clock()) if first is not None else iter(())
        found = [(month, cost) for month in months if (cost := _cost(conn, group, month)) is not None]
    found.reverse()
    items = [_show(call, month, cost) for month, cost in found[at.offset : at.offset + at.limit]]
    return wire.page(call, items, total=len(found), at=at, default=("href", "id"))


def get_invoice(call: Call, services: Services) -> Answer:
    """``GET /billing/invoices/{id}``."""
    group = call.caller.billing_group
    with services.database.read() as conn:
        month = month_of(conn, group, call.path["invoice"], services.clock())
        cost = _cost(conn, group, month) or Cost()
    return wire.one(call, _show(call, month, cost))


def _show(call: Call, month: Month, cost: Cost) -> dict[str, Any]:
    """The invoice object. What the jobs' disk cost belongs to the analyses, as in their breakdown."""
    return {
        "href": call.href("billing", "invoices", month.id),
        "id": month.id,
        "pending": False,
        "approval_date": wire.timestamp(month.next.first),
        "invoice_period": {"from": wire.timestamp(month.first), "to": wire.timestamp(month.next.first)},
        "analysis_costs": _money(cost.total),
        "storage_costs": _money(0),
        "total": _money(cost.total),
    }


def _money(amount: int) -> dict[str, Any]:
    return {"currency": CURRENCY, "amount": amount / MILLION}


ROUTES = (
    Route("GET", "/billing/invoices", list_invoices, "Invoices", importance=3, slow=True),
    Route("GET", "/billing/invoices/{invoice}", get_invoice, "One invoice", importance=3, slow=True),
)
