"""``araneus cwl`` under ``cwltest`` as it runs any runner: a process for each test, output object and exit code."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conformance.suites import MANIFESTS, SUITES, read_suite

pytestmark = pytest.mark.skipif(
    not SUITES.is_dir(), reason=f"the conformance suites are not in {SUITES}: see make conformance"
)
ARANEUS = Path(sys.executable).parent / "araneus"
TESTS = {
    "v1.0": ["wf_wc_expressiontool", "any_without_defaults_specified_fails", "directory_output", "expression_any"],
    "v1.1": ["inplace_update_on_dir_content", "timelimit_basic", "secondary_files_missing", "stdin_shorcut"],
    "v1.2": [
        "conditionals_non_boolean_fail", "simple_simple_scatter", "modify_directory_content", "colon_in_paths",
        "mixed_version_v12_wf", "invalid_syntax_v10_uses_v12_feature",
    ],
}  # fmt: skip


@pytest.mark.parametrize("suite", MANIFESTS)
def test_a_real_run_of_cwltest(suite: str, tmp_path: Path) -> None:
    known = {test.id for test in read_suite(suite)}
    chosen = [name for name in TESTS[suite] if name in known]
    report = tmp_path / "report.xml"
    command = [
        *(sys.executable, "-m", "cwltest", "--test", MANIFESTS[suite], "--tool", str(ARANEUS), "-j2"),
        *("-s", ",".join(chosen), "--junit-xml", str(report), "--", "cwl", "--containers", "bubblewrap"),
    ]
    done = subprocess.run(command, cwd=SUITES / suite, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(ElementTree.parse(report).getroot().findall(".//testcase")) == len(chosen) >= 4
