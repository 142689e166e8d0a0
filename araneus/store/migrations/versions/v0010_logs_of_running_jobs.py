"""Attempts say what they would run on, and which files people can read as logs while they run."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the columns."""
    op.add_column("attempts", sa.Column("instance", TEXT, nullable=True))
    op.add_column("attempts", sa.Column("logs", sa.Text(), nullable=False, server_default="[]"))
