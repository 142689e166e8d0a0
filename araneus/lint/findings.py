"""Findings: one difference each, with its place, whom it concerns and what to do about it."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Runner(StrEnum):
    """Who behaves differently: the platform (CAVATICA, Seven Bridges), other CWL runners, or Araneus."""

    PLATFORM = "platform"
    CWL = "cwl"
    ARANEUS = "araneus"


class Level(IntEnum):
    """How much it matters: the app fails there, its result may differ, or one has to know."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``code`` names the rule (docs/portability.md), ``where`` is a path in the document (``steps/align/run``), ``at``
    the place in its text where known. ``also`` counts further places with the same finding."""

    code: str
    level: Level
    runners: frozenset[Runner]
    what: str
    advice: str
    where: str = ""
    at: str = ""
    also: int = 0
