"""``araneus up``: take the data directory and the address, then supervise both halves until told to stop."""

import contextlib
import fcntl
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from araneus import __version__, config, supervisor
from araneus.supervisor import Report


class CannotStart(Exception):
    """There can be no server here; the message says why and what to do."""


def up(data: Path, *, host: str | None, port: int | None, quiet: bool, until_eof: bool) -> int:
    """Run a server on a data directory until SIGINT or SIGTERM, or the end of standard input when ``until_eof``; the
    exit code."""
    given = {"host": host, "port": port}
    overrides = {key: value for key, value in given.items() if value is not None}
    try:
        _make(data)
        with _only_one(data):
            return _run(data, overrides, _Voice(quiet), sys.stdin.fileno() if until_eof else None)
    except (config.SettingsError, CannotStart) as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"{error.filename or data}: {error.strerror}.")
    return 1


class _Voice:
    """Says things on standard output unless it is to be quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def say(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)


def _run(data: Path, overrides: dict[str, Any], voice: _Voice, leash: int | None) -> int:
    settings = config.load(data, os.environ, {"server": overrides})
    try:
        sock = supervisor.listen(settings.server.host, settings.server.port)
    except (OSError, OverflowError) as error:
        address = f"{settings.server.host}:{settings.server.port}"
        reason = error.strerror if isinstance(error, OSError) else error
        raise CannotStart(f"cannot listen on {address}: {reason}. Choose another with --host or --port.") from error
    with sock:
        real_host, real_port = sock.getsockname()[:2]
        endpoint = settings.endpoint(real_host, real_port)
        changed = [("server", key, value) for key, value in {**overrides, "port": real_port}.items()]
        halves = supervisor.Supervisor(data, sock, supervisor.environment(os.environ, changed), _complain, leash)
        voice.say(f"Araneus {__version__}, starting on {endpoint} ...")

        def hear(report: Report) -> None:
            voice.say(_welcome(settings, endpoint, report.fact) if report.half == "api" else report.fact)

        code = halves.run(hear)
    if code == 0:
        voice.say("Stopped. Running jobs go on; the next `araneus up` finds them.")
    return code


def _welcome(settings: config.Settings, endpoint: str, username: str) -> str:
    credentials = settings.data / config.CREDENTIALS
    return (
        f"Ready. User {username}; data in {settings.data}\n"
        "Point clients at it with\n\n"
        f"  export SB_API_ENDPOINT={endpoint}\n"
        f"  export SB_AUTH_TOKEN=$(sed -n 's/^auth_token = //p' {shlex.quote(str(credentials))})\n\n"
        f"or copy the profile from {credentials} to ~/.sevenbridges/credentials.\n"
        "Ctrl-C stops the server."
    )


def _complain(message: str) -> None:
    print(f"araneus: {message}", file=sys.stderr, flush=True)


def _make(data: Path) -> None:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except (FileExistsError, NotADirectoryError) as error:
        raise CannotStart(f"{error.filename} is a file: choose a directory with --data.") from error
    except OSError as error:
        raise CannotStart(f"cannot make {data}: {error.strerror}. Choose another directory with --data.") from error


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the directory's lock, which the system drops when we end in whatever way."""
    try:
        stream = (data / "up.lock").open("a")
    except OSError as error:
        raise CannotStart(f"cannot write to {data}: {error.strerror}. Choose another directory with --data.") from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CannotStart(f"another server already runs on {data}; stop it first.") from error
        yield
