"""Databases to test on: a fresh SQLite file, and databases of one private PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.store.database import Database
from araneus.testing.postgres import PostgresAbsent, PrivatePostgres


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database."""
    database = Database.open(f"sqlite:///{tmp_path / 'araneus.db'}")
    database.migrate()
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


@pytest.fixture
def postgresql(server: PrivatePostgres) -> Iterator[Database]:
    """A migrated PostgreSQL database."""
    url = server.create_database()
    database = Database.open(url)
    database.migrate()
    yield database
    database.close()
    server.drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A migrated database of each kind in turn."""
    found: Database = request.getfixturevalue(request.param)
    return found
