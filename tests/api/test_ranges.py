"""Range headers against the bytes that they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api.ranges import Slice, Unsatisfiable, parse_range

TEN = bytes(range(10))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", Slice(0, 1)),
        ("bytes=0-9", Slice(0, 10)),
        ("bytes=0-99", Slice(0, 10)),
        ("bytes=9-", Slice(9, 1)),
        ("bytes=-3", Slice(7, 3)),
        ("bytes=-99", Slice(0, 10)),
        ("BYTES = 2 - 3", Slice(2, 2)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=a-b", None),
        ("bytes=٣-٤", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=1" + "0" * 30 + "-", None),
    ],
)
def test_forms(header: str | None, expected: Slice | None) -> None:
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-11", 10), ("bytes=-0", 10), ("bytes=-5", 0), ("bytes=0-", 0)]
)
def test_behind_the_end(header: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, size)


@given(st.integers(0, 12), st.none() | st.integers(0, 12), st.integers(0, 10))
def test_first_and_last_mean_what_slicing_means(first: int, last: int | None, size: int) -> None:
    whole = TEN[:size]
    header = f"bytes={first}-{'' if last is None else last}"
    expected = whole[first : None if last is None else last + 1]
    try:
        found = parse_range(header, size)
    except Unsatisfiable:
        assert first >= size
        return
    if found is None:
        assert last is not None
        assert last < first
    else:
        assert whole[found.start : found.start + found.length] == expected
        assert found.length == len(expected) > 0
