"""Both runners, warm, on one case after the other."""

import itertools
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.oracle.case import Case, Seen
from tests.oracle.ours import Ours
from tests.oracle.peer import Peer


class Runners:
    """A context manager; cases are written below ``directory`` and removed again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._peer = Peer()
        self._ours = Ours()
        self._numbers = itertools.count()

    def answers(self, case: Case, *, run: bool) -> tuple[Seen, Seen]:
        """What we and the peer make of a case: of its outputs (``run``) or its command line. Each has own files."""
        directory = self._directory / str(next(self._numbers))
        self._peer.ask(case.written(directory / "theirs"), run=run)
        mine = case.written(directory / "mine")
        try:
            ours = self._ours.run(mine) if run else self._ours.prepared(mine)
        finally:
            theirs = self._peer.answer()
        shutil.rmtree(directory)
        return ours, theirs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._peer.close()
        self._ours.close()
