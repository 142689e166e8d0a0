"""Tools and workflows that nobody wrote by hand, held against the reference runner: always the same sample.

``make oracle`` takes other cases, and many more: see `tests.oracle.__main__`.
"""

import pytest
from hypothesis import given

from tests.oracle.case import Case
from tests.oracle.flows import flow_cases
from tests.oracle.judge import judged
from tests.oracle.runners import Runners
from tests.oracle.runs import run_cases
from tests.oracle.sample import sampled
from tests.oracle.tools import command_cases

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(300)]


@sampled(420)
@given(case=command_cases())
def test_command_lines(runners: Runners, case: Case) -> None:
    assert judged(case, runners, run=False).shown is None


@sampled(120)
@given(case=run_cases())
def test_outputs(runners: Runners, case: Case) -> None:
    assert judged(case, runners, run=True).shown is None


@sampled(60)
@given(case=flow_cases())
def test_workflows(runners: Runners, case: Case) -> None:
    assert judged(case, runners, run=True).shown is None
