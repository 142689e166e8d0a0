"""Opening, migrating, transactions and durability."""

import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from araneus.model.errors import Fault, Refusal
from araneus.store import tables, tokens, users
from araneus.store.database import Database, DatabaseUnavailable, WrongSchema, was_cut
from araneus.store.migrations import REVISIONS
from araneus.store.upgrade import configuration
from araneus.testing import rows
from araneus.testing.postgres import PrivatePostgres


def _describe(url: str) -> dict[str, dict[str, Any]]:
    """Everything the database knows about its tables."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        inspector = inspect(connection)
        names = [name for name in inspector.get_table_names() if name != "alembic_version"]
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            columns = [{**column, "type": repr(column["type"])} for column in inspector.get_columns(name)]
            found[name] = {
                "columns": sorted(columns, key=lambda column: str(column["name"])),
                "key": inspector.get_pk_constraint(name),
                "foreign": sorted(inspector.get_foreign_keys(name), key=str),
                "indexes": sorted(_plain(index) for index in inspector.get_indexes(name)),
                "checks": inspector.get_check_constraints(name),
            }
    engine.dispose()
    return found


def _plain(index: Any) -> str:
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


def _assert_migrations_match(url: str, fresh_url: str) -> None:
    migrated = Database.open(url)
    migrated.migrate()
    with migrated.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
    migrated.close()
    direct = Database.open(fresh_url)
    with direct.write() as conn:
        tables.metadata.create_all(conn)
    direct.close()
    described = _describe(url)
    assert set(described) == set(tables.metadata.tables)
    assert described == _describe(fresh_url)


def test_migrations_make_the_schema_of_the_tables_on_sqlite(tmp_path: Path) -> None:
    first, second = f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"
    _assert_migrations_match(first, second)
    # Partial conditions, AUTOINCREMENT and WITHOUT ROWID stand only in the statements themselves.
    statements = []
    for name in ("a.db", "b.db"):
        with sqlite3.connect(tmp_path / name) as connection:
            query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'"
            found = {name: _words(statement) for name, statement in connection.execute(query)}
        connection.close()
        statements.append(found)
    assert statements[0] == statements[1]


def _words(statement: str) -> list[str]:
    return sorted(part.strip(" ()") for part in " ".join(statement.split()).replace("(", "( ").split(","))


@pytest.mark.postgres
def test_migrations_make_the_schema_of_the_tables_on_postgresql(server: PrivatePostgres) -> None:
    first, second = server.create_database(), server.create_database()
    _assert_migrations_match(first, second)
    server.drop_database(first)
    server.drop_database(second)


def test_known_revisions_are_those_of_the_scripts(sqlite: Database) -> None:
    with sqlite.read() as conn:
        script = ScriptDirectory.from_config(configuration(conn))
    assert tuple(step.revision for step in script.walk_revisions())[::-1] == REVISIONS


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
    database.check()


def test_newer_schema_is_left_alone(database: Database) -> None:
    with database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(WrongSchema, match="newer Araneus"):
        database.check()
    with pytest.raises(WrongSchema, match="newer Araneus"):
        database.migrate()
    with database.read() as conn:
        assert conn.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_database_without_tables_is_named_as_such(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(WrongSchema, match="no tables yet"):
        database.check()
    database.close()


def _migrate(url: str, barrier: "threading.Barrier", failures: "multiprocessing.Queue[str]") -> None:
    barrier.wait()
    try:
        database = Database.open(url)
        database.migrate()
        database.check()
        database.close()
    except Exception as error:
        failures.put(repr(error))
        raise


def _migrate_together(url: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, failures = spawn.Barrier(4), spawn.Queue()
    starters = [spawn.Process(target=_migrate, args=(url, barrier, failures)) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)
    codes = [starter.exitcode for starter in starters]
    assert codes == [0] * 4, [failures.get() for code in codes if code]


def test_processes_that_start_together_migrate_once_on_sqlite(tmp_path: Path) -> None:
    _migrate_together(f"sqlite:///{tmp_path}/new.db")


@pytest.mark.postgres
def test_processes_that_start_together_migrate_once_on_postgresql(server: PrivatePostgres) -> None:
    url = server.create_database()
    _migrate_together(url)
    server.drop_database(url)


def test_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/x.db")
    with database.write() as conn:
        conn.execute(text("CREATE TABLE uploads (x)"))
    with pytest.raises(OperationalError, match="already exists"):
        database.migrate()
    with database.read() as conn:
        assert inspect(conn).get_table_names() == ["uploads"]
    database.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://x/y",
        "sqlite://",
        "sqlite:///relative.db",
        "sqlite:////nowhere/at/all.db",
        "postgres",
        "sqlite:////",
    ],
)
def test_unusable_addresses_are_explained(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"sqlite:////|Cannot open"):
        Database.open(url)


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("This is a text that is long enough to be read as the header of a database file, surely." * 3)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        Database.open(f"sqlite:///{path}")


def test_path_may_hold_any_character(tmp_path: Path) -> None:
    directory = tmp_path / "a ?b=c#d%20é"
    directory.mkdir()
    database = Database.open(f"sqlite:///{directory}/x.db")
    database.migrate()
    database.close()
    assert (directory / "x.db").stat().st_size > 0


def test_database_file_is_private(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/x.db")
    database.migrate()
    with database.read():
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    database.close()


def test_sqlite_is_durable_and_strict(sqlite: Database) -> None:
    for begin in (sqlite.read, sqlite.write):
        with begin() as conn:
            pragmas = ("journal_mode", "synchronous", "foreign_keys")
            assert [conn.execute(text(f"PRAGMA {name}")).scalar() for name in pragmas] == ["wal", 2, 1]


def test_readers_cannot_write(database: Database) -> None:
    with database.read() as conn, pytest.raises(DBAPIError, match=r"read-?only"):
        tokens.delete(conn, "x")
    with database.write() as conn:
        users.insert(conn, rows.user())
    with database.read() as conn:
        assert users.get(conn, "rfranklin") == rows.user()


def test_readers_see_each_commit_at_once_and_nothing_before(database: Database) -> None:
    with database.read() as reader:
        with database.write() as conn:
            users.insert(conn, rows.user())
            assert users.get(reader, "rfranklin") is None
        assert users.get(reader, "rfranklin") == rows.user()


def test_block_that_fails_is_undone(database: Database) -> None:
    def insert_and_fail() -> None:
        with database.write() as conn:
            users.insert(conn, rows.user())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        insert_and_fail()
    with database.write() as conn:
        users.insert(conn, rows.user())


def test_write_inside_write_is_a_mistake(database: Database) -> None:
    def nest() -> None:
        with database.write(), database.write():
            pass

    with pytest.raises(RuntimeError, match="inside write"):
        nest()
    with database.write() as conn:
        users.insert(conn, rows.user())


def test_threads_read_and_write_together(database: Database) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(15):
                with database.write() as conn:
                    users.insert(conn, rows.user(f"u{number}-{turn}"))
                with database.read() as conn:
                    assert users.get(conn, f"u{number}-{turn}") is not None
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with database.read() as conn:
        assert len(users.all_users(conn)) == 150


@pytest.mark.postgres
def test_readers_and_writers_survive_a_restart_of_the_server(postgresql: Database, server: PrivatePostgres) -> None:
    with postgresql.write() as conn:
        users.insert(conn, rows.user())
    with postgresql.read() as conn:
        users.get(conn, "rfranklin")
    server.disconnect_all()
    with postgresql.write() as conn:
        users.insert(conn, rows.user("crick"))
    with postgresql.read() as conn:
        assert users.get(conn, "crick") is not None


@pytest.mark.postgres
def test_a_connection_that_is_cut_in_use_fails_once(postgresql: Database, server: PrivatePostgres) -> None:
    with postgresql.read() as idle:
        users.get(idle, "crick")
        with postgresql.read() as conn:
            users.get(conn, "crick")
            server.disconnect_all()
            with pytest.raises(OperationalError) as caught:
                users.get(conn, "crick")
    assert was_cut(caught.value)
    assert not was_cut(ValueError())
    with postgresql.read() as conn:
        assert users.get(conn, "crick") is None


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_server_that_is_restarted_is_waited_for(postgresql: Database, server: PrivatePostgres, kind: str) -> None:
    with postgresql.write() as conn:
        users.insert(conn, rows.user())
    with server.away() as back:
        timer = threading.Timer(0.5, back)
        timer.start()
        with getattr(postgresql, kind)() as conn:
            assert users.get(conn, "rfranklin") is not None
        timer.join()


@pytest.mark.postgres
def test_a_server_that_stays_away_is_waited_for_once(postgresql: Database, server: PrivatePostgres) -> None:
    def refused() -> float:
        begun = time.monotonic()
        with pytest.raises(OperationalError), postgresql.read():
            pass
        return time.monotonic() - begun

    with postgresql.read() as conn:
        assert users.get(conn, "rfranklin") is None
    with server.away() as back:
        assert refused() > 4
        assert max(refused() for _ in range(3)) < 2
        back()
        with postgresql.read() as conn:
            assert users.get(conn, "rfranklin") is None


@pytest.mark.postgres
def test_a_server_that_was_never_there_is_not_waited_for(server: PrivatePostgres) -> None:
    database = Database.open(server.url("no_such_database"))
    begun = time.monotonic()
    with pytest.raises(OperationalError), database.read():
        pass
    assert time.monotonic() - begun < 3
    database.close()


@pytest.mark.postgres
def test_server_with_another_encoding_is_refused(server: PrivatePostgres) -> None:
    url = server.create_database(encoding="LATIN1", locale="C")
    database = Database.open(url)
    with pytest.raises(DatabaseUnavailable, match="UTF8"):
        database.migrate()
    database.close()
    server.drop_database(url)


def test_full_disk_is_a_refusal(sqlite: Database) -> None:
    with sqlite.write() as conn:
        users.insert(conn, rows.user())
        pages = conn.execute(text("PRAGMA page_count")).scalar_one()
        conn.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
    with pytest.raises(Refusal, match="disk") as caught, sqlite.write() as conn:
        users.insert(conn, rows.user("big", affiliation="x" * 100_000))
    assert caught.value.fault is Fault.STORAGE_FULL
    with sqlite.write() as conn:
        assert users.get(conn, "rfranklin") == rows.user()
        conn.execute(text("PRAGMA max_page_count = 1000000"))
        users.insert(conn, rows.user("big", affiliation="x" * 100_000))


_WRITER = """
import os, sys
from araneus.store import users
from araneus.store.database import Database
from araneus.testing import rows
database = Database.open(sys.argv[1])
for number in range(10**6):
    with database.write() as conn:
        users.insert(conn, rows.user(f"u{number:06d}"))
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.parametrize("delay", [0.05, 0.1, 0.2])
def test_acknowledged_writes_survive_kill_9(sqlite: Database, delay: float) -> None:
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, sqlite.url], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = int(writer.stdout.readline())
    killer = threading.Timer(delay, writer.kill)
    killer.start()
    for line in writer.stdout:
        acknowledged = int(line)
    writer.wait()
    writer.stdout.close()
    with sqlite.write() as conn:
        known = conn.execute(select(tables.users.c.username)).scalars().all()
        assert conn.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    assert len(known) >= acknowledged + 1
    assert writer.returncode == -9
