"""Updates in place in a task: project files stay, what comes after sees the change, over restarts and lost jobs too."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from araneus.executors import jobdir
from araneus.model.task import Status
from tests.scheduler.house import House, small, tool
from tests.scheduler.test_restart import wait_for

FILE = {"type": "File", "outputBinding": {"glob": "*.txt"}}


def updating(command: str, kind: str = "File", output: Any = None) -> dict[str, Any]:
    return tool(
        command,
        inputs={"f": kind},
        outputs={"f": output or {"type": kind, "outputBinding": {"glob": "$(inputs.f.basename)"}}},
        requirements=[
            {"class": "InplaceUpdateRequirement", "inplaceUpdate": True},
            {"class": "InitialWorkDirRequirement", "listing": [{"entry": "$(inputs.f)", "writable": True}]},
            small(),
        ],
    )


def reading(command: str = "cat $(inputs.f.path) > seen.txt", kind: str = "File") -> dict[str, Any]:
    return tool(command, inputs={"f": kind, "wait": "Any?"}, outputs={"seen": FILE}, requirements=[small()])


def workflow(inputs: Mapping[str, Any], steps: Mapping[str, Any], outputs: Mapping[str, str]) -> dict[str, Any]:
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "inputs": dict(inputs),
        "steps": dict(steps),
        "outputs": {
            name: {"type": "Any", "outputSource": source} for name, source in outputs.items()
        },
    }  # fmt: skip


def changed_then_read(change: dict[str, Any], kind: str = "File", **more: Any) -> dict[str, Any]:
    return workflow(
        {"f": kind},
        {
            "change": {"run": change, "in": {"f": "f"}, "out": ["f"]},
            "after": {"run": reading(kind=kind, **more), "in": {"f": "f", "wait": "change/f"}, "out": ["seen"]},
            "beside": {"run": reading(kind=kind, **more), "in": {"f": "f"}, "out": ["seen"]},
        },
        {"after": "after/seen", "beside": "beside/seen", "result": "change/f", "original": "f"},
    )


def test_a_project_file_stays_and_what_follows_sees_the_change(any_house: House) -> None:
    house = any_house
    given = house.upload("in.txt", b"3")
    app = house.install(changed_then_read(updating("echo 4 > in.txt")))
    with house.scheduling():
        ended = house.wait(house.queue(app, {"f": given}))
    assert ended.status is Status.COMPLETED, ended.progress
    seen = {port: house.content(value) for port, value in ended.outputs.items()}
    assert seen == {"after": b"4\n", "beside": b"3", "result": b"4\n", "original": b"4\n"}
    assert ended.outputs["original"]["path"] != given["path"]
    assert house.content(given) == b"3"


def test_two_project_files_with_the_same_bytes_are_two_files(house: House) -> None:
    first, second = house.upload("a.txt", b"same"), house.upload("b.txt", b"same")
    document = workflow(
        {"a": "File", "b": "File"},
        {
            "change": {"run": updating("echo new > $(inputs.f.basename)"), "in": {"f": "a"}, "out": ["f"]},
            "other": {"run": updating("echo other > $(inputs.f.basename)"), "in": {"f": "b"}, "out": ["f"]},
            "after": {"run": reading(), "in": {"f": "b", "wait": "change/f"}, "out": ["seen"]},
        },
        {"after": "after/seen", "a": "a", "b": "b"},
    )
    with house.scheduling():
        ended = house.wait(house.queue(house.install(document), {"a": first, "b": second}))
    assert ended.status is Status.COMPLETED, ended.progress
    assert {port: house.content(value) for port, value in ended.outputs.items()} == {
        "after": b"same", "a": b"new\n", "b": b"other\n"
    }  # fmt: skip


def test_a_project_folder_is_updated_with_all_that_lies_in_it(house: House) -> None:
    folder = house.folder("d")
    house.upload("x.txt", b"old", folder)
    app = house.install(
        changed_then_read(
            updating("echo new > d/x.txt; echo more > d/y.txt", "Directory"),
            "Directory",
            command="cd $(inputs.f.path); cat * > $(runtime.outdir)/seen.txt",
        )
    )
    with house.scheduling():
        ended = house.wait(house.queue(app, {"f": {"class": "Directory", "path": folder}}))
    assert ended.status is Status.COMPLETED, ended.progress
    assert house.content(ended.outputs["after"]) == b"new\nmore\n"
    assert house.content(ended.outputs["beside"]) == b"old"
    assert set(house.listed(folder)) == {"x.txt"}


def test_two_jobs_side_by_side_must_not_update_one_file(house: House) -> None:
    document = workflow(
        {"f": "File"},
        {name: {"run": updating("echo x >> in.txt"), "in": {"f": "f"}, "out": ["f"]} for name in ("one", "two")},
        {"o": "one/f"},
    )
    with house.scheduling():
        ended = house.wait(house.queue(house.install(document), {"f": house.upload("in.txt", b"3")}))
    assert ended.status is Status.FAILED
    assert ended.progress is not None
    assert "updated in place by" in ended.progress.message


def test_a_hint_leaves_every_job_its_own_copy(house: House) -> None:
    step = updating("echo x >> in.txt")
    requirement = step["requirements"].pop(1)
    step["hints"] = [requirement]
    document = workflow(
        {"f": "File"},
        {name: {"run": step, "in": {"f": "f"}, "out": ["f"]} for name in ("one", "two")},
        {"one": "one/f", "two": "two/f", "f": "f"},
    )
    with house.scheduling():
        ended = house.wait(house.queue(house.install(document), {"f": house.upload("in.txt", b"3\n")}))
    assert ended.status is Status.COMPLETED, ended.progress
    assert [house.content(ended.outputs[port]) for port in ("one", "two", "f")] == [b"3\nx\n", b"3\nx\n", b"3\n"]


def test_a_lost_attempt_that_had_changed_half_is_run_again_on_the_same_bytes(house: House) -> None:
    ledger = house.directory / "ledger"
    once = (
        f"echo half >> in.txt; echo begun >> {ledger}; test $(wc -l < {ledger}) = 2 || sleep 30; echo whole >> in.txt"
    )
    app = house.install(changed_then_read(updating(once.replace("$(", "\\$("))))
    with house.scheduling():
        task = house.queue(app, {"f": house.upload("in.txt", b"3\n")})
        wait_for(lambda: ledger.exists() and ledger.read_text() == "begun\n")
        wait_for(lambda: all(job.outcome for job in house.jobs(task) if job.key == "beside"))
        directory = next(attempt.directory for attempt in house.attempts(task) if attempt.key == "change")
        pid = jobdir.examine(Path(directory)).pid
        assert pid is not None
        os.killpg(os.getpgid(pid), signal.SIGKILL)
        ended = house.wait(task)
    assert ended.status is Status.COMPLETED, ended.progress
    assert house.content(ended.outputs["after"]) == b"3\nhalf\nwhole\n"


def test_a_restarted_scheduler_knows_what_was_changed(any_house: House) -> None:
    house = any_house
    gate = house.directory / "gate"
    document = changed_then_read(updating("echo 4 > in.txt"))
    document["steps"]["hold"] = {
        "run": tool(
            f"while test ! -e {gate}; do sleep 0.02; done; echo x > x.txt",
            inputs={"f": "File"}, outputs={"seen": FILE}, requirements=[small()],
        ),
        "in": {"f": "change/f"},
        "out": ["seen"],
    }  # fmt: skip
    document["steps"]["after"]["in"]["wait"] = "hold/seen"
    app = house.install(document)
    with house.scheduling():
        task = house.queue(app, {"f": house.upload("in.txt", b"3")})
        wait_for(lambda: {"change", "beside"} <= {job.key for job in house.jobs(task) if job.outcome})
    gate.touch()
    with house.scheduling():
        ended = house.wait(task)
    assert ended.status is Status.COMPLETED, ended.progress
    assert house.content(ended.outputs["after"]) == b"4\n"
    assert house.content(ended.outputs["original"]) == b"4\n"
