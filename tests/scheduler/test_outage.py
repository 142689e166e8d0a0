"""The database goes away while tasks run: they wait, and nothing fails for it."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from araneus.model.task import Status
from araneus.scheduler.loop import Options
from araneus.scheduler.outage import persistently
from araneus.store.database import is_away
from araneus.testing.postgres import PrivatePostgres
from tests.scheduler.house import House, small, tool

IMPATIENT = Options(poll=0.2, max_troubles=1)


@pytest.fixture
def house(postgres: PrivatePostgres, tmp_path: Path) -> Iterator[House]:
    """A house on PostgreSQL."""
    url = postgres.create_database()
    found = House.build(tmp_path, url)
    yield found
    found.close()
    postgres.drop_database(url)


@pytest.mark.postgres
def test_tasks_that_end_while_the_database_is_away_are_completed(house: House, postgres: PrivatePostgres) -> None:
    app = house.install(tool("sleep 0.5", requirements=[small()]))
    with house.scheduling(options=IMPATIENT):
        queued = house.queue_many(app, [{}] * 4)
        for task in queued:
            house.wait_for(task, frozenset({Status.RUNNING, Status.COMPLETED}))
        with postgres.away():
            time.sleep(7)  # longer than the store itself waits
        for task in queued:
            ended = house.wait(task)
            assert ended.status is Status.COMPLETED, ended.progress
            assert [attempt.number for attempt in house.attempts(task)] == [1]


@pytest.mark.postgres
def test_connections_that_are_cut_again_and_again_fail_no_task(house: House, postgres: PrivatePostgres) -> None:
    app = house.install(tool("true", requirements=[small()]))
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.03):
            postgres.disconnect_all()

    with house.scheduling(options=IMPATIENT):
        queued = house.queue_many(app, [{}] * 20)
        thread = threading.Thread(target=cut)
        thread.start()
        time.sleep(4)
        over.set()
        thread.join()
        states = {house.wait(task, 60).status for task in queued}
    assert states == {Status.COMPLETED}


@pytest.mark.postgres
def test_what_was_being_read_is_read_again(house: House, postgres: PrivatePostgres) -> None:
    tries = []

    def read() -> int:
        with house.database.read() as connection:
            tries.append(1)
            if len(tries) < 3:
                postgres.disconnect_all()
            return int(connection.execute(text("SELECT 7")).scalar_one())

    assert persistently(read, pause=0.01) == 7
    assert len(tries) == 3


def test_other_mistakes_are_not_repeated() -> None:
    tries = []

    def read() -> None:
        tries.append(1)
        raise KeyError("x")

    with pytest.raises(KeyError):
        persistently(read)
    assert len(tries) == 1


def test_patience_ends() -> None:
    def read() -> None:
        raise OperationalError("SELECT 1", {}, psycopg.OperationalError("connection refused"))

    with pytest.raises(OperationalError):
        persistently(read, patience=0.05, pause=0.01)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (psycopg.OperationalError("connection refused"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.CannotConnectNow(), True),
        (psycopg.errors.TooManyConnections(), True),
        (psycopg.errors.ProgramLimitExceeded("index row size"), False),
        (psycopg.errors.DiskFull(), False),
    ],
)
def test_what_is_an_outage(error: psycopg.OperationalError, away: bool) -> None:
    assert is_away(OperationalError("SELECT 1", {}, error)) is away


def test_what_is_an_outage_of_a_file(tmp_path: Path) -> None:
    def raised(statement: str) -> bool:
        other.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute(statement)
        return is_away(OperationalError(statement, {}, caught.value))

    first, other = (sqlite3.connect(tmp_path / "x.db", isolation_level=None) for _ in range(2))
    first.execute("CREATE TABLE t (x)")
    first.execute("BEGIN EXCLUSIVE")
    assert raised("INSERT INTO t VALUES (1)")
    first.execute("ROLLBACK")
    assert not raised("INSERT INTO nowhere VALUES (1)")
    first.close()
    other.close()
