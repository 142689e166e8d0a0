"""What the store promises about tasks, their history, their jobs and attempts, on every database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from araneus.executors import jobdir
from araneus.model.access import Permissions
from araneus.model.errors import ConcurrentChange, Fault, Refusal
from araneus.model.ids import new_uuid
from araneus.model.job import LOG_NAMES, JobStatus, Outcome, Reason, Resources, log_ids
from araneus.model.task import Event, Progress, Status, Task, step
from araneus.store import jobs, logs, tasks
from araneus.store.database import Database
from araneus.testing import rows


def _move(database: Database, task: Task, to: Status, seconds: float = 0) -> Task:
    after, event = step(task, to, now=rows.at(seconds), actor="rfranklin")
    with database.write() as conn:
        return tasks.save(conn, task, after, event)


class TaskRowsContract:
    """Single tasks."""

    def test_task_round_trip(self, database: Database) -> None:
        value: dict[str, Any] = {
            "z": [1, 1.0, -0.0, 1e22, 2**70, True, None, "\x00", "\ud800", {"class": "File", "path": "f"}],
            "a": {"deep": [[[[]]]]},
        }
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            parent = rows.add_task(conn, rows.task(project.id, "parent", batch=True, batch_by={"type": "item"}))
            task = rows.task(
                project.id, "child", description="d", parent=parent.id, batch_input="x", inputs=value, outputs=value,
                batch_group={"value": "A"}, execution_settings={"a": 1}, output_location={"main_location": "/x"},
                errors=({"code": 1},), warnings=({"code": 2}, {}), progress=Progress(message="m", steps_total=3),
                executed_by="crick", start_time=rows.at(1), end_time=rows.at(2), use_interruptible_instances=False,
                status=Status.FAILED,
            )  # fmt: skip
            rows.add_task(conn, task)
        with database.read() as conn:
            found = tasks.get(conn, "child")
            assert found == task
            assert repr(found.inputs) == repr(task.inputs)
            assert tasks.get(conn, "none") is None

    def test_only_members_see_a_task(self, database: Database) -> None:
        reader = Permissions(copy=True)
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_member(conn, project, "crick", reader)
            rows.add_project(conn, rows.project("wilkins/own"))
            task = rows.add_task(conn, rows.task(project.id, "t"))
        with database.read() as conn:
            assert tasks.get_for(conn, "t", "crick") == (task, reader)
            assert tasks.get_for(conn, "t", "wilkins") is None
            assert tasks.get_for(conn, "none", "crick") is None
            assert tasks.get_many_for(conn, ["t", "none"], "crick") == {"t": task}
            assert tasks.get_many_for(conn, ["t"], "wilkins") == {}
            assert tasks.page(conn, username="wilkins", offset=0, limit=9).total == 0
            assert tasks.page(conn, username="wilkins", project=project.id, offset=0, limit=9).total == 0
            assert tasks.page(conn, username="wilkins", parent="t", offset=0, limit=9).total == 0

    def test_insert_needs_its_project(self, database: Database) -> None:
        with database.write() as conn:
            rows.add_project(conn, rows.project())
            with pytest.raises(Refusal) as caught:
                tasks.insert(conn, rows.task("no/where", "t"))
            assert caught.value.fault is Fault.PROJECT_NOT_FOUND
            with pytest.raises(ValueError, match="one project"):
                tasks.insert(conn, rows.task("rfranklin/dna", "t"), rows.task("no/where", "u"))
            tasks.insert(conn)

    def test_status_and_event_are_written_together(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            draft = rows.add_task(conn, rows.task(project.id, "t"))
        queued = _move(database, draft, Status.QUEUED, 1)
        assert (queued.version, queued.status, queued.start_time) == (1, Status.QUEUED, rows.at(1))
        running = _move(database, queued, Status.RUNNING, 2)
        with database.read() as conn:
            assert tasks.get(conn, "t") == running
            assert [(event.before, event.after, event.time) for event in tasks.events(conn, "t")] == [
                (Status.DRAFT, Status.QUEUED, rows.at(1)),
                (Status.QUEUED, Status.RUNNING, rows.at(2)),
            ]
        with pytest.raises(ConcurrentChange):
            _move(database, queued, Status.ABORTING, 3)
        with database.read() as conn:
            assert len(tasks.events(conn, "t")) == 2

    def test_save_refuses_mistakes(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            task = rows.add_task(conn, rows.task(project.id, "t"))
            queued, event = step(task, Status.QUEUED, now=rows.at(1), actor="a")
            for wrong in (None, replace(event, after=Status.RUNNING), replace(event, task="u")):
                with pytest.raises(ValueError, match=r"event"):
                    tasks.save(conn, task, queued, wrong)
            with pytest.raises(ValueError, match="project"):
                tasks.save(conn, task, replace(task, project="x/y"))
            note = Event(
                task="t", time=rows.at(1), actor="a", kind="note", before=task.status, after=task.status, message="hi"
            )
            saved = tasks.save(conn, task, replace(task, name="renamed", inputs={"a": 1}), note)
            assert tasks.get(conn, "t") == saved
            assert tasks.events(conn, "t") == [note]
            with pytest.raises(ConcurrentChange):
                tasks.save(conn, replace(task, id="gone"), replace(task, id="gone", name="x"))

    def test_rolled_back_save_leaves_no_trace(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            task = rows.add_task(conn, rows.task(project.id, "t"))
        queued, event = step(task, Status.QUEUED, now=rows.at(1), actor="a")

        def save_and_fail() -> None:
            with database.write() as conn:
                tasks.save(conn, task, queued, event)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            save_and_fail()
        with database.read() as conn:
            assert tasks.get(conn, "t") == task
            assert tasks.events(conn, "t") == []

    def test_progress_contradicts_nobody(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            task = rows.add_task(conn, rows.task(project.id, "t"))
            tasks.set_progress(conn, "t", Progress(message="Running 1/2 steps", steps_completed=1, steps_total=2))
            saved = tasks.save(conn, task, replace(task, name="renamed"))
            found = tasks.get(conn, "t")
            assert found is not None
            assert found.version == saved.version == 1
            assert found.progress is not None
            assert found.progress.message == "Running 1/2 steps"

    def test_delete_is_guarded(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            task = rows.add_task(conn, rows.task(project.id, "t"))
            renamed = tasks.save(conn, task, replace(task, name="new"))
            with pytest.raises(ConcurrentChange):
                tasks.delete(conn, task)
            tasks.delete(conn, renamed)
            with pytest.raises(ConcurrentChange):
                tasks.delete(conn, renamed)
            assert tasks.get(conn, "t") is None
            assert tasks.page(conn, username="rfranklin", offset=0, limit=1).total == 0

    def test_one_of_many_simultaneous_savers_wins(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            draft = rows.add_task(conn, rows.task(project.id, "t"))

        def attempt(number: int) -> bool:
            try:
                if number % 3 == 0:
                    with database.write() as conn:
                        tasks.delete(conn, draft)
                else:
                    _move(database, draft, Status.QUEUED)
            except ConcurrentChange:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(attempt, range(16))).count(True) == 1

    def test_active(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            for number, status in enumerate(Status):
                rows.add_task(conn, rows.task(project.id, status, status=status, created_time=rows.at(-number)))
            expected = [Status.ABORTING, Status.RUNNING, Status.QUEUED, Status.CREATING]
            assert [task.status for task in tasks.active(conn)] == expected
            assert tasks.ids_active(conn) == [(status.value, status, 0) for status in expected]


class TaskListsContract:
    """Lists of tasks."""

    def test_filters_and_orders(self, database: Database) -> None:
        def found(**filters: Any) -> list[str]:
            with database.read() as conn:
                page = tasks.page(conn, username="rfranklin", offset=0, limit=50, **filters)
            assert page.total == len(page.items)
            return [task.id for task in page.items]

        with database.write() as conn:
            mine = rows.add_project(conn, rows.project())
            theirs = rows.add_project(conn, rows.project("crick/p"))
            closed = rows.add_project(conn, rows.project("crick/closed"))
            rows.add_member(conn, theirs, "rfranklin", Permissions())
            rows.add_task(conn, rows.task(closed.id, "secret", created_time=rows.at(9)))
            rows.add_task(
                conn, rows.task(mine.id, "a", name="Z", batch=True, created_time=rows.at(1), start_time=rows.at(7))
            )
            rows.add_task(conn, rows.task(theirs.id, "b", name="y", created_time=rows.at(2), created_by="crick"))
            rows.add_task(
                conn,
                rows.task(
                    mine.id,
                    "c",
                    name="x",
                    parent="a",
                    created_time=rows.at(3),
                    status=Status.FAILED,
                    end_time=rows.at(8),
                ),
            )
            rows.add_task(conn, rows.task(mine.id, "d", name="x", created_time=rows.at(3), start_time=rows.at(6)))
        assert found() == ["d", "c", "b", "a"]
        assert found(order="asc") == ["a", "b", "c", "d"]
        assert found(project=mine.id) == ["d", "c", "a"]
        assert found(project=closed.id) == []
        assert found(status=Status.FAILED) == ["c"]
        assert found(parent="a") == ["c"]
        assert found(parent="secret") == []
        assert found(parent="a", project=theirs.id) == []
        assert found(batch=True) == ["a"]
        assert found(batch=False, project=mine.id) == ["d", "c"]
        assert found(created_from=rows.at(2), created_to=rows.at(3)) == ["d", "c", "b"]
        assert found(started_to=rows.at(6)) == ["d"]
        assert found(ended_from=rows.at(8)) == ["c"]
        assert found(ended_from=rows.at(8.000001)) == []
        assert found(order_by="name", order="asc") == ["a", "c", "d", "b"]
        assert found(order_by="name") == ["b", "d", "c", "a"]
        assert found(order_by="start_time") == ["a", "d", "c", "b"]
        assert found(order_by="start_time", order="asc") == ["d", "a", "b", "c"]
        assert found(order_by="end_time", order="asc")[0] == "c"
        assert found(order_by="created_by", order="asc") == ["b", "a", "c", "d"]
        for wrong in ({"order_by": "status"}, {"order": "down"}):
            with pytest.raises(ValueError, match="sorted"):
                found(**wrong)

    def test_pages_join_without_gap_or_repetition(self, database: Database) -> None:
        with database.write() as conn:
            for number in range(5):
                project = rows.add_project(conn, rows.project(f"rfranklin/p{number}"))
                made = [
                    rows.task(project.id, f"{number}-{index}", created_time=rows.at(index % 7))
                    for index in range(number * 9)
                ]
                tasks.insert(conn, *made)
        for filters in ({}, {"status": Status.DRAFT}, {"order_by": "start_time", "order": "asc"}):
            seen: list[str] = []
            with database.read() as conn:
                while True:
                    page = tasks.page(conn, username="rfranklin", offset=len(seen), limit=13, **filters)
                    assert page.total == 90
                    if not page.items:
                        break
                    seen += [task.id for task in page.items]
            assert len(seen) == len(set(seen)) == 90
        with database.read() as conn:
            assert tasks.page(conn, username="rfranklin", offset=0, limit=0).total == 90
            assert tasks.page(conn, username="rfranklin", offset=10**9, limit=5).items == []

    def test_many_projects(self, database: Database) -> None:
        with database.write() as conn:
            for number in range(60):
                project = rows.add_project(conn, rows.project(f"rfranklin/p{number}"))
                tasks.insert(conn, rows.task(project.id, f"t{number:02d}", created_time=rows.at(number)))
        with database.read() as conn:
            page = tasks.page(conn, username="rfranklin", offset=5, limit=3)
            assert ([task.id for task in page.items], page.total) == (["t54", "t53", "t52"], 60)
            page = tasks.page(conn, username="rfranklin", created_to=rows.at(10), offset=0, limit=3)
            assert ([task.id for task in page.items], page.total) == (["t10", "t09", "t08"], 11)

    def test_children_of_a_batch_are_counted(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "parent", batch=True))
            for number, status in enumerate([Status.QUEUED, Status.QUEUED, Status.FAILED]):
                rows.add_task(conn, rows.task(project.id, f"c{number}", parent="parent", status=status))
            assert tasks.status_counts(conn, "parent") == {Status.QUEUED: 2, Status.FAILED: 1}


class JobsContract:
    """Jobs and attempts."""

    def test_jobs(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "t"))
            first, second = rows.job("t", "a/1", created_on=rows.at(2)), rows.job("t", "", created_on=rows.at(1))
            jobs.upsert(conn, [first, second])
            jobs.upsert(conn, [])
            done = replace(
                first, status=JobStatus.FAILED, outputs={"x": [None]}, command_line="echo 'ü'",
                created_on=rows.at(9), started_on=rows.at(3), ended_on=rows.at(4),
                outcome=Outcome(reason=Reason.EXIT_CODE, message="bad \x00 \udcff", exit_code=1),
            )  # fmt: skip
            jobs.upsert(conn, [done])
        with database.read() as conn:
            assert jobs.for_task(conn, "t") == [second, replace(done, created_on=first.created_on)]
            assert jobs.for_task(conn, "none") == []

    def test_attempts(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "t"))
            job = rows.job("t", "a")
            jobs.upsert(conn, [job])
            first = rows.attempt(job, resources=Resources(cores=0.5, memory=7))
            second = rows.attempt(job, 1, created_on=rows.at(1))
            jobs.insert_attempts(conn, [second, first])
            jobs.insert_attempts(conn, [])
            assert jobs.open_attempts(conn) == [first, second]
            lost, won = Outcome(reason=Reason.LOST), Outcome(reason=Reason.SUCCEEDED, exit_code=0)
            assert jobs.end_attempt(conn, first.id, lost, rows.at(5))
            assert not jobs.end_attempt(conn, first.id, won, rows.at(6))
            assert not jobs.end_attempt(conn, "unknown", won, rows.at(6))
            assert jobs.open_attempts(conn) == [second]
            jobs.end_attempts(conn, [(second.id, won, rows.at(7)), (first.id, won, rows.at(7))])
            jobs.end_attempts(conn, [])
            assert jobs.attempts_for(conn, "t") == [
                replace(first, outcome=lost, ended_on=rows.at(5)),
                replace(second, outcome=won, ended_on=rows.at(7)),
            ]

    def test_logs_are_found_through_their_attempt(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "t"))
            jobs.upsert(conn, [rows.job("t", key) for key in ("a", "b")])
            first, second = (replace(rows.attempt(rows.job("t", key)), id=new_uuid()) for key in ("a", "b"))
            jobs.insert_attempts(conn, [first, second])
        with database.read() as conn:
            for attempt in (first, second):
                for name, identity in log_ids(attempt.id).items():
                    found = logs.get(conn, identity)
                    assert found is not None
                    assert (found.id, found.name, found.location) == (identity, name, f"job:{attempt.id}/{name}")
                    assert (found.project, found.parent, found.hidden) == (project.id, project.root_folder, True)
                    assert found.created_on == attempt.created_on
            last = log_ids(first.id)[LOG_NAMES[-1]]
            assert logs.get(conn, last[:-1] + "f") is None
            assert logs.get(conn, log_ids(new_uuid())[LOG_NAMES[0]]) is None

    def test_files_that_an_app_wants_kept_are_found_while_the_attempt_runs_and_later(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "t"))
            jobs.upsert(conn, [rows.job("t", key) for key in ("a", "b")])
            first, stopped = (
                replace(rows.attempt(rows.job("t", key)), id=new_uuid(), instance="c5.large;ebs-gp2;5") for key in "ab"
            )
            jobs.insert_attempts(conn, [first, stopped])
            seen = ("d/x é.log", "gone")
            jobs.note_logs(conn, {first.id: seen, stopped.id: seen, "unknown": seen})
            jobs.note_logs(conn, {})
            assert jobs.attempts_for(conn, "t") == [replace(each, logs=seen) for each in (first, stopped)]
            ids = log_ids(first.id, seen)
            running = logs.get(conn, ids["d/x é.log"])
            assert running is not None
            assert (running.name, running.location) == ("x é.log", f"job:{first.id}/{jobdir.WORK}/d/x é.log")
            won, cancelled = Outcome(reason=Reason.SUCCEEDED, logs=(seen[0], "")), Outcome(reason=Reason.CANCELLED)
            jobs.end_attempts(conn, [(first.id, won, rows.at(7)), (stopped.id, cancelled, rows.at(7))])
            jobs.note_logs(conn, {first.id: (*seen, "late")})
            ended, other = jobs.attempts_for(conn, "t")
            assert (ended.logs, ended.saved, other.saved) == (seen, (seen[0], ""), seen)
            assert log_ids(ended.id, ended.saved).items() >= {("d/x é.log", ids["d/x é.log"])}
            copy = logs.get(conn, ids["d/x é.log"])
            assert copy is not None
            assert (copy.name, copy.location) == ("x é.log", f"job:{first.id}/saved/0")
            assert logs.get(conn, ids["gone"]) is None
            left = logs.get(conn, log_ids(stopped.id, seen)["gone"])
            assert left is not None
            assert left.location == f"job:{stopped.id}/{jobdir.WORK}/gone"
            fates = jobs.fates(conn, [first.id, stopped.id])
            assert [fates[one.id].logs for one in (first, stopped)] == [(), seen]
            jobs.copied_logs(conn, dict.fromkeys((first.id, stopped.id, "unknown"), ("", "gone")))
            assert [one.saved for one in jobs.attempts_for(conn, "t")] == [(seen[0], ""), ("", "gone")]
            assert jobs.fates(conn, [stopped.id])[stopped.id].logs == ()

    def test_ten_thousand_jobs(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "t"))
            many = [rows.job("t", f"scatter/{number}", outputs={"out": number}) for number in range(10_000)]
            jobs.upsert(conn, many)
            jobs.insert_attempts(conn, [rows.attempt(job) for job in many])
        with database.read() as conn:
            assert len(jobs.for_task(conn, "t")) == len(jobs.open_attempts(conn)) == 10_000

    def test_naive_times_are_refused(self, database: Database) -> None:
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the mistake that is to be found
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            with pytest.raises(Exception, match="no time zone"):
                tasks.insert(conn, rows.task(project.id, "t", created_time=naive))


class TasksContract(TaskRowsContract, TaskListsContract, JobsContract):
    """Everything about tasks."""
