"""Telling documents of sbg:draft-2 from others. Used by the processes stage of `araneus.cwl.load`.

Source: documents of the platform, its R package and its editors; docs/cwl.md.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from araneus.cwl.bindings import DRAFT_2
from araneus.cwl.draft2.texts import is_script
from araneus.cwl.nesting import mappings

__all__ = ["DRAFT_2", "bears_marks", "is_mislabelled"]

_BINDINGS = ("inputBinding", "outputBinding")


def bears_marks(root: Any) -> bool:
    """Whether a document that names no version is of the dialect: some old exports name none.

    Its marks are ids of ports that start with ``#``, expression objects, and steps with ``inputs``.
    """
    if isinstance(root, dict) and any(_has_marked_ids(root.get(key)) for key in ("inputs", "outputs", "steps")):
        return True
    return any(_is_marked(node) for node in mappings(root))


def is_mislabelled(process: Mapping[str, Any]) -> bool:
    """Whether a process that is to be one of CWL v1 can only be one of the dialect: expression objects stand where
    CWL v1 has texts, or a step has ``inputs`` and no ``in``. What it runs is not looked at, nor are its hints: there
    programs that convert documents leave such things."""
    places = [process.get(key) for key in ("baseCommand", "arguments", "stdin", "stdout", "expression")]
    for section in ("inputs", "outputs"):
        ports = process.get(section)
        for port in ports if isinstance(ports, list) else ():
            if isinstance(port, dict):
                places += [port.get(key) for key in _BINDINGS]
    if any(is_script(node) for node in mappings(places)):
        return True
    steps = process.get("steps")
    return isinstance(steps, list) and any(
        isinstance(step, dict) and isinstance(step.get("inputs"), list) and "in" not in step for step in steps
    )


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
