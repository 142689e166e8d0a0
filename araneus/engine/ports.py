"""What a process receives and gives: defaults, the platform's tolerance between File and File[], the type check.

Fourth stage of the engine: between the values that a step has gathered and the process that the step runs, and between
a workflow's results and its outputs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from araneus.cwl.errors import InputError, OutputError, Problem
from araneus.cwl.process import MISSING, InputPort, OutputPort
from araneus.cwl.types import DIRECTORY, FILE, ArrayType, Type, holds_files, matches, options
from araneus.model.values import Value, is_file_value


class Fitter:
    """Fits values to input ports, and remembers the last list or record that each port took.

    The elements of a scatter share most of their inputs: a long list of files is looked through once, not once for
    each element. Owned by one execution; ports are known by identity, so the document must outlive it.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[Value, Value]] = {}

    def fit(
        self, ports: Iterable[InputPort], values: Mapping[str, Value], *, where: str, linked: bool = True
    ) -> dict[str, Value]:
        """One value per port: the given one, else the port's default, else null; other given values are left out.

        A value that fits its port is passed on untouched. ``linked`` values come along links: in sbg:draft-2, whose
        types say little, only ports that take files hold them against their type. Raises `InputError` listing every
        port whose value does not fit.
        """
        fitted: dict[str, Value] = {}
        problems: list[Problem] = []
        for port in ports:
            value = values.get(port.id)
            if value is None and port.default is not MISSING:
                value = port.default
            fitted[port.id], found = self._settled(port, value, linked)
            if linked and port.loose and value is not None and not holds_files(port.type):
                continue
            problems += (Problem(_joined(where, port.id) + problem.where, problem.what) for problem in found)
        if problems:
            raise InputError(*problems)
        return fitted

    def _settled(self, port: InputPort, value: Value, linked: bool) -> tuple[Value, Sequence[Problem]]:
        if not isinstance(value, list | dict):
            return _settle(port.type, value, loose=port.loose, linked=linked)
        last = self._last.get(id(port))
        if last is not None and last[0] is value:
            return last[1], ()
        settled, found = _settle(port.type, value, loose=port.loose, linked=linked)
        if not found:
            self._last[id(port)] = (value, settled)
        return settled, found


def fit_output(port: OutputPort, value: Value, *, where: str) -> Value:
    """A workflow output, settled for its port. Raises `OutputError` when it does not fit.

    Nulls are let through, alone and in lists: an optional result of a step may be linked to a required output, and a
    scattered step may have skipped or empty elements. A loose port is never refused a value, and takes a list as it is;
    from several sources flat where it wants a flat one.
    """
    if port.loose and not is_file_value(value):
        return list(_flat(value)) if len(port.source) > 1 and _takes_flat(port.type, value) else value
    settled, found = _settle(port.type, value)
    if port.loose:
        return settled
    if found and matches(port.type, _without_nulls(settled)) and value is not None:
        raise OutputError(*(Problem(_joined(where, port.id) + problem.where, problem.what) for problem in found))
    return settled


def _settle(kind: Type, value: Value, *, loose: bool = False, linked: bool = False) -> tuple[Value, Sequence[Problem]]:
    """The value as it is when it fits; else the first lenient reading of files that fits; else its problems.

    The platform links File to File[] and back, flattens lists of files for a flat list, and takes the first of several
    files for a single one. Source: `docs/cwl.md`.
    """
    problems = matches(kind, value)
    if not problems:
        return value, ()
    for reading in _lenient_readings(kind, value):
        if not matches(kind, reading):
            return reading, ()
    for reading in _loose_readings(value) if loose else ():
        if not matches(kind, _without_nulls(reading)):
            return reading, ()
    for reading in _first(kind, value) if linked else ():
        if not matches(kind, reading):
            return reading, ()
    return value, problems


def _loose_readings(value: Value) -> Iterable[Value]:
    """How ports of sbg:draft-2 also take a list: with nulls in it as it is, and flat, however deep it is."""
    if not isinstance(value, list):
        return
    yield value
    if flat := [item for item in _flat(value) if item is not None]:
        yield flat


def _lenient_readings(kind: Type, value: Value) -> Iterable[Value]:
    if is_file_value(value):
        if any(isinstance(option, ArrayType) for option in options(kind)):
            yield [value]
    elif isinstance(value, list):
        if len(value) == 1 and is_file_value(value[0]):
            yield value[0]
        if any(isinstance(part, list) for part in value):
            flat = [item for part in value for item in (part if isinstance(part, list) else [part])]
            if all(is_file_value(item) for item in flat) and (flat or _takes_files(kind)):
                yield flat


def _takes_flat(kind: Type, value: Value) -> bool:
    lists = [option for option in options(kind) if isinstance(option, ArrayType)]
    deep = any(isinstance(inner, ArrayType) for option in lists for inner in options(option.items))
    return isinstance(value, list) and bool(lists) and not deep


def _first(kind: Type, value: Value) -> Iterable[Value]:
    """The first of a list of files, null where there is none, for a type that takes a single one."""
    if isinstance(value, list) and not {FILE, DIRECTORY}.isdisjoint(options(kind)):
        files = list(_flat(value))
        if all(item is None or is_file_value(item) for item in files):
            yield next((item for item in files if item is not None), None)


def _flat(value: list[Value]) -> Iterator[Value]:
    for item in value:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item


def _takes_files(kind: Type) -> bool:
    """Whether the type has lists of Files or Directories: lists of nothing may not turn into lists of anything else."""
    items = [option.items for option in options(kind) if isinstance(option, ArrayType)]
    return any(option in {FILE, DIRECTORY} for item in items for option in options(item))


def _without_nulls(value: Value) -> Value:
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)
