"""Houses on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.testing.postgres import PostgresAbsent, PrivatePostgres
from tests.scheduler.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house on SQLite."""
    built = House.build(tmp_path / "house")
    yield built
    built.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A private PostgreSQL server."""
    try:
        server = PrivatePostgres()
    except PostgresAbsent as absent:
        pytest.skip(str(absent))
    with server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The address of an empty database of each kind; None stands for SQLite in the house."""
    if request.param == "sqlite":
        yield None
        return
    server: PrivatePostgres = request.getfixturevalue("postgres")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def any_house(tmp_path: Path, database_url: str | None) -> Iterator[House]:
    """A house on each database in turn."""
    built = House.build(tmp_path / "house", database_url)
    yield built
    built.close()
