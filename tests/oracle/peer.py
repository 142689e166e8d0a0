"""The reference runner, cwltool, kept warm in a process of its own: one line of JSON in, one line out.

``python -m tests.oracle.peer`` is that process; `Peer` talks to it. It runs without containers and with relaxed names,
as ``cwltool --no-container --relax-path-checks`` does.
"""

import io
import json
import logging
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.oracle.case import DOCUMENT, INPUT, JOB, Seen, masked, portable

PATIENCE: Final = 120.0
"""Seconds that one case may take; the first of a version reads its schema."""


class Peer:
    """Answers cases; a context manager. A process that does not answer in time is ended and started again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, directory: Path, *, run: bool) -> None:
        """Begin with the case in a directory: run it, or only say what it would run."""
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it ended between two cases, whoever ended it
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "tests.oracle.peer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            )
            assert self._line() == "ready\n", "cwltool cannot be started; its own words are on standard error"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"directory": str(directory), "run": run}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Seen:
        """What became of the case that was asked last."""
        line = self._line()
        if not line:
            self.close()
            return Seen(refusal="crash: the runner did not answer")
        found = json.loads(line)
        return Seen(**{**found, "command": tuple(found.get("command", ()))})

    def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        return self._process.stdout.readline() if ready else ""

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Said(logging.Handler):
    """Remembers what was said at the level of warnings and above, for messages about differences."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main() -> None:
    """Answer cases until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    runner = _Runner()
    answers.write("ready\n")
    answers.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # what tools and expressions say
    for line in sys.stdin:
        asked = json.loads(line)
        scratch = Path(tempfile.mkdtemp(prefix="oracle-peer-"))
        try:
            found = runner.see(Path(asked["directory"]), scratch, run=asked["run"])
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        answers.write(json.dumps(found) + "\n")
        answers.flush()


class _Runner:
    def __init__(self) -> None:
        import cwltool.main  # noqa: F401 -- all of it, so that every logger is there
        from cwltool.errors import WorkflowException
        from schema_salad.exceptions import ValidationException

        self._said = _Said()
        for name in logging.root.manager.loggerDict:
            logger = logging.getLogger(name)
            logger.handlers = [self._said]
            logger.propagate = False
        self._refusals = (WorkflowException, ValidationException)

    def see(self, directory: Path, scratch: Path, *, run: bool) -> dict[str, Any]:
        """The fields of a `Seen`."""
        self._said.lines.clear()
        try:
            return self._run(directory, scratch) if run else self._prepare(directory, scratch)
        except self._refusals as error:
            return {"refusal": f"{type(error).__name__}: {error}"}
        except (Exception, SystemExit) as error:  # an accident inside the other runner is an answer, too
            return {"refusal": f"crash: {type(error).__name__}: {error}"}

    def _loaded(self, directory: Path, scratch: Path) -> tuple[Any, Any, Any]:
        from cwltool.context import LoadingContext, RuntimeContext
        from cwltool.load_tool import fetch_document, make_tool, resolve_and_validate_document
        from cwltool.main import init_job_order, load_job_order
        from cwltool.workflow import default_make_tool

        document = str(directory / DOCUMENT)
        loading = LoadingContext({"relax_path_checks": True, "construct_tool_object": default_make_tool})
        loading.disable_js_validation = True  # it only warns
        loading, content, uri = fetch_document(document, loading)
        loading, uri = resolve_and_validate_document(loading, content, uri)
        tool = make_tool(uri, loading)
        arguments = Namespace(job_order=[str(directory / JOB)], basedir=None, overrides=None, workflow=document)
        job, base, loader = load_job_order(arguments, io.StringIO(), None, loading.overrides_list, document)
        job = init_job_order(job, arguments, tool, loader, io.StringIO(), input_basedir=base)
        context = {
            "use_container": False,
            "basedir": base,
            "outdir": str(scratch / "final"),
            "tmp_outdir_prefix": str(scratch / "out") + "/",
            "tmpdir_prefix": str(scratch / "tmp") + "/",
            "relax_path_checks": True,
            "move_outputs": "leave",  # to move them it must not find one file in two places
            "rm_tmpdir": False,
        }
        for name in ("out", "tmp"):
            (scratch / name).mkdir()
        return tool, job, RuntimeContext(context)

    def _prepare(self, directory: Path, scratch: Path) -> dict[str, Any]:
        tool, job, context = self._loaded(directory, scratch)
        prepared = next(tool.job(job, lambda *_: None, context))
        places = {
            re.escape(str(directory)): "<case>",
            rf"{re.escape(prepared.stagedir)}/stg[0-9a-f-]{{36}}": INPUT,
            re.escape(prepared.outdir): "<work>",
            re.escape(prepared.tmpdir): "<temporary>",
        }
        found = {
            "command": list(prepared.command_line),
            "environment": {name: text for name, text in prepared.environment.items() if name != "PATH"},
            "streams": {"stdin": prepared.stdin, "stdout": prepared.stdout, "stderr": prepared.stderr},
        }
        return dict(masked(found, places))

    def _run(self, directory: Path, scratch: Path) -> dict[str, Any]:
        from cwltool.executors import SingleJobExecutor

        tool, job, context = self._loaded(directory, scratch)
        outputs, status = SingleJobExecutor()(tool, job, context)
        if status != "success":
            return {"refusal": f"{status}: {' | '.join(self._said.lines)}"}
        return {"outputs": masked(portable(outputs), {re.escape(str(directory)): "<case>"})}


if __name__ == "__main__":
    main()
