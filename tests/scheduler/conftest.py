"""Houses on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scheduler.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = House.build(tmp_path / "house")
    yield built
    built.close()
