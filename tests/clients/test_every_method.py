"""Every public method of sevenbridges-python is called on a live server, and calls what the table says.

What a method calls is noted at the client's own HTTP session (`introspection.Notes`). A method whose endpoints are all
served must have called exactly these; one whose endpoint is not served yet is called as well, and told so.
"""

import inspect
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sevenbridges.errors import NotFound, PaginationError, SbgError
from sevenbridges.models.bulk import BulkRecord
from sevenbridges.models.compound.tasks.batch_by import BatchBy
from sevenbridges.models.member import Member

from araneus.model.upload import MIN_PART
from tests.clients import page
from tests.clients.introspection import SERVED, Notes, classes, methods
from tests.clients.table import BROKEN, TABLE
from tests.conftest import CHECKOUT
from tests.live import Server
from tests.visitor import Visitor, araneus, globbed, shell

pytestmark = pytest.mark.xdist_group("clients")
JOIN = shell(
    'cat "$@"',
    inputs={"texts": {"type": "File[]", "inputBinding": {"position": 1}}, "seconds": {"type": "int", "default": 0}},
    outputs={"joined": globbed("joined.txt")},
    stdout="joined.txt",
)
SLEEP = shell("sleep 60", outputs={})
PATIENCE = 60.0
UUID = "6f0a7b1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b"


@dataclass
class World:
    """A server, its owner's client, and what the visits share."""

    owner: Visitor
    api: Any
    notes: Notes
    directory: Path
    visited: set[str] = field(default_factory=set)

    @property
    def project(self) -> Any:
        found = list(self.api.projects.query(name="Tour").all())
        return found[0] if found else self.api.projects.create(name="Tour")

    def file(self, name: str, content: bytes = b"text\n", **where: Any) -> Any:
        path = self.directory / name
        path.write_bytes(content)
        return self.api.files.upload(str(path), overwrite=True, **(where or {"project": self.project})).result()

    def app(self, name: str, raw: Any) -> str:
        identity = f"{self.project.id}/{name}"
        try:
            self.api.apps.get(identity)
        except NotFound:
            self.api.apps.install_app(identity, raw)
        return identity


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = Server(tmp_path_factory.mktemp("tour") / "data", {"ARANEUS__JOBS__CORES": "4"})
    server.start()
    owner = Visitor.owner(server)
    araneus("division", "add", "lab", "--data", str(server.data))
    araneus("division", "join", "lab", owner.username, "--role", "admin", "--data", str(server.data))
    Visitor.added(server, "rosalind").http.close()
    araneus("division", "join", "lab", "rosalind", "--data", str(server.data))
    api = owner.api()
    notes = Notes()
    with pytest.MonkeyPatch.context() as patch:
        notes.install(patch)
        yield World(owner, api, notes, tmp_path_factory.mktemp("files"))
    api.session.close()
    owner.http.close()
    assert server.stop() == 0


# --- the visits: each exercises the methods of one part of the client -----------------------------------------------


def users(world: World) -> None:
    api = world.api
    me = api.users.me()
    assert me.username == world.owner.username
    assert api.users.get(me.username).reload() == me
    assert {user.username for user in api.users.query(division="lab")} == {me.username, "rosalind"}
    Visitor.added(world.owner.server, "leaving").http.close()
    leaving = api.users.get("leaving")
    leaving.disable()
    assert api.endpoints.get().user_url.endswith("/user")
    assert api.rate_limit.get().rate.limit == api.limit == 1000
    assert api.remaining <= 1000
    assert api.reset_time.timestamp() > 0


def divisions(world: World) -> None:
    api = world.api
    (division,) = api.divisions.query()
    assert api.divisions.get("lab").reload() == division
    assert {user.username for user in division.get_members(role="MEMBER")} == {"rosalind"}
    team = api.teams.create(name="Readers", division=division)
    team.add_member(world.owner.username)
    assert [found.id for found in division.get_teams()] == [team.id]
    # Other visits make teams, too.
    assert team.id in [found.id for found in api.teams.query(division="lab", list_all=True)]
    team.name = "Writers"
    team.save()
    assert api.teams.get(team.id).name == team.reload().name == "Writers"
    member = team.add_member("rosalind")
    assert member.reload().username == "rosalind"
    assert "rosalind" in {found.username for found in team.get_members()}
    team.remove_member("rosalind")
    assert [found.username for found in team.get_members()] == [world.owner.username]


def billing(world: World) -> None:
    api = world.api
    (group,) = api.billing_groups.query()
    assert api.billing_groups.get(group.id).reload().name == group.name
    for breakdown in (group.analysis_breakdown, group.storage_breakdown, group.egress_breakdown):
        assert breakdown(limit=10).total >= 0
    assert api.invoices.query().total == 0
    with pytest.raises(NotFound):
        api.invoices.get("1")
    with pytest.raises(SbgError, match="can not be refreshed"):
        api.invoices(api=api, id="1").reload()


def projects(world: World) -> None:
    api = world.api
    made = [api.projects.create(name=f"Page {number}", tags=["pages"]) for number in range(3)]
    first = api.projects.query(limit=1, tags=["pages"])
    second = first.next_page()
    assert second[0] != first[0]
    assert second.previous_page()[0] == first[0]
    assert {project.id for project in first.all()} == {project.id for project in made}
    with pytest.raises(PaginationError):
        first.previous_page()
    assert api.projects.query(owner=world.owner.username, name="Page 1")[0] == made[1]
    made[0].description = "changed"
    made[0].save()
    assert api.projects.get(made[0].id).description == made[0].reload().description == "changed"
    made[2].delete()
    with pytest.raises(NotFound):
        api.projects.get(made[2].id)
    app = world.app("join", JOIN)
    file = world.file("for-project.txt")
    project = world.project
    assert app in {found.id for found in project.get_apps()}
    assert file in project.get_files()
    task = project.create_task("of the project", app, inputs={"texts": [file]})
    assert task in project.get_tasks(status="DRAFT")
    made[0].add_files([file])
    assert made[0].get_files()[0].name == file.name


def members(world: World) -> None:
    api = world.api
    project = api.projects.create(name="Shared")
    member = project.add_member("rosalind", {"read": True, "copy": False})
    member.permissions["copy"] = True
    member.save()
    assert project.get_member("rosalind").permissions["copy"] is member.reload().permissions["copy"] is True
    assert "rosalind" in {found.username for found in project.get_members()}
    project.remove_member("rosalind")
    assert project.add_member_email("rosalind@example.org", {"read": True}).username == "rosalind"
    assert project.get_members().total == 2
    team = api.teams.create(name="Guests", division="lab")
    assert isinstance(project.add_member_team(team, {"read": True}), Member)
    assert isinstance(project.add_member_division("lab", {"read": True}), Member)


def files(world: World) -> None:
    api, project = world.api, world.project
    folder = api.files.create_folder("folder", project=project)
    assert folder.is_folder()
    file = world.file("a.txt", b"abc", parent=folder)
    file.name, file.tags = "b.txt", ["one"]
    file.metadata["sample_id"] = "S"
    file.save()
    file.metadata = {"case_id": "C"}
    file.save()
    again = api.files.get(file.id)
    assert (again.name, again.tags, dict(again.metadata.items())) == ("b.txt", ["one"], {"case_id": "C"})
    assert again.reload() == file
    assert [found.id for found in folder.list_files()] == [file.id]
    assert folder.list_files(cont_token="init") is not None
    assert [found.id for found in api.files.query(parent=folder, names=["b.txt"])] == [file.id]
    assert folder in api.files.query(project=project, cont_token="init")
    copy = file.copy(project=project, name="c.txt")
    other = file.copy_to_folder(folder, name="d.txt")
    moved = copy.move_to_folder(folder, name="e.txt")
    assert {found.name for found in folder.list_files()} == {"b.txt", "d.txt", "e.txt"}
    assert api.files.search(f'IN "{project.id}/folder" WHERE metadata.case_id = "C"', limit=10).count == 3
    records = api.files.bulk_get([file, other, moved])
    assert [record.resource.id for record in records] == [file.id, other.id, moved.id]
    other.tags = moved.tags = ["bulk"]
    assert [record.valid for record in api.files.bulk_update([other])] == [True]
    assert [record.resource.tags for record in api.files.bulk_edit([moved])] == [["bulk"]]
    assert [record.valid for record in api.files.bulk_delete([other, moved])] == [True, True]
    assert api.actions.bulk_copy_files([file], api.projects.create(name="Bulk copies").id)
    file.delete()
    with pytest.raises(NotFound):
        api.files.get(file.id)


def bytes_up_and_down(world: World) -> None:
    api = world.api
    content = bytes(range(256)) * (2 * MIN_PART // 256) + b"end"
    source = world.directory / "large.bin"
    source.write_bytes(content)
    upload = api.files.upload(str(source), project=world.project, part_size=MIN_PART, wait=False)
    heard: list[Any] = []
    upload.add_callback(heard.append, heard.append)
    go_on = threading.Event()
    upload.add_progress_callback(lambda _: go_on.wait(PATIENCE))
    upload.start()
    upload.pause()
    go_on.set()
    upload.resume()
    upload.wait()
    file = upload.result()
    assert (file.size, heard[-1]) == (len(content), "COMPLETED")
    assert b"".join(file.stream()) == content
    assert file.download_info().url
    text = world.file("text.txt", "Ärzte".encode())
    assert text.content() == text.content(path=str(world.directory / "text-back.txt")) == "Ärzte"
    file.download(str(world.directory / "back.bin"))
    assert (world.directory / "back.bin").read_bytes() == content
    download = file.download(str(world.directory / "again.bin"), wait=False)
    download.add_callback(heard.append)
    go_on.clear()
    download.add_progress_callback(lambda _: go_on.wait(PATIENCE))
    download.start()
    download.pause()
    go_on.set()
    # The client means to refuse this for a download that is not paused, and refuses it for one that is.
    with pytest.raises(SbgError, match="not in PAUSED"):
        download.resume()
    download._running.set()
    download.wait()
    assert (world.directory / "again.bin").read_bytes() == content
    halted = file.download(str(world.directory / "halted.bin"), wait=False)
    halted.add_progress_callback(lambda _: _stopped(halted))
    halted.start()
    halted.stop()
    assert not (world.directory / "halted.bin").exists()
    stopped = api.files.upload(str(source), project=world.project, file_name="stopped", part_size=MIN_PART, wait=False)
    stopped.add_progress_callback(lambda _: _stopped(stopped))
    stopped.start()
    stopped.stop()
    assert not api.files.query(project=world.project, names=["stopped"])


def _stopped(transfer: Any) -> None:
    """Hold a transfer up until it is told to stop, which waits for it."""
    deadline = time.monotonic() + PATIENCE
    while not transfer._stop_signal and time.monotonic() < deadline:
        time.sleep(0.01)


def apps(world: World) -> None:
    api, project = world.api, world.project
    app = api.apps.install_app(f"{project.id}/tool", JOIN | {"label": "First"})
    text = json.dumps(JOIN | {"label": "From YAML"})
    assert api.apps.install_app(f"{project.id}/yaml", text, raw_format="YAML").name == "From YAML"
    assert api.apps.create_revision(app.id, 1, JOIN | {"label": "Second"}).revision == 1
    assert (api.apps.get(app.id).revision, api.apps.get_revision(app.id, 0).name) == (1, "First")
    target = api.projects.create(name="Copies of apps")
    copy = app.copy(project=target, name="copy")
    assert [found.id for found in api.apps.query(project=target)] == [copy.id]
    api.apps.create_revision(app.id, 2, JOIN | {"label": "Third"})
    assert copy.sync().name == "Third"
    assert copy.reload().id == copy.id


def tasks(world: World) -> None:
    api, project, app = world.api, world.project, world.app("join", JOIN)
    text = world.file("for-tasks.txt")
    draft = api.tasks.create("draft", project, app, inputs={"texts": [text]})
    draft.name = "renamed"
    draft.save()
    assert api.tasks.get(draft.id).reload().name == "renamed"
    draft.run()
    clone = draft.clone(run=False)
    assert clone.status == "DRAFT"
    draft.wait(period=0.1)
    assert draft.status == "COMPLETED", draft.execution_status.message
    details = draft.get_execution_details()
    details.reload()
    assert [job.status for job in details.jobs] == ["COMPLETED"]
    clone.delete()
    records = api.tasks.bulk_get([draft, clone])
    assert [record.valid for record in records] == [True, False]
    sleeper = api.tasks.create("sleeper", project, world.app("sleep", SLEEP), run=True)
    sleeper.abort()
    sleeper.wait(period=0.1)
    assert sleeper.status == "ABORTED"
    assert {found.id for found in api.tasks.query(project=project, status="ABORTED")} == {sleeper.id}


def batches(world: World) -> None:
    api, project, app = world.api, world.project, world.app("join", JOIN)
    texts = [world.file(f"batch-{number}.txt") for number in range(2)]
    batch = api.tasks.create(
        "batch", project, app, batch_input="texts", batch_by={"type": "ITEM"}, inputs={"texts": texts}
    )
    assert isinstance(batch.batch_by, BatchBy)
    assert BulkRecord.parse_records(api.post("/bulk/tasks/get", data={"task_ids": [batch.id]}))[0].valid
    batch.batch_by.update({"type": "ITEM"})
    batch.run()
    batch.wait(period=0.1)
    assert batch.status == "COMPLETED", batch.execution_status.message
    assert [child.status for child in batch.get_batch_children()] == ["COMPLETED"] * 2


def jobs(world: World) -> None:
    api, project = world.api, world.project
    target = api.projects.create(name="Jobs")
    one, other = (world.file(f"job-{number}.txt") for number in range(2))
    copied = api.async_jobs.file_bulk_copy([{"file": one.id, "project": target.id}])
    copied = _finished(lambda: api.async_jobs.get_file_copy_job(copied.id))
    assert [record.valid for record in copied.get_result()] == [True]
    assert copied.reload().state == "FINISHED"
    folder = api.files.create_folder("moved", project=project)
    moved = api.async_jobs.file_bulk_move([{"file": one.id, "parent": folder.id}])
    assert _finished(lambda: api.async_jobs.get_file_move_job(moved.id)).failed_files == 0
    gone = api.async_jobs.file_bulk_delete([{"file": other.id}])
    assert _finished(lambda: api.async_jobs.get_file_delete_job(gone.id)).completed_files == 1
    assert {found.id for found in api.async_jobs.list_file_jobs()} == {copied.id, moved.id, gone.id}


def _finished(ask: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while (job := ask()).state not in {"FINISHED", "FAILED"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job


VISITS: tuple[Callable[[World], None], ...] = (
    users, divisions, billing, projects, members, files, bytes_up_and_down, apps, tasks, batches, jobs,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.__name__)
def test_visit(world: World, visit: Callable[[World], None]) -> None:
    visit(world)
    world.visited.add(visit.__name__)


def unserved() -> list[str]:
    return sorted(name for name, endpoints in TABLE.items() if not endpoints <= SERVED and name not in BROKEN)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("method", unserved())
def test_what_is_not_served_yet_says_so(world: World, method: str) -> None:
    """Called with arguments made up from their names."""
    name, called = method.split(".")
    one = next(one for one in classes() if one.__name__ == name)
    world.notes.sent.pop(method, None)
    # What a thread of the client is told is not what its caller hears.
    hears = {"Automation.add_package": (AttributeError, "NoneType")}
    kind, match = hears.get(method, (SbgError, "not available in Araneus yet"))
    with pytest.raises(kind, match=match):
        _make_up(world, one, called)()
    assert world.notes.sent[method] & (TABLE[method] - SERVED), world.notes.sent[method]
    assert world.notes.sent[method] <= TABLE[method]


def _make_up(world: World, one: type[Any], called: str) -> Callable[[], Any]:
    api = world.api
    place = next(iter(TABLE.get(f"{one.__name__}.reload", {"GET /nowhere"}))).split()[1]
    href = f"{api.url}{place}".replace("{", "").replace("}", "")
    identity = UUID if one.__name__ == "Automation" else "own/thing" if "{owner}" in place else "thing"
    fields = {
        "id": identity,
        "href": href,
        "automation": UUID,
        "name": "old",
        "memory_limit": 1,
        "permissions": {"read": True},
    }
    subject = one(api=api, **fields)
    known = {
        "id": identity, "api": api, "automation": UUID,
        "file_path": str(world.directory / "package.zip"), "permissions": {"read": True}, "schema": {"inputs": []},
        "imports": [{"volume": "own/v", "location": "l", "project": "own/p"}], "configuration": {"type": "x"},
        "exports": [{"file": "f", "volume": "own/v", "location": "l"}], "position": {"start": 1, "end": 2},
    }  # fmt: skip
    optional = {"api", "automation", *(("project",) if called == "submit_import" else ())}
    if called == "bulk_get":
        known |= {"imports": ["thing"], "exports": ["thing"]}
    (world.directory / "package.zip").write_bytes(b"PK")
    if called == "save":
        if one.__name__ == "AutomationMember":
            subject.permissions["write"] = True
        else:
            writable = [name for name, field in one._fields.items() if not field.read_only]
            setattr(subject, *(("name", "new") if "name" in writable else ("memory_limit", 2)))
    bound = getattr(subject, called)
    wanted = inspect.signature(getattr(bound, "__wrapped__", bound)).parameters.values()
    given = {
        parameter.name: known.get(parameter.name, "thing")
        for parameter in wanted
        if (parameter.default is parameter.empty or parameter.name in optional)
        and parameter.name not in {"self", "cls", "obj"}
        and parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}
    }  # fmt: skip
    return lambda: bound(**given)


@pytest.mark.parametrize("method", sorted(BROKEN))
def test_what_is_broken_in_the_client_is_still(world: World, method: str) -> None:
    name, called = method.split(".")
    with pytest.raises(TypeError, match="unexpected keyword"):
        _make_up(world, next(one for one in classes() if one.__name__ == name), called)()


def test_the_table_has_every_method_of_the_client_and_no_others() -> None:
    assert methods() == set(TABLE)


def test_every_method_of_a_served_endpoint_was_exercised_and_sent_what_the_table_says(world: World) -> None:
    for visit in VISITS:
        if visit.__name__ not in world.visited:
            test_visit(world, visit)
    served = {name: endpoints for name, endpoints in TABLE.items() if endpoints <= SERVED and name not in BROKEN}
    assert sorted(set(served) - set(world.notes.sent)) == []
    # The threads of a transfer send for whichever of its methods is waited for.
    transfers = ("Upload.", "Download.")
    exact = {name: endpoints for name, endpoints in served.items() if not name.startswith(transfers)}
    assert {name: world.notes.sent[name] for name in exact} == exact
    for name, endpoints in served.items():
        assert endpoints <= world.notes.sent[name]


def test_the_page_is_up_to_date() -> None:
    assert (CHECKOUT / "docs" / "clients.md").read_text() == page.text(), "run `make docs`"
