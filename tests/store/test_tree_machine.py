"""The tree of files against a model of it: whatever is done in whatever order, both agree."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import files
from araneus.store.database import Connection, Database
from araneus.testing import rows

_NAMES = st.sampled_from(["a", "b", "C", "ä", "x y", "_1_a"])
_TAGS = st.lists(st.sampled_from(["t", "u"]), unique=True, max_size=2).map(tuple)
_METADATA = st.dictionaries(
    st.sampled_from(["k", "l"]),
    st.sampled_from(["v", "w"]) | st.lists(st.sampled_from(["v", "w"]), max_size=2),
    max_size=2,
)
_Labels: TypeAlias = tuple[tuple[str, ...], dict[str, Any]]
_LABELS = st.tuples(_TAGS, _METADATA)
_LOCATIONS = st.sampled_from(["blob:1", "blob:2"])


class Tree(RuleBasedStateMachine):
    """Adds, moves, relabels and deletes; the model is a dict of files by id."""

    files = Bundle("files")

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.database = Database.open(f"sqlite:///{Path(self.directory.name)}/x.db")
        self.database.migrate()
        self.model: dict[str, File] = {}

    @initialize()
    def project(self) -> None:
        """An empty project."""
        with self.database.write() as conn:
            self.of = rows.add_project(conn, rows.project())
            root = files.get(conn, self.of.root_folder)
        assert root is not None
        self.root = root

    @rule(target=files, parent=st.none() | files, name=_NAMES, kind=st.none() | _LOCATIONS, labels=_LABELS)
    def insert(self, parent: str | None, name: str, kind: str | None, labels: _Labels) -> str:
        """Add a file or folder, perhaps under a file or under what is gone."""
        folder = kind is None
        new = (rows.folder if folder else rows.file)(self.of, name, parent=parent or self.root.id)
        if not folder:
            new = replace(new, tags=labels[0], metadata=labels[1], location=kind)
        above = self.root if parent is None else self.model.get(parent)
        expected = None
        if above is None:
            expected = Fault.PARENT_MISSING
        elif self._taken(new):
            expected = Fault.FOLDER_EXISTS if folder else Fault.FILE_EXISTS
        assert self._try(lambda conn: files.insert(conn, new)) is expected
        if expected is None:
            self.model[new.id] = new
        return new.id

    @rule(which=files, name=_NAMES, to=st.none() | files, labels=_LABELS)
    def change(self, which: str, name: str, to: str | None, labels: _Labels) -> None:
        """Rename, move and relabel at once."""
        before = self.model.get(which)
        if before is None:
            with self.database.write() as conn:
                assert files.save(conn, rows.file(self.of, name, id=which)) is None
            return
        after = replace(before, name=name, parent=to or self.root.id)
        if not before.folder:
            after = replace(after, tags=labels[0], metadata=labels[1])
        above = self.root if to is None else self.model.get(to)
        expected = None
        if after.parent != before.parent and (above is None or not above.folder):
            expected = Fault.PARENT_MISSING
        elif after.parent != before.parent and before.folder and which in self._line(after):
            expected = Fault.FILE_MOVE_FORBIDDEN
        elif self._taken(after):
            expected = Fault.FOLDER_EXISTS if after.folder else Fault.FILE_EXISTS
        assert self._try(lambda conn: files.save(conn, after)) is expected
        if expected is None:
            self.model[which] = after

    @rule(which=consumes(files))
    def delete(self, which: str) -> None:
        """Delete; folders only when empty."""
        gone = self.model.get(which)
        full = any(file.parent == which for file in self.model.values())
        dropped: list[str | None] = []
        fault = self._try(lambda conn: dropped.append(files.delete(conn, which)))
        if full:
            assert fault is Fault.FOLDER_NOT_EMPTY
            return
        assert fault is None
        self.model.pop(which, None)
        used = {file.location for file in self.model.values()}
        last = gone is not None and gone.location is not None and gone.location not in used
        assert dropped == [gone.location if gone is not None and last else None]

    @invariant()
    def same_listings(self) -> None:
        """Every folder lists what the model says, filtered and not."""
        if not hasattr(self, "root"):
            return
        parents = {self.root.id, *(file.id for file in self.model.values() if file.folder)}
        with self.database.read() as conn:
            for parent in parents:
                here = sorted(
                    (file for file in self.model.values() if file.parent == parent), key=lambda file: file.name
                )
                assert files.page(conn, parent=parent, offset=0, limit=100).items == here
                tagged = files.page(conn, parent=parent, tags=["t"], offset=0, limit=100).items
                assert tagged == [file for file in here if "t" in file.tags]
                labelled = files.page(conn, parent=parent, metadata={"k": ["v"]}, offset=0, limit=100).items
                assert labelled == [file for file in here if "v" in _values(file.metadata.get("k"))]

    def teardown(self) -> None:
        """Close the database."""
        self.database.close()
        self.directory.cleanup()

    def _taken(self, new: File) -> bool:
        return any(
            file.id != new.id and (file.parent, file.name) == (new.parent, new.name) for file in self.model.values()
        )

    def _line(self, file: File) -> set[str]:
        above: set[str] = set()
        parent = file.parent
        while parent is not None and parent != self.root.id:
            above.add(parent)
            parent = self.model[parent].parent
        return above

    def _try(self, act: Callable[[Connection], object]) -> Fault | None:
        try:
            with self.database.write() as conn:
                act(conn)
        except Refusal as refusal:
            return refusal.fault
        return None


def _values(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
