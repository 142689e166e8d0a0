"""Rows that an earlier version wrote mean the same after the upgrade."""

from alembic import command
from sqlalchemy import text

from araneus.model.access import Permissions
from araneus.model.project import Member
from araneus.store import members, projects
from araneus.store.database import Database
from araneus.store.upgrade import configuration


def test_members_keep_what_they_were_given(url: str) -> None:
    """Before 0007 there were no teams: all that a member may do he was given himself."""
    database = Database.open(url)
    with database.write() as conn:
        command.upgrade(configuration(conn), "0006")
        conn.exec_driver_sql("INSERT INTO users VALUES ('u', 'u@example.org', '', '', '', false, false, 'g', 0)")
        project = "'u/p', 'u', 'p', 'p', '', 'v2', 'PRIVATE', 'g', '[]', '{}', 'r', 'u', 0, 0, 0"
        conn.exec_driver_sql(f"INSERT INTO projects VALUES ({project})")
        row = {"permissions": '{"read":true,"copy":false,"write":true,"execute":false,"admin":false}'}
        conn.execute(text("INSERT INTO members VALUES ('u/p', 'u', :permissions)"), row)
    database.migrate()
    expected = Permissions(write=True)
    with database.write() as conn:
        assert members.get(conn, "u/p", "u") == Member(project="u/p", username="u", permissions=expected)
        assert projects.permissions(conn, "u/p", "u") == expected
        assert members.delete(conn, "u/p", "u")
        assert projects.permissions(conn, "u/p", "u") is None
    database.close()
