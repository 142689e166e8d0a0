"""Tools and workflows that nobody wrote by hand, held against the reference runner.

More cases: ``ARANEUS_ORACLE_CASES=20000 ARANEUS_ORACLE_SEED=1 python -m pytest tests/oracle -n 2 -rP``.
"""

import pytest
from hypothesis import given

from tests.oracle.case import Case
from tests.oracle.flows import flow_cases
from tests.oracle.judge import CASES, Judge, sampled
from tests.oracle.runs import run_cases
from tests.oracle.tools import command_cases

pytestmark = [pytest.mark.oracle, pytest.mark.slow, pytest.mark.timeout(max(300, 2 * CASES))]


@sampled(0.7)
@given(case=command_cases())
def test_command_lines(judge: Judge, case: Case) -> None:
    judge.check(case, run=False)


@sampled(0.2)
@given(case=run_cases())
def test_outputs(judge: Judge, case: Case) -> None:
    judge.check(case, run=True)


@sampled(0.1)
@given(case=flow_cases())
def test_workflows(judge: Judge, case: Case) -> None:
    judge.check(case, run=True)
