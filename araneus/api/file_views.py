"""How files and folders look. Pure, except that a log's size is asked of the storage, since it may still grow.

Source: API reference, "File object".
"""

from collections.abc import Sequence
from typing import Any

from araneus.api import wire
from araneus.api.call import Call
from araneus.api.fields import Selector
from araneus.api.services import Services
from araneus.model.file import File
from araneus.model.project import DEFAULT_SETTINGS

LIST_FIELDS = ("href", "id", "name", "project", "parent", "type")
_FEW = set(LIST_FIELDS)
_BRIEF = {*LIST_FIELDS, "size", "created_on", "modified_on"}


def show_file(call: Call, file: File) -> dict[str, Any]:
    """The file object, or the shorter folder object. The root folder of a project has no ``parent``."""
    shown: dict[str, Any] = {"href": call.href("files", file.id), "id": file.id, "name": file.name}
    if not file.folder:
        shown["size"] = file.size
    shown["project"] = file.project
    if file.parent is not None:
        shown["parent"] = file.parent
    shown["type"] = "folder" if file.folder else "file"
    shown["created_on"] = wire.timestamp(file.created_on)
    shown["modified_on"] = wire.timestamp(file.modified_on)
    if not file.folder:
        shown["storage"] = {"type": "PLATFORM", "hosted_on_locations": [DEFAULT_SETTINGS["location"]]}
        shown["origin"] = {"task": file.origin_task} if file.origin_task else {}
        shown["tags"] = list(file.tags)
        shown["metadata"] = file.metadata
    return shown


def is_brief(selector: Selector) -> bool:
    """Whether only fields are wanted that brief files have."""
    return selector.keep is not None and selector.keep.keys() <= _BRIEF


def show_listed(call: Call, files: Sequence[File], selector: Selector) -> list[dict[str, Any]]:
    """`show_file` for a list; of files that are shown briefly, no more than that."""
    if selector.keep is None or not selector.keep.keys() <= _FEW:
        return [show_file(call, file) for file in files]
    return [
        {
            "href": call.href("files", file.id),
            "id": file.id,
            "name": file.name,
            "project": file.project,
            **({} if file.parent is None else {"parent": file.parent}),
            "type": "folder" if file.folder else "file",
        }
        for file in files
    ]


def show_one(call: Call, services: Services, file: File) -> dict[str, Any]:
    """`show_file` with the present size of a log."""
    shown = show_file(call, file)
    if file.hidden and file.location is not None:
        try:
            shown["size"] = services.storage.size(file.location)
        except FileNotFoundError:
            shown["size"] = file.size or 0
    return shown
