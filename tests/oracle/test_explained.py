"""The list of explained differences: it is in order, and it does not explain everything."""

from dataclasses import replace

import pytest

from tests.oracle.case import Case, Seen
from tests.oracle.differences import same
from tests.oracle.explained import EXPLAINED, explanation

CASE = Case(
    document={
        "class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "run", "outputs": {},
        "inputs": {"x": {"type": "int", "inputBinding": {"prefix": "-x"}}, "y": {"type": "string", "inputBinding": {}}},
    },
    job={"x": 1, "y": "a"},
)  # fmt: skip
OURS = Seen(command=("run", "-x", "1", "a"), environment={"HOME": "<work>"}, streams={"stdout": None})
FILE = {"class": "File", "basename": "a", "size": 1, "secondaryFiles": []}


def test_entries_are_complete() -> None:
    names = [entry.name for entry in EXPLAINED]
    assert len(names) == len(set(names))
    for entry in EXPLAINED:
        assert entry.right in {"ours", "theirs", "both", "platform"}
        assert entry.reason.endswith((".", "document."))
        assert entry.source or entry.name == "the peer crashes"


@pytest.mark.parametrize(
    "theirs",
    [
        replace(OURS, command=("run", "1", "a")),
        replace(OURS, command=("run", "-x", "1", "a", "b")),
        replace(OURS, command=("run", "a", "-x", "1")),
        replace(OURS, command=("run", "-x", "2", "a")),
        replace(OURS, environment={"HOME": "<temporary>"}),
        replace(OURS, streams={"stdout": "name"}),
        replace(OURS, outputs={"o": [FILE]}),
        Seen(refusal="WorkflowException: no"),
    ],
)
def test_a_real_difference_is_not_explained(theirs: Seen) -> None:
    assert not same(OURS, theirs)
    assert explanation(CASE, OURS, theirs) is None
    assert explanation(CASE, theirs, OURS) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"size": 2},
        {"basename": "b"},
        {"class": "Directory"},
        {"format": "f"},
        {"secondaryFiles": [{**FILE, "basename": "a.idx"}]},
        {"wrong size": 3},
    ],
)
def test_outputs_that_differ_are_not_explained(changed: dict[str, object]) -> None:
    ours, theirs = Seen(outputs={"o": FILE}), Seen(outputs={"o": {**FILE, **changed}})
    assert explanation(CASE, ours, theirs) is None


def test_agreement() -> None:
    assert same(OURS, replace(OURS))
    assert same(Seen(refusal="one"), Seen(refusal="another"))
    assert not same(Seen(refusal="one"), OURS)
