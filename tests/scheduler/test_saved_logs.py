"""sbg:SaveLogs: files that an app wants kept are logs of the job, whatever the tool and the document do."""

import time
from pathlib import Path
from typing import Any

import pytest

from araneus.model.job import LOG_NAMES, MAX_SAVED, SAVED_LOGS, log_ids
from araneus.model.task import Status
from araneus.scheduler.saved_logs import MAX_SEEN
from araneus.store import logs as store_logs
from tests.scheduler.house import House, tool
from tests.scheduler.test_housekeeping import KEPT, keeper


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


def running_logs(house: House, task: str, *wanted: str) -> dict[str, str]:
    """The ids of what can be read of the task's one job, once these are among it; the job runs all the while."""
    deadline = time.monotonic() + 20
    while True:
        attempts = house.attempts(task)
        ids = {name: identity for one in attempts for name, identity in log_ids(one.id, one.saved).items()}
        if set(wanted) <= set(ids):
            assert attempts[0].ended_on is None
            return ids
        assert time.monotonic() < deadline, ids
        time.sleep(0.02)


def test_they_are_read_while_the_job_runs_and_keep_their_ids(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.mkdir()
    script = f"""
        wait_for() {{ while [ ! -e {gate}/$1 ]; do sleep 0.02; done; }}
        mkdir deep; echo one > m.log; echo gone > z.log; wait_for 1
        echo two >> m.log; rm z.log; echo b > deep/b.log; echo a > a.log; wait_for 2
        echo last > late.log; echo no > other.txt"""
    app = house.install(saving("*.log", "deep/*.log", script=script))
    with house.scheduling():
        task = house.queue(app)
        first = running_logs(house, task, "m.log", "z.log")
        assert house.content({"path": first["m.log"]}) == b"one\n"
        assert house.file(first["m.log"]).hidden
        (gate / "1").touch()
        second = running_logs(house, task, "a.log", "deep/b.log")
        assert second["m.log"] == first["m.log"]
        assert house.content({"path": first["m.log"]}) == b"one\ntwo\n"
        assert house.content({"path": second["a.log"]}) == b"a\n"
        with pytest.raises(FileNotFoundError):
            house.content({"path": first["z.log"]})
        (gate / "2").touch()
        assert house.wait(task).status is Status.COMPLETED
    (attempt,) = house.attempts(task)
    last = log_ids(attempt.id, attempt.saved)
    assert {name for name in last if name not in LOG_NAMES} == {"m.log", "a.log", "deep/b.log", "late.log"}
    assert {name: last[name] for name in ("m.log", "a.log", "deep/b.log")} == {
        name: {**first, **second}[name] for name in ("m.log", "a.log", "deep/b.log")
    }
    assert house.content({"path": last["m.log"]}) == b"one\ntwo\n"
    with house.database.read() as connection:
        assert store_logs.get(connection, first["z.log"]) is None


def test_nothing_of_the_machine_is_read_while_the_job_runs(house: House, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.log").write_text("secret")
    script = f"""
        ln -s {elsewhere} deep; ln -s {elsewhere}/secret.log l.log; mkfifo p.log; mkdir d.log
        for bytes in 'new\\nline' 'esc\\033' 'bad\\377'; do touch "`printf $bytes`.log"; done
        echo x > turned.log; echo mine > ok.log; sleep 30"""
    app = house.install(saving("*.log", "deep/*.log", "../*", "/etc/passwd", "*/*", script=script))
    with house.scheduling():
        task = house.queue(app)
        found = running_logs(house, task, "ok.log", "turned.log")
        assert set(found) - set(LOG_NAMES) == {"ok.log", "turned.log"}
        work = Path(house.attempts(task)[0].directory, "work")
        (work / "turned.log").unlink()
        (work / "turned.log").symlink_to(elsewhere / "secret.log")
        with pytest.raises(FileNotFoundError):
            house.content({"path": found["turned.log"]})
        assert house.content({"path": found["ok.log"]}) == b"mine\n"
        house.abort(task)
        assert house.wait(task).status is Status.ABORTED
    (attempt,) = house.attempts(task)
    ids = log_ids(attempt.id, attempt.saved)
    assert house.content({"path": ids["ok.log"]}) == b"mine\n"  # logs of a task that was stopped stay


def test_what_runs_shows_so_many_and_no_more(house: House) -> None:
    app = house.install(saving("f*", script=f"seq {MAX_SAVED + 20} | while read n; do echo > f$n; done; sleep 30"))
    with house.scheduling():
        task = house.queue(app)
        deadline = time.monotonic() + 20
        while len(house.attempts(task)[0].saved if house.attempts(task) else ()) < MAX_SEEN:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(house.attempts(task)[0].saved) == MAX_SEEN
        house.abort(task)
        house.wait(task)


def test_they_are_found_again_after_a_restart(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"echo a > z.log; while [ ! -e {gate} ]; do sleep 0.02; done; echo b > a.log"
    app = house.install(saving("*.log", script=script))
    executor = house.executor()
    with house.scheduling(executor):
        task = house.queue(app)
        before = running_logs(house, task, "z.log")
    with house.scheduling():
        gate.touch()
        assert house.wait(task).status is Status.COMPLETED
    (attempt,) = house.attempts(task)
    after = log_ids(attempt.id, attempt.saved)
    assert after["z.log"] == before["z.log"]
    assert house.content({"path": after["z.log"]}) == b"a\n"
    assert house.content({"path": after["a.log"]}) == b"b\n"


@pytest.mark.parametrize("large", [False, True])
def test_streams_with_names_of_their_own(house: House, tmp_path: Path, large: bool) -> None:
    """Standard error is kept; standard output, which may be data, is shown while the job runs and kept when small."""
    gate = tmp_path / "gate"
    more = "head -c 2000000 /dev/zero" if large else "true"
    script = f"echo said; echo why >&2; while [ ! -e {gate} ]; do sleep 0.02; done; {more}"
    app = house.install(tool(script) | {"stdout": "deep/my.out", "stderr": "my.err"})
    with house.scheduling():
        task = house.queue(app)
        found = running_logs(house, task, "deep/my.out", "my.err")
        assert [house.content({"path": found[name]}) for name in ("deep/my.out", "my.err")] == [b"said\n", b"why\n"]
        gate.touch()
        assert house.wait(task).status is Status.COMPLETED
    (attempt,) = house.attempts(task)
    last = log_ids(attempt.id, attempt.saved)
    assert set(last) - set(LOG_NAMES) == ({"my.err"} if large else {"my.err", "deep/my.out"})
    assert last["my.err"] == found["my.err"]
    assert house.content({"path": last["my.err"]}) == b"why\n"
    if not large:
        assert house.content({"path": found["deep/my.out"]}) == b"said\n"


def test_output_of_a_job_that_nobody_could_watch_is_no_log(house: House) -> None:
    app = house.install(tool("echo said") | {"stdout": "my.out"})
    with house.scheduling():
        task = house.wait(house.queue(app))
    (attempt,) = house.attempts(task.id)
    assert attempt.saved == ()
    assert not Path(attempt.directory, SAVED_LOGS).exists()


def test_standard_output_of_draft_2_while_the_job_runs(house: House, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"echo said; while [ ! -e {gate} ]; do sleep 0.02; done; echo more"
    document = {
        "class": "CommandLineTool", "cwlVersion": "sbg:draft-2", "id": "x", "baseCommand": ["sh", "-c", f"'{script}'"],
        "stdout": "standard.out", "inputs": [], "outputs": [],
    }  # fmt: skip
    app = house.install(document)
    with house.scheduling():
        task = house.queue(app)
        found = running_logs(house, task, "standard.out")
        assert house.content({"path": found["standard.out"]}) == b"said\n"
        gate.touch()
        assert house.wait(task).status is Status.COMPLETED
    assert house.content({"path": found["standard.out"]}) == b"said\nmore\n"


def test_of_a_job_that_was_stopped_they_stay_when_its_working_directory_goes(house: House) -> None:
    script = "mkdir deep; echo one > deep/a.log; echo two > b.log; echo three > c.log; echo said; sleep 60"
    app = house.install(saving("*.log", "deep/*.log", script=script) | {"stdout": "said.txt"})
    with house.scheduling():
        task = house.queue(app)
        ids = running_logs(house, task, "deep/a.log", "b.log", "c.log", "said.txt")
        house.abort(task)
        assert house.wait(task).status is Status.ABORTED
    (attempt,) = house.attempts(task)
    (Path(attempt.directory) / "work" / "c.log").unlink()
    assert keeper(house, after=KEPT * 2).sweep().working == 1
    (attempt,) = house.attempts(task)
    assert set(attempt.saved) - {""} == {"deep/a.log", "b.log", "said.txt"}
    read = {name: house.content({"path": ids[name]}) for name in attempt.saved if name}
    assert read == {"deep/a.log": b"one\n", "b.log": b"two\n", "said.txt": b"said\n"}
    assert not (Path(attempt.directory) / "work").exists()
    for name in LOG_NAMES:
        assert (Path(attempt.directory) / name).exists() == (name != "cwl.output.json"), name
