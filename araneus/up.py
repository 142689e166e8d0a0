"""``araneus up``: take the data directory and the address, then supervise both halves until told to stop."""

import contextlib
import fcntl
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from araneus import __version__, config, supervisor
from araneus.supervisor import Report

PLATFORM = "cavatica-api.sbgenomics.com"


class CannotStart(Exception):
    """There can be no server here; the message says why and what to do."""


def up(data: Path, *, host: str | None, port: int | None, secure: bool | None, quiet: bool, until_eof: bool) -> int:
    """Run a server on a data directory until SIGINT or SIGTERM, or the end of standard input when ``until_eof``; the
    exit code. What is None is left to the settings."""
    given = {"host": host, "port": port, "tls": secure}
    overrides = {key: value for key, value in given.items() if value is not None}
    try:
        _make(data)
        with _only_one(data):
            return _run(data, overrides, _Voice(quiet), _standard_input() if until_eof else None)
    except (config.SettingsError, CannotStart) as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"{error.filename or data}: {error.strerror}.")
    return 1


def _standard_input() -> int:
    if sys.stdin is None:
        raise CannotStart("--until-eof needs a standard input, and it is closed.")
    return sys.stdin.fileno()


class _Voice:
    """Says things on standard output unless it is to be quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def say(self, text: str) -> None:
        if not self._quiet:
            print(text, flush=True)


def _run(data: Path, overrides: dict[str, Any], voice: _Voice, leash: int | None) -> int:
    settings = config.load(data, os.environ, {"server": overrides})
    authority = _authority(settings)
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
            voice.say(_welcome(settings, endpoint, report.fact, authority) if report.half == "api" else report.fact)

        code = halves.run(hear)
    if code == 0:
        voice.say("Stopped. Running jobs go on; the next `araneus up` finds them.")
    return code


def _authority(settings: config.Settings) -> Path | None:
    """The authority that clients have to trust, if there is one. Makes the certificate; raises `CannotStart`."""
    if not (settings.server.tls or settings.server.tls_certificate):
        return None
    from araneus import tls  # noqa: PLC0415 (start fast)

    try:
        found = tls.certificate(settings)
        if found is None:
            return None
        tls.load(found)
    except tls.TlsError as error:
        raise CannotStart(str(error)) from error
    return found.authority


def _welcome(settings: config.Settings, endpoint: str, username: str, authority: Path | None) -> str:
    credentials = settings.data / config.CREDENTIALS
    exports = (
        f"  export SB_API_ENDPOINT={endpoint}\n"
        f"  export SB_AUTH_TOKEN=$(sed -n 's/^auth_token = //p' {shlex.quote(str(credentials))})\n"
    )
    return (
        f"Ready. User {username}; data in {settings.data}\n"
        f"Point clients at it with\n\n{exports}{_trust(authority) if authority else ''}\n"
        f"or copy the profile from {credentials} to ~/.sevenbridges/credentials.\n"
        f"{_by_name(authority, endpoint) if authority else ''}"
        "Ctrl-C stops the server."
    )


def _trust(authority: Path) -> str:
    file = shlex.quote(str(authority))
    return (
        f"  export REQUESTS_CA_BUNDLE={file}    # Python\n"
        f"  export SSL_CERT_FILE={file} CURL_CA_BUNDLE={file}    # curl, R and others\n"
        f"  export NODE_EXTRA_CA_CERTS={file}\n"
    )


def _by_name(authority: Path, endpoint: str) -> str:
    """How a name of the platform leads to this server."""
    port = urlsplit(endpoint).port
    elsewhere = (
        f"\nThat name means port 443, and this server listens on {port}: start it with --port 443, as root or after\n\n"
        "  sudo sysctl net.ipv4.ip_unprivileged_port_start=443\n\n"
        f"or in a container that publishes it with -p 443:{port}.\n"
    )
    return (
        f"\nFor scripts with https://{PLATFORM}/v2 written into them let the name lead here: on this machine with\n\n"
        f"  echo '127.0.0.1 {PLATFORM}' | sudo tee -a /etc/hosts\n\n"
        "and in a container, such as that of a CI job, with\n\n"
        f"  docker run --network host --add-host {PLATFORM}:127.0.0.1 -v {shlex.quote(str(authority))}:/ca.pem:ro \\\n"
        "    -e SB_AUTH_TOKEN -e REQUESTS_CA_BUNDLE=/ca.pem -e SSL_CERT_FILE=/ca.pem IMAGE COMMAND\n"
        f"{elsewhere if port else ''}\nMore is in docs/tls.md. "
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
