"""The edge: from ASGI to a `Call` and from an `Answer` back to ASGI. The only asynchronous code of the HTTP half.

    find the route -> authenticate -> count -> read the body -> run the handler -> render -> send

Reads on SQLite run on the event loop: they take microseconds, and a hop to a thread costs more than they do. Reads on
PostgreSQL run in a few threads (`api.readers`); writes, slow work and bytes in more. What runs in one go is
`api.serving`. Nobody's body is read before he has shown who he is.
"""

import asyncio
import errno
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from araneus.api import origins, urls, wire
from araneus.api.call import Answer, Budget, Route, Stream, Takes
from araneus.api.documented import missing
from araneus.api.errors import STATUS, UNEXPECTED, error_body, fault_body
from araneus.api.limits import RateLimiter
from araneus.api.links import create_signing_key
from araneus.api.readers import Readers
from araneus.api.routes import ROUTES, MethodNotAllowed, RouteTree
from araneus.api.services import Services
from araneus.api.serving import Asked, Exchange, Serving
from araneus.api.uploads import sweep
from araneus.model.errors import ConcurrentChange, Fault, Refusal

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
        self._serving = Serving(services, self._limiter)
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="api")
        self._readers = self._polls = None
        if services.database.dialect != "sqlite":
            # Few, for they hand one interpreter lock to each other; and one alone for those who poll, so that they are
            # answered together: what they ask for is never much.
            self._readers = Readers(settings.readers, self._serving.turn)
            self._polls = Readers(1, self._serving.turn)

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
                for readers in (self._readers, self._polls):
                    if readers is not None:
                        readers.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, self._limiter.budget(None, self._services.clock()))
        try:
            answer = await self._answer(exchange, receive)
        except _Gone:
            return
        except Refusal as refusal:
            answer = _refused(exchange, refusal)
        except ConcurrentChange:
            answer = _refused(exchange, Refusal(Fault.CONFLICT, "Somebody else changed this at the same time; retry."))
        except asyncio.CancelledError:
            answer = _stopped(exchange)
        except Exception as error:
            answer = _failed(exchange, error)
        await self._send(exchange, answer, receive, send)

    async def _answer(self, exchange: Exchange, receive: Receive) -> Answer:
        preflight = origins.preflight(exchange.method, exchange.headers)
        if preflight is not None:
            return preflight
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
        asked = Asked(exchange, route, parameters, answer=route.takes is Takes.NOTHING)
        if asked.answer:
            answer: Answer = await self._run(self._serving.one, asked) if route.waits else await self._read(asked)
            return answer
        if route.takes is Takes.STREAM:
            return await self._receive(asked, receive)
        user = await self._read(asked)
        begun = time.monotonic()
        body = await self._body(exchange, receive)
        late = route.auth and time.monotonic() - begun > LATE
        handle = self._serving.handle_late if late else self._serving.handle
        return await self._run(handle, asked, body, user)

    def _find(self, exchange: Exchange) -> tuple[Route, dict[str, str]]:
        segments = exchange.path.lstrip("/").partition("/")
        if exchange.path.rstrip("/") == DOCS:
            return self._routes.find(exchange.method, DOCS)
        if segments[0] != PREFIX:
            raise Refusal(Fault.NOT_FOUND, f"There is nothing at {exchange.path[:200]!r}; the API is under /{PREFIX}.")
        return self._routes.find(exchange.method, segments[2])

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _read(self, asked: Asked) -> Any:
        readers = self._readers if asked.route.ahead is None else self._polls
        return self._serving.one(asked) if readers is None else await readers.run(asked)

    async def _body(self, exchange: Exchange, receive: Receive) -> bytes:
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

    async def _receive(self, asked: Asked, receive: Receive) -> Answer:
        """Pass a long body on in pieces of at least a mebibyte, so that a slow client holds no thread."""
        call = self._serving.call(asked, b"", await self._read(asked))
        receiver = await self._run(asked.route.handler, call, self._services)
        assert not isinstance(receiver, Answer)
        try:
            pending, more = bytearray(), True
            while more:
                message = await _next(receive)
                pending += message.get("body", b"")
                more = message.get("more_body", False)
                if pending and (len(pending) >= PIECE or not more):
                    await self._run(receiver.write, bytes(pending))
                    pending.clear()
            return await self._run(receiver.finish)
        except BaseException:
            await asyncio.shield(self._run(receiver.abandon))
            raise

    async def _send(self, exchange: Exchange, answer: Answer, receive: Receive, send: Send) -> None:
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

    async def _stream(self, stream: Stream, exchange: Exchange, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_departure(receive))
        try:
            while exchange.method != "HEAD" and not gone.done():
                piece = await self._run(next, stream.pieces, None)
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


def _refused(exchange: Exchange, refusal: Refusal) -> Answer:
    status = STATUS[refusal.fault][0]
    headers: tuple[tuple[str, str], ...] = ()
    if status == 401:
        headers = (("www-authenticate", "Bearer"),)
    if isinstance(refusal, MethodNotAllowed):
        headers = (("allow", refusal.allowed),)
    return Answer(status=status, value=fault_body(refusal.fault, refusal.message, exchange.base), headers=headers)


def _stopped(exchange: Exchange) -> Answer:
    """What the server says when it stops while somebody waits: his request may have been carried out, or may be yet."""
    message = "The server was stopped before it had an answer; look whether the request was carried out."
    return Answer(status=UNEXPECTED[0], value=error_body(*UNEXPECTED, message, exchange.base))


def _failed(exchange: Exchange, error: Exception) -> Answer:
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        _log.error("disk_full", request_id=exchange.request_id, path=exchange.path, error=str(error))
        return _refused(exchange, Refusal(Fault.STORAGE_FULL, "The server's storage is full: free space and retry."))
    _log.exception("request_failed", request_id=exchange.request_id, method=exchange.method, path=exchange.path)
    message = f"Unexpected error; the server's log has the details under request {exchange.request_id}."
    return Answer(status=UNEXPECTED[0], value=error_body(*UNEXPECTED, message, exchange.base))
