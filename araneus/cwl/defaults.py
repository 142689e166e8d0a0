"""Defaults that miss the type of their port by their spelling alone, put right as the platform takes them.

Used by the ports and workflows stages of `araneus.cwl.load`. Apps in daily use have ``default: 1`` on an enum of
``"0"`` and ``"1"``, or ``default: 20000000000`` on an ``int``; what is meant is plain, so they run.
"""

import re
from typing import Any, Final

from araneus.cwl.fields import SWITCHES
from araneus.cwl.process import MISSING
from araneus.cwl.scope import Scope
from araneus.cwl.types import ArrayType, EnumType, Primitive, Type, UnionType, matches, options, union

_NUMBERS: Final = frozenset({"int", "long", "float", "double"})
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?")
_LONG: Final = Primitive("long")
_INT: Final = Primitive("int")


def settled(kind: Type, default: Any, scope: Scope) -> tuple[Type, Any]:
    """A port's type and default, made to fit where only one thing can be meant; else as they are.

    What does not fit, or was made to, is noted as a doubt: a port that gets a value never looks at its default.
    """
    if default is MISSING or default is None or _holds_expression(default):
        return kind, default
    problems = matches(kind, default)
    if not problems:
        return kind, default
    wide = _widened(kind)
    for type_, value in ((kind, respelled(kind, default)), (wide, default)):
        if not matches(type_, value):
            scope.doubt(f"the default does not fit and is taken as {str(value)[:80]!r}: {problems[0]}", "default")
            return type_, value
    scope.doubt(f"the default does not fit: {problems[0]}", "default")
    return kind, default


def respelled(kind: Type, value: Any) -> Any:
    """The value in the spelling that the type wants (``1`` as ``"1"`` for text, ``2.0`` as ``2`` for an int)."""
    if isinstance(value, list):
        items = [option.items for option in options(kind) if isinstance(option, ArrayType)]
        return [respelled(items[0], item) for item in value] if len(items) == 1 else value
    for option in options(kind):
        found = _as(option, value)
        if found is not None and not matches(option, found):
            return found
    return value


def _as(kind: Type, value: Any) -> Any:
    name = kind.name if isinstance(kind, Primitive) else None
    if isinstance(value, bool):
        return ("true" if value else "false") if isinstance(kind, EnumType) or name == "string" else None
    if isinstance(value, int | float):
        if isinstance(kind, EnumType) or name == "string":
            return str(value)
        return int(value) if name in {"int", "long"} and value == int(value) else None
    if isinstance(value, str) and name == "boolean":
        return SWITCHES.get(value.casefold())
    if isinstance(value, str) and name in _NUMBERS and _NUMBER.fullmatch(value):
        number = float(value)
        return int(value) if value.lstrip("+-").isdigit() else number
    return None


def _widened(kind: Type) -> Type:
    """The type with ``long`` for ``int``."""
    if isinstance(kind, ArrayType):
        return ArrayType(items=_widened(kind.items), name=kind.name, binding=kind.binding)
    if isinstance(kind, UnionType):
        return union([_widened(option) for option in kind.options])
    return _LONG if kind == _INT else kind


def _holds_expression(value: Any) -> bool:
    return isinstance(value, str) and ("$(" in value or "${" in value)
