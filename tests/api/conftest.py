"""A real server for each test: uvicorn in a thread, SQLite and bytes in a temporary directory, three users."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn
from sevenbridges import Api

from araneus.api.app import build
from araneus.api.background import Background
from araneus.api.connection import BoundedConnection
from araneus.api.services import ApiSettings, Services
from araneus.model.ids import new_token, new_uuid
from araneus.model.user import Token, User, token_digest
from araneus.storage.posix import PosixStorage
from araneus.store import tokens, users
from araneus.store.database import Database
from tests.api.witness import Witness

if TYPE_CHECKING:
    from tests.api.tasks_fixtures import Lab


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Server:
    """A running server: its address, its services, and the tokens of its users by name."""

    url: str
    services: Services
    directory: Path
    tokens: dict[str, str]
    wakeups: list[float] = field(default_factory=list)

    def client(self, username: str = "rosalind") -> httpx.Client:
        """A plain client with the user's token; paths start with /v2."""
        return httpx.Client(base_url=self.url, headers={"X-SBG-Auth-Token": self.tokens[username]}, timeout=60)

    def api(self, username: str = "rosalind") -> Any:
        """The platform's own Python client, logged in as the user."""
        return Api(url=f"{self.url}/v2", token=self.tokens[username], debug=True)


def add_user(database: Database, username: str, **changes: Any) -> str:
    """Insert a user with a token; the token's text."""
    user = User(
        username=username,
        email=f"{username}@example.org",
        first_name=username.capitalize(),
        billing_group=new_uuid(),
        created_on=utc_now(),
    )
    token = new_token()
    row = Token(digest=token_digest(token), username=username, label="test", created_on=utc_now())
    with database.write() as conn:
        users.insert(conn, replace(user, **changes))
        tokens.insert(conn, row)
    return token


def make_services(
    directory: Path, *, url: str | None = None, wakeups: list[float] | None = None, **settings: Any
) -> Services:
    """Services on a database, SQLite below the directory unless another is named, and on storage there."""
    database = Database.open(url or f"sqlite:///{directory / 'araneus.db'}")
    database.migrate()
    (directory / "jobs").mkdir(exist_ok=True)
    uploads = directory / "uploads"
    woken = wakeups if wakeups is not None else []
    return Services(
        database=database,
        storage=PosixStorage(directory / "blobs", directory / "jobs", grace=0.0),
        clock=utc_now,
        wake=lambda: woken.append(utc_now().timestamp()),
        settings=ApiSettings(uploads=uploads, **settings),
    )


@contextlib.contextmanager
def serve(services: Services) -> Iterator[str]:
    """Run the application on a free port in a thread of its own; its address. Every answer is checked by a witness."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    witness = Witness(build(services))
    config = uvicorn.Config(witness, http=BoundedConnection, log_level="warning", lifespan="on", server_header=False)
    server = uvicorn.Server(config)

    def run() -> None:
        asyncio.run(server.serve(sockets=[listener]))

    thread = threading.Thread(target=run, name="uvicorn")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            threading.Event().wait(0.01)
        with Background(services, poll=0.2):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()
    assert witness.wrong == [], "\n".join(witness.wrong[:20])


@contextlib.contextmanager
def running(directory: Path, **settings: Any) -> Iterator[Server]:
    """A server with the users rosalind, francis and maurice."""
    wakeups: list[float] = []
    services = make_services(directory, wakeups=wakeups, **settings)
    granted = {name: add_user(services.database, name) for name in ("rosalind", "francis", "maurice")}
    try:
        with serve(services) as url:
            yield Server(url=url, services=services, directory=directory, tokens=granted, wakeups=wakeups)
    finally:
        services.database.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def lab(server: Server) -> "Iterator[Lab]":
    """Rosalind's project with the app of most tests."""
    from tests.api.tasks_fixtures import make_lab  # which needs what stands here

    with make_lab(server) as made:
        made.install()
        yield made


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """Rosalind's client."""
    with server.client() as opened:
        yield opened


@pytest.fixture
def other(server: Server) -> Iterator[httpx.Client]:
    """The client of Francis, who shares nothing with Rosalind unless a test makes him."""
    with server.client("francis") as opened:
        yield opened
