"""The commands that come with sbpack, as a person uses them: profiles in a credentials file, two servers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live import Server
from tests.visitor import Visitor, globbed, shell

pytestmark = pytest.mark.xdist_group("clients")
JOIN = shell(
    'cat "$@"',
    inputs={"texts": {"type": "File[]", "inputBinding": {"position": 1}}},
    outputs={"joined": globbed("joined.txt")},
    stdout="joined.txt",
)
WORKFLOW: dict[str, Any] = {
    "class": "Workflow", "cwlVersion": "v1.2", "label": "Two steps", "requirements": [], "inputs": {"texts": "File[]"},
    "outputs": {"all": {"type": "File", "outputSource": "join/joined"}},
    "steps": {"join": {"run": "join.cwl", "in": {"texts": "texts"}, "out": ["joined"]}},
}  # fmt: skip


@dataclass
class Desk:
    """Where a person works: two servers, a profile for each, a home and a working directory."""

    here: Visitor
    there: Visitor
    home: Path

    def run(self, name: str, *arguments: str, code: int = 0) -> str:
        """What a command said, which must end with this code."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("SB_")}
        done = subprocess.run(
            [Path(sys.executable).parent / name, *arguments], cwd=self.home, env={**kept, "HOME": str(self.home)},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def pulled(self, profile: str, app: str) -> dict[str, Any]:
        self.run("sbpull", profile, app, "pulled.cwl")
        found: dict[str, Any] = yaml.safe_load((self.home / "pulled.cwl").read_text())
        return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("home")
    visitors = []
    for name in ("here", "there"):
        server = Server(tmp_path_factory.mktemp(name) / "data", {"ARANEUS__JOBS__CORES": "2"})
        server.start()
        visitors.append(Visitor.owner(server))
    here, there = visitors
    (home / ".sevenbridges").mkdir()
    profiles = {"default": here, "there": there}
    (home / ".sevenbridges" / "credentials").write_text("".join(
        f"[{name}]\napi_endpoint = {visitor.server.credentials['api_endpoint']}\nauth_token = {visitor.token}\n\n"
        for name, visitor in profiles.items()
    ))  # fmt: skip
    (home / "join.cwl").write_text(yaml.safe_dump(JOIN))
    (home / "main.cwl").write_text(yaml.safe_dump(WORKFLOW))
    yield Desk(here, there, home)
    for visitor in visitors:
        visitor.http.close()
        assert visitor.server.stop() == 0


@pytest.fixture(scope="module")
def app(desk: Desk) -> str:
    """A workflow with two revisions."""
    identity = f"{desk.here.project('Commands')}/main"
    desk.run("sbpack", "default", identity, "main.cwl")
    (desk.home / "main.cwl").write_text(yaml.safe_dump(WORKFLOW | {"label": "Revised"}))
    desk.run("sbpack", "default", identity, "main.cwl")
    return identity


def test_what_was_pushed_is_pulled_by_revision(desk: Desk, app: str) -> None:
    assert [desk.pulled("default", f"{app}{rest}")["label"] for rest in ("", "/0", "/1")] == [
        "Revised", "Two steps", "Revised",
    ]  # fmt: skip
    assert "not found" in desk.run("sbpull", "default", f"{app}-2", "none.cwl", code=1)


def test_what_is_pulled_in_pieces_can_be_pushed_again_and_runs(desk: Desk, app: str) -> None:
    said = desk.run("sbpull", "default", app, "pieces/main.cwl", "--unpack")
    assert "join.cwl" in said
    again = f"{app.rpartition('/')[0]}/again"
    desk.run("sbpack", "default", again, "pieces/main.cwl")
    project = app.rpartition("/")[0]
    root = desk.here.root(project)
    texts = [{"class": "File", "path": desk.here.file(root, f"{name}.txt", name.encode())} for name in "ab"]
    assert desk.here.content(desk.here.completed(desk.here.run(again, {"texts": texts}))["all"]) == b"ab"


def test_apps_are_copied_on_one_server(desk: Desk, app: str) -> None:
    target = desk.here.project("Copied here")
    said = desk.run("sbcopy", "--profile", "default", "--appid", app, "--projectid", target)
    assert "App created successfully" in said
    assert desk.pulled("default", f"{target}/main")["label"] == "Revised"
    assert "App revision created" in desk.run(
        "sbcopy", "--profile", "default", "--appid", f"{app}/0", "--projectid", target
    )
    found = desk.here.get(f"/apps/{target}/main")
    assert (found["revision"], found["name"]) == (1, "Two steps")


def test_apps_are_copied_from_server_to_server_and_run_there(desk: Desk, app: str) -> None:
    target = desk.there.project("Copied there")
    desk.run("sbcopy", "--profile", "default", "there", "--appid", app, "--projectid", target)
    root = desk.there.root(target)
    texts = [{"class": "File", "path": desk.there.file(root, f"{name}.txt", name.encode())} for name in "xyz"]
    assert desk.there.content(desk.there.completed(desk.there.run(f"{target}/main", {"texts": texts}))["all"]) == b"xyz"


def test_a_nextflow_app_is_copied_with_its_code(desk: Desk) -> None:
    """The app as sbpack_nf makes it, which does not start itself: it imports a module that setuptools has no more."""
    project = desk.here.project("Flows")
    code = desk.here.file(desk.here.root(project), "flow.zip", b"PK\x05\x06" + bytes(18))
    raw = {
        "class": "nextflow", "cwlVersion": "None", "inputs": [], "outputs": [], "requirements": [],
        "app_content": {"code_package": code, "entrypoint": "main.nf", "executor_version": "23.10.1"},
    }  # fmt: skip
    desk.here.app(project, "flow", raw)
    target = desk.there.project("Flows there")
    desk.run("sbcopy", "--profile", "default", "there", "--appid", f"{project}/flow", "--projectid", target)
    copied = desk.there.get(f"/apps/{target}/flow/raw")["app_content"]
    assert copied["entrypoint"] == "main.nf"
    assert desk.there.content(copied["code_package"]) == desk.here.content(code)


def test_a_manifest_is_remapped_and_uploaded(desk: Desk) -> None:
    project = desk.here.project("Manifests")
    root = desk.here.root(project)
    folder = desk.here.folder("reads", root)
    desk.here.file(folder, "a.fq", b"@a\n")
    (desk.home / "sheet.csv").write_text("sample,reads\nA,reads/a.fq\n")
    desk.run(
        "sbmanifest", "--projectid", project, "--sample-sheet", "sheet.csv", "--columns", "reads", "--output",
        "out.csv", "--upload", "--tags", "sheet", "--validate",
    )  # fmt: skip
    (uploaded,) = desk.here.get("/files", project=project, tag="sheet")["items"]
    assert uploaded["name"] == "out.csv"
    assert b"a.fq" in desk.here.content(uploaded["id"])
