"""What every test may use: the reference data beside the checkout, and the rule about skips."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = CHECKOUT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the reference data (conformance suites, real apps); tests skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the reference data is not beside the checkout (../shared)")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ARANEUS_TESTS_NO_SKIP, as in the gate, a skipped test is a failed one."""
    report = yield
    if os.environ.get("ARANEUS_TESTS_NO_SKIP") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped where nothing may be: {report.longrepr}"
    return report
