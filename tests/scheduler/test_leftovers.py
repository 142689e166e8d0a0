"""What a failed task leaves for inspection: apart from the project's files, and for as long as its directories."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from araneus.model.file import File
from araneus.model.job import WORK_DIRECTORY
from araneus.model.task import Status, Task
from araneus.scheduler.housekeeping import Housekeeping, Premises
from araneus.store import files, leftovers
from tests.scheduler.house import House, now, tool

OUTPUTS = {
    "first": {"type": "File", "outputBinding": {"glob": "a.bam"}, "secondaryFiles": [".bai"]},
    "never": {"type": "File", "outputBinding": {"glob": "never"}},
    "tree": {"type": "Directory", "outputBinding": {"glob": "tree"}},
}
MADE = "echo a > a.bam; echo i > a.bam.bai; mkdir -p tree/in; echo t > 'tree/in/a %41 b'"


def fail(house: House, document: dict[str, Any]) -> Task:
    with house.scheduling():
        task = house.wait(house.queue(house.install(document)))
    assert task.status is Status.FAILED
    return task


def left(house: House, task: Task) -> dict[str, File]:
    with house.database.read() as connection:
        found = leftovers.of_task(connection, task.id)
    return {str(file.location).split(f"/{WORK_DIRECTORY}/")[1]: file for file in found}


def content(house: House, file: File) -> bytes:
    assert file.location is not None
    return b"".join(house.storage.read(file.location))


@pytest.mark.parametrize("end", ["exit 3", "true"])
def test_outputs_of_the_job_that_failed(house: House, end: str) -> None:
    task = fail(house, tool(f"{MADE}; {end}", outputs=OUTPUTS))
    found = left(house, task)
    assert {path: content(house, file) for path, file in found.items()} == {
        "a.bam": b"a\n", "a.bam.bai": b"i\n", "tree/in/a %41 b": b"t\n",
    }  # fmt: skip
    assert {file.name for file in found.values()} == {"a.bam", "a.bam.bai", "a %41 b"}
    assert house.listed() == {}
    assert not any(task.outputs.values())


def test_outputs_of_the_jobs_before_it(house: House) -> None:
    one = tool("echo 1 > one", outputs={"out": {"type": "File", "outputBinding": {"glob": "one"}}})
    two = tool("false", inputs={"x": "File"})
    document = {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": {},
        "outputs": {"out": {"type": "File", "outputSource": "one/out"}},
        "steps": {
            "one": {"run": one, "in": {}, "out": ["out"]},
            "two": {"run": two, "in": {"x": "one/out"}, "out": []},
        },
    }
    task = fail(house, document)
    (file,) = left(house, task).values()
    assert (content(house, file), file.origin_task, file.hidden) == (b"1\n", task.id, True)
    assert house.listed() == {}


def test_nothing_is_left_that_is_not_the_jobs(house: House) -> None:
    outputs = {"out": {"type": "File[]", "outputBinding": {"glob": ["*.txt", "inner"]}}}
    value = house.upload("given.txt", b"given")
    line = "ln -s $(inputs.x.path) given.txt; ln -s /etc/passwd own.txt; mkfifo pipe.txt; exit 1"
    app = house.install(tool(line, inputs={"x": "File"}, outputs=outputs))
    with house.scheduling():
        task = house.wait(house.queue(app, {"x": value}))
    assert task.status is Status.FAILED
    assert left(house, task) == {}


def test_nothing_is_left_of_a_task_that_was_completed(house: House) -> None:
    app = house.install(tool("echo > a", outputs={"out": {"type": "File", "outputBinding": {"glob": "a"}}}))
    with house.scheduling():
        task = house.wait(house.queue(app))
    assert left(house, task) == {}


def test_it_goes_with_the_working_directory(house: House) -> None:
    task = fail(house, tool(f"{MADE}; false", outputs=OUTPUTS))
    premises = Premises(
        storage=house.directory / "blobs", uploads=house.directory / "uploads", jobs=house.jobs_directory
    )
    for hours, kept in ((23, 3), (25, 0)):
        keeper = Housekeeping(house.database, premises, clock=partial(later, hours))
        keeper.sweep()
        assert len(left(house, task)) == kept
    with house.database.read() as connection:
        assert files.page(connection, parent=house.root, offset=0, limit=10).items == []


def later(hours: int) -> datetime:
    return now() + timedelta(hours=hours)
