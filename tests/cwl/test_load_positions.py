"""The lines and columns of problems: the text is found again from the place in the document."""

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from araneus.cwl.errors import DocumentError, Problem
from araneus.cwl.load import examine, parse_text
from araneus.cwl.positions import located

TEXT = """\
cwlVersion: v1.2
class: Workflow
inputs:
  reads: Fille
outputs: []
steps:
  - id: '#main/align'
    in:
      - id: '#main/align/reads'
        source: nowhere
      - {id: more, source: reads}
    out: []
    run:
      class: CommandLineTool
      inputs:
        reads: File
        more: {type: File, inputBinding: {positon: 1}}
      outputs: []
  - id: last
    in: []
    out: []
"""


def lines(text: str) -> dict[str, tuple[str, str]]:
    """What a text's line holds for each problem: (the line from the column on, the sentence) by place."""
    with pytest.raises(DocumentError) as caught:
        examine(parse_text(text))
    found = {}
    for problem in located(caught.value.problems, text):
        _, line, _, column = problem.at.replace(",", "").split()
        found[problem.where] = (text.splitlines()[int(line) - 1][int(column) - 1 :], str(problem))
    return found


def test_each_problem_has_its_line() -> None:
    found = lines(TEXT)
    assert {place: line for place, (line, _) in found.items()} == {
        "inputs/reads/type": "reads: Fille",
        "steps/align/in/reads": "id: '#main/align/reads'",
        "steps/align/run/inputs/more/inputBinding": "inputBinding: {positon: 1}}",
        "steps/last/run": "id: last",
    }
    assert found["inputs/reads/type"][1].startswith("inputs/reads/type (line 4, column 3): unknown type 'Fille'")


def test_json_has_lines_too() -> None:
    text = json.dumps(parse_text(TEXT), indent=1)
    assert lines(text)["inputs/reads/type"][0] == '"reads": "Fille"'


def test_places_in_packed_documents_are_found_in_their_process() -> None:
    text = """
cwlVersion: v1.2
$graph:
- {id: '#tool', class: CommandLineTool, outputs: [], inputs: {a: strng}}
- id: '#main'
  class: Workflow
  inputs: {x: strng}
  outputs: []
  steps:
    one: {run: '#tool', in: {a: x}, out: []}
"""
    found = {place: line for place, (line, _) in lines(text).items()}
    assert found == {"inputs/x/type": "x: strng}", "steps/one/run/inputs/a/type": "a: strng}}"}


@pytest.mark.parametrize(
    "text", ["", "{}", "a: [", "\n\n", "- 1\n- 2\n", "a: 1", '{\n"a": "\\ud800"\n}', "a: &x\n  b: *x\n"]
)
def test_problems_of_other_texts_stay_as_they_are(text: str) -> None:
    given_problems = (Problem("steps/a", "x"), Problem("", "y"), Problem("line 1, column 2", "z"))
    assert located(given_problems, text) == given_problems


def test_large_texts_are_not_read_again() -> None:
    text = "a:\n" + "  - {x: [1, 2, 3]}\n" * 60_000
    began = time.process_time()
    assert located([Problem("a/7/x", "w")], text)[0].at == ""
    assert time.process_time() - began < 1
    text = text[: 2**19].rpartition("\n")[0]
    problems = [Problem(f"a/{number}/x/{'y/' * 500}", "w") for number in range(200)]
    began = time.process_time()
    assert located(problems, text)[7].at == "line 9, column 6"
    assert time.process_time() - began < 4


VALUES = st.recursive(
    st.none() | st.text("ab#/", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab#/:", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(VALUES, st.lists(st.text("ab/#:0", max_size=8), max_size=4))
def test_any_place_in_any_text_is_found_or_not(value: Any, places: list[str]) -> None:
    text = yaml.safe_dump({"root": value, "$graph": [value]}, default_flow_style=False)
    found = located([Problem(place, "x") for place in places], text)
    assert [problem.where for problem in found] == places


def test_fields_in_full_and_a_line_of_dashes_at_the_end_have_lines() -> None:
    text = "cwlVersion: v1.2\nclass: cwl:CommandLineTool\ncwl:inputs:\n  f:\n    cwl:type: Fil\noutputs: []\n---\n"
    with pytest.raises(DocumentError) as caught:
        examine(parse_text(text))
    assert [(each.where, each.at) for each in located(caught.value.problems, text)] == [
        ("inputs/f/type", "line 5, column 5")
    ]
