"""Telling documents of sbg:draft-2 from others. Used by the processes stage of `araneus.cwl.load`.

Source: documents of the platform, its R package and its editors; docs/cwl.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from araneus.cwl.bindings import DRAFT_2
from araneus.cwl.draft2.texts import is_script
from araneus.cwl.nesting import mappings

__all__ = ["DRAFT_2", "bears_marks"]


def bears_marks(root: Any) -> bool:
    """Whether a document that names no version is of the dialect: some old exports name none.

    Its marks are ids of ports that start with ``#``, expression objects, and steps with ``inputs``.
    """
    if isinstance(root, dict) and any(_has_marked_ids(root.get(key)) for key in ("inputs", "outputs", "steps")):
        return True
    return any(_is_marked(node) for node in mappings(root))


def _has_marked_ids(entries: Any) -> bool:
    if not isinstance(entries, list):
        return False
    return any(_is_marked_id(name) for name in _ids(entries))


def _ids(entries: list[Any]) -> Iterable[Any]:
    return (entry.get("id") for entry in entries if isinstance(entry, dict))


def _is_marked_id(name: Any) -> bool:
    return isinstance(name, str) and name.startswith("#") and "/" not in name


def _is_marked(node: Mapping[str, Any]) -> bool:
    return is_script(node) or node.get("class") == "ExpressionEngineRequirement" or ("run" in node and "inputs" in node)
