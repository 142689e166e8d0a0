"""Equal jobs of people who read other projects are remembered beside each other."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a key have several memos."""
    op.drop_index("memos_key", table_name="memos")
    op.create_index("memos_key", "memos", ["project", "key"], unique=False)
