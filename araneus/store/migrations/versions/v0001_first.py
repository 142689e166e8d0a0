"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _accounts()
    _projects()
    _files()
    _apps()
    _tasks()
    _jobs()
    _uploads()


def _accounts() -> None:
    op.create_table(
        "users",
        sa.Column("username", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=False),
        sa.Column("first_name", TEXT, nullable=False),
        sa.Column("last_name", TEXT, nullable=False),
        sa.Column("affiliation", TEXT, nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("billing_group", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("username", name="users_pk"),
    )
    op.create_index("users_billing_group", "users", ["billing_group"], unique=False)
    op.create_index(
        "users_email",
        "users",
        ["email"],
        unique=True,
        sqlite_where=sa.text("email <> ''"),
        postgresql_where=sa.text("email <> ''"),
    )
    op.create_table(
        "tokens",
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("expires_on", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["username"], ["users.username"], name="tokens_username_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name="tokens_pk"),
    )
    op.create_index("tokens_username", "tokens", ["username"], unique=False)
    op.create_table(
        "secrets",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="secrets_pk"),
    )


def _projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("name_folded", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("category", TEXT, nullable=False),
        sa.Column("billing_group", TEXT, nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("root_folder", TEXT, nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("modified_on", sa.BigInteger(), nullable=False),
        sa.Column("tasks_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="projects_pk"),
    )
    op.create_index("projects_owner", "projects", ["owner"], unique=False)
    op.create_table(
        "project_tags",
        sa.Column("tag", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="project_tags_project_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tag", "project", name="project_tags_pk"),
    )
    op.create_index("project_tags_project", "project_tags", ["project"], unique=False)
    op.create_table(
        "members",
        sa.Column("project", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("permissions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="members_project_fk", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["username"], ["users.username"], name="members_username_fk"),
        sa.PrimaryKeyConstraint("project", "username", name="members_pk"),
    )
    op.create_index("members_username", "members", ["username", "project"], unique=False)


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("parent", TEXT, nullable=True),
        sa.Column("shelf", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("folder", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("location", TEXT, nullable=True),
        sa.Column("hidden", sa.Boolean(), nullable=False),
        sa.Column("origin_task", TEXT, nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("modified_on", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["parent"], ["files.id"], name="files_parent_fk"),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="files_project_fk"),
        sa.PrimaryKeyConstraint("id", name="files_pk"),
    )
    op.create_index(
        "files_location",
        "files",
        ["location"],
        unique=False,
        sqlite_where=sa.text("location IS NOT NULL"),
        postgresql_where=sa.text("location IS NOT NULL"),
    )
    op.create_index(
        "files_origin",
        "files",
        ["origin_task", "parent"],
        unique=False,
        sqlite_where=sa.text("origin_task IS NOT NULL"),
        postgresql_where=sa.text("origin_task IS NOT NULL"),
    )
    op.create_index("files_place", "files", ["parent", "shelf", "name"], unique=True)
    op.create_index("files_project", "files", ["project"], unique=False)
    op.create_table(
        "file_labels",
        sa.Column("folder", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("file", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["file"], ["files.id"], name="file_labels_file_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("folder", "key", "value", "file", name="file_labels_pk"),
        sqlite_with_rowid=False,
    )
    op.create_index("file_labels_file", "file_labels", ["file"], unique=False)


def _apps() -> None:
    op.create_table(
        "documents",
        sa.Column("content", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("content", name="documents_pk"),
    )
    op.create_table(
        "apps",
        sa.Column("project", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("latest", sa.Boolean(), nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("notes", TEXT, nullable=True),
        sa.Column("validation_errors", sa.Text(), nullable=False),
        sa.Column("copy_of", TEXT, nullable=True),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("search", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["content"], ["documents.content"], name="apps_content_fk"),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="apps_project_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project", "name", "revision", name="apps_pk"),
    )
    op.create_index("apps_content", "apps", ["content"], unique=False)
    op.create_index(
        "apps_latest",
        "apps",
        ["project", "name"],
        unique=True,
        sqlite_where=sa.text("latest = 1"),
        postgresql_where=sa.text("latest"),
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("app", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("description", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("created_time", sa.BigInteger(), nullable=False),
        sa.Column("executed_by", TEXT, nullable=True),
        sa.Column("start_time", sa.BigInteger(), nullable=True),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("batch", sa.Boolean(), nullable=False),
        sa.Column("batch_input", TEXT, nullable=True),
        sa.Column("batch_by", sa.Text(), nullable=True),
        sa.Column("parent", TEXT, nullable=True),
        sa.Column("batch_group", sa.Text(), nullable=True),
        sa.Column("use_interruptible_instances", sa.Boolean(), nullable=False),
        sa.Column("execution_settings", sa.Text(), nullable=False),
        sa.Column("output_location", sa.Text(), nullable=True),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=False),
        sa.Column("errors", sa.Text(), nullable=False),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("progress", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["tasks.id"], name="tasks_parent_fk"),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="tasks_project_fk"),
        sa.PrimaryKeyConstraint("id", name="tasks_pk"),
    )
    op.create_index(
        "tasks_active",
        "tasks",
        ["created_time", "id"],
        unique=False,
        sqlite_where=sa.text("status IN ('CREATING', 'QUEUED', 'RUNNING', 'ABORTING')"),
        postgresql_where=sa.text("status IN ('CREATING', 'QUEUED', 'RUNNING', 'ABORTING')"),
    )
    op.create_index("tasks_by_parent", "tasks", ["parent", "created_time", "id"], unique=False)
    op.create_index("tasks_by_status", "tasks", ["project", "status", "created_time", "id"], unique=False)
    op.create_index("tasks_in_project", "tasks", ["project", "created_time", "id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("task", TEXT, nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("before", TEXT, nullable=False),
        sa.Column("after", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name="events_task_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="events_pk"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_task", "events", ["task", "id"], unique=False)


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("task", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("outputs", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("command_line", TEXT, nullable=False),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("started_on", sa.BigInteger(), nullable=True),
        sa.Column("ended_on", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"], name="jobs_task_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task", "key", name="jobs_pk"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("task", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("executor", TEXT, nullable=False),
        sa.Column("directory", TEXT, nullable=False),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("logs", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("created_on", sa.BigInteger(), nullable=False),
        sa.Column("ended_on", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["task", "key"], ["jobs.task", "jobs.key"], name="attempts_task_key_fk", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="attempts_pk"),
    )
    op.create_index("attempts_of_job", "attempts", ["task", "key", "number"], unique=True)
    op.create_index(
        "attempts_open",
        "attempts",
        ["created_on", "id"],
        unique=False,
        sqlite_where=sa.text("ended_on IS NULL"),
        postgresql_where=sa.text("ended_on IS NULL"),
    )


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("parent", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.Column("overwrite", sa.Boolean(), nullable=False),
        sa.Column("created_by", TEXT, nullable=False),
        sa.Column("initiated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.id"], name="uploads_project_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="uploads_pk"),
    )
    op.create_index("uploads_created_by", "uploads", ["created_by", "initiated", "id"], unique=False)
    op.create_index("uploads_project", "uploads", ["project"], unique=False)
    op.create_table(
        "upload_parts",
        sa.Column("upload", TEXT, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", TEXT, nullable=False),
        sa.Column("reported", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["upload"], ["uploads.id"], name="upload_parts_upload_fk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("upload", "number", name="upload_parts_pk"),
    )
