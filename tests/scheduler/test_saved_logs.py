"""sbg:SaveLogs: files that an app wants kept are logs of the job, whatever the tool and the document do."""

from pathlib import Path
from typing import Any

import pytest

from araneus.model.job import MAX_SAVED, SAVED_LOGS, log_ids
from araneus.model.task import Status
from tests.scheduler.house import House, tool


def saving(*values: Any, script: str = "true", name: str = "sbg:SaveLogs", **fields: Any) -> dict[str, Any]:
    """A tool with one hint for each value."""
    hints = [{"class": name, "value": value} for value in values]
    return tool(script, **fields) | {"hints": hints, "$namespaces": {"sbg": "https://sevenbridges.com"}}


def logs(house: House, task: str) -> dict[str, bytes]:
    """The saved logs of the task's one job, with their content."""
    (attempt,) = house.attempts(task)
    assert attempt.outcome is not None
    ids = log_ids(attempt.id, attempt.outcome.logs)
    assert len(set(ids.values())) == len(ids)
    for name in attempt.outcome.logs:
        assert house.file(ids[name]).hidden
        assert house.file(ids[name]).name == name.rpartition("/")[2]
    return {name: house.content({"path": ids[name]}) for name in attempt.outcome.logs}


def run(house: House, document: dict[str, Any], status: Status = Status.COMPLETED) -> dict[str, bytes]:
    app = house.install(document)
    with house.scheduling():
        task = house.wait(house.queue(app))
    assert task.status is status, task.progress
    return logs(house, task.id)


@pytest.mark.parametrize("name", ["sbg:SaveLogs", "sbg:saveLogs"])
def test_several_hints_and_patterns(house: House, name: str) -> None:
    script = "mkdir -p deep; echo a > a.log; echo b > deep/b.log; echo r > x.R; echo no > other"
    found = run(house, saving("*.log", "deep/*.log", "*.R", "none*", script=script, name=name))
    assert found == {"a.log": b"a\n", "deep/b.log": b"b\n", "x.R": b"r\n"}


def test_of_a_job_that_failed(house: House) -> None:
    assert run(house, saving("*.log", script="echo why > a.log; exit 3"), Status.FAILED) == {"a.log": b"why\n"}


def test_an_output_can_be_a_log_too(house: House) -> None:
    document = saving("out", script="echo x > out", outputs={"out": {"type": "File", "outputBinding": {"glob": "out"}}})
    assert run(house, document) == {"out": b"x\n"}
    assert list(house.listed()) == ["out"]


def test_standard_output_under_the_name_of_a_log(house: House) -> None:
    document = saving("job.out.log", script="echo said") | {"stdout": "job.out.log"}
    app = house.install(document)
    with house.scheduling():
        task = house.wait(house.queue(app))
    (attempt,) = house.attempts(task.id)
    assert attempt.outcome is not None
    assert house.content({"path": log_ids(attempt.id, attempt.outcome.logs)["job.out.log"]}) == b"said\n"


def test_nothing_of_the_machine_and_no_inputs(house: House) -> None:
    script = "ln -s /etc/passwd a.log; mkfifo b.log; mkdir c.log; ln -s real d.log; echo x > real; echo y > e.log"
    assert run(house, saving("*.log", "../*", "/etc/passwd", script=script)) == {"e.log": b"y\n"}


@pytest.mark.parametrize("value", [None, 3, {"a": 1}, "", [], ["a.log", None], "$(nonsense)", "{" * 40, "a\0b"])
def test_odd_values_keep_no_job_from_its_end(house: House, value: Any) -> None:
    document = saving(value, script="echo x > a.log") | {"requirements": [
        {"class": "InlineJavascriptRequirement"}, {"class": "ShellCommandRequirement"}]}  # fmt: skip
    found = run(house, document)
    assert found == ({"a.log": b"x\n"} if value == ["a.log", None] else {})


def test_there_is_an_end_to_them(house: House) -> None:
    found = run(house, saving("f*", script=f"seq {MAX_SAVED + 20} | while read n; do echo $n > f$n; done"))
    assert len(found) == MAX_SAVED


def test_a_directory_of_ones_own_for_them_is_not_followed(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert run(house, saving("*.log", script=f"ln -s {elsewhere} ../{SAVED_LOGS}; echo x > a.log")) == {}
    assert list(elsewhere.iterdir()) == []
