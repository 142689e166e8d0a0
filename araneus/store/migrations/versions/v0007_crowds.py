"""Teams and divisions as members of projects."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Until now everybody has what he was given himself."""
    op.add_column("members", sa.Column("own", sa.Text(), nullable=True))
    op.execute("UPDATE members SET own = permissions")
    op.create_table(
        "crowd_members",
        sa.Column("project", TEXT, nullable=False),
        sa.Column("crowd", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="crowd_members_project_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", "crowd", "id", name="crowd_members_pk"),
    )
    op.create_index("crowd_members_id", "crowd_members", ["id", "crowd", "project"], unique=False)
