"""What every test may use: the reference data beside the checkout and PostgreSQL, and the rules of a whole run."""

import atexit
import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest

from araneus.testing.postgres import PostgresAbsent, PrivatePostgres

if TYPE_CHECKING:
    from tests.visitor import Visitor

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = CHECKOUT.parent / "shared"
GROUPS = {
    "tests/executors/test_docker.py": "engines",
    "tests/executors/test_engine_trouble.py": "engines",
    "tests/executors/test_engines.py": "images",
    "tests/test_crash.py": "crash",
}
"""Files whose tests run one after the other in one worker, for what they start is dear or wants the machine."""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the reference data (conformance suites, real apps); tests skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the reference data is not beside the checkout (../shared)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def shallow_temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hostile tools leave trees of a thousand levels, in which pytest's own removal of old runs would end."""
    yield
    base = tmp_path_factory.getbasetemp()
    find = ["find", str(base), "-mindepth", "50", "-maxdepth", "50", "-type", "d"]
    deep = subprocess.run(find, capture_output=True, text=True, errors="surrogateescape", check=False).stdout
    tests = {base / Path(line).relative_to(base).parts[0] for line in deep.splitlines() if line.startswith(str(base))}
    subprocess.run(["rm", "-rf", *map(str, tests)], check=False)


@pytest.fixture(scope="module")
def owner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Visitor]":
    """The first user of a server that all tests of a module share, started with the module's ``SETTINGS``."""
    from tests.visitor import visited  # not for every test: it imports the clients

    with visited(tmp_path_factory.mktemp("server") / "data", getattr(request.module, "SETTINGS", {})) as visitor:
        yield visitor


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """A PostgreSQL server of this worker; tests skip where its programs are not installed."""
    try:
        server = PrivatePostgres()
    except PostgresAbsent as absent:
        pytest.skip(str(absent))
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PrivatePostgres) -> Iterator[str]:
    """The address of an empty PostgreSQL database that goes after the test."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


def pytest_configure() -> None:
    """Give every HTTP client one certificate to read: a client reads those of all authorities, which takes as long as
    many a test, and nothing here speaks TLS."""
    if "SSL_CERT_FILE" not in os.environ:
        first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----")
        descriptor, name = tempfile.mkstemp(prefix="araneus-certificate-", suffix=".pem")
        with os.fdopen(descriptor, "w", encoding="ascii", errors="ignore") as file:
            file.write(f"{first}{end}\n")
        os.environ["SSL_CERT_FILE"] = name
        atexit.register(os.unlink, name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests into the groups of `GROUPS`, and slow tests first, so that no worker is left alone with one."""
    for item in items:
        group = GROUPS.get(item.path.relative_to(CHECKOUT).as_posix())
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ARANEUS_TESTS_NO_SKIP, as in the gate, a skipped test is a failed one."""
    report = yield
    if os.environ.get("ARANEUS_TESTS_NO_SKIP") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be: {report.longrepr}"
    return report
