"""Tools and apps that mean harm, or do it by accident, in a whole server: each ends with a sentence, others go on."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live import Server
from tests.visitor import Visitor, globbed, shell


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    server = Server(tmp_path_factory.mktemp("hostile") / "data", {"ARANEUS__JOBS__CORES": "4"})
    server.start()
    visitor = Visitor.owner(server)
    yield visitor
    visitor.http.close()
    assert server.stop() == 0


@pytest.fixture(scope="module")
def project(owner: Visitor) -> str:
    return owner.project("Hostile")


def failure(owner: Visitor, project: str, name: str, raw: dict[str, Any], inputs: dict[str, Any] | None = None) -> str:
    """The message of a task that must fail."""
    found = owner.ended(owner.run(owner.app(project, name, raw), inputs or {}))
    assert found["status"] == "FAILED", found["outputs"]
    message: str = found["execution_status"]["message"]
    assert "Internal error" not in message
    return message


def nested(depth: int) -> dict[str, Any]:
    script = f"mkdir d; cd d; i=1; while [ $i -lt {depth} ]; do mkdir x; cd x; i=$((i+1)); done; echo deep > f"
    return shell(script, outputs={"d": globbed("d", "Directory")})


def test_directories_may_be_deep_but_not_endless(owner: Visitor, project: str) -> None:
    outputs = owner.completed(owner.run(owner.app(project, "deep", nested(60)), {}))
    folder, depth = outputs["d"]["path"], 1
    while (found := owner.get("/files", parent=folder, fields="_all")["items"][0])["type"] == "folder":
        folder, depth = found["id"], depth + 1
    assert (depth, owner.content(found["id"])) == (60, b"deep\n")
    assert "deep" in failure(owner, project, "deeper", nested(1000))


def test_deep_folders_as_inputs(owner: Visitor, project: str) -> None:
    top = folder = owner.folder("top", owner.root(project))
    for _ in range(1000):
        folder = owner.folder("x", folder)
    tool = shell("true", inputs={"d": "Directory"})
    assert "deep" in failure(owner, project, "takes", tool, {"d": {"class": "Directory", "path": top}})


def test_a_file_larger_than_the_disk_is_not_read(owner: Visitor, project: str) -> None:
    tool = shell("truncate -s 8P huge 2>/dev/null || truncate -s 15T huge", outputs={"o": globbed("huge")})
    began = time.monotonic()
    message = failure(owner, project, "sparse", tool)
    assert "space" in message
    assert time.monotonic() - began < 20
