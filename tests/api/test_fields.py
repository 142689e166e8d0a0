"""The fields selector, with the documented forms as examples and its laws as properties."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.api.fields import EVERYTHING, selector

FILE: dict[str, Any] = {
    "href": "h",
    "id": "1",
    "name": "n",
    "origin": {"task": "t", "dataset": "d"},
    "metadata": {"sample_id": "s", "library": {"a": 1, "b": 2}},
    "steps": [{"id": 1, "x": 2}, {"id": 2, "x": 3}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, FILE),
        ("", FILE),
        (" , ", FILE),
        ("_all", FILE),
        ("id,name", {"id": "1", "name": "n"}),
        (" id , name ", {"id": "1", "name": "n"}),
        ("name,id,unknown", {"id": "1", "name": "n"}),
        ("unknown", {}),
        ("origin.task", {"origin": {"task": "t"}}),
        ("origin.task,origin.dataset", {"origin": {"task": "t", "dataset": "d"}}),
        ("origin.task,origin", {"origin": FILE["origin"]}),
        ("origin,origin.task", {"origin": FILE["origin"]}),
        ("origin.unknown", {"origin": {}}),
        ("name.deeper", {"name": "n"}),
        ("steps.id", {"steps": [{"id": 1}, {"id": 2}]}),
        ("!steps.id", {**FILE, "steps": [{"x": 2}, {"x": 3}]}),
        ("!metadata", {key: value for key, value in FILE.items() if key != "metadata"}),
        ("!metadata.library", {**FILE, "metadata": {"sample_id": "s"}}),
        ("!metadata.library.a", {**FILE, "metadata": {"sample_id": "s", "library": {"b": 2}}}),
        ("_all,!metadata", {key: value for key, value in FILE.items() if key != "metadata"}),
        ("id,!origin", {"id": "1"}),
        ("id,!metadata.library,!origin", {"id": "1", "metadata": {"sample_id": "s"}}),
        ("id,!id", {}),
        ("id,,!", {"id": "1"}),
        ("...", {}),
    ],
)
def test_documented_forms(text: str | None, expected: dict[str, Any]) -> None:
    assert selector(text).apply(FILE) == expected


def test_the_short_default_holds_only_when_nothing_is_asked() -> None:
    assert selector(None, ("id", "name")).apply(FILE) == {"id": "1", "name": "n"}
    assert selector("_all", ("id", "name")).apply(FILE) == FILE
    assert selector("href", ("id", "name")).apply(FILE) == {"href": "h"}
    assert "id" in selector("!name", ("name",)).apply(FILE)


def test_wants_says_whether_a_member_will_be_shown() -> None:
    assert EVERYTHING.wants("metadata")
    assert selector("!metadata.library").wants("metadata")
    assert not selector("!metadata").wants("metadata")
    assert not selector("id").wants("metadata")
    assert selector("metadata.x").wants("metadata")


NAMES = st.sampled_from(["a", "b", "c", "d"])
OBJECTS = st.recursive(
    st.integers() | st.none() | st.text(max_size=3),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4) | st.lists(inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
TEXTS = st.lists(PATHS | PATHS.map("!".__add__) | st.just("_all") | st.text(max_size=8), max_size=5).map(",".join)


def is_part(small: Any, large: Any) -> bool:
    if isinstance(small, dict) and isinstance(large, dict):
        return all(key in large and is_part(value, large[key]) for key, value in small.items())
    if isinstance(small, list) and isinstance(large, list):
        return len(small) == len(large) and all(map(is_part, small, large))
    return bool(small == large)


@given(st.dictionaries(NAMES, OBJECTS, max_size=4), TEXTS)
def test_a_selection_only_ever_takes_away_and_is_stable(value: dict[str, Any], text: str) -> None:
    chosen = selector(text)
    shown = chosen.apply(value)
    assert is_part(shown, value)
    assert chosen.apply(shown) == shown
    assert set(shown) == {name for name in value if chosen.wants(name)}
