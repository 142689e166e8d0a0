"""One scheduler per database, whatever happens to it."""

import subprocess
import sys

import pytest

from araneus.store.database import Database
from araneus.store.guard import SchedulerLock
from araneus.testing.postgres import PrivatePostgres

_HOLDER = """
import sys
from araneus.store.database import Database
from araneus.store.guard import SchedulerLock
lock = SchedulerLock(Database.open(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def _other_process(url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _end(process: subprocess.Popen[str], *, kill: bool) -> None:
    if kill:
        process.kill()
        process.wait()
    process.communicate()


def test_lock_is_held_once(database: Database) -> None:
    first, second = SchedulerLock(database), SchedulerLock(database)
    assert not first.held()
    assert first.acquire()
    assert first.acquire()
    assert first.held()
    assert not second.acquire()
    assert not second.held()
    first.release()
    first.release()
    assert second.acquire()
    assert not first.acquire()
    second.release()


@pytest.mark.parametrize("kill", [False, True])
def test_lock_leaves_with_its_process(database: Database, kill: bool) -> None:
    holder = _other_process(database.url)
    assert _answer(holder) == "True"
    lock = SchedulerLock(database)
    assert not lock.acquire()
    rival = _other_process(database.url)
    assert _answer(rival) == "False"
    _end(rival, kill=False)
    _end(holder, kill=kill)
    for _ in range(1000):
        # The server notices the end of a process a moment later.
        if lock.acquire():
            break
    assert lock.held()
    lock.release()


@pytest.mark.postgres
def test_lost_connection_loses_the_lock(postgresql: Database, server: PrivatePostgres) -> None:
    lock = SchedulerLock(postgresql)
    assert lock.acquire()
    server.disconnect_all()
    assert not lock.held()
    assert lock.acquire()
    lock.release()


@pytest.mark.postgres
def test_locks_of_two_databases_are_independent(postgresql: Database, server: PrivatePostgres) -> None:
    url = server.create_database()
    other = Database.open(url)
    first, second = SchedulerLock(postgresql), SchedulerLock(other)
    assert first.acquire()
    assert second.acquire()
    first.release()
    second.release()
    other.close()
    server.drop_database(url)
