"""Logs of jobs are found through their attempts: their rows, and where attempts listed them, are gone."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the rows and the column."""
    op.execute(sa.text("DELETE FROM files WHERE hidden AND location LIKE 'job:%'"))
    op.drop_column("attempts", "logs")
