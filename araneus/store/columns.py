"""Column types that hide the gap between SQLite and PostgreSQL: the same values in, the same values out on both.

Moments are integers, documents are JSON text. Text, not ``jsonb``: a document comes back exactly as it went in, with
its key order, its number forms and the NUL and surrogate characters that ``jsonb`` refuses and that strangers do send.
"""

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()

TEXT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by its UTF-8 bytes on both dialects, whatever the locale of the PostgreSQL server."""

SERIAL = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database gives out."""


def encode_json(value: Any) -> str:
    """JSON text of plain values and dataclasses. Integers of any size and unpaired surrogates are kept."""
    try:
        return _encoder.encode(value).decode()
    except (UnicodeEncodeError, OverflowError):
        # The fast encoder refuses unpaired surrogates; the slow one escapes them.
        return json.dumps(value, separators=(",", ":"), default=_plain)


def decode_json(text: str | bytes) -> Any:
    """The value of JSON text that `encode_json` made."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def _plain(value: Any) -> dict[str, Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(f"a {type(value).__name__} cannot be stored as JSON")


class _Direct(TypeDecorator[T]):
    """A column type whose values go through one function in each direction.

    SQLAlchemy would call two more for every value; a page of tasks has thousands of values.
    """

    impl: Any = Text
    cache_ok = True

    def dump(self, value: Any) -> Any:
        """The database's value of a value that is not None."""
        raise NotImplementedError

    def load(self, value: Any) -> Any:
        """The value of a database's value that is not None."""
        raise NotImplementedError

    def bind_processor(self, dialect: Dialect) -> Callable[[T | None], Any]:
        """What SQLAlchemy calls for every parameter."""
        dump = self.dump
        return lambda value: None if value is None else dump(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], T | None]:
        """What SQLAlchemy calls for every value of a row."""
        load = self.load
        return lambda value: None if value is None else load(value)


class Moment(_Direct[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC. A naive one raises ValueError."""

    impl = BigInteger
    cache_ok = True

    def dump(self, value: datetime) -> int:
        """Microseconds of the moment."""
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: pass datetimes with tzinfo, for example datetime.now(UTC)")
        return (value - _EPOCH) // _MICROSECOND

    def load(self, value: int) -> datetime:
        """The moment in UTC."""
        return _EPOCH + timedelta(microseconds=value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[int | None], datetime | None]:
        """The same in one call."""
        return lambda value: None if value is None else _EPOCH + timedelta(microseconds=value)


class Json(_Direct[Any]):
    """A JSON value as text; None is NULL."""

    impl = Text
    cache_ok = True

    def dump(self, value: Any) -> str:
        """JSON text."""
        return encode_json(value)

    def load(self, value: str) -> Any:
        """The value."""
        return decode_json(value)


class JsonTuple(_Direct[tuple[Any, ...]]):
    """A tuple of JSON values as the text of a list."""

    impl = Text
    cache_ok = True

    def dump(self, value: tuple[Any, ...]) -> str:
        """JSON text."""
        return encode_json(value)

    def load(self, value: str) -> tuple[Any, ...]:
        """The tuple."""
        return () if value == "[]" else tuple(decode_json(value))


class Record(_Direct[T], Generic[T]):
    """A frozen dataclass of plain fields as the text of a JSON object; None is NULL."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[T]) -> None:
        super().__init__()
        self.kind = kind
        self._read = msgspec.json.Decoder(kind)

    def dump(self, value: T) -> str:
        """JSON text."""
        return encode_json(value)

    def load(self, value: str) -> T:
        """The dataclass. Raises ValueError for the text of anything else."""
        try:
            return self._read.decode(value)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return msgspec.convert(json.loads(value), self.kind)


class Word(_Direct[E], Generic[E]):
    """A member of a closed list, stored as its text."""

    impl = TEXT
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self.kind = kind
        self._members = {member.value: member for member in kind}

    def dump(self, value: E) -> str:
        """The text of the member; other values than members raise ValueError."""
        return self.kind(value).value

    def load(self, value: str) -> E:
        """The member. Raises KeyError for a word that this version does not know."""
        return self._members[value]

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], E | None]:
        """The same without a call of ours."""
        return ({None: None} | self._members).__getitem__
