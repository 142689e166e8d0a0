"""Where the outputs of a task go: folder paths inside its project, in which tokens stand for what the task is.

A path reads ``/Analysis/<task_name>/``. Source: platform documentation, "Set task output destinations"; which tokens
there are beside the documented ones is our choice (docs/files-and-metadata.md).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from araneus.model.errors import Fault, Refusal
from araneus.model.file import safe_folder_name
from araneus.model.task import Task

MAX_PLACE: Final = 1000
"""Characters of one path."""
MAX_FOLDERS: Final = 50
"""Folders in one path."""
TOKENS: Final = (
    "task_id", "task_name", "app_id", "app_name", "app_revision", "project_id", "project_name", "user", "batch_group",
    "date", "time", "year", "month", "day",
)  # fmt: skip
_TOKEN: Final = re.compile(r"<([A-Za-z_]+)>")
_SCHEME: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.\-]*:/")


def check_place(place: str, where: str) -> str:
    """The path itself when it leads somewhere inside a project; else `Refusal` (400), which names it by ``where``."""
    if len(place) > MAX_PLACE:
        raise _wrong(where, f"is longer than {MAX_PLACE} characters")
    if any(ord(character) < 32 or ord(character) == 127 or "\ud800" <= character <= "\udfff" for character in place):
        raise _wrong(where, "holds a control character or an unpaired surrogate character")
    if place.lstrip().lower().startswith("volumes:"):
        raise _wrong(where, "names a volume: outputs can only go into folders of the project here, as /Analysis/run1")
    if _SCHEME.match(place):
        raise _wrong(where, "is an address; give a path of folders inside the project, as /Analysis/run1")
    parts = place.split("/")
    if ".." in (part.strip() for part in parts):
        raise _wrong(where, "holds '..': a path counts from the root of the project, or from the main location")
    if len(_folders(place)) > MAX_FOLDERS:
        raise _wrong(where, f"is nested deeper than {MAX_FOLDERS} folders")
    return place


def _wrong(where: str, what: str) -> Refusal:
    return Refusal(Fault.BAD_REQUEST, f"Bad task request: {where} {what}.")


def _folders(place: str) -> list[str]:
    return [part for part in place.split("/") if part.strip() not in {"", ".", ".."}]


def doubts(location: Mapping[str, Any] | None, ports: list[str]) -> list[str]:
    """What is odd about a task's ``output_location`` and breaks nothing: sentences. ``ports`` are the app's outputs."""
    location = location or {}
    nodes = location.get("nodes_location") or {}
    places = [location.get("main_location"), *(node.get("output_location") for node in nodes.values())]
    unknown = dict.fromkeys(
        name for place in places for name in _TOKEN.findall(place or "") if name.lower() not in TOKENS
    )
    found = [
        f"Output location: <{name[:60]}> is no token and counts as text; tokens are "
        + ", ".join(f"<{token}>" for token in TOKENS)
        for name in unknown
    ]
    found += [
        f"Output location: no folder can be called {name[:60]!r}, it becomes {safe[:60]!r}: letters, digits, '_', '-'"
        " and '.' are allowed."
        for name, safe in _respelled(places).items()
    ]
    strangers = [port for port in nodes if port.removeprefix("#") not in ports]
    found += [f"Output location: the app has no output {port[:80]!r}." for port in strangers[:10]]
    if nodes and not location.get("nodes_override"):
        found.append("Output location: nodes_location has no effect without nodes_override.")
    return found


def _respelled(places: Iterable[str | None]) -> dict[str, str]:
    """Folders that are called otherwise than it is written, without those that tokens have a part in."""
    names = (name for place in places for name in _folders(place or "") if not _TOKEN.search(name))
    return {name: safe for name in names if (safe := safe_folder_name(name)) != name}


def tokens_of(task: Task, now: datetime) -> dict[str, str]:
    """What each token stands for. ``now`` is used for a task that has not been run."""
    at = task.start_time or now
    project, _, app = task.app.rpartition("/")[0].rpartition("/")
    group = (task.batch_group or {}).get("value")
    return {
        "task_id": task.id,
        "task_name": task.name,
        "app_id": f"{project}/{app}".replace("/", "."),
        "app_name": app,
        "app_revision": task.app.rpartition("/")[2],
        "project_id": task.project.rpartition("/")[2],
        "project_name": task.project.rpartition("/")[2],
        "user": task.executed_by or task.created_by,
        "batch_group": str(group) if group else "",
        "date": f"{at:%Y-%m-%d}",
        "time": f"{at:%H-%M-%S}",
        "year": f"{at:%Y}",
        "month": f"{at:%m}",
        "day": f"{at:%d}",
    }


def expanded(place: str, values: Mapping[str, str]) -> list[str]:
    """The folders of a path, outermost first, with tokens replaced; those that come out empty are left out. What a
    token stands for never makes a folder of its own: a slash in it is not one between folders."""
    names = (_TOKEN.sub(lambda match: values.get(match[1].lower(), match[1]), part) for part in _folders(place))
    return [name for name in names if name.strip()][:MAX_FOLDERS]
