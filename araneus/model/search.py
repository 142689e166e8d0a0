"""The query language of file search: from a text to a `Query`. Source: API reference, files, "Search".

    IN "owner/project[/folder]" [, ...] [WHERE condition] [ORDER BY field [ASC|DESC]] [LIMIT n] [OFFSET n] [TOKEN text]
    [RECURSIVE] [STALE]

A condition compares fields (``name``, ``type``, ``size``, ``tags``, ...; every other field is a key of the metadata)
with ``=  !=  <  <=  >  >=  IN (...)  NOT IN (...)  LIKE`` (``%`` and ``*`` are any text), joined by AND, OR, NOT and
parentheses.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from araneus.model.errors import Fault, Refusal
from araneus.model.file import File

MOST_LOCATIONS: Final = 10
MOST_DEPTH: Final = 50
MOST_LENGTH: Final = 20_000
_WORD: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign><=|>=|!=|<>|[=<>(),])|(?P<word>[^\s=<>(),"'!]+))""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)

Condition: TypeAlias = Callable[[File], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched. ``recursive`` looks into folders; ``token`` is where an earlier search stopped."""

    locations: tuple[str, ...]
    condition: Condition
    limit: int | None = None
    token: str | None = None
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of a query: ``quoted`` ones are values, whatever they say."""

    text: str
    quoted: bool = False

    @property
    def word(self) -> str:
        """The piece as a keyword; empty for a value."""
        return "" if self.quoted else self.text.upper()


def parse(text: str) -> Query:
    """Read a query. Raises `Refusal` BAD_REQUEST that says what was expected where."""
    if len(text) > MOST_LENGTH:
        raise _wrong(f"it is longer than {MOST_LENGTH} characters")
    return _Reader(list(_tokens(text))).query()


def _wrong(what: str) -> Refusal:
    return Refusal(Fault.BAD_REQUEST, f'Invalid query: {what}. For example: IN "owner/project" WHERE type = "FILE".')


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    end = len(text.rstrip())
    while place < end:
        found = _WORD.match(text, place)
        if found is None:
            raise _wrong(f"{text[place : place + 20].strip()!r} cannot be read")
        place = found.end()
        if found["text"] is not None:
            yield _Token(_ESCAPE.sub(r"\1", found["text"][1:-1]), quoted=True)
        else:
            yield _Token(found["sign"] or found["word"])


class _Reader:
    """Reads the pieces of a query from the first to the last."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def query(self) -> Query:
        """The whole query."""
        self._expect("IN")
        locations = [self._text("a location")]
        while self._take(","):
            locations.append(self._text("a location"))
        if len(locations) > MOST_LOCATIONS:
            raise _wrong(f"it names more than {MOST_LOCATIONS} locations")
        condition: Condition = _anything
        if self._take("WHERE"):
            condition = self._either()
        limit: int | None = None
        token: str | None = None
        recursive = False
        while self._peek():
            if self._take("LIMIT"):
                limit = self._number("LIMIT")
            elif self._take("TOKEN"):
                token = self._text("a token")
            elif self._take("RECURSIVE"):
                recursive = True
            elif not self._take("STALE"):
                raise _wrong(f"{self._tokens[self._next].text[:40]!r} is not expected here, or not supported")
        return Query(locations=tuple(locations), condition=condition, limit=limit, token=token, recursive=recursive)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda file: any(part(file) for part in parts)

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._take("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else lambda file: all(part(file) for part in parts)

    def _single(self) -> Condition:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise _wrong("it is nested too deeply")
        try:
            if self._take("NOT"):
                inner = self._single()
                return lambda file: not inner(file)
            if self._take("("):
                inner = self._either()
                self._expect(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        name = self._text("a field")
        if self._take("NOT"):
            self._expect("IN")
            values = self._values()
            return lambda file: not _among(file, name, values)
        if self._take("IN"):
            values = self._values()
            return lambda file: _among(file, name, values)
        if self._take("LIKE"):
            parts = re.split("[%*]", self._text("a pattern"))
            return lambda file: any(_fits(value, parts) for value in field_values(file, name))
        for sign, compare in _COMPARISONS.items():
            if self._take(sign):
                return compare(name, self._text("a value"))
        raise _wrong(f"a comparison is expected behind {name[:40]!r}")

    def _values(self) -> frozenset[str]:
        self._expect("(")
        values = {self._text("a value")}
        while self._take(","):
            values.add(self._text("a value"))
        self._expect(")")
        return frozenset(values)

    def _peek(self) -> bool:
        return self._next < len(self._tokens)

    def _take(self, word: str) -> bool:
        if self._peek() and self._tokens[self._next].word == word:
            self._next += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            found = repr(self._tokens[self._next].text[:40]) if self._peek() else "the end"
            raise _wrong(f"{word} is expected where {found} is")

    def _text(self, what: str) -> str:
        if not self._peek() or self._tokens[self._next].word in _SIGNS:
            raise _wrong(f"{what} is missing")
        self._next += 1
        return self._tokens[self._next - 1].text

    def _number(self, what: str) -> int:
        text = self._text("a number")
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text)):
            raise _wrong(f"{what} needs a number from 1 on, not {text[:40]!r}")
        return int(text)


_SIGNS: Final = frozenset({"=", "!=", "<>", "<", "<=", ">", ">=", "(", ")", ","})


def _anything(file: File) -> bool:
    return True


def field_values(file: File, name: str) -> list[str]:
    """What a file has in a field: none, one or several texts."""
    lower = name.lower()
    if lower in _FIELDS:
        return _FIELDS[lower](file)
    value = file.metadata.get(name.removeprefix("metadata."))
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _extension(file: File) -> list[str]:
    stem, dot, extension = file.name.rpartition(".")
    return [extension.upper()] if dot and stem and not file.folder else []


_FIELDS: Final[dict[str, Callable[[File], list[str]]]] = {
    "id": lambda file: [file.id],
    "name": lambda file: [file.name],
    "type": lambda file: ["FOLDER" if file.folder else "FILE"],
    "size": lambda file: [] if file.size is None else [str(file.size)],
    "tags": lambda file: list(file.tags),
    "tag": lambda file: list(file.tags),
    "parent": lambda file: [] if file.parent is None else [file.parent],
    "project": lambda file: [file.project],
    "file_extension": _extension,
    "origin.task": lambda file: [] if file.origin_task is None else [file.origin_task],
    "created_on": lambda file: [file.created_on.isoformat()[:19]],
    "modified_on": lambda file: [file.modified_on.isoformat()[:19]],
}
_FOLDED: Final = frozenset({"type", "file_extension"})


def _wanted(name: str, value: str) -> str:
    return value.upper() if name.lower() in _FOLDED else value


def _among(file: File, name: str, values: frozenset[str]) -> bool:
    return any(_wanted(name, value) in field_values(file, name) for value in values)


def _equal(name: str, value: str) -> Condition:
    return lambda file: _wanted(name, value) in field_values(file, name)


def _unequal(name: str, value: str) -> Condition:
    return lambda file: _wanted(name, value) not in field_values(file, name)


def _ordered(compare: Callable[[float], bool]) -> Callable[[str, str], Condition]:
    """A comparison by size: of numbers where both are some, else of texts."""

    def condition(name: str, value: str) -> Condition:
        return lambda file: any(compare(_order(found, value)) for found in field_values(file, name))

    return condition


def _order(found: str, value: str) -> float:
    try:
        return float(found) - float(value)
    except ValueError:
        return (found > value) - (found < value)


_COMPARISONS: Final[dict[str, Callable[[str, str], Condition]]] = {
    "=": _equal,
    "!=": _unequal,
    "<>": _unequal,
    "<=": _ordered(lambda order: order <= 0),
    ">=": _ordered(lambda order: order >= 0),
    "<": _ordered(lambda order: order < 0),
    ">": _ordered(lambda order: order > 0),
}


def _fits(value: str, parts: list[str]) -> bool:
    """Whether the parts follow each other in a value, the first at its start and the last at its end. The first place
    that fits is always good enough, so that no pattern takes long."""
    first, *middle = parts
    if not middle:
        return value == first
    last = middle.pop()
    if not value.startswith(first):
        return False
    place = len(first)
    for part in middle:
        found = value.find(part, place)
        if found < 0:
            return False
        place = found + len(part)
    return len(value) - len(last) >= place and value.endswith(last)
