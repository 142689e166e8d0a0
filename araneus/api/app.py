"""The edge: from ASGI to a `Call` and from an `Answer` back to ASGI. The only asynchronous code of the HTTP half.

    find the route -> authenticate -> count -> read the body -> run the handler -> render -> send

Reads on SQLite run on the event loop: they take microseconds, and a hop to a thread costs more than they do. Writes,
everything on PostgreSQL, slow work and bytes run in threads. Nobody's body is read before he has shown who he is.
"""

import asyncio
import codecs
import errno
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from araneus.api import origins, urls, wire
from araneus.api.auth import authenticate
from araneus.api.call import Answer, Budget, Call, Route, Stream, Takes
from araneus.api.documented import missing
from araneus.api.errors import STATUS, UNEXPECTED, error_body, fault_body
from araneus.api.limits import RateLimiter
from araneus.api.links import create_signing_key
from araneus.api.routes import ROUTES, MethodNotAllowed, RouteTree
from araneus.api.services import Services
from araneus.api.uploads import sweep
from araneus.model.errors import ConcurrentChange, Fault, Refusal
from araneus.model.user import User

T = TypeVar("T")
PREFIX = "v2"
DOCS = "/docs"
"""The one page that is also served beside ``/v2``: people look for it there."""
PIECE = 1024**2
LATE = 0.1
"""Seconds between head and body of a request after which its token is looked at again."""
_BARE = frozenset({204, 304})
"""Answers that have no body."""
_log = structlog.get_logger("araneus.api")


class _Gone(Exception):
    """The client went away: there is nobody to answer."""


class _Exchange:
    """What becomes known of one request on its way: enough to answer it wherever it stops."""

    __slots__ = ("base", "budget", "headers", "method", "path", "request_id", "scope")

    def __init__(self, scope: Scope, budget: Budget) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.request_id = secrets.token_hex(8)
        self.budget = budget
        self.base = ""
        self.path = ""


def build(services: Services) -> ASGIApp:
    """The ASGI application: everything under ``/v2``. The database must be migrated."""
    create_signing_key(services)
    sweep(services)
    return _Edge(services)


class _Edge:
    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._routes = RouteTree((*ROUTES, *missing(ROUTES)))
        self._limiter = RateLimiter(settings.rate_limit, settings.rate_window)
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="api")
        # Few, for they hand one interpreter lock to each other; none for SQLite, which answers without waiting.
        inline = services.database.dialect == "sqlite"
        self._readers = None if inline else ThreadPoolExecutor(settings.readers, thread_name_prefix="read")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._threads.shutdown(wait=True)
                if self._readers is not None:
                    self._readers.shutdown(wait=True)
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(scope, self._limiter.budget(None, self._services.clock()))
        try:
            answer = await self._answer(exchange, receive)
        except _Gone:
            return
        except Refusal as refusal:
            answer = _refused(exchange, refusal)
        except ConcurrentChange:
            answer = _refused(exchange, Refusal(Fault.CONFLICT, "Somebody else changed this at the same time; retry."))
        except Exception as error:
            answer = _failed(exchange, error)
        await self._send(exchange, answer, receive, send)

    async def _answer(self, exchange: _Exchange, receive: Receive) -> Answer:
        asked = origins.preflight(exchange.method, exchange.headers)
        if asked is not None:
            return asked
        settings = self._services.settings
        exchange.base = urls.base_url(
            headers=exchange.headers,
            scheme=exchange.scope["scheme"],
            server=exchange.scope.get("server"),
            public=settings.public_url,
            trust=settings.trust_proxy,
        )
        exchange.path = urls.decode_path(exchange.scope.get("raw_path") or exchange.scope["path"].encode())
        route, parameters = self._find(exchange)
        if route.takes is Takes.NOTHING:
            pool = self._threads if route.waits else self._readers
            return await self._run(pool, self._respond, exchange, route, parameters, b"")
        if route.takes is Takes.STREAM:
            return await self._receive(exchange, route, parameters, receive)
        user = await self._run(self._readers, self._admit, exchange, route)
        begun = time.monotonic()
        body = await self._body(exchange, receive)
        late = route.auth and time.monotonic() - begun > LATE
        return await self._run(
            self._threads, self._handle_late if late else self._handle, exchange, route, parameters, body, user
        )

    def _find(self, exchange: _Exchange) -> tuple[Route, dict[str, str]]:
        segments = exchange.path.lstrip("/").partition("/")
        if exchange.path.rstrip("/") == DOCS:
            return self._routes.find(exchange.method, DOCS)
        if segments[0] != PREFIX:
            raise Refusal(Fault.NOT_FOUND, f"There is nothing at {exchange.path[:200]!r}; the API is under /{PREFIX}.")
        return self._routes.find(exchange.method, segments[2])

    async def _run(self, pool: ThreadPoolExecutor | None, work: Callable[..., T], *arguments: Any) -> T:
        if pool is None:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    def _respond(self, exchange: _Exchange, route: Route, parameters: dict[str, str], body: bytes) -> Answer:
        """Authentication and handler in one go: one hop to a thread where one is needed."""
        return self._handle(exchange, route, parameters, body, self._admit(exchange, route))

    def _admit(self, exchange: _Exchange, route: Route) -> User | None:
        if not route.auth:
            return None
        user = authenticate(exchange.headers, self._services)
        if not self._limiter.enforced:
            return user
        cost = 0 if route.quiet else 1
        exchange.budget = self._limiter.budget(user.username, self._services.clock(), cost=cost)
        if exchange.budget.remaining < 0 and cost:
            raise Refusal(Fault.RATE_LIMITED, "Rate limit exceeded: wait until the time in X-RateLimit-Reset.")
        return user

    def _handle(
        self, exchange: _Exchange, route: Route, parameters: dict[str, str], body: bytes, user: User | None
    ) -> Answer:
        answer = route.handler(self._call(exchange, route, parameters, body, user), self._services)
        assert isinstance(answer, Answer)
        return answer

    def _handle_late(
        self, exchange: _Exchange, route: Route, parameters: dict[str, str], body: bytes, user: User | None
    ) -> Answer:
        """`_handle`, for a request that took its time: its token may have been revoked since its head was here."""
        authenticate(exchange.headers, self._services)
        return self._handle(exchange, route, parameters, body, user)

    def _call(
        self, exchange: _Exchange, route: Route, parameters: dict[str, str], body: bytes, user: User | None
    ) -> Call:
        return Call(
            method=exchange.method,
            path=parameters,
            query=urls.decode_query(exchange.scope["query_string"]),
            headers=exchange.headers,
            base=exchange.base,
            url_path=urls.quote_path(exchange.path),
            body=_decoded(body) if route.takes is Takes.JSON else body,
            user=user,
            budget=exchange.budget,
        )

    async def _body(self, exchange: _Exchange, receive: Receive) -> bytes:
        _check_coding(exchange.headers.get("content-encoding", ""))
        limit = self._services.settings.max_body
        length = exchange.headers.get("content-length", "")
        size, pieces = int(length) if length.isdigit() else 0, []
        too_large = Refusal(Fault.TOO_LARGE, f"The request body is larger than {limit} bytes.")
        if size > limit:
            raise too_large
        size, more = 0, True
        while more:
            message = await _next(receive)
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > limit:
                raise too_large
            more = message.get("more_body", False)
        return b"".join(pieces)

    async def _receive(self, exchange: _Exchange, route: Route, parameters: dict[str, str], receive: Receive) -> Answer:
        """Pass a long body on in pieces of at least a mebibyte, so that a slow client holds no thread."""
        user = await self._run(self._readers, self._admit, exchange, route)
        call = self._call(exchange, route, parameters, b"", user)
        receiver = await self._run(self._threads, route.handler, call, self._services)
        assert not isinstance(receiver, Answer)
        try:
            pending, more = bytearray(), True
            while more:
                message = await _next(receive)
                pending += message.get("body", b"")
                more = message.get("more_body", False)
                if pending and (len(pending) >= PIECE or not more):
                    await self._run(self._threads, receiver.write, bytes(pending))
                    pending.clear()
            return await self._run(self._threads, receiver.finish)
        except BaseException:
            await asyncio.shield(self._run(self._threads, receiver.abandon))
            raise

    async def _send(self, exchange: _Exchange, answer: Answer, receive: Receive, send: Send) -> None:
        stream = answer.stream
        bare = answer.status in _BARE
        body = b"" if stream or bare else wire.encode(answer.value)
        headers = _headers(exchange.budget, exchange.request_id)
        told = (*answer.headers, *origins.for_pages(exchange.headers))
        headers.extend((name.encode("latin-1"), value.encode("latin-1")) for name, value in told)
        if stream is None and not bare:
            headers.append((b"content-type", b"application/json"))
        if not bare:
            headers.append((b"content-length", b"%d" % (stream.length if stream else len(body))))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if stream is not None:
            await self._stream(stream, exchange, receive, send)
        else:
            await send({"type": "http.response.body", "body": b"" if exchange.method == "HEAD" else body})

    async def _stream(self, stream: Stream, exchange: _Exchange, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_departure(receive))
        try:
            while exchange.method != "HEAD" and not gone.done():
                piece = await self._run(self._threads, next, stream.pieces, None)
                if piece is None:
                    break
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


def _check_coding(coding: str) -> None:
    """Raise `Refusal` UNSUPPORTED_MEDIA for a body that is packed: a small one could unpack to a huge one."""
    if coding.strip().lower() not in {"", "identity"}:
        raise Refusal(
            Fault.UNSUPPORTED_MEDIA, f"Content-Encoding {coding[:40]!r} is not understood here: send the body as it is."
        )


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _headers(budget: Budget, request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-ratelimit-limit", b"%d" % budget.limit),
        (b"x-ratelimit-remaining", b"%d" % max(0, budget.remaining)),
        (b"x-ratelimit-reset", b"%d" % budget.reset),
        (b"x-request-id", request_id.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]


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


def _refused(exchange: _Exchange, refusal: Refusal) -> Answer:
    status = STATUS[refusal.fault][0]
    headers: tuple[tuple[str, str], ...] = ()
    if status == 401:
        headers = (("www-authenticate", "Bearer"),)
    if isinstance(refusal, MethodNotAllowed):
        headers = (("allow", refusal.allowed),)
    return Answer(status=status, value=fault_body(refusal.fault, refusal.message, exchange.base), headers=headers)


def _failed(exchange: _Exchange, error: Exception) -> Answer:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        _log.error("disk_full", request_id=exchange.request_id, path=exchange.path, error=str(error))
        return _refused(exchange, Refusal(Fault.STORAGE_FULL, "The server's storage is full: free space and retry."))
    _log.exception("request_failed", request_id=exchange.request_id, method=exchange.method, path=exchange.path)
    message = f"Unexpected error; the server's log has the details under request {exchange.request_id}."
    return Answer(status=UNEXPECTED[0], value=error_body(*UNEXPECTED, message, exchange.base))
