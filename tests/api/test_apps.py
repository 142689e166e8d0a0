"""Apps over HTTP: installing in every form, revisions, the raw document, lists, copies, what is refused."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import yaml

from araneus.api.app_documents import MANAGED_KEYS
from araneus.model.task import Status
from tests.api.conftest import Server
from tests.api.tasks_fixtures import TOOL, WORKFLOW, Lab, make_lab, move

BOOKKEEPING = {
    "sbg:id", "sbg:project", "sbg:projectName", "sbg:revision", "sbg:latestRevision", "sbg:revisionNotes",
    "sbg:revisionsInfo", "sbg:createdBy", "sbg:createdOn", "sbg:modifiedBy", "sbg:modifiedOn", "sbg:contributors",
    "sbg:sbgMaintained", "sbg:validationErrors", "sbg:appVersion", "sbg:publisher", "sbg:content_hash",
    "sbg:image_url", "sbg:workflowLanguage",
}  # fmt: skip


@pytest.fixture
def lab(server: Server) -> Iterator[Lab]:
    with make_lab(server) as made:
        yield made


def code(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["message"]
    return answer.status_code, body["code"]


def plain(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in MANAGED_KEYS and key != "id"}


def post(lab: Lab, path: str, content: bytes, kind: str = "application/json") -> httpx.Response:
    return lab.client.post(f"/v2/apps/{lab.project}/{path}", content=content, headers={"content-type": kind})


# ---- installing


FORMS = [
    (json.dumps(TOOL).encode(), "application/json"),
    (json.dumps(json.dumps(TOOL)).encode(), "application/json"),
    (json.dumps(yaml.safe_dump(TOOL)).encode(), "application/json"),
    (yaml.safe_dump(TOOL).encode(), "application/yaml"),
    (yaml.safe_dump(TOOL).encode(), "text/plain"),
    (b"\n  " + json.dumps(TOOL).encode(), ""),
]


@pytest.mark.parametrize(("content", "kind"), FORMS)
def test_every_form_of_body_installs_the_same_app(lab: Lab, content: bytes, kind: str) -> None:
    answer = post(lab, "head/raw", content, kind)
    assert answer.status_code == 201, answer.text
    raw = answer.json()
    assert plain(raw) == TOOL
    assert raw["sbg:id"] == raw["id"] == f"{lab.project}/head/0"
    assert raw == lab.client.get(f"/v2/apps/{lab.project}/head/raw").json()


def test_the_raw_document_has_all_bookkeeping_keys(lab: Lab) -> None:
    first = post(lab, "head/raw", json.dumps(TOOL | {"sbg:revisionNotes": "first", "sbg:license": "MIT"}).encode())
    second = post(lab, "head/1/raw", json.dumps(TOOL | {"sbg:revisionNotes": "second"}).encode())
    for revision, raw in enumerate([first.json(), second.json()]):
        assert set(raw) >= BOOKKEEPING
        assert raw["sbg:revision"] == revision
        assert raw["sbg:project"] == lab.project
        assert raw["sbg:projectName"] == "DNA"
        assert raw["sbg:createdBy"] == raw["sbg:modifiedBy"] == "rosalind"
        assert abs(raw["sbg:createdOn"] - time.time()) < 60
        assert type(raw["sbg:modifiedOn"]) is int
        assert raw["sbg:contributors"] == ["rosalind"]
        assert raw["sbg:sbgMaintained"] is False
        assert raw["sbg:validationErrors"] == []
        assert raw["sbg:appVersion"] == ["v1.2"]
        assert (raw["sbg:publisher"], raw["sbg:image_url"], raw["sbg:workflowLanguage"]) == ("sbg", None, "CWL")
        assert raw["sbg:content_hash"][0] == "a"
        assert len(raw["sbg:content_hash"]) == 65
    assert first.json()["sbg:license"] == "MIT"
    assert [info["sbg:revisionNotes"] for info in second.json()["sbg:revisionsInfo"]] == ["first", "second"]
    assert set(second.json()["sbg:revisionsInfo"][0]) == {
        "sbg:revision", "sbg:modifiedBy", "sbg:modifiedOn", "sbg:revisionNotes",
    }  # fmt: skip
    old = lab.client.get(f"/v2/apps/{lab.project}/head/0/raw").json()
    assert (old["sbg:revision"], old["sbg:latestRevision"]) == (0, 1)


def test_a_document_that_was_pulled_can_be_pushed_again(lab: Lab) -> None:
    pulled = post(lab, "head/raw", json.dumps(TOOL).encode()).json()
    again = post(lab, "head/1/raw", json.dumps(pulled | {"sbg:createdBy": "maurice", "sbg:revision": 9}).encode())
    assert again.status_code == 201, again.text
    raw = again.json()
    assert (raw["sbg:revision"], raw["sbg:createdBy"], raw["id"]) == (1, "rosalind", f"{lab.project}/head/1")
    assert plain(raw) == TOOL


def test_the_same_content_has_the_same_hash(lab: Lab) -> None:
    first = post(lab, "a/raw", json.dumps(TOOL).encode()).json()
    reordered = json.dumps(dict(reversed(TOOL.items()))).encode()
    second = post(lab, "b/raw", reordered).json()
    assert first["sbg:content_hash"] == second["sbg:content_hash"]
    third = post(lab, "c/raw", json.dumps(TOOL | {"doc": "other"}).encode()).json()
    assert third["sbg:content_hash"] != first["sbg:content_hash"]


def test_the_app_object(lab: Lab) -> None:
    lab.install()
    post(lab, "head/1/raw", json.dumps(TOOL | {"label": "Head, again"}).encode())
    shown = lab.client.get(f"/v2/apps/{lab.project}/head").json()
    assert set(shown) == {"href", "id", "project", "name", "revision", "latest_revision", "raw"}
    assert shown["id"] == f"{lab.project}/head/1"
    assert shown["href"] == f"{lab.server.url}/v2/apps/{lab.project}/head/1"
    assert (shown["name"], shown["revision"], shown["latest_revision"]) == ("Head, again", 1, 1)
    old = lab.client.get(f"/v2/apps/{lab.project}/head/0").json()
    assert (old["name"], old["revision"], old["latest_revision"]) == ("Head", 0, 1)
    assert lab.client.get(shown["href"]).json() == shown
    assert "raw" not in lab.client.get(f"/v2/apps/{lab.project}/head", params={"fields": "!raw"}).json()


@pytest.mark.parametrize("suffix", ["", "/", "//"])
def test_slashes_at_the_end_are_tolerated(lab: Lab, suffix: str) -> None:
    lab.install()
    for path in ("head", "head/0", "head/raw", "head/0/raw"):
        assert lab.client.get(f"/v2/apps/{lab.project}/{path}{suffix}").status_code == 200
    assert post(lab, f"head/1/raw{suffix}", json.dumps(TOOL).encode()).status_code == 201


def test_workflows_and_expression_tools_are_apps_too(lab: Lab) -> None:
    tool = {
        "class": "ExpressionTool", "cwlVersion": "v1.0", "inputs": {}, "outputs": {"n": "int"},
        "expression": "${return {n: 1};}", "requirements": {"InlineJavascriptRequirement": {}},
    }  # fmt: skip
    lab.install("wf", WORKFLOW)
    lab.install("et", tool)
    assert lab.client.get(f"/v2/apps/{lab.project}/wf").json()["name"] == "Two heads"
    assert lab.client.get(f"/v2/apps/{lab.project}/et").json()["name"] == "et"


UNSUPPORTED = [
    {
        "class": "CommandLineTool",
        "cwlVersion": "draft-3",
        "id": "x",
        "inputs": [],
        "outputs": [],
        "baseCommand": [],
    },
    {"class": "nextflow", "cwlVersion": None, "app_content": {"entrypoint": "main.nf"}, "inputs": [], "outputs": []},
    {"class": "WDL", "app_content": {"code_package": "x"}, "inputs": [], "outputs": []},
]


@pytest.mark.parametrize("document", UNSUPPORTED)
def test_what_cannot_run_yet_is_stored_and_says_so(lab: Lab, document: dict[str, Any]) -> None:
    answer = post(lab, "old/raw", json.dumps(document).encode())
    assert answer.status_code == 201, answer.text
    assert "cannot run" in answer.json()["sbg:validationErrors"][0]
    assert plain(lab.client.get(f"/v2/apps/{lab.project}/old").json()["raw"]) == {
        key: value for key, value in document.items() if key != "id"
    }


INVALID: list[tuple[Any, list[str]]] = [
    ([], ["object"]),
    (7, ["object"]),
    ("just a text", ["object"]),
    (None, ["object"]),
    ({}, ["class"]),
    ({"class": 7}, ["class"]),
    ({"class": "Nonsense", "cwlVersion": "v1.2"}, ["Nonsense"]),
    ({"class": "CommandLineTool"}, ["cwlVersion"]),
    ({"class": "CommandLineTool", "cwlVersion": "v9.9", "inputs": [], "outputs": []}, ["v9.9"]),
    (TOOL | {"inputs": [{"id": "a", "type": "nope"}], "iputs": 1}, ["inputs/a", "nope", "iputs"]),
    (TOOL | {"inputs": [{"id": "a", "type": "int"}, {"id": "a", "type": "int"}]}, ["a"]),
    (TOOL | {"stdout": 7, "requirements": [{"class": "NoSuchRequirement"}]}, ["stdout"]),
    (WORKFLOW | {"steps": [{"id": "s", "in": [], "out": [], "run": "other.cwl"}]}, ["other.cwl"]),
    (
        WORKFLOW | {"steps": [{"id": "s", "in": [], "out": [], "run": {"$import": "file:///etc/passwd"}}]},
        ["/etc/passwd"],
    ),
]


@pytest.mark.parametrize(("document", "said"), INVALID)
def test_what_is_not_cwl_is_refused_with_all_problems(lab: Lab, document: Any, said: list[str]) -> None:
    answer = post(lab, "bad/raw", json.dumps(document).encode())
    assert code(answer) == (400, 90000)
    for text in said:
        assert text in answer.json()["message"], answer.json()["message"]
    assert "root:" not in answer.json()["message"]
    assert code(lab.client.get(f"/v2/apps/{lab.project}/bad")) == (404, 6002)


HOSTILE = [
    b"",
    b"   ",
    b"null",
    b"{",
    b"\xff\xfe\x00",
    b"a: b: c",
    b"class: CommandLineTool\nclass: Workflow\n",
    b"[" * 100_000,
    b'{"class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b"a: &a [x, x]\nb: &b [*a, *a]\n" + b"".join(
        f"{chr(99 + n)}: &{chr(99 + n)} [{', '.join(['*' + chr(98 + n)] * 10)}]\n".encode() for n in range(9)
    ),
    b"class: !!python/object/apply:os.system ['true']\n",
    b"class: CommandLineTool\ncwlVersion: v1.2\ninputs: []\noutputs: []\n1: x\ntrue: y\nx: .nan\n",
    b'{"class": "CommandLineTool", "cwlVersion": "v1.2", "inputs": [], "outputs": [], "x": 1' + b"0" * 400 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE)
@pytest.mark.parametrize("kind", ["application/json", "application/yaml"])
def test_hostile_bodies_never_break_the_server(lab: Lab, content: bytes, kind: str) -> None:
    started = time.monotonic()
    answer = post(lab, "hostile/raw", content, kind)
    assert time.monotonic() - started < 5
    assert answer.status_code in {201, 400}, answer.text
    if answer.status_code == 201:
        assert lab.client.get(f"/v2/apps/{lab.project}/hostile").status_code == 200
        assert lab.task("hostile")["status"] == "DRAFT"


def test_texts_that_databases_dislike_come_back(lab: Lab) -> None:
    document = TOOL | {"label": "naïve \u2603 \U0001f578", "doc": 'tab\t, quote ", backslash \\'}
    assert plain(post(lab, "odd/raw", json.dumps(document).encode()).json()) == document


# ---- revisions


def test_the_rules_of_revisions(lab: Lab) -> None:
    body = json.dumps(TOOL).encode()
    assert code(post(lab, "head/1/raw", body)) == (404, 6002)
    assert post(lab, "head/0/raw", body).status_code == 201
    assert code(post(lab, "head/raw", body)) == (409, 6003)
    assert code(post(lab, "head/0/raw", body)) == (409, 6003)
    assert code(post(lab, "head/2/raw", body)) == (400, 90000)
    assert post(lab, "head/1/raw", body).status_code == 201
    assert code(lab.client.get(f"/v2/apps/{lab.project}/head/7")) == (404, 6002)
    assert code(lab.client.get(f"/v2/apps/{lab.project}/head/x")) == (400, 6011)
    assert code(lab.client.get(f"/v2/apps/{lab.project}/none")) == (404, 6002)
    assert code(post(lab, "a b/raw", body)) == (400, 6011)
    assert code(post(lab, f"head/{10**12}/raw", body)) == (400, 6011)


def test_of_simultaneous_installs_one_is_granted(lab: Lab) -> None:
    body = json.dumps(TOOL).encode()
    for name in ("a", "b", "c"):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _, name=name: post(lab, f"{name}/raw", body), range(4)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


# ---- deleting


def test_deleting_a_revision_and_an_app(lab: Lab) -> None:
    app = lab.install()
    post(lab, "head/1/raw", json.dumps(TOOL | {"doc": "newer"}).encode())
    assert lab.client.delete(f"/v2/apps/{app}/1").status_code == 204
    assert code(lab.client.delete(f"/v2/apps/{app}/1")) == (404, 6002)
    assert lab.client.get(f"/v2/apps/{app}").json()["revision"] == 0
    assert lab.client.delete(f"/v2/apps/{app}").status_code == 204
    for method, path in (("GET", app), ("DELETE", app), ("GET", f"{app}/raw")):
        assert code(lab.client.request(method, f"/v2/apps/{path}")) == (404, 6002)
    lab.install()


def test_tasks_of_a_deleted_app_stay_and_say_so(lab: Lab) -> None:
    app, text = lab.install(), lab.file("a.txt")
    draft, ended = (lab.task("head", inputs={"text": {"class": "File", "path": text}}) for _ in range(2))
    lab.client.post(f"/v2/tasks/{ended['id']}/actions/run")
    for path in (app, f"{app}/0"):
        answer = lab.client.delete(f"/v2/apps/{path}")
        assert answer.status_code == 409
        assert "in use" in answer.json()["message"]
    lab.client.post(f"/v2/tasks/{ended['id']}/actions/abort")
    move(lab, ended["id"], Status.ABORTED)
    assert lab.client.delete(f"/v2/apps/{app}").status_code == 204
    shown = lab.client.get(f"/v2/tasks/{ended['id']}").json()
    assert (shown["status"], shown["inputs"]["text"]["path"]) == ("ABORTED", text)
    cloned = lab.client.post(f"/v2/tasks/{ended['id']}/actions/clone")
    assert cloned.status_code == 201, cloned.text
    for task in (draft["id"], cloned.json()["id"]):
        answer = lab.client.post(f"/v2/tasks/{task}/actions/run")
        assert answer.status_code == 400, answer.text
        errors = lab.client.get(f"/v2/tasks/{task}").json()["errors"]
        assert any("does not exist" in error["message"] for error in errors), errors


def test_only_writers_delete_apps(lab: Lab) -> None:
    app = lab.install()
    with lab.admit("maurice", read=True, execute=True, copy=True) as maurice:
        assert code(maurice.delete(f"/v2/apps/{app}")) == (403, 6001)
    with lab.server.client("francis") as francis:
        assert code(francis.delete(f"/v2/apps/{app}")) == (404, 6002)
    assert lab.client.get(f"/v2/apps/{app}").status_code == 200


# ---- who may do what


def test_strangers_see_no_apps_and_readers_install_none(lab: Lab) -> None:
    lab.install()
    body = json.dumps(TOOL).encode()
    with lab.server.client("francis") as francis:
        for path in ("head", "head/0", "head/raw", "none"):
            assert code(francis.get(f"/v2/apps/{lab.project}/{path}")) == (404, 6002)
        assert code(francis.post(f"/v2/apps/{lab.project}/x/raw", content=body)) == (404, 3002)
        assert code(francis.get("/v2/apps", params={"project": lab.project})) == (404, 3002)
        assert francis.get("/v2/apps").json()["items"] == []
        target = {"project": lab.project}
        assert code(francis.post(f"/v2/apps/{lab.project}/head/actions/copy", json=target)) == (404, 6002)
    with lab.admit("maurice", read=True, execute=True) as maurice:
        assert maurice.get(f"/v2/apps/{lab.project}/head").status_code == 200
        assert code(maurice.post(f"/v2/apps/{lab.project}/x/raw", content=body)) == (403, 6001)
        assert code(maurice.post(f"/v2/apps/{lab.project}/head/1/raw", content=body)) == (403, 6001)
        assert code(maurice.post(f"/v2/apps/{lab.project}/head/actions/copy", json=target)) == (403, 6001)


# ---- lists


def test_lists(lab: Lab) -> None:
    lab.install("head", TOOL | {"sbg:toolkit": "coreutils", "sbg:categories": ["Text"]})
    lab.install("wf", WORKFLOW)
    post(lab, "head/1/raw", json.dumps(TOOL | {"sbg:toolkit": "coreutils"}).encode())
    other = lab.another("Other")
    other.install("third")

    def listed(**params: Any) -> list[str]:
        answer = lab.client.get("/v2/apps", params=params)
        assert answer.status_code == 200, answer.text
        found = [item["id"] for item in answer.json()["items"]]
        assert answer.headers["x-total-matching-query"] == str(len(found))
        return found

    here = [f"{lab.project}/head/1", f"{lab.project}/wf/0"]
    there = [f"{other.project}/third/0"]
    assert sorted(listed()) == sorted(here + there)
    assert listed(project=lab.project) == here
    assert listed(visibility="PUBLIC") == []
    assert listed(q="coreutils") == here[:1]
    assert listed(q=["HEAD", "coreutils"]) == here[:1]
    assert listed(q=["head", "nothing"]) == []
    assert listed(id=[f"{lab.project}/wf", f"{other.project}/third/0"]) == sorted(here[1:] + there)
    assert listed(project_owner="francis") == []
    item = lab.client.get("/v2/apps").json()["items"][0]
    assert set(item) == {"href", "id", "name", "project", "revision"}
    full = lab.client.get("/v2/apps", params={"fields": "_all", "project": other.project}).json()["items"][0]
    assert full == lab.client.get(f"/v2/apps/{other.project}/third").json()
    assert "raw" not in lab.client.get("/v2/apps", params={"fields": "!raw"}).json()["items"][0]
    assert code(lab.client.get("/v2/apps", params={"visibility": "all"})) == (400, 6012)
    assert code(lab.client.get("/v2/apps", params={"id": "x"})) == (400, 6011)
    assert lab.client.get(f"/v2/projects/{lab.project}/apps", follow_redirects=True).json()["items"]


# ---- copies


def copied(lab: Lab, source: str, **body: Any) -> httpx.Response:
    return lab.client.post(f"/v2/apps/{source}/actions/copy", json=body)


@pytest.mark.parametrize(
    ("strategy", "revisions"), [(None, 2), ("clone", 2), ("direct", 1), ("clone_direct", 2), ("transient", 1)]
)
def test_copying(lab: Lab, strategy: str | None, revisions: int) -> None:
    app = lab.install()
    post(lab, "head/1/raw", json.dumps(TOOL | {"doc": "newer"}).encode())
    target = lab.another("Target")
    body = {"project": target.project} | ({"strategy": strategy} if strategy else {})
    answer = copied(lab, app, **body)
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert shown["id"] == f"{target.project}/head/{revisions - 1}"
    assert shown["copy_of"] == f"{app}/1"
    assert shown["raw"]["doc"] == "newer"
    assert shown["raw"]["sbg:revisionNotes"] == f"Copy of {app}/1"
    assert shown["raw"]["sbg:copyOf"] == f"{app}/1"
    assert len(shown["raw"]["sbg:revisionsInfo"]) == revisions
    assert code(copied(lab, app, **body)) == (409, 6003)


def test_a_copy_of_a_copy_follows_the_original_or_the_copy(lab: Lab) -> None:
    app, first, second = lab.install(), lab.another("First"), lab.another("Second")
    copied(lab, app, project=first.project)
    names = {}
    for strategy in ("clone", "transient", "direct", "clone_direct"):
        answer = copied(lab, f"{first.project}/head", project=second.project, strategy=strategy, name=strategy)
        names[strategy] = answer.json()["copy_of"]
    assert names["clone"] == names["transient"] == f"{app}/0"
    assert names["direct"] == names["clone_direct"] == f"{first.project}/head/0"


def test_copying_a_revision_under_a_new_name(lab: Lab) -> None:
    app = lab.install()
    post(lab, "head/1/raw", json.dumps(TOOL | {"doc": "newer"}).encode())
    shown = copied(lab, f"{app}/0", project=lab.project, name="My Head: 2").json()
    assert shown["id"] == f"{lab.project}/my-head-2/0"
    assert "doc" not in shown["raw"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, 6009)),
        ({"project": ""}, (400, 6009)),
        ({"project": "x"}, (400, 3012)),
        ({"project": "rosalind/none"}, (404, 3002)),
        ({"project": "rosalind/dna", "strategy": "steal", "name": "x"}, (400, 90000)),
        ({"project": "rosalind/dna", "strategy": ["clone"], "name": "x"}, (400, 90000)),
        ({"project": "rosalind/dna", "name": 7}, (400, 90000)),
    ],
)
def test_copies_that_are_refused(lab: Lab, body: dict[str, Any], expected: tuple[int, int]) -> None:
    assert code(copied(lab, lab.install(), **body)) == expected


def test_a_copy_needs_write_permission_on_the_target(lab: Lab) -> None:
    app, theirs = lab.install(), lab.another("Theirs", "francis")
    assert code(copied(lab, app, project=theirs.project)) == (404, 3002)
    with theirs.admit("rosalind", read=True):
        assert code(copied(lab, app, project=theirs.project)) == (403, 6001)


def test_a_copy_is_brought_up_to_its_source(lab: Lab) -> None:
    app, target = lab.install(), lab.another("Target")
    copied(lab, app, project=target.project)
    path = f"/v2/apps/{target.project}/head/actions/sync"
    assert lab.client.post(path).json()["revision"] == 0
    post(lab, "head/1/raw", json.dumps(TOOL | {"doc": "newer"}).encode())
    synced = lab.client.post(path, json=None).json()
    assert (synced["revision"], synced["copy_of"], synced["raw"]["doc"]) == (1, f"{app}/1", "newer")
    assert lab.client.post(path).json()["revision"] == 1
    assert code(lab.client.post(f"/v2/apps/{app}/actions/sync")) == (400, 90000)
