"""The schema. `migrations` builds the same one step by step; a test holds the two together.

Indexes are named for the question that they answer. Rows that belong to one task or file leave with it (CASCADE); a
project is emptied on purpose, by `projects.delete`, because the bytes behind its files have to be accounted for.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    text,
)

from araneus.model.access import Permissions
from araneus.model.division import Role
from araneus.model.errand import EntryState, ErrandKind, ErrandState
from araneus.model.errors import Fault
from araneus.model.file import File
from araneus.model.job import JobStatus, Outcome, Resources
from araneus.model.memo import Kept, Reuse
from araneus.model.project import Crowd
from araneus.model.task import Progress, Status
from araneus.store.columns import SERIAL, TEXT, Json, JsonTuple, Moment, Record, Word

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_N_name)s_fk",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)

users = Table(
    "users",
    metadata,
    Column("username", TEXT, primary_key=True),
    Column("email", TEXT, nullable=False),
    Column("first_name", TEXT, nullable=False),
    Column("last_name", TEXT, nullable=False),
    Column("affiliation", TEXT, nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("billing_group", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
    Index("users_email", "email", unique=True, sqlite_where=text("email <> ''"), postgresql_where=text("email <> ''")),
    Index("users_billing_group", "billing_group"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", TEXT, primary_key=True),
    Column("username", TEXT, ForeignKey("users.username", ondelete="CASCADE"), nullable=False),
    Column("label", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
    Column("expires_on", Moment),
    Index("tokens_username", "username"),
)

projects = Table(
    "projects",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("owner", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("name_folded", TEXT, nullable=False),
    Column("description", TEXT, nullable=False),
    Column("type", TEXT, nullable=False),
    Column("category", TEXT, nullable=False),
    Column("billing_group", TEXT, nullable=False),
    Column("tags", JsonTuple, nullable=False),
    Column("settings", Json, nullable=False),
    Column("root_folder", TEXT, nullable=False),
    Column("created_by", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
    Column("modified_on", Moment, nullable=False),
    # Counting 100,000 index entries for every list page costs more than the page; inserts and deletes keep the total.
    Column("tasks_total", BigInteger, nullable=False, server_default="0"),
    Index("projects_owner", "owner"),
    Index("projects_billing_group", "billing_group"),
)

project_tags = Table(
    "project_tags",
    metadata,
    Column("tag", TEXT, primary_key=True),
    Column("project", TEXT, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Index("project_tags_project", "project"),
)

members = Table(
    # Everybody who may see a project. What somebody may do there follows from what he was given himself (``own``, null
    # for nothing) and what his teams and division were: `store.crowds` keeps it up to date, since every request asks.
    "members",
    metadata,
    Column("project", TEXT, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("username", TEXT, ForeignKey("users.username"), primary_key=True),
    Column("permissions", Record(Permissions), nullable=False),
    Column("own", Record(Permissions)),
    Index("members_username", "username", "project"),
)

crowd_members = Table(
    "crowd_members",
    metadata,
    Column("project", TEXT, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("crowd", Word(Crowd), primary_key=True),
    Column("id", TEXT, primary_key=True),
    Column("permissions", Record(Permissions), nullable=False),
    Index("crowd_members_id", "id", "crowd", "project"),
)

files = Table(
    "files",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("project", TEXT, ForeignKey("projects.id"), nullable=False),
    Column("parent", TEXT, ForeignKey("files.id")),
    # Empty for what stands in listings; a hidden file stands on a shelf of its own, where no name clashes.
    Column("shelf", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("folder", Boolean, nullable=False),
    Column("size", BigInteger),
    Column("location", TEXT),
    Column("hidden", Boolean, nullable=False),
    Column("origin_task", TEXT),
    Column("tags", JsonTuple, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("created_on", Moment, nullable=False),
    Column("modified_on", Moment, nullable=False),
    Index("files_place", "parent", "shelf", "name", unique=True),
    Index("files_project", "project"),
    Index(
        "files_location",
        "location",
        sqlite_where=text("location IS NOT NULL"),
        postgresql_where=text("location IS NOT NULL"),
    ),
    Index(
        "files_origin",
        "origin_task",
        "parent",
        "shelf",
        "name",
        sqlite_where=text("origin_task IS NOT NULL"),
        postgresql_where=text("origin_task IS NOT NULL"),
    ),
)

file_labels = Table(
    # Tags (key '', which no metadata key can be) and metadata values, one row each, so that filters use an index.
    "file_labels",
    metadata,
    Column("folder", TEXT, primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT, primary_key=True),
    Column("file", TEXT, ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    Index("file_labels_file", "file"),
    sqlite_with_rowid=False,
)

documents = Table(
    # Bodies of apps, once by content: canonical hash -> compressed JSON.
    "documents",
    metadata,
    Column("content", TEXT, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

apps = Table(
    "apps",
    metadata,
    Column("project", TEXT, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("latest", Boolean, nullable=False),
    Column("label", TEXT, nullable=False),
    Column("content", TEXT, ForeignKey("documents.content"), nullable=False),
    Column("notes", TEXT),
    Column("validation_errors", JsonTuple, nullable=False),
    Column("copy_of", TEXT),
    Column("created_by", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
    Column("search", TEXT, nullable=False),
    Index(
        "apps_latest", "project", "name", unique=True, sqlite_where=text("latest = 1"), postgresql_where=text("latest")
    ),
    Index("apps_content", "content"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("project", TEXT, ForeignKey("projects.id"), nullable=False),
    Column("app", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("description", TEXT),
    Column("status", Word(Status), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_by", TEXT, nullable=False),
    Column("created_time", Moment, nullable=False),
    Column("executed_by", TEXT),
    Column("start_time", Moment),
    Column("end_time", Moment),
    Column("batch", Boolean, nullable=False),
    Column("batch_input", TEXT),
    Column("batch_by", Json),
    Column("parent", TEXT, ForeignKey("tasks.id")),
    Column("batch_group", Json),
    Column("use_interruptible_instances", Boolean, nullable=False),
    Column("execution_settings", Json, nullable=False),
    Column("output_location", Json),
    Column("inputs", Json, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("errors", JsonTuple, nullable=False),
    Column("warnings", JsonTuple, nullable=False),
    Column("progress", Record(Progress)),
    Index("tasks_in_project", "project", "created_time", "id"),
    Index("tasks_by_status", "project", "status", "created_time", "id"),
    Index("tasks_by_parent", "parent", "created_time", "id"),
    # One for each order and filter that lists offer: without it they would sort or read a whole project.
    Index("tasks_by_name", "project", "name", "id"),
    Index("tasks_by_creator", "project", "created_by", "id"),
    Index("tasks_by_start", "project", "start_time", "id"),
    Index("tasks_by_end", "project", "end_time", "id"),
    Index("tasks_by_batch", "project", "batch", "created_time", "id"),
    Index(
        "tasks_active",
        "created_time",
        "id",
        sqlite_where=text("status IN ('CREATING', 'QUEUED', 'RUNNING', 'ABORTING')"),
        postgresql_where=text("status IN ('CREATING', 'QUEUED', 'RUNNING', 'ABORTING')"),
    ),
)

events = Table(
    "events",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("task", TEXT, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
    Column("time", Moment, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("before", Word(Status), nullable=False),
    Column("after", Word(Status), nullable=False),
    Column("message", TEXT, nullable=False),
    Index("events_task", "task", "id"),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("task", TEXT, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("key", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("status", Word(JobStatus), nullable=False),
    Column("outputs", Json),
    Column("outcome", Record(Outcome)),
    Column("command_line", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
    Column("started_on", Moment),
    Column("ended_on", Moment),
    Column("reuse", Record(Reuse)),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("task", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    Column("number", Integer, nullable=False),
    Column("executor", TEXT, nullable=False),
    Column("directory", TEXT, nullable=False),
    Column("resources", Record(Resources), nullable=False),
    Column("outcome", Record(Outcome)),
    Column("created_on", Moment, nullable=False),
    Column("ended_on", Moment),
    Column("instance", TEXT),
    Column("logs", JsonTuple, nullable=False, server_default="[]"),
    ForeignKeyConstraint(["task", "key"], ["jobs.task", "jobs.key"], ondelete="CASCADE"),
    Index("attempts_of_job", "task", "key", "number", unique=True),
    Index(
        "attempts_open",
        "created_on",
        "id",
        sqlite_where=text("ended_on IS NULL"),
        postgresql_where=text("ended_on IS NULL"),
    ),
)

holds = Table(
    # Bytes that a running task was given: they stay until it ends, whatever becomes of the files.
    "holds",
    metadata,
    Column("task", TEXT, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("location", TEXT, primary_key=True),
    Index("holds_location", "location"),
    sqlite_with_rowid=False,
)

memos = Table(
    "memos",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("project", TEXT, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("key", TEXT, nullable=False),
    Column("app", TEXT, nullable=False),
    Column("job", TEXT, nullable=False),
    # Not a reference: a memo stays when the task that made it goes.
    Column("task", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("parts", Json, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("files", Record(dict[str, Kept]), nullable=False),
    Column("folders", JsonTuple, nullable=False),
    Column("attempt", TEXT, nullable=False),
    Column("sources", JsonTuple, nullable=False),
    Column("made_by", TEXT, nullable=False),
    Column("made_on", Moment, nullable=False),
    Column("used_on", Moment, nullable=False),
    Column("void_on", Moment),
    Column("void_by", TEXT),
    # Not unique: what was made of files of other projects is there only for those who can read them.
    Index("memos_key", "project", "key"),
    Index("memos_of_job", "project", "app", "job", "made_on"),
)

memo_locations = Table(
    # Bytes that a memo needs: they stay as long as it does, whatever becomes of the files of the task that made them.
    "memo_locations",
    metadata,
    Column("memo", TEXT, ForeignKey("memos.id", ondelete="CASCADE"), primary_key=True),
    Column("location", TEXT, primary_key=True),
    Index("memo_locations_location", "location"),
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("project", TEXT, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    # Not a reference: an unfinished upload does not keep its folder from being deleted.
    Column("parent", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("size", BigInteger),
    Column("part_size", BigInteger, nullable=False),
    Column("overwrite", Boolean, nullable=False),
    Column("created_by", TEXT, nullable=False),
    Column("initiated", Moment, nullable=False),
    Column("md5", TEXT),
    Index("uploads_created_by", "created_by", "initiated", "id"),
    Index("uploads_project", "project"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload", TEXT, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", TEXT, nullable=False),
    Column("reported", Boolean, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

errands = Table(
    "errands",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("username", TEXT, ForeignKey("users.username", ondelete="CASCADE"), nullable=False),
    Column("kind", Word(ErrandKind), nullable=False),
    Column("state", Word(ErrandState), nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("started_on", Moment, nullable=False),
    Column("finished_on", Moment),
    Index("errands_username", "username", "started_on", "id"),
    Index("errands_finished", "finished_on"),
    Index(
        "errands_open",
        "id",
        sqlite_where=text("finished_on IS NULL"),
        postgresql_where=text("finished_on IS NULL"),
    ),
)

errand_entries = Table(
    # What an errand was asked to do and what it found in folders: the queue of its work and its result.
    "errand_entries",
    metadata,
    Column("errand", TEXT, ForeignKey("errands.id", ondelete="CASCADE"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("above", BigInteger),
    Column("source", TEXT, nullable=False),
    Column("project", TEXT),
    Column("parent", TEXT),
    Column("name", TEXT),
    Column("folder", Boolean, nullable=False),
    Column("state", Word(EntryState), nullable=False),
    Column("opened", TEXT),
    Column("made", TEXT),
    Column("shown", Record(File)),
    Column("fault", Word(Fault)),
    Column("message", TEXT),
    Index("errand_entries_state", "errand", "state", "number"),
)

divisions = Table(
    "divisions",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
)

division_members = Table(
    # A user belongs to one division at most.
    "division_members",
    metadata,
    Column("username", TEXT, ForeignKey("users.username", ondelete="CASCADE"), primary_key=True),
    Column("division", TEXT, ForeignKey("divisions.id", ondelete="CASCADE"), nullable=False),
    Column("role", Word(Role), nullable=False),
    Index("division_members_division", "division", "username"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", TEXT, primary_key=True),
    Column("division", TEXT, ForeignKey("divisions.id", ondelete="CASCADE"), nullable=False),
    Column("name", TEXT, nullable=False),
    Column("created_by", TEXT, nullable=False),
    Column("created_on", Moment, nullable=False),
    Index("teams_division", "division", "name", unique=True),
)

team_members = Table(
    "team_members",
    metadata,
    Column("team", TEXT, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    Column("username", TEXT, ForeignKey("users.username", ondelete="CASCADE"), primary_key=True),
    Index("team_members_username", "username"),
)

charges = Table(
    # What ended tasks cost, in millionths of a dollar. They stay when the project goes: a bill does not change.
    "charges",
    metadata,
    Column("task", TEXT, primary_key=True),
    Column("event", BigInteger, nullable=False),
    Column("billing_group", TEXT, nullable=False),
    Column("project", TEXT, nullable=False),
    Column("project_name", TEXT, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("app", TEXT, nullable=False),
    Column("name", TEXT, nullable=False),
    Column("batch", Boolean, nullable=False),
    Column("parent", TEXT),
    Column("ran_by", TEXT, nullable=False),
    Column("status", Word(Status), nullable=False),
    Column("started_on", Moment),
    Column("ended_on", Moment, nullable=False),
    Column("computation", BigInteger, nullable=False),
    Column("storage", BigInteger, nullable=False),
    Index("charges_group", "billing_group", "ended_on", "task"),
    Index("charges_parent", "parent"),
    Index("charges_event", "event"),
)
