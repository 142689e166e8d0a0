"""The HTTP half of a server: brings the tables up to date, sees to the first user, then serves."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta

import structlog
import uvicorn

from araneus import accounts, interpreter, tls
from araneus.api.app import build
from araneus.api.background import Background
from araneus.api.connection import BoundedConnection
from araneus.api.services import ApiSettings, Services
from araneus.config import Settings
from araneus.half import Word, build_storage, clock, open_database, watch_parent
from araneus.model.charge import Prices
from araneus.store.wakeup import WakeupSender

_LOOK_AT_CERTIFICATE = 300.0
_KEEP_ALIVE = 75
"""Seconds that a connection stays open without requests. Longer than scripts wait between two polls and than proxies
keep one (60): who sends his request at the moment in which the server closes gets an error."""
_log = structlog.get_logger("araneus.api")


def run(settings: Settings, sock: socket.socket, parent: int, word: Word) -> None:
    """Serve until told to stop or until the supervisor is gone. Says ``ready`` with the first user's name."""
    with open_database(settings) as database:
        database.migrate()
        host, port = sock.getsockname()[:2]
        username = accounts.ensure_first_user(database, settings.data, settings.endpoint(host, port), clock())
        wakeup = WakeupSender(database)
        services = Services(
            database=database,
            storage=build_storage(settings),
            clock=clock,
            wake=wakeup.send,
            settings=ApiSettings(
                uploads=settings.storage_directory / "uploads",
                public_url=settings.server.public_url or None,
                trust_proxy=settings.server.trust_proxy,
                rate_limit=settings.limits.requests,
                rate_window=settings.limits.window,
                link_lifetime=timedelta(seconds=settings.storage.link_lifetime),
                upload_lifetime=timedelta(seconds=settings.storage.upload_lifetime),
                prices=Prices(**asdict(settings.prices)),
                max_body=settings.server.body_limit * 1024**2,
            ),
        )
        server = _Server(services, lambda: word.say(ready=username), tls.Kept.of(settings))
        watch_parent(parent, server.stop)
        with Background(services):
            server.run(sockets=[sock])
        wakeup.close()


class _Server(uvicorn.Server):
    """Calls ``started_up`` as soon as requests are answered."""

    def __init__(self, services: Services, started_up: Callable[[], None], secure: tls.Kept | None = None) -> None:
        config = uvicorn.Config(
            build(services),
            http=BoundedConnection,
            log_config=None,
            log_level="error",  # what is below it anybody can cause, as often as he likes
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=5,
        )
        config.load()
        config.ssl = secure.context if secure else None
        super().__init__(config)
        self._secure = secure
        self._looking: asyncio.Task[None] | None = None
        self._started_up = started_up

    def stop(self) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            interpreter.settle()
            if self._secure is not None:
                self._looking = asyncio.create_task(_look_after(self._secure))
            self._started_up()


async def _look_after(secure: tls.Kept) -> None:
    """Renew the certificate, or take in a new one, when it is time. On the loop's thread: it alone shakes hands."""
    while True:
        await asyncio.sleep(_LOOK_AT_CERTIFICATE)
        try:
            if secure.look():
                _log.info("certificate_loaded")
        except tls.TlsError as error:
            _log.warning("certificate_not_loaded", message=str(error))
