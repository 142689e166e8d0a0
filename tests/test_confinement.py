"""What the settings of a server make of the sandbox."""

from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from araneus import config
from araneus.confinement import Unconfined, build_containers
from araneus.executors.base import Submission
from araneus.executors.containers import Containers
from araneus.store import users
from araneus.store.database import Database
from araneus.testing import rows
from araneus.testing.postgres import PrivatePostgres


def etc_sources(containers: Containers, directory: Path) -> list[str]:
    """What one more sandbox would show at /etc."""
    submission = Submission(
        attempt="a", directory=directory, command=("true",), work=f"{directory}/work", temporary=f"{directory}/tmp"
    )
    command = containers.bare.launch(submission, (), "").command
    return [source for source, target in pairwise(command) if target == "/etc"]


def test_a_server_copies_etc_when_it_makes_many_sandboxes(tmp_path: Path) -> None:
    settings = config.load(tmp_path, {"ARANEUS__JOBS__CONTAINERS": "none"})
    containers = build_containers(settings, lambda: True)
    assert containers.groups is not None
    containers.groups.close()
    if not containers.bare.encloses:
        pytest.skip("bubblewrap does not work here")
    shown = [etc_sources(containers, tmp_path / "job") for _ in range(33)]
    assert shown[0] == []
    assert not any(shown[:31])
    assert shown[31] == shown[32]
    (source,) = shown[32]
    assert Path(source).parent == tmp_path / "sandbox"
    assert (Path(source) / "passwd").read_bytes() == Path("/etc/passwd").read_bytes()
    assert (tmp_path / "sandbox").stat().st_mode & 0o777 == 0o700


@pytest.mark.postgres
def test_the_number_of_users_is_remembered_while_the_database_is_away(
    tmp_path: Path, postgres_url: str, postgres_server: PrivatePostgres
) -> None:
    database = Database.open(postgres_url)
    database.migrate()
    settings = config.load(tmp_path, {})
    with database.write() as connection:
        users.insert(connection, rows.user("one", email="one@example.org"))
    asked, never_asked = Unconfined(settings, database), Unconfined(settings, database)
    assert asked()
    with postgres_server.away():
        assert asked()
        with pytest.raises(OperationalError):
            never_asked()
    with database.write() as connection:
        users.insert(connection, rows.user("two", email="two@example.org"))
    assert not asked()
    with postgres_server.away():
        assert not asked()
    database.close()
