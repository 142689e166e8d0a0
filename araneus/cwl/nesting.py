"""How deep a value may be nested that a stranger made: what walks values by recursion relies on this bound."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from araneus.model.values import Value

MAX_DEPTH: Final = 100


def too_deep(value: Value) -> bool:
    """Whether lists and objects stand in each other more than `MAX_DEPTH` deep."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Value] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(child for child in item.values() if isinstance(child, dict | list))
            elif isinstance(item, list):
                inner.extend(child for child in item if isinstance(child, dict | list))
        if not inner:
            return False
        level = inner
    return True


def mappings(root: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping in a tree."""
    pending = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            yield node
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
