"""Wake-ups arrive, survive restarts on both sides, and never disturb the sender."""

import os
import select
import socket
import time
from pathlib import Path

import pytest

from araneus.store.database import Database, DatabaseUnavailable
from araneus.store.wakeup import WakeupListener, WakeupSender
from araneus.testing.postgres import PrivatePostgres

_SECONDS = 10.0


def _heard(listener: WakeupListener, seconds: float = _SECONDS) -> bool:
    select.select([listener.fileno()], [], [], seconds)
    return listener.drain()


def test_wakeup_arrives_and_is_drained(database: Database) -> None:
    sender = WakeupSender(database)
    with WakeupListener(database) as listener:
        assert not listener.drain()
        sender.send()
        assert _heard(listener)
        assert not _heard(listener, 0.05)
        for _ in range(3):
            sender.send()
        assert _heard(listener)
        while _heard(listener, 0.2):
            pass
        sender.send()
        assert _heard(listener)
    sender.close()


def test_sender_does_not_mind_that_nobody_listens(database: Database) -> None:
    sender = WakeupSender(database)
    sender.send()
    with WakeupListener(database) as listener:
        sender.send()
        assert _heard(listener)
    sender.send()
    with WakeupListener(database) as listener:
        sender.send()
        assert _heard(listener)
    sender.close()


def test_sender_does_not_wait_for_a_listener_that_is_busy(database: Database) -> None:
    sender = WakeupSender(database)
    with WakeupListener(database) as listener:
        before = time.monotonic()
        for _ in range(2000):
            sender.send()
        assert time.monotonic() - before < _SECONDS
        assert _heard(listener)
    sender.close()


def test_wakeup_is_quick(database: Database) -> None:
    sender = WakeupSender(database)
    times = []
    with WakeupListener(database) as listener:
        sender.send()
        assert _heard(listener)
        while _heard(listener, 0.2):
            pass
        for _ in range(20):
            before = time.monotonic()
            sender.send()
            assert _heard(listener)
            times.append(time.monotonic() - before)
    sender.close()
    assert sorted(times)[10] < 0.1


def test_socket_is_private_and_leaves_with_its_listener(sqlite: Database) -> None:
    assert sqlite.path is not None
    path = sqlite.path.with_name("araneus.db.wakeup")
    before = set(path.parent.iterdir())
    with WakeupListener(sqlite):
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600
        assert set(path.parent.iterdir()) - before == {path}
    assert not path.exists()


def test_socket_of_a_crashed_listener_is_replaced(sqlite: Database) -> None:
    assert sqlite.path is not None
    path = sqlite.path.with_name("araneus.db.wakeup")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stale:
        stale.bind(str(path))
    sender = WakeupSender(sqlite)
    sender.send()
    with WakeupListener(sqlite) as listener:
        sender.send()
        assert _heard(listener)
    sender.close()


def test_older_listener_leaves_the_socket_of_the_newer(sqlite: Database) -> None:
    sender, older = WakeupSender(sqlite), WakeupListener(sqlite)
    with WakeupListener(sqlite) as newer:
        older.close()
        sender.send()
        assert _heard(newer)
    sender.close()


def test_path_may_be_longer_than_a_socket_address(tmp_path: Path) -> None:
    directory = tmp_path / ("long" * 30) / ("longer" * 20)
    directory.mkdir(parents=True)
    database = Database.open(f"sqlite:///{directory}/x.db")
    sender = WakeupSender(database)
    with WakeupListener(database) as listener:
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the names are not paths
        for _ in range(10):
            sender.send()
            assert _heard(listener)
        assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    assert [path.name for path in directory.iterdir() if "wakeup" in path.name] == []
    sender.close()
    database.close()


def test_socket_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    database = Database.open(f"sqlite:///{directory}/x.db")
    database.close()
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()
    with pytest.raises(DatabaseUnavailable, match="wake-ups"):
        WakeupListener(database)
    sender = WakeupSender(database)
    sender.send()
    sender.close()


@pytest.mark.postgres
def test_both_sides_survive_lost_connections(postgresql: Database, server: PrivatePostgres) -> None:
    sender = WakeupSender(postgresql)
    with WakeupListener(postgresql) as listener:
        sender.send()
        assert _heard(listener)
        number = listener.fileno()
        server.disconnect_all()
        # The loss itself wakes: something may have been missed.
        assert _heard(listener)
        deadline = time.monotonic() + _SECONDS
        sender.send()
        while not _heard(listener, 0.2) and time.monotonic() < deadline:
            sender.send()
        assert time.monotonic() < deadline
        assert listener.fileno() == number
    sender.close()


@pytest.mark.postgres
def test_server_that_is_away_is_no_error_for_the_sender_only(tmp_path: Path) -> None:
    database = Database.open(f"postgresql://postgres@/x?host={tmp_path}")
    sender = WakeupSender(database)
    sender.send()
    sender.close()
    with pytest.raises(DatabaseUnavailable, match="PostgreSQL"):
        WakeupListener(database)
    database.close()
