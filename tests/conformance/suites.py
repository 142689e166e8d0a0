"""The CWL conformance suites as values, and one test of them run in this process.

The suites lie beside the checkout (``../shared/conformance``), or where ``CWL_SUITES`` says. A test passes when the
output object compares equal by the rules of ``cwltest``, or when a test that must fail ends in one of our own errors.
"""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cwltest.compare import compare

from araneus.cwl.errors import CWLError
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_path, parse_text
from araneus.cwl.process import Process, Workflow
from araneus.direct import run_document
from araneus.executors.base import Executor
from araneus.model.job import Reason
from araneus.scheduler.direct import ProcessFailedError

CHECKOUT = Path(__file__).parents[2]
SUITES = Path(os.environ.get("CWL_SUITES") or CHECKOUT.parent / "shared" / "conformance").absolute()
DOCUMENT = CHECKOUT / "docs" / "conformance.md"
MANIFESTS = {
    "v1.0": "conformance_test_v1.0.yaml",
    "v1.1": "conformance_tests.yaml",
    "v1.2": "conformance_tests.yaml",
}

ABSENT = f"""\
The CWL conformance suites are not in {SUITES}.
They are public. Put them side by side into a directory, and name it:

  git clone https://github.com/common-workflow-language/common-workflow-language cwl-v1.0   # 06c0cba; its folder v1.0
  git clone https://github.com/common-workflow-language/cwl-v1.1                            # b1d4a69
  git clone https://github.com/common-workflow-language/cwl-v1.2                            # 551d58d
  mkdir suites && ln -s ../cwl-v1.0/v1.0 suites/v1.0 && ln -s ../cwl-v1.1 suites/v1.1 && ln -s ../cwl-v1.2 suites/v1.2
  make conformance CWL_SUITES=$PWD/suites"""
PAGE = "http://commonwl.org"
"""What the tests named ``networkaccess`` and ``networkaccess_disabled`` try to fetch."""

ACCIDENTS = frozenset(
    {Reason.LOST, Reason.NOT_STARTED, Reason.REFUSED, Reason.CANCELLED, Reason.DISK_FULL, Reason.IMAGE_UNAVAILABLE}
)
"""Ways to fail that say nothing about the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformanceTest:
    """One entry of a manifest. ``tool`` may end in ``#id``; ``output`` is what is expected, unless it ``must_fail``."""

    suite: str
    id: str
    tool: str
    job: str | None
    output: Any
    must_fail: bool
    tags: frozenset[str]


class UnexpectedSuccessError(AssertionError):
    """A test that must fail gave outputs."""


def read_suite(suite: str) -> list[ConformanceTest]:
    """The tests of a suite, in the order of its manifest."""
    return list(_read(suite, SUITES / suite / MANIFESTS[suite]))


def _read(suite: str, manifest: Path) -> Iterator[ConformanceTest]:
    for entry in parse_text(manifest.read_bytes()):
        if "$import" in entry:
            yield from _read(suite, manifest.parent / entry["$import"])
            continue
        yield ConformanceTest(
            suite=suite,
            id=str(entry["id"]),
            tool=str(manifest.parent / entry["tool"]),
            job=str(manifest.parent / entry["job"]) if entry.get("job") else None,
            output=_expected(entry.get("output"), manifest),
            must_fail=bool(entry.get("should_fail")),
            tags=frozenset(entry.get("tags", ())),
        )


def _expected(output: Any, manifest: Path) -> Any:
    if isinstance(output, dict) and "$import" in output:
        return parse_text((manifest.parent / output["$import"]).read_bytes())
    return output


def needs_container(test: ConformanceTest) -> bool:
    """Whether a tool of the test insists on an image (a hint does not)."""
    path, _, fragment = test.tool.partition("#")
    try:
        return _insists(load_path(Path(path), fragment or None))
    except CWLError:
        return False


def _insists(process: Process) -> bool:
    if isinstance(process, Workflow):
        return any(_insists(step.run) for step in process.steps)
    return "DockerRequirement" in process.requirements


def run_test(test: ConformanceTest, *, executor: Executor, javascript: JavaScript, directory: Path) -> None:
    """Run a test below ``directory``, which is new. Raises when it does not pass."""
    jobs = directory / "jobs"
    jobs.mkdir()
    try:
        outputs = run_document(
            test.tool,
            test.job,
            executor=executor,
            directory=jobs,
            outdir=directory / "out",
            javascript=javascript,
        )
    except CWLError:
        if test.must_fail:
            return
        raise
    except ProcessFailedError as error:
        if test.must_fail and error.failure.outcome.reason not in ACCIDENTS:
            return
        raise
    if test.must_fail:
        raise UnexpectedSuccessError(f"{test.id} must fail, but gave {outputs}")
    compare(test.output, outputs)


def run_in_another_form() -> dict[tuple[str, str], str]:
    """The tests that are not run as they are, and why, by suite and id, from the table in ``docs/conformance.md``."""
    section = DOCUMENT.read_text().split("## Run in another form\n", 1)[1].split("\n## ", 1)[0]
    found: dict[tuple[str, str], str] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and cells[0] in MANIFESTS:
            found[cells[0], cells[1].strip("`")] = cells[2]
    return found


def bridge_address() -> str | None:
    """The address under which docker's containers reach this machine, or None when there is no such bridge."""
    command = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
        return str(ip_address(said))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


class NoNetworkError(Exception):
    """Containers have no network here that reaches this machine."""


@contextmanager
def in_local_form(test: ConformanceTest, bridge: str | None, directory: Path) -> Iterator[ConformanceTest]:
    """The test as it is run here: one that fetches a page from the internet fetches one of this machine.

    ``bridge`` is `bridge_address`; what is written goes below the directory. Raises `NoNetworkError`.
    """
    if (test.suite, test.id) not in run_in_another_form():
        yield test
        return
    if bridge is None:
        raise NoNetworkError
    place = directory / f"local-{test.suite}-{test.id}"
    place.mkdir()
    with page_at(bridge) as url:
        yield with_page(test, url, place)


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        return


@contextmanager
def page_at(address: str) -> Iterator[str]:
    """An empty page on a free port of this address of ours; gives its URL."""
    with ThreadingHTTPServer((address, 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def with_page(test: ConformanceTest, url: str, directory: Path) -> ConformanceTest:
    """The test with its tool copied into the directory, where it fetches this page instead of `PAGE`."""
    text = Path(test.tool).read_text()
    assert text.count(PAGE) == 1
    copy = directory / Path(test.tool).name
    copy.write_text(text.replace(PAGE, url))
    return replace(test, tool=str(copy))
