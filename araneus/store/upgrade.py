"""Runs the migrations with Alembic, inside a transaction of the caller. Imported only when there is something to do."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from araneus.store import migrations
from araneus.store.migrations import REVISIONS

_MIGRATION_LOCK = 0x41524E5501


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for the migrations of this package on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection) -> None:
    """Apply the missing migrations. Waits for another process that is at it; does nothing to newer tables."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None or current in REVISIONS[:-1]:
        command.upgrade(configuration(connection), "head")
