"""A PostgreSQL server of one's own, under a temporary directory, on a unix socket."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    # The directory does not outlive the tests, so nothing has to survive a power cut.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "timezone": "Pacific/Auckland",
    "lc_messages": "C",
}

_DISCONNECT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


class PostgresAbsent(Exception):
    """There are no server programs here; the message names the package to install."""


def server_programs() -> Path:
    """The newest directory with ``initdb`` and ``postgres``. Raises `PostgresAbsent`."""
    on_path = shutil.which("initdb")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: _version(place.parent.name))
    if on_path is not None:
        places.append(Path(on_path).resolve().parent)
    for place in reversed(places):
        if (place / "initdb").exists() and (place / "postgres").exists():
            return place
    raise PostgresAbsent("no PostgreSQL server programs found: install the package postgresql")


class PrivatePostgres:
    """A running server. Its time zone is far away, so that code which trusts the server's clock zone shows itself."""

    def __init__(self, kept: Path | None = None) -> None:
        """Make a cluster and start it: about three seconds. Raises `PostgresAbsent`, or RuntimeError with the log.

        In the directory ``kept``, which the plain user must be able to reach, it stays, and is only started next time.
        """
        programs = server_programs()
        self._kept = kept is not None
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
        # Not under a test's own directory: that one is closed to the plain user that the server wants to be.
        self.directory = kept or Path(tempfile.mkdtemp(prefix="araneus-pg-"))
        self._user = _plain_user()
        if self._user is not None:
            shutil.chown(self.directory, self._user)
        self._databases = 0
        cluster = self.directory / "cluster"
        if not (cluster / "PG_VERSION").exists():
            self._run([programs / "initdb", "-D", cluster, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync"])
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [programs / "postgres", "-D", cluster, "-k", self.directory, *settings],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                user=self._user,
                start_new_session=True,
            )
        self._await_start()

    def url(self, database: str = "postgres") -> str:
        """The address of a database."""
        return f"postgresql://postgres@/{database}?host={self.directory}"

    def create_database(self, *, template: str | None = None, encoding: str = "UTF8", locale: str = "C.UTF-8") -> str:
        """Make a database, empty or a copy of the one at the address ``template``, and answer its address."""
        self._databases += 1
        name = f"test_{os.getpid()}_{self._databases}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {} LOCALE {}")
        source = sql.Identifier(_name(template) if template else "template0")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                statement.format(sql.Identifier(name), source, sql.Literal(encoding), sql.Literal(locale))
            )
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_name(url))))

    def disconnect_all(self) -> None:
        """Cut every connection to the server but ours, as a restart of it would."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(_DISCONNECT)

    @contextlib.contextmanager
    def away(self) -> Iterator[Callable[[], None]]:
        """As if the server were down: connections are cut, and new ones fail until the block ends or what it is given
        is called."""
        here, elsewhere = self.directory / ".s.PGSQL.5432", self.directory / "away"

        def back() -> None:
            with contextlib.suppress(FileNotFoundError):
                elsewhere.rename(here)

        with psycopg.connect(self.url(), autocommit=True) as connection:
            here.rename(elsewhere)
            connection.execute(_DISCONNECT)
        try:
            yield back
        finally:
            back()

    def stop(self) -> None:
        """Stop the server and remove its directory, unless that is to be kept."""
        if self._server.poll() is None:
            # SIGINT is PostgreSQL's fast shutdown: open transactions are rolled back.
            self._server.send_signal(2)
            try:
                self._server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, command: list[str | Path]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.directory, user=self._user)
        if done.returncode:
            self._remove()
            raise RuntimeError(f"{command[0]} failed: {done.stderr.strip()}")

    def _remove(self) -> None:
        if not self._kept:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _await_start(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self._server.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url()).close()
                return
            time.sleep(0.05)
        log = (self.directory / "log").read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"PostgreSQL did not start:\n{log}")


def _name(url: str) -> str:
    return url.partition("@/")[2].partition("?")[0]


def _plain_user() -> str | None:
    """Whom to run the server as: it refuses to be root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.split(".") if part.isdigit())
