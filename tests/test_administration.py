"""What docs/administration.md tells an administrator to do is done: settings, health check, backup, restore."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from araneus import config
from araneus.testing.postgres import PrivatePostgres, server_programs
from tests.conftest import CHECKOUT
from tests.live import Server
from tests.visitor import Visitor, file, globbed, shell

PAGE = (CHECKOUT / "docs" / "administration.md").read_text()
COPY = shell(
    'cp "$1" out.txt', inputs={"text": {"type": "File", "inputBinding": {}}}, outputs={"out": globbed("out.txt")}
)


def block(heading: str, kind: str, number: int = 0) -> str:
    """A fenced block of a section of the page."""
    section = next(part for part in re.split(r"^## ", PAGE, flags=re.MULTILINE) if part.startswith(heading))
    return str(re.findall(rf"^```{kind}\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)[number])


def run(script: str, where: Path) -> str:
    """Run lines of the page in a directory; what they printed."""
    done = subprocess.run(["bash", "-ec", script], cwd=where, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def placed(script: str, data: Path, restored: Path) -> str:
    """The lines, about directories and programs of this test."""
    places = {
        "/opt/araneus/bin/python": sys.executable,
        "/var/lib/araneus": str(data),
        "/srv/araneus": str(restored),
    }
    for old, new in places.items():
        assert " " not in new
        script = script.replace(old, new)
    return script


def worked(server: Server) -> tuple[Visitor, str]:
    """Somebody whose task has run on the server, and its id."""
    owner = Visitor.owner(server)
    project = owner.project("Kept")
    app = owner.app(project, "copy", COPY)
    task = owner.run(app, {"text": file(owner.file(owner.root(project), "text.txt", b"kept\n"))})
    owner.completed(task)
    return owner, task


def is_all_there(server: Server, task: str) -> None:
    """Input, output and logs of the task can be read, it can run again, and there is no project but its own."""
    owner = Visitor.owner(server)
    found = owner.get(f"/tasks/{task}")
    assert owner.content(found["inputs"]["text"]) == owner.content(found["outputs"]["out"]) == b"kept\n"
    [job] = owner.get(f"/tasks/{task}/execution_details")["jobs"]
    link = owner.http.get(job["logs"]["cmd.log"]).json()["url"]
    assert b"out.txt" in owner.http.get(link).content
    assert owner.completed(owner.run(found["app"], found["inputs"], project=found["project"])) is not None
    assert [project["name"] for project in owner.get("/projects")["items"]] == ["Kept"]
    owner.http.close()


def test_the_settings_of_the_page_are_settings(tmp_path: Path) -> None:
    (tmp_path / "araneus.toml").write_text(block("Settings", "toml"))
    settings = config.load(tmp_path, {}, {})
    assert settings.jobs.strict_limits
    assert settings.server.public_url == tomllib.loads(block("Settings", "toml"))["server"]["public_url"]


def test_the_health_check_tells_health(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    endpoint, token = server.credentials["api_endpoint"], server.credentials["auth_token"]
    check = f"{block('Monitoring', 'sh')}\nhealth {endpoint} "
    run(check + token, tmp_path)
    with pytest.raises(AssertionError, match="401"):
        run(check + "0" * 32, tmp_path)
    assert server.stop() == 0
    with pytest.raises(AssertionError, match="connect"):
        run(check + token, tmp_path)


def backed_up_and_restored(tmp_path: Path, settings: str, script: Callable[[str], str], *, stays: str) -> None:
    """Run a server and a task, run the page's lines, and look for all of it on a server of what they made.

    ``stays`` is what the settings of the restored server are.
    """
    data, restored = tmp_path / "data", tmp_path / "restored"
    data.mkdir(mode=0o700)
    (data / "araneus.toml").write_text(settings)
    server = Server(data)
    server.start()
    owner, task = worked(server)
    run(script(placed(block("Backup", "sh"), data, restored)), tmp_path)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    owner.project("Too late for the backup")
    owner.http.close()
    assert server.stop() == 0
    shutil.rmtree(data)
    copy, start = placed(block("Backup", "sh", 1), data, restored).strip().splitlines()
    assert start == f"/opt/araneus/bin/araneus up --data {restored}"
    run(copy, tmp_path)
    (restored / "araneus.toml").write_text(stays)
    again = Server(restored)
    again.start()
    is_all_there(again, task)
    assert again.stop() == 0


def test_a_backup_of_a_running_server_is_restored_elsewhere(tmp_path: Path) -> None:
    settings = "[jobs]\ncontainers = 'none'\n"
    backed_up_and_restored(tmp_path, settings, lambda script: script, stays=settings)


@pytest.mark.postgres
def test_a_backup_of_a_running_server_on_postgresql(
    tmp_path: Path, postgres_server: PrivatePostgres, postgres_url: str
) -> None:
    empty = postgres_server.create_database()
    programs = server_programs()
    dump = re.search(r"`(pg_dump [^`]+)`", PAGE)
    restore = re.search(r"`(pg_restore [^`]+)`", PAGE)
    assert dump
    assert restore

    def with_dump(script: str) -> str:
        lines = script.splitlines()
        assert "VACUUM" in lines[2]
        lines[2] = f"PATH={programs}:$PATH; url={shlex.quote(postgres_url)}; {dump[1]}"
        return "\n".join([*lines, f"url={shlex.quote(empty)}; {restore[1]}"])

    stays = f"[database]\nurl = '{empty}'\n[jobs]\ncontainers = 'none'\n"
    backed_up_and_restored(tmp_path, stays.replace(empty, postgres_url), with_dump, stays=stays)
    postgres_server.drop_database(empty)
