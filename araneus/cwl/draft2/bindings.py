"""Bindings and secondary files of sbg:draft-2: of ports, record fields and list types.

Used by the readers of types, ports and tools. Source: cwl-avro.yml of draft 2, "CommandLineBinding" and
"CommandOutputBinding"; rabix/bunny, rabix-bindings-sb.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl.bindings import Binding, OutputBinding, Script, SecondaryFile, Text
from araneus.cwl.draft2 import texts
from araneus.cwl.scope import Scope
from araneus.model.values import Value

_INTEGER: Final = re.compile(r"\s*[-+]?[0-9]{1,9}(?:\.0*)?\s*")
_METADATA: Final = ("sbg:metadata", "metadata")
_INHERIT: Final = "sbg:inheritMetadataFrom"


def bound(node: Mapping[str, Any], scope: Scope, key: str = "inputBinding") -> Mapping[str, Any] | None:
    """The mapping of a binding; None when there is none, or what editors leave for none (false, an empty text)."""
    value = node.get(key)
    if not value and not isinstance(value, dict):
        return None
    if not isinstance(value, dict):
        scope.problem(f"must be a mapping, not {fields.kind_of(value)}", key)
        return None
    return value


def input_binding(node: Mapping[str, Any], scope: Scope) -> Binding | None:
    """The ``inputBinding`` of a port, field or type. A binding means: on the command line."""
    value = bound(node, scope)
    inner = scope.at("inputBinding")
    if value is None or not texts.flag(inner, value, "sbg:cmdInclude", True):
        return None
    return command_binding(value, inner)


def command_binding(value: Mapping[str, Any], scope: Scope) -> Binding:
    """A binding, of a port or of ``arguments``. An empty prefix is none."""
    value_from, prefix, separator = (
        texts.word(texts.field(scope, value, key)) for key in ("valueFrom", "prefix", "itemSeparator")
    )
    return Binding(
        position=_position(value, scope),
        prefix=prefix or None,
        separate=texts.flag(scope, value, "separate", True),
        item_separator=separator,
        value_from=value_from,
        shell_quote=False,
        prefix_each=True,
        of_null=value_from is not None,
    )


def _position(value: Mapping[str, Any], scope: Scope) -> int | Text:
    position = value.get("position")
    if position is None or position == "":
        return 0
    if texts.is_script(position):
        return texts.read(position, scope.at("position")) or 0
    if isinstance(position, int | float) and not isinstance(position, bool) and position == int(position):
        return int(position)
    if isinstance(position, str) and _INTEGER.fullmatch(position):
        return int(float(position))
    scope.problem(f"must be an integer or an expression, not {fields.kind_of(position)}", "position")
    return 0


def has_position(node: Mapping[str, Any]) -> bool:
    """Whether a port or field has a binding that states its position."""
    value = node.get("inputBinding")
    return isinstance(value, dict) and value.get("position") is not None


def secondary_files(node: Mapping[str, Any], scope: Scope) -> tuple[SecondaryFile, ...]:
    """The ``secondaryFiles`` of a binding or port: suffixes and expressions, none of which must be there.

    A suffix without a leading dot gets it (``bai`` is ``.bai``); each ``^`` in front takes an extension away.
    """
    found: list[SecondaryFile] = []
    for pattern in texts.several(scope, node, "secondaryFiles"):
        if not isinstance(pattern, str):
            found.append(SecondaryFile(pattern=pattern, required=False))
        elif suffix := pattern.strip().lstrip("^"):
            carets = "^" * (len(pattern.strip()) - len(suffix))
            found.append(SecondaryFile(pattern=f"{carets}.{suffix.removeprefix('.')}", required=False))
    return tuple(found)


def output_bound(node: Mapping[str, Any], scope: Scope) -> tuple[Mapping[str, Any], Scope] | None:
    """The mapping of an ``outputBinding``, and its place: at the port or field, else at its type."""
    waiting: list[tuple[Any, Scope]] = [(node, scope)]
    while waiting:
        each, place = waiting.pop(0)
        if isinstance(each, list):
            waiting += [(item, place.at(index)) for index, item in enumerate(each)]
        elif isinstance(each, dict):
            found = bound(each, place, "outputBinding")
            if found is not None:
                return found, place.at("outputBinding")
            waiting += [(each[key], place.at(key)) for key in ("type", "items") if key in each]
    return None


def output_binding(node: Mapping[str, Any], scope: Scope) -> OutputBinding | None:
    """The ``outputBinding`` of a tool's output or of a record field."""
    found = output_bound(node, scope)
    if found is None:
        return None
    value, inner = found
    inherited = value.get(_INHERIT)
    names = inherited if isinstance(inherited, list) else [inherited]
    return OutputBinding(
        glob=tuple(glob for glob in texts.several(inner, value, "glob") if glob != ""),
        load_contents=texts.flag(inner, value, "loadContents", False),
        output_eval=texts.field(inner, value, "outputEval"),
        metadata=_metadata(value, inner),
        inherit_metadata_from=tuple(texts.short(name) for name in names if isinstance(name, str) and name),
    )


def _metadata(value: Mapping[str, Any], scope: Scope) -> dict[str, Value] | Script:
    """Literals and expressions by key, or one expression; ``metadata`` is an old spelling of ``sbg:metadata``."""
    for name in _METADATA:
        given = value.get(name)
        if not given:
            continue
        if not isinstance(given, dict):
            scope.problem(f"must be a mapping, not {fields.kind_of(given)}", name)
            return {}
        place = scope.at(name)
        found = _with_scripts(given, place)
        return found if isinstance(found, dict | Script) else {}
    return {}


def _with_scripts(value: Any, scope: Scope) -> Any:
    """The value with its expressions read, at any depth."""
    if texts.is_script(value):
        return texts.read(value, scope)
    if isinstance(value, dict):
        return {key: _with_scripts(item, scope.at(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_scripts(item, scope.at(index)) for index, item in enumerate(value)]
    return value
