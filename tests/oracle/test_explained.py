"""The classes of explained differences: each is needed, and none hides anything but what it explains."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.oracle.case import Case, Seen
from tests.oracle.differences import same
from tests.oracle.examples import EXAMPLES, Example
from tests.oracle.explained import EXPLAINED, Again, explanation
from tests.oracle.runners import Runners

FILE = {"class": "File", "basename": "a", "size": 1, "secondaryFiles": []}


def test_entries_are_complete() -> None:
    names = [entry.name for entry in EXPLAINED]
    assert len(names) == len(set(names))
    assert set(names) == set(EXAMPLES)
    for entry in EXPLAINED:
        assert entry.right in {"ours", "both", "platform"}
        assert entry.reason.endswith(".")
        assert entry.source.startswith(("v1.0", "v1.2"))
        assert (entry.settle is None) != (entry.repair is None)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_class_is_needed(name: str, runners: Runners) -> None:
    example = EXAMPLES[name]
    for case in (example.case, *example.more):
        ours, theirs = runners.answers(case, run=example.run)
        assert not same(ours, theirs)
        assert explanation(case, ours, theirs, _again(example, runners)) == (name,)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_class_hides_no_other_difference(name: str, runners: Runners) -> None:
    """Were our answer wrong in anything else, the class would not explain it."""
    example = EXAMPLES[name]
    ours, theirs = runners.answers(example.case, run=example.run)
    again = _again(example, runners)
    wrong = [(how, seen) for how, seen in mutations(ours) if how not in example.hides]
    assert len(wrong) >= 2
    for how, seen in wrong:
        assert explanation(example.case, seen, theirs, again) is None, how


def test_a_class_may_need_another_first(runners: Runners) -> None:
    """Which list stands in an Any, is seen only where the named type is put in place."""
    record = {"name": "r", "type": "record", "fields": {"f": {"type": "Any", "inputBinding": {"prefix": "-f"}}}}
    case = Case(
        document={
            "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "run", "arguments": ["last"],
            "requirements": {"SchemaDefRequirement": {"types": [record]}},
            "inputs": {"x": {"type": "#r"}}, "outputs": {},
        },
        job={"x": {"f": [1, "two"]}},
    )  # fmt: skip
    example = Example(case=case)
    ours, theirs = runners.answers(case, run=False)
    assert not same(ours, theirs)
    names = explanation(case, ours, theirs, _again(example, runners))
    assert names is not None
    assert names[:2] == ("bindings of named types", "lists in Any")
    for how, seen in mutations(ours):
        assert explanation(case, seen, theirs, _again(example, runners)) is None, how


def _again(example: Example, runners: Runners) -> Again:
    """Runs a repaired case, once."""
    known: dict[str, tuple[Seen, Seen]] = {}

    def again(case: Case) -> tuple[Seen, Seen]:
        if repr(case) not in known:
            known[repr(case)] = runners.answers(case, run=example.run)
        return known[repr(case)]

    return again


def mutations(seen: Seen) -> Iterator[tuple[str, Seen]]:
    """What a runner with one mistake might have seen instead."""
    if seen.refusal is not None:
        yield "accepted", Seen(command=("run",))
        yield "ran", Seen(outputs={})
        return
    yield "refused", Seen(refusal="InputError: no")
    yield "environment", replace(seen, environment={**seen.environment, "MORE": "1"})
    yield "stream", replace(seen, streams={**seen.streams, "stdout": "elsewhere"})
    for place in range(len(seen.command)):
        before, word, after = seen.command[:place], seen.command[place], seen.command[place + 1 :]
        yield f"no {word}", replace(seen, command=(*before, *after))
        yield f"twice {word}", replace(seen, command=(*before, word, word, *after))
        yield f"other {word}", replace(seen, command=(*before, f"{word}x", *after))
        yield f"more digits {word}", replace(seen, command=(*before, f"{word}0", *after))
        if after:
            yield f"after {word}", replace(seen, command=(*before, after[0], word, *after[1:]))
    for how, outputs in _other(seen.outputs):
        yield how, replace(seen, outputs=outputs)


def _other(value: Any) -> Iterator[tuple[str, Any]]:
    """A part of the outputs with one mistake."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            yield "less", value[:place] + value[place + 1 :]
            yield "twice", [*value[: place + 1], *value[place:]]
            for how, other in _other(item):
                yield how, [*value[:place], other, *value[place + 1 :]]
        if len(value) > 1:
            yield "swap", value[::-1]
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"no {key}", {name: each for name, each in value.items() if name != key}
            yield f"null for {key}", {**value, key: None} if item is not None else {**value, key: 0}
            for how, other in _other(item):
                yield how, {**value, key: other}
        yield "more", {**value, "more": 1}
    if isinstance(value, str):
        yield "text", f"{value}x"
    if isinstance(value, int):
        yield "number", value + 1


def test_agreement() -> None:
    seen = Seen(command=("run",))
    assert same(seen, replace(seen))
    assert same(Seen(refusal="one"), Seen(refusal="another"))
    assert not same(Seen(refusal="one"), seen)
    assert not same(Seen(outputs={"o": FILE}), Seen(outputs={"o": {**FILE, "format": "f"}}))
