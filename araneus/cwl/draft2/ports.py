"""The ports of tools and workflows in sbg:draft-2.

Used by `araneus.cwl.draft2.processes`. Source: cwl-avro.yml of draft 2, "Parameter"; rabix/bunny, rabix-bindings-sb.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from araneus.cwl import fields
from araneus.cwl.bindings import Binding, SecondaryFile
from araneus.cwl.defaults import settled
from araneus.cwl.draft2 import bindings, texts
from araneus.cwl.draft2.types import Names, build_type
from araneus.cwl.process import MISSING, InputPort, LinkMerge, OutputPort
from araneus.cwl.references import place_files
from araneus.cwl.scope import Scope
from araneus.cwl.types import ANY, NULL, ArrayType, EnumType, RecordType, Type, UnionType, matches, options, union


def input_ports(node: Mapping[str, Any], scope: Scope, names: Names, *, bound: bool) -> tuple[InputPort, ...]:
    """The inputs of a process. Only tools are ``bound``: what an editor wrote at those of a workflow is nothing."""
    found: list[InputPort] = []
    for name, entry, inner in _entries(node, scope, "inputs"):
        kind = _type(entry, inner, names)
        kind, default = settled(kind, _default(entry, kind, inner), inner)
        value = bindings.bound(entry, inner) or {}
        place = inner.at("inputBinding")
        binding = bindings.input_binding(entry, inner) if bound else None
        if bound:
            binding = _record_binding(entry, kind, binding)
        found.append(
            InputPort(
                id=name,
                type=kind if binding is not None and binding.item_separator is None else _unbound(kind),
                default=default,
                secondary_files=_secondary(entry, inner, value, place),
                load_contents=bound and texts.flag(place, value, "loadContents", False),
                binding=binding,
                label=fields.title(inner, entry, "label"),
                loose=True,
                extensions=fields.foreign_fields(entry),
            )
        )
    fields.unique_ids(scope, [port.id for port in found], "inputs")
    return tuple(found)


def output_ports(node: Mapping[str, Any], scope: Scope, names: Names, *, workflow: bool) -> tuple[OutputPort, ...]:
    """The outputs of a process. Sources stay as written; the workflow stage makes them short."""
    found: list[OutputPort] = []
    for name, entry, inner in _entries(node, scope, "outputs"):
        value, place = bindings.output_bound(entry, inner) or ({}, inner)
        found.append(
            OutputPort(
                id=name,
                type=_type(entry, inner, names),
                secondary_files=_secondary(entry, inner, value, place),
                binding=None if workflow else bindings.output_binding(entry, inner),
                source=fields.texts(inner, entry, "source") if workflow else (),
                source_is_list=isinstance(entry.get("source"), list),
                link_merge=fields.choice(inner, entry, "linkMerge", LinkMerge) if workflow else None,
                label=fields.title(inner, entry, "label"),
                loose=workflow,
                extensions=fields.foreign_fields(entry),
            )
        )
    fields.unique_ids(scope, [port.id for port in found], "outputs")
    return tuple(found)


def _entries(node: Mapping[str, Any], scope: Scope, section: str) -> Iterator[tuple[str, Mapping[str, Any], Scope]]:
    for given, entry, inner in fields.entries(scope, node, section, "id", "type"):
        name = texts.short(given)
        if not name:
            inner.problem(f"the id {given[:80]!r} has no name")
        yield name, entry, inner


def _type(entry: Mapping[str, Any], scope: Scope, names: Names) -> Type:
    """The type; a port without one takes anything. ``required`` is an editor's, and says nothing."""
    if not entry.get("type"):
        scope.doubt("is missing, so the port takes anything", "type")
        return union([NULL, ANY])
    return build_type(entry["type"], scope.at("type"), names)


def _default(entry: Mapping[str, Any], kind: Type, scope: Scope) -> Any:
    """The default. An empty text where none fits is what an editor leaves, and nothing."""
    given = entry.get("default")
    if given is None or (given == "" and matches(kind, "")):
        return MISSING
    return place_files(given, scope.base)


def _secondary(
    entry: Mapping[str, Any], scope: Scope, value: Mapping[str, Any], place: Scope
) -> tuple[SecondaryFile, ...]:
    """What the binding says, and what stands at the port itself."""
    found = (*bindings.secondary_files(value, place), *bindings.secondary_files(entry, scope))
    return tuple(dict.fromkeys(found))


def _record_binding(entry: Mapping[str, Any], kind: Type, own: Binding | None) -> Binding | None:
    """The binding of a port. A record that does not say where it stands does so where its first bound field does."""
    placed = [field.binding for record in _records(kind) for field in record.fields if field.binding is not None]
    excluded = own is None and entry.get("inputBinding") is not None
    if not placed or excluded or bindings.has_position(entry):
        return own
    return replace(own or Binding(shell_quote=False, prefix_each=True), position=placed[0].position)


def _records(kind: Type) -> Iterator[RecordType]:
    for option in options(kind):
        if isinstance(option, RecordType):
            yield option
        elif isinstance(option, ArrayType):
            yield from _records(option.items)


def _unbound(kind: Type) -> Type:
    """The type without the bindings in it: a port without a binding is not on the command line."""
    if isinstance(kind, ArrayType):
        return ArrayType(items=_unbound(kind.items), name=kind.name)
    if isinstance(kind, UnionType):
        return union([_unbound(option) for option in kind.options])
    if isinstance(kind, EnumType):
        return replace(kind, binding=None)
    if isinstance(kind, RecordType):
        fields_ = tuple(replace(each, type=_unbound(each.type), binding=None) for each in kind.fields)
        return replace(kind, fields=fields_, binding=None)
    return kind
