"""A server that is killed in the middle of an asynchronous job of files goes on with it, and does nothing twice."""

import time
from pathlib import Path
from typing import Any

from tests.live import PATIENCE, Server
from tests.visitor import Visitor

FILES = 400


def job(visitor: Visitor, begun: dict[str, Any], enough: int | None = None) -> dict[str, Any]:
    """The job when it is finished, or when ``enough`` files are done."""
    deadline = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < deadline:
        found: dict[str, Any] = visitor.get(f"/async/files/{begun['type'].lower()}/{begun['id']}")
        if found["state"] == "FINISHED" or (enough is not None and found["completed_files"] >= enough):
            return found
        time.sleep(0.01)
    raise AssertionError(f"{found}\n{visitor.server.logs()}")


def names(visitor: Visitor, folder: str) -> list[str]:
    found: list[str] = []
    while True:
        page = visitor.get(f"/files/{folder}/list", limit="100", offset=str(len(found)))
        found += [item["name"] for item in page["items"]]
        if not page["links"] or page["links"][0]["rel"] != "next":
            return found


def test_killed_in_the_middle(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    owner = Visitor.owner(server)
    project = owner.project("Killed")
    root = owner.root(project)
    source = owner.file(root, "x", b"bytes")
    many, target = owner.folder("many", root), owner.folder("target", root)
    expected = [f"f{number:03}" for number in range(FILES)]
    kinds: list[tuple[str, list[dict[str, str]]]] = [
        ("copy", [{"file": source, "parent": many, "name": name} for name in expected]),
        ("copy", [{"file": many, "parent": target}]),
        ("move", [{"file": many, "parent": target, "name": "moved"}]),
        ("delete", [{"file": target}]),
    ]
    for kind, items in kinds:
        begun = owner.post(f"/async/files/{kind}", {"items": items})
        before = job(owner, begun, enough=1)
        owner.http.close()
        server.kill()
        server.start()
        owner = Visitor.owner(server)
        ended = job(owner, begun)
        total = 2 * FILES if kind == "delete" else FILES
        assert (ended["total_files"], ended["completed_files"], ended["failed_files"]) == (total, total, 0)
        assert before["completed_files"] <= total
        if kind == "copy":
            assert names(owner, many) == expected
    left = owner.get("/files", project=project)["items"]
    assert [item["name"] for item in left] == ["x"]
    assert owner.content(source) == b"bytes"
    owner.http.close()
    assert server.stop() == 0
