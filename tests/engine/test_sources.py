"""linkMerge and pickValue."""

from dataclasses import replace

import pytest

from araneus.cwl.errors import InputError
from araneus.cwl.process import LinkMerge, PickValue
from araneus.engine.sources import gather
from tests.engine.documents import link

VALUES = {"a": 1, "b": None, "l": [2, None], "m": [3], "none": [None, None]}


@pytest.mark.parametrize(
    ("sources", "merge", "pick", "expected"),
    [
        ((), None, None, None),
        (("a",), None, None, 1),
        (("l",), None, None, [2, None]),
        (("absent",), None, None, None),
        (("a",), LinkMerge.NESTED, None, [1]),
        (("l",), LinkMerge.NESTED, None, [[2, None]]),
        (("l",), LinkMerge.FLATTENED, None, [2, None]),
        (("a",), LinkMerge.FLATTENED, None, [1]),
        (("a", "b"), None, None, [1, None]),
        (("a", "l", "m"), None, None, [1, [2, None], [3]]),
        (("a", "l", "m"), LinkMerge.NESTED, None, [1, [2, None], [3]]),
        (("a", "l", "m"), LinkMerge.FLATTENED, None, [1, 2, None, 3]),
        (("b", "a"), None, PickValue.FIRST_NON_NULL, 1),
        (("b", "a"), None, PickValue.THE_ONLY_NON_NULL, 1),
        (("b", "a", "m"), None, PickValue.ALL_NON_NULL, [1, [3]]),
        (("b",), LinkMerge.NESTED, PickValue.ALL_NON_NULL, []),
        (("l",), None, PickValue.ALL_NON_NULL, [2]),
        (("l",), None, PickValue.FIRST_NON_NULL, 2),
        (("b", "l"), LinkMerge.FLATTENED, PickValue.ALL_NON_NULL, [2]),
        (("b",), None, PickValue.FIRST_NON_NULL, None),
    ],
)
def test_gather(sources: tuple[str, ...], merge: LinkMerge | None, pick: PickValue | None, expected: object) -> None:
    assert gather(link("p", *sources, merge=merge, pick=pick), VALUES, where="s/p") == expected


@pytest.mark.parametrize(("source", "listed", "one"), [("a", [1], 1), ("b", [], None), ("l", [2], [2])])
def test_all_non_null_of_one_source_that_is_written_as_a_list(source: str, listed: object, one: object) -> None:
    port = link("p", source, pick=PickValue.ALL_NON_NULL)
    assert gather(replace(port, source_is_list=True), VALUES, where="s/p") == listed
    assert gather(port, VALUES, where="s/p") == one


@pytest.mark.parametrize(
    ("sources", "pick", "words"),
    [
        (("b", "absent"), PickValue.FIRST_NON_NULL, "s/p: first_non_null: all of the 2 values are null"),
        (("none",), PickValue.THE_ONLY_NON_NULL, "s/p: the_only_non_null: all of the 2 values are null"),
        (("a", "m", "b"), PickValue.THE_ONLY_NON_NULL, "s/p: the_only_non_null: 2 of the values are not null"),
    ],
)
def test_pick_value_that_cannot_be_satisfied(sources: tuple[str, ...], pick: PickValue, words: str) -> None:
    with pytest.raises(InputError, match=words):
        gather(link("p", *sources, pick=pick), VALUES, where="s/p")
