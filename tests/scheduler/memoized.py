"""What tests of memoization share: a tool that tells how often it ran, and what a job says of being reused."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from araneus.model.job import Job
from araneus.model.task import Status, Task
from araneus.store import projects
from tests.scheduler.house import PROJECT, House, small, tool

MEMO: dict[str, Any] = {"execution_settings": {"use_memoization": True}}
TEXT = {"type": "File", "outputBinding": {"glob": "out.txt"}}


def counted(directory: Path, line: str = "cat $(inputs.f.path) > out.txt", **more: Any) -> dict[str, Any]:
    """A tool that adds a line to a file outside of its job, which nothing but a run does."""
    ports = {"inputs": {"f": "File", "word": "string?"}, "outputs": {"out": TEXT}} | more
    return tool(f"echo ran >> {directory / 'runs'}; {line}", requirements=[small()], **ports)


def runs(directory: Path) -> int:
    path = directory / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def ran(house: House, app: str, inputs: Mapping[str, Any], **more: Any) -> Task:
    """A task that was run to its end with memoization, as its own settings say."""
    with house.scheduling():
        ended = house.wait(house.queue(app, inputs, **{**MEMO, **more}))
    assert ended.status is Status.COMPLETED, ended.errors
    return ended


def only_job(house: House, task: Task) -> Job:
    (job,) = house.jobs(task.id)
    return job


def why(house: House, task: Task) -> tuple[str, ...]:
    reuse = only_job(house, task).reuse
    assert reuse is not None
    assert not reuse.reused
    return reuse.why


def was_reused(house: House, task: Task) -> bool:
    return all(job.reuse is not None and job.reuse.reused for job in house.jobs(task.id))


def set_project(house: House, **settings: Any) -> None:
    with house.database.write() as connection:
        project = projects.get(connection, PROJECT)
        assert project is not None
        projects.save(connection, replace(project, settings={**project.settings, **settings}))
