"""The two runners, warm for all cases of a module."""

import importlib.util
import shutil
from collections.abc import Iterator

import pytest

from tests.oracle.runners import Runners


@pytest.fixture(scope="module")
def runners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runners]:
    """Both runners, and a directory for cases."""
    if importlib.util.find_spec("cwltool") is None or shutil.which("node") is None:
        pytest.skip("the oracle needs the package cwltool (make lock has it) and the program node (Debian: nodejs)")
    with Runners(tmp_path_factory.mktemp("oracle")) as runners:
        yield runners
