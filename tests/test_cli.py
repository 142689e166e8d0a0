"""The command line: help that teaches, users and tokens beside a running server, exit codes, clear mistakes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from araneus import __version__
from tests.live import ARANEUS, CHECKOUT, STRICT, Server, araneus


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("cli") / "data")
    made.start()
    yield made
    assert made.stop() == 0


def status(server: Server, token: str) -> int:
    return httpx.get(server.credentials["api_endpoint"] + "/user", headers={"X-SBG-Auth-Token": token}).status_code


def whole(server: Server, *arguments: str) -> str:
    """Standard output of a command that succeeds and complains about nothing."""
    done = araneus(*arguments, "--data", str(server.data))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], ["up", "user", "token", "cwl", "--version", "sevenbridges-python"]),
        (["up"], ["--data", "--host", "--port", "credentials", "Ctrl-C", "docs/settings.md"]),
        (["user"], ["add", "list"]),
        (["user", "add"], ["USERNAME", "--email", "--data", "token"]),
        (["user", "list"], ["--data"]),
        (["token"], ["create", "list", "revoke"]),
        (["token", "create"], ["USERNAME", "--label", "--days", "--data", "hash"]),
        (["token", "list"], ["USERNAME", "--data"]),
        (["token", "revoke"], ["TOKEN", "--data", "at once"]),
        (["pack"], ["DOC", "#id", "installed"]),
        (["cwl"], ["DOC", "JOB", "--outdir", "--quiet", "--containers", "33", "JSON"]),
    ],
)
def test_help_teaches(command: list[str], words: list[str]) -> None:
    for asked in ("--help", "-h"):
        done = araneus(*command, asked)
        assert (done.returncode, done.stderr) == (0, "")
        assert [word for word in words if word.lower() not in done.stdout.lower()] == []


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["user", "--help"], ["token", "create", "--help"]])
def test_who_reads_may_stop_reading(command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, **STRICT}
    done = subprocess.run(
        [*ARANEUS, *command], stdout=writer, stderr=subprocess.PIPE, env=environment, timeout=60, check=False
    )
    os.close(writer)
    # As a shell reports what SIGPIPE ended; of help that is longer than a buffer argparse itself makes nothing.
    assert done.returncode in {0, 141}
    assert done.stderr == b""


def test_the_version_is_said() -> None:
    assert araneus("--version").stdout == f"araneus {__version__}\n"


@pytest.mark.parametrize("command", [[], ["user"], ["token"], ["nonsense"], ["user", "nonsense"]])
def test_a_line_without_a_command_is_a_mistake(command: list[str]) -> None:
    done = araneus(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert "araneus" in done.stderr


def test_running_a_document_loads_no_server() -> None:
    program = (
        "import sys, araneus.__main__, araneus.direct; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    unwanted = {
        "sqlalchemy",
        "alembic",
        "starlette",
        "uvicorn",
        "msgspec",
        "psycopg",
        "structlog",
        "rich",
        "http",
        "ssl",
    }
    assert set(unwanted) & set(done.stdout.split()) == set()


def test_a_user_is_added_and_seen_at_once(server: Server) -> None:
    said = whole(server, "user", "add", "grace.h-1_x", "--email", "grace@example.org")
    token = said.splitlines()[-1]
    assert re.fullmatch("[0-9a-f]{32}", token)
    assert status(server, token) == 200
    listed = whole(server, "user", "list")
    assert "grace.h-1_x" in listed
    assert "grace@example.org" in listed
    assert token not in listed


def test_a_token_is_made_listed_and_revoked_at_once(server: Server) -> None:
    whole(server, "user", "add", "alan")
    made = whole(server, "token", "create", "alan", "--label", "for the cluster", "--days", "3").strip()
    other = whole(server, "token", "create", "alan").strip()
    assert [status(server, token) for token in (made, other)] == [200, 200]
    listed = whole(server, "token", "list", "alan")
    assert "for the cluster" in listed
    assert "never" in listed
    assert made not in listed
    row = next(line for line in listed.splitlines() if "for the cluster" in line)
    start = re.search("[0-9a-f]{12}", row)
    assert start is not None
    assert "for the cluster" in whole(server, "token", "revoke", start[0])
    assert [status(server, token) for token in (made, other)] == [401, 200]
    whole(server, "token", "revoke", other)
    assert status(server, other) == 401
    assert "for the cluster" not in whole(server, "token", "list")


def test_a_user_is_disabled_and_enabled_at_once(server: Server) -> None:
    token = whole(server, "user", "add", "ida", "--admin").splitlines()[-1]
    assert "disabled" in whole(server, "user", "disable", "ida")
    assert status(server, token) == 401
    whole(server, "user", "enable", "ida")
    assert status(server, token) == 200


def test_a_division_is_made_and_joined(server: Server) -> None:
    token = whole(server, "user", "add", "kathleen").splitlines()[-1]
    whole(server, "division", "add", "kings", "--name", "King's College")
    whole(server, "division", "join", "kings", "kathleen", "--role", "admin")
    with httpx.Client(headers={"X-SBG-Auth-Token": token}, timeout=60) as client:
        endpoint = server.credentials["api_endpoint"]
        assert [item["name"] for item in client.get(f"{endpoint}/divisions").json()["items"]] == ["King's College"]
        (member,) = client.get(f"{endpoint}/users", params={"division": "kings"}).json()["items"]
        assert (member["username"], member["role"]) == ("kathleen", "ADMIN")
        whole(server, "division", "leave", "kathleen")
        assert client.get(f"{endpoint}/divisions").json()["items"] == []


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["user", "add", "alan turing"], 1, "'alan turing' cannot be a username"),
        (["user", "add", "a/b"], 1, "cannot be a username"),
        (["user", "add", ".."], 1, "cannot be a username"),
        (["user", "add", "ä"], 1, "cannot be a username"),
        (["user", "add", "x" * 65], 1, "cannot be a username"),
        (["user", "add", ""], 1, "cannot be a username"),
        (["user", "disable", "nobody"], 1, "No user 'nobody'"),
        (["division", "join", "nowhere", "nobody"], 1, "no division 'nowhere'"),
        (["token", "create", "nobody"], 1, "No user 'nobody'"),
        (["token", "list", "nobody"], 1, "No user 'nobody'"),
        (["token", "create", "nobody", "--days", "0"], 2, "--days"),
        (["token", "create", "nobody", "--days", "99999999"], 2, "--days"),
        (["token", "revoke", "0000000"], 1, "0 tokens match"),
        (["token", "revoke", ""], 1, "0 tokens match"),
        (["user", "remove", "x"], 2, "remove"),
        (["token", "create"], 2, "USERNAME"),
        (["token", "list", "a", "b"], 2, "b"),
        (["user", "list", "--dat", "x"], 2, "--dat"),
    ],
)
def test_mistakes_are_said(server: Server, command: list[str], code: int, words: str) -> None:
    done = araneus(*command, "--data", str(server.data)) if command[1] != "remove" else araneus(*command)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_is_taken_once(server: Server) -> None:
    whole(server, "user", "add", "ada")
    again = araneus("user", "add", "ada", "--data", str(server.data))
    assert again.returncode == 1
    assert "There is a user 'ada' already" in again.stderr


def test_a_directory_without_a_server_is_not_touched(tmp_path: Path) -> None:
    for command in (["user", "list"], ["token", "list"], ["user", "add", "x"]):
        done = araneus(*command, "--data", str(tmp_path / "none"))
        assert done.returncode == 1
        assert "araneus up --data" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_out_of_reach_is_one_line(tmp_path: Path) -> None:
    environment = {"ARANEUS__DATABASE__URL": "postgresql://nobody@127.0.0.1:1/none"}
    done = araneus("user", "list", "--data", str(tmp_path), environment=environment)
    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_document_is_run_without_a_server(tmp_path: Path) -> None:
    tool = "class: CommandLineTool\ncwlVersion: v1.2\ninputs: {w: string}\noutputs: {o: stdout}\nstdout: o\n"
    (tmp_path / "good.cwl").write_text(tool + "baseCommand: echo\narguments: [$(inputs.w)]\n")
    (tmp_path / "bad.cwl").write_text(tool + "baseCommand: 'false'\n")
    (tmp_path / "odd.cwl").write_text(tool + "baseCommand: echo\nrequirements: {FooRequirement: {}}\n")
    (tmp_path / "job.json").write_text('{"w": "hello"}')
    good = araneus("cwl", "good.cwl", "job.json", cwd=tmp_path)
    assert good.returncode == 0
    assert json.loads(good.stdout)["o"]["size"] == 6
    assert araneus("cwl", "good.cwl", "--outdir=there", "-q", "job.json", cwd=tmp_path).stderr == ""
    assert (tmp_path / "there" / "o").read_text() == "hello\n"
    bad, odd = (araneus("cwl", name, "job.json", cwd=tmp_path) for name in ("bad.cwl", "odd.cwl"))
    assert [(done.returncode, done.stdout) for done in (bad, odd)] == [(1, ""), (33, "")]
