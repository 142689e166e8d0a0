"""What pages in browsers may do here: everything, as others may, with a token.

Pages that call the platform's API from the browser exist, with `fetch` and a token in a header. A browser asks first (a
preflight), and shows a page only what the answer allows. Any origin is allowed: there are no cookies, so a page can do
nothing that it has no token for. Source: the Fetch standard, section "CORS protocol".
"""

from collections.abc import Mapping
from typing import Final

from araneus.api.call import Answer

_SHOWN: Final = (
    "X-Total-Matching-Query, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id, Link, ETag,"
    " Location, Content-Range, Content-Disposition, Accept-Ranges"
)
_ALLOWED: Final = "*, Authorization, Content-Type, Content-MD5, Range, X-SBG-Auth-Token, X-SBG-Advance-Access"
"""The star does not stand for Authorization, and older browsers do not know it."""
_TO_ANY_PAGE: Final = (("access-control-allow-origin", "*"), ("access-control-expose-headers", _SHOWN))
_PREFLIGHT: Final = Answer(
    status=204,
    headers=(
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("access-control-allow-headers", _ALLOWED),
        ("access-control-max-age", "600"),
    ),
)


def preflight(method: str, headers: Mapping[str, str]) -> Answer | None:
    """The answer to a browser that asks what a page may do; None for any other request."""
    asks = method == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers
    return _PREFLIGHT if asks else None


def for_pages(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The headers of an answer that let a page see it, where a page has asked."""
    return _TO_ANY_PAGE if "origin" in headers else ()
