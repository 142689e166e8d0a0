"""Our side of the oracle: the path that ``araneus cwl`` takes, up to the command line or to the outputs."""

import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from araneus.cwl.command import Layout, prepare, resources
from araneus.cwl.errors import CWLError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.inputs import complete
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_path
from araneus.cwl.process import CommandLineTool
from araneus.direct import run_document
from araneus.executors.containers import Containers
from araneus.executors.local import LocalExecutor
from araneus.scheduler.direct import ProcessFailedError
from araneus.scheduler.jobfile import read_job, with_formats
from tests.oracle.case import DOCUMENT, INPUT, JOB, Seen, masked, portable


class Ours:
    """Answers cases with our engine; a context manager. Tools run as plain processes."""

    def __init__(self) -> None:
        self._javascript = JavaScript(time_limit=60.0)  # the load of the machine is no difference
        self._executor = LocalExecutor(
            cores=64, memory=2**20, containers=Containers.detect("none"), clock=lambda: datetime.now(UTC)
        )

    def prepared(self, directory: Path) -> Seen:
        """The command line, environment and streams of the tool in a directory, or the refusal."""
        try:
            return self._prepared(directory)
        except CWLError as error:
            return Seen(refusal=f"{type(error).__name__}: {error}")

    def _prepared(self, directory: Path) -> Seen:
        tool = load_path(directory / DOCUMENT)
        assert isinstance(tool, CommandLineTool)
        given = read_job(directory / JOB).inputs
        values = complete(tool, with_formats(given, tool.extensions.get("$namespaces", {})))
        evaluator = evaluator_for(tool, self._javascript)
        layout = Layout(work="/ours/work", temporary="/ours/tmp", inputs="/ours/inputs")
        invocation = prepare(tool, values, layout, resources(tool, values, evaluator), evaluator)
        places = {
            re.escape(str(directory)): "<case>",
            r"/ours/inputs/\d+": INPUT,
            "/ours/work": "<work>",
            "/ours/tmp": "<temporary>",
        }
        stdin = invocation.stdin and invocation.stdin.removeprefix("/ours/work/")
        return Seen(
            command=masked(invocation.command, places),
            environment=masked(invocation.environment, places),
            streams=masked({"stdin": stdin, "stdout": invocation.stdout, "stderr": invocation.stderr}, places),
        )

    def run(self, directory: Path) -> Seen:
        """The outputs of the process in a directory, really run, or the refusal."""
        scratch = Path(tempfile.mkdtemp(prefix="oracle-ours-"))
        try:
            outputs = run_document(
                str(directory / DOCUMENT), str(directory / JOB), executor=self._executor, directory=scratch,
                outdir=scratch / "final", javascript=self._javascript,
            )  # fmt: skip
            return Seen(outputs=masked(portable(outputs), {re.escape(str(directory)): "<case>"}))
        except (CWLError, ProcessFailedError) as error:
            return Seen(refusal=re.sub(re.escape(str(scratch)), "<scratch>", f"{type(error).__name__}: {error}"))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def close(self) -> None:
        """End what was started."""
        self._executor.close()
        self._javascript.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
