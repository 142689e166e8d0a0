"""The words between the edge and the resources: Call in, Answer out, and Route, which ties a path to a handler.

A resource module holds functions ``handler(call: Call, services: Services) -> Answer`` and a tuple ``ROUTES``. A
handler parses (`Call.parse`, `Call.one`), loads, authorises (`api.access`), lets `model` decide, saves, and renders
(`wire.one`, `wire.page`). It runs to its end in one thread, raises `Refusal` for whatever the caller did wrong, and
knows nothing of Starlette, sockets or the event loop:

    def get_thing(call: Call, services: Services) -> Answer:
        with services.database.read() as conn:
            thing = access.visible_thing(conn, call, call.path["thing"])
        return wire.one(call, show_thing(call, thing))

    ROUTES = (Route("GET", "/things/{thing}", get_thing, "One thing", importance=1),)

`api.routes` lists the modules.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from araneus.api.services import Services
from araneus.api.urls import quote_path
from araneus.model.errors import Fault, Refusal
from araneus.model.user import User

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many requests a user has left; ``reset`` is the Unix time in whole seconds when the window ends."""

    limit: int
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. ``path`` holds the values of the route's parameters, decoded.

    ``body`` is the decoded JSON (None when empty), or the bytes as they came on a route that takes RAW.
    ``headers`` has lower-case names. ``base`` is the server as the caller sees it, up to ``/v2``. Routes without
    authentication have no ``user``; `caller` is for all the others. ``ahead`` is what the route looked up for several
    calls together, if it did.
    """

    method: str
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    base: str
    url_path: str
    body: Any = None
    user: User | None = None
    budget: Budget
    ahead: Mapping[Any, Any] = field(default_factory=dict)

    @property
    def caller(self) -> User:
        """The user who makes the call."""
        if self.user is None:
            raise Refusal(Fault.UNAUTHENTICATED, "This call needs an authentication token.")
        return self.user

    def one(self, name: str) -> str | None:
        """The last value of a query parameter, or None."""
        values = self.query.get(name)
        return values[-1] if values else None

    def many(self, name: str) -> list[str]:
        """All values of a query parameter that may be repeated."""
        return self.query.get(name, [])

    def flag(self, name: str) -> bool | None:
        """A boolean of the query in any case (``True``, ``TRUE``, ``true``), None when absent or empty."""
        text = self.one(name)
        if not text:
            return None
        flag = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        if flag is None:
            raise Refusal(Fault.BAD_REQUEST, f"Query parameter {name!r} must be true or false, not {text[:80]!r}.")
        return flag

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; no body and ``null`` give an empty one."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise Refusal(Fault.BAD_REQUEST, "The request body must be a JSON object.")
        return self.body

    def parse(self, shape: type[T], fault: Fault = Fault.BAD_REQUEST) -> T:
        """The body as a msgspec structure; a member of the wrong type is a `Refusal` that names its path."""
        try:
            return msgspec.convert(self.object(), type=shape)
        except msgspec.ValidationError as error:
            raise Refusal(fault, f"Invalid request body: {error}.") from error

    def href(self, *segments: str) -> str:
        """The absolute URL of a resource; each segment may hold slashes, which stay."""
        return f"{self.base}/v2/{quote_path('/'.join(segments))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Bytes that are sent as they are read: exactly ``length`` of them."""

    length: int
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back. ``value`` is rendered as JSON; 204 and 304 have no body; ``stream`` replaces the value where it
    is set."""

    status: int = 200
    value: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    stream: Stream | None = None


NO_CONTENT = Answer(status=204)


class Receiver(Protocol):
    """Takes a long request body piece by piece; the edge calls it from threads, one call at a time."""

    def write(self, data: bytes) -> None:
        """Take bytes in order."""
        ...

    def finish(self) -> Answer:
        """The body is complete."""
        ...

    def abandon(self) -> None:
        """The body will never be complete: leave nothing behind. Also called after an error in the others."""
        ...


class Takes(StrEnum):
    """What a route does with the request body."""

    NOTHING = "nothing"
    JSON = "json"
    RAW = "raw"
    STREAM = "stream"


Handler: TypeAlias = Callable[[Call, Services], Answer | Receiver]
"""Gives an Answer; on a route that takes STREAM a Receiver, which gives the Answer when it has the whole body."""


Ahead: TypeAlias = Callable[[Sequence[Call], Services], Mapping[Any, Any]]
"""Looks up for several calls together what their handler will find in `Call.ahead`. It raises for none of them: what
is wrong with a call its handler says."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: ``method`` and ``path`` below ``/v2`` with ``{parameters}``, one per segment.

    ``takes`` is derived from the method unless given: GET and DELETE ignore their body, the others take JSON.
    ``slow`` reads run in a thread even on SQLite; what is not GET always does. ``shape`` is the msgspec structure of
    the body, for the OpenAPI document. ``importance`` is the one of the API reference. ``quiet`` calls do not count
    against the rate limit. ``ahead`` is used where several calls are answered at a turn.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    importance: int = 2
    auth: bool = True
    takes: Takes = Takes.JSON
    slow: bool = False
    quiet: bool = False
    ahead: Ahead | None = None
    shape: type | None = None
    names: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Note the names of the parameters, in the order of the path."""
        names = tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))
        object.__setattr__(self, "names", names)
        if self.takes is Takes.JSON and self.method in {"GET", "DELETE"}:
            object.__setattr__(self, "takes", Takes.NOTHING)

    @property
    def waits(self) -> bool:
        """Whether the handler may have to wait for a lock, a disk or a long computation."""
        return self.slow or self.method != "GET"
