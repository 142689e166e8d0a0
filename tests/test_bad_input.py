"""What people get wrong, against a whole server: each mistake has its message, HTTP status and numeric code, nothing is
lost by it, and none of it is a fault of the server."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live import Server
from tests.visitor import Visitor, araneus, file, globbed, shell

TASK = "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"
FILE = "5f0c1ab2e4b0aa11cc22dd33"
COPY = shell(
    'cat "$1"',
    inputs={
        "text": {"type": "File", "inputBinding": {"position": 1}},
        "number": "int?",
        "kind": {"type": ["null", {"type": "enum", "symbols": ["a", "b"]}]},
    },
    outputs={"out": globbed("out.txt")},
    stdout="out.txt",
)


class House:
    """Two users; the first has a project with a file, a folder, an app, a draft and an upload."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.owner = Visitor.owner(server)
        self.stranger = Visitor.added(server, "stranger")
        self.project = self.owner.project("Mine")
        self.root = self.owner.root(self.project)
        self.file = self.owner.file(self.root, "a.txt", b"abc\n", {"sample_id": "A"})
        self.folder = self.owner.folder("folder", self.root)
        self.app = self.owner.app(self.project, "copy", COPY)
        body = {"project": self.project, "app": self.app, "inputs": {"text": file(self.file)}, "name": "draft"}
        self.draft = str(self.owner.post("/tasks", body)["id"])
        upload = {"project": self.project, "name": "u", "size": 3}
        self.upload = str(self.owner.post("/upload/multipart", upload)["upload_id"])

    def everything(self) -> Any:
        """All that a mistake could spoil, as the owner sees it."""
        owner = self.owner
        lists = ("files", "tasks", "apps")
        return [
            owner.get(f"/projects/{self.project}"),
            owner.get(f"/projects/{self.project}/members", fields="_all"),
            *(owner.get(f"/{name}", project=self.project, fields="_all", limit="100") for name in lists),
            owner.get(f"/upload/multipart/{self.upload}"),
            owner.content(self.file),
        ]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    settings = {"ARANEUS__JOBS__CORES": "4", "ARANEUS__JAVASCRIPT__TIME_LIMIT": "2"}
    server = Server(tmp_path_factory.mktemp("mistakes") / "data", settings)
    server.start()
    made = House(server)
    yield made
    made.owner.http.close()
    made.stranger.http.close()
    assert server.stop() == 0
    assert "request_failed" not in (server.data / "log" / "api.log").read_text()


def refused(answer: httpx.Response, status: int, code: int, *words: str) -> None:
    """The answer is an error body as documented, with these words in its message."""
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["more_info"].startswith("http")
    for word in words:
        assert word in body["message"], body["message"]


REQUESTS: list[tuple[str, str, Any, int, int, str]] = [
    ("POST", "/projects", b'{"name": ', 400, 90009, "not JSON"),
    ("POST", "/projects", b"\xff\xfe", 400, 90009, "not JSON"),
    ("POST", "/projects", b"[" * 100_000, 400, 90009, "nested too deeply"),
    ("POST", "/projects", {"name": 5}, 400, 90000, "`$.name`"),
    ("POST", "/projects", {"name": ""}, 400, 3007, "name"),
    ("POST", "/projects", {"name": "x" * 300}, 400, 90000, "255"),
    ("POST", "/projects", {"name": "a\0b"}, 400, 90000, "NUL"),
    ("POST", "/projects", [], 400, 90000, "object"),
    ("GET", "/projects/nobody/none", None, 404, 3002, "does not exist"),
    ("GET", "/files/none", None, 404, 5002, "does not exist"),
    ("GET", f"/files/{FILE}", None, 404, 5002, "does not exist"),
    ("GET", "/files", None, 400, 5029, "project"),
    ("GET", "/files?project=mine", None, 400, 5005, "owner/project"),
    ("POST", "/files", {"name": "x", "parent": FILE, "type": "folder"}, 404, 5026, "does not exist"),
    ("GET", "/apps/nobody/none/none", None, 404, 6002, "does not exist"),
    ("GET", f"/tasks/{TASK}", None, 404, 7002, "does not exist"),
    ("GET", "/tasks/12", None, 400, 7005, "UUID"),
    ("POST", "/tasks/12/actions/run", None, 400, 7005, "UUID"),
    ("GET", "/tasks?status=DONE", None, 400, 7006, "DONE"),
    ("GET", "/tasks?limit=many", None, 400, 90000, "limit"),
    ("GET", "/upload/multipart/none", None, 404, 8003, "does not exist"),
    ("GET", "/nothing", None, 404, 90003, "nothing at"),
    ("PATCH", "/user", {}, 405, 90006, "not allowed"),
]  # fmt: skip


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: f"{row[0]} {row[1]} {row[4]}")
def test_requests(house: House, row: tuple[str, str, Any, int, int, str]) -> None:
    method, path, body, status, code, words = row
    before = house.everything()
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    refused(house.owner.http.request(method, path, **content), status, code, words)
    assert house.everything() == before


NAMES = ["a/b", "../up", "..", ".", "", "a\0b", "x" * 300, "line\nbreak"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files(house: House, name: str) -> None:
    before, owner = house.everything(), house.owner
    nul = 90000 if "\0" in name else 0
    upload = {"project": house.project, "name": name, "size": 1}
    refused(owner.http.post("/upload/multipart", json=upload), 400, nul or 8013, "name" if not nul else "NUL")
    refused(owner.http.patch(f"/files/{house.file}", json={"name": name}), 400, nul or 5024)
    copy = {"project": house.project, "name": name}
    if name:  # without a name a copy keeps the one it has
        refused(owner.http.post(f"/files/{house.file}/actions/copy", json=copy), 400, nul or 5024)
    folder = {"name": name, "parent": house.root, "type": "folder"}
    refused(owner.http.post("/files", json=folder), 400, nul or 5024)
    assert house.everything() == before


def test_tokens(house: House) -> None:
    endpoint = house.server.credentials["api_endpoint"]
    refused(httpx.get(f"{endpoint}/user"), 401, 90001, "missing")
    for wrong in (b"0" * 32, b"x", "ü".encode(), b"a" * 5000):
        refused(httpx.get(f"{endpoint}/user", headers={b"X-SBG-Auth-Token": wrong}), 401, 90001, "not valid")
    token = araneus("token", "create", "stranger", "--data", str(house.server.data)).split()[-1]
    headers = {"X-SBG-Auth-Token": token}
    assert httpx.get(f"{endpoint}/user", headers=headers).status_code == 200
    araneus("token", "revoke", token, "--data", str(house.server.data))
    refused(httpx.get(f"{endpoint}/user", headers=headers), 401, 90001, "revoked")


def test_ids_of_somebody_else(house: House) -> None:
    before, him = house.everything(), house.stranger.http
    theirs = house.stranger.project("Theirs")
    mine: list[tuple[str, str, Any, int]] = [
        ("GET", f"/projects/{house.project}", None, 3002),
        ("PATCH", f"/projects/{house.project}", {"name": "x"}, 3002),
        ("DELETE", f"/projects/{house.project}", None, 3002),
        ("POST", f"/projects/{house.project}/members", {"username": "stranger", "permissions": {"read": True}}, 3002),
        ("GET", f"/files?project={house.project}", None, 3002),
        ("GET", f"/files?parent={house.folder}", None, 5002),
        ("GET", f"/files/{house.file}/download_info", None, 5002),
        ("DELETE", f"/files/{house.file}", None, 5002),
        ("POST", f"/files/{house.file}/actions/copy", {"project": theirs}, 5002),
        ("POST", f"/files/{house.file}/actions/move", {"parent": house.stranger.root(theirs)}, 5002),
        ("POST", "/files", {"name": "x", "parent": house.folder, "type": "folder"}, 5026),
        ("POST", "/upload/multipart", {"project": house.project, "name": "x", "size": 1}, 3002),
        ("DELETE", f"/upload/multipart/{house.upload}", None, 8003),
        ("GET", f"/upload/multipart/{house.upload}/part/1", None, 8003),
        ("GET", f"/apps/{house.app}/raw", None, 6002),
        ("POST", f"/apps/{house.app}/1/raw", COPY, 3002),
        ("POST", f"/apps/{house.app}/actions/copy", {"project": theirs}, 6002),
        ("POST", "/tasks", {"project": theirs, "app": house.app}, 6002),
        ("POST", "/tasks", {"project": house.project, "app": house.app}, 3002),
        ("GET", f"/tasks/{house.draft}", None, 7002),
        ("PATCH", f"/tasks/{house.draft}", {"name": "x"}, 7002),
        ("DELETE", f"/tasks/{house.draft}", None, 7002),
        *[("POST", f"/tasks/{house.draft}/actions/{action}", None, 7002) for action in ("run", "clone", "abort")],
    ]
    for method, path, body, code in mine:
        refused(him.request(method, path, json=body), 404, code, "does not exist")
    app = house.stranger.app(theirs, "copy", COPY)
    for inputs in ({"text": file(house.file)}, {"text": {**file(FILE), "secondaryFiles": [file(house.file)]}}):
        task = house.stranger.post("/tasks", {"project": theirs, "app": app, "inputs": inputs}, action="run")
        assert (task["status"], "that you can read" in task["errors"][0]["message"]) == ("DRAFT", True)
    assert house.everything() == before


def test_documents_that_are_not_apps(house: House) -> None:
    before, owner = house.everything(), house.owner
    loose = {
        "class": "Workflow", "cwlVersion": "v1.2", "inputs": {},
        "outputs": {"o": {"type": "File", "outputSource": "no/o"}},
        "steps": {"s": {"run": COPY, "in": {"text": "missing", "number": "absent"}, "out": ["out"]}},
    }  # fmt: skip
    path = f"/apps/{house.project}/broken/raw"
    refused(owner.http.post(path, json=loose), 400, 90000, "missing", "absent", "no/o", "steps/s")
    refused(owner.http.post(path, json={"class": "Nonsense"}), 400, 90000, "class")
    refused(owner.http.post(path, json={"cwlVersion": "v1.2"}), 400, 90000, "class")
    refused(owner.http.post(path, content=b"class: ["), 400, 90000)
    refused(owner.http.post(f"/apps/{house.app}/1/raw", json=loose), 400, 90000, "missing")
    assert house.everything() == before


def created(house: House, inputs: dict[str, Any], app: str = "") -> Any:
    body = {"project": house.project, "app": app or house.app, "inputs": inputs}
    return house.owner.post("/tasks", body, action="run")


def test_inputs_that_do_not_fit(house: House) -> None:
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({}, "text", "Required input text is not set"),
        ({"text": {"class": "File", "path": house.folder}}, "text", "is a folder, not a file"),
        ({"text": file(FILE)}, "text", "that you can read"),
        ({"text": "a.txt"}, "text", "File"),
        ({"text": file(house.file), "number": "three"}, "number", "int"),
        ({"text": file(house.file), "number": 2**40}, "number", "int"),
        ({"text": file(house.file), "kind": "c"}, "kind", "a"),
    ]
    for inputs, port, words in wrong:
        task = created(house, inputs)
        (error,) = task["errors"]
        assert (task["status"], error["input"], words in error["message"]) == ("DRAFT", port, True), error
        refused(house.owner.http.post(f"/tasks/{task['id']}/actions/run"), 400, 7024)
        assert house.owner.http.delete(f"/tasks/{task['id']}").status_code == 204


def test_a_file_deleted_after_the_draft(house: House) -> None:
    gone = house.owner.file(house.root, "gone.txt", b"x")
    body = {"project": house.project, "app": house.app, "inputs": {"text": file(gone)}}
    task = house.owner.post("/tasks", body)
    assert task["errors"] == []
    assert house.owner.http.delete(f"/files/{gone}").status_code == 204
    refused(house.owner.http.post(f"/tasks/{task['id']}/actions/run"), 400, 7024, gone)
    kept = house.owner.get(f"/tasks/{task['id']}")
    assert (kept["status"], kept["inputs"]["text"]["path"], len(kept["errors"])) == ("DRAFT", gone, 1)


def failed(house: House, name: str, raw: dict[str, Any], patience: float = 60) -> str:
    app = house.owner.app(house.project, name, raw)
    found = house.owner.ended(house.owner.run(app, {}), patience)
    assert found["status"] == "FAILED"
    assert all(value is None for value in found["outputs"].values())
    return str(found["execution_status"]["message"])


def test_tools_that_fail(house: House) -> None:
    message = failed(house, "absent", shell("true") | {"baseCommand": ["no-such-tool"]})
    assert "Command not found: no-such-tool" in message
    message = failed(house, "fails", shell("echo first >&2; echo the last line >&2; exit 1"))
    assert message.startswith("Job fails failed with exit code 1.\n")
    assert "standard error:\nfirst\nthe last line\nLogs: " in message
    message = failed(house, "empty", shell("echo x > other.txt", outputs={"table": globbed("*.csv")}))
    assert "Job empty did not produce a required output" in message
    assert "*.csv" in message
    assert "other.txt" in message


def test_an_endless_expression_holds_up_nobody(house: House) -> None:
    endless = {
        "class": "ExpressionTool", "cwlVersion": "v1.2", "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": {}, "outputs": {"o": "int"}, "expression": "${ while (true) {} }",
    }  # fmt: skip
    app = house.owner.app(house.project, "endless", endless)
    stuck = [house.owner.run(app, {}) for _ in range(3)]
    began = time.monotonic()
    quick = house.owner.run(house.app, {"text": file(house.file)})
    assert house.owner.content(house.owner.completed(quick)["out"]) == b"abc\n"
    assert time.monotonic() - began < 10
    for task in stuck:
        found = house.owner.ended(task, 30)
        assert found["status"] == "FAILED"
        assert "while (true)" in found["execution_status"]["message"]
        assert "ran longer than its time limit" in found["execution_status"]["message"]
    assert time.monotonic() - began < 30


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "small"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def test_a_disk_that_fills_up(small_disk: Path, tmp_path: Path) -> None:
    settings = {"ARANEUS__STORAGE__DIRECTORY": str(small_disk / "storage")}
    server = Server(tmp_path / "data", settings | {"ARANEUS__JOBS__DIRECTORY": str(small_disk / "jobs")})
    server.start()
    owner = Visitor.owner(server)
    project = owner.project("Full")
    kept = owner.file(owner.root(project), "kept.txt", b"kept")
    fill = shell("head -c 60000000 /dev/zero > big && echo done", outputs={"big": globbed("big")})
    found = owner.ended(owner.run(owner.app(project, "fill", fill), {}))
    assert (found["status"], found["outputs"]) == ("FAILED", {"big": None})
    assert "space" in found["execution_status"]["message"]
    for left in (small_disk / "jobs").glob("*/*/big"):  # as the administrator is told to
        left.unlink()
    begun = owner.post("/upload/multipart", {"project": project, "name": "big", "size": 30_000_000})
    url = owner.get(f"/upload/multipart/{begun['upload_id']}/part/1")["url"]
    refused(httpx.put(url, content=b"x" * 30_000_000), 400, 8007, "full")
    assert owner.content(kept) == b"kept"
    assert [item["name"] for item in owner.get("/files", project=project)["items"]] == ["kept.txt"]
    small = owner.app(project, "small", shell("echo ok", outputs={"o": globbed("o")}, stdout="o"))
    assert owner.content(owner.completed(owner.run(small, {}))["o"]) == b"ok\n"
    owner.http.close()
    assert server.stop() == 0
