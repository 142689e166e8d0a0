"""What the tests of the language share: JavaScript workers with short limits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from araneus.cwl.javascript import JavaScript
from tests.cwl.running import Bench


@pytest.fixture(scope="session")
def javascript() -> Iterator[JavaScript]:
    """Workers with ordinary limits."""
    with JavaScript(workers=1, time_limit=5.0) as javascript:
        yield javascript


@pytest.fixture(scope="session")
def strict_javascript() -> Iterator[JavaScript]:
    """A worker whose limits hostile scripts reach quickly: 0.3 s, 64 MiB."""
    with JavaScript(workers=1, time_limit=0.3, memory=64) as javascript:
        yield javascript


@pytest.fixture
def bench(tmp_path: Path, javascript: JavaScript) -> Bench:
    """A place to prepare and run tools."""
    return Bench(tmp_path, javascript)
