"""From a tool and its inputs to what must be run: the last stage of the language before an executor.

The scheduler turns an `Invocation` into a submission. Nothing is written here; files are only looked at (sizes,
contents, listings) through the caller's `Locate`. Source: CWL v1.2 CommandLineTool.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from araneus.cwl import inplace
from araneus.cwl.binding import Scope, command_line
from araneus.cwl.draft2.command import JOB_FILE, job_text, redirected
from araneus.cwl.errors import InputError, Problem
from araneus.cwl.expression_tool import run_expression
from araneus.cwl.expressions import Evaluator, value_text
from araneus.cwl.files import Locate, local_path
from araneus.cwl.process import DRAFT_2, CommandLineTool, Script, Text
from araneus.cwl.ready import ready_inputs, seen_inputs
from araneus.cwl.resources import network, resources, runtime_for, time_limit
from araneus.cwl.staging import FileLiteral, FileMount, Stage
from araneus.cwl.workdir import fill_work_directory
from araneus.model.file import Location
from araneus.model.job import Resources
from araneus.model.values import FileValue, Value

__all__ = ["FileLiteral", "FileMount", "Invocation", "Layout", "prepare", "resources", "run_expression"]


_OF_THE_SYSTEM: Final = frozenset({"proc", "dev", "sys"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The three directories of a job, absolute, as the tool sees them."""

    work: str
    temporary: str
    inputs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """Everything that must be put in place and run, in the tool's own view of paths.

    ``stdin`` is a path, ``stdout`` and ``stderr`` are names relative to ``work``; so is ``written``, to which a command
    of sbg:draft-2 sends its standard output itself. ``container`` holds the fields of DockerRequirement. ``inputs`` are
    those that expressions saw, with paths. ``origins`` maps each staged path to the file value that was staged there,
    and ``locate`` finds the bytes of what was staged. What is staged at the paths ``in_place`` is changed there for all
    that comes after the job.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    written: str | None = None
    mounts: tuple[FileMount, ...] = ()
    literals: tuple[FileLiteral, ...] = ()
    container: Mapping[str, Value] | None = None
    container_required: bool = False
    network: bool = False
    time_limit: float | None = None
    work: str
    inputs: Mapping[str, Value] = field(default_factory=dict)
    runtime: Mapping[str, Value] = field(default_factory=dict)
    origins: Mapping[str, FileValue] = field(default_factory=dict)
    in_place: frozenset[str] = frozenset()
    locate: Locate = field(default=local_path, compare=False, repr=False)

    def source_of(self, path: str) -> Location | None:
        """The location of what was staged at a path, or None."""
        value = self.origins.get(path)
        return value.get("location") if value is not None else None


def prepare(
    tool: CommandLineTool,
    inputs: Mapping[str, Value],
    layout: Layout,
    resources: Resources,
    evaluator: Evaluator,
    *,
    locate: Locate = local_path,
    discover: bool = True,
) -> Invocation:
    """The invocation of a tool. ``inputs`` are complete (see `cwl.inputs`), and their files have locations.

    ``discover``: see `cwl.ready.ready_inputs`. The same arguments give the same invocation, so that a restarted
    scheduler can build it anew. Raises `InputError` and `ExpressionError`.
    """
    container = tool.requirement("DockerRequirement")
    work = _work_directory(tool, layout)
    runtime = runtime_for(resources, work=work, temporary=layout.temporary)
    ready = ready_inputs(tool, inputs, evaluator, locate, discover=discover)
    dialect = tool.cwl_version == DRAFT_2
    stage = Stage(layout.inputs, plain_names=dialect)
    placed = {port: stage.place_inputs(value, f"inputs/{port}") for port, value in ready.items()}
    seen = fill_work_directory(tool, stage, seen_inputs(tool, placed), runtime, evaluator)
    scope = Scope(inputs=seen, runtime=runtime, evaluator=evaluator)
    command, stdin, stdout = command_line(tool, scope), _stdin(tool, scope), _stream(tool.stdout, scope, "stdout")
    written = stdout if dialect else None
    if dialect:
        command, stdin, stdout = redirected(command, stdin, stdout), None, None
        stage.offer(f"{work}/{JOB_FILE}", job_text(seen, runtime))
    return Invocation(
        command=command,
        environment=_environment(tool, scope, layout, work),
        stdin=stdin,
        stdout=stdout,
        stderr=_stream(tool.stderr, scope, "stderr"),
        written=written,
        mounts=stage.mounts(),
        literals=stage.literals(),
        container=container,
        container_required="DockerRequirement" in tool.requirements,
        network=network(tool, seen, runtime, evaluator),
        time_limit=time_limit(tool, seen, runtime, evaluator),
        work=work,
        inputs=seen,
        runtime=runtime,
        origins=stage.origins,
        in_place=frozenset(stage.writable if inplace.wants(tool, seen, runtime, evaluator) else ()),
        locate=locate,
    )


def _work_directory(tool: CommandLineTool, layout: Layout) -> str:
    """Where the tool starts: dockerOutputDirectory when a container is certain, else the layout's own."""
    wanted = (tool.requirements.get("DockerRequirement") or {}).get("dockerOutputDirectory")
    if wanted is None:
        return layout.work
    where = "DockerRequirement/dockerOutputDirectory"
    if not isinstance(wanted, str) or not wanted.startswith("/") or ".." in wanted.split("/") or "\0" in wanted:
        raise InputError(Problem(where, f"must be an absolute path, not {str(wanted)[:80]!r}"))
    parts = [part for part in wanted.split("/") if part not in {"", "."}]
    if not parts:
        raise InputError(Problem(where, "cannot be the root directory"))
    if parts[0] in _OF_THE_SYSTEM:
        raise InputError(Problem(where, f"cannot be in /{parts[0]}, which belongs to the system"))
    return "/" + "/".join(parts)


def _environment(tool: CommandLineTool, scope: Scope, layout: Layout, work: str) -> dict[str, str]:
    """HOME, TMPDIR and what EnvVarRequirement defines. PATH is the executor's, unless the tool sets it."""
    environment = {"HOME": work, "TMPDIR": layout.temporary}
    requirement = tool.requirement("EnvVarRequirement")
    definitions = requirement.get("envDef") if requirement is not None else None
    if isinstance(definitions, Mapping):
        pairs = list(definitions.items())
    else:
        pairs = [(item["envName"], item["envValue"]) for item in definitions or ()]
    for name, text in pairs:
        where = f"EnvVarRequirement/{name}"
        if not name or "=" in name or "\0" in name:
            raise InputError(Problem(where, f"{name[:80]!r} cannot be the name of a variable"))
        value = scope.evaluate(text, where)
        plain = value_text(value)
        if value is None or "\0" in plain:
            raise InputError(Problem(where, f"the value {'is null' if value is None else 'holds a NUL character'}"))
        environment[name] = plain
    return environment


def _stdin(tool: CommandLineTool, scope: Scope) -> str | None:
    if tool.stdin is None:
        return None
    value = scope.evaluate(tool.stdin, "stdin")
    if isinstance(value, dict):
        value = value.get("path")
    if value is None or (value == "" and isinstance(tool.stdin, Script)):
        return None
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(Problem("stdin", f"must be a path, not {value_text(value)[:80]!r}"))
    return value if value.startswith("/") else f"{scope.runtime['outdir']}/{value}"


def _stream(text: Text | None, scope: Scope, where: str) -> str | None:
    """The name of a file below the working directory that a stream is written to."""
    if text is None:
        return None
    name = scope.evaluate(text, where)
    if isinstance(text, Script) and name in (None, ""):
        return None
    if not isinstance(name, str):
        raise InputError(Problem(where, f"must be a file name, not {value_text(name)[:80]}"))
    parts = name.split("/")
    if name.startswith("/") or "\0" in name or any(part in {"", ".", ".."} for part in parts):
        raise InputError(Problem(where, f"{name[:80]!r} must be a name inside the working directory"))
    return name
