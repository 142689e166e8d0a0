"""Building command lines: bindings are collected along the types of the inputs, sorted, and turned into arguments.

Pure: paths are already in the file values. Source: CWL v1.2 CommandLineTool, "Input binding" and "CommandLineBinding".
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from araneus.cwl.bindings import Text
from araneus.cwl.errors import ExpressionError, InputError, Problem
from araneus.cwl.expressions import Evaluator, number_text, value_text
from araneus.cwl.process import DRAFT_2, Binding, CommandLineTool, Script
from araneus.cwl.types import ArrayType, EnumType, RecordType, Type, matches, options
from araneus.model.values import Value, is_file_value

_Key: TypeAlias = tuple[tuple[int, int | str], ...]
_PLAIN = Binding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the expressions of one command line see."""

    inputs: Mapping[str, Value]
    runtime: Mapping[str, Value]
    evaluator: Evaluator

    def evaluate(self, text: Value, where: str, self_: Value = None) -> Value:
        """The value of a text of the tool."""
        if not isinstance(text, str | Script):
            return text
        return self.evaluator.evaluate(text, inputs=self.inputs, self_=self_, runtime=self.runtime, where=where)


@dataclass(frozen=True, slots=True)
class _Bound:
    key: _Key
    binding: Binding
    value: Value
    where: str
    items: bool = False
    """The items of a list follow with bindings of their own, so this one only gives the prefix."""


def command_line(tool: CommandLineTool, scope: Scope) -> tuple[str, ...]:
    """The words of the command; with ShellCommandRequirement ``/bin/sh -c`` and one line, quoted where asked for.

    Raises `InputError` when there is nothing to run (sbg:draft-2 runs nothing then) or a word cannot be passed on.
    """
    shell = tool.requirement("ShellCommandRequirement") is not None
    words = [shlex.quote(word) if shell else word for word in tool.base_command]
    for bound in sorted(_bound(tool, scope), key=lambda item: item.key):
        arguments = _arguments(bound, scope)
        quoted = shell and bound.binding.shell_quote
        words += [shlex.quote(argument) for argument in arguments] if quoted else arguments
    if not any(words) and tool.cwl_version != DRAFT_2:  # where outputs may be all that a tool does
        raise InputError(Problem("baseCommand", "there is no command to run: baseCommand and arguments are empty"))
    for word in words:
        if "\0" in word:
            raise InputError(Problem("arguments", f"{word[:60]!r} holds a NUL character"))
    return ("/bin/sh", "-c", " ".join(words)) if shell else tuple(words)


def _bound(tool: CommandLineTool, scope: Scope) -> Iterator[_Bound]:
    for number, argument in enumerate(tool.arguments):
        where = f"arguments[{number}]"
        binding = argument if isinstance(argument, Binding) else Binding(value_from=argument)
        binding = _settled(binding, None, scope, where)
        yield _Bound(((0, _position(binding, None, scope, where)), (0, number)), binding, None, where)
    walk = _Walk(scope)
    for port in tool.inputs:
        value = scope.inputs.get(port.id)
        if value is not None or (port.binding is not None and port.binding.of_null):
            yield from walk.named(port.type, value, port.binding, (), port.id)


class _Walk:
    """Goes along a value and its type. Every key begins with the key of the binding around it."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def named(self, kind: Type, value: Value, binding: Binding | None, lead: _Key, name: str) -> Iterator[_Bound]:
        """The bindings of one port, field or item: its own, then those of its type along the value."""
        option = _option(kind, value)
        if binding is not None:
            binding = _settled(binding, value, self._scope, f"inputs/{name}")
            lead = self._key(binding, value, lead, name)
            by_items = isinstance(value, list) and binding.item_separator is None and binding.value_from is None
            if by_items and binding.prefix_each and (option is None or option.binding is None):
                yield from self._items(_items_of(option, kind), value, binding, lead, name)
                return
            yield _Bound(lead, binding, value, f"inputs/{name}", items=by_items)
            if binding.value_from is not None:
                return
        if isinstance(value, list) and (option is None or isinstance(option, ArrayType)):
            own = option.binding if option is not None else None
            if own is None and binding is not None and binding.item_separator is None:
                own = _PLAIN
            yield from self._items(_items_of(option, kind), value, own, lead, name)
        elif isinstance(option, RecordType | EnumType):
            if option.binding is not None:
                lead = self._key(option.binding, value, lead, name)
                own = _settled(option.binding, value, self._scope, f"inputs/{name}")
                yield _Bound(lead, own, value, f"inputs/{name}")
            for field in option.fields if isinstance(option, RecordType) else ():
                of_null = field.binding is not None and field.binding.of_null
                if value.get(field.name) is not None or of_null:
                    yield from self.named(field.type, value.get(field.name), field.binding, lead, field.name)

    def _items(
        self, kind: Type, value: list[Value], binding: Binding | None, lead: _Key, name: str
    ) -> Iterator[_Bound]:
        """A binding at a list's type applies to each of its items."""
        for number, item in enumerate(value):
            if item is not None:
                start = lead if lead or binding is None else self._key(binding, item, (), name)
                yield from self.named(kind, item, binding, (*start, (0, number)), name)

    def _key(self, binding: Binding, value: Value, lead: _Key, name: str) -> _Key:
        return (*lead, (0, _position(binding, value, self._scope, f"inputs/{name}")), (1, name))


def _items_of(option: ArrayType | RecordType | EnumType | None, kind: Type) -> Type:
    return option.items if isinstance(option, ArrayType) else kind


def _option(kind: Type, value: Value) -> ArrayType | RecordType | EnumType | None:
    """The first alternative of the type that the value has; None when that is no list, record or enum."""
    found = options(kind)
    chosen = found[0] if len(found) == 1 else next((option for option in found if not matches(option, value)), None)
    return chosen if isinstance(chosen, ArrayType | RecordType | EnumType) else None


def _position(binding: Binding, value: Value, scope: Scope, where: str) -> int:
    if isinstance(binding.position, int):
        return binding.position
    result = scope.evaluate(binding.position, f"{where}/position", value)
    if result is None:
        return 0
    if isinstance(result, bool) or not isinstance(result, int):
        raise ExpressionError(Problem(f"{where}/position", f"must give an integer, not {value_text(result)[:60]}"))
    return result


def _settled(binding: Binding, value: Value, scope: Scope, where: str) -> Binding:
    """The binding with what expressions of sbg:draft-2 say of its prefix and separator."""
    if not (isinstance(binding.prefix, Script) or isinstance(binding.item_separator, Script)):
        return binding
    prefix = _settled_text(binding.prefix, value, scope, f"{where}/prefix")
    separator = _settled_text(binding.item_separator, value, scope, f"{where}/itemSeparator")
    return replace(binding, prefix=prefix or None, item_separator=separator)


def _plain(text: Text | None) -> str | None:
    """A text of a binding that is `_settled`."""
    assert not isinstance(text, Script)
    return text


def _settled_text(text: Text | None, value: Value, scope: Scope, where: str) -> str | None:
    if not isinstance(text, Script):
        return text
    result = scope.evaluate(text, where, value)
    if result is None or isinstance(result, str):
        return result
    if isinstance(result, bool | list | dict):
        raise ExpressionError(Problem(where, f"must give text, not {value_text(result)[:60]}"))
    return number_text(result)


def _arguments(bound: _Bound, scope: Scope) -> list[str]:
    """The words that one binding adds."""
    binding = bound.binding
    value = bound.value
    if binding.value_from is not None:
        value = scope.evaluate(binding.value_from, f"{bound.where}/valueFrom", value)
    lead = _plain(binding.prefix)
    prefix = [lead] if lead else []
    if value is None or value is False:
        return []
    if value is True:
        return prefix
    if isinstance(value, list):
        return _list_arguments(bound, value, prefix)
    if isinstance(value, dict) and not is_file_value(value):
        return prefix
    return _joined(binding, argument_text(value, bound.where))


def _list_arguments(bound: _Bound, value: list[Value], prefix: list[str]) -> list[str]:
    if not value:
        return []
    separator = _plain(bound.binding.item_separator)
    if separator is not None:
        text = separator.join(argument_text(item, bound.where) for item in value)
        return _joined(bound.binding, text)
    if bound.items:
        return prefix
    if bound.binding.prefix_each:
        words = _item_arguments(value, bound.where)
        return [word for each in words for word in _joined(bound.binding, each)]
    return prefix + _item_arguments(value, bound.where)


def _item_arguments(value: list[Value], where: str) -> list[str]:
    """The words of items that have no binding: null, booleans and objects add none, lists their own items."""
    words: list[str] = []
    for item in value:
        if isinstance(item, list):
            words += _item_arguments(item, where)
        elif item is not None and not isinstance(item, bool) and (not isinstance(item, dict) or is_file_value(item)):
            words.append(argument_text(item, where))
    return words


def _joined(binding: Binding, text: str) -> list[str]:
    """A value with its prefix. An empty prefix is a word of its own beside a value, and nothing where it stands alone:
    the specification is silent, and the reference runner does so."""
    prefix = _plain(binding.prefix)
    if prefix is None:
        return [text]
    return [prefix, text] if binding.separate else [prefix + text]


def argument_text(value: Value, where: str) -> str:
    """A value as one word: files by path, numbers without exponent, nested values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    if is_file_value(value):
        path = value.get("path")
        if not isinstance(path, str):
            raise InputError(Problem(where, f"{value.get('basename')!r} has no path: it is none of the tool's inputs"))
        return path
    return value_text(value)
