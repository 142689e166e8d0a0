"""Tasks from QUEUED to their end, with a real scheduler, database and processes."""

from araneus.model.job import JobStatus
from araneus.model.task import Status
from tests.scheduler.house import House, small, tool

HELLO = tool("echo hello", outputs={"greeting": {"type": "stdout"}}, stdout="hello.txt")


def test_a_tool_runs_and_its_output_becomes_a_file(house: House) -> None:
    app = house.install(HELLO)
    with house.scheduling():
        task = house.wait(house.queue(app))
    assert task.status is Status.COMPLETED, task.progress
    assert house.content(task.outputs["greeting"]) == b"hello\n"
