"""Task inputs become located values: ids, secondary files, folders, and what must never get through."""

from typing import Any

import pytest

from araneus.model.task import Status, Task
from araneus.store import files
from tests.scheduler.house import OWNER, House, tool

OUT = {"out": {"type": "stdout"}}


def cat(kind: Any = "File", **port: Any) -> dict[str, Any]:
    return tool("cat", inputs={"x": {"type": kind, "inputBinding": {"position": 1}, **port}}, outputs=OUT, stdout="out")


def run(house: House, document: dict[str, Any], inputs: dict[str, Any]) -> Task:
    app = house.install(document)
    with house.scheduling():
        return house.wait(house.queue(app, inputs))


def printed(house: House, document: dict[str, Any], inputs: dict[str, Any]) -> str:
    task = run(house, document, inputs)
    assert task.status is Status.COMPLETED, task.progress
    return house.content(task.outputs["out"]).decode()


def failure(task: Task) -> str:
    assert task.status is Status.FAILED
    assert task.progress is not None
    return task.progress.message


def test_a_file_is_read(house: House) -> None:
    assert printed(house, cat(), {"x": house.upload("a b#.txt", b"content")}) == "content"


def test_the_value_carries_name_size_and_metadata(house: House) -> None:
    value = house.upload("reads.fastq.gz", b"12345", metadata={"sample_id": "S1"})
    document = tool(
        "echo $(inputs.x.basename) $(inputs.x.nameroot) $(inputs.x.nameext) $(inputs.x.size)"
        " $(inputs.x.metadata.sample_id)",
        inputs={"x": "File"},
        outputs=OUT,
        stdout="out",
    )
    assert printed(house, document, {"x": value}) == "reads.fastq.gz reads.fastq .gz 5 S1\n"


@pytest.mark.parametrize("patterns", [[".bai"], ["^.bai", ".bai?"], ["$(self.basename + '.bai')"]])
def test_secondary_files_are_found_by_name_in_the_same_folder(house: House, patterns: list[str]) -> None:
    folder = house.folder("data")
    value = house.upload("a.bam", b"bam", folder)
    house.upload("a.bam.bai", b"right", folder)
    house.upload("a.bai", b"right", folder)
    house.upload("a.bam.bai", b"wrong folder")
    document = tool(
        "cat $(inputs.x.path).bai || cat $(inputs.x.dirname)/a.bai",
        inputs={"x": {"type": "File", "secondaryFiles": patterns}},
        outputs=OUT,
        stdout="out",
        requirements=[{"class": "InlineJavascriptRequirement"}],
    )
    assert printed(house, document, {"x": value}) == "right"


def test_explicit_secondary_files_are_honoured(house: House) -> None:
    value = house.upload("a.bam", b"bam")
    house.upload("a.bam.bai", b"beside")
    index = house.upload("a.bam.bai", b"explicit", house.folder("elsewhere"))
    document = tool(
        "cat $(inputs.x.path).bai",
        inputs={"x": {"type": "File", "secondaryFiles": [".bai"]}},
        outputs=OUT,
        stdout="out",
    )
    assert printed(house, document, {"x": {**value, "secondaryFiles": [index]}}) == "explicit"


def test_a_required_secondary_file_that_is_missing_is_named(house: House) -> None:
    document = cat(secondaryFiles=[".bai"])
    assert "'a.bam.bai'" in failure(run(house, document, {"x": house.upload("a.bam", b"")}))


def test_a_workflow_port_without_patterns_takes_those_of_its_step(house: House) -> None:
    inner = tool(
        "cat $(inputs.x.path).bai",
        inputs={"x": {"type": "File", "secondaryFiles": [".bai"]}},
        outputs=OUT,
        stdout="out",
    )
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": {"bam": "File"},
        "outputs": {"out": {"type": "File", "outputSource": "s/out"}},
        "steps": {"s": {"run": inner, "in": {"x": "bam"}, "out": ["out"]}},
    }
    value = house.upload("a.bam", b"bam")
    house.upload("a.bam.bai", b"index")
    assert printed(house, document, {"bam": value}) == "index"


def test_a_folder_becomes_a_directory_with_all_it_holds(house: House) -> None:
    outer = house.folder("reference")
    inner = house.folder("deep", outer)
    house.upload("a.txt", b"a", outer)
    house.upload("b.txt", b"b", inner)
    document = tool(
        "cd $(inputs.x.path) && find . -follow -type f | sort | xargs cat",
        inputs={"x": "Directory"},
        outputs=OUT,
        stdout="out",
    )
    assert printed(house, document, {"x": {"class": "Directory", "path": outer}}) == "ab"


def test_lists_and_records_of_files(house: House) -> None:
    one, two = house.upload("1", b"one"), house.upload("2", b"two")
    record = {"type": "record", "fields": [{"name": "f", "type": "File"}, {"name": "g", "type": "File[]"}]}
    document = tool(
        "cat $(inputs.r.f.path) $(inputs.r.g[0].path)", inputs={"r": {"type": record}}, outputs=OUT, stdout="out"
    )
    assert printed(house, document, {"r": {"f": one, "g": [two]}}) == "onetwo"


def test_files_of_one_name_do_not_clash(house: House) -> None:
    values = [house.upload("same.txt", content, house.folder(name)) for name, content in (("f", b"1"), ("g", b"2"))]
    assert printed(house, cat("File[]"), {"x": values}) == "12"


def test_a_deleted_file_is_named_with_its_port(house: House) -> None:
    good, gone = house.upload("good.txt", b""), house.upload("gone.txt", b"")
    with house.database.write() as connection:
        files.delete(connection, gone["path"])
    message = failure(run(house, cat("File[]"), {"x": [good, gone]}))
    assert "x[1]: file 'gone.txt'" in message
    assert gone["path"] in message
    assert "deleted" in message


def test_a_file_of_a_project_that_the_runner_cannot_read(house: House) -> None:
    foreign = house.foreign_file("secret.txt", b"secret")
    message = failure(run(house, cat(), {"x": foreign}))
    assert "x: file 'secret.txt'" in message
    assert f"not readable by {OWNER}" in message
    default = cat(default=foreign)
    assert "not readable" in failure(run(house, default, {}))


def test_a_default_may_name_a_file_of_the_project(house: House) -> None:
    assert printed(house, cat(default=house.upload("a.txt", b"default")), {}) == "default"


HOSTILE = [
    {"class": "File", "location": "file:///etc/passwd"},
    {"class": "File", "path": "/etc/passwd"},
    {"class": "File", "location": "blob:" + "0" * 64},
    {"class": "File", "path": "../../../etc/passwd"},
    {"class": "File", "path": ["/etc/passwd"]},
    {"class": "File", "path": "0" * 24},
    {"class": "File", "location": "job:x/../../etc/passwd"},
    {"class": "File"},
]


@pytest.mark.parametrize("value", HOSTILE)
def test_only_ids_name_files(house: House, value: dict[str, Any]) -> None:
    assert "root:" not in failure(run(house, cat(), {"x": value}))


@pytest.mark.parametrize("value", HOSTILE[:4])
def test_defaults_in_documents_name_no_files_of_the_machine(house: House, value: dict[str, Any]) -> None:
    contents = {"loadContents": True}
    inner = tool(
        "cat $(inputs.x.path); echo '$(inputs.x.contents)'",
        inputs={"x": {"type": "File", "default": value, **contents}},
        outputs=OUT,
        stdout="out",
    )
    step = {"s": {"run": inner, "in": {}, "out": ["out"]}}
    given = {"s": {"run": {**inner, "inputs": {"x": "File"}}, "in": {"x": {"default": value}}, "out": ["out"]}}
    for document in (
        inner,
        {"class": "Workflow", "cwlVersion": "v1.2", "inputs": {}, "outputs": {}, "steps": step},
        {"class": "Workflow", "cwlVersion": "v1.2", "inputs": {}, "outputs": {}, "steps": given},
    ):
        task = run(house, document, {})
        assert task.status is Status.FAILED, task.outputs
        for attempt in house.attempts(task.id):
            assert not list((house.jobs_directory / attempt.id).glob("work/out")), "it ran"


@pytest.mark.parametrize(
    "expression",
    [
        "${return {out: {class: 'File', location: 'file:///etc/passwd'}};}",
        "${return {out: {class: 'File', path: '/etc/passwd'}};}",
        "${return {out: {class: 'File', path: '/etc/passwd', basename: 'x', location: null}};}",
        "${return {out: {class: 'File', location: 'blob:" + "0" * 64 + "'}};}",
        "${return {out: {class: 'Directory', location: 'file:///etc', basename: 'e'}};}",
        "${return {out: {class: 'Directory', basename: 'e', listing: [{class: 'File', location: 'file:///etc/passwd'}]}};}",
    ],
)
def test_expressions_publish_no_files_of_the_machine(house: House, expression: str) -> None:
    document = {
        "class": "ExpressionTool",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "InlineJavascriptRequirement"}],
        "inputs": {},
        "outputs": {"out": "Any"},
        "expression": expression,
    }
    failure(run(house, document, {}))
    assert house.listed() == {}


@pytest.mark.parametrize(
    "value",
    [
        {"class": "File", "location": "file:///etc/passwd"},
        {"class": "File", "path": "/etc/passwd"},
        {"class": "Directory", "path": "/etc"},
    ],
)
def test_outputs_that_a_tool_declares_publish_no_files_of_the_machine(house: House, value: dict[str, Any]) -> None:
    import json

    document = tool(f"echo '{json.dumps({'out': value})}' > cwl.output.json", outputs={"out": "Any"})
    failure(run(house, document, {}))
    assert house.listed() == {}


def test_links_out_of_the_work_directory_are_not_published(house: House) -> None:
    document = tool("ln -s /etc/passwd out", outputs={"out": {"type": "File?", "outputBinding": {"glob": "out"}}})
    failure(run(house, document, {}))
    document = tool(
        "mkdir out; ln -s /etc/passwd out/x; ln -s /etc out/y; ln -s .. out/z",
        outputs={"out": {"type": "Directory", "outputBinding": {"glob": "out"}}},
    )
    run(house, document, {})
    assert not [file for file in house.listed().values() if not file.folder]
