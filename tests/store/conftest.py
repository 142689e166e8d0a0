"""Databases to test on: a fresh SQLite file, and databases of one private PostgreSQL server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.store.database import Database
from araneus.testing.postgres import PostgresAbsent, PrivatePostgres


def _migrated(url: str) -> str:
    database = Database.open(url)
    database.migrate()
    database.close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to be copied: migrating one for every test would take most of the time."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    """A migrated SQLite database."""
    shutil.copy(sqlite_template, tmp_path / "araneus.db")
    database = Database.open(f"sqlite:///{tmp_path / 'araneus.db'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def server() -> Iterator[PrivatePostgres]:
    """A PostgreSQL server for the whole session."""
    try:
        running = PrivatePostgres()
    except PostgresAbsent as absent:
        pytest.skip(str(absent))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def postgresql_template(server: PrivatePostgres) -> str:
    """The address of a migrated database to be copied."""
    return _migrated(server.create_database())


@pytest.fixture
def postgresql(server: PrivatePostgres, postgresql_template: str) -> Iterator[Database]:
    """A migrated PostgreSQL database."""
    url = server.create_database(template=postgresql_template)
    database = Database.open(url)
    yield database
    database.close()
    server.drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated database of each kind in turn."""
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    server: PrivatePostgres = request.getfixturevalue("server")
    made = server.create_database()
    yield made
    server.drop_database(made)
