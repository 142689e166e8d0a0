"""Processes of a document to the normal form: tools, expression tools and, with `araneus.cwl.workflows`, workflows.

The heart of `araneus.cwl.load`: a `Builder` turns a mapping and what it inherits into a `Process`. A process that is
run twice under the same inheritance is built once.
Source: CWL v1.2, "CommandLineTool", "ExpressionTool", "Workflow".
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from araneus.cwl import fields, requirements, workflows
from araneus.cwl import read_bindings as bindings
from araneus.cwl.draft2 import processes as draft2
from araneus.cwl.draft2.dialect import DRAFT_2, bears_marks, is_mislabelled
from araneus.cwl.draft2.requirements import crossed
from araneus.cwl.ports import STREAMS, input_ports, output_ports, stream_ports
from araneus.cwl.process import (
    Binding,
    CommandLineTool,
    ExpressionTool,
    InputPort,
    OutputBinding,
    OutputPort,
    Process,
    Workflow,
)
from araneus.cwl.references import join
from araneus.cwl.requirements import Inherited
from araneus.cwl.resolve import PROCESS_CLASSES, Document, Library
from araneus.cwl.scope import PlacedDict, Report, Scope, minor_version, short
from araneus.cwl.typedsl import TypeNames

MAX_NESTING: Final = 32
MAX_PROCESSES: Final = 2_000
MAX_STEPS: Final = 100_000

_COMMON: Final = frozenset({"id", "class", "cwlVersion", "label", "doc", "inputs", "outputs", "requirements", "hints"})
_FIELDS: Final = {
    "CommandLineTool": _COMMON
    | {"baseCommand", "arguments", "stdin", "stdout", "stderr"}
    | {"successCodes", "temporaryFailCodes", "permanentFailCodes"},
    "ExpressionTool": _COMMON | {"expression"},
    "Workflow": _COMMON | {"steps"},
    "Operation": _COMMON,
}
_ALL_FIELDS: Final = frozenset().union(*_FIELDS.values())
_CONVERT: Final = "not supported yet; convert the app to CWL v1.0, v1.1 or v1.2"
_OTHER_LANGUAGES: Final = {"nextflow": "Nextflow", "wdl": "WDL", "snakemake": "Snakemake"}


class Builder:
    """Builds the processes of one load; problems go to the report."""

    def __init__(self, library: Library, report: Report) -> None:
        self._library = library
        self._report = report
        self._built: dict[tuple[int, int, int, bool], tuple[Process | None, Any, Inherited]] = {}
        self._building: list[int] = []
        self._steps: dict[int, int] = {}

    def main(self, document: Document, fragment: str | None, name: str) -> Process | None:
        """The process that a fragment of a document names (or its main one), in normal form."""
        scope = Scope(self._report, base=document.uri)
        if foreign_language(document.root, scope):
            return None
        node = self._library.select(document, fragment, scope)
        if node is None:
            return None
        if all(each.get("cwlVersion") in (None, "") for each in (document.root, node)):
            if bears_marks(document.root):
                scope = scope.under(draft2=True)
            else:
                scope.problem("is required: v1.0, v1.1 or v1.2", "cwlVersion")
        process = self.build(node, document, self._entered(document, scope), Inherited())
        return process if process is None or process.id else replace(process, id=name)

    def run(self, value: Any, document: Document, scope: Scope, inherited: Inherited) -> Process | None:
        """What the ``run`` of a step names or holds."""
        if isinstance(value, dict):
            return self.build(value, document, scope, inherited)
        if not isinstance(value, str):
            scope.problem(f"must be a process or a reference to one, not {fields.kind_of(value)}")
            return None
        found = self._library.run(value, document, scope)
        if found is None:
            return None
        other, node = found
        entered = self._entered(other, scope)
        return self.build(node, other, entered, inherited if entered.draft2 == scope.draft2 else crossed(inherited))

    def build(self, node: Mapping[str, Any], document: Document, scope: Scope, inherited: Inherited) -> Process | None:
        """One process. None when it is too broken to go on; the reason is in the report then."""
        key = (id(node), id(inherited), scope.version, scope.draft2)
        if key in self._built:
            return self._built[key][0]
        if id(node) in self._building:
            scope.problem("a workflow must not run itself, directly or through others")
            return None
        if len(self._building) >= MAX_NESTING:
            scope.problem(f"workflows are nested more than {MAX_NESTING} levels deep")
            return None
        if len(self._built) >= MAX_PROCESSES:
            scope.problem(f"the document holds more than {MAX_PROCESSES} processes, written out")
            self._report.settle()
        self._building.append(id(node))
        inner = _recognised(node, _narrowed(node, scope))
        passed = inherited if inner.draft2 == scope.draft2 else crossed(inherited)
        process = self._process(node, document, inner, passed)
        self._building.pop()
        self._built[key] = (process, node, inherited)
        return process

    def _entered(self, document: Document, scope: Scope) -> Scope:
        """The scope at the top of a document: its base, namespaces and version."""
        entered = scope.under(base=document.uri)
        return _narrowed(document.root, entered) if isinstance(document.root, dict) else entered

    def _process(
        self, node: Mapping[str, Any], document: Document, scope: Scope, inherited: Inherited
    ) -> Process | None:
        if foreign_language(node, scope):
            return None
        kind = node.get("class")
        if isinstance(kind, str) and ":" in kind:
            scope.unsupported(f"the class {kind[:80]!r} is not one of CWL v1.0, v1.1 or v1.2")
            return None
        if not isinstance(kind, str) or kind not in PROCESS_CLASSES:
            given = "missing" if kind is None else f"{str(kind)[:80]!r}"
            near = fields.meant(kind, PROCESS_CLASSES) if isinstance(kind, str) else ""
            scope.problem(f"must be CommandLineTool, ExpressionTool or Workflow, but is {given}{near}", "class")
            return None
        if kind == "Operation":
            scope.unsupported("an Operation is a placeholder and cannot run; replace it with a tool or workflow")
            return None
        if scope.draft2:
            return self._counted(
                draft2.build(
                    node, draft2.short_id(node) or _process_id(node, document, scope), scope, inherited,
                    lambda value, place, step: self.run(value, document, place, step),
                ),
                scope,
            )  # fmt: skip
        extensions = _own_fields(node, kind, scope)
        names = requirements.type_names(node, scope, inherited.types) or TypeNames()
        inside = inherited.with_own(*requirements.read(node, scope), types=names)
        common = {
            "id": _process_id(node, document, scope),
            "cwl_version": f"v1.{scope.version}",
            "label": fields.title(scope, node, "label"),
            "inputs": input_ports(node, scope, names),
            "outputs": output_ports(node, scope, names, workflow=kind == "Workflow"),
            "requirements": inside.requirements,
            "hints": inside.hints,
            "extensions": extensions,
        }
        if kind == "CommandLineTool":
            return _tool(node, scope, common)
        if kind == "ExpressionTool":
            return _expression_tool(node, scope, common)
        return self._workflow(node, document, scope, inside, common)

    def _workflow(
        self,
        node: Mapping[str, Any],
        document: Document,
        scope: Scope,
        inside: Inherited,
        common: dict[str, Any],
    ) -> Workflow:
        def run(value: Any, place: Scope, step: Inherited) -> Process | None:
            return self.run(value, document, place, step)

        reader = workflows.StepReader(node, scope, [port.id for port in common["inputs"]], inside, run)
        steps, common["outputs"] = reader.read(common["outputs"])
        workflow = Workflow(**common, steps=steps)
        self._counted(workflow, scope)
        workflows.check(workflow, scope)
        return workflow

    def _counted(self, process: Process, scope: Scope) -> Process:
        """The process itself, its steps added up."""
        if isinstance(process, Workflow):
            self._steps[id(process)] = total = sum(1 + self._steps.get(id(step.run), 0) for step in process.steps)
            if total > MAX_STEPS:
                scope.problem(f"the workflow has more than {MAX_STEPS} steps, those of its sub-workflows written out")
        return process


def foreign_language(node: Any, scope: Scope) -> bool:
    """Whether the document is not CWL v1 at all; that is noted as unsupported."""
    if not isinstance(node, dict):
        return False
    version = node.get("cwlVersion")
    kind = node.get("class")
    for name in (kind, node.get("sbg:workflowLanguage")):
        language = _OTHER_LANGUAGES.get(name.casefold()) if isinstance(name, str) else None
        if language is not None and kind not in PROCESS_CLASSES:
            scope.unsupported(f"this is a {language} app; only CWL v1.0, v1.1 and v1.2 apps can run here")
            return True
    if version is None or version == "":
        return False
    if not isinstance(version, str):
        scope.problem(f"must be text, not {fields.kind_of(version)}: write v1.0, v1.1 or v1.2", "cwlVersion")
        return True
    if minor_version(version) is not None or version == DRAFT_2:
        return False
    if version.startswith(("sbg:", "draft", "cwl:draft")) or re.match(r"v1\.[3-9]", version):
        scope.unsupported(f"cwlVersion {version[:40]!r} is {_CONVERT}")
    else:
        scope.problem(f"must be v1.0, v1.1 or v1.2, not {version[:40]!r}", "cwlVersion")
    return True


def _narrowed(node: Mapping[str, Any], scope: Scope) -> Scope:
    """The scope inside a process: its own version and namespaces, where it declares them."""
    changes: dict[str, Any] = {}
    version = node.get("cwlVersion")
    minor = minor_version(version) if isinstance(version, str) else None
    if minor is not None and (minor != scope.version or scope.draft2):
        changes |= {"version": minor, "draft2": False}
    elif version == DRAFT_2 and not scope.draft2:
        changes["draft2"] = True
    spaces = node.get("$namespaces")
    if isinstance(spaces, dict) and spaces:
        own = {key: value for key, value in spaces.items() if isinstance(value, str)}
        changes["namespaces"] = {**scope.namespaces, **own}
    if isinstance(node, PlacedDict):
        changes["base"] = node.base
    return scope.under(**changes) if changes else scope


def _recognised(node: Mapping[str, Any], scope: Scope) -> Scope:
    """The scope of a process that says, or inherits, that it is of CWL v1: of sbg:draft-2 when it can only be that."""
    if scope.draft2 or not is_mislabelled(node):
        return scope
    scope.doubt(f"says v1.{scope.version}, but is written in sbg:draft-2, and taken for that", "cwlVersion")
    return scope.under(draft2=True)


def _own_fields(node: Mapping[str, Any], kind: str, scope: Scope) -> dict[str, Any]:
    """The foreign fields of a process. A plain one is foreign too, unless it looks like a misspelt or misplaced one:
    apps carry bookkeeping of the sites that made them."""
    extensions = fields.foreign_fields(node)
    allowed = _FIELDS[kind]
    unknown = [key for key in node if key not in _ALL_FIELDS and not fields.is_foreign(key)]
    if len(unknown) > fields.MAX_UNKNOWN:
        scope.problem(f"has more than {fields.MAX_UNKNOWN} unknown fields")
        return extensions
    for key, value in node.items():
        if key in allowed or fields.is_foreign(key) or (key == "intent" and scope.version >= 2):
            continue
        if key in _ALL_FIELDS:
            scope.problem(f"a {kind} has no field {key!r}")
        elif near := fields.likely(key, allowed):
            scope.problem(f"unknown field {key[:80]!r} in CWL v1.{scope.version}; did you mean {near!r}?")
        else:
            extensions[key] = value
    schemas = node.get("$schemas")
    if isinstance(schemas, list):
        named = [each for each in schemas if isinstance(each, str)]
        extensions["$schemas"] = [join(scope.base, each) for each in named] if scope.base is not None else named
    if scope.namespaces:
        extensions["$namespaces"] = scope.namespaces
    fields.prose(scope, node, "doc")
    return extensions


def _process_id(node: Mapping[str, Any], document: Document, scope: Scope) -> str:
    """The short id, else the name of the file, else the label. An id ``owner/project/app/revision`` gives the app."""
    name = fields.text(scope, node, "id") or ""
    if not name and node is document.root and document.uri is not None:
        name = document.uri
    if not name:
        return fields.title(scope, node, "label") or ""
    parts = name.split("/")
    if "#" not in name and len(parts) == 4 and parts[3].isdigit():
        return parts[2]
    if name.startswith("file:") and "#" not in name:
        return short(name).rpartition(".")[0] or short(name)
    return short(name)


def _expression_tool(node: Mapping[str, Any], scope: Scope, common: dict[str, Any]) -> ExpressionTool:
    expression = fields.text(scope, node, "expression")
    if node.get("expression") is None:
        scope.problem("is required", "expression")
    return ExpressionTool(**common, expression=expression or "")


def _tool(node: Mapping[str, Any], scope: Scope, common: dict[str, Any]) -> CommandLineTool:
    # Converters of the platform write an empty text for none.
    streams: dict[str, str | None] = {name: fields.text(scope, node, name) or None for name in sorted(STREAMS)}
    for stream in ("stdout", "stderr"):
        users = stream_ports(node, "outputs", stream)
        if users:
            name = streams[stream] or _stream_name(stream, common["inputs"], common["outputs"])
            streams[stream] = name
            common["outputs"] = _bound_to(common["outputs"], users, name)
    users = stream_ports(node, "inputs", "stdin")
    if users and (len(users) > 1 or streams["stdin"] is not None):
        scope.problem("the shortcut 'type: stdin' can be used once, and not beside the field 'stdin'", "inputs")
    elif users:
        quoted = users[0].replace("\\", "\\\\").replace("'", "\\'")
        streams["stdin"] = f"$(inputs['{quoted}'].path)"
    return CommandLineTool(
        **common,
        base_command=fields.texts(scope, node, "baseCommand"),
        arguments=_arguments(node, scope),
        stdin=streams["stdin"],
        stdout=streams["stdout"],
        stderr=streams["stderr"],
        success_codes=_success_codes(node, scope),
        temporary_fail_codes=fields.codes(scope, node, "temporaryFailCodes"),
        permanent_fail_codes=fields.codes(scope, node, "permanentFailCodes"),
    )


def _success_codes(node: Mapping[str, Any], scope: Scope) -> frozenset[int]:
    """Those that the tool names, and 0 unless it is named as a failure. The specification has no word on a 0 that is
    not named; the reference runner takes it for a success."""
    failures = fields.codes(scope, node, "temporaryFailCodes") | fields.codes(scope, node, "permanentFailCodes")
    return fields.codes(scope, node, "successCodes") | (frozenset({0}) - failures)


def _stream_name(stream: str, inputs: tuple[InputPort, ...], outputs: tuple[OutputPort, ...]) -> str:
    """A file name that no tool writes by chance, and that is the same each time the document is loaded."""
    names = "\n".join([stream, *(port.id for port in inputs), *(port.id for port in outputs)])
    return f"{hashlib.sha256(names.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.{stream}"


def _bound_to(outputs: tuple[OutputPort, ...], users: list[str], name: str) -> tuple[OutputPort, ...]:
    glob = name if bindings.is_expression(name) else re.sub(r"([*?\[])", r"[\1]", name)
    binding = OutputBinding(glob=(glob,))
    return tuple(replace(port, binding=binding) if port.id in users else port for port in outputs)


def _arguments(node: Mapping[str, Any], scope: Scope) -> tuple[str | Binding, ...]:
    value = node.get("arguments")
    if value is None:
        return ()
    inner = scope.at("arguments", value)
    if not isinstance(value, list):
        inner.problem(f"must be a list, not {fields.kind_of(value)}")
        return ()
    found: list[str | Binding] = []
    for index, item in enumerate(value):
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            found.append(bindings.command_binding(item, inner.at(index, item)))
        else:
            inner.problem(f"must be text or a mapping, not {fields.kind_of(item)}{fields.quotes(item)}", index)
    return tuple(found)
