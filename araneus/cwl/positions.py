"""Where in its text the problems of a document stand: places such as ``steps/align/in/reads`` to lines and columns.

Used only once there is something to complain about: the text is read a second time, for its marks. The way through the
document follows the same rules as the places that the loader notes: ids are short, entries of lists go by their id.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, TypeAlias

import yaml

from araneus.cwl.errors import Problem
from araneus.cwl.scope import MAX_SHOWN, short
from araneus.cwl.vocabulary import plain_name

MAX_TEXT: Final = 2**20
"""Longer texts (characters) are not read again: their problems keep the place in the document alone."""
_NAMES: Final = ("id", "class", "name", "envName", "package")
_GRAPH: Final = "$graph"
_MAX_NAME: Final = 2 * MAX_SHOWN
_MAX_STARTS: Final = 20

_Part: TypeAlias = tuple[yaml.Mark, yaml.Node]
"""Where a part of the text starts, and what stands there."""


def located(problems: Iterable[Problem], text: str) -> tuple[Problem, ...]:
    """The problems with their lines and columns (``at``), as far as the text has lines."""
    given = tuple(problems)
    if not any(problem.where for problem in given) or len(text) > MAX_TEXT or "\n" not in text.strip():
        return given
    try:
        root = next(yaml.compose_all(text, Loader=yaml.CSafeLoader), None)
    except (yaml.YAMLError, RecursionError):
        return given  # JSON that is not quite YAML
    if root is None:
        return given
    places = _Places(root)
    return tuple(places.placed(problem) for problem in given)


class _Places:
    """The places of one text, by the names that lead to them; each mapping and list is looked through once."""

    def __init__(self, root: yaml.Node) -> None:
        self._root = root
        self._parts: dict[int, dict[str, _Part]] = {}
        self._processes = _processes(root)

    def placed(self, problem: Problem) -> Problem:
        """The problem with the start of the deepest part of its place that the text has."""
        if not problem.where or problem.at:
            return problem
        found = [self._walk(start, problem.where) for start in (self._root, *self._processes[:_MAX_STARTS])]
        mark, _ = min(found, key=lambda each: each[1])
        return problem if mark is None else replace(problem, at=f"line {mark.line + 1}, column {mark.column + 1}")

    def _walk(self, node: yaml.Node, where: str) -> tuple[yaml.Mark | None, int]:
        """How far a place can be followed from a node: the mark where it ends, and how much of it is left."""
        mark: yaml.Mark | None = None
        for _ in range(MAX_SHOWN):
            step = self._step(node, where)
            if step is None:
                break
            (mark, node), where = step
            if isinstance(node, yaml.ScalarNode) and where and node.value.startswith("#"):
                name = short(node.value)
                node = next((each for each in self._processes if name in _names(each)), node)
        return mark, len(where)

    def _step(self, node: yaml.Node, where: str) -> tuple[_Part, str] | None:
        """One step along a place, as long as possible: names may hold slashes too."""
        parts = self._parts.get(id(node))
        if parts is None:
            parts = self._parts[id(node)] = _parts(node)
        end = len(where) if len(where) <= _MAX_NAME else where.rfind("/", 0, _MAX_NAME)
        while end > 0:
            if where[:end] in parts:
                return parts[where[:end]], where[end + 1 :]
            end = where.rfind("/", 0, end)
        return None


def _processes(root: yaml.Node) -> list[yaml.Node]:
    """The processes of ``$graph``, the main one first: places in a packed document start inside of one."""
    if not isinstance(root, yaml.MappingNode):
        return []
    lists = [value for key, value in root.value if key.value == _GRAPH and isinstance(value, yaml.SequenceNode)]
    return sorted((node for each in lists for node in each.value), key=lambda node: "main" not in _names(node))


def _parts(node: yaml.Node) -> dict[str, _Part]:
    """What a node holds, by each of its names."""
    found: dict[str, _Part] = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            for name in (*_names(key), plain_name(key.value) if isinstance(key, yaml.ScalarNode) else ""):
                found.setdefault(name, (key.start_mark, value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            for name in (str(index), *_names(item)):
                found.setdefault(name, (item.start_mark, item))
    return found


def _names(node: yaml.Node) -> set[str]:
    """The names by which a key or an entry of a list goes, as places show them."""
    if isinstance(node, yaml.MappingNode):
        given = [value.value for key, value in node.value if key.value in _NAMES and isinstance(value, yaml.ScalarNode)]
    else:
        given = [node.value] if isinstance(node, yaml.ScalarNode) else []
    names = {name for each in given for name in (each, short(each)) if name}
    return {name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}..." for name in names}
