"""The pytest plugin: the fixtures ``araneus`` and ``cavatica`` are a server for one test (docs/testing.md).

Each test has a process, a directory and a database of its own, so nothing of one test can be seen in the next. What
takes long and is the same for all, the tables, is made once in a session and copied while it is empty. The server holds
the other end of a pipe to this process and ends with it, whatever ends it; its tools end with the server.
"""

import configparser
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

_PATIENCE = 60.0
_PAUSE = 0.01
_LEAVE = 15.0
_TAIL = 60
_MAKE_TABLES = "import sys; from araneus.store.database import Database; d = Database.open(sys.argv[1]); d.migrate()"
_NAMES = ("cavatica-api.sbgenomics.com", "api.sbgenomics.com")
_TRUST = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
_BYTECODE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class AraneusServer:
    """A running server. ``endpoint`` is its API (``http://127.0.0.1:<port>/v2``), ``token`` that of its first user, who
    administers it; ``data`` is its directory."""

    endpoint: str
    token: str
    data: Path

    @cached_property
    def api(self) -> Any:
        """A ``sevenbridges.Api`` of the first user; ImportError where sevenbridges-python is not installed."""
        return self.api_as(self.token)

    def api_as(self, token: str) -> Any:
        """A ``sevenbridges.Api`` with another token, such as one from `add_user`."""
        import sevenbridges  # noqa: PLC0415 (no dependency of ours, and nobody pays for it who does not ask)

        # Without debug the client refuses to speak plain HTTP to an address that it is given.
        return sevenbridges.Api(url=self.endpoint, token=token, debug=True)

    def add_user(self, username: str) -> str:
        """A further user of this server; their token."""
        return self.command("user", "add", username).split()[-1]

    def command(self, *words: str) -> str:
        """Run ``araneus WORDS --data <its directory>``; what it printed. Raises RuntimeError with what went wrong."""
        line = [sys.executable, "-m", "araneus", *words, "--data", str(self.data)]
        done = subprocess.run(
            line, check=False, capture_output=True, text=True, env=_environment({}), timeout=_PATIENCE
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
        return done.stdout

    def log(self, lines: int = _TAIL) -> str:
        """The last lines of everything that the server has logged."""
        return _log(self.data, lines)


@pytest.fixture(scope="session")
def araneus_settings() -> Mapping[str, object]:
    """Settings of the servers, such as ``{"jobs.cores": 2}``. Override it in a module or a conftest.py."""
    return {}


@pytest.fixture
def araneus(
    araneus_settings: Mapping[str, object],
    _araneus_tables: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AraneusServer]:
    """A server of this test's own; SB_API_ENDPOINT and SB_AUTH_TOKEN lead scripts and their clients to it."""
    with _serving(araneus_settings, _araneus_tables, tmp_path_factory) as server, _leading_to(server):
        yield server


@pytest.fixture
def cavatica(
    araneus_settings: Mapping[str, object],
    _araneus_tables: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AraneusServer]:
    """The same under the address of the platform, for scripts that have it written into them: in this test, and in
    every Python that it starts, the platform's names lead to the server of the test."""
    settings = {**araneus_settings, "server.tls": True}
    with _serving(settings, _araneus_tables, tmp_path_factory) as real:
        server = replace(real, endpoint=f"https://{_NAMES[0]}/v2")
        with _leading_to(server), _redirected(real):
            yield server


@contextmanager
def _serving(
    settings: Mapping[str, object], tables: Path, directories: pytest.TempPathFactory
) -> Iterator[AraneusServer]:
    data = directories.mktemp("araneus") / "data"
    (data / "log").mkdir(parents=True, mode=0o700)
    shutil.copyfile(tables, data / "araneus.db")
    (data / "araneus.db").chmod(0o600)
    process = _start(data, _environment(_settings(settings), tables.parent / "bytecode"))
    try:
        yield _ready(process, data)
    finally:
        _stop(process)


@contextmanager
def _leading_to(server: AraneusServer) -> Iterator[None]:
    """The variables with which clients and scripts find the server, and trust it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SB_API_ENDPOINT", server.endpoint)
        patch.setenv("SB_AUTH_TOKEN", server.token)
        if (server.data / "tls").is_dir():
            for name in _TRUST:
                patch.setenv(name, str(server.data / "tls" / "ca.pem"))
        yield
        if "api" in server.__dict__:
            server.api.session.close()


@contextmanager
def _redirected(server: AraneusServer) -> Iterator[None]:
    """The names of the platform lead to the server, here and in each Python that is started."""
    from araneus.redirect import sitecustomize  # noqa: PLC0415 (only for who asks)

    address = urlsplit(server.endpoint)
    host, port = str(address.hostname), address.port or 443
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", sitecustomize.redirecting(socket.getaddrinfo, _NAMES, host, port))
        patch.setenv(sitecustomize.VARIABLE, f"{','.join(_NAMES)}={host}:{port}")
        patch.setenv("PYTHONPATH", str(Path(sitecustomize.__file__).parent), prepend=os.pathsep)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, ",".join(_NAMES), prepend=",")
        yield


@pytest.fixture(scope="session")
def _araneus_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables and nothing in them."""
    path = tmp_path_factory.mktemp("araneus-tables") / "araneus.db"
    command = [sys.executable, "-c", _MAKE_TABLES, f"sqlite:///{path}"]
    environment = _environment({}, path.parent / "bytecode")
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=_PATIENCE)
    if done.returncode != 0:
        pytest.fail(f"the tables of Araneus cannot be made:\n{done.stderr}", pytrace=False)
    return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log with a test that failed."""
    report = yield
    if report.failed:
        servers = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, AraneusServer)]
        report.sections += [("Araneus server log", server.log()) for server in servers]
    return report


def _settings(given: Mapping[str, object]) -> dict[str, str]:
    values = {"jobs.end_with_server": True, **given}
    return {
        f"ARANEUS__{name.replace('.', '__')}".upper(): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
    }


def _environment(more: Mapping[str, str], bytecode: Path | None = None) -> dict[str, str]:
    """That of the server: ours, without settings of another server and what is meant for clients.

    Where bytecode may not be kept beside our modules it is kept in ``bytecode``: compiling everything at each start
    takes longer than the start.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("ARANEUS__", "SB_"))}
    spec = importlib.util.find_spec("araneus.up")
    cached = spec is not None and spec.cached is not None and Path(spec.cached).exists()
    if bytecode is not None and ours.get(_BYTECODE) and not cached:
        ours |= {_BYTECODE: "", "PYTHONPYCACHEPREFIX": str(bytecode)}
    # The directory of the tests has no say in what the server imports.
    return ours | {"PYTHONSAFEPATH": "1"} | dict(more)


def _start(data: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """``stdin`` is the pipe: it ends when this process does."""
    command = [sys.executable, "-m", "araneus", "up", "--data", str(data), "--port", "0", "--until-eof"]
    with (data / "log" / "up.log").open("wb") as log:
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )


def _ready(process: subprocess.Popen[bytes], data: Path) -> AraneusServer:
    said = data / "log" / "up.log"
    deadline = time.monotonic() + _PATIENCE
    while b"\nReady." not in said.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the Araneus server does not start:\n{_log(data, _TAIL)}", pytrace=False)
        time.sleep(_PAUSE)
    credentials = configparser.ConfigParser(interpolation=None)
    credentials.read(data / "credentials", "utf-8")
    written = credentials["default"]
    return AraneusServer(endpoint=written["api_endpoint"], token=written["auth_token"], data=data)


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_LEAVE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _log(data: Path, lines: int) -> str:
    parts = []
    for file in sorted((data / "log").glob("*.log")):
        text = file.read_text("utf-8", "replace").splitlines()[-lines:]
        if text:
            parts.append("\n".join([f"--- {file.name}", *text]))
    return "\n".join(parts)
