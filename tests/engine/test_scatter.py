"""Expansion of scattered steps and the way back."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from araneus.cwl.errors import InputError
from araneus.cwl.process import ScatterMethod
from araneus.engine.scatter import expand
from tests.engine.documents import link, step, tool

PORTS = ("a", "b", "c")
columns = st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=3)


def scattered(count: int, method: ScatterMethod | None) -> Any:
    names = PORTS[:count]
    return step("s", tool("t", names), *(link(name) for name in names), scatter=names, method=method)


@given(columns)
def test_nested_crossproduct_nests_as_loops_would(lists: list[list[int]]) -> None:
    expansion = expand(
        scattered(len(lists), ScatterMethod.NESTED_CROSSPRODUCT), dict(zip(PORTS, lists, strict=False)), where="s"
    )
    elements = [tuple(expansion.element(number).values()) for number in range(expansion.count)]

    def loops(chosen: tuple[int, ...], rest: list[list[int]]) -> Any:
        if not rest:
            return frozenset(enumerate(chosen))
        return [loops((*chosen, value), rest[1:]) for value in rest[0]]

    by_port = [
        frozenset((PORTS.index(port), value) for port, value in expansion.element(number).items())
        for number in range(expansion.count)
    ]
    assert len(elements) == expansion.count
    assert expansion.nest(by_port) == loops((), lists)


@given(columns)
def test_flat_crossproduct_is_the_product_in_order(lists: list[list[int]]) -> None:
    expansion = expand(
        scattered(len(lists), ScatterMethod.FLAT_CROSSPRODUCT), dict(zip(PORTS, lists, strict=False)), where="s"
    )
    names = PORTS[: len(lists)]
    elements = [tuple(expansion.element(number)[name] for name in names) for number in range(expansion.count)]
    assert elements == list(product(*lists))
    assert expansion.nest(elements) == elements


@pytest.mark.parametrize("method", [ScatterMethod.DOTPRODUCT, None])
@given(rows=st.lists(st.tuples(st.integers(), st.text()), max_size=5))
def test_dotproduct_pairs_the_lists(method: ScatterMethod | None, rows: list[tuple[int, str]]) -> None:
    values = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    expansion = expand(scattered(2, method), values, where="s")
    assert [tuple(expansion.element(number).values()) for number in range(expansion.count)] == rows


def test_lists_of_different_lengths_are_refused_with_their_lengths() -> None:
    with pytest.raises(InputError, match=r"s: dotproduct needs lists of one length, got a: 2, b: 3"):
        expand(scattered(2, ScatterMethod.DOTPRODUCT), {"a": [1, 2], "b": [1, 2, 3]}, where="s")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        ("text", "a string"),
        (True, "a boolean"),
        (3, "a number"),
        ({"class": "File", "location": "blob:1"}, "a File"),
        ({"k": 1}, "a record"),
    ],
)
def test_what_is_no_list_cannot_be_scattered(value: object, words: str) -> None:
    with pytest.raises(InputError, match=f"s/a: the port is scattered, so it needs a list, got {words}"):
        expand(scattered(1, None), {"a": value}, where="s")
