"""``araneus cwl``: run one document in the foreground, as a CWL runner does. No server, no database.

The composition for one process: settings of this machine in, one JSON object on standard output. Everything else that
is said goes to standard error. Exit codes are those that CWL runners agree on.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from araneus.cwl import requirements as requirement_forms
from araneus.cwl.errors import CWLError, InputError, Problem, UnsupportedError
from araneus.cwl.expressions import evaluator_for
from araneus.cwl.fields import meant
from araneus.cwl.inputs import complete
from araneus.cwl.javascript import JavaScript
from araneus.cwl.load import load_path
from araneus.cwl.process import Process, Workflow
from araneus.cwl.ready import ready_inputs
from araneus.cwl.scope import Report, Scope, minor_version
from araneus.cwl.text import parse_text
from araneus.executors.base import Executor
from araneus.executors.cgroups import Cgroups
from araneus.executors.containers import Containers, UnavailableError
from araneus.executors.limits import default_policy
from araneus.executors.local import LocalExecutor
from araneus.model.job import Reason
from araneus.model.values import Value
from araneus.scheduler.direct import OnEvent, ProcessFailedError, Progress, locate, run_process
from araneus.scheduler.jobfile import JobFile, read_job, with_formats
from araneus.scheduler.kept_logs import keep_logs
from araneus.scheduler.messages import job_failed
from araneus.scheduler.plain_text import plain
from araneus.scheduler.removal import Bin

EXIT_SUCCESS = 0
EXIT_FAILURE = 1
EXIT_UNSUPPORTED = 33
EXIT_INTERRUPTED = 130
_MAX_STEPS_SHOWN = 200
_MAX_PROBLEM = 4000
_MAX_WARNINGS = 20
_MANY = 64
"""Sandboxes after which it has paid to copy what they show of /etc."""
_RED, _PLAIN = "\x1b[1;31m", "\x1b[0m"


def run_cwl_command(
    document: str, job: str | None, *, outdir: Path, quiet: bool, containers: str = "auto", stdout: TextIO | None = None
) -> int:
    """Run ``document`` (``path`` or ``path#id``) with the job file ``job``; the exit code.

    0: the output object is on standard output, its files in ``outdir``; 33: the document asks for something that is
    not supported here; 1: anything else, said on standard error. ``containers`` is a choice of `Containers.detect`.
    """
    say: Callable[[str], None] = _silent if quiet else _say
    try:
        with _interruptible(), _scratch() as scratch, JavaScript() as javascript:
            process, inputs = load_document_and_job(document, job, javascript, say)
            executor = _executor(containers, say, scratch, images=names_an_image(process))
            try:
                outputs = run_process(
                    process, inputs, executor=executor, directory=scratch, outdir=outdir,
                    javascript=javascript, on_event=None if quiet else _reporter(say),
                )  # fmt: skip
            except ProcessFailedError as error:
                _say_failure(error)
                return EXIT_UNSUPPORTED if error.failure.outcome.reason is Reason.UNSUPPORTED else EXIT_FAILURE
            finally:
                executor.close()
    except KeyboardInterrupt:
        _say("interrupted")
        return EXIT_INTERRUPTED
    except UnsupportedError as error:
        _say_problems("unsupported", error)
        return EXIT_UNSUPPORTED
    except CWLError as error:
        _say_problems("error", error)
        return EXIT_FAILURE
    except UnavailableError as error:
        _say(str(error))
        return EXIT_FAILURE
    print_json(outputs, stdout or sys.stdout, indent=4)
    return EXIT_SUCCESS


def run_document(
    document: str,
    job: str | None,
    *,
    executor: Executor,
    directory: Path,
    outdir: Path,
    javascript: JavaScript,
    on_event: OnEvent | None = None,
) -> dict[str, Value]:
    """Load and run a document. Raises what `load_document_and_job` and `run_process` raise."""
    process, inputs = load_document_and_job(document, job, javascript)
    return run_process(
        process, inputs, executor=executor, directory=directory, outdir=outdir, javascript=javascript, on_event=on_event
    )


def load_document_and_job(
    document: str, job: str | None, javascript: JavaScript, say: Callable[[str], None] | None = None
) -> tuple[Process, dict[str, Value]]:
    """The process and its inputs, ready for `run_process`; ``say`` gets the warnings. Raises what `load_path` and
    `read_job` raise."""
    say = say or _silent
    document, given = _document_and_job(document, job)
    path, fragment = split_document(document)
    process = _with_requirements(load_path(path, fragment), given.requirements)
    spaces = {**process.extensions.get("$namespaces", {}), **given.namespaces}
    inputs = with_formats(given.inputs, spaces) if spaces else given.inputs
    for line in islice(_unknown(process, inputs), _MAX_WARNINGS):
        say(line)
    if isinstance(process, Workflow):
        # Tools look after their own files; those that a workflow asks for beside its inputs are found here, once.
        inputs = complete(process, inputs)
        inputs = ready_inputs(process, inputs, evaluator_for(process, javascript), locate)
    return process, dict(inputs)


def _unknown(process: Process, inputs: Mapping[str, Value]) -> Iterator[str]:
    """What is said about inputs of the job that the document does not have; they are ignored."""
    known = [port.id for port in process.inputs]
    for name in inputs:
        if name not in known:
            yield f"warning: {plain(name, 80)!r} in the job is no input of the document{meant(name, known)}"


def names_an_image(process: Process) -> bool:
    """Whether any tool of it may want a container: asking the engines whether they are there takes longer than a small
    tool."""
    if process.requirement("DockerRequirement") is not None:
        return True
    return isinstance(process, Workflow) and any(names_an_image(step.run) for step in process.steps)


def _document_and_job(document: str, job: str | None) -> tuple[str, JobFile]:
    """The document to run and its inputs. A job file that names its tool may stand in the document's place."""
    given = read_job(Path(job)) if job is not None else JobFile()
    if job is None and Path(document).is_file() and _names_a_tool(Path(document)):
        job = document
        given = read_job(Path(document))
    if given.tool is not None and job == document:
        return str(Path(document).parent / given.tool), given
    return document, given


def _names_a_tool(path: Path) -> bool:
    content = parse_text(path.read_bytes())
    return isinstance(content, dict) and "cwl:tool" in content and "class" not in content


def split_document(document: str) -> tuple[Path, str | None]:
    """Path and fragment. A file whose name holds ``#`` is taken by its whole name."""
    document = document.removeprefix("file://")
    if Path(document).exists():
        return Path(document), None
    path, mark, fragment = document.partition("#")
    if not Path(path).is_file():
        raise InputError(Problem(path, "there is no such document"))
    return Path(path), fragment if mark else None


def _with_requirements(process: Process, given: tuple[Mapping[str, Any], ...]) -> Process:
    """The process with the job file's requirements, which override those of the document at every level."""
    if not given:
        return process
    report = Report()
    scope = Scope(report, where="cwl:requirements", version=minor_version(process.cwl_version) or 0)
    declared, _ = requirement_forms.read({"requirements": list(given)}, scope)
    report.settle()
    return _overridden(process, declared)


def _overridden(process: Process, requirements: Mapping[str, Mapping[str, Any]]) -> Process:
    changed = replace(process, requirements={**process.requirements, **requirements})
    if isinstance(changed, Workflow):
        steps = tuple(replace(step, run=_overridden(step.run, requirements)) for step in changed.steps)
        return replace(changed, steps=steps)
    return changed


def _executor(containers: str, say: Callable[[str], None], scratch: Path, *, images: bool) -> LocalExecutor:
    policy = default_policy()
    groups = Cgroups.detect(f"araneus-cwl-{os.getpid()}", policy.memory)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return LocalExecutor(
        cores=cores,
        memory=policy.memory,
        containers=Containers.detect(
            containers,
            images=images,
            rewrite=_image_table() if images else {},
            policy=policy,
            groups=groups,
            etc=scratch / ".etc",
            patience=_MANY,
        ),
        clock=lambda: datetime.now(UTC),
        say=say,
    )


def _image_table() -> Mapping[str, str]:
    from araneus.config import SettingsError, image_table  # noqa: PLC0415 (start fast)

    try:
        return image_table(os.environ)
    except SettingsError as error:
        raise UnavailableError(str(error)) from error


def _reporter(say: Callable[[str], None]) -> OnEvent:
    def report(progress: Progress) -> None:
        if progress.total > _MAX_STEPS_SHOWN and progress.outcome is None:
            return
        state = "started" if progress.outcome is None else progress.outcome.reason.value
        say(f"[{progress.completed}/{progress.total}] {progress.name}: {state}")

    return report


def print_json(value: Mapping[str, Any] | Sequence[Any], stdout: TextIO, *, indent: int) -> None:
    """Print a JSON text; with escapes where the terminal or file has no such characters."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=indent)
    print(text, file=stdout, flush=True)


@contextmanager
def _scratch() -> Iterator[Path]:
    """A directory for this run. It is removed whatever the tools leave in it: of any depth, closed, or with links."""
    scratch = Path(tempfile.mkdtemp(prefix="araneus-")).resolve()
    try:
        yield scratch
    finally:
        bin_ = Bin(scratch / ".removed")
        for entry in list(scratch.iterdir()):
            bin_.throw(entry)
        bin_.empty()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a request to terminate end the tools too, as Ctrl-C does."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_problems(word: str, error: CWLError) -> None:
    for problem in error.problems:
        _say(f"{word}: {plain(str(problem), _MAX_PROBLEM)}")


def _say_failure(error: ProcessFailedError) -> None:
    """What failed and where its logs are now: the job directories are about to be removed."""
    kept = keep_logs(error.directory) if error.directory is not None else None
    message = job_failed(error.failure, more=error.more, logs=f"{kept}/" if kept is not None else "")
    first, end, rest = message.partition("\n")
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    _say(f"{_RED}{first}{_PLAIN}{end}{rest}" if coloured else message)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _silent(_text: str) -> None:
    """Progress is not wanted."""
