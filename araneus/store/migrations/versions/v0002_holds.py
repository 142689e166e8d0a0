"""Running tasks hold the bytes that they were given."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of holds."""
    op.create_table(
        "holds",
        sa.Column("task", TEXT, nullable=False),
        sa.Column("location", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name="holds_task_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "location", name="holds_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("holds_location", "holds", ["location"], unique=False)
