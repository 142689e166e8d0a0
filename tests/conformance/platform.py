"""One test of a suite as a user of a server goes through it: pack, install, upload, run, fetch, compare.

A file of a job is uploaded into a folder with its secondary files beside it, as people do; those that the job does not
name are left to the server to find. A literal file is uploaded too, for a task takes ids; a literal directory becomes a
default of the app. What comes back is downloaded, and compared by the rules of ``cwltest``, as far as the platform
tells it: an output file has no format there, and the name of a folder has letters, digits and ``_-.`` alone.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cwltest.compare import compare

from araneus.cwl.errors import CWLError, InputError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_path, parse_text
from araneus.cwl.pack import pack
from araneus.cwl.ready import ready_inputs
from araneus.cwl.scope import short
from araneus.model.file import safe_folder_name
from araneus.model.values import FileValue, file_values, map_file_values
from araneus.scheduler.direct import locate
from araneus.scheduler.jobfile import JobFile, read_job, with_formats
from tests.conformance.suites import (
    ConformanceTest,
    UnexpectedSuccessError,
    bridge_address,
    in_local_form,
    needs_container,
    read_suite,
)
from tests.live import Server

AT_ONCE = 12
"""Tests under way at a time: most of them wait for their task."""
ROOM = {"ARANEUS__JOBS__CORES": "64", "ARANEUS__JOBS__MEMORY": str(1024 * 1024)}
"""Some tests ask for more cores and memory than they use, or than a small machine has."""
PATIENCE = 240.0
BESIDE = "beside"
"""Under this key a file value has those secondary files that the server is to find."""
ENDED = frozenset({"COMPLETED", "FAILED", "ABORTED"})
ACCIDENTS = ("was lost", "could not be started", "no space left", "container image")
"""Ways of a task to fail that say nothing about the document, as its message tells them."""


class RefusedError(Exception):
    """The server refused the app or its inputs, or the task failed: its own words."""


@dataclass
class Platform:
    """A server, a project in it, and what was uploaded so far. Used by many threads."""

    http: httpx.Client
    javascript: JavaScript
    project: str
    root: str
    _known: dict[tuple[Any, ...], Future[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, server: Server, javascript: JavaScript) -> "Platform":
        """The server's first user in a new project that lets tools use the network."""
        credentials = server.credentials
        http = httpx.Client(
            base_url=credentials["api_endpoint"],
            headers={"X-SBG-Auth-Token": credentials["auth_token"]},
            timeout=120,
            # Below the time after which a server closes an idle connection, so that none is used as it closes.
            limits=httpx.Limits(max_connections=2 * AT_ONCE, keepalive_expiry=2.0),
        )
        made = http.post("/projects", json={"name": "suite", "settings": {"allow_network_access": True}})
        project = made.raise_for_status().json()
        return cls(http, javascript, project["id"], project["root_folder"])

    # --- one test ---------------------------------------------------------------------------------------------------

    def run(self, test: ConformanceTest, directory: Path) -> None:
        """Run a test; its outputs are downloaded into the directory. Raises when it does not pass."""
        try:
            outputs = self._outputs(test, directory)
        except (RefusedError, InputError) as error:
            if test.must_fail and not any(accident in str(error) for accident in ACCIDENTS):
                return
            raise
        if test.must_fail:
            raise UnexpectedSuccessError(f"{test.id} must fail, but gave {outputs}")
        compare(_as_on_the_platform(test.output), outputs)

    def _outputs(self, test: ConformanceTest, directory: Path) -> dict[str, Any]:
        path, _, fragment = test.tool.partition("#")
        job = read_job(Path(test.job)) if test.job else JobFile()
        known = self._with_secondary(path, fragment, job)
        inputs = {port: self._given(value) for port, value in known.items() if not _has_literal_directory(value)}
        literals = {port: self._in_document(value) for port, value in known.items() if port not in inputs}
        app = self._install(test, Path(path), fragment or None, job, literals)
        body = {
            "project": self.project, "app": app, "name": test.id, "inputs": inputs,
            "output_location": {"main_location": f"outputs/{test.id}"},
        }  # fmt: skip
        task = _value(self.http.post("/tasks", params={"action": "run"}, json=body))
        if task["errors"]:
            raise RefusedError(json.dumps(task["errors"]))
        ended = self._ended(task["id"])
        if ended["status"] != "COMPLETED":
            raise RefusedError(f"{ended['status']}: {ended['execution_status'].get('message')}")
        return {port: self._fetched(value, directory / port) for port, value in ended["outputs"].items()}

    def _install(
        self, test: ConformanceTest, path: Path, fragment: str | None, job: JobFile, literals: Mapping[str, Any]
    ) -> str:
        try:
            document = pack(path, fragment)
        except CWLError:
            # Not a document that can be taken together: the server is to say so itself.
            document = parse_text(path.read_bytes())
        for requirement in job.requirements:
            _require(document, requirement)
        for port, value in literals.items():
            _set_default(document, port, value)
        app = f"{self.project}/{test.id}"
        _value(self.http.post(f"/apps/{app}/raw", json=document))
        return app

    def _with_secondary(self, path: str, fragment: str, job: JobFile) -> dict[str, Any]:
        """The job's inputs, files with what lies beside them: people know what belongs to a file."""
        try:
            process = load_path(Path(path), fragment or None)
            spaces = {**process.extensions.get("$namespaces", {}), **job.namespaces}
            job_inputs = with_formats(job.inputs, spaces)
            inputs = {port.id: job_inputs.get(port.id) for port in process.inputs}
            found = ready_inputs(process, inputs, evaluator_for(process, self.javascript), locate)
        except CWLError:
            return job.inputs
        named = {file.get("location") for file in file_values(list(job_inputs.values())) if "secondaryFiles" in file}

        def told(file: FileValue) -> FileValue:
            """What the job does not name is only put beside the file."""
            if file.get("location") in named or "secondaryFiles" not in file:
                return file
            return {**file, BESIDE: file["secondaryFiles"], "secondaryFiles": []}

        return {**job_inputs, **{port: map_file_values(found[port], told) for port in found if port in job.inputs}}

    def _ended(self, task: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        pause = 0.05
        while time.monotonic() < deadline:
            status = _value(self.http.get(f"/tasks/{task}", params={"fields": "status"}))["status"]
            if status in ENDED:
                return _value(self.http.get(f"/tasks/{task}"))
            time.sleep(pause)
            pause = min(1.0, pause * 1.3)
        raise AssertionError(f"{task} is still {status} after {PATIENCE} s")

    # --- in -----------------------------------------------------------------------------------------------------------

    def _given(self, value: Any) -> Any:
        """A job's value as a task takes it: files by their ids."""
        if isinstance(value, list):
            return [self._given(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class") not in {"File", "Directory"}:
            return {key: self._given(item) for key, item in value.items()}
        folder = self._once(("folder", _key(value)), lambda: self._folder(self.root, f"in-{len(self._known)}"))
        for item in value.get(BESIDE) or ():
            self._uploaded(item, folder)
        given = {"class": value["class"], "path": self._uploaded(value, folder)}
        named = value.get("secondaryFiles") or ()
        secondary = [{"class": item["class"], "path": self._uploaded(item, folder)} for item in named]
        said = {"format": value["format"]} if value.get("format") else {}
        return given | said | ({"secondaryFiles": secondary} if secondary else {})

    def _in_document(self, value: Any) -> Any:
        """A literal as an app can hold it: its files uploaded, and named by their ids."""
        if isinstance(value, list):
            return [self._in_document(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.get("class") == "File":
            return self._given(value)
        return {key: self._in_document(item) for key, item in value.items()}

    def _uploaded(self, value: Mapping[str, Any], folder: str) -> str:
        """The id of the file or folder in this folder."""
        return self._once((folder, _key(value)), lambda: self._upload(value, folder))

    def _upload(self, value: Mapping[str, Any], folder: str) -> str:
        location = value.get("location")
        path = locate(location) if isinstance(location, str) else None
        name = str(value.get("basename") or (path.name if path else "literal"))
        if value["class"] == "File":
            return self._file(folder, name, path.read_bytes() if path else value["contents"].encode())
        made = self._folder(folder, name)
        listing = value.get("listing")
        if path is not None:
            listing = [
                {"class": "Directory" if entry.is_dir() else "File", "location": entry.as_uri()}
                for entry in sorted(path.iterdir())
            ]
        for item in listing or ():
            self._upload(item, made)
        return made

    def _folder(self, parent: str, name: str) -> str:
        body = {"name": name, "parent": parent, "type": "folder"}
        return str(_value(self.http.post("/files", json=body))["id"])

    def _file(self, folder: str, name: str, content: bytes) -> str:
        body = {"parent": folder, "name": name, "size": len(content)}
        upload = _value(self.http.post("/upload/multipart", json=body))["upload_id"]
        url = _value(self.http.get(f"/upload/multipart/{upload}/part/1"))["url"]
        sent = self.http.put(url, content=content).raise_for_status()
        report = {"part_number": 1, "response": {"headers": {"ETag": sent.headers["ETag"]}}}
        _value(self.http.post(f"/upload/multipart/{upload}/part", json=report))
        return str(_value(self.http.post(f"/upload/multipart/{upload}/complete"))["id"])

    def _once(self, key: tuple[Any, ...], make: Any) -> str:
        """What was made for this key, by whichever thread came first."""
        with self._lock:
            known = self._known.get(key)
            mine = known is None
            if known is None:
                known = self._known[key] = Future()
        if mine:
            try:
                known.set_result(make())
            except BaseException as error:
                known.set_exception(error)
        return known.result()

    # --- out ----------------------------------------------------------------------------------------------------------

    def _fetched(self, value: Any, directory: Path) -> Any:
        """An output with its files downloaded below the directory, as a runner would describe them."""
        if isinstance(value, list):
            return [self._fetched(item, directory / str(number)) for number, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        if value.get("class") == "Directory":
            return self._fetched_folder(value["path"], directory / value["name"])
        if value.get("class") != "File":
            return {key: self._fetched(item, directory / key) for key, item in value.items()}
        found = self._fetched_file(value, directory / value["name"])
        if value.get("secondaryFiles"):
            found["secondaryFiles"] = [self._fetched(item, directory) for item in value["secondaryFiles"]]
        return found

    def _fetched_file(self, value: Mapping[str, Any], path: Path) -> dict[str, Any]:
        url = _value(self.http.get(f"/files/{value['path']}/download_info"))["url"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.http.get(url).raise_for_status().content)
        return {
            "class": "File", "location": str(path), "path": str(path), "basename": path.name, "size": value["size"]
        }  # fmt: skip

    def _fetched_folder(self, identity: str, path: Path) -> dict[str, Any]:
        path.mkdir(parents=True, exist_ok=True)
        listing = []
        for item in self._children(identity):
            if item["type"] == "folder":
                listing.append(self._fetched_folder(item["id"], path / item["name"]))
            else:
                size = _value(self.http.get(f"/files/{item['id']}"))["size"]
                listing.append(self._fetched_file({"path": item["id"], "size": size}, path / item["name"]))
        return {"class": "Directory", "location": str(path), "path": str(path), "basename": path.name,
                "listing": listing}  # fmt: skip

    def _children(self, folder: str) -> Iterator[Any]:
        offset = 0
        while True:
            page = _value(self.http.get("/files", params={"parent": folder, "limit": "100", "offset": str(offset)}))
            yield from page["items"]
            offset += len(page["items"])
            if len(page["items"]) < 100:
                return


def _value(answer: httpx.Response) -> Any:
    """The value of an answer. Raises `RefusedError` for a refusal, and AssertionError for a fault of the server."""
    assert answer.status_code < 500, answer.text
    if not answer.is_success:
        raise RefusedError(answer.text)
    return answer.json()


def _key(value: Mapping[str, Any]) -> str:
    """What makes two values the same upload: place, name and content, with what lies beside."""
    kept = ("class", "location", "basename", "contents", "listing", "secondaryFiles", BESIDE)
    return json.dumps({key: value[key] for key in kept if key in value}, sort_keys=True)


def _require(document: Any, requirement: Mapping[str, Any]) -> None:
    """Put a requirement of the job over those of every process in the document."""
    if isinstance(document, list):
        for item in document:
            _require(item, requirement)
    elif isinstance(document, dict):
        for item in document.values():
            _require(item, requirement)
        if document.get("class") in {"CommandLineTool", "ExpressionTool", "Workflow"}:
            own = document.get("requirements") or []
            listed = [{"class": name, **entry} for name, entry in own.items()] if isinstance(own, dict) else own
            others = [entry for entry in listed if entry["class"] != requirement["class"]]
            document["requirements"] = [*others, dict(requirement)]


def _has_literal_directory(value: Any) -> bool:
    """Whether a value holds a Directory that is nothing but its listing, which is not what a folder is."""
    return any(item["class"] == "Directory" and "location" not in item for item in file_values(value))


def _set_default(document: Any, port: str, value: Any) -> None:
    """Make a value the default of an input of the process."""
    ports = document["inputs"]
    if isinstance(ports, dict):
        entry = ports[port]
        ports[port] = {**(entry if isinstance(entry, dict) and "type" in entry else {"type": entry}), "default": value}
    else:
        next(entry for entry in ports if short(entry["id"]) == port)["default"] = value


def _as_on_the_platform(value: Any) -> Any:
    """An expected output as the platform can tell it."""
    if isinstance(value, list):
        return [_as_on_the_platform(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("class")
    expected = {key: _as_on_the_platform(item) for key, item in value.items() if kind != "File" or key != "format"}
    if kind == "Directory" and isinstance(value.get("basename"), str):
        expected["basename"] = safe_folder_name(value["basename"])
    return expected


@contextmanager
def serving(directory: Path, containers: str) -> Iterator[Server]:
    """A server of its own, gone afterwards."""
    server = Server(directory, environment={**ROOM, "ARANEUS__JOBS__CONTAINERS": containers})
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass(frozen=True, slots=True)
class Result:
    """How a test went: nothing went wrong, or ``error``. ``seconds`` are those from its first request."""

    error: BaseException | None
    seconds: float


def run_through(suite: str, directory: Path, *, engine: bool) -> dict[str, Result]:
    """Run a suite through the API, on new servers below the directory: results by id.

    Images are used where a tool insists on one; without an ``engine`` these tests are left out. Elsewhere this
    machine's own programs do, and are quicker.
    """
    insisting = {test.id for test in read_suite(suite) if needs_container(test)}
    tests = read_suite(suite)
    found = _on_server([test for test in tests if test.id not in insisting], directory / "bare", "none")
    if engine:
        found |= _on_server([test for test in tests if test.id in insisting], directory / "engine", "auto")
    return found


def _on_server(tests: list[ConformanceTest], directory: Path, containers: str) -> dict[str, Result]:
    directory.mkdir(parents=True)
    bridge = bridge_address() if containers != "none" else None
    with (
        serving(directory / "data", containers) as server,
        JavaScript(workers=1) as javascript,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        platform = Platform.of(server, javascript)

        def one(test: ConformanceTest) -> Result:
            start = time.perf_counter()
            error: BaseException | None = None
            try:
                with in_local_form(test, bridge, directory) as form:
                    platform.run(form, directory / test.id)
            except Exception as problem:
                error = problem
            return Result(error, time.perf_counter() - start)

        try:
            return dict(zip([test.id for test in tests], pool.map(one, tests), strict=True))
        finally:
            platform.http.close()
