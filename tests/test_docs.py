"""The documents say what is there: generated pages, settings, reasons, links, file names, and the README's commands."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import httpx
import pytest

from araneus import config
from araneus.api import documents
from araneus.api.documented import endpoints, missing
from araneus.api.routes import ROUTES, RouteTree
from araneus.model.errors import Refusal
from araneus.model.job import Reason
from bench.__main__ import NAMES
from tests.conftest import CHECKOUT

PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), *CHECKOUT.glob("examples/**/*.md")])
DEFAULTS = Path(config.__file__).parent / "defaults.toml"


@pytest.mark.parametrize("name", documents.pages())
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (CHECKOUT / "docs" / name).read_text() == documents.pages()[name], "run `make docs`"


def test_every_setting_has_a_default_and_every_default_a_setting() -> None:
    sections = {field.name: field.type for field in fields(config.Settings) if field.name != "data"}
    defaults = tomllib.loads(DEFAULTS.read_text())
    assert set(sections) == set(defaults)
    for name, kind in sections.items():
        assert isinstance(kind, type)
        assert is_dataclass(kind)
        assert {field.name for field in fields(kind)} == set(defaults[name]), name


def test_every_section_named_in_the_documents_is_one() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    defaults = tomllib.loads(DEFAULTS.read_text())
    named = {match for match in re.findall(r"`(\w+)\.(\w+)`", text) if match[0] in defaults}
    assert named
    assert all(key in defaults[section] for section, key in named), named


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_explained(reason: Reason) -> None:
    assert re.search(rf"^\| `{reason.value}` \|", (CHECKOUT / "docs" / "errors.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_says_what_it_measures_and_measures_nothing_then(name: str) -> None:
    command = [sys.executable, "-m", f"bench.{name}", "--help"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage:")


def test_records_of_decisions_have_numbers_without_gaps_a_date_and_a_status() -> None:
    records = sorted((CHECKOUT / "docs" / "adr").glob("*.md"))
    for number, record in enumerate(records, 1):
        assert record.name.startswith(f"{number:04}-")
        title, empty, status = record.read_text().splitlines()[:3]
        assert title.startswith(f"# {number}. ")
        assert empty == ""
        assert re.match(r"\d{4}-\d\d-\d\d\. (Accepted|Replaced by record \d+)\.", status), record.name


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as the usual viewers of Markdown make it."""
    text = re.sub(r"^(?:```.*?^```|    .*?$)", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_to_headings_lead_to_one(page: Path) -> None:
    for target, heading in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        there = page.parent / target if target else page
        assert heading in anchors(there), f"{page.name}: {target}#{heading}"


def test_the_files_that_architecture_names_exist() -> None:
    text = (CHECKOUT / "ARCHITECTURE.md").read_text()
    named = set(re.findall(r"`([\w/]+\.(?:py|toml|tsv|md))`", text))
    assert len(named) > 5
    for name in named:
        assert (CHECKOUT / name).exists() or (CHECKOUT / "araneus" / name).exists(), name


def test_the_list_of_endpoints_is_that_of_the_reference(shared: Path) -> None:
    reference = (shared / "api" / "endpoints.tsv").read_text().splitlines()[1:]
    listed = {tuple(line.split("\t")[:2]) for line in reference if line.split("\t")[1].startswith("/")}
    assert {(endpoint.method, endpoint.path) for endpoint in endpoints()} == listed


def test_what_is_missing_is_found_and_hides_nothing() -> None:
    absent = missing(ROUTES)
    assert len(absent) + len(ROUTES) > len(endpoints())
    everything = RouteTree((*ROUTES, *absent))
    for endpoint in endpoints():
        assert everything.find(endpoint.method, endpoint.path)[0].path
    for route in ROUTES:
        assert everything.find(route.method, route.path)[0] is route
    with pytest.raises(Refusal):
        everything.find("GET", "/nothing/like/this")


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A directory that looks to the README's commands like the checkout: its programs are ours."""
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, command in (("python", [sys.executable]), ("araneus", [sys.executable, "-m", "araneus"])):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        (programs / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        found: int = sock.getsockname()[1]
    return found


def commands(heading: str) -> list[str]:
    """The indented lines of a section of the README."""
    section = re.split(r"^## ", (CHECKOUT / "README.md").read_text(), flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def test_the_commands_of_the_readme_work(workshop: Path, port: int) -> None:
    start, *rest = commands("Your own server")
    assert start.startswith(".venv/bin/araneus up")
    (workshop / "DOC").write_text(
        "{class: CommandLineTool, cwlVersion: v1.2, inputs: {word: string}, outputs: {said: stdout}, stdout: said.txt,"
        " baseCommand: echo, arguments: [$(inputs.word)]}"
    )
    (workshop / "JOB").write_text("word: hello")
    script = "set -e\n" + "\n".join(rest).replace(":8080/", f":{port}/")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    with subprocess.Popen(
        start.replace(".venv", f"exec {shlex.quote(str(workshop / '.venv'))}", 1) + f" --quiet --port {port}",
        shell=True, cwd=workshop, env=environment,
    ) as server:  # fmt: skip
        try:
            answering(port, server)
            done = subprocess.run(
                ["sh", "-c", script], cwd=workshop, env=environment, capture_output=True, text=True, check=False
            )
            absent = httpx.get(f"http://127.0.0.1:{port}/v2/storage/volumes")
            token = re.search("auth_token = (.*)", (workshop / "my-data" / "credentials").read_text())
            assert token
            unknown = httpx.get(f"http://127.0.0.1:{port}/v2/storage/volumes", headers={"X-SBG-Auth-Token": token[1]})
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert "rosalind" in done.stdout
    assert (workshop / "results" / "said.txt").read_text() == "hello\n"
    assert absent.status_code == 401
    assert (unknown.status_code, unknown.json()["code"]) == (404, 90003)
    assert "not available in Araneus yet" in unknown.json()["message"]


def answering(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/v2/", timeout=10)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")
