"""Apps in sbg:draft-2 with the platform's own client, on a live server: installed, shown, checked, run, mixed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cwl.draft2.documents import array, bound, draft2_tool, draft2_workflow, expression, output, port, step
from tests.live import Server
from tests.visitor import Visitor

pytestmark = pytest.mark.xdist_group("clients")

BESIDE = "[].concat($job.inputs.text.secondaryFiles || []).map(function (f) { return f.path }).join(' ')"
COUNT = draft2_tool(
    label="Count",
    baseCommand=["(wc", expression("'-l'"), "<"],
    requirements=[{"class": "ExpressionEngineRequirement", "id": "#cwl-js-engine", "engineConfig": ["suffix = '.n'"]}],
    inputs=[bound("text", "File", position=1, secondaryFiles=[expression("$self.path.replace('.txt', '.idx')")]),
            port("label", ["null", "string"])],
    arguments=[{"position": 9, "valueFrom": expression(f"'; cat /dev/null ' + {BESIDE} + ')'")}],
    stdout=expression("$job.inputs.text.name + suffix"),
    outputs=[output("count", glob="*.n", inherit="#text", metadata={"label": expression("$job.inputs.label")})],
)  # fmt: skip
V1_JOIN = {
    "class": "CommandLineTool", "cwlVersion": "v1.0", "baseCommand": "cat", "stdout": "joined.txt",
    "inputs": {"parts": {"type": "File[]", "inputBinding": {}}}, "outputs": {"joined": "stdout"},
}  # fmt: skip
OLD_WITH_NEW = draft2_workflow(
    inputs=[port("texts", array("File")), port("label")],
    steps=[
        step("Count", COUNT, {"text": ["#texts"], "label": "#label"}, scatter="#Count.text"),
        {"id": "#Join", "run": V1_JOIN, "inputs": [{"id": "#Join.parts", "source": ["#Count.count"]}],
         "outputs": [{"id": "#Join.joined"}]},
    ],
    outputs=[{"id": "#joined", "type": ["null", "File"], "source": ["#Join.joined"]}],
)  # fmt: skip
NEW_WITH_OLD = {
    "class": "Workflow", "cwlVersion": "v1.2", "inputs": {"texts": "File[]"},
    "requirements": {"ScatterFeatureRequirement": {}},
    "steps": {"count": {"run": COUNT, "scatter": "text", "in": {"text": "texts"}, "out": ["count"]},
              "join": {"run": V1_JOIN, "in": {"parts": "count/count"}, "out": ["joined"]}},
    "outputs": {"joined": {"type": "File", "outputSource": "join/joined"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    server = Server(tmp_path_factory.mktemp("draft2") / "data")
    server.start()
    owner = Visitor.owner(server)
    yield owner
    owner.http.close()
    assert server.stop() == 0


@pytest.fixture(scope="module")
def api(visitor: Visitor) -> Iterator[Any]:
    found = visitor.api()
    yield found
    found.session.close()


@pytest.fixture(scope="module")
def project(api: Any) -> Any:
    return api.projects.create(name="Older")


@pytest.fixture(scope="module")
def texts(api: Any, project: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("texts")
    found = []
    for name, content in (("a b.txt", "1\n2\n"), ("a b.idx", "index of a\n"), ("c.txt", "1\n")):
        (folder / name).write_text(content)
        file = api.files.upload(str(folder / name), project=project).result()
        if name.endswith(".txt"):
            file.metadata = {"sample_id": "S", "name": name}
            file.save()
            found.append(file)
    return found


def ran(api: Any, project: Any, app: Any, inputs: dict[str, Any]) -> Any:
    task = api.tasks.create(name="run", project=project, app=app, inputs=inputs, run=True)
    task.wait(period=0.2, timeout=90)
    task.reload()
    assert task.status == "COMPLETED", (task.status, task.errors, task.get_execution_details())
    return task


def content(file: Any, folder: Path) -> str:
    file.download(str(folder / "out"), overwrite=True)
    return (folder / "out").read_text()


def test_a_tool_runs_with_what_its_expressions_ask_for(
    api: Any, project: Any, texts: list[Any], tmp_path: Path
) -> None:
    app = api.apps.install_app(f"{project.id}/count", COUNT)
    task = ran(api, project, app, {"text": texts[0], "label": "L"})
    count = task.outputs["count"]
    assert content(count, tmp_path) == "2\nindex of a\n"
    assert count.name == "a_b.txt.n"
    assert {key: count.metadata[key] for key in count.metadata} == {"sample_id": "S", "name": "a b.txt", "label": "L"}


@pytest.mark.parametrize("name", ["old", "new"])
def test_both_versions_in_one_workflow(api: Any, project: Any, texts: list[Any], name: str, tmp_path: Path) -> None:
    document, more = (OLD_WITH_NEW, {"label": "L"}) if name == "old" else (NEW_WITH_OLD, {})
    app = api.apps.install_app(f"{project.id}/{name}", document)
    joined = ran(api, project, app, {"texts": texts} | more).outputs["joined"]
    assert content(joined, tmp_path) == "2\nindex of a\n1\n"


def test_inputs_are_checked(api: Any, project: Any, texts: list[Any]) -> None:
    app = api.apps.install_app(f"{project.id}/checked", COUNT)
    task = api.tasks.create(name="draft", project=project, app=app, inputs={"label": "x"})
    assert [error["input"] for error in task.errors] == ["text"]
    task.inputs = {"text": texts[1]}
    task.save()
    assert api.tasks.get(task.id).errors == []


ODD = (
    '{"class":"CommandLineTool","cwlVersion":"sbg:draft-2","inputs":[{"id":"#x","type":["null","int"],"default":1.0,'
    '"inputBinding":{"position":2.0,"sbg:cmdInclude":true,"itemSeparator":null}}],"outputs":[],"baseCommand":["echo"],'
    '"sbg:job":{"a":1,"b":1.0,"c":-0.0,"d":1e30,"e":1E-7,"f":12345678901234567890,"g":0.1,"h":true,"i":null,"j":[],"k":{}},'
    '"label":"\\u00e9\\ud83e\\uddec caf\\u00e9 \\u4e2d\\u6587","y":0.30000000000000004,"x":-12.0,"sbg:canvas_zoom":1.0,'
    '"description":"tab\\t, quote\\", slash\\/, line\\n, \\u2028","hints":[{"class":"sbg:CPURequirement","value":1.0}]}'
)


def test_values_stay_what_they_are(visitor: Visitor, project: Any) -> None:
    """Numbers keep their kind (``1`` and ``1.0``), text its characters, objects their order."""
    made = visitor.http.post(
        f"/apps/{project.id}/odd/raw", content=ODD.encode(), headers={"content-type": "text/plain"}
    )
    assert made.status_code == 201, made.text
    sent = json.loads(ODD)
    for path in (f"/apps/{project.id}/odd/raw", f"/apps/{project.id}/odd/0/raw"):
        raw = visitor.get(path)
        assert repr({key: raw[key] for key in sent}) == repr(sent)
        assert [key for key in raw if key in sent] == list(sent)
    ports = visitor.get(f"/apps/{project.id}/odd")["raw"]["inputs"]
    assert repr(ports) == repr(sent["inputs"])
