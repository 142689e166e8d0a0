"""The platform's own Python client against the server, as unmodified scripts use it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sevenbridges.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from sevenbridges.models.enums import TransferState

from araneus.model.upload import MIN_PART
from tests.api.conftest import Server


@pytest.fixture
def api(server: Server) -> Any:
    return server.api()


@pytest.fixture
def project(api: Any) -> Any:
    group = api.billing_groups.query(limit=1)[0]
    return api.projects.create(name="My Project", billing_group=group.id, description="d")


def test_logging_in(server: Server, api: Any) -> None:
    me = api.users.me()
    assert (me.username, me.email) == ("rosalind", "rosalind@example.org")
    assert api.users.get("rosalind").first_name == "Rosalind"
    assert api.limit == 1000
    assert api.remaining == 1000
    assert api.request_id
    assert set(api.endpoints.get().__dict__["_data"].data) >= {"tasks_url", "projects_url"}
    with pytest.raises(Unauthorized):
        type(api)(url=f"{server.url}/v2", token="0" * 32, debug=True).users.me()


def test_a_hundred_requests_at_once(api: Any, project: Any) -> None:
    def ask(number: int) -> str:
        if number % 4 == 0:
            return str(api.files.create_folder(f"f{number}", project=project.id).name)
        return str(api.users.me().username)

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(ask, range(200)))
    assert answers == [f"f{number}" if number % 4 == 0 else "rosalind" for number in range(200)]
    assert api.files.query(project=project).total == 50


def test_billing(api: Any) -> None:
    group = api.billing_groups.query(limit=1)[0]
    assert group.type == "free"
    assert api.billing_groups.get(group.id).balance.amount == 0.0
    assert list(group.analysis_breakdown()) == list(group.storage_breakdown()) == list(group.egress_breakdown()) == []
    assert list(api.invoices.query()) == []


def test_projects(api: Any, project: Any) -> None:
    assert project.id == "rosalind/my-project"
    assert api.projects.query(name="my proj")[0].id == project.id
    assert [found.id for found in api.projects.query(owner="rosalind").all()] == [project.id]
    project.name = "Other"
    project.settings["use_memoization"] = True
    project.save()
    again = api.projects.get(project.id)
    assert (again.name, again.settings["use_memoization"], again.settings["locked"]) == ("Other", True, False)
    assert len(api.projects.query(tags=["nope"])) == 0
    again.delete()
    with pytest.raises(NotFound):
        api.projects.get(project.id)


def test_many_projects_are_paged_through(api: Any) -> None:
    for number in range(7):
        api.projects.create(name=f"p{number}")
    page = api.projects.query(limit=3)
    assert page.total == 7
    assert [found.name for found in page.all()] == [f"p{number}" for number in range(7)]
    second = page.next_page()
    assert [found.name for found in second] == ["p3", "p4", "p5"]
    assert [found.name for found in second.previous_page()] == ["p0", "p1", "p2"]


def test_members(server: Server, api: Any, project: Any) -> None:
    member = project.add_member("francis", {"write": True, "read": True})
    assert member.permissions["write"] is True
    member.permissions["execute"] = True
    member.save()
    assert project.get_member("francis").permissions["execute"] is True
    assert {found.username for found in project.get_members().all()} == {"rosalind", "francis"}
    project.add_member_email("maurice@example.org", {"read": True})
    francis = server.api("francis")
    with pytest.raises(Forbidden):
        francis.projects.get(project.id).delete()
    project.remove_member("francis")
    with pytest.raises(NotFound):
        francis.projects.get(project.id)
    with pytest.raises(Conflict):
        project.add_member("maurice", {"read": True})


def test_upload_and_download(server: Server, api: Any, project: Any, tmp_path: Path) -> None:
    content = b"".join(number.to_bytes(4, "big") for number in range(3_000_000))
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    source.write_bytes(content)
    upload = api.files.upload(str(source), project=project, file_name="data.bin", part_size=MIN_PART, wait=False)
    upload.start()
    upload.wait()
    assert upload.status == TransferState.COMPLETED
    file = upload.result()
    assert (file.name, file.size, file.project) == ("data.bin", len(content), project.id)
    file.download(str(target))
    assert target.read_bytes() == content
    assert api.files.query(project=project, names=["data.bin"])[0].id == file.id
    assert b"".join(file.stream()) == content
    replaced = api.files.upload(str(source), project=project, file_name="data.bin", overwrite=True).result()
    assert replaced.id != file.id


@pytest.mark.parametrize("beyond", [-1, 0, 1, 2])
def test_sizes_around_the_part_size(api: Any, project: Any, tmp_path: Path, beyond: int) -> None:
    """One byte beyond, the client sends a part that is larger than agreed, and an empty one."""
    content = b"y" * (MIN_PART + beyond)
    source, target = tmp_path / "s", tmp_path / "t"
    source.write_bytes(content)
    file = api.files.upload(str(source), project=project, part_size=MIN_PART).result()
    assert file.size == len(content)
    file.download(str(target))
    assert target.read_bytes() == content


def test_small_and_empty_files(api: Any, project: Any, tmp_path: Path) -> None:
    for content in (b"", b"x"):
        source, target = tmp_path / f"s{len(content)}", tmp_path / f"t{len(content)}"
        source.write_bytes(content)
        file = api.files.upload(str(source), project=project).result()
        file.download(str(target))
        assert target.read_bytes() == content
    assert file.content() == "x"


def test_a_stopped_upload_leaves_nothing(server: Server, api: Any, project: Any, tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.write_bytes(b"x" * (MIN_PART * 3))
    upload = api.files.upload(str(source), project=project, part_size=MIN_PART, wait=False)
    upload.start()
    upload.stop()
    assert len(api.files.query(project=project)) == 0
    assert list((server.directory / "uploads").iterdir()) == []


def test_folders(api: Any, project: Any, tmp_path: Path) -> None:
    folder = api.files.create_folder("data", project=project)
    inner = api.files.create_folder("inner", parent=folder)
    assert folder.is_folder()
    assert [found.name for found in folder.list_files()] == ["inner"]
    source = tmp_path / "s.txt"
    source.write_text("hello")
    file = api.files.upload(str(source), parent=inner).result()
    assert file.parent == inner.id
    assert [found.id for found in api.files.query(parent=inner)] == [file.id]
    moved = file.move_to_folder(folder)
    assert (moved.id, moved.parent) == (file.id, folder.id)
    copy = moved.copy_to_folder(inner, name="copy.txt")
    assert (copy.name, copy.parent) == ("copy.txt", inner.id)
    with pytest.raises(BadRequest):
        folder.delete()
    root = api.files.get(project.root_folder)
    assert root.is_folder()
    assert root.parent is None


def test_metadata_tags_and_names(api: Any, project: Any, tmp_path: Path) -> None:
    source = tmp_path / "s.txt"
    source.write_text("hello")
    file = api.files.upload(str(source), project=project).result()
    file.metadata["sample_id"] = "S1"
    file.tags = ["a", "b"]
    file.name = "renamed.txt"
    file.save()
    again = api.files.get(file.id)
    assert (again.name, again.metadata["sample_id"], again.tags) == ("renamed.txt", "S1", ["a", "b"])
    again.metadata = {"case_id": "C"}
    again.save()
    final = api.files.get(file.id)
    assert dict(final.metadata) == {"case_id": "C"}
    assert [found.id for found in api.files.query(project=project, metadata={"case_id": "C"})] == [file.id]
    assert [found.id for found in api.files.query(project=project, tags=["b"])] == [file.id]
    assert len(api.files.query(project=project, metadata={"case_id": "D"})) == 0
    final.delete()
    with pytest.raises(NotFound):
        api.files.get(file.id)


def test_copies_between_projects(api: Any, project: Any, tmp_path: Path) -> None:
    source = tmp_path / "s.txt"
    source.write_text("hello")
    file = api.files.upload(str(source), project=project).result()
    target = api.projects.create(name="Target")
    copy = file.copy(project=target, name="copied.txt")
    assert (copy.name, copy.project, copy.size) == ("copied.txt", target.id, 5)
    assert copy.id != file.id
