"""What jobs made is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, and the place where a job says what memoization did for it."""
    op.add_column("jobs", sa.Column("reuse", sa.Text(), nullable=True))
    op.create_table(
        "memos",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("app", TEXT, nullable=False),
        sa.Column("job", TEXT, nullable=False),
        sa.Column("task", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("folders", sa.Text(), nullable=False),
        sa.Column("attempt", TEXT, nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("made_by", TEXT, nullable=False),
        sa.Column("made_on", sa.BigInteger(), nullable=False),
        sa.Column("used_on", sa.BigInteger(), nullable=False),
        sa.Column("void_on", sa.BigInteger(), nullable=True),
        sa.Column("void_by", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="memos_project_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="memos_pk"),
    )
    op.create_index("memos_key", "memos", ["project", "key"], unique=True)
    op.create_index("memos_of_job", "memos", ["project", "app", "job", "made_on"], unique=False)
    op.create_table(
        "memo_locations",
        sa.Column("memo", TEXT, nullable=False),
        sa.Column("location", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["memo"], ["memos.id"], name="memo_locations_memo_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("memo", "location", name="memo_locations_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("memo_locations_location", "memo_locations", ["location"], unique=False)
