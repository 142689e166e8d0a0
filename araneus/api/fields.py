"""The ``fields`` selector: which members of an object a caller wants to see.

    absent            an object: everything; an item of a list: the list's short default
    id,name           only these
    origin.task       a member of a member
    !metadata         everything else
    !metadata.x       everything but one member of a member
    _all              everything, also in lists

Positive and negative parts mix: ``id,!metadata.x`` shows ``id`` and ``metadata`` without ``x``. White space around
commas and unknown names are ignored. Source: API reference, "fields selector". Pure; `wire` applies it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

Tree: TypeAlias = Mapping[str, "Tree | None"]
"""Names with their selected members; None means the whole member."""


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """What to keep (None: everything) and what to drop of that. `selector` gives the same one for the same text."""

    keep: Tree | None
    drop: Tree
    plain: frozenset[str] | None = field(init=False)
    """The names to keep when all of them mean whole members."""

    def __post_init__(self) -> None:
        """Look once through what is kept."""
        whole = self.keep is not None and all(inner is None for inner in self.keep.values())
        object.__setattr__(self, "plain", frozenset(self.keep or ()) if whole else None)

    def wants(self, name: str) -> bool:
        """Whether a top-level member will be shown: what is dear to compute need not be computed in vain."""
        return (self.keep is None or name in self.keep) and self.drop.get(name, {}) is not None

    def apply(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """The selected part of an object, in its own order."""
        kept = value if self.keep is None or self._has_all(value) else _keep(value, self.keep)
        return _drop(kept, self.drop) if self.drop else kept

    def _has_all(self, value: Mapping[str, Any]) -> bool:
        """Whether the whole object is kept: lists make no more than what is wanted."""
        return self.plain is not None and value.keys() <= self.plain


EVERYTHING = Selector(None, {})


@lru_cache(maxsize=1024)
def selector(text: str | None, default: tuple[str, ...] | None = None) -> Selector:
    """The selector that a ``fields`` parameter describes; ``default`` names what an absent one shows."""
    parts = [part.strip() for part in (text or "").split(",")]
    keep = [part for part in parts if part and not part.startswith("!")]
    drop = [part[1:].strip() for part in parts if part.startswith("!")]
    drop = [part for part in drop if part.strip(".")]
    if not keep and not drop:
        return EVERYTHING if default is None else Selector(dict.fromkeys(default), {})
    if "_all" in keep or not keep:
        return Selector(None, _tree(drop))
    nested = [part.split(".", 1)[0] for part in drop if "." in part.strip(".")]
    return Selector(_tree([*keep, *nested]), _tree(drop))


def _tree(paths: Iterable[str]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for path in paths:
        names = [name.strip() for name in path.split(".") if name.strip()]
        node = root
        for depth, name in enumerate(names):
            if depth == len(names) - 1:
                node[name] = None
            elif node.setdefault(name, {}) is None:
                break
            else:
                node = node[name]
    return root


def _keep(value: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    return {
        name: member if tree[name] is None else _inside(member, tree[name], _keep)
        for name, member in value.items()
        if name in tree
    }


def _drop(value: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    return {
        name: _inside(member, tree[name], _drop) if name in tree else member
        for name, member in value.items()
        if name not in tree or tree[name] is not None
    }


def _inside(member: Any, tree: Any, change: Any) -> Any:
    if isinstance(member, dict):
        return change(member, tree)
    if isinstance(member, list):
        return [_inside(item, tree, change) for item in member]
    return member
