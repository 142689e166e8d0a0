"""Text to plain values: the first stage of loading a document, and of reading a job order.

JSON is read directly. Everything else is YAML, read from the parser's events with the core schema of YAML 1.2 (``yes``
is text, ``2001-01-01`` is text, ``0o17`` is 15), so that no tag ever names a class to build. What comes out is made of
None, bool, int, float, str, list and dict with text keys, finite, at most `MAX_DEPTH` deep and `MAX_NODES` large once
aliases are expanded. Everything else is refused with a `DocumentError` that names the line.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import yaml

from araneus.cwl.errors import DocumentError, Problem

MAX_TEXT: Final = 64 * 2**20
MAX_DEPTH: Final = 100
MAX_NODES: Final = 1_000_000
MAX_DIGITS: Final = 4000
_TEXT_SHARE: Final = 5  # of the commas and brackets in JSON most may stand inside of texts

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_MERGE: Final = "<<"
_TAG = "tag:yaml.org,2002:"
_EXACT: Final = 2.0**53
_NOTHING: Final = (yaml.DocumentStartEvent, yaml.DocumentEndEvent, yaml.StreamEndEvent)
_SCALAR_TAGS: Final = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))


def parse_text(text: str | bytes, *, values: int = MAX_NODES) -> Any:
    """The plain value of a JSON or YAML 1.2 text (UTF-8 where it is bytes), of at most so many values.

    Raises `DocumentError`.
    """
    if len(text) > MAX_TEXT:
        _refuse(f"the text is larger than {MAX_TEXT // 2**20} MiB")
    if isinstance(text, bytes):
        text = _decoded(text)
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:2] in {"//", "/*"}:
        _refuse("neither JSON nor YAML begins with // or /*: comments begin with # in YAML, and JSON has none")
    if text.lstrip()[:1] in {"{", "["}:
        if text.count(",") + text.count("[") + text.count("{") > _TEXT_SHARE * values:
            _refuse(f"the document has more than {values} values")  # before they take their memory
        try:
            value = json.loads(
                text, object_pairs_hook=_unique, parse_constant=_constant, parse_int=_json_integer, parse_float=_number
            )
        except RecursionError:
            _refuse(f"the document is nested more than {MAX_DEPTH} levels deep")
        except ValueError as error:
            _refuse_comments(text, error)
            return _parse_yaml(text, values)  # flow-style YAML, or a mistake whose line the YAML parser knows
        check_plain(value, values)
        return value
    return _parse_yaml(text, values)


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        column = error.start - text.rfind(b"\n", 0, error.start)
        kind = "; it looks like UTF-16" if text[:2] in {b"\xff\xfe", b"\xfe\xff"} else ""
        what = f"the text is not UTF-8 (byte {error.start}{kind}); save it as UTF-8"
        raise DocumentError(Problem(f"line {line}, column {column}", what)) from error


def check_plain(value: Any, values: int = MAX_NODES) -> None:
    """Raise `DocumentError` unless the value is plain JSON within the limits of depth and size."""
    level: list[Any] = [value]
    count = 0
    for _ in range(MAX_DEPTH):
        if not level:
            return
        count += len(level)
        if count > values:
            _refuse(f"the document has more than {values} values")
        below: list[Any] = []
        for item in level:
            _collect(item, below)
        level = below
    if level:
        _refuse(f"the document is nested more than {MAX_DEPTH} levels deep")


def _collect(item: Any, below: list[Any]) -> None:
    if isinstance(item, str) or item is None:
        return
    if isinstance(item, dict):
        for key in item:
            if not isinstance(key, str):
                _refuse(f"the key {str(key)[:80]!r} is not text")
        below.extend(item.values())
    elif isinstance(item, list):
        below.extend(item)
    elif isinstance(item, float):
        if not math.isfinite(item):
            _refuse(f"{item} is not a JSON number")
    elif not isinstance(item, int):
        _refuse(f"a value of type {type(item).__name__} is not JSON")


def _refuse(what: str, mark: Any = None) -> NoReturn:
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    raise DocumentError(Problem(where, what))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key")
    return made


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not a JSON number")


def _json_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _parse_yaml(text: str, values: int) -> Any:
    try:
        return _Builder(yaml.parse(text, Loader=yaml.CSafeLoader), values).document()
    except yaml.MarkedYAMLError as error:
        advice = _advice(text, error.problem_mark)
        _refuse(f"not valid YAML or JSON: {error.problem}{advice}", error.problem_mark)
    except yaml.YAMLError as error:
        _refuse(f"not valid YAML or JSON: {str(error).splitlines()[0][:200]}")


def _refuse_comments(text: str, error: ValueError) -> None:
    if isinstance(error, json.JSONDecodeError) and text[error.pos : error.pos + 80].lstrip()[:2] in {"//", "/*"}:
        where = f"line {error.lineno}, column {error.colno}"
        raise DocumentError(Problem(where, "not valid JSON: it has no comments; in YAML they begin with #")) from error


def _advice(text: str, mark: Any) -> str:
    """What to do about the commonest mistakes, from the characters at which the parser stopped."""
    rest = text[mark.index :] if mark is not None else ""
    if rest.startswith("\t"):
        return "; indent with spaces, not with tabs"
    if rest.startswith(("@", "`", "%")):
        return f"; put quotes around a text that begins with {rest[0]}"
    return ""


class _Open:
    """A list or mapping that is being filled."""

    __slots__ = ("anchor", "key", "merge", "start", "value")

    def __init__(self, value: list[Any] | dict[str, Any], anchor: str | None, start: int) -> None:
        self.value = value
        self.anchor = anchor
        self.start = start
        self.key: str | None = None
        self.merge: Any = None  # the mark of a merge key


class _Builder:
    """Builds one document from parser events, without recursion.

    An anchored value is remembered with its expanded size; an alias shares the value and counts that size again.
    """

    def __init__(self, events: Iterator[Any], values: int) -> None:
        self._events = events
        self._values = values
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0
        self._result: Any = None
        self._documents = 0
        self._aliased = False

    def document(self) -> Any:
        for event in self._events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._begin(event, {} if kind is yaml.MappingStartEvent else [])
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self._documents += 1
                if self._documents > 1:
                    self._nothing_more(event.start_mark)
        if self._aliased:
            check_plain(self._result, self._values)  # aliases inside aliases can be deeper than the text
        return self._result

    def _nothing_more(self, mark: Any) -> None:
        """A line ``---`` at the end of a text begins a document that holds nothing."""
        for event in self._events:
            empty = type(event) is yaml.ScalarEvent and event.value == ""
            if not empty and type(event) not in _NOTHING:
                _refuse("a second document begins here; only one is expected", mark)

    def _scalar(self, event: Any) -> None:
        self._grow(1, event.start_mark)
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            if event.value in top.value:
                _refuse(f"the key {event.value[:80]!r} is given twice", event.start_mark)
            top.key = event.value
            if event.value == _MERGE and event.implicit[0]:
                top.merge = event.start_mark
            if event.anchor is not None:
                self._anchors[event.anchor] = (event.value, 1)
            return
        value = _scalar_value(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        self._place(value)

    def _begin(self, event: Any, value: list[Any] | dict[str, Any]) -> None:
        self._grow(1, event.start_mark)
        if len(self._open) >= MAX_DEPTH:
            _refuse(f"the document is nested more than {MAX_DEPTH} levels deep", event.start_mark)
        if event.tag not in {None, "!", _TAG + ("map" if isinstance(value, dict) else "seq")}:
            _refuse(f"the tag {event.tag[:80]!r} is not allowed", event.start_mark)
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
            _refuse("a key must be text, not a list or mapping", event.start_mark)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)  # an alias inside its own anchor stays unknown
        self._open.append(_Open(value, event.anchor, self._count))

    def _end(self) -> None:
        done = self._open.pop()
        if done.merge is not None and isinstance(done.value, dict):
            _merge(done.value, done.merge)
        if done.anchor is not None:
            self._anchors[done.anchor] = (done.value, self._count - done.start + 1)
        self._place(done.value)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            _refuse(f"the alias *{event.anchor[:80]} is unknown here, or stands inside its own value", event.start_mark)
        value, size = self._anchors[event.anchor]
        self._aliased = True
        self._grow(size, event.start_mark)
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            if not isinstance(value, str) or value in top.value:
                _refuse(f"the alias *{event.anchor[:80]} cannot be a key here", event.start_mark)
            top.key = value
            return
        self._place(value)

    def _place(self, value: Any) -> None:
        if not self._open:
            self._result = value
            return
        top = self._open[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is not None:
            top.value[top.key] = value
            top.key = None

    def _grow(self, size: int, mark: Any) -> None:
        self._count += size
        if self._count > self._values:
            _refuse(f"the document has more than {self._values} values (aliases count each time)", mark)


def _merge(own: dict[str, Any], mark: Any) -> None:
    """Put the mappings under the merge key into the mapping that holds it; its own keys win, then the earlier ones."""
    given = own.pop(_MERGE)
    merged: dict[str, Any] = {}
    for each in given if isinstance(given, list) else [given]:
        if not isinstance(each, dict):
            _refuse("'<<' takes a mapping or a list of mappings", mark)
        merged = {**each, **merged}
    kept = {**merged, **own}
    own.clear()
    own.update(kept)


def _number(text: str) -> float:
    """A number with a fraction or an exponent. ``1.23e5`` is a whole number and is written as one from then on, which
    the conformance tests ask for; ``3.0`` stays what it is."""
    number = float(text)
    whole = "e" in text.lower() and number.is_integer() and abs(number) < _EXACT
    return int(number) if whole else number


def _scalar_value(event: Any) -> Any:
    text: str = event.value
    plain = event.implicit[0] and event.tag is None
    if not plain and event.tag not in _SCALAR_TAGS:
        if event.tag not in {None, "!", _TAG + "str"}:
            _refuse(f"the tag {event.tag[:80]!r} is not allowed", event.start_mark)
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= MAX_DIGITS and _INTEGER.fullmatch(text):
        return int(text, 0 if text[:2] in {"0o", "0x"} else 10)
    if len(text) <= MAX_DIGITS and _FLOAT.fullmatch(text):
        number = _number(text)
        if math.isfinite(number):
            return number
        _refuse(f"the number {text[:40]} is too large", event.start_mark)
    if _NOT_FINITE.fullmatch(text):
        _refuse(f"{text} is not a JSON number", event.start_mark)
    if not plain:
        _refuse(f"{text[:40]!r} does not fit its tag", event.start_mark)
    if text[:1].isdigit() and len(text) > MAX_DIGITS and _INTEGER.fullmatch(text):
        _refuse(f"a number has more than {MAX_DIGITS} digits", event.start_mark)
    return text
