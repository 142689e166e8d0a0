"""Names that the platform accepts, made from names that tools and tokens give."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from araneus.model.errors import Refusal
from araneus.model.file import MAX_NAME, is_refused, safe_folder_name
from araneus.model.output_location import check_place, expanded, tokens_of
from araneus.model.task import Task


def safe_file_name(name: str) -> str:
    """The nearest name that a file may bear: bad characters become ``_``, a name that is too long loses its middle."""
    clean = "".join("_" if is_refused(character) else character for character in name)
    if clean in {"", ".", ".."}:
        return "_" + clean.replace(".", "_")
    return _shortened(clean)


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 32:
        stem, extension = name, ""
    tail = dot + extension if extension else ""
    return stem.encode()[: MAX_NAME - len(tail.encode())].decode("utf-8", "ignore") + tail


def targets(task: Task, now: datetime) -> Callable[[str], tuple[str, ...]]:
    """Where each output port goes: the folder path inside the project, from its root.

    ``output_location.main_location``, overridden per port by ``nodes_location`` when ``nodes_override`` is on; a
    port's path that starts with ``/`` counts from the root, else from the main path. What is no path inside the project
    counts as the root: the API lets no such path in. Source: platform documentation, "Set task output destinations".
    """
    settings = task.output_location or {}
    tokens = tokens_of(task, now)
    main = _parts(settings.get("main_location"), tokens)
    nodes = settings.get("nodes_location") if settings.get("nodes_override") else None
    places = {port.removeprefix("#"): node for port, node in nodes.items()} if isinstance(nodes, Mapping) else {}

    def target(port: str) -> tuple[str, ...]:
        node = places.get(port)
        place = node.get("output_location") if isinstance(node, Mapping) else None
        if not isinstance(place, str) or not place:
            return main
        return _parts(place, tokens) if place.startswith("/") else main + _parts(place, tokens)

    return target


def _parts(place: Any, tokens: Mapping[str, str]) -> tuple[str, ...]:
    if not isinstance(place, str):
        return ()
    try:
        check_place(place, "")
    except Refusal:
        return ()
    return tuple(safe_folder_name(name) for name in expanded(place, tokens))
