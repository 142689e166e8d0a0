"""Both runners on one case, and the verdict."""

import itertools
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, event, seed, settings

from tests.oracle.case import Case
from tests.oracle.differences import same
from tests.oracle.explained import explanation
from tests.oracle.ours import Ours
from tests.oracle.peer import Peer

CASES: Final = int(os.environ.get("ARANEUS_ORACLE_CASES", "600"))
"""Cases in all: the gate runs a small sample, always the same one; more when this says so."""
SEED: Final = os.environ.get("ARANEUS_ORACLE_SEED")
"""Which cases, when there is a number here; the same ones each time otherwise."""


Test = TypeVar("Test", bound=Callable[..., None])


def sampled(share: float) -> Callable[[Test], Test]:
    """The decorator of a test that takes this share of the cases. A failure is shrunk only in the small sample."""
    chosen = settings(
        max_examples=max(1, round(CASES * share)),
        deadline=None,
        database=None,
        derandomize=SEED is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if SEED is None else [Phase.generate],
    )

    def decorate(test: Test) -> Test:
        limited: Test = chosen(test)
        return limited if SEED is None else seed(int(SEED))(limited)

    return decorate


class Judge:
    """Lives for one test."""

    def __init__(self, directory: Path, *, peer: Peer, ours: Ours) -> None:
        self._directory = directory
        self._peer = peer
        self._ours = ours
        self._numbers = itertools.count()
        self._seen: set[str] = set()
        self._verdicts: Counter[str] = Counter()
        self.unexplained: list[str] = []
        """Collected to the end where cases were asked for by a seed: one difference should not hide the next."""

    def check(self, case: Case, *, run: bool) -> None:
        """Fails when the runners differ and the difference is not explained. Each has files of its own."""
        directory = self._directory / str(next(self._numbers))
        self._peer.ask(case.written(directory / "theirs"), run=run)
        mine = case.written(directory / "mine")
        try:
            ours = self._ours.run(mine) if run else self._ours.prepared(mine)
        finally:
            theirs = self._peer.answer()
        shutil.rmtree(directory)
        self._seen.add(json.dumps([case.document, case.job], sort_keys=True))
        if same(ours, theirs):
            self._count("both refuse" if ours.refusal is not None else "equal")
            return
        found = explanation(case, ours, theirs)
        self._count("UNEXPLAINED" if found is None else f"explained: {found.name}")
        if found is None:
            difference = f"an unexplained difference\nours:   {ours}\ntheirs: {theirs}"
            assert SEED is not None, difference
            self.unexplained.append(f"{difference}\n{case!r}")
            print(self.unexplained[-1], flush=True)

    def _count(self, verdict: str) -> None:
        event(verdict)
        self._verdicts[verdict] += 1

    def tally(self) -> str:
        """How the cases of the test went."""
        lines = [f"{count:7} {verdict}" for verdict, count in self._verdicts.most_common()]
        return "\n".join([f"{self._verdicts.total():7} cases, {len(self._seen)} of them distinct", *lines])
