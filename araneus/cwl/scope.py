"""Where the loader stands while it reads a document: the place, the base of relative references, what was wrong so far.

Used by every stage of `araneus.cwl.load`. Problems are collected, not raised, so that one look shows them all.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from araneus.cwl.errors import DocumentError, Problem, UnsupportedError

MAX_PROBLEMS: Final = 200
MAX_SHOWN: Final = 100

_VERSION = re.compile(r"v1\.([012])(?:\.[0-9]+)?(?:[-.]?dev[0-9]+)?")
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_CWL = "https://w3id.org/cwl/cwl#"


class Report:
    """The problems of one load."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._unsupported: dict[Problem, None] = {}
        self._links: dict[Problem, None] = {}
        self._doubts: dict[Problem, None] = {}

    def problem(self, where: str, what: str) -> None:
        """Note a mistake. Raises `DocumentError` when there are so many that reading on is pointless."""
        self._problems[Problem(where, what)] = None
        self._limit()

    def link(self, where: str, what: str) -> None:
        """Note a mistake in how the steps of a workflow hang together: its ports can be used all the same."""
        self._links[Problem(where, what)] = None
        self._limit()

    def doubt(self, where: str, what: str) -> None:
        """Note something that is not as the specification has it, but keeps nothing from running right."""
        if len(self._doubts) < MAX_PROBLEMS:
            self._doubts[Problem(where, what)] = None

    def doubts(self) -> tuple[Problem, ...]:
        """What was noted by `doubt`."""
        return tuple(self._doubts)

    def unsupported(self, where: str, what: str) -> None:
        """Note something valid that this engine does not do."""
        self._unsupported[Problem(where, what)] = None
        self._limit()

    def settle(self) -> tuple[Problem, ...]:
        """Raise `DocumentError` for mistakes, else `UnsupportedError`; else give the mistakes in links."""
        if self._problems:
            raise DocumentError(*self._problems, *self._links)
        if self._unsupported:
            raise UnsupportedError(*self._unsupported)
        return tuple(self._links)

    def _limit(self) -> None:
        if len(self._problems) + len(self._links) + len(self._unsupported) >= MAX_PROBLEMS:
            rest = Problem("", "there may be more problems; these are the first")
            raise DocumentError(*self._problems, *self._links, *self._unsupported, rest)


class PlacedDict(dict[str, Any]):
    """A mapping that came from another file: relative references inside start from ``base``."""

    __slots__ = ("base",)

    def __init__(self, value: Mapping[str, Any], base: str) -> None:
        super().__init__(value)
        self.base = base


class PlacedList(list[Any]):
    """A list that came from another file."""

    __slots__ = ("base",)

    def __init__(self, value: list[Any], base: str) -> None:
        super().__init__(value)
        self.base = base


class Scope(NamedTuple):
    """A place in a document.

    ``where`` is for people. ``base`` is the URI of the file, None for a document that must be self-contained.
    ``version`` is the minor version of CWL 1 that rules here: 0, 1 or 2; with ``draft2`` it is sbg:draft-2 instead.
    ``namespaces`` maps prefixes to URIs. A tuple, since a large document makes tens of thousands of them.
    """

    report: Report
    where: str = ""
    base: str | None = None
    version: int = 2
    namespaces: Mapping[str, str] = _NONE
    draft2: bool = False

    def at(self, part: str | int, value: Any = None) -> "Scope":
        """The scope of a part; ``value`` is what stands there, which may come from another file."""
        shown = part if isinstance(part, int) or len(part) <= MAX_SHOWN else f"{part[:MAX_SHOWN]}..."
        where = f"{self.where}/{shown}" if self.where else str(shown)
        base = value.base if isinstance(value, PlacedDict | PlacedList) else self.base
        return Scope(self.report, where, base, self.version, self.namespaces, self.draft2)

    def under(self, **changes: Any) -> "Scope":
        """The same place under another version, base or set of namespaces."""
        return self._replace(**changes)

    def problem(self, what: str, part: str | int | None = None) -> None:
        """Note a mistake here, or in a part of what stands here."""
        place = self if part is None else self.at(part)
        self.report.problem(place.where, what)

    def link(self, what: str, part: str | int | None = None) -> None:
        """Note a mistake in a link here, or in a part of what stands here."""
        place = self if part is None else self.at(part)
        self.report.link(place.where, what)

    def doubt(self, what: str, part: str | int | None = None) -> None:
        """Note something harmless here, or in a part of what stands here."""
        place = self if part is None else self.at(part)
        self.report.doubt(place.where, what)

    def unsupported(self, what: str) -> None:
        """Note something valid that this engine does not do."""
        self.report.unsupported(self.where, what)

    def expand(self, name: str) -> str:
        """A prefixed name with its prefix written out, where ``$namespaces`` knows it."""
        prefix, colon, rest = name.partition(":")
        if colon and not rest.startswith("//") and prefix in self.namespaces:
            return self.namespaces[prefix] + rest
        return name


def minor_version(text: str) -> int | None:
    """The minor version of CWL 1 that ``cwlVersion`` names (development versions count), or None."""
    found = _VERSION.fullmatch(text.removeprefix(_CWL).removeprefix("cwl:"))
    return int(found.group(1)) if found else None


def short(name: str) -> str:
    """The last part of an id: ``reads`` for ``reads``, ``#main/reads`` and ``file:///x.cwl#main/reads``."""
    return name.rpartition("#")[2].rpartition("/")[2]
