"""How answers look: objects, pages, times, JSON. Handlers end with `one`, `page` or `created`.

Source: API reference, "fields selector", "Pagination", "Timestamps".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from araneus.api.call import Answer, Call
from araneus.api.fields import Selector, selector
from araneus.model.errors import Fault, Refusal

DEFAULT_LIMIT = 25
MAX_LIMIT = 100
MAX_OFFSET = 2**53
_NUMBER = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?([eE]\+?[0-9]{1,2})?", re.ASCII)
_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """A JSON text. Unpaired surrogates, which msgspec refuses, are written as escapes."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def timestamp(moment: datetime | None) -> str | None:
    """``YYYY-MM-DDTHH:MM:SSZ``: the one form that all clients parse."""
    return None if moment is None else moment.isoformat()[:19] + "Z"


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a list is asked for."""

    offset: int
    limit: int


def window(call: Call) -> Window:
    """``offset`` and ``limit`` of the query: whole numbers, in R ``1e+05``. A limit of 0 or above 100 means 100."""
    limit = _count(call, "limit", DEFAULT_LIMIT)
    return Window(min(_count(call, "offset", 0), MAX_OFFSET), min(limit, MAX_LIMIT) or MAX_LIMIT)


def _count(call: Call, name: str, default: int) -> int:
    text = (call.one(name) or "").strip()
    if not text:
        return default
    plain = text.replace(" ", "+")  # the plus of an exponent, where nobody has encoded it
    number = Decimal(plain) if _NUMBER.fullmatch(plain) else Decimal("0.5")
    if number != number.to_integral_value():
        raise Refusal(Fault.BAD_REQUEST, f"Query parameter {name!r} must be a number from 0 on, not {text[:80]!r}.")
    return int(number)


def chosen(call: Call, default: tuple[str, ...] | None = None) -> Selector:
    """The selector of the call's ``fields``, which may be repeated; handlers may ask it what is wanted before they
    compute."""
    return selector(",".join(call.many("fields")) or None, default)


def one(call: Call, shown: Mapping[str, Any], status: int = 200) -> Answer:
    """An object, as the caller selected it."""
    return Answer(status=status, value=chosen(call).apply(shown))


def created(call: Call, shown: Mapping[str, Any]) -> Answer:
    """An object that this call made."""
    return one(call, shown, 201)


def page(call: Call, items: Sequence[Mapping[str, Any]], *, total: int, at: Window, default: tuple[str, ...]) -> Answer:
    """A page of a list: items, links to the neighbours, and the header that clients cannot do without."""
    selected = chosen(call, default)
    links = []
    if at.offset + at.limit < total:
        links.append({"href": _replay(call, at.offset + at.limit, at.limit), "rel": "next", "method": "GET"})
    if at.offset > 0:
        before = max(0, min(at.offset, total) - at.limit)
        links.append({"href": _replay(call, before, at.limit), "rel": "prev", "method": "GET"})
    headers = [("x-total-matching-query", str(total))]
    if links:
        headers.append(("link", ", ".join(f'<{link["href"]}>; rel="{link["rel"]}"' for link in links)))
    body = {
        "href": _replay(call, at.offset, at.limit),
        "items": [selected.apply(item) for item in items],
        "links": links,
    }
    return Answer(value=body, headers=tuple(headers))


def stretch(
    call: Call,
    items: Sequence[Mapping[str, Any]],
    *,
    total: int,
    limit: int,
    token: str | None,
    default: tuple[str, ...],
) -> Answer:
    """A part of a list that is read from one token to the next; no ``token`` when this was the last part."""
    selected = chosen(call, default)
    links, headers = [], [("x-total-matching-query", str(total))]
    if token is not None:
        links.append({"href": _again(call, token=token, limit=str(limit)), "rel": "next", "method": "GET"})
        headers.append(("link", f'<{links[0]["href"]}>; rel="next"'))
    here = _again(call, token=call.one("token") or "", limit=str(limit))
    body = {"href": here, "items": [selected.apply(item) for item in items], "links": links}
    return Answer(value=body, headers=tuple(headers))


def _replay(call: Call, offset: int, limit: int) -> str:
    return _again(call, offset=str(offset), limit=str(limit))


def _again(call: Call, **places: str) -> str:
    """The URL of the same list at another place: every parameter of the call again, repeated ones repeated."""
    pairs = [(name, value) for name, values in call.query.items() if name not in places for value in values]
    pairs += places.items()
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    return f"{call.base}{call.url_path}?{query}"
