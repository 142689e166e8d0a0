"""Jobs that were run before are not run again, and nobody can tell from what they leave behind."""

from pathlib import Path
from typing import Any

import pytest

from araneus.executors import jobdir
from araneus.model.access import Permissions
from araneus.model.job import log_ids
from araneus.model.project import Member
from araneus.model.task import Status, Task
from araneus.store import members, memos
from tests.scheduler.house import OWNER, PROJECT, House, small, tool
from tests.scheduler.memoized import MEMO, TEXT, counted, only_job, ran, runs, set_project, was_reused, why

COMMAND = "the command line, the environment or what is put into the working directory is not the same as in task"


def test_the_same_task_again_starts_no_process_and_has_equal_outputs(any_house: House, tmp_path: Path) -> None:
    house = any_house
    app = house.install(counted(tmp_path))
    given = house.upload("a.txt", b"three words here")
    first, second = ran(house, app, {"f": given}), ran(house, app, {"f": given})
    assert runs(tmp_path) == 1
    assert why(house, first) == ("no earlier result of this job is kept in this project",)
    assert was_reused(house, second)
    assert only_job(house, second).reuse.task == first.id  # type: ignore[union-attr]
    assert first.outputs["out"]["path"] != second.outputs["out"]["path"]
    assert house.content(second.outputs["out"]) == b"three words here"
    (attempt,) = house.attempts(second.id)
    assert attempt.outcome is not None
    assert attempt.outcome.succeeded
    assert not (Path(attempt.directory) / jobdir.PID).exists()
    for name in ("cmd.log", "job.err.log"):
        assert house.file(log_ids(attempt.id)[name]).name == name
        assert (Path(attempt.directory) / name).is_file()


def test_without_memoization_every_job_runs(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path)), house.upload("a.txt", b"1")
    for _ in range(2):
        ended = ran(house, app, {"f": given}, execution_settings={})
        assert only_job(house, ended).reuse is None
    assert runs(tmp_path) == 2


def test_the_project_decides_where_the_task_says_nothing(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path)), house.upload("a.txt", b"1")
    set_project(house, use_memoization=True)
    ran(house, app, {"f": given}, execution_settings={})
    assert was_reused(house, ran(house, app, {"f": given}, execution_settings={}))
    ran(house, app, {"f": given}, execution_settings={"use_memoization": False})
    assert runs(tmp_path) == 2


def test_inputs_are_compared_by_content_and_name(house: House, tmp_path: Path) -> None:
    app = house.install(counted(tmp_path))
    first = ran(house, app, {"f": house.upload("a.txt", b"1")})
    folder = house.folder("elsewhere")
    assert was_reused(house, ran(house, app, {"f": house.upload("a.txt", b"1", folder)}))
    other = house.folder("other")
    assert why(house, ran(house, app, {"f": house.upload("a.txt", b"2", other)})) == (
        f"the content of input 'f' is not the same as in task {first.id}",
        f"{COMMAND} {first.id}",
    )
    reason = why(house, ran(house, app, {"f": house.upload("b.txt", b"1")}))
    assert any("'f', or a name in it, is not the same" in sentence for sentence in reason)
    reason = why(house, ran(house, app, {"f": house.upload("a.txt", b"1", house.folder("third")), "word": "x"}))
    assert reason == (f"the value of input 'word', or a name in it, is not the same as in task {first.id}",)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"line": "cat $(inputs.f.path) $(inputs.f.path) > out.txt"}, "the tool is not"),
        ({"hints": [{"class": "EnvVarRequirement", "envDef": {"A": "b"}}]}, "the requirements of the tool are not"),
        ({"successCodes": [0, 3]}, "the tool is not"),
    ],
)
def test_another_tool_is_another_job(house: House, tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    given = house.upload("a.txt", b"1")
    ran(house, house.install(counted(tmp_path)), {"f": given})
    reason = why(house, ran(house, house.install(counted(tmp_path, **changed)), {"f": given}))
    assert any(said in sentence for sentence in reason), reason
    assert runs(tmp_path) == 2


def test_what_only_people_see_makes_no_difference(house: House, tmp_path: Path) -> None:
    given = house.upload("a.txt", b"1")
    ran(house, house.install(counted(tmp_path)), {"f": given})
    described = counted(tmp_path, label="A label") | {"doc": "What it does", "sbg:revision": 7, "sbg:toolkit": "x"}
    described["requirements"] = [described["requirements"][0], {**small(), "ramMin": 20}]
    assert was_reused(house, ran(house, house.install(described), {"f": given}))


METADATA_TOOL: dict[str, Any] = {
    "inputs": {"f": "File"},
    "outputs": {"out": {**TEXT, "outputBinding": {
        "glob": "out.txt", "outputEval": "${self[0].metadata = {'k': inputs.f.metadata.sample}; return self}"}}},
    "hints": [{"class": "InlineJavascriptRequirement"}],
}  # fmt: skip


def test_metadata_count_when_expressions_may_see_them(house: House, tmp_path: Path) -> None:
    app = house.install(counted(tmp_path, **METADATA_TOOL))
    ran(house, app, {"f": house.upload("a.txt", b"1", metadata={"sample": "A"})})
    same = house.upload("a.txt", b"1", house.folder("same"), metadata={"sample": "A"})
    again = ran(house, app, {"f": same})
    assert was_reused(house, again)
    assert house.file(again.outputs["out"]["path"]).metadata == {"k": "A"}
    other = ran(house, app, {"f": house.upload("a.txt", b"1", house.folder("other"), metadata={"sample": "B"})})
    assert any("the metadata of input 'f' are not" in sentence for sentence in why(house, other))
    assert house.file(other.outputs["out"]["path"]).metadata == {"k": "B"}


def test_metadata_that_nothing_looks_at_make_no_difference(house: House, tmp_path: Path) -> None:
    app = house.install(counted(tmp_path))
    ran(house, app, {"f": house.upload("a.txt", b"1", metadata={"sample": "A"})})
    other = house.upload("a.txt", b"1", house.folder("other"), metadata={"sample": "B"})
    assert was_reused(house, ran(house, app, {"f": other}))


def test_secondary_files_count(house: House, tmp_path: Path) -> None:
    inputs: dict[str, Any] = {"f": {"type": "File", "secondaryFiles": [".idx"]}}
    app = house.install(counted(tmp_path, inputs=inputs))
    for number, index in enumerate((b"i", b"i", b"j")):
        folder = house.folder(f"f{number}")
        house.upload("a.txt.idx", index, folder)
        ran(house, app, {"f": house.upload("a.txt", b"1", folder)})
    assert runs(tmp_path) == 2


def test_resources_count_when_expressions_see_them(house: House, tmp_path: Path) -> None:
    given = house.upload("a.txt", b"1")
    for memory in (10, 20):
        document = counted(tmp_path, line="echo $(runtime.ram) > out.txt")
        document["requirements"] = [document["requirements"][0], small(memory=memory)]
        ended = ran(house, house.install(document), {"f": given})
        assert house.content(ended.outputs["out"]) == f"{memory}\n".encode()
    assert any("cores, memory or disk" in sentence for sentence in why(house, ended))


@pytest.mark.parametrize(("enable", "expected"), [(False, 2), (True, 1), ("$(inputs.word != 'fresh')", 2)])
def test_work_reuse(house: House, tmp_path: Path, enable: Any, expected: int) -> None:
    hints = [{"class": "WorkReuse", "enableReuse": enable}, {"class": "InlineJavascriptRequirement"}]
    app, given = house.install(counted(tmp_path, hints=hints)), house.upload("a.txt", b"1")
    for _ in range(2):
        ended = ran(house, app, {"f": given, "word": "fresh"})
    assert runs(tmp_path) == expected
    if expected == 2:
        assert why(house, ended) == ("the tool says so (WorkReuse)",)


def test_work_reuse_that_is_neither_true_nor_false_fails_the_job(house: House, tmp_path: Path) -> None:
    hints = [{"class": "WorkReuse", "enableReuse": "$(inputs.word)"}]
    app = house.install(counted(tmp_path, hints=hints))
    with house.scheduling():
        ended = house.wait(house.queue(app, {"f": house.upload("a.txt", b"1"), "word": "maybe"}, **MEMO))
    assert ended.status is Status.FAILED
    assert "WorkReuse/enableReuse: must be true or false" in ended.errors[0]["message"]


def test_a_failed_job_is_never_reused(house: House, tmp_path: Path) -> None:
    app, given = house.install(counted(tmp_path, line="exit 3")), house.upload("a.txt", b"1")
    with house.scheduling():
        for _ in range(2):
            assert house.wait(house.queue(app, {"f": given}, **MEMO)).status is Status.FAILED
    assert runs(tmp_path) == 2


def pipeline(directory: Path, last: str = "wc -c < $(inputs.f.path) > out.txt") -> dict[str, Any]:
    """A scatter whose files, in a directory and executable, with one that is found by its name, go to a last step."""
    first = tool(
        f"echo ran >> {directory / 'runs'}; mkdir d d/empty; cp $(inputs.f.path) d/x; ln -s x d/l; "
        "cp $(inputs.f.path) out.txt; echo i > out.txt.idx; printf '#!/bin/sh\\necho hi\\n' > s.sh; chmod +x s.sh",
        inputs={"f": "File"},
        outputs={
            "out": TEXT,
            "d": {"type": "Directory", "outputBinding": {"glob": "d"}},
            "s": {"type": "File", "outputBinding": {"glob": "s.sh"}},
        },
        requirements=[small()],
    )
    second = tool(
        f"echo ran >> {directory / 'runs'}; cat $(inputs.f.path).idx; ls $(inputs.d.path)/empty; "
        f"cat $(inputs.d.path)/l; $(inputs.s.path); {last}",
        inputs={"f": {"type": "File", "secondaryFiles": [".idx"]}, "d": "Directory", "s": "File"},
        outputs={"out": TEXT},
        requirements=[small()],
    )
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"fs": "File[]"},
        "steps": {
            "one": {"run": first, "in": {"f": "fs"}, "scatter": "f", "out": ["out", "d", "s"]},
            "two": {
                "run": second, "scatter": ["f", "d", "s"], "scatterMethod": "dotproduct", "out": ["out"],
                "in": {"f": "one/out", "d": "one/d", "s": "one/s"},
            },
        },
        "outputs": {
            "out": {"type": "File[]", "outputSource": "two/out"},
            "d": {"type": "Directory[]", "outputSource": "one/d"},
        },
    }  # fmt: skip


def contents(house: House, task: Task) -> list[bytes]:
    return [house.content(value) for value in task.outputs["out"]]


def test_a_workflow_is_taken_up_where_it_was_changed(any_house: House, tmp_path: Path) -> None:
    house = any_house
    given = [house.upload(f"{number}.txt", b"x" * number) for number in (1, 2, 3)]
    first = ran(house, house.install(pipeline(tmp_path)), {"fs": given})
    assert runs(tmp_path) == 6
    again = ran(house, house.install(pipeline(tmp_path)), {"fs": given})
    assert runs(tmp_path) == 6
    assert contents(house, first) == contents(house, again)
    assert [list(house.listed(value["path"])) for value in again.outputs["d"]] == [["empty", "l", "x"]] * 3
    changed = ran(house, house.install(pipeline(tmp_path, last="cat $(inputs.f.path) > out.txt")), {"fs": given})
    assert runs(tmp_path) == 9
    assert contents(house, changed) == [b"x", b"xx", b"xxx"]
    states = {job.key: job.reuse is not None and job.reuse.reused for job in house.jobs(changed.id)}
    assert states == {f"one/{n}": True for n in range(3)} | {f"two/{n}": False for n in range(3)}


def test_an_input_that_is_passed_on_is_the_own_one(house: House, tmp_path: Path) -> None:
    passed = {"out": {"type": "File", "outputBinding": {"outputEval": "$(inputs.f)"}}}
    app = house.install(counted(tmp_path, outputs=passed))
    ran(house, app, {"f": house.upload("a.txt", b"1", metadata={"sample": "A"})})
    mine = house.upload("a.txt", b"1", house.folder("mine"), metadata={"sample": "B"})
    again = ran(house, app, {"f": mine})
    assert was_reused(house, again)
    assert again.outputs["out"]["path"] == mine["path"]


@pytest.mark.parametrize("kind", ["list", "record", "secondary", "folder"])
def test_files_of_others_are_noticed_wherever_they_stand(house: House, tmp_path: Path, kind: str) -> None:
    record = {"type": {"type": "record", "name": "r", "fields": {"in": "File"}}}
    types = {"list": "File[]", "record": record, "secondary": "File", "folder": "Directory"}
    app = house.install(counted(tmp_path, "echo > out.txt", inputs={"f": types[kind]}))
    secret = house.foreign_file("a.txt", b"secret")
    if kind == "folder":
        folder = house.folder("inner", parent=house.file(secret["path"]).parent, project="mallory/secrets")
        house.upload("b.txt", b"b", folder, project="mallory/secrets")
        given: Any = {"class": "Directory", "path": folder}
    else:
        own = house.upload("own.txt", b"own")
        given = {"list": [own, secret], "record": {"in": secret}, "secondary": {**own, "secondaryFiles": [secret]}}[
            kind
        ]
    reader = Member(project="mallory/secrets", username=OWNER, permissions=Permissions())
    with house.database.write() as connection:
        members.insert(connection, reader)
    ran(house, app, {"f": given})
    with house.database.read() as connection:
        assert memos.sources(connection, PROJECT) == [("mallory/secrets",)]


def test_what_was_made_of_files_that_one_cannot_read_does_not_exist(house: House, tmp_path: Path) -> None:
    app = house.install(counted(tmp_path))
    secret = house.foreign_file("a.txt", b"secret")
    with house.database.write() as connection:
        reader = Member(project="mallory/secrets", username=OWNER, permissions=Permissions())
        members.insert(connection, reader)
    ran(house, app, {"f": secret})
    copy = house.upload("a.txt", b"secret")
    with house.database.write() as connection:
        members.delete(connection, "mallory/secrets", OWNER)
    again = ran(house, app, {"f": copy})
    assert why(house, again) == ("no earlier result of this job is kept in this project",)
    assert runs(tmp_path) == 2


def test_tools_of_draft_2_are_reused(house: House, tmp_path: Path) -> None:
    given = house.upload("a.txt", b"1", metadata={"sample": "A"})
    document = {
        "class": "CommandLineTool", "cwlVersion": "sbg:draft-2", "id": "t", "hints": [],
        "baseCommand": ["sh", "-c", f"'echo ran >> {tmp_path / 'runs'}; cat \"$0\" > out.txt'"], "arguments": [],
        "inputs": [{"id": "#f", "type": ["File"], "inputBinding": {"position": 1}}],
        "outputs": [{"id": "#out", "type": ["File"], "outputBinding": {
            "glob": "out.txt", "sbg:inheritMetadataFrom": "#f"}}],
    }  # fmt: skip
    app = house.install(document)
    first = ran(house, app, {"f": given})
    again = ran(house, app, {"f": given})
    assert was_reused(house, again)
    assert house.file(again.outputs["out"]["path"]).metadata == {"sample": "A"}
    assert house.content(first.outputs["out"]) == house.content(again.outputs["out"]) == b"1"
    other = house.upload("a.txt", b"1", house.folder("other"), metadata={"sample": "B"})
    assert house.file(ran(house, app, {"f": other}).outputs["out"]["path"]).metadata == {"sample": "B"}
    assert runs(tmp_path) == 2
