"""The table of faults is complete and keeps what clients rely on."""

import pytest

from araneus.api.errors import STATUS, UNEXPECTED, error_body
from araneus.model.errors import Fault


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_has_a_status_and_a_code(fault: Fault) -> None:
    status, code = STATUS[fault]
    assert 400 <= status < 500, "a caller's mistake is a 4xx; clients wait for ever on 5xx"
    assert code == 1000 or 2000 <= code < 10_000 or 10_200 <= code < 13_010 or 90_000 <= code <= 90_010


@pytest.mark.parametrize("fault", [fault for fault in Fault if 2000 <= STATUS[fault][1] < 9000])
def test_statuses_follow_the_pattern_of_the_codes(fault: Fault) -> None:
    status, code = STATUS[fault]
    usual = {1: 403, 2: 404, 3: 409}.get(code % 1000)
    exceptions = {8002: 403, 8003: 404, 8005: 409, 5014: 403, 5026: 404, 5030: 409, 5032: 403}
    assert status == exceptions.get(code, usual or 400)


def test_no_code_is_answered_twice_but_the_general_ones() -> None:
    codes = [code for _, code in STATUS.values() if code not in {90000, 90003, 8007}]
    assert len(codes) == len(set(codes))


def test_the_body() -> None:
    assert error_body(*UNEXPECTED, "m", "https://h") == {
        "status": 500,
        "code": 90004,
        "message": "m",
        "more_info": "https://h/v2/docs/api-status-codes",
    }
