"""Administrators, disabled users, tokens, divisions and teams."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from araneus.model.division import Division, DivisionMember, Role
from araneus.store import divisions, users
from tests.api.conftest import Server, utc_now
from tests.api.test_edge import error
from tests.api.test_files import make_folder
from tests.api.test_projects import invite, make_project
from tests.api.uploading import download_url, start_upload, upload_file


@pytest.fixture
def admin(server: Server) -> Iterator[httpx.Client]:
    """Maurice administers the server."""
    with server.services.database.write() as conn:
        maurice = users.get(conn, "maurice")
        assert maurice is not None
        users.save(conn, replace(maurice, admin=True))
    with server.client("maurice") as opened:
        yield opened


def with_token(server: Server, token: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"X-SBG-Auth-Token": token}, timeout=60)


def test_a_user_is_added_gets_a_token_and_is_disabled(server: Server, admin: httpx.Client) -> None:
    made = admin.post("/v2/users", json={"username": "dorothy", "email": "d@example.org", "first_name": "Dorothy"})
    assert made.status_code == 201
    assert made.json()["email"] == "d@example.org"
    assert error(admin.post("/v2/users", json={"username": "dorothy"})) == (409, 2003)
    for bad in ("", "a b", "x" * 65, ".."):
        assert error(admin.post("/v2/users", json={"username": bad})) == (400, 90000)
    tokens = f"{made.json()['href']}/tokens"
    granted = admin.post(tokens, json={"label": "laptop", "days": 30}).json()
    with with_token(server, granted["token"]) as dorothy:
        assert dorothy.get("/v2/user").json()["username"] == "dorothy"
        (listed,) = dorothy.get(tokens, params={"fields": "_all"}).json()["items"]
        assert (listed["label"], listed["expired"], listed["id"]) == ("laptop", False, granted["id"])
        assert "token" not in listed
        assert error(dorothy.post(tokens, json={})) == (403, 2001)
        assert admin.delete(made.json()["href"]).status_code == 204
        assert error(dorothy.get("/v2/user")) == (401, 90001)
        assert admin.patch(made.json()["href"], json={"disabled": False}).json()["disabled"] is False
        assert dorothy.get("/v2/user").status_code == 200
        assert dorothy.delete(granted["href"]).status_code == 204
        assert error(dorothy.get("/v2/user")) == (401, 90001)
    assert error(admin.delete(granted["href"])) == (404, 90003)


def test_a_token_expires(server: Server, admin: httpx.Client) -> None:
    granted = admin.post("/v2/users/francis/tokens", json={"days": 1}).json()
    with with_token(server, granted["token"]) as francis, server.services.database.read() as conn:
        assert francis.get("/v2/user").status_code == 200
        from araneus.model.user import token_digest

        digest = token_digest(granted["token"])
        assert users.by_token(conn, digest, utc_now() + timedelta(hours=23)) is not None
        assert users.by_token(conn, digest, utc_now() + timedelta(hours=25)) is None
    for bad in (0, -1, 10**9, "x"):
        assert error(admin.post("/v2/users/francis/tokens", json={"days": bad})) == (400, 90000)


def test_who_is_no_administrator_changes_only_himself(client: httpx.Client, other: httpx.Client) -> None:
    assert error(client.post("/v2/users", json={"username": "x"})) == (403, 2001)
    for path in ("francis", "nobody"):
        assert error(client.delete(f"/v2/users/{path}")) == (403, 2001)
        assert error(client.patch(f"/v2/users/{path}", json={"email": "x"})) == (403, 2001)
        assert error(client.get(f"/v2/users/{path}/tokens")) == (403, 2001)
    assert error(client.delete("/v2/users/rosalind")) == (403, 2001)
    for power in ({"admin": True}, {"disabled": False}):
        assert error(client.patch("/v2/users/rosalind", json=power)) == (403, 2001)
    changed = client.patch("/v2/users/rosalind", json={"affiliation": "King's College"}).json()
    assert changed["affiliation"] == "King's College"
    assert client.get("/v2/user").json()["affiliation"] == "King's College"
    assert error(client.patch("/v2/users/rosalind", json={"email": "francis@example.org"})) == (409, 2003)
    own = client.get("/v2/users/rosalind/tokens").json()["items"]
    assert error(other.delete(own[0]["href"])) == (403, 2001)
    assert other.get("/v2/user").json()["username"] == "francis"


def test_the_last_administrator_stays(admin: httpx.Client) -> None:
    assert error(admin.delete("/v2/users/maurice")) == (400, 90000)
    assert error(admin.patch("/v2/users/maurice", json={"admin": False})) == (400, 90000)
    assert admin.patch("/v2/users/francis", json={"admin": True}).status_code == 200
    assert admin.delete("/v2/users/maurice").status_code == 204
    assert error(admin.get("/v2/user")) == (401, 90001)


def test_links_end_with_the_account_and_with_the_rights(
    client: httpx.Client, other: httpx.Client, admin: httpx.Client
) -> None:
    project = make_project(client)["id"]
    invite(client, project, "francis", copy=True, write=True)
    made = upload_file(client, "a", b"bytes", project=project)
    hers, his = download_url(client, made["id"]), download_url(other, made["id"])
    upload = start_upload(other, "b", 3, project=project)
    part = other.get(f"{upload['href']}/part/1").json()["url"]
    permissions = f"/v2/projects/{project}/members/francis/permissions"
    assert httpx.get(his).content == b"bytes"
    client.patch(permissions, json={"copy": False, "write": False})
    assert error(httpx.get(his)) == (403, 90002)
    assert error(httpx.put(part, content=b"abc")) == (403, 90002)
    client.patch(permissions, json={"copy": True, "write": True})
    assert httpx.get(his).content == b"bytes"
    admin.delete("/v2/users/francis")
    assert error(httpx.get(his)) == (403, 90002)
    assert error(httpx.put(part, content=b"abc")) == (403, 90002)
    assert error(httpx.get(his.replace("by=francis", "by=rosalind"))) == (403, 90002)
    assert httpx.get(hers).content == b"bytes"


@pytest.fixture
def division(server: Server) -> None:
    """King's: Rosalind leads it, Maurice belongs to it, Francis to another one."""
    with server.services.database.write() as conn:
        for name in ("kings", "cavendish"):
            divisions.insert(conn, Division(id=name, name=name.capitalize(), created_on=utc_now()))
        for username, of, role in (
            ("rosalind", "kings", Role.ADMIN), ("maurice", "kings", Role.MEMBER), ("francis", "cavendish", Role.ADMIN),
        ):  # fmt: skip
            divisions.put_member(conn, DivisionMember(username=username, division=of, role=role))


@pytest.mark.usefixtures("division")
def test_the_python_client_on_divisions_and_teams(server: Server) -> None:
    api = server.api()
    (kings,) = api.divisions.query()
    assert (kings.id, kings.name) == ("kings", "Kings")
    assert api.divisions.get("kings") == kings
    assert [user.username for user in kings.get_members()] == ["maurice", "rosalind"]
    assert [user.username for user in kings.get_members(role="admin")] == ["rosalind"]
    team = api.teams.create("Diffraction", division=kings)
    assert api.teams.get(team.id).name == "Diffraction"
    team.name = "Crystals"
    team.save()
    member = team.add_member("maurice")
    assert (member.username, member.role) == ("maurice", "MEMBER")
    assert [found.username for found in team.get_members()] == ["maurice"]
    assert [found.name for found in kings.get_teams()] == []
    assert [found.name for found in api.teams.query(division=kings, list_all=True)] == ["Crystals"]
    assert [found.name for found in server.api("maurice").teams.query(division="kings")] == ["Crystals"]
    team.remove_member("maurice")
    assert len(team.get_members()) == 0
    api.users.get("maurice").disable()
    assert httpx.get(f"{server.url}/v2/user", headers={"X-SBG-Auth-Token": server.tokens["maurice"]}).status_code == 401


@pytest.mark.usefixtures("division")
def test_other_divisions_do_not_exist(server: Server, client: httpx.Client, other: httpx.Client) -> None:
    team = client.post("/v2/teams", json={"name": "t", "division": "kings"}).json()
    assert error(client.post("/v2/teams", json={"name": "t", "division": "kings"})) == (409, 90007)
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/members"), ("POST", "/members"), ("DELETE", "/members/x"),
    ):  # fmt: skip
        answer = other.request(method, team["href"] + path, json={"name": "x", "id": "francis"})
        assert error(answer) == (404, 90003), (method, path)
    for path in (
        "/v2/users?division=kings",
        "/v2/teams?division=kings",
        "/v2/divisions/kings",
        "/v2/divisions/kings/teams",
    ):
        assert error(other.get(path)) == (404, 90003), path
    assert error(other.post("/v2/teams", json={"name": "x", "division": "kings"})) == (404, 90003)
    assert error(other.get("/v2/users/maurice")) == (403, 2001)
    assert error(other.delete("/v2/users/maurice")) == (403, 2001)
    assert client.get("/v2/users/maurice").status_code == 200
    with server.client("maurice") as member:
        for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/members"), ("DELETE", "/members/x")):
            assert error(member.request(method, team["href"] + path, json={"name": "x"})) == (403, 90002), (
                method,
                path,
            )
        assert error(member.post("/v2/teams", json={"name": "x", "division": "kings"})) == (403, 90002)
    assert error(client.post(f"{team['href']}/members", json={"id": "francis"})) == (404, 2002)
    assert client.post(f"{team['href']}/members", json={"id": "maurice"}).status_code == 201
    assert error(client.post(f"{team['href']}/members", json={"id": "maurice"})) == (409, 90007)
    assert client.delete(team["href"]).status_code == 204
    assert error(client.get(team["href"])) == (404, 90003)


def test_without_a_division(client: httpx.Client) -> None:
    assert client.get("/v2/divisions").json()["items"] == []
    assert error(client.get("/v2/users")) == (400, 2105)
    assert error(client.get("/v2/teams")) == (400, 2105)
    for path in ("/v2/users?division=kings", "/v2/teams?division=kings"):
        assert error(client.get(path)) == (400, 90000)
    assert error(client.get("/v2/divisions/kings")) == (404, 90003)
    assert error(client.get("/v2/teams/nonsense")) == (404, 90003)


BAD_TEAMS: list[Any] = [{}, {"name": ""}, {"name": "x" * 256}, {"name": "a\nb"}, {"name": 5}]


@pytest.mark.usefixtures("division")
@pytest.mark.parametrize("body", BAD_TEAMS)
def test_bad_names_of_teams(client: httpx.Client, body: Any) -> None:
    assert error(client.post("/v2/teams", json={"division": "kings", **body})) == (400, 90000)


@pytest.mark.usefixtures("division")
def test_the_python_client_on_teams_and_divisions_in_projects(server: Server) -> None:
    api = server.api()
    project = api.projects.create("Helix")
    team = api.teams.create("Diffraction", division="kings")
    team.add_member("maurice")
    member = project.add_member_team(team, permissions={"write": True})
    assert (member.id, member.username, member.type) == (team.id, team.id, "TEAM")
    assert [(found.id, found.permissions["admin"]) for found in project.get_members()] == [
        ("rosalind", True),
        (team.id, False),
    ]
    with server.client("maurice") as maurice:
        assert [found["id"] for found in maurice.get("/v2/projects").json()["items"]] == [project.id]
        assert make_folder(maurice, "photo-51", project=project.id)["project"] == project.id
        member = project.get_member(team.id)
        member.permissions["write"] = False
        member.save()
        body = {"name": "photo-52", "type": "folder", "project": project.id}
        assert error(maurice.post("/v2/files", json=body)) == (403, 5001)
        project.remove_member(team.id)
        assert error(maurice.get(f"/v2/projects/{project.id}")) == (404, 3002)
        whole = project.add_member_division("kings", permissions={"copy": True})
        assert (whole.id, whole.type) == ("kings", "DIVISION")
        assert maurice.get(f"/v2/projects/{project.id}").json()["permissions"]["copy"] is True


@pytest.mark.usefixtures("division")
def test_rights_by_team_end_at_once(server: Server, client: httpx.Client) -> None:
    project = make_project(client)["id"]
    members = f"/v2/projects/{project}/members"
    team = client.post("/v2/teams", json={"name": "t", "division": "kings"}).json()
    client.post(f"{team['href']}/members", json={"id": "maurice"})
    by_team = {"username": team["id"], "type": "team", "permissions": {"copy": True, "write": True}}
    assert client.post(members, json=by_team).status_code == 201
    assert error(client.post(members, json=by_team)) == (409, 3003)
    file = upload_file(client, "a", b"bytes", project=project)
    with server.client("maurice") as maurice:
        shown = maurice.get(f"/v2/projects/{project}").json()["permissions"]
        assert shown == {"read": True, "copy": True, "write": True, "execute": False, "admin": False}
        link = download_url(maurice, file["id"])
        assert httpx.get(link).status_code == 200
        assert error(maurice.get(f"{members}/maurice")) == (404, 3002)
        assert client.delete(f"{team['href']}/members/maurice").status_code == 204
        assert error(maurice.get(f"/v2/projects/{project}")) == (404, 3002)
        assert error(httpx.get(link)) == (403, 90002)
        client.post(f"{team['href']}/members", json={"id": "maurice"})
        assert invite(client, project, "maurice", execute=True).status_code == 201
        shown = maurice.get(f"/v2/projects/{project}").json()["permissions"]
        assert (shown["write"], shown["execute"]) == (True, True)
        own = maurice.get(f"{members}/maurice/permissions").json()
        assert (own["write"], own["execute"]) == (False, True)
        assert client.delete(team["href"]).status_code == 204
        assert maurice.get(f"/v2/projects/{project}").json()["permissions"] == own
    listed = client.get(members, params={"limit": 1, "offset": 1})
    assert [member["id"] for member in listed.json()["items"]] == ["rosalind"]
    assert listed.headers["x-total-matching-query"] == "2"


@pytest.mark.usefixtures("division")
def test_which_teams_and_divisions_can_become_members(client: httpx.Client, other: httpx.Client) -> None:
    project, foreign = make_project(client)["id"], make_project(other)["id"]
    team = client.post("/v2/teams", json={"name": "t", "division": "kings"}).json()["id"]
    members, read = f"/v2/projects/{project}/members", {"permissions": {"read": True}}
    for kind, name in (("TEAM", team), ("DIVISION", "kings")):
        body = {"username": name, "type": kind, **read}
        assert error(other.post(f"/v2/projects/{foreign}/members", json=body)) == (404, 90003)
        assert error(other.post(members, json=body)) == (404, 3002)
        assert error(client.post(members, json=body | {"permissions": {}})) == (400, 3011)
    assert error(client.post(members, json={"type": "TEAM", **read})) == (400, 3005)
    assert error(client.post(members, json={"username": "x", "type": "GROUP", **read})) == (400, 90000)
    assert error(client.post(members, json={"username": "none", "type": "TEAM", **read})) == (404, 90003)
    assert client.post(members, json={"username": "kings", "type": "DIVISION", **read}).status_code == 201
    pages = [client.get(members, params={"limit": 1, "offset": offset}).json()["items"] for offset in range(3)]
    assert [[member["type"] for member in page] for page in pages] == [["USER"], ["DIVISION"], []]
    assert error(client.patch(f"{members}/rosalind/permissions", json={"admin": False})) == (400, 90000)
    assert client.patch(f"{members}/kings/permissions", json={"admin": True}).json()["admin"] is True
    assert error(client.delete(f"{members}/rosalind")) == (400, 90000), "a division may become empty"
    assert client.delete(f"{members}/kings").status_code == 204
    assert error(client.delete(f"{members}/kings")) == (404, 3002)
