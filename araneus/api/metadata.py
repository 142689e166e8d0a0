"""Metadata and tags of files as resources of their own: bare objects and lists.

Source: API reference, files, "Metadata calls" and "Tags".
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from araneus.api import access
from araneus.api.call import Answer, Call, Route
from araneus.api.files import writable_file
from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File, check_metadata, check_tags
from araneus.store import files


def get_metadata(call: Call, services: Services) -> Answer:
    """``GET /files/{id}/metadata``."""
    return Answer(value=_readable(call, services, Fault.FOLDER_NO_METADATA).metadata)


def merge_metadata(call: Call, services: Services) -> Answer:
    """``PATCH /files/{id}/metadata``: key by key; null removes."""
    changes = _object(call)
    saved = _save(
        call,
        services,
        Fault.FOLDER_NO_METADATA,
        lambda file: replace(file, metadata=check_metadata({**file.metadata, **changes})),
    )
    return Answer(value=saved.metadata)


def replace_metadata(call: Call, services: Services) -> Answer:
    """``PUT /files/{id}/metadata``."""
    metadata = check_metadata(_object(call))
    saved = _save(call, services, Fault.FOLDER_NO_METADATA, lambda file: replace(file, metadata=metadata))
    return Answer(value=saved.metadata)


def get_tags(call: Call, services: Services) -> Answer:
    """``GET /files/{id}/tags``."""
    return Answer(value=list(_readable(call, services, Fault.FOLDER_NO_TAGS).tags))


def replace_tags(call: Call, services: Services) -> Answer:
    """``PUT /files/{id}/tags``: null and the empty list clear."""
    tags = check_tags(call.body)
    saved = _save(call, services, Fault.FOLDER_NO_TAGS, lambda file: replace(file, tags=tags))
    return Answer(value=list(saved.tags))


def _object(call: Call) -> dict[str, Any]:
    if call.body == []:  # how R writes an object without members
        return {}
    if call.body is not None and not isinstance(call.body, dict):
        raise Refusal(Fault.METADATA_INVALID, "Metadata must be a JSON object of texts.")
    return call.object()


def _readable(call: Call, services: Services, folder_fault: Fault) -> File:
    with services.database.read() as conn:
        file, _ = access.file_of(conn, call, call.path["file"])
    if file.folder:
        raise Refusal(folder_fault, f"{file.name[:80]!r} is a folder: it has neither metadata nor tags.")
    return file


def _save(call: Call, services: Services, folder_fault: Fault, change: Callable[[File], File]) -> File:
    with services.database.write() as conn:
        file = writable_file(conn, call, call.path["file"], "change its files", folder_fault)
        changed = replace(change(file), modified_on=services.clock())
        files.save(conn, changed)
    return changed


ROUTES = (
    Route("GET", "/files/{file}/metadata", get_metadata, "Metadata of a file"),
    Route("PATCH", "/files/{file}/metadata", merge_metadata, "Merge metadata", importance=1),
    Route("PUT", "/files/{file}/metadata", replace_metadata, "Replace metadata", importance=1),
    Route("GET", "/files/{file}/tags", get_tags, "Tags of a file", importance=3),
    Route("PUT", "/files/{file}/tags", replace_tags, "Replace tags"),
)
