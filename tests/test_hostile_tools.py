"""Tools and apps that mean harm, or do it by accident, in a whole server: each ends with a sentence, others go on."""

import hashlib
import json
import time
from typing import Any

import psutil
import pytest

from tests.visitor import Visitor, globbed, shell

SETTINGS = {"ARANEUS__JOBS__CORES": "4"}


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


@pytest.mark.slow
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


def test_nothing_of_the_machine_comes_out(owner: Visitor, project: str) -> None:
    credentials = owner.server.data / "credentials"
    script = (
        f"ln -s {credentials} link; mkdir d; ln -s / d/root; mkfifo pipe; ln -s {credentials} cwl.output.json; true"
    )
    for number, glob in enumerate(["link", "d", "pipe", "../../*", str(credentials), "d/root/etc/passwd"]):
        tool = shell(script.replace(" cwl.output.json", " json"), outputs={"o": globbed(glob, ["File", "Directory"])})
        failure(owner, project, f"escape{number}", tool)
    failure(owner, project, "json", shell(script, outputs={"o": "Any"}))
    for number, key in enumerate(("path", "location")):
        told = f'echo \'{{"o": {{"class": "File", "{key}": "{credentials}"}}}}\' > cwl.output.json'
        failure(owner, project, f"told{number}", shell(told, outputs={"o": "Any"}))
    digest = hashlib.sha256(b"secret").hexdigest()
    owner.file(owner.root(project), "secret.txt", b"secret")
    for number, location in enumerate((credentials.as_uri(), f"blob:{digest}", f"blob:../../../{credentials}")):
        value = json.dumps({"class": "File", "location": location, "basename": "x"})
        tool = {
            "class": "ExpressionTool", "cwlVersion": "v1.2", "requirements": {"InlineJavascriptRequirement": {}},
            "inputs": {}, "outputs": {"o": "File"}, "expression": f"${{ return {{o: {value}}}; }}",
        }  # fmt: skip
        assert "none of its inputs" in failure(owner, project, f"claims{number}", tool)
    for number, name in enumerate(("../up", "/etc/x", "a/../../x")):
        requirement = {"InitialWorkDirRequirement": {"listing": [{"entryname": name, "entry": "x"}]}}
        failure(owner, project, f"places{number}", shell("true", requirements=requirement))


def test_what_a_tool_leaves_running_ends_with_it(owner: Visitor, project: str) -> None:
    script = "setsid sleep 977 >/dev/null 2>&1 & nohup sleep 977 >/dev/null 2>&1 & echo done"
    owner.completed(owner.run(owner.app(project, "daemon", shell(script)), {}))
    deadline = time.monotonic() + 10
    while left := [one.pid for one in psutil.process_iter(["cmdline"]) if "977" in (one.info["cmdline"] or ())]:
        assert time.monotonic() < deadline, left


def test_results_without_measure(owner: Visitor, project: str) -> None:
    expressions = {
        "text": ("string", "Array(64 * 1024 * 1024).join('x')"),
        "list": ("Any", "(function () {var a = []; for (;;) a.push({a: 1}); })()"),
    }
    for name, (kind, code) in expressions.items():
        tool = {
            "class": "ExpressionTool", "cwlVersion": "v1.2", "requirements": {"InlineJavascriptRequirement": {}},
            "inputs": {}, "outputs": {"o": kind}, "expression": f"${{ return {{o: {code}}}; }}",
        }  # fmt: skip
        assert "expression" in failure(owner, project, f"large-{name}", tool)
    message = failure(owner, project, "loud", shell("yes error | head -c 100000000 >&2; exit 3"))
    assert message.startswith("Job loud failed with exit code 3.\n")
    assert len(message) < 5000
