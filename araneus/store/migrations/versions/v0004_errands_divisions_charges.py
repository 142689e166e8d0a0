"""Errands of files, divisions with their teams, and what tasks cost."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _errands()
    _divisions()
    _charges()


def _errands() -> None:
    op.create_table(
        "errands",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("completed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("started_on", sa.BigInteger(), nullable=False),
        sa.Column("finished_on", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["username"], ["users.username"], name="errands_username_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="errands_pk"),
    )
    op.create_index("errands_username", "errands", ["username", "started_on", "id"], unique=False)
    op.create_index("errands_finished", "errands", ["finished_on"], unique=False)
    op.create_index(
        "errands_open",
        "errands",
        ["id"],
        unique=False,
        sqlite_where=sa.text("finished_on IS NULL"),
        postgresql_where=sa.text("finished_on IS NULL"),
    )
    op.create_table(
        "errand_entries",
        sa.Column("errand", TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("above", sa.BigInteger(), nullable=True),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=True),
        sa.Column("parent", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("folder", sa.Boolean(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("opened", TEXT, nullable=True),
        sa.Column("made", TEXT, nullable=True),
        sa.Column("shown", sa.Text(), nullable=True),
        sa.Column("fault", TEXT, nullable=True),
        sa.Column("message", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["errand"], ["errands.id"], name="errand_entries_errand_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("errand", "number", name="errand_entries_pk"),
    )
    op.create_index("errand_entries_state", "errand_entries", ["errand", "state", "number"], unique=False)


def _divisions() -> None:
    op.create_table(
        "divisions",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="divisions_pk"),
    )
    op.create_table(
        "division_members",
        sa.Column("username", TEXT, nullable=False),
        sa.Column("division", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["username"], ["users.username"], name="division_members_username_fk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["division"], ["divisions.id"], name="division_members_division_fk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("username", name="division_members_pk"),
    )
    op.create_index("division_members_division", "division_members", ["division", "username"], unique=False)
    op.create_table(
        "teams",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("division", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["division"], ["divisions.id"], name="teams_division_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="teams_pk"),
    )
    op.create_index("teams_division", "teams", ["division", "name"], unique=True)
    op.create_table(
        "team_members",
        sa.Column("team", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["team"], ["teams.id"], name="team_members_team_fk", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["username"], ["users.username"], name="team_members_username_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("team", "username", name="team_members_pk"),
    )
    op.create_index("team_members_username", "team_members", ["username"], unique=False)


def _charges() -> None:
    op.create_table(
        "charges",
        sa.Column("task", TEXT, nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("billing_group", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("project_name", TEXT, nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("app", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("batch", sa.Boolean(), nullable=False),
        sa.Column("parent", TEXT, nullable=True),
        sa.Column("ran_by", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("started_on", sa.BigInteger(), nullable=True),
        sa.Column("ended_on", sa.BigInteger(), nullable=False),
        sa.Column("computation", sa.BigInteger(), nullable=False),
        sa.Column("storage", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("task", name="charges_pk"),
    )
    op.create_index("charges_group", "charges", ["billing_group", "ended_on", "task"], unique=False)
    op.create_index("charges_parent", "charges", ["parent"], unique=False)
    op.create_index("charges_event", "charges", ["event"], unique=False)
