"""``araneus up``: make the data directory ready, then supervise both halves until told to stop."""

import contextlib
import fcntl
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from araneus import __version__, accounts, config, supervisor
from araneus.executors.containers import UnavailableError
from araneus.main import clock, describe_confinement
from araneus.model.errors import AraneusError
from araneus.store.database import Database


class AlreadyRunning(Exception):
    """Another server works on this data directory."""


def up(data: Path, *, host: str | None, port: int | None, quiet: bool) -> int:
    """Run a server on a data directory until SIGINT or SIGTERM; the exit code."""
    console = Console(quiet=quiet, highlight=False)
    overrides: dict[str, Any] = {
        key: value for key, value in (("host", host), ("port", port)) if value is not None
    }  # fmt: skip
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _only_one(data):
            return _run(data, overrides, console)
    except (AraneusError, UnavailableError, config.SettingsError, AlreadyRunning, OSError) as error:
        print(f"araneus: {error}", file=sys.stderr)
        return 1


def _run(data: Path, overrides: dict[str, Any], console: Console) -> int:
    settings = config.load(data, os.environ, {"server": overrides})
    try:
        sock = supervisor.listen(settings.server.host, settings.server.port)
    except OSError as error:
        address = f"{settings.server.host}:{settings.server.port}"
        raise OSError(f"cannot listen on {address}: {error.strerror}. Choose another with --port.") from error
    with sock:
        real_host, real_port = sock.getsockname()[:2]
        endpoint = f"{settings.server.public_url or f'http://{_shown(real_host)}:{real_port}'}/v2"
        database = Database.open(settings.database_url)
        try:
            database.migrate()
            username = accounts.ensure_first_user(database, data, endpoint, clock())
        finally:
            database.close()
        changed = [("server", key, value) for key, value in {**overrides, "port": real_port}.items()]
        halves = supervisor.Supervisor(data, sock, supervisor.environment(os.environ, changed), _complain)
        console.print(f"Araneus {__version__}, starting on {endpoint} ...")
        code = halves.run(lambda: _announce(console, settings, endpoint, username))
    console.print("Stopped. Running jobs go on; the next `araneus up` finds them.")
    return code


def _announce(console: Console, settings: config.Settings, endpoint: str, username: str) -> None:
    credentials = settings.data / accounts.CREDENTIALS
    console.print(
        f"Ready. User {username}; data in {settings.data}\n"
        "Point clients at it with\n\n"
        f"  export SB_API_ENDPOINT={endpoint}\n"
        f"  export SB_AUTH_TOKEN=$(sed -n 's/^auth_token = //p' {shlex.quote(str(credentials))})\n\n"
        f"or copy the profile from {credentials} to ~/.sevenbridges/credentials.\n"
        f"{describe_confinement(settings)}\n"
        "Ctrl-C stops the server.",
        markup=False,
        soft_wrap=True,
    )


def _shown(host: str) -> str:
    """The host as a client on this machine would write it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (compared with, not bound)
    return f"[{host}]" if ":" in host else host


def _complain(message: str) -> None:
    print(f"araneus: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the directory's lock, which the system drops when we end in whatever way."""
    with (data / "up.lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"another server already runs on {data}; stop it first.") from error
        yield
