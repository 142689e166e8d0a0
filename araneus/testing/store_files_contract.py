"""What the store promises about files and folders, on every database."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import files
from araneus.store.database import Database
from araneus.testing import rows


def _names(found: list[File]) -> list[str]:
    return [file.name for file in found]


class FilesContract:
    """The tree, its filters, and the account of bytes."""

    def test_file_round_trip(self, database: Database) -> None:
        metadata = {"sample_id": "A", "list": ["x", "y"], "ünï": "çø\x00\ud800", "z": "1", "a": "2"}
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            folder = rows.folder(project, "in")
            file = rows.file(project, "ü 🧬.bam", parent=folder.id, size=2**62, origin_task="t", tags=("b", "a"))
            whole = replace(file, metadata={key: value for key, value in metadata.items() if key != "ünï"})
            files.insert(conn, folder, whole)
        with database.read() as conn:
            found = files.get(conn, whole.id)
            assert found == whole
            assert list(found.metadata) == list(whole.metadata)
            assert files.get(conn, folder.id) == folder
            assert files.get(conn, "f" * 24) is None
            assert files.in_folder(conn, folder.id, whole.name) == whole
            assert files.in_folder(conn, folder.id, "none") is None
            assert files.get_many(conn, [whole.id, "f" * 24, folder.id]) == {whole.id: whole, folder.id: folder}
            assert _names(files.path(conn, whole)) == ["root", "in"]

    def test_many_at_once(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            many = [rows.file(project, f"f{number:05d}") for number in range(2500)]
            files.insert(conn, *many)
            files.insert(conn)
        with database.read() as conn:
            assert len(files.get_many(conn, [file.id for file in many])) == 2500
            names = [file.name for file in many]
            assert files.named(conn, project.root_folder, names).keys() == set(names)
            assert files.taken_names(conn, project.root_folder) == set(names)
            assert files.children_count(conn, project.root_folder) == 2500
            page = files.page(conn, parent=project.root_folder, offset=2498, limit=100)
            assert (_names(page.items), page.total) == (["f02498", "f02499"], 2500)

    def test_names_are_unique_in_a_folder(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            folder = rows.folder(project, "a")
            files.insert(conn, folder, rows.file(project, "b"), rows.file(project, "b", parent=folder.id))
            for clash, fault in (
                (rows.file(project, "a"), Fault.FILE_EXISTS),
                (rows.folder(project, "b"), Fault.FOLDER_EXISTS),
            ):
                fresh = rows.file(project, "fresh")
                with pytest.raises(Refusal, match=clash.name) as caught:
                    files.insert(conn, fresh, clash)
                assert caught.value.fault is fault
                assert files.get(conn, fresh.id) is None
            with pytest.raises(Refusal, match="twice"):
                files.insert(conn, rows.file(project, "once"), rows.file(project, "twice"), rows.file(project, "twice"))
            files.insert(conn, rows.file(project, "A"), rows.file(project, "b "))
            assert _names(files.page(conn, parent=project.root_folder, offset=0, limit=9).items) == [
                "A",
                "a",
                "b",
                "b ",
            ]

    def test_hidden_files_are_read_by_id_only(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            hidden = [
                rows.file(project, "log", hidden=True, location=f"job:{number}/x", tags=("t",)) for number in (1, 2)
            ]
            files.insert(conn, *hidden)
            files.insert(conn, rows.file(project, "log"))
            assert files.get(conn, hidden[0].id) == hidden[0]
            assert files.page(conn, parent=project.root_folder, offset=0, limit=9).total == 1
            assert files.page(conn, parent=project.root_folder, tags=["t"], offset=0, limit=9).total == 0
            assert files.children_count(conn, project.root_folder) == 1
            found = files.in_folder(conn, project.root_folder, "log")
            assert found is not None
            assert not found.hidden

    def test_filters(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            root = project.root_folder
            sub = rows.folder(project, "sub")
            files.insert(
                conn,
                sub,
                rows.file(project, "1", metadata={"s": "A", "l": ["x", "y"]}, tags=("t1", "t2"), origin_task="task"),
                rows.file(project, "2", metadata={"s": "B", "l": "x"}, tags=("t2",)),
                rows.file(project, "3", metadata={"s": "a", "t1": "t1"}),
                rows.file(project, "4", parent=sub.id, metadata={"s": "A"}, tags=("t1",), origin_task="task"),
            )

        def found(**filters: object) -> list[str]:
            with database.read() as conn:
                page = files.page(conn, parent=root, offset=0, limit=10, **filters)  # type: ignore[arg-type]
            assert page.total == len(page.items)
            return _names(page.items)

        assert found() == ["1", "2", "3", "sub"]
        assert found(names=["3", "sub", "4", "none"]) == ["3", "sub"]
        assert found(names=[]) == []
        assert found(names=[""]) == []
        assert found(metadata={"s": ["A"]}) == ["1"]
        assert found(metadata={"s": ["A", "B"]}) == ["1", "2"]
        assert found(metadata={"s": ["A", "B"], "l": ["y"]}) == ["1"]
        assert found(metadata={"l": ["x"]}) == ["1", "2"]
        assert found(metadata={"l": ["x, y"]}) == []
        assert found(metadata={"S": ["A"]}) == []
        assert found(metadata={"s": []}) == []
        assert found(tags=["t1"]) == ["1"]
        assert found(tags=["t1", "t2"]) == ["1", "2"]
        assert found(origin_task="task") == ["1"]
        assert found(tags=["t2"], metadata={"s": ["B"]}, names=["2", "1"]) == ["2"]

    def test_save_follows_names_labels_and_moves(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            folder, file = rows.folder(project, "d"), rows.file(project, "f", tags=("t",), metadata={"k": "v"})
            files.insert(conn, folder, file, rows.file(project, "taken"))
            with pytest.raises(Refusal) as caught:
                files.save(conn, replace(file, name="taken"))
            assert caught.value.fault is Fault.FILE_EXISTS
            moved = replace(file, name="g", parent=folder.id, modified_on=rows.at(1))
            assert files.save(conn, moved) == file
            assert files.page(conn, parent=project.root_folder, tags=["t"], offset=0, limit=9).total == 0
            assert files.page(conn, parent=folder.id, tags=["t"], metadata={"k": ["v"]}, offset=0, limit=9).items == [
                moved
            ]
            relabelled = replace(moved, tags=(), metadata={"k": ["w", "w"]})
            assert files.save(conn, relabelled) == moved
            assert files.page(conn, parent=folder.id, tags=["t"], offset=0, limit=9).total == 0
            assert files.page(conn, parent=folder.id, metadata={"k": ["w"]}, offset=0, limit=9).items == [relabelled]
            assert files.save(conn, rows.file(project, "never stored")) is None
            with pytest.raises(ValueError, match="cannot leave its project"):
                files.save(conn, replace(relabelled, project="x/y"))

    def test_folders_do_not_move_into_themselves(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            outer = rows.folder(project, "outer")
            inner = rows.folder(project, "inner", parent=outer.id)
            file = rows.file(project, "file")
            files.insert(conn, outer, inner, file)
            for destination in (outer.id, inner.id):
                with pytest.raises(Refusal) as caught:
                    files.save(conn, replace(outer, parent=destination))
                assert caught.value.fault is Fault.FILE_MOVE_FORBIDDEN
            for destination in (file.id, "f" * 24):
                with pytest.raises(Refusal) as caught:
                    files.save(conn, replace(inner, parent=destination))
                assert caught.value.fault is Fault.PARENT_MISSING

    def test_two_folders_moved_into_each_other_make_no_ring(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
        for turn in range(6):
            with database.write() as conn:
                pair = [rows.folder(project, f"{turn}{side}") for side in "ab"]
                files.insert(conn, *pair)

            def move(source: File, target: File) -> bool:
                try:
                    with database.write() as conn:
                        files.save(conn, replace(source, parent=target.id))
                except Refusal:
                    return False
                return True

            with ThreadPoolExecutor(2) as pool:
                moves = [pool.submit(move, pair[0], pair[1]), pool.submit(move, pair[1], pair[0])]
                assert sorted(done.result() for done in moves) == [False, True]

    def test_delete_tells_when_the_last_row_of_a_location_left(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            folder, first, second = rows.folder(project, "d"), rows.file(project, "1"), rows.file(project, "2")
            inner = rows.file(project, "x", parent=folder.id, location="blob:other")
            files.insert(conn, folder, first, second, inner)
            assert files.delete(conn, first.id) is None
            assert files.delete(conn, first.id) is None
            assert files.delete(conn, second.id) == second.location
            with pytest.raises(Refusal) as caught:
                files.delete(conn, folder.id)
            assert caught.value.fault is Fault.FOLDER_NOT_EMPTY
            assert files.delete(conn, inner.id) == "blob:other"
            assert files.delete(conn, folder.id) is None
            assert files.children_count(conn, project.root_folder) == 0

    def test_simultaneous_deletions_leave_no_bytes_behind(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            twins = [rows.file(project, f"{number}", location=f"blob:{number // 2}") for number in range(40)]
            files.insert(conn, *twins)

        def delete(file: File) -> str | None:
            with database.write() as conn:
                return files.delete(conn, file.id)

        with ThreadPoolExecutor(8) as pool:
            dropped = [location for location in pool.map(delete, twins) if location is not None]
        assert sorted(dropped) == sorted({f"blob:{number}" for number in range(20)})

    def test_one_of_many_simultaneous_namesakes_wins(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())

        def insert(_: int) -> Fault | None:
            try:
                with database.write() as conn:
                    files.insert(conn, rows.file(project, "same"))
            except Refusal as refusal:
                return refusal.fault
            return None

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(insert, range(24)))
        assert (results.count(None), results.count(Fault.FILE_EXISTS)) == (1, 23)

    def test_a_file_does_not_appear_in_a_folder_that_is_being_deleted(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())

        def race(turn: int) -> tuple[bool, bool]:
            folder = rows.folder(project, f"d{turn}")
            with database.write() as conn:
                files.insert(conn, folder)

            def attempt(act: str) -> bool:
                try:
                    with database.write() as conn:
                        if act == "insert":
                            files.insert(conn, rows.file(project, "f", parent=folder.id))
                        else:
                            files.delete(conn, folder.id)
                except Refusal as refusal:
                    faults.add(refusal.fault)
                    return False
                return True

            with ThreadPoolExecutor(2) as pool:
                inserted, deleted = pool.map(attempt, ["insert", "delete"])
            return inserted, deleted

        faults: set[Fault] = set()
        assert {race(turn) for turn in range(15)} <= {(True, False), (False, True)}
        assert faults <= {Fault.PARENT_MISSING, Fault.FOLDER_NOT_EMPTY}

    def test_hostile_texts_are_refused_or_kept_never_mangled(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
        faults = set()
        for name in ("\x00", "a\x00b", "\ud800", "'; DROP TABLE files; --", "%", "_", "\\", "\u202e", "a" * 4000):
            file = rows.file(project, name)
            try:
                with database.write() as conn:
                    files.insert(conn, file)
            except Refusal as refusal:
                faults.add(refusal.fault)
            else:
                with database.read() as conn:
                    assert files.in_folder(conn, project.root_folder, name) == file
        assert faults == {Fault.BAD_REQUEST}
        with database.write() as conn, pytest.raises(Refusal) as caught:
            files.insert(conn, rows.file(project, "huge", size=2**63))
        assert caught.value.fault is Fault.BAD_REQUEST
        with database.read() as conn, pytest.raises(Refusal) as caught:
            files.page(conn, parent=project.root_folder, offset=10**30, limit=1)
        assert caught.value.fault is Fault.BAD_REQUEST
