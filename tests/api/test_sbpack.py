"""sbpack and sbpull, unchanged: push a workflow of several files, push it again, pull what was pushed."""

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from araneus.api.app_documents import MANAGED_KEYS
from tests.api.conftest import Server
from tests.api.tasks_fixtures import TOOL, WORKFLOW, Lab, make_lab

with warnings.catch_warnings():
    # sbpack reads its version file in a way that newer Pythons warn of.
    warnings.simplefilter("ignore", DeprecationWarning)
    from sbpack import pack, unpack


@pytest.fixture
def lab(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A project, and the environment in which the command-line tools find the server (profile ``.``)."""
    monkeypatch.setenv("SB_API_ENDPOINT", f"{server.url}/v2")
    monkeypatch.setenv("SB_AUTH_TOKEN", server.tokens["rosalind"])
    with make_lab(server) as made:
        yield made


def command(monkeypatch: pytest.MonkeyPatch, main: Any, *arguments: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    return main()


def sources(directory: Path) -> Path:
    """A workflow file that runs a tool file."""
    (directory / "head.cwl").write_text(yaml.safe_dump(TOOL))
    workflow = json.loads(json.dumps(WORKFLOW))
    workflow["steps"][0]["run"] = "head.cwl"
    path = directory / "workflow.cwl"
    path.write_text(yaml.safe_dump(workflow))
    return path


def plain(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in MANAGED_KEYS and key != "id"}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_push_revise_and_pull(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, app = sources(tmp_path), f"{lab.project}/heads"
    packed = pack.pack(str(path))
    command(monkeypatch, pack.main, ".", app, str(path))
    first = lab.client.get(f"/v2/apps/{app}").json()
    assert (first["revision"], plain(first["raw"])) == (0, plain(packed))
    assert first["raw"]["sbg:validationErrors"] == []
    assert "sbpack" in first["raw"]["sbg:revisionNotes"]
    command(monkeypatch, pack.main, ".", app, str(path))
    assert lab.client.get(f"/v2/apps/{app}").json()["revision"] == 1
    for identity in (app, f"{app}/", f"{app}/0"):
        pulled = tmp_path / "pulled.cwl"
        assert command(monkeypatch, unpack.main, ".", identity, str(pulled)) == 0
        assert plain(yaml.safe_load(pulled.read_text())) == plain(packed)
    assert command(monkeypatch, unpack.main, ".", f"{lab.project}/none", str(tmp_path / "none")) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_was_pulled_and_unpacked_can_be_pushed(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, app = sources(tmp_path), f"{lab.project}/heads"
    command(monkeypatch, pack.main, ".", app, str(path))
    (tmp_path / "out").mkdir()
    command(monkeypatch, unpack.main, ".", app, str(tmp_path / "out" / "main.cwl"), "--unpack")
    command(monkeypatch, pack.main, ".", f"{lab.project}/again", str(tmp_path / "out" / "main.cwl"))
    again = lab.client.get(f"/v2/apps/{lab.project}/again").json()["raw"]
    assert again["sbg:validationErrors"] == []
    assert again["class"] == "Workflow"
