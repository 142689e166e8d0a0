"""Teams and divisions as members: what everybody may do always follows from what he and his crowds were given."""

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import reduce
from operator import or_

import pytest
from sqlalchemy import select

from araneus.model.access import Permissions
from araneus.model.division import Division, DivisionMember, Team
from araneus.model.errors import Fault, Refusal
from araneus.model.project import Crowd, CrowdMember, Member
from araneus.store import crowds, divisions, members, projects, tables, users
from araneus.store.database import Connection, Database
from araneus.testing import rows

PEOPLE = ("crick", "wilkins", "watson")
PROJECTS = ("rfranklin/dna", "rfranklin/rna")
TEAMS = ("11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002")
DIVISIONS = ("kings", "cavendish")
WRITER, RUNNER = Permissions(write=True), Permissions(execute=True, copy=True)


def fill(conn: Connection) -> None:
    for project in PROJECTS:
        rows.add_project(conn, rows.project(project))
    for user in PEOPLE:
        users.insert(conn, rows.user(user))
    for name in DIVISIONS:
        divisions.insert(conn, Division(id=name, name=name, created_on=rows.at(0)))
    for number, team in enumerate(TEAMS):
        divisions.insert_team(
            conn, Team(id=team, division="kings", name=f"t{number}", created_by="rfranklin", created_on=rows.at(0))
        )


def expected(conn: Connection, project: str) -> dict[str, Permissions]:
    """What everybody may do, from the beginning."""
    found: dict[str, list[Permissions]] = {}
    own = select(tables.members.c.username, tables.members.c.own).where(tables.members.c.project == project)
    for user, permissions in conn.execute(own):
        found.setdefault(user, []).extend([permissions] if permissions else [])
    for member in crowds.page(conn, project, offset=0, limit=100).items:
        for user in ("rfranklin", *PEOPLE):
            if (member.crowd, member.id) in crowds.of_user(conn, user):
                found.setdefault(user, []).append(member.permissions)
    return {user: reduce(or_, given) for user, given in found.items() if given}


def actual(conn: Connection, project: str) -> dict[str, Permissions]:
    table = tables.members
    query = select(table.c.username, table.c.permissions).where(table.c.project == project)
    return dict(row for row in conn.execute(query))


def act(conn: Connection, dice: random.Random) -> None:
    """Something that happens to crowds or members; what is refused changes nothing."""
    project, user, team = dice.choice(PROJECTS), dice.choice(PEOPLE), dice.choice(TEAMS)
    crowd, name = dice.choice([(Crowd.TEAM, team), (Crowd.DIVISION, dice.choice(DIVISIONS))])
    permissions = dice.choice([WRITER, RUNNER, Permissions()])
    known = crowds.get(conn, project, name)
    match dice.randrange(9):
        case 0 if known is None:
            crowds.insert(conn, CrowdMember(project=project, crowd=crowd, id=name, permissions=permissions))
        case 1 if known is not None:
            crowds.save(conn, replace(known, permissions=permissions))
        case 2 if known is not None:
            crowds.delete(conn, known)
        case 3:
            divisions.add_to_team(conn, team, user)
        case 4:
            divisions.remove_from_team(conn, team, user)
        case 5:
            divisions.put_member(conn, DivisionMember(username=user, division=dice.choice(DIVISIONS)))
        case 6:
            projects.lock(conn, project)
            members.insert(conn, Member(project=project, username=user, permissions=permissions))
        case 8:
            divisions.remove_member(conn, user)
        case 7:
            projects.lock(conn, project)
            members.delete(conn, project, user)


def attempt(database: Database, dice: random.Random) -> None:
    try:
        with database.write() as conn:
            act(conn, dice)
    except Refusal as refusal:
        if refusal.fault not in {Fault.CONFLICT, Fault.USER_EXISTS, Fault.PROJECT_EXISTS}:
            raise


@pytest.mark.parametrize("seed", range(4))
def test_permissions_follow_whatever_happens(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    with database.write() as conn:
        fill(conn)
    for _ in range(120):
        attempt(database, dice)
        with database.read() as conn:
            for project in PROJECTS:
                assert actual(conn, project) == expected(conn, project)


def test_changes_at_the_same_time_do_not_pass_each_other_by(database: Database) -> None:
    with database.write() as conn:
        fill(conn)

    def work(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            attempt(database, dice)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with database.read() as conn:
        for project in PROJECTS:
            assert actual(conn, project) == expected(conn, project)


def test_a_team_that_goes_takes_its_rights_along(database: Database) -> None:
    with database.write() as conn:
        fill(conn)
        divisions.add_to_team(conn, TEAMS[0], "crick")
        crowds.insert(conn, CrowdMember(project=PROJECTS[0], crowd=Crowd.TEAM, id=TEAMS[0], permissions=WRITER))
        assert projects.permissions(conn, PROJECTS[0], "crick") == WRITER
        assert members.get(conn, PROJECTS[0], "crick") is None
        assert [member.username for member in members.all_members(conn, PROJECTS[0])] == ["rfranklin"]
        assert members.share_project(conn, "crick", "rfranklin")
        divisions.delete_team(conn, TEAMS[0])
        assert projects.permissions(conn, PROJECTS[0], "crick") is None
        assert crowds.page(conn, PROJECTS[0], offset=0, limit=5).items == []
