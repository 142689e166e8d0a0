"""The contract suite on both databases."""

import pytest

from araneus.store.database import Database
from araneus.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """On SQLite."""

    @pytest.fixture
    def database(self, sqlite: Database) -> Database:
        """A fresh SQLite file."""
        return sqlite


@pytest.mark.postgres
class TestPostgresql(StoreContract):
    """On PostgreSQL."""

    @pytest.fixture
    def database(self, postgresql: Database) -> Database:
        """A fresh database of a real server."""
        return postgresql
