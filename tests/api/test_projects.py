"""Projects and members over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Server
from tests.api.test_edge import error

PROJECT_FIELDS = {
    "href", "id", "name", "description", "type", "billing_group", "tags", "settings", "root_folder", "created_by",
    "created_on", "modified_on", "category", "permissions",
}  # fmt: skip
ALL = {"read": True, "copy": True, "write": True, "execute": True, "admin": True}


def make_project(client: httpx.Client, name: str = "My Project", **body: Any) -> dict[str, Any]:
    response = client.post("/v2/projects", json={"name": name, **body})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def invite(client: httpx.Client, project: str, username: str, **permissions: bool) -> httpx.Response:
    body = {"username": username, "permissions": permissions or {"read": True}}
    return client.post(f"/v2/projects/{project}/members", json=body)


def test_a_project_has_exactly_the_documented_fields(client: httpx.Client, server: Server) -> None:
    project = make_project(client, tags=["a", "b", "a"], description="d")
    assert set(project) == PROJECT_FIELDS
    assert project["id"] == "rosalind/my-project"
    assert project["href"] == f"{server.url}/v2/projects/rosalind/my-project"
    assert project["permissions"] == ALL
    assert project["tags"] == ["a", "b"]
    assert project["settings"]["use_interruptible_instances"] is True
    assert project["settings"]["intermediate_files"] == {"retention": "LIMITED", "duration": 24}
    assert project["category"] == "PRIVATE"
    assert project["type"] == "v2"
    assert project["created_on"].endswith("Z")
    assert client.get(project["href"]).json() == project
    root = client.get(f"/v2/files/{project['root_folder']}").json()
    assert root["type"] == "folder"
    assert "parent" not in root


def test_short_names_get_numbers(client: httpx.Client, other: httpx.Client) -> None:
    assert [make_project(client, "Ä b!")["id"] for _ in range(3)] == [
        "rosalind/a-b",
        "rosalind/a-b-1",
        "rosalind/a-b-2",
    ]
    assert make_project(other, "a b")["id"] == "francis/a-b"
    assert make_project(client, "日本")["id"] == "rosalind/project"


def test_simultaneous_creations_all_get_their_own_id(server: Server, client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: make_project(client, "same"), range(16)))
    assert len({project["id"] for project in made}) == 16
    assert client.get("/v2/projects").headers["x-total-matching-query"] == "16"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, 3007)),
        ({"name": "  "}, (400, 3007)),
        ({"name": "x", "type": "v1"}, (400, 3010)),
        ({"name": "x", "billing_group": "nope"}, (400, 4005)),
        ({"name": "x", "billing_group": "1f6b0c55-0000-4000-8000-1234567890ab"}, (404, 4002)),
        ({"name": "x" * 256}, (400, 90000)),
        ({"name": "a\x01b"}, (400, 90000)),
        ({"name": "x", "tags": ["a,b"]}, (400, 5033)),
        ({"name": "x", "settings": {"locked": "yes"}}, (400, 90000)),
        ({"name": "x", "settings": {"intermediate_files": {"duration": 121}}}, (400, 90000)),
        ({"name": "x", "settings": {"intermediate_files": {"retention": "NEVER"}}}, (400, 90000)),
    ],
)
def test_bad_projects_are_refused(client: httpx.Client, body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert error(client.post("/v2/projects", json=body)) == expected
    assert client.get("/v2/projects").json()["items"] == []


def test_lists_are_short_unless_asked_and_pages_lead_to_each_other(client: httpx.Client, server: Server) -> None:
    for number in range(7):
        make_project(client, f"p {number}", tags=["even" if number % 2 == 0 else "odd"])
    first = client.get("/v2/projects?limit=3&name=P&name=p").json()
    assert [set(item) for item in first["items"]] == [{"href", "id", "name"}] * 3
    assert first["href"].startswith(server.url)
    seen, page = [], client.get(first["href"])
    while True:
        assert page.headers["x-total-matching-query"] == "7"
        seen += [item["id"] for item in page.json()["items"]]
        links = {link["rel"]: link for link in page.json()["links"]}
        assert all(link["method"] == "GET" and link["href"].startswith(server.url) for link in links.values())
        assert all(f'<{link["href"]}>; rel="{rel}"' in page.headers["link"] for rel, link in links.items())
        assert "name=P&name=p" in page.json()["href"]
        if "next" not in links:
            break
        page = client.get(links["next"]["href"])
    assert seen == [f"rosalind/p-{number}" for number in range(7)]
    assert set(links) == {"prev"}
    assert client.get("/v2/projects?limit=1000").json()["links"] == []
    assert len(client.get("/v2/projects?fields=_all").json()["items"][0]) == len(PROJECT_FIELDS)
    tagged = client.get("/v2/projects", params={"tags": "odd"})
    assert tagged.headers["x-total-matching-query"] == "3"
    assert client.get("/v2/projects?tags=odd&tags=even").json()["items"] == []
    assert client.get("/v2/projects?category=PUBLIC").json()["items"] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 12) | st.sampled_from([2**31, 2**63, 10**17]), limit=st.integers(0, 120))
def test_any_window_shows_that_part_of_the_list(client: httpx.Client, offset: int, limit: int) -> None:
    if client.get("/v2/projects").headers["x-total-matching-query"] == "0":
        for number in range(9):
            make_project(client, f"q{number}")
    page = client.get("/v2/projects", params={"offset": offset, "limit": limit})
    names = [f"q{number}" for number in range(9)][offset : offset + (min(limit, 100) or 100)]
    assert [item["name"] for item in page.json()["items"]] == names
    rels = {link["rel"] for link in page.json()["links"]}
    assert ("prev" in rels) == (offset > 0)
    assert ("next" in rels) == (offset + (limit or 100) < 9)


def test_editing_merges_settings_and_keeps_the_id(client: httpx.Client) -> None:
    project = make_project(client)
    edited = client.patch(
        project["href"], json={"name": "Other", "settings": {"use_memoization": True}, "use_elastic_disk": True}
    ).json()
    assert edited["id"] == project["id"]
    assert edited["name"] == "Other"
    assert edited["settings"] == project["settings"] | {"use_memoization": True, "use_elastic_disk": True}
    assert client.patch(project["href"], json={"tags": ["x"]}).json()["tags"] == ["x"]
    assert client.patch(project["href"], json={"name": "N"}).json()["tags"] == ["x"]
    assert client.patch(project["href"], json={"tags": None}).json()["tags"] == []
    assert client.patch(project["href"], json={"settings": {"location": "moon", "unknown": 1}}).json() == client.get(
        project["href"]
    ).json() | {"modified_on": client.get(project["href"]).json()["modified_on"]}
    assert client.get(project["href"]).json()["settings"]["location"] == project["settings"]["location"]
    assert error(client.patch(project["href"], json={"name": ""})) == (400, 3007)


def test_what_is_not_yours_does_not_exist(client: httpx.Client, other: httpx.Client) -> None:
    path = f"/v2/projects/{make_project(client)['id']}"
    for method, tail in [
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/members"), ("POST", "/members"),
        ("GET", "/members/rosalind"), ("DELETE", "/members/rosalind"), ("GET", "/members/rosalind/permissions"),
        ("PATCH", "/members/rosalind/permissions"),
    ]:  # fmt: skip
        assert error(other.request(method, path + tail, json={} if method != "GET" else None)) == (404, 3002), tail
    assert other.get("/v2/projects").json()["items"] == []
    assert other.get("/v2/projects/rosalind").json()["items"] == []
    assert error(other.get("/v2/projects/nobody/nothing")) == (404, 3002)


def test_permissions_decide_what_a_member_may_do(client: httpx.Client, other: httpx.Client) -> None:
    project = make_project(client)
    path = f"/v2/projects/{project['id']}"
    assert invite(client, project["id"], "francis").status_code == 201
    assert other.get(path).json()["permissions"] == {**dict.fromkeys(ALL, False), "read": True}
    assert error(other.patch(path, json={"description": "x"})) == (403, 3001)
    assert error(invite(other, project["id"], "maurice")) == (403, 3001)
    assert error(other.delete(path)) == (403, 3001)
    assert client.patch(f"{path}/members/francis/permissions", json={"write": True}).json()["write"] is True
    assert other.patch(path, json={"description": "x"}).json()["description"] == "x"
    assert error(other.patch(path, json={"name": "x"})) == (403, 3001)
    assert error(other.patch(path, json={"tags": []})) == (403, 3001)
    assert other.get("/v2/projects/rosalind").json()["items"][0]["id"] == project["id"]
    assert client.delete(f"{path}/members/francis").status_code == 204
    assert error(other.get(path)) == (404, 3002)


def test_members(client: httpx.Client, other: httpx.Client, server: Server) -> None:
    project = make_project(client)["id"]
    path = f"/v2/projects/{project}/members"
    added = client.post(path, json={"email": "francis@example.org", "permissions": {"write": True, "read": False}})
    assert added.status_code == 201
    member = added.json()
    assert member == {
        "href": f"{server.url}{path}/francis",
        "id": "francis",
        "username": "francis",
        "email": "francis@example.org",
        "type": "USER",
        "permissions": {"read": True, "copy": False, "write": True, "execute": False, "admin": False},
    }
    assert client.get(member["href"]).json() == member
    assert [item["username"] for item in other.get(path).json()["items"]] == ["francis", "rosalind"]
    assert error(invite(client, project, "francis", read=True)) == (409, 3003)
    assert error(invite(client, project, "nobody", read=True)) == (404, 2002)
    assert error(client.post(path, json={"permissions": {"read": True}})) == (400, 3005)
    assert error(client.post(path, json={"username": "maurice", "permissions": {}})) == (400, 3011)
    assert error(client.post(path, json={"username": "maurice", "permissions": {"read": "yes"}})) == (400, 90000)
    assert error(client.post(path, json={"username": "t", "type": "TEAM", "permissions": {"read": True}})) == (
        404,
        90003,
    )
    assert error(client.get(f"{path}/maurice")) == (404, 3002)
    assert error(client.put(f"{path}/francis/permissions", json={"read": True})) == (400, 3013)
    whole = {**ALL, "admin": False, "copy": False}
    assert client.put(f"{path}/francis/permissions", json=whole).json() == whole
    assert client.get(f"{path}/francis/permissions").json() == whole


def test_the_last_administrator_stays(client: httpx.Client, other: httpx.Client) -> None:
    project = make_project(client)["id"]
    path = f"/v2/projects/{project}/members"
    assert error(client.delete(f"{path}/rosalind")) == (400, 90000)
    assert error(client.patch(f"{path}/rosalind/permissions", json={"admin": False})) == (400, 90000)
    assert invite(client, project, "francis", admin=True).status_code == 201
    assert client.delete(f"{path}/rosalind").status_code == 204
    assert error(client.get(path)) == (404, 3002)
    assert error(other.delete(f"{path}/francis")) == (400, 90000)


def test_two_administrators_cannot_remove_each_other(client: httpx.Client, other: httpx.Client) -> None:
    project = make_project(client)["id"]
    path = f"/v2/projects/{project}/members"
    invite(client, project, "francis", admin=True)
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda pair: pair[0].delete(f"{path}/{pair[1]}"), [(client, "francis"), (other, "rosalind")])
        )
    assert sorted(answer.status_code for answer in answers)[0] == 204
    assert any(answer.status_code != 204 for answer in answers)


def test_aliases_redirect_with_the_query(client: httpx.Client, server: Server) -> None:
    project = make_project(client)
    for resource in ("files", "apps", "tasks"):
        answer = client.get(f"/v2/projects/{project['id']}/{resource}?name=a%26b&name=c&project=other/x")
        assert answer.status_code == 302
        assert answer.headers["location"] == (
            f"{server.url}/v2/{resource}?project=rosalind%2Fmy-project&name=a%26b&name=c"
        )
    followed = client.get(f"/v2/projects/{project['id']}/files", follow_redirects=True)
    assert followed.json()["items"] == []


def test_users(client: httpx.Client, other: httpx.Client, server: Server) -> None:
    me = client.get("/v2/user").json()
    assert set(me) == {
        "href", "username", "email", "first_name", "last_name", "affiliation", "phone", "address", "city", "state",
        "country", "zip_code", "role", "tags",
    }  # fmt: skip
    assert client.get(me["href"]).json() == me
    assert error(client.get("/v2/users/francis")) == (403, 2001)
    assert error(client.get("/v2/users/nobody")) == (403, 2001), "who is not there looks like who is a stranger"
    assert error(client.get("/v2/users")) == (400, 2105)
    invite(client, make_project(client)["id"], "francis", read=True)
    assert client.get("/v2/users/francis").json()["email"] == "francis@example.org"
    assert other.get("/v2/users/rosalind").json() == me


def test_billing_groups(client: httpx.Client, other: httpx.Client) -> None:
    listed = client.get("/v2/billing/groups?limit=1")
    assert listed.headers["x-total-matching-query"] == "1"
    (item,) = listed.json()["items"]
    assert set(item) == {"href", "id", "name"}
    group = client.get(item["href"]).json()
    assert set(group) == {"href", "id", "owner", "name", "type", "pending", "disabled", "balance"}
    assert group["type"] == "free"
    assert make_project(client, billing_group=group["id"])["billing_group"] == group["id"]
    assert error(other.get(item["href"])) == (404, 4002)
    assert error(client.get("/v2/billing/groups/x")) == (400, 4005)
    for kind in ("analysis", "egress"):
        assert client.get(f"{item['href']}/breakdown/{kind}?date_from=01-01-2024").json()["items"] == []
    (stored,) = client.get(f"{item['href']}/breakdown/storage?date_from=01-01-2024").json()["items"]
    assert (stored["active"]["size"], stored["active"]["cost"]["amount"]) == (0, 0)
    assert client.get("/v2/billing/invoices").json()["items"] == []
    assert error(client.get("/v2/billing/invoices/1")) == (404, 4002)
    assert client.get("/v2/billing/groups?offset=1").json()["items"] == []


def test_deleting_a_project(server: Server, client: httpx.Client) -> None:
    project = make_project(client)
    woken = len(server.wakeups)
    assert client.request("DELETE", project["href"], json={}).status_code == 204
    assert error(client.get(project["href"])) == (404, 3002)
    assert error(client.get(f"/v2/files/{project['root_folder']}")) == (404, 5002)
    assert len(server.wakeups) == woken + 1
    assert make_project(client)["id"] == project["id"]


def test_an_old_page_calls_the_name_project(client: httpx.Client) -> None:
    made = client.post("/v2/projects", json={"project": "Old One"})
    assert (made.status_code, made.json()["id"]) == (201, "rosalind/old-one")
