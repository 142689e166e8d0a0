"""Each order and filter of a list has an index."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TASKS = {
    "tasks_by_name": ["project", "name", "id"],
    "tasks_by_creator": ["project", "created_by", "id"],
    "tasks_by_start": ["project", "start_time", "id"],
    "tasks_by_end": ["project", "end_time", "id"],
    "tasks_by_batch": ["project", "batch", "created_time", "id"],
}


def upgrade() -> None:
    """Make the indexes; that of files by the task that made them also gives their order."""
    for name, columns in _TASKS.items():
        op.create_index(name, "tasks", columns, unique=False)
    op.drop_index("files_origin", table_name="files")
    op.create_index(
        "files_origin",
        "files",
        ["origin_task", "parent", "shelf", "name"],
        unique=False,
        sqlite_where=sa.text("origin_task IS NOT NULL"),
        postgresql_where=sa.text("origin_task IS NOT NULL"),
    )
