"""Scripts as bioinformaticians write them, against a whole server: results are checked to the last byte."""

import http.client
import json
import time
from typing import Any

import pytest

from tests.visitor import Visitor, file, globbed, shell

SETTINGS = {"ARANEUS__JOBS__CORES": "8"}
ODD_NAMES = (
    "a b.txt", "it's.txt", 'q"uote.txt', "$(id).txt", "-rf", "ünï.txt", "日本語.txt", "semi;colon", "*", "new`id`",
    "#hash?%20", "a&b|c>d<e", "\\back", "x" * 240,
)  # fmt: skip
TEXT = "a b;$(touch x) `id` 'q' \"dq\" \\ $HOME * & | > < \n newline ü $(inputs.number)"


@pytest.fixture(scope="module")
def project(owner: Visitor) -> str:
    return owner.project("Everyday")


def bound(position: int, kind: Any = "string", **more: Any) -> dict[str, Any]:
    return {"type": kind, "inputBinding": {"position": position, **more}}


def record(**fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "pair", "fields": fields}


def outputs(owner: Visitor, project: str, name: str, raw: dict[str, Any], inputs: dict[str, Any]) -> Any:
    return owner.completed(owner.run(owner.app(project, name, raw), inputs))


def test_inputs_of_all_types_reach_the_command_line(owner: Visitor, project: str) -> None:
    pair = record(key={"type": "string", "inputBinding": {"prefix": "-k"}})
    tool = {
        "class": "CommandLineTool", "cwlVersion": "v1.2",
        "baseCommand": ["python3", "-c", "import json, sys; json.dump(sys.argv[1:], open('a.json', 'w'))"],
        "inputs": {
            "number": bound(1, "int"), "long": bound(2, "long"), "float": bound(3, "float"), "text": bound(4),
            "kind": bound(5, {"type": "enum", "symbols": ["x", "y"]}), "flag": bound(6, "boolean", prefix="--flag"),
            "texts": bound(7, "string[]", prefix="-A", itemSeparator=","), "pair": bound(8, pair),
            "pairs": {"type": {"type": "array", "items": pair, "inputBinding": {}}, "inputBinding": {"position": 9}},
            "any": bound(10, "Any"), "absent": bound(11, "string?"),
        },
        "outputs": {"out": globbed("a.json")},
    }  # fmt: skip
    inputs = {
        "number": -3, "long": 2**53 + 1, "float": 1.5, "text": TEXT, "kind": "y", "flag": True, "texts": ["p q", "r"],
        "pair": {"key": "v w"}, "pairs": [{"key": "1"}, {"key": "2"}], "any": "$(inputs.text)",
    }  # fmt: skip
    found = outputs(owner, project, "types", tool, inputs)
    assert json.loads(owner.content(found["out"])) == [
        "-3", str(2**53 + 1), "1.5", TEXT, "y", "--flag", "-A", "p q,r", "-k", "v w", "-k", "1", "-k", "2",
        "$(inputs.text)",
    ]  # fmt: skip


def test_odd_names_go_in_and_come_out(owner: Visitor, project: str) -> None:
    home = owner.folder("odd", owner.root(project))
    ids = [owner.file(home, name, name.encode()) for name in ODD_NAMES]
    tool = shell(
        'mkdir out; for f in "$@"; do cp "$f" out/; done',
        inputs={"files": bound(1, "File[]")},
        outputs={"files": globbed("out/*", "File[]")},
    )
    found = outputs(owner, project, "odd", tool, {"files": [file(identity) for identity in ids]})
    assert {value["name"]: owner.content(value).decode() for value in found["files"]} == {
        name: name for name in ODD_NAMES
    }


def test_files_of_one_name_with_what_lies_beside_them(owner: Visitor, project: str) -> None:
    inputs = []
    for name in ("left", "right"):
        home = owner.folder(name, owner.root(project))
        inputs.append(file(owner.file(home, "x.bam", name.encode())))
        owner.file(home, "x.bam.bai", f"index of {name} ".encode())
    tool = shell(
        'for f in "$@"; do cat "$f" "$f.bai"; done',
        inputs={"files": bound(1, "File[]") | {"secondaryFiles": [{"pattern": ".bai"}]}},
        outputs={"out": globbed("out")},
        stdout="out",
    )
    found = outputs(owner, project, "beside", tool, {"files": inputs})
    assert owner.content(found["out"]) == b"leftindex of left rightindex of right "


def test_directories_in_and_out(owner: Visitor, project: str) -> None:
    home = owner.folder("run1", owner.root(project))
    inner = owner.folder("lane.1", home)
    owner.file(home, "one", b"1")
    owner.file(inner, "two 2", b"22")
    owner.folder("empty", home)
    tool = shell(
        'cd "$1"; find . | sort; cd - > /dev/null; mkdir out; cp -r "$1" out/copy; echo hi > out/h',
        inputs={"run": bound(1, "Directory")},
        outputs={"list": globbed("list"), "out": globbed("out", "Directory")},
        stdout="list",
    )
    found = outputs(owner, project, "dirs", tool, {"run": {"class": "Directory", "path": home}})
    assert owner.content(found["list"]).decode().split("\n")[:-1] == [
        ".", "./empty", "./lane.1", "./lane.1/two 2", "./one",
    ]  # fmt: skip
    assert tree(owner, found["out"]["path"]) == {
        "h": b"hi\n", "copy": {"one": b"1", "lane.1": {"two 2": b"22"}, "empty": {}},
    }  # fmt: skip


def tree(owner: Visitor, folder: str) -> dict[str, Any]:
    """What a folder holds: bytes of files, trees of folders."""
    items = owner.get("/files", parent=folder, fields="_all", limit="100")["items"]
    return {
        item["name"]: tree(owner, item["id"]) if item["type"] == "folder" else owner.content(item["id"])
        for item in items
    }


def test_writable_copies_leave_the_originals_alone(owner: Visitor, project: str) -> None:
    text = owner.file(owner.root(project), "w.txt", b"first\n")
    tool = shell(
        "echo more >> w.txt; cat w.txt script.sh",
        inputs={"text": "File"},
        outputs={"out": globbed("out"), "text": globbed("w.txt")},
        stdout="out",
        requirements={
            "InitialWorkDirRequirement": {
                "listing": [
                    {"entry": "$(inputs.text)", "writable": True},
                    {"entryname": "script.sh", "entry": "echo $(inputs.text.basename) $HOME\n"},
                ]
            }
        },
    )
    found = outputs(owner, project, "writable", tool, {"text": file(text)})
    assert owner.content(found["out"]) == b"first\nmore\necho w.txt $HOME\n"
    assert owner.content(found["text"]) == b"first\nmore\n"
    assert owner.content(text) == b"first\n"


def test_nested_scatter_over_records_with_conditions(owner: Visitor, project: str) -> None:
    tool = {
        "class": "CommandLineTool", "baseCommand": ["sh", "-c", 'printf "%s-" "$1"; cat "$2"', "tool"],
        "inputs": {"pair": bound(1, record(name=bound(1), text=bound(2, "File")))}, "stdout": "out",
        "outputs": {"out": {"type": "string", "outputBinding": {
            "glob": "out", "loadContents": True, "outputEval": "$(self[0].contents)"}}},
    }  # fmt: skip
    inner = {
        "class": "Workflow", "inputs": {"pair": "Any"},
        "outputs": {"out": {"type": "string?", "outputSource": "a/out"}},
        "steps": {"a": {"run": tool, "in": {"pair": "pair"}, "out": ["out"], "when": "$(inputs.pair.name != 'skip')"}},
    }  # fmt: skip
    features = ("InlineJavascript", "ScatterFeature", "SubworkflowFeature")
    workflow = {
        "class": "Workflow", "cwlVersion": "v1.2", "requirements": {f"{name}Requirement": {} for name in features},
        "inputs": {"pairs": {"type": {"type": "array", "items": record(name="string", text="File")}}},
        "outputs": {
            "some": {"type": "string[]", "outputSource": "wide/out", "pickValue": "all_non_null"},
            "all": {"type": {"type": "array", "items": ["null", "string"]}, "outputSource": "wide/out"},
        },
        "steps": {"wide": {"run": inner, "scatter": "pair", "in": {"pair": "pairs"}, "out": ["out"]}},
    }  # fmt: skip
    text = file(owner.file(owner.root(project), "n.txt", b"N"))
    pairs = [{"name": name, "text": text} for name in ("1", "skip", "3")]
    found = outputs(owner, project, "nested", workflow, {"pairs": pairs})
    assert found == {"some": ["1-N", "3-N"], "all": ["1-N", None, "3-N"]}


def test_expressions_alone(owner: Visitor, project: str) -> None:
    square = {
        "class": "ExpressionTool", "inputs": {"n": "int"}, "outputs": {"out": "int"},
        "expression": "${ return {out: inputs.n * inputs.n}; }",
    }  # fmt: skip
    features = ("InlineJavascript", "ScatterFeature")
    workflow = {
        "class": "Workflow", "cwlVersion": "v1.2", "requirements": {f"{name}Requirement": {} for name in features},
        "inputs": {"n": "int[]"}, "outputs": {"out": {"type": "int[]", "outputSource": "s/out"}},
        "steps": {"s": {"run": square, "scatter": "n", "in": {"n": "n"}, "out": ["out"]}},
    }  # fmt: skip
    assert outputs(owner, project, "squares", workflow, {"n": list(range(20))}) == {"out": [n * n for n in range(20)]}
    assert owner.completed(owner.run(f"{project}/squares", {"n": []})) == {"out": []}
    assert outputs(owner, project, "nothing", shell("true"), {}) == {}


@pytest.mark.slow
def test_five_hundred_jobs(owner: Visitor, project: str) -> None:
    tool = shell('echo "$1" > out.txt', inputs={"n": bound(1, "int")}, outputs={"out": globbed("out.txt")})
    workflow = {
        "class": "Workflow", "cwlVersion": "v1.2", "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"n": "int[]"}, "outputs": {"out": {"type": "File[]", "outputSource": "s/out"}},
        "steps": {"s": {"run": tool, "scatter": "n", "in": {"n": "n"}, "out": ["out"]}},
    }  # fmt: skip
    task = owner.run(owner.app(project, "wide", workflow), {"n": list(range(500))})
    found = owner.completed(task)["out"]
    assert [owner.content(value) for value in found[::50]] == [f"{n}\n".encode() for n in range(0, 500, 50)]
    assert len({value["name"] for value in found}) == 500
    jobs = owner.get(f"/tasks/{task}/execution_details")["jobs"]
    assert [job["status"] for job in jobs] == ["COMPLETED"] * 500


def test_a_cohort_from_metadata_to_renamed_outputs(owner: Visitor, project: str) -> None:
    api, samples = owner.api(), [f"S{number:02}" for number in range(50)]
    home = owner.folder("cohort", owner.root(project))
    for sample in samples:
        owner.file(home, f"{sample}.fq", f"reads of {sample}\n".encode(), {"sample_id": sample})
    broken = 'test "$2" != S07 || exit 4; cat "$1" > "$2.out"'
    name = {
        "type": "string",
        "default": "",
        "inputBinding": {"position": 2, "valueFrom": "$(inputs.reads.metadata.sample_id)"},
    }
    inputs = {"reads": bound(1, "File"), "sample": name}
    owner.app(project, "cohort", shell(broken, inputs=inputs, outputs={"out": globbed("*.out")}))
    tasks = []
    for sample in samples:
        (reads,) = api.files.query(parent=home, metadata={"sample_id": sample}, limit=100).all()
        made = {"reads": reads}
        tasks.append(api.tasks.create(f"cohort {sample}", project, f"{project}/cohort", inputs=made, run=True))
    for task in tasks:
        task.wait(period=0.1)
        task.reload()
    assert [task.name for task in tasks if task.status != "COMPLETED"] == ["cohort S07"]
    assert tasks[7].execution_status.message.startswith("Job cohort failed with exit code 4.\nLogs: ")
    again = tasks[7].clone(run=True)
    again.wait(period=0.1)
    target = api.projects.create(name="Results")
    for sample, task in zip(samples, tasks, strict=True):
        for out in api.files.query(project=project, origin={"task": task.id}).all():
            out.name = f"renamed {sample}.out"
            out.save()
            assert out.copy(project=target).content() == f"reads of {sample}\n"
    assert api.files.query(project=target).total == 49
    api.session.close()


ALLOWED = {
    "read": {"list", "get", "task"},
    "copy": {"list", "get", "task", "download", "copy"},
    "write": {"list", "get", "task", "upload", "rename", "app"},
    "execute": {"list", "get", "task", "run"},
    "admin": {"list", "get", "task", "download", "copy", "upload", "rename", "app", "run", "share"},
}


@pytest.mark.parametrize("permission", ALLOWED)
def test_what_each_permission_lets_a_member_do(owner: Visitor, permission: str) -> None:
    project = owner.project(f"Shared {permission}")
    guest = Visitor.added(owner.server, f"guest-{permission}")
    home = guest.project("Home")
    shared = owner.file(owner.root(project), "shared.txt", b"shared")
    app = owner.app(project, "noop", shell("true"))
    task = owner.run(app, {})
    owner.completed(task)
    member = {"username": guest.username, "permissions": {"read": True, permission: True}}
    owner.post(f"/projects/{project}/members", member)
    requests: dict[str, tuple[str, str, Any]] = {
        "list": ("GET", f"/projects/{project}", None),
        "get": ("GET", f"/files/{shared}", None),
        "task": ("GET", f"/tasks/{task}", None),
        "download": ("GET", f"/files/{shared}/download_info", None),
        "copy": ("POST", f"/files/{shared}/actions/copy", {"project": home}),
        "upload": ("POST", "/upload/multipart", {"project": project, "name": "new", "size": 1}),
        "rename": ("PATCH", f"/files/{shared}", {"name": "renamed.txt"}),
        "app": ("POST", f"/apps/{project}/new/raw", shell("true")),
        "run": ("POST", "/tasks?action=run", {"project": project, "app": app, "inputs": {}}),
        "share": ("PATCH", f"/projects/{project}/members/{guest.username}/permissions", {"copy": False}),
    }
    answers = {name: guest.http.request(method, path, json=body) for name, (method, path, body) in requests.items()}
    assert {name for name, answer in answers.items() if answer.is_success} == ALLOWED[permission]
    assert {answer.status_code for answer in answers.values() if not answer.is_success} <= {403}
    guest.http.close()


def test_a_connection_stays_open_between_two_polls(owner: Visitor) -> None:
    host, port = owner.server.credentials["api_endpoint"].split("/")[2].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    for wait in (0, 5.5):
        time.sleep(wait)
        connection.putrequest("GET", "/v2/user")
        connection.putheader("X-SBG-Auth-Token", owner.token)
        connection.endheaders()
        answer = connection.getresponse()
        assert json.loads(answer.read())["username"] == owner.username
    connection.close()
