"""Bindings, secondary files and formats of ports and record fields.

Used by the ports and types stages of `araneus.cwl.load`. Source: CWL v1.2, "CommandLineBinding",
"CommandOutputBinding", "SecondaryFileSchema", "File format".
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl.process import Binding, Listing, OutputBinding, SecondaryFile
from araneus.cwl.scope import Scope, short
from araneus.model.values import Value

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,9}")
_BINDING: Final = frozenset(
    {"loadContents", "position", "prefix", "separate", "itemSeparator", "valueFrom", "shellQuote", "loadListing", "doc"}
)
_OUTPUT_BINDING: Final = frozenset({"glob", "loadContents", "loadListing", "outputEval"})
_PATTERN: Final = frozenset({"pattern", "required"})


def is_expression(value: Any) -> bool:
    """Whether a text holds an expression or a parameter reference."""
    return isinstance(value, str) and ("$(" in value or "${" in value)


def binding(node: Mapping[str, Any], scope: Scope) -> Binding | None:
    """The ``inputBinding`` of a port, field or type; None when there is none."""
    value = node.get("inputBinding")
    if value is None:
        return None
    inner = scope.at("inputBinding", value)
    if not isinstance(value, dict):
        inner.problem(f"must be a mapping, not {fields.kind_of(value)}")
        return None
    return command_binding(value, inner)


def command_binding(value: Mapping[str, Any], scope: Scope) -> Binding:
    """A CommandLineBinding, of a port or of ``arguments``."""
    fields.known_fields(scope, value, _BINDING)
    return Binding(
        position=_position(value, scope),
        prefix=fields.text(scope, value, "prefix"),
        separate=fields.flag(scope, value, "separate", True),
        item_separator=fields.text(scope, value, "itemSeparator"),
        value_from=fields.text(scope, value, "valueFrom"),
        shell_quote=fields.flag(scope, value, "shellQuote", True),
    )


def _position(value: Mapping[str, Any], scope: Scope) -> int | str:
    position = value.get("position")
    if position is None:
        return 0
    if isinstance(position, int) and not isinstance(position, bool):
        return position
    if is_expression(position):
        return str(position)
    if isinstance(position, float) and position.is_integer():
        return int(position)
    if isinstance(position, str) and _INTEGER.fullmatch(position):
        scope.doubt(f"{position!r} is text, and taken for a number: leave the quotes out", "position")
        return int(position)
    scope.problem(f"must be an integer or an expression, not {fields.kind_of(position)}", "position")
    return 0


def output_binding(node: Mapping[str, Any], scope: Scope) -> OutputBinding | None:
    """The ``outputBinding`` of a tool's output or of a record field; None when there is none."""
    value = node.get("outputBinding")
    if value is None:
        return None
    inner = scope.at("outputBinding", value)
    if not isinstance(value, dict):
        inner.problem(f"must be a mapping, not {fields.kind_of(value)}")
        return None
    fields.known_fields(inner, value, _OUTPUT_BINDING)
    return OutputBinding(
        glob=fields.texts(inner, value, "glob"),
        load_contents=fields.flag(inner, value, "loadContents", False),
        load_listing=fields.choice(inner, value, "loadListing", Listing),
        output_eval=fields.text(inner, value, "outputEval"),
        metadata=_metadata(value),
        inherit_metadata_from=inherited(value.get("sbg:inheritMetadataFrom")),
    )


def _metadata(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """``sbg:metadata``, which the platform reads here too. Anything but a mapping is nothing: it breaks no document."""
    given = value.get("sbg:metadata")
    return given if isinstance(given, dict) else {}


def inherited(given: Any) -> tuple[str, ...]:
    """The ids of the inputs that ``sbg:inheritMetadataFrom`` names: one, or a list. Anything else names nothing."""
    names = given if isinstance(given, list) else [given]
    return tuple(short(name) for name in names if isinstance(name, str) and short(name))


def load_contents(node: Mapping[str, Any], scope: Scope) -> bool:
    """``loadContents`` of an input port, also where CWL v1.0 had it: in the binding."""
    bound = node.get("inputBinding")
    older = isinstance(bound, dict) and fields.flag(scope.at("inputBinding", bound), bound, "loadContents", False)
    return fields.flag(scope, node, "loadContents", False) or older


def load_listing(node: Mapping[str, Any], scope: Scope) -> Listing | None:
    """``loadListing`` of an input port, also where documents for older runners have it: in the binding."""
    bound = node.get("inputBinding")
    own = fields.choice(scope, node, "loadListing", Listing)
    if own is None and isinstance(bound, dict):
        return fields.choice(scope.at("inputBinding", bound), bound, "loadListing", Listing)
    return own


def secondary_files(node: Mapping[str, Any], scope: Scope) -> tuple[SecondaryFile, ...]:
    """The ``secondaryFiles`` of a port or field: a pattern, a mapping, an expression, or a list of them.

    A pattern that ends in ``?`` is optional, in every version: that is how people write it.
    """
    value = node.get("secondaryFiles")
    if value is None:
        return ()
    inner = scope.at("secondaryFiles", value)
    found: list[SecondaryFile] = []
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        one = _secondary_file(item, inner.at(index, item) if isinstance(value, list) else inner)
        if one is not None:
            found.append(one)
    return tuple(found)


def _secondary_file(item: Any, scope: Scope) -> SecondaryFile | None:
    if isinstance(item, str):
        if item.endswith("?") and not is_expression(item):
            return SecondaryFile(pattern=item[:-1], required=False)
        return SecondaryFile(pattern=item)
    if isinstance(item, dict):
        if scope.version == 0:
            scope.problem("a mapping with 'pattern' needs CWL v1.1; in v1.0 write the pattern alone")
        fields.known_fields(scope, item, _PATTERN)
        pattern = fields.text(scope, item, "pattern")
        if not pattern:
            scope.problem("is required", "pattern")
            return None
        required = item.get("required")
        if required is not None and not isinstance(required, bool) and not is_expression(required):
            scope.problem(f"must be true, false or an expression, not {fields.kind_of(required)}", "required")
            required = None
        if required is None and pattern.endswith("?") and not is_expression(pattern):
            return SecondaryFile(pattern=pattern[:-1], required=False)
        return SecondaryFile(pattern=pattern, required=required)
    if item is not None:
        scope.problem(f"must be a pattern, a mapping or an expression, not {fields.kind_of(item)}")
    return None


def formats(node: Mapping[str, Any], scope: Scope) -> Value:
    """The ``format`` with prefixes written out: a URI, an expression, or a list of them; None when there is none."""
    value = node.get("format")
    if isinstance(value, list):
        return [_format(each, scope) for each in fields.texts(scope, node, "format")]
    given = fields.text(scope, node, "format")
    return None if given is None else _format(given, scope)


def _format(given: str, scope: Scope) -> str:
    return given if is_expression(given) else scope.expand(given)
