"""The two runners, warm for all cases of a session, and how many cases there are."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracle.judge import Judge
from tests.oracle.ours import Ours
from tests.oracle.peer import Peer


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """Both runners, and a directory for cases."""
    if importlib.util.find_spec("cwltool") is None or shutil.which("node") is None:
        pytest.skip("the oracle needs the package cwltool (make lock has it) and the program node (Debian: nodejs)")
    with Peer() as peer, Ours() as ours:
        judge = Judge(tmp_path, peer=peer, ours=ours)
        yield judge
        print(judge.tally())
        assert not judge.unexplained, f"{len(judge.unexplained)} unexplained differences, see above"
