"""Processes of sbg:draft-2 to the normal form: tools, expression tools and workflows.

Called by `araneus.cwl.processes`, which says what a document holds and builds what steps run. Unknown fields say
nothing: documents of the dialect carry what editors and sites left in them. Source: cwl-avro.yml of draft 2;
rabix/bunny, rabix-bindings-sb.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from araneus.cwl import fields
from araneus.cwl.bindings import DRAFT_2, Binding, Text
from araneus.cwl.draft2 import bindings, requirements, texts
from araneus.cwl.draft2.ports import input_ports, output_ports
from araneus.cwl.draft2.steps import StepReader
from araneus.cwl.links import check
from araneus.cwl.process import CommandLineTool, ExpressionTool, InputPort, Process, Step, Workflow
from araneus.cwl.requirements import Inherited
from araneus.cwl.scope import Scope

Run: TypeAlias = Callable[[Any, Scope, Inherited], Process | None]

KINDS: Final = ("CommandLineTool", "ExpressionTool", "Workflow")
_FIRST: Final = -(2**40)
"""A position before all that are given."""


def build(node: Mapping[str, Any], name: str, scope: Scope, inherited: Inherited, run: Run) -> Process:
    """A process whose class is one of `KINDS`; ``run`` builds what its steps run. Problems go to the report."""
    names = requirements.type_names(node, scope, inherited.names)
    inside = replace(inherited.with_own(*requirements.read(node, scope)), names=names)
    kind = node["class"]
    workflow = kind == "Workflow"
    common: dict[str, Any] = {
        "id": name,
        "cwl_version": DRAFT_2,
        "label": fields.title(scope, node, "label"),
        "inputs": input_ports(node, scope, names, bound=kind == "CommandLineTool"),
        "outputs": output_ports(node, scope, names, workflow=workflow),
        "requirements": inside.requirements,
        "hints": inside.hints,
        "extensions": fields.foreign_fields(node),
    }
    if kind == "CommandLineTool":
        return _tool(node, scope, common)
    if kind == "ExpressionTool":
        return _expression_tool(node, scope, common)
    return _workflow(node, scope, common, inside, run)


def short_id(node: Mapping[str, Any]) -> str:
    """The name of a process: that of the app, where ``sbg:id`` or ``id`` is ``user/project/app/revision`` or a URL that
    ends so; else the id; empty when there is none."""
    for key in ("sbg:id", "id"):
        value = node.get(key)
        if not isinstance(value, str) or not value:
            continue
        parts = [part for part in texts.short(value).split("/") if part and part != "raw"]
        if len(parts) >= 4 and parts[-1].isdigit():
            return parts[-2]
        if parts:
            return parts[-1]
    return ""


def _tool(node: Mapping[str, Any], scope: Scope, common: dict[str, Any]) -> CommandLineTool:
    """A tool whose words are joined by blanks for a shell, with nothing quoted."""
    words = [
        Binding(position=_FIRST, value_from=texts.word(word), shell_quote=False)
        for word in texts.several(scope, node, "baseCommand")
    ]
    common["requirements"] = {**common["requirements"], "ShellCommandRequirement": {}}
    return CommandLineTool(
        **common,
        arguments=(*words, *_arguments(node, scope)),
        stdin=_stream(node, scope, "stdin"),
        stdout=_stream(node, scope, "stdout"),
        success_codes=_codes(scope, node, "successCodes") or frozenset({0}),
        temporary_fail_codes=_codes(scope, node, "temporaryFailCodes"),
        permanent_fail_codes=_codes(scope, node, "permanentFailCodes"),
    )


def _stream(node: Mapping[str, Any], scope: Scope, key: str) -> Text | None:
    found = texts.field(scope, node, key)
    return None if found == "" else found


def _arguments(node: Mapping[str, Any], scope: Scope) -> list[Binding]:
    value = node.get("arguments")
    inner = scope.at("arguments")
    if value and not isinstance(value, list):
        inner.problem(f"must be a list, not {fields.kind_of(value)}")
        return []
    found: list[Binding] = []
    for index, item in enumerate(value or []):
        place = inner.at(index)
        if isinstance(item, dict) and not texts.is_script(item):
            found.append(bindings.command_binding(item, place))
        else:
            word = texts.word(texts.read(item, place))
            if word is not None:
                found.append(Binding(value_from=word, shell_quote=False))
    return found


def _codes(scope: Scope, node: Mapping[str, Any], key: str) -> frozenset[int]:
    """Exit codes; those that editors keep as text count, and empty ones do not."""
    value = node.get(key)
    if isinstance(value, list):
        given = [int(code) if isinstance(code, str) and code.strip().isdecimal() else code for code in value]
        node = {key: [code for code in given if code not in (None, "")]}
    return fields.codes(scope, node, key)


def _expression_tool(node: Mapping[str, Any], scope: Scope, common: dict[str, Any]) -> ExpressionTool:
    expression = texts.field(scope, node, "expression")
    if expression is None:
        scope.problem("is required", "expression")
    return ExpressionTool(**common, expression=expression or "")


def _workflow(node: Mapping[str, Any], scope: Scope, common: dict[str, Any], inside: Inherited, run: Run) -> Workflow:
    reader = StepReader(node, scope, [port.id for port in common["inputs"]], inside, run)
    steps, common["outputs"] = reader.read(common["outputs"])
    common["inputs"] = tuple(_with_inner_patterns(port, steps) for port in common["inputs"])
    workflow = Workflow(**common, steps=steps)
    check(workflow, scope)
    return workflow


def _with_inner_patterns(port: InputPort, steps: tuple[Step, ...]) -> InputPort:
    """The port with the secondary files that the tools behind it look for: in this dialect only bindings name them."""
    found = dict.fromkeys(port.secondary_files)
    for step in steps:
        fed = {each.id for each in step.inputs if port.id in each.source}
        for inner in step.run.inputs:
            if inner.id in fed:
                found |= dict.fromkeys(replace(each, required=False) for each in inner.secondary_files)
    return replace(port, secondary_files=tuple(found))
