"""Values come back as they went in, whatever they are."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from araneus.model.job import Outcome, Reason, Resources
from araneus.model.task import Status
from araneus.store.columns import Json, Moment, Record, Word, decode_json, encode_json

_DIALECT = sqlite.dialect()


def _joined(text: str) -> str:
    """The text with pairs of surrogates as the characters that they are in every encoding."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


_TEXTS = st.text(st.characters(codec=None, categories=None), max_size=20).map(_joined)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_json_keeps_every_value(value: Any) -> None:
    again = decode_json(encode_json(value))
    assert again == value
    assert repr(again) == repr(value)


@given(st.text(st.characters(categories=["Cs", "Ll", "Cc"]), max_size=8).map(_joined), st.integers())
def test_records_keep_every_text(message: str, number: int) -> None:
    column = Record(Outcome)
    outcome = Outcome(reason=Reason.LOST, message=message, exit_code=number)
    assert column.load(column.dump(outcome)) == outcome


def test_records_refuse_what_is_not_theirs() -> None:
    with pytest.raises(ValueError, match="cores"):
        Record(Resources).load('{"cores": "many"}')


@given(st.datetimes(timezones=st.timezones()))
def test_moments_are_exact_to_the_microsecond(moment: datetime) -> None:
    column = Moment()
    again = column.load(column.dump(moment))
    assert again.tzinfo is UTC
    assert again == moment.astimezone(UTC)


def test_moments_are_counted_from_1970() -> None:
    moment = datetime(1970, 1, 1, 2, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    assert Moment().dump(moment) == 1


def test_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Moment().dump(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake that is to be found


def test_words_are_members_or_refused() -> None:
    column = Word(Status)
    assert column.dump(Status.DRAFT) == "DRAFT"
    assert column.load("DRAFT") is Status.DRAFT
    with pytest.raises(ValueError, match="draft"):
        column.dump("draft")  # type: ignore[arg-type]


def test_only_plain_values_and_dataclasses_are_json() -> None:
    with pytest.raises(TypeError):
        encode_json(["\ud800", object()])
    with pytest.raises(TypeError):
        Json().dump([object()])


def test_none_is_null() -> None:
    for column in (Moment(), Json(), Record(Outcome), Word(Status)):
        assert column.bind_processor(_DIALECT)(None) is None
        assert column.result_processor(_DIALECT, None)(None) is None
