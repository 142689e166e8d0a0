"""One session of the platform's own client, unmodified, against a whole server: both halves, real tools, real files."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sevenbridges.errors import BadRequest, Conflict, NotFound, TaskValidationError
from sevenbridges.models.enums import TransferState
from sevenbridges.models.file import File

from araneus.api.app_documents import MANAGED_KEYS
from araneus.model.upload import MIN_PART
from tests.visitor import Visitor, globbed, shell

SETTINGS = {"ARANEUS__JOBS__CORES": "4"}
JOIN = shell(
    'cat "$@"',
    inputs={
        "texts": {"type": "File[]", "inputBinding": {"position": 1}},
        "head": {"type": "File?", "inputBinding": {"position": 0}},
        "seconds": {"type": "int", "default": 0},
    },
    outputs={"joined": globbed("joined.txt")},
    stdout="joined.txt",
)
LABELS = ("First", "Second")
PACK = "import json, sys; from sbpack.pack import pack; print(json.dumps(pack(sys.argv[1])))"
SLEEP = shell("sleep 60", outputs={})


@pytest.fixture(scope="module")
def api(owner: Visitor) -> Iterator[Any]:
    opened = owner.api()
    yield opened
    opened.session.close()


@pytest.fixture(scope="module")
def project(api: Any) -> Any:
    return api.projects.create(name="Session", billing_group=api.billing_groups.query(limit=1)[0].id)


def uploaded(api: Any, path: Path, content: bytes, **where: Any) -> Any:
    path.write_bytes(content)
    return api.files.upload(str(path), **where).result()


def test_people_and_projects(owner: Visitor, api: Any) -> None:
    Visitor.added(owner.server, "session-guest")
    assert api.users.me().username == owner.username
    assert api.users.get("session-guest").email == "session-guest@example.org"
    made = api.projects.create(name="Röntgen's “first” <project>", description="d", tags=["x"])
    assert [found.id for found in api.projects.query(name="röntgen").all()] == [made.id]
    made.name = "Renamed"
    made.save()
    assert api.projects.get(made.id).name == "Renamed"
    member = made.add_member("session-guest", {"read": True})
    member.permissions["execute"] = True
    member.save()
    assert made.get_member("session-guest").permissions["execute"] is True
    assert {found.username for found in made.get_members().all()} == {owner.username, "session-guest"}
    made.remove_member("session-guest")
    assert [found.username for found in made.get_members().all()] == [owner.username]
    made.delete()
    with pytest.raises(NotFound):
        api.projects.get(made.id)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("size", [0, 1, MIN_PART, 2 * MIN_PART + 7])
def test_bytes_go_up_and_come_back(api: Any, project: Any, tmp_path: Path, size: int) -> None:
    content = (os.urandom(1 << 16) * (size // (1 << 16) + 1))[:size]
    source, target = tmp_path / f"bytes-{size}.bin", tmp_path / "back"
    source.write_bytes(content)
    made = api.files.upload(str(source), project=project, part_size=MIN_PART).result()
    assert (made.size, made.name) == (size, source.name)
    made.download(str(target))
    assert target.read_bytes() == content
    assert b"".join(made.stream()) == content
    # The client raises what the server answered in a thread of its own.
    refused = api.files.upload(str(source), project=project)
    assert (refused.status, refused.result()) == (TransferState.FAILED, None)
    again = api.files.upload(str(source), project=project, overwrite=True).result()
    assert [found.id for found in api.files.query(project=project, names=[source.name])] == [again.id]


def test_files_and_folders(api: Any, project: Any, tmp_path: Path) -> None:
    folder = api.files.create_folder("a_folder-1.x", project=project)
    file = uploaded(api, tmp_path / "a b.txt", b"abc", parent=folder)
    file.metadata = {"sample_id": "S", "Ünïcode key": "wert"}
    file.tags = ["one", "two words"]
    file.name = "ä b'c\".txt"
    file.save()
    again = api.files.get(file.id)
    assert (again.name, again.metadata["Ünïcode key"], again.tags) == ("ä b'c\".txt", "wert", ["one", "two words"])
    assert [found.id for found in api.files.query(parent=folder, metadata={"sample_id": "S"})] == [file.id]
    target = api.projects.create(name="Copies")
    copy = again.copy(project=target, name="copy.txt")
    assert (copy.content(), copy.metadata["sample_id"]) == ("abc", "S")
    moved = again.move_to_folder(api.files.get(project.root_folder), name="moved.txt")
    assert (moved.id, moved.name, folder.list_files().total) == (file.id, "moved.txt", 0)
    with pytest.raises(Conflict):
        uploaded(api, tmp_path / "moved2.txt", b"", project=project).move_to_folder(
            project.root_folder, name=moved.name
        )
    folder.delete()
    moved.delete()
    for gone in (folder, moved):
        with pytest.raises(NotFound):
            api.files.get(gone.id)
    assert copy.content() == "abc"


def test_apps(api: Any, project: Any) -> None:
    app = api.apps.install_app(f"{project.id}/tool", JOIN | {"label": "Tool"})
    assert (app.id, app.revision, app.raw["baseCommand"]) == (f"{project.id}/tool", 0, JOIN["baseCommand"])
    assert api.apps.create_revision(app.id, 1, JOIN | {"label": "Second"}).name == "Second"
    with pytest.raises(Conflict):
        api.apps.create_revision(app.id, 1, JOIN)
    assert api.apps.get_revision(app.id, 0).name == "Tool"
    assert api.apps.get(app.id).revision == 1
    target = api.projects.create(name="Apps")
    copy = app.copy(project=target, name="theirs")
    assert copy.id == f"{target.id}/theirs"
    assert [found.id for found in api.apps.query(project=target).all()] == [copy.id]


@pytest.fixture(scope="module")
def join(api: Any, project: Any) -> str:
    api.apps.install_app(f"{project.id}/join", JOIN)
    return f"{project.id}/join"


@pytest.fixture(scope="module")
def texts(api: Any, project: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    directory = tmp_path_factory.mktemp("texts")
    return [uploaded(api, directory / f"{name}.txt", f"{name}\n".encode(), project=project) for name in "abc"]


def test_a_task_from_its_draft_to_its_logs(api: Any, project: Any, join: str, texts: list[Any], tmp_path: Path) -> None:
    a, b, c = texts
    task = api.tasks.create("join", project, join, inputs={"texts": [a, b], "head": c})
    assert (task.status, task.errors, [file.id for file in task.inputs["texts"]]) == ("DRAFT", [], [a.id, b.id])
    task.inputs["head"] = b
    task.name = "joined"
    task = task.save()
    task.inputs["texts"] = [c, a]
    task.save()
    again = api.tasks.get(task.id)
    assert (again.name, again.inputs["head"].id, [f.id for f in again.inputs["texts"]]) == (
        "joined",
        b.id,
        [c.id, a.id],
    )
    again.run()
    again.wait(period=0.1)
    assert again.status == "COMPLETED", again.execution_status.message
    out = again.outputs["joined"]
    assert isinstance(out, File)
    out.download(str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"b\nc\na\n"
    out.reload()
    assert out.origin.task == again.id
    assert [f.id for f in api.files.query(project=project, origin={"task": again.id}).all()] == [out.id]
    (job,) = again.get_execution_details().jobs
    assert (job.name, job.status) == ("join", "COMPLETED")
    job.logs["cmd.log"].download(str(tmp_path / "cmd"))
    assert "cat" in (tmp_path / "cmd").read_text()
    assert 0.0 < again.price.amount < 0.01
    assert again.end_time >= again.start_time


def test_validation_errors_keep_the_draft(api: Any, project: Any, join: str, texts: list[Any]) -> None:
    with pytest.raises(TaskValidationError) as caught:
        api.tasks.create("bad", project, join, inputs={"head": texts[0], "seconds": "soon"}, run=True)
    task = caught.value.task
    assert (task.status, {error["input"] for error in task.errors}) == ("DRAFT", {"texts", "seconds"})
    with pytest.raises(BadRequest) as refused:
        task.run()
    assert refused.value.code == 7024
    task.delete()
    with pytest.raises(NotFound):
        api.tasks.get(task.id)


def test_clones(api: Any, project: Any, join: str, texts: list[Any]) -> None:
    task = api.tasks.create("origin", project, join, inputs={"texts": texts}, run=True)
    draft = task.clone(run=False)
    assert (draft.status, draft.inputs["texts"][1].id) == ("DRAFT", texts[1].id)
    draft.inputs["texts"] = texts[:1]
    draft.save()
    draft.run()
    running = task.clone()
    for one in (task, draft, running):
        one.wait(period=0.1)
        one.reload()
    assert [one.outputs["joined"].content() for one in (task, draft, running)] == ["a\nb\nc\n", "a\n", "a\nb\nc\n"]
    assert len({one.outputs["joined"].name for one in (task, draft, running)}) == 3


def test_abort(api: Any, project: Any) -> None:
    api.apps.install_app(f"{project.id}/sleep", SLEEP)
    task = api.tasks.create("sleeper", project, f"{project.id}/sleep", run=True)
    deadline = time.monotonic() + 30
    while not [job for job in task.get_execution_details().jobs if job.status == "RUNNING"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    task.abort()
    task.wait(period=0.1)
    assert (task.status, time.monotonic() - began < 20) == ("ABORTED", True)
    with pytest.raises(BadRequest) as caught:
        task.abort()
    assert caught.value.code == 7011


def test_a_hundred_and_twenty(api: Any, join: str, texts: list[Any]) -> None:
    project = api.projects.create(name="Many")
    made = [api.tasks.create(f"t{number}", project, join, inputs={"texts": texts}).id for number in range(120)]
    page = api.tasks.query(project=project, limit=50)
    assert page.total == 120
    assert {task.id for task in page.all()} == set(made)
    folders = {api.files.create_folder(f"f{number}", project=project).id for number in range(110)}
    assert {folder.id for folder in api.files.query(project=project, limit=100).all()} == folders
    records = api.tasks.bulk_get([*made[:5], "7d3f2a10-5c1b-4a0e-9b2e-2f6c1a9e0b41"])
    assert [record.valid for record in records] == [True] * 5 + [False]
    assert [record.resource.id for record in api.files.bulk_get(texts)] == [file.id for file in texts]
    assert (api.limit, api.rate_limit.get().rate.limit) == (1000, 1000)


def test_a_workflow_is_pushed_revised_and_pulled(owner: Visitor, project: Any, tmp_path: Path) -> None:
    (tmp_path / "join.cwl").write_text(yaml.safe_dump(JOIN))
    workflow: dict[str, Any] = {
        "class": "Workflow", "cwlVersion": "v1.2", "label": "First", "requirements": [], "inputs": {"texts": "File[]"},
        "outputs": {"all": {"type": "File", "outputSource": "join/joined"}},
        "steps": {"join": {"run": "join.cwl", "in": {"texts": "texts"}, "out": ["joined"]}},
    }  # fmt: skip
    app, main = f"{project.id}/pushed", tmp_path / "main.cwl"
    pulled = []
    for label in LABELS:
        main.write_text(yaml.safe_dump(workflow | {"label": label}))
        _command(owner, "sbpack", ".", app, str(main))
        _command(owner, "sbpull", ".", app, str(tmp_path / "pulled.cwl"))
        pulled.append(yaml.safe_load((tmp_path / "pulled.cwl").read_text()))
    assert [document["sbg:revision"] for document in pulled] == [0, 1]
    assert [document["label"] for document in pulled] == ["First", "Second"]
    packed = json.loads(_command(owner, "python", "-c", PACK, str(main)))
    assert [_plain(document) for document in pulled] == [_plain(packed | {"label": label}) for label in LABELS]


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Without what the server adds to the top of an app."""
    return {key: value for key, value in document.items() if key not in {"id", *MANAGED_KEYS}}


def _command(owner: Visitor, name: str, *arguments: str) -> str:
    credentials = owner.server.credentials
    environment = {
        **os.environ, "SB_API_ENDPOINT": credentials["api_endpoint"], "SB_AUTH_TOKEN": owner.token,
    }  # fmt: skip
    program = Path(sys.executable).parent / name
    done = subprocess.run(
        [program, *arguments], check=False, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
