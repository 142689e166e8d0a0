"""What a database must do for memos; the contract suite runs it on both kinds."""

from dataclasses import replace
from typing import Any

from araneus.model.ids import new_uuid
from araneus.model.memo import Kept, Memo, Reuse
from araneus.store import files, jobs, memos, projects
from araneus.store.database import Database
from araneus.testing import rows


def memo(project: str, key: str = "k", minute: int = 0, **more: Any) -> Memo:
    """A memo with one file."""
    fields: dict[str, Any] = {
        "id": new_uuid(), "project": project, "key": key, "app": "o/p/a", "job": "s/1", "task": new_uuid(),
        "name": "s 'ü", "parts": {"tool": "1", "input x": "2"},
        "outputs": {"o": [None, {"class": "File", "location": "work:a", "basename": "\udcff\x00"}]},
        "files": {"a": Kept(location=f"blob:{key}", size=2**40, executable=True)}, "folders": ("d", "d/e"),
        "attempt": new_uuid(), "sources": ("x/y",), "made_by": "o", "made_on": rows.at(minute),
        "used_on": rows.at(minute), **more,
    }  # fmt: skip
    return Memo(**fields)


class MemosContract:
    """Memos, and the bytes that they keep."""

    def test_memos_are_found_by_key_in_their_project(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            made, other = memo(project.id), memo(project.id, "l", 1)
            memos.keep(conn, [made, other])
            memos.keep(conn, [made])
            assert memos.find(conn, project.id, "k") == [made]
            assert memos.find(conn, project.id, "none") == []
            assert memos.find(conn, "o/none", "k") == []
            without: dict[str, Any] = {"outputs": {}, "files": {}, "folders": ()}
            assert memos.get(conn, made.id) == replace(made, **without)
            listed = [replace(each, **without) for each in (other, made)]
            assert memos.similar(conn, project.id, "o/p/a", "s/1") == listed
            assert memos.similar(conn, project.id, "o/p/a", "s/1", most=1) == listed[:1]
            assert memos.similar(conn, project.id, "o/p/a", "s/2") == []
            page = memos.page(conn, project.id, offset=1, limit=5)
            assert (page.items, page.total) == (listed[1:], 2)

    def test_what_was_made_of_other_projects_is_counted_apart(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            own = memo(project.id, sources=())
            others = [memo(project.id, key, sources=("o/q", "o/r")) for key in "lm"]
            memos.keep(conn, [own, *others])
            assert sorted(memos.sources(conn, project.id)) == [(), ("o/q", "o/r")]
            for sources, total in ([()], 1), ([("o/q", "o/r")], 2), ([(), ("o/q", "o/r")], 3), ([], 0):
                assert memos.page(conn, project.id, sources=sources, offset=0, limit=9).total == total

    def test_a_new_memo_takes_the_place_of_the_old_one(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            old = memo(project.id)
            new = memo(project.id, files={"b": Kept(location="blob:new", size=1)})
            memos.keep(conn, [old])
            memos.keep(conn, [new])
            assert memos.find(conn, project.id, "k") == [new]
            assert files.referenced(conn, ["blob:k", "blob:new"]) == {"blob:new"}

    def test_memos_of_one_key_that_were_made_of_other_projects_stand_beside_each_other(
        self, database: Database
    ) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            mine, theirs, all_ = (
                memo(project.id, minute=number, sources=sources)
                for number, sources in enumerate([("x/mine",), ("x/theirs",), ()])
            )
            memos.keep(conn, [mine, theirs, all_])
            assert memos.find(conn, project.id, "k") == [all_, theirs, mine]
            newer = memo(project.id, minute=9, sources=("x/mine",))
            memos.keep(conn, [memo(project.id, sources=("x/mine",)), newer])
            assert memos.find(conn, project.id, "k") == [newer, all_, theirs]

    def test_bytes_stay_until_the_memo_is_void_or_gone(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            made, other = memo(project.id), memo(project.id, "l")
            memos.keep(conn, [made, other])
            assert files.blobs_referenced(conn, "blob:k")
            assert memos.invalidate(conn, made.id, "o", rows.at(3))
            assert not memos.invalidate(conn, made.id, "p", rows.at(4))
            assert not memos.invalidate(conn, new_uuid(), "p", rows.at(4))
            (found,) = memos.find(conn, project.id, "k")
            assert (found.void_by, found.void_on, found.files, found.parts) == ("o", rows.at(3), {}, made.parts)
            memos.drop(conn, [other.id])
            assert files.referenced(conn, ["blob:k", "blob:l"]) == set()
            assert memos.get(conn, other.id) is None

    def test_memos_leave_with_their_project(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            made = memo(project.id)
            memos.keep(conn, [made])
            memos.use(conn, [made.id, made.id], rows.at(9))
            assert memos.ages(conn) == [(made.id, rows.at(9), project.settings)]
            projects.delete(conn, project.id)
            assert memos.ages(conn) == []
            assert not files.blobs_referenced(conn, "blob:k")

    def test_a_job_says_what_memoization_did_for_it(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_task(conn, rows.task(project.id, "t"))
            reuse = Reuse(reused=True, why=("ü", "\udcff"), memo="m", task="t")
            job = rows.job("t", "a", reuse=reuse)
            jobs.upsert(conn, [job])
            assert jobs.for_task(conn, "t") == [job]
            assert jobs.shown_for_task(conn, "t")[0].reuse == reuse
