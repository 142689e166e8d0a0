"""What the store promises, on every database: accounts, projects, apps, uploads and secrets.

Subclass `StoreContract` with a fixture ``database`` that answers a migrated, empty `Database`. The promises about
files, tasks and jobs are in the modules beside this one and come along.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from araneus.model.access import Permissions
from araneus.model.app import App
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import AppId, ProjectId
from araneus.model.project import Member
from araneus.model.upload import Part
from araneus.store import apps, files, members, projects, secrets, tasks, tokens, uploads, users
from araneus.store.database import Database
from araneus.testing import rows
from araneus.testing.store_files_contract import FilesContract
from araneus.testing.store_memos_contract import MemosContract
from araneus.testing.store_tasks_contract import TasksContract

READER = Permissions()


def refused(fault: Fault) -> "pytest.RaisesExc[Refusal]":
    """Expect a refusal with this fault."""
    return pytest.RaisesExc(Refusal, check=lambda refusal: refusal.fault is fault)


class AccountsContract:
    """Accounts, tokens and secrets."""

    def test_account_round_trip(self, database: Database) -> None:
        account = rows.user(first_name="Rosalind", last_name="Ünïçøde 🧬", affiliation="King's", admin=True)
        with database.write() as conn:
            users.insert(conn, account)
            users.insert(conn, rows.user("other", email=""))
            users.insert(conn, rows.user("another", email=""))
        with database.read() as conn:
            assert users.get(conn, "rfranklin") == account
            assert users.get(conn, "RFranklin") is None
            assert users.by_email(conn, account.email) == account
            assert users.by_email(conn, "") is None
            assert users.get_many(conn, ["rfranklin", "nobody"]) == {"rfranklin": account}
            assert [user.username for user in users.all_users(conn)] == ["another", "other", "rfranklin"]
            assert users.in_billing_group(conn, account.billing_group) == [account]

    def test_account_names_and_addresses_are_unique(self, database: Database) -> None:
        with database.write() as conn:
            users.insert(conn, rows.user("a"))
            with refused(Fault.USER_EXISTS):
                users.insert(conn, rows.user("a", email="elsewhere@example.org"))
            with refused(Fault.USER_EXISTS):
                users.insert(conn, rows.user("b", email="a@example.org"))
            users.insert(conn, rows.user("b"))
            with refused(Fault.USER_EXISTS):
                users.save(conn, rows.user("b", email="a@example.org"))
            users.save(conn, rows.user("b", email="b2@example.org", disabled=True))
        with database.read() as conn:
            saved = users.get(conn, "b")
            assert saved is not None
            assert (saved.email, saved.disabled) == ("b2@example.org", True)

    def test_token_opens_until_it_expires_or_is_revoked(self, database: Database) -> None:
        with database.write() as conn:
            users.insert(conn, rows.user())
            tokens.insert(conn, rows.token("forever"))
            tokens.insert(conn, rows.token("short", expires_on=rows.at(10), created_on=rows.at(1)))
            with refused(Fault.CONFLICT):
                tokens.insert(conn, rows.token("short"))
            with refused(Fault.USER_NOT_FOUND):
                tokens.insert(conn, rows.token("stray", "nobody"))
        forever, short = rows.token("forever").digest, rows.token("short").digest
        with database.read() as conn:
            assert users.by_token(conn, short, rows.at(9.999999)) == rows.user()
            assert users.by_token(conn, short, rows.at(10)) is None
            assert users.by_token(conn, forever, rows.at(10**9)) == rows.user()
            assert users.by_token(conn, "unknown", rows.at(0)) is None
            assert [token.digest for token in tokens.list_for(conn, "rfranklin")] == [forever, short]
        with database.write() as conn:
            assert tokens.delete(conn, forever)
            assert not tokens.delete(conn, forever)
            assert users.by_token(conn, forever, rows.at(0)) is None
            users.save(conn, rows.user(disabled=True))
            assert users.by_token(conn, short, rows.at(0)) is None

    def test_secret_is_made_once(self, database: Database) -> None:
        def ask(_: int) -> bytes:
            with database.write() as conn:
                return secrets.get_or_create(conn, "links")

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(ask, range(16)))
        with database.read() as conn:
            assert {secrets.get_or_create(conn, "links")} == answers
        with database.write() as conn:
            assert secrets.get_or_create(conn, "other") not in answers
        assert [len(answer) for answer in answers] == [32]


class ProjectsContract:
    """Projects and members."""

    def test_project_round_trip(self, database: Database) -> None:
        project = rows.project(
            tags=("b", "a", "ü,x"), description="d" * 5000, settings={"locked": False, "x": [1, None]}
        )
        with database.write() as conn:
            rows.add_project(conn, project)
        with database.read() as conn:
            assert projects.get(conn, project.id) == project
            assert projects.get(conn, "rfranklin/DNA") is None
            assert projects.get_for(conn, project.id, "rfranklin") == (
                project,
                Permissions(True, True, True, True, True),
            )
            assert projects.get_for(conn, project.id, "stranger") is None
            root = files.get(conn, project.root_folder)
            assert root is not None
            assert (root.folder, root.parent) == (True, None)

    def test_project_id_is_unique_even_for_simultaneous_creators(self, database: Database) -> None:
        with database.write() as conn:
            users.insert(conn, rows.user())

        def create(_: int) -> Fault | None:
            try:
                with database.write() as conn:
                    rows.add_project(conn, rows.project())
            except Refusal as refusal:
                return refusal.fault
            return None

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(create, range(12)))
        assert results.count(None) == 1
        assert results.count(Fault.PROJECT_EXISTS) == 11

    def test_refusal_leaves_the_transaction_usable(self, database: Database) -> None:
        with database.write() as conn:
            rows.add_project(conn, rows.project())
            with refused(Fault.PROJECT_EXISTS):
                rows.add_project(conn, rows.project())
            rows.add_project(conn, rows.project("rfranklin/rna"))
        with database.read() as conn:
            assert projects.ids_for(conn, "rfranklin") == ["rfranklin/dna", "rfranklin/rna"]
            assert projects.taken_names(conn, "rfranklin", "d") == {"dna"}
            assert projects.taken_names(conn, "rfrankli", "") == set()

    def test_list_filters(self, database: Database) -> None:
        with database.write() as conn:
            rows.add_project(conn, rows.project("rfranklin/one", name="Äpfel 100%_x", tags=("t1", "t2")))
            rows.add_project(conn, rows.project("rfranklin/two", name="banana", category="SHARED", tags=("t1",)))
            other = rows.add_project(conn, rows.project("crick/three", name="cherry"))
            rows.add_project(conn, rows.project("crick/hidden", name="hidden"))
            rows.add_member(conn, other, "rfranklin", READER)

        def found(**filters: object) -> list[str]:
            with database.read() as conn:
                page = projects.page(conn, username="rfranklin", offset=0, limit=10, **filters)  # type: ignore[arg-type]
            assert page.total == len(page.items)
            return [project.id for project in page.items]

        assert found() == ["rfranklin/two", "crick/three", "rfranklin/one"]
        assert found(owner="crick") == ["crick/three"]
        assert found(name="ÄPF") == ["rfranklin/one"]
        assert found(name="%") == ["rfranklin/one"]
        assert found(name="_") == ["rfranklin/one"]
        assert found(name="A" * 100_000) == []
        assert found(category="SHARED") == ["rfranklin/two"]
        assert found(category="shared") == []
        assert found(tags=["t1", "t2"]) == ["rfranklin/one"]
        assert found(tags=["t1", "t1"]) == ["rfranklin/two", "rfranklin/one"]
        assert found(tags=["t3"]) == []
        with database.read() as conn:
            page = projects.page(conn, username="rfranklin", offset=1, limit=1)
            assert ([project.id for project in page.items], page.total) == (["crick/three"], 3)

    def test_save_and_its_tags(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project(tags=("old",)))
            changed = replace(project, name="New", tags=("new",), settings={}, modified_on=rows.at(5))
            projects.save(conn, changed)
            assert projects.get(conn, project.id) == changed
            assert projects.page(conn, username="rfranklin", tags=["old"], offset=0, limit=9).total == 0
            assert projects.page(conn, username="rfranklin", tags=["new"], name="nEW", offset=0, limit=9).total == 1
            with refused(Fault.PROJECT_NOT_FOUND):
                projects.save(conn, rows.project("rfranklin/gone"))

    def test_delete_takes_everything_and_tells_which_bytes_are_left_alone(self, database: Database) -> None:
        with database.write() as conn:
            gone, kept = rows.add_project(conn, rows.project()), rows.add_project(conn, rows.project("rfranklin/kept"))
            deep = gone.root_folder
            for level in range(60):
                inner = rows.folder(gone, f"level{level}", parent=deep)
                files.insert(conn, inner)
                deep = inner.id
            for name, where, location in (("a", gone, "blob:1"), ("b", gone, "blob:2"), ("b", kept, "blob:2")):
                files.insert(conn, rows.file(where, name, location=location))
            files.insert(conn, rows.file(gone, "deep", parent=deep, location="blob:1"))
            files.insert(conn, rows.file(gone, "log", hidden=True, location="job:x/job.err.log"))
            parent = rows.add_task(conn, rows.task(gone.id, "parent"))
            rows.add_task(conn, rows.task(gone.id, "child", parent=parent.id))
            apps.insert(conn, rows.app(gone.id))
            apps.insert(conn, rows.app(kept.id))
            uploads.insert(conn, rows.upload(gone, "u"))
            uploads.put_part(conn, "u", Part(number=1, size=5, etag="e"))
        with database.write() as conn:
            assert [upload.id for upload in uploads.in_project(conn, gone.id)] == ["u"]
            assert projects.delete(conn, gone.id) == ["blob:1", "job:x/job.err.log"]
            with refused(Fault.PROJECT_NOT_FOUND):
                projects.delete(conn, gone.id)
        with database.read() as conn:
            assert projects.get(conn, gone.id) is None
            assert files.get(conn, deep) is None
            assert tasks.get(conn, "child") is None
            assert uploads.get(conn, "u") is None
            assert apps.get(conn, gone.id, "echo") is None
            assert members.all_members(conn, gone.id) == []
            assert apps.get(conn, kept.id, "echo") == rows.app(kept.id)
            assert files.blobs_referenced(conn, "blob:2")
            assert not files.blobs_referenced(conn, "blob:1")

    def test_delete_races_creation(self, database: Database) -> None:
        """Whoever creates something in a project that is being deleted is refused."""
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())

        def create(number: int) -> None:
            with database.write() as conn:
                files.insert(conn, rows.file(project, f"f{number}"))
                apps.insert(conn, rows.app(project.id, f"app{number}"))
                tasks.insert(conn, rows.task(project.id, f"task{number}"))

        def attempt(number: int) -> str:
            try:
                create(number)
            except Refusal as refusal:
                return refusal.fault
            return "made"

        def remove() -> None:
            with database.write() as conn:
                projects.delete(conn, project.id)

        with ThreadPoolExecutor(6) as pool:
            creators = [pool.submit(attempt, number) for number in range(10)]
            removal = pool.submit(remove)
            creators += [pool.submit(attempt, number) for number in range(10, 30)]
            removal.result()
        allowed = {"made", Fault.PROJECT_NOT_FOUND, Fault.PARENT_MISSING}
        assert {creator.result() for creator in creators} <= allowed
        with database.read() as conn:
            assert projects.get(conn, project.id) is None
            assert tasks.get(conn, "task0") is None
            assert apps.get(conn, project.id, "app0") is None

    def test_members(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            rows.add_member(conn, project, "crick", READER)
            rows.add_project(conn, rows.project("wilkins/own"))
            with refused(Fault.USER_EXISTS):
                members.insert(conn, Member(project=project.id, username="crick", permissions=READER))
            with refused(Fault.USER_NOT_FOUND):
                members.insert(conn, Member(project=project.id, username="nobody", permissions=READER))
            writer = Member(project=project.id, username="crick", permissions=Permissions(write=True, copy=True))
            assert members.save(conn, writer)
            assert not members.save(conn, replace(writer, username="nobody"))
            assert members.get(conn, project.id, "crick") == writer
            assert projects.permissions(conn, project.id, "crick") == writer.permissions
            assert projects.permissions(conn, project.id, "wilkins") is None
            assert members.share_project(conn, "crick", "rfranklin")
            assert not members.share_project(conn, "crick", "wilkins")
            page = members.page(conn, project.id, offset=1, limit=5)
            assert ([member.username for member in page.items], page.total) == (["rfranklin"], 2)
            projects.lock(conn, project.id)
            assert members.delete(conn, project.id, "crick")
            assert not members.delete(conn, project.id, "crick")
            assert projects.permissions(conn, project.id, "crick") is None


class AppsContract:
    """Apps and their documents."""

    def test_revisions(self, database: Database) -> None:
        raw = {
            "class": "Workflow",
            "z": 1,
            "a": {"x": [1.0, 2, None, True], "nul": "\x00", "lone": "\ud800", "big": 2**70},
        }
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            first = rows.app(project.id, raw=raw, notes="first", validation_errors=("e1", "e2"), copy_of="x/y/z/3")
            apps.insert(conn, first)
            apps.insert(conn, rows.app(project.id, revision=1))
            with refused(Fault.APP_EXISTS):
                apps.insert(conn, rows.app(project.id, revision=1))
            apps.insert(conn, rows.app(project.id, revision=2, raw=raw))
        with database.read() as conn:
            found = apps.get(conn, project.id, "echo", 0)
            assert found == first
            assert list(found.raw) == list(raw)
            latest = apps.get(conn, project.id, "echo")
            assert latest is not None
            assert (latest.revision, apps.latest_revision(conn, project.id, "echo")) == (2, 2)
            assert apps.get(conn, project.id, "echo", 3) is None
            assert apps.latest_revision(conn, project.id, "none") is None
            light = apps.revisions(conn, project.id, "echo")
            assert [(app.revision, app.raw, app.notes) for app in light] == [
                (0, {}, "first"),
                (1, {}, None),
                (2, {}, None),
            ]

    def test_delete_moves_latest_and_drops_documents(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            for revision in range(3):
                apps.insert(conn, rows.app(project.id, revision=revision, raw={"class": "X", "r": revision % 2}))
            assert apps.delete(conn, project.id, "echo", 2)
            assert not apps.delete(conn, project.id, "echo", 2)
            latest = apps.get(conn, project.id, "echo")
            assert latest is not None
            assert latest.raw == {"class": "X", "r": 1}
            first = apps.get(conn, project.id, "echo", 0)
            assert first is not None
            assert first.raw == {"class": "X", "r": 0}
            assert apps.delete(conn, project.id, "echo")
            assert apps.latest_revision(conn, project.id, "echo") is None
            apps.insert(conn, rows.app(project.id, raw={"class": "X", "r": 0}))

    def test_simultaneous_revisions(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            apps.insert(conn, rows.app(project.id))

        def install(number: int) -> Fault | None:
            try:
                with database.write() as conn:
                    apps.insert(conn, rows.app(project.id, revision=1, raw={"class": "X", "number": number}))
            except Refusal as refusal:
                return refusal.fault
            return None

        with ThreadPoolExecutor(6) as pool:
            results = list(pool.map(install, range(12)))
        assert results.count(None) == 1
        assert results.count(Fault.APP_EXISTS) == 11
        with database.read() as conn:
            page = apps.page(conn, username="rfranklin", with_raw=True, offset=0, limit=10)
            assert [app.raw["number"] for app in page.items] == [results.index(None)]

    def test_list(self, database: Database) -> None:
        toolkit = {
            "class": "X",
            "sbg:toolkit": "SAMtools",
            "sbg:categories": ["Alignment", 7],
            "doc": "Sorts\x00 by \ud800",
        }
        with database.write() as conn:
            mine, theirs = rows.add_project(conn, rows.project()), rows.add_project(conn, rows.project("crick/p"))
            rows.add_project(conn, rows.project("wilkins/closed"))
            apps.insert(conn, rows.app("wilkins/closed", "secret"))
            rows.add_member(conn, theirs, "rfranklin", READER)
            for revision in range(3):
                apps.insert(conn, rows.app(mine.id, "sort", revision, raw=toolkit, label="Fancy 100%"))
            apps.insert(conn, rows.app(mine.id, "echo"))
            apps.insert(conn, rows.app(theirs.id, "echo"))

        def found(**filters: object) -> list[str]:
            with database.read() as conn:
                page = apps.page(conn, username="rfranklin", offset=0, limit=10, **filters)  # type: ignore[arg-type]
            assert page.total == len(page.items)
            assert all(app.raw == {} for app in page.items)
            return [app.id for app in page.items]

        sort, echo, their = f"{mine.id}/sort/2", f"{mine.id}/echo/0", f"{theirs.id}/echo/0"
        assert found() == [their, echo, sort]
        assert found(project=mine.id) == [echo, sort]
        assert found(project="wilkins/closed") == []
        assert found(owner="crick") == [their]
        assert found(terms=["samTOOLS", "align"]) == [sort]
        assert found(terms=["samtools", "nothing"]) == []
        assert found(terms=["100%"]) == [sort]
        assert found(terms=["sorts"]) == [sort]
        of_mine = ProjectId("rfranklin", "dna")
        assert found(ids=[AppId(of_mine, "sort", 1), AppId(ProjectId("wilkins", "closed"), "secret")]) == [sort]
        assert found(ids=[]) == []
        with database.read() as conn:
            page = apps.page(conn, username="rfranklin", with_raw=True, offset=2, limit=1)
            assert [app.raw for app in page.items] == [toolkit]

    def test_app_needs_its_project(self, database: Database) -> None:
        stray: App = rows.app("no/where")
        with database.write() as conn, refused(Fault.PROJECT_NOT_FOUND):
            apps.insert(conn, stray)


class UploadsContract:
    """Uploads and parts."""

    def test_upload_and_its_parts(self, database: Database) -> None:
        with database.write() as conn:
            project = rows.add_project(conn, rows.project())
            first = rows.upload(project, "u1", size=None, overwrite=True)
            uploads.insert(conn, first)
            uploads.insert(conn, rows.upload(project, "u2", initiated=rows.at(-1), size=5 * 1024**4))
            with refused(Fault.PROJECT_NOT_FOUND):
                uploads.insert(conn, replace(first, id="u3", project="no/where"))
            uploads.put_part(conn, "u1", Part(number=2, size=1, etag="b", reported=True))
            uploads.put_part(conn, "u1", Part(number=1, size=5 * 1024**3, etag="a"))
            uploads.put_part(conn, "u1", Part(number=2, size=2, etag="c"))
            assert uploads.report_part(conn, "u1", 1)
            assert not uploads.report_part(conn, "u1", 3)
            with refused(Fault.UPLOAD_NOT_FOUND):
                uploads.put_part(conn, "gone", Part(number=1, size=5, etag="a"))
        with database.write() as conn:
            assert uploads.get(conn, "u1") == first
            parts = [Part(number=1, size=5 * 1024**3, etag="a", reported=True), Part(number=2, size=2, etag="c")]
            assert uploads.parts(conn, "u1") == parts
            page = uploads.page(conn, username="rfranklin", offset=0, limit=5)
            assert ([upload.id for upload in page.items], page.total) == (["u2", "u1"], 2)
            assert uploads.page(conn, username="crick", offset=0, limit=5).total == 0
            assert uploads.ids(conn) == {"u1", "u2"}
            assert uploads.delete(conn, "u1")
            assert not uploads.delete(conn, "u1")
            assert uploads.parts(conn, "u1") == []


class StoreContract(
    AccountsContract, ProjectsContract, AppsContract, UploadsContract, FilesContract, TasksContract, MemosContract
):
    """Everything."""
