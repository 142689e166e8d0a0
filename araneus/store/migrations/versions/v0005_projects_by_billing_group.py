"""Projects are found by who pays for them."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("projects_billing_group", "projects", ["billing_group"], unique=False)
