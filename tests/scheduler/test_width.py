"""Wide tasks cost per job what narrow ones do: counted, not timed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from araneus.model.job import Job, JobStatus, Outcome, Reason
from araneus.model.task import Status
from araneus.storage.base import Blob
from araneus.storage.posix import PosixStorage
from araneus.store import jobs
from tests.scheduler.house import House, now, small, tool

NUMBERS = {"n": "int"}


class CountingStorage(PosixStorage):
    """Notes how many files it is given each time."""

    def __init__(self, root: Path, jobs_directory: Path) -> None:
        super().__init__(root, jobs_directory)
        self.adopted: list[int] = []

    def adopt(self, *paths: Path) -> list[Blob]:
        self.adopted.append(len(paths))
        return super().adopt(*paths)


def counting(house: House) -> CountingStorage:
    house.storage = storage = CountingStorage(house.directory / "blobs", house.jobs_directory)
    return storage


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that any engine of this process sends; one for many rows counts once."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def scatter(run: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "class": "Workflow",
        "cwlVersion": "v1.2",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"n": "int[]"},
        "outputs": {"out": {"type": f"{kind}[]", "outputSource": "s/out"}},
        "steps": {"s": {"run": run, "scatter": "n", "in": {"n": "n"}, "out": ["out"]}},
    }


def left_behind(house: House, app: str, width: int) -> str:
    """A task whose jobs have all ended and were written; then the scheduler was killed."""
    task = house.queue(app, {"n": list(range(width))})
    at = now()
    done = Outcome(reason=Reason.SUCCEEDED, exit_code=0)
    rows = [
        Job(
            task=task,
            key=f"s/{number}",
            name=f"s_{number + 1}_s",
            status=JobStatus.COMPLETED,
            outputs={"out": number},
            outcome=done,
            created_on=at + timedelta(microseconds=number),
            ended_on=at,
        )
        for number in range(width)
    ]
    with house.database.write() as connection:
        jobs.upsert(connection, rows)
    return task


def test_the_statements_of_a_replay_do_not_grow_with_its_jobs(house: House) -> None:
    app = house.install(scatter(tool("false", inputs=NUMBERS, outputs={"out": "int"}), "int"))
    counts = []
    for width in (30, 3_000):
        task = left_behind(house, app, width)
        with statements() as sent, house.scheduling():
            ended = house.wait(task, timeout=60)
        counts.append(sum("SELECT" not in statement for statement in sent))
        assert ended.status is Status.COMPLETED, ended.progress
        assert ended.outputs == {"out": list(range(width))}
    narrow, wide = counts
    assert wide <= narrow + 10  # progress may be written now and then


def test_the_outputs_of_all_jobs_are_taken_in_together(house: House) -> None:
    storage = counting(house)
    line = tool(
        "echo $(inputs.n) > out",
        inputs=NUMBERS,
        outputs={"out": {"type": "File", "outputBinding": {"glob": "out"}}},
        requirements=[small()],
    )
    app = house.install(scatter(line, "File"))
    with house.scheduling():
        ended = house.wait(house.queue(app, {"n": list(range(40))}))
    assert ended.status is Status.COMPLETED, ended.progress
    assert storage.adopted == [40]
    assert [house.content(value) for value in ended.outputs["out"]] == [b"%d\n" % number for number in range(40)]


def test_a_tree_of_files_is_taken_in_together(house: House) -> None:
    storage = counting(house)
    line = (
        "for d in a b c; do mkdir -p out/$d/$d; echo $d > out/$d/one; echo $d$d > out/$d/$d/two; done; echo > out/top"
    )
    document = tool(line, outputs={"out": {"type": "Directory", "outputBinding": {"glob": "out"}}})
    app = house.install(document)
    with house.scheduling():
        ended = house.wait(house.queue(app))
    assert ended.status is Status.COMPLETED, ended.progress
    assert storage.adopted == [7]
    files = house.listed(house.listed(house.listed(ended.outputs["out"]["path"])["b"].id)["b"].id)
    assert house.content({"path": files["two"].id}) == b"bb\n"


def test_the_statements_that_place_outputs_do_not_grow_with_their_number(house: House) -> None:
    app = house.install(
        tool(
            "mkdir out; for i in \\$(seq $(inputs.n)); do echo $i > out/f$i; done",
            inputs=NUMBERS,
            outputs={"out": {"type": "Directory", "outputBinding": {"glob": "out"}}},
        )
    )
    counts = []
    for width in (5, 500):
        with statements() as sent, house.scheduling():
            ended = house.wait(house.queue(app, {"n": width}))
        assert ended.status is Status.COMPLETED, ended.progress
        assert len(house.listed(ended.outputs["out"]["path"])) == width
        counts.append(sum("INSERT INTO files" in statement for statement in sent))
    assert counts[0] == counts[1]
