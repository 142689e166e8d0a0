"""Every operation on the things of a project, by callers with ever more permissions, against `permissions.txt`."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from araneus.api.call import Route
from araneus.api.routes import ROUTES, RouteTree
from araneus.model.errors import Refusal
from tests.api.conftest import Server, add_user, running
from tests.api.permission_table import COLUMNS, Row, rows
from tests.api.tasks_fixtures import a_file, act, code, make_lab
from tests.api.test_errands import ask, finished
from tests.api.test_files import make_folder
from tests.api.test_projects import make_project
from tests.api.uploading import start_upload, upload_file

TOOL = {
    "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "true", "inputs": {"files": "File[]?"},
    "outputs": [],
}  # fmt: skip
HELD: dict[str, dict[str, bool]] = {
    "reader": {"read": True},
    "copier": {"copy": True},
    "runner": {"copy": True, "execute": True},
    "writer": {"copy": True, "execute": True, "write": True},
    "admin": {"admin": True},
}
APART = {
    "/", "/rate_limit", "/user", "/users", "/divisions", "/divisions/{division}", "/divisions/{division}/teams",
    "/teams", "/teams/{team}", "/teams/{team}/members", "/teams/{team}/members/{username}", "/billing",
    "/billing/groups", "/billing/invoices", "/billing/invoices/{invoice}", "/projects", "/projects/{owner}",
    "/upload/parts/{upload}/{number}", "/downloads/{file}/{name}", "/async/files", "/async/files/copy/{job_id}",
    "/async/files/move/{job_id}", "/upload/multipart", "/openapi.json", "/docs", "/docs/api-status-codes",
    "/apps/{owner}/{project}/{app}/{revision}/raw", "/araneus/tasks/{task}/rerun-failed",
    "/araneus/memos", "/araneus/memos/{memo}", "/araneus/memos/{memo}/actions/invalidate",
}  # fmt: skip
"""Paths that do not depend on permissions in a project, or have tests of their own: lists of one's own things,
divisions, signed URLs, reruns, results that are reused."""
_numbers = count(1)


@dataclass
class Place:
    """What one caller meets: Rosalind's project, in which he holds something, and his own. Made as it is asked for."""

    owner: httpx.Client
    caller: httpx.Client
    name: str
    known: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """The id for a name of the table; things in the project are new each time, as rows may change them."""
        if name in self.known:
            return self.known[name]
        return self._makers()[name]()

    def _makers(self) -> dict[str, Callable[[], str]]:
        project, mine = self.known["project"], self.known["mine"]
        return {
            "new": lambda: f"new-{next(_numbers)}",
            "fresh": lambda: self.project(f"Fresh {next(_numbers)}"),
            "file": lambda: str(upload_file(self.owner, f"f{next(_numbers)}.txt", b"x", project=project)["id"]),
            "myfile": lambda: str(upload_file(self.caller, f"f{next(_numbers)}.txt", b"x", project=mine)["id"]),
            "folder": lambda: str(make_folder(self.owner, f"d{next(_numbers)}", project=project)["id"]),
            "app": lambda: self.app(self.owner, project),
            "myapp": lambda: self.app(self.caller, mine),
            "appcopy": self.copied_app,
            "task": self.task,
            "running": lambda: self.task("?action=run"),
            "upload": lambda: str(start_upload(self.owner, f"u{next(_numbers)}", 1, project=project)["upload_id"]),
            "errand": lambda: str(ask(self.owner, "delete", {"file": "f" * 24})["id"]),
        }

    def project(self, name: str) -> str:
        """A project of Rosalind's with the caller and Dorothy in it."""
        made = str(make_project(self.owner, name)["id"])
        self.owner.post(f"/v2/projects/{made}/members", json={"username": "dorothy", "permissions": {"read": True}})
        if self.name in HELD:
            body = {"username": self.name, "permissions": HELD[self.name]}
            self.owner.post(f"/v2/projects/{made}/members", json=body).raise_for_status()
        return made

    def app(self, client: httpx.Client, project: str) -> str:
        """An app of one revision."""
        name = f"{project}/app-{next(_numbers)}"
        client.post(f"/v2/apps/{name}/raw", json=TOOL).raise_for_status()
        return name

    def copied_app(self) -> str:
        """A copy, inside the project, of an app there."""
        name, project = f"copy-{next(_numbers)}", self.known["project"]
        body = {"project": project, "name": name}
        self.owner.post(f"/v2/apps/{self.app(self.owner, project)}/actions/copy", json=body).raise_for_status()
        return f"{project}/{name}"

    def task(self, query: str = "") -> str:
        """A draft, or one that was submitted: there is no scheduler here that would run it."""
        body = {"project": self.known["project"], "app": self.known["steady"]}
        return str(self.owner.post(f"/v2/tasks{query}", json=body).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("permissions")) as started:
        for name in (*COLUMNS, "dorothy"):
            started.tokens[name] = add_user(started.services.database, name)
        yield started


@pytest.fixture(scope="module")
def places(server: Server) -> Iterator[dict[str, Place]]:
    with server.client() as owner:
        made = {name: Place(owner, server.client(name), name) for name in COLUMNS}
        account = owner.get("/v2/billing/groups").json()["items"][0]["id"]
        token = owner.get("/v2/users/rosalind/tokens").json()["items"][0]["id"]
        for place in made.values():
            project = place.project(f"Project for {place.name}")
            place.known |= {
                "project": project, "mine": str(make_project(place.caller, "Mine")["id"]), "caller": place.name,
                "member": "dorothy", "owner": "rosalind", "group": account, "token": token, "tool": json.dumps(TOOL),
                "steady": place.app(owner, project),
            }  # fmt: skip
        yield made
        for place in made.values():
            place.caller.close()


def status_of(place: Place, row: Row, answer: httpx.Response) -> int:
    """The status of the answer, or that of the one entry of a call about many."""
    if not row.each or answer.status_code >= 400:
        return answer.status_code
    told = answer.json()
    if row.path.startswith("/async/"):
        ended = finished(place.caller, told)
        assert ended["completed_files"] + ended["failed_files"] == 1
        told = {"items": ended["result"]}
    entry = told[0] if isinstance(told, list) else (told.get("items") or list(told.values()))[0]
    if entry is None:
        return 404
    return int(entry["error"]["status"]) if isinstance(entry, dict) and "error" in entry else 200


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_permissions(places: dict[str, Place], row: Row, column: str) -> None:
    place = places[column]
    filled: dict[str, str] = {}

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        filled.setdefault(name, place.value(name))
        return filled[name]

    path, body = (re.sub(r"\{([a-z]+)\}", fill, text) for text in (row.path, row.body))
    expected = row.statuses[COLUMNS.index(column)]
    answer = place.caller.request(
        row.method, "/v2" + quote(path, safe="/?&="), json=json.loads(body) if body else None, follow_redirects=False
    )
    assert status_of(place, row, answer) == expected, answer.text


def test_the_table_leaves_no_operation_out() -> None:
    tree, known = RouteTree(ROUTES), set()
    for row in rows():
        path = re.sub(r"\{(project|fresh)\}", "o/p", row.path.partition("?")[0])
        path = re.sub(r"\{(app|myapp|appcopy)\}", "o/p/a", path)
        try:
            known.add(tree.find(row.method, re.sub(r"\{\w+\}", "x", path))[0])
        except Refusal as refusal:
            raise AssertionError(row.name) from refusal
    assert {
        f"{route.method} {route.path}" for route in ROUTES if route not in known and route.path not in APART
    } == set()


@pytest.mark.parametrize("route", [route for route in ROUTES if route.auth], ids=lambda one: f"{one.method} {one.path}")
def test_disabled_users_and_revoked_tokens_are_nobody(server: Server, route: Route, gone: dict[str, str]) -> None:
    path = re.sub(r"\{\w+\}", "x", route.path)
    told = {}
    for name, token in gone.items():
        answer = httpx.request(route.method, f"{server.url}/v2{path}", headers={"X-SBG-Auth-Token": token}, json={})
        told[name] = (answer.status_code, answer.text, answer.headers.get("x-total-matching-query"))
    assert told["disabled"] == told["revoked"] == told["unknown"]
    assert told["unknown"][0] == 401


@pytest.fixture(scope="module")
def gone(server: Server) -> dict[str, str]:
    """Tokens that were good once, and one that never was."""
    database = server.services.database
    boss = add_user(database, "boss", admin=True)
    told = {name: add_user(database, name) for name in ("disabled", "revoked")}
    with httpx.Client(base_url=server.url, headers={"X-SBG-Auth-Token": boss}) as client:
        client.delete("/v2/users/disabled").raise_for_status()
        href = client.get("/v2/users/revoked/tokens").json()["items"][0]["href"]
        client.delete(href).raise_for_status()
    return {**told, "unknown": "0" * 32}


def test_links_are_worth_what_their_askers_may_do_now(server: Server, places: dict[str, Place]) -> None:
    """A link works for whoever has it, until its asker loses the permission; no other link can be made of it."""
    place = places["writer"]
    project = place.project("Links")
    file = upload_file(place.owner, "linked.txt", b"x", project=project)
    other = upload_file(place.owner, "other.txt", b"y", project=project)
    url = place.caller.get(f"/v2/files/{file['id']}/download_info").json()["url"]
    upload = start_upload(place.caller, "part.txt", 1, project=project)
    part = place.caller.get(f"{upload['href']}/part/1").json()["url"]
    assert httpx.get(url).content == b"x"
    assert httpx.get(url, headers=places["stranger"].caller.headers).content == b"x"
    assert httpx.get(url.replace(file["id"], other["id"])).status_code == 403
    assert httpx.get(url.replace("by=writer", "by=rosalind")).status_code == 403
    assert httpx.put(part.replace("/1?", "/2?"), content=b"z").status_code == 403
    assert httpx.get(part).status_code == 405
    place.owner.delete(f"/v2/projects/{project}/members/writer").raise_for_status()
    answers = [httpx.get(url), httpx.put(part, content=b"z")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert all("linked" not in answer.text + str(answer.headers) for answer in answers)


def test_lists_count_only_what_one_may_see(places: dict[str, Place]) -> None:
    place = places["stranger"]
    for path in ("projects", "tasks", "apps", "async/files", "upload/multipart", "projects/rosalind"):
        answer: Any = place.caller.get(f"/v2/{path}?limit=100")
        listed = answer.json()["items"]
        assert int(answer.headers["x-total-matching-query"]) == len(listed)
        assert "rosalind" not in json.dumps(listed), path


def test_a_task_elsewhere_is_no_way_around_the_permission_to_copy(server: Server) -> None:
    """Who may only read a project could let a task in his own write its files out again."""
    with make_lab(server) as theirs, make_lab(server, "maurice", "Mine") as mine:
        mine.install()
        file, own = theirs.file("a.txt"), mine.file("b.txt")
        with theirs.admit("maurice", read=True, execute=True) as maurice:
            task = mine.task(inputs={"text": a_file(file)})
            assert [(error["code"], error["input"]) for error in task["errors"]] == [(5014, "text")]
            assert code(act(mine, task, "run")) == (400, 7024)
            beside = a_file(own) | {"secondaryFiles": [a_file(file)]}
            assert [error["code"] for error in mine.task(inputs={"text": beside})["errors"]] == [5014]
            theirs.install()
            inside = {"project": theirs.project, "app": f"{theirs.project}/head", "inputs": {"text": a_file(file)}}
            assert maurice.post("/v2/tasks", json=inside).json()["errors"] == [], "it stays in its project"
            granted = f"/v2/projects/{theirs.project}/members/maurice/permissions"
            assert theirs.client.patch(granted, json={"copy": True}).status_code == 200
            assert act(mine, task, "run").json()["status"] == "QUEUED"
