"""The verdict on a case."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from tests.oracle.case import Case
from tests.oracle.explained import explanation
from tests.oracle.runners import Runners

EQUAL: Final = "equal"
REFUSED: Final = "both refuse"
EXPLAINED: Final = "explained: "
UNEXPLAINED: Final = "UNEXPLAINED"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``case`` tells one case from another. ``shown`` is there when no class explains a difference: both answers, and
    the case."""

    case: str
    name: str
    shown: str | None = None

    @property
    def is_comparison(self) -> bool:
        """Whether two answers were compared: a case that both refuse says little."""
        return self.name != REFUSED


def judged(case: Case, runners: Runners, *, run: bool) -> Verdict:
    """What both runners make of a case, compared; ``run`` as in `Runners.answers`."""
    key = hashlib.sha256(json.dumps([case.document, case.job, dict(case.files)], sort_keys=True).encode()).hexdigest()
    ours, theirs = runners.answers(case, run=run)
    found = explanation(case, ours, theirs, lambda repaired: runners.answers(repaired, run=run))
    if found is None:
        return Verdict(case=key, name=UNEXPLAINED, shown=f"ours:   {ours}\ntheirs: {theirs}\n{case!r}")
    if ours.refusal is not None and theirs.refusal is not None:
        return Verdict(case=key, name=REFUSED)
    return Verdict(case=key, name=EXPLAINED + ", ".join(found) if found else EQUAL)
