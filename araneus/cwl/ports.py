"""The ports of processes: inputs and outputs of tools and workflows.

Used by the processes stage of `araneus.cwl.load`.
Source: CWL v1.2, "CommandInputParameter", "CommandOutputParameter", "WorkflowInputParameter",
"WorkflowOutputParameter", "ExpressionToolOutputParameter".
"""

from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl import read_bindings as bindings
from araneus.cwl.defaults import settled
from araneus.cwl.process import MISSING, InputPort, LinkMerge, OutputPort, PickValue
from araneus.cwl.references import place_files
from araneus.cwl.scope import Scope, short
from araneus.cwl.typedsl import TypeNames, build_type, with_whole_type
from araneus.cwl.types import ANY, FILE, Type

_IN_STREAMS: Final = frozenset({"stdin"})
_OUT_STREAMS: Final = frozenset({"stdout", "stderr"})
STREAMS: Final = _IN_STREAMS | _OUT_STREAMS
_PORT: Final = frozenset({"id", "type", "label", "doc", "secondaryFiles", "streamable", "format"})
_INPUT: Final = _PORT | {"default", "inputBinding"}
_INPUT_SINCE_1: Final = frozenset({"loadContents", "loadListing"})
_OUTPUT: Final = _PORT | {"outputBinding"}
_WORKFLOW_OUTPUT: Final = _OUTPUT | {"outputSource", "linkMerge"}


def input_ports(node: Mapping[str, Any], scope: Scope, names: TypeNames) -> tuple[InputPort, ...]:
    """The inputs of a process in document order. ``type: stdin`` is a File here; the tool stage does the rest."""
    # what v1.1 added is only refused in v1.0 where it would change the meaning; documents in use have these
    allowed = _INPUT | _INPUT_SINCE_1
    streams = _IN_STREAMS if node.get("class") == "CommandLineTool" else None
    found: list[InputPort] = []
    for name, given, inner in fields.entries(scope, node, "inputs", "id", "type", required=True):
        entry = with_whole_type(given, inner)
        fields.known_fields(inner, entry, allowed)
        fields.prose(inner, entry, "doc")
        given_default = place_files(entry["default"], inner.base) if "default" in entry else MISSING
        kind, default = settled(_type(entry, inner, names, streams), given_default, inner)
        found.append(
            InputPort(
                id=_id(name, inner),
                type=kind,
                default=default,
                secondary_files=bindings.secondary_files(entry, inner),
                format=bindings.formats(entry, inner),
                load_contents=bindings.load_contents(entry, inner),
                load_listing=bindings.load_listing(entry, inner),
                binding=bindings.binding(entry, inner),
                label=fields.title(inner, entry, "label"),
                extensions=fields.foreign_fields(entry),
            )
        )
    fields.unique_ids(scope, [port.id for port in found], "inputs")
    return tuple(found)


def output_ports(node: Mapping[str, Any], scope: Scope, names: TypeNames, *, workflow: bool) -> tuple[OutputPort, ...]:
    """The outputs of a process in document order. Sources stay as written; the workflow stage makes them short."""
    allowed = _OUTPUT if not workflow else _WORKFLOW_OUTPUT | ({"pickValue"} if scope.version >= 2 else set())
    streams = _OUT_STREAMS if node.get("class") == "CommandLineTool" else None
    found: list[OutputPort] = []
    for name, given, inner in fields.entries(scope, node, "outputs", "id", "type", required=True):
        entry = with_whole_type(given, inner)
        fields.known_fields(inner, entry, allowed)
        fields.prose(inner, entry, "doc")
        found.append(
            OutputPort(
                id=_id(name, inner),
                type=_type(entry, inner, names, streams),
                secondary_files=bindings.secondary_files(entry, inner),
                format=bindings.formats(entry, inner),
                binding=bindings.output_binding(entry, inner),
                source=fields.texts(inner, entry, "outputSource"),
                source_is_list=isinstance(entry.get("outputSource"), list),
                link_merge=fields.choice(inner, entry, "linkMerge", LinkMerge),
                pick_value=fields.choice(inner, entry, "pickValue", PickValue),
                label=fields.title(inner, entry, "label"),
                extensions=fields.foreign_fields(entry),
            )
        )
    fields.unique_ids(scope, [port.id for port in found], "outputs")
    return tuple(found)


def stream_ports(node: Mapping[str, Any], section: str, stream: str) -> list[str]:
    """The ids of the ports whose type is the shortcut ``stdin``, ``stdout`` or ``stderr``."""
    value = node.get(section)
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = [(entry.get("id"), entry) for entry in value if isinstance(entry, dict)]
    else:
        return []
    return [
        short(name)
        for name, entry in pairs
        if isinstance(name, str) and (entry.get("type") if isinstance(entry, dict) else entry) == stream
    ]


def _id(name: str, scope: Scope) -> str:
    port = short(name)
    if not port:
        scope.problem(f"the id {name[:80]!r} has no last part")
    return port


def _type(entry: Mapping[str, Any], scope: Scope, names: TypeNames, streams: frozenset[str] | None) -> Type:
    """``streams`` are the shortcuts that may stand here; None where there are none, but files can only be meant."""
    given = entry.get("type")
    if given is None:
        scope.problem("is required", "type")
        return ANY
    if isinstance(given, str) and given in STREAMS:
        if streams is None:
            scope.doubt(f"{given!r} is a type of tools alone, and taken for File", "type")
        elif given not in streams:
            side = "an input" if given in _IN_STREAMS else "an output"
            scope.problem(f"{given!r} is the type of {side}", "type")
        return FILE
    return build_type(given, scope.at("type", given), names)
