"""What becomes of a request in one go, on the event loop or in a thread: who asks, may he ask more, and its handler.

Several requests at a turn are served with one question to the database for all their tokens, and with what their routes
look up together (`Route.ahead`).
"""

import codecs
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from starlette.types import Scope

from araneus.api import urls
from araneus.api.auth import Known, authenticate, digest_of, identify
from araneus.api.call import Ahead, Answer, Budget, Call, Route, Takes
from araneus.api.limits import RateLimiter
from araneus.api.readers import Outcome
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.user import User
from araneus.store.database import was_cut

T = TypeVar("T")


class Exchange:
    """What becomes known of one request on its way: enough to answer it wherever it stops. ``digest`` is that of its
    token."""

    __slots__ = ("base", "budget", "digest", "headers", "method", "path", "request_id", "scope")

    def __init__(self, scope: Scope, budget: Budget) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.request_id = secrets.token_hex(8)
        self.budget = budget
        self.base = ""
        self.path = ""
        self.digest = digest_of(self.headers)


@dataclass(slots=True)
class Asked:
    """A request whose route is known: its ``answer`` is wanted, or only who makes it."""

    exchange: Exchange
    route: Route
    parameters: dict[str, str]
    answer: bool


class Serving:
    """Serves requests; all of it may be called from several threads."""

    def __init__(self, services: Services, limiter: RateLimiter) -> None:
        self._services = services
        self._limiter = limiter

    def one(self, asked: Asked) -> Any:
        """The handler's answer, or the user who makes the request. Raises `Refusal` for those who may not."""
        return self._finish(asked, self._admitted(asked, self._known([asked]), {}))

    def turn(self, turn: Sequence[Asked]) -> Sequence[Outcome]:
        """`one` for several at once."""
        known = self._known(turn)
        ahead: dict[Any, Any] = {}
        calls = [_tried(self._admitted, asked, known, ahead) for asked in turn]
        together: dict[Ahead, list[Call]] = {}
        for asked, (call, _) in zip(turn, calls, strict=True):
            if call is not None and asked.answer and asked.route.ahead is not None:
                together.setdefault(asked.route.ahead, []).append(call)
        for look_up, some in together.items():
            ahead.update(_once_more(look_up, some, self._services))
        return [
            (None, error) if error is not None else _tried(self._finish, asked, call)
            for asked, (call, error) in zip(turn, calls, strict=True)
        ]

    def handle(self, asked: Asked, body: bytes, user: User | None) -> Answer:
        """The answer to a request whose user is known."""
        answer = asked.route.handler(self.call(asked, body, user), self._services)
        assert isinstance(answer, Answer)
        return answer

    def handle_late(self, asked: Asked, body: bytes, user: User | None) -> Answer:
        """`handle`, for a request that took its time: its token may have been revoked since its head was here."""
        authenticate(asked.exchange.digest, self._known([asked]))
        return self.handle(asked, body, user)

    def call(self, asked: Asked, body: bytes, user: User | None, ahead: Mapping[Any, Any] | None = None) -> Call:
        """The request as its handler sees it. Raises `Refusal` for a body that is no JSON where it is to be."""
        exchange = asked.exchange
        return Call(
            method=exchange.method,
            path=asked.parameters,
            query=urls.decode_query(exchange.scope["query_string"]),
            headers=exchange.headers,
            base=exchange.base,
            url_path=urls.quote_path(exchange.path),
            body=_decoded(body) if asked.route.takes is Takes.JSON else body,
            user=user,
            budget=exchange.budget,
            ahead={} if ahead is None else ahead,
        )

    def _known(self, turn: Sequence[Asked]) -> Known:
        digests = {asked.exchange.digest for asked in turn if asked.route.auth and asked.exchange.digest}
        return _once_more(identify, self._services, digests) if digests else {}

    def _admitted(self, asked: Asked, known: Known, ahead: Mapping[Any, Any]) -> Call:
        return self.call(asked, b"", self._admit(asked, known), ahead)

    def _finish(self, asked: Asked, call: Call) -> Any:
        if not asked.answer:
            return call.user
        if asked.route.method != "GET":
            return asked.route.handler(call, self._services)
        return _once_more(asked.route.handler, call, self._services)

    def _admit(self, asked: Asked, known: Known) -> User | None:
        exchange, route = asked.exchange, asked.route
        if not route.auth:
            return None
        user = authenticate(exchange.digest, known)
        if not self._limiter.enforced:
            return user
        cost = 0 if route.quiet else 1
        exchange.budget = self._limiter.budget(user.username, self._services.clock(), cost=cost)
        if exchange.budget.remaining < 0 and cost:
            raise Refusal(Fault.RATE_LIMITED, "Rate limit exceeded: wait until the time in X-RateLimit-Reset.")
        return user


def _once_more(work: Callable[..., T], *arguments: Any) -> T:
    """The result of work that changes nothing; done again when the database has cut its connection."""
    try:
        return work(*arguments)
    except Exception as error:
        if not was_cut(error):
            raise
    return work(*arguments)


def _tried(work: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return work(*arguments), None
    except Exception as error:
        return None, error


def _decoded(body: bytes) -> Any:
    """The JSON value of a body; None for an empty one. Raises `Refusal` BODY_UNDECODABLE."""
    text = body.removeprefix(codecs.BOM_UTF8).strip()
    if not text:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refusal(Fault.BODY_UNDECODABLE, f"The request body is not JSON: {error}.") from error
    except RecursionError as error:
        raise Refusal(Fault.BODY_UNDECODABLE, "The request body is nested too deeply.") from error
    if b"\\u0000" in text and _holds_nul(value):
        raise Refusal(Fault.BAD_REQUEST, "The request body holds a NUL character in a text.")
    return value


def _holds_nul(value: Any) -> bool:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and "\x00" in item:
            return True
        if isinstance(item, dict):
            pending.extend(item)
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return False
