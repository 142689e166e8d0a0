"""A disk that fills up: a clear 4xx, nothing half visible, and everything works again when there is room."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.test_edge import error
from tests.api.test_projects import make_project
from tests.api.uploading import download_url, put_part, start_upload, upload_file

MIB = 1024**2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a server with twelve mebibytes for its bytes."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not allowed here: cannot mount a small file system")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=12m tmpfs "$1" && exec "$2" -m tests.api.full_disk_server "$1" "$3"'
    url = f"sqlite:///{tmp_path / 'araneus.db'}"
    command = [unshare, "-rm", "sh", "-c", script, "sh", str(disk), sys.executable, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port, token = server.stdout.readline().split()
            headers = {"X-SBG-Auth-Token": token}
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
                yield client
        finally:
            server.terminate()


def test_a_full_disk_is_said_clearly_and_leaves_nothing(small_disk: httpx.Client) -> None:
    client = small_disk
    project = make_project(client)["id"]
    kept = upload_file(client, "kept", b"k" * 5 * MIB, project=project)
    upload = start_upload(client, "big", 10 * MIB, project=project, part_size=5 * MIB)
    assert put_part(client, upload, 1, b"1" * 5 * MIB).status_code == 200
    second = client.get(f"{upload['href']}/part/2").json()["url"]
    for _ in range(3):
        full = httpx.put(second, content=b"2" * 5 * MIB, timeout=60)
        assert error(full) == (400, 8007)
        assert "full" in full.json()["message"]
    assert client.get(upload["href"]).json()["uploaded_parts_count"] == 1
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    assert [item["name"] for item in client.get("/v2/files", params={"project": project}).json()["items"]] == ["kept"]
    assert httpx.get(download_url(client, kept["id"]), timeout=60).content == b"k" * 5 * MIB
    assert client.delete(upload["href"]).status_code == 204
    again = upload_file(client, "again", b"a" * 5 * MIB, project=project)
    assert again["size"] == 5 * MIB


def test_a_disk_that_fills_up_while_parts_become_a_file(small_disk: httpx.Client) -> None:
    client = small_disk
    project = make_project(client)["id"]
    upload = start_upload(client, "big", 10 * MIB, project=project, part_size=5 * MIB)
    for number in (1, 2):
        assert put_part(client, upload, number, bytes([number]) * 5 * MIB).status_code == 200
    assert error(client.post(f"{upload['href']}/complete")) == (400, 8007)
    assert client.get("/v2/files", params={"project": project}).json()["items"] == []
    assert client.get(upload["href"]).json()["uploaded_parts_count"] == 2
    assert client.delete(upload["href"]).status_code == 204
    assert upload_file(client, "ok", b"a" * 8 * MIB, project=project)["size"] == 8 * MIB
