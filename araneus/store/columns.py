"""Column types that hide the gap between SQLite and PostgreSQL: the same values in, the same values out on both.

Moments are integers, documents are JSON text. Text, not ``jsonb``: a document comes back exactly as it went in, with
its key order, its number forms and the NUL and surrogate characters that ``jsonb`` refuses and that strangers do send.
"""

import dataclasses
import json
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


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC. A naive one raises ValueError."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Microseconds of the moment."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone: pass datetimes with tzinfo, for example datetime.now(UTC)")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[Any]):
    """A JSON value as text; None is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """JSON text."""
        return None if value is None else encode_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value."""
        return None if value is None else decode_json(value)


class JsonTuple(TypeDecorator[tuple[Any, ...]]):
    """A tuple of JSON values as the text of a list."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[Any, ...] | None, dialect: Dialect) -> str | None:
        """JSON text."""
        return None if value is None else encode_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[Any, ...] | None:
        """The tuple."""
        return None if value is None else tuple(decode_json(value))


class Record(TypeDecorator[T], Generic[T]):
    """A frozen dataclass of plain fields as the text of a JSON object; None is NULL."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[T]) -> None:
        super().__init__()
        self.kind = kind
        self._read = msgspec.json.Decoder(kind)

    def process_bind_param(self, value: T | None, dialect: Dialect) -> str | None:
        """JSON text."""
        return None if value is None else encode_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> T | None:
        """The dataclass."""
        if value is None:
            return None
        try:
            return self._read.decode(value)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return msgspec.convert(json.loads(value), self.kind)


class Word(TypeDecorator[E], Generic[E]):
    """A member of a closed list, stored as its text."""

    impl = TEXT
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """The text of the member; other values than members raise ValueError."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """The member."""
        return None if value is None else self.kind(value)
