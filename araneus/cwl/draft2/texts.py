"""Texts and expression objects of sbg:draft-2 documents. Every reader gives a usable value, and notes what is wrong.

Used by the other readers of this package. Source: cwl-avro.yml of draft 2, "Expression".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from araneus.cwl import fields
from araneus.cwl.bindings import Script, Text
from araneus.cwl.draft2.evaluation import MAIN_ENGINE
from araneus.cwl.scope import Scope

_SCRIPT: Final = ("engine", "script")


def is_script(value: Any) -> bool:
    """Whether a value is an expression object; some leave the class out."""
    if not isinstance(value, dict):
        return False
    return value.get("class") == "Expression" or all(key in value for key in _SCRIPT)


def short(name: str) -> str:
    """An id without what is in front of its ``#``."""
    return name.rpartition("#")[2]


def read(value: Any, scope: Scope) -> Text | None:
    """A text, or an expression; numbers and booleans are taken as text. None for null and for what is neither."""
    if value is None or isinstance(value, str):
        return value
    if is_script(value):
        return _script(value, scope)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    scope.problem(f"must be text or an expression, not {fields.kind_of(value)}")
    return None


def word(found: Text | None) -> Text | None:
    """What was read, as a part of the command line."""
    return replace(found, shell_text=True) if isinstance(found, Script) else found


def field(scope: Scope, node: Mapping[str, Any], key: str) -> Text | None:
    """The text or expression of a field."""
    return read(node.get(key), scope.at(key))


def several(scope: Scope, node: Mapping[str, Any], key: str) -> tuple[Text, ...]:
    """The texts and expressions of a field that holds one or a list of them; nulls are nothing."""
    value = node.get(key)
    inner = scope.at(key)
    if not isinstance(value, list):
        found = [read(value, inner)]
    else:
        found = [read(item, inner.at(index)) for index, item in enumerate(value)]
    return tuple(each for each in found if each is not None)


def plain(scope: Scope, node: Mapping[str, Any], key: str) -> str | None:
    """A text that cannot be an expression: a number will do."""
    value = node.get(key)
    if is_script(value):
        scope.problem("cannot be an expression here", key)
        return None
    found = read(value, scope.at(key))
    return found if isinstance(found, str) else None


def flag(scope: Scope, node: Mapping[str, Any], key: str, default: bool) -> bool:
    """A boolean; text is taken for what it says, and the empty one for nothing."""
    return default if node.get(key) == "" else fields.flag(scope, node, key, default)


def _script(value: Mapping[str, Any], scope: Scope) -> Script | None:
    source = value.get("script")
    if source is None:
        source = ""
    if isinstance(source, bool | int | float):
        source = "true" if source is True else "false" if source is False else str(source)
    if not isinstance(source, str):
        scope.problem(f"must be text, not {fields.kind_of(source)}", "script")
        return None
    engine = value.get("engine")
    if engine is not None and not isinstance(engine, str):
        scope.problem(f"must be text, not {fields.kind_of(engine)}", "engine")
        return None
    return Script(source, engine or MAIN_ENGINE)
