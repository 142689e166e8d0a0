"""Multipart uploads: announce, put parts at signed URLs, report them, complete. Source: API reference, uploads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from araneus.api import access, links, part_files, wire
from araneus.api.call import NO_CONTENT, Answer, Call, Route, Takes
from araneus.api.file_views import show_file
from araneus.api.places import drop_orphans, folder_for, require_write
from araneus.api.services import Services
from araneus.api.upload_bodies import (
    CompleteBody,
    ReportBody,
    UploadBody,
    check_bytes,
    check_md5,
    check_part_number,
    check_report,
    check_upload_name,
    complete_parts,
)
from araneus.model.access import Permission
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.model.ids import new_file_id, new_upload_id
from araneus.model.upload import MAX_PART, MAX_SIZE, Part, Upload, part_size_for
from araneus.storage.base import Blob
from araneus.store import files, projects, uploads
from araneus.store.database import Connection
from araneus.store.locks import Turn, take_turn

LIST_FIELDS = ("href", "upload_id", "project", "parent", "name", "initiated")
_FORBIDDEN = Fault.UPLOAD_FORBIDDEN


def show_upload(call: Call, upload: Upload) -> dict[str, Any]:
    """The upload object."""
    return {
        "href": call.href("upload", "multipart", upload.id),
        "upload_id": upload.id,
        "project": upload.project,
        "parent": upload.parent,
        "name": upload.name,
        "size": upload.size,
        "part_size": upload.part_size,
        "parallel_uploads": True,
        "initiated": wire.timestamp(upload.initiated),
    }


def init_upload(call: Call, services: Services) -> Answer:
    """``POST /upload/multipart``: the server settles the part size."""
    body = call.parse(UploadBody, Fault.UPLOAD_INIT_INVALID)
    name, size = check_upload_name(body.name), check_bytes(body.size, "size", MAX_SIZE)
    wanted = check_bytes(body.part_size, "part_size", MAX_SIZE)
    if bool(body.project) == bool(body.parent):
        raise Refusal(Fault.UPLOAD_INIT_INVALID, "Give either project or parent as the destination.")
    with services.database.write() as conn:
        folder, held = folder_for(
            conn, call, project=body.project, parent=body.parent, malformed=Fault.UPLOAD_PROJECT_MALFORMED
        )
        require_write(held, "upload files", _FORBIDDEN)
        upload = Upload(
            id=new_upload_id(),
            project=folder.project,
            parent=folder.id,
            name=name,
            size=size,
            part_size=min(part_size_for(size, wanted), MAX_PART),
            overwrite=bool(call.flag("overwrite")),
            created_by=call.caller.username,
            initiated=services.clock(),
            md5=check_md5(body.md5),
        )
        _check_name(conn, upload)
        uploads.insert(conn, upload)
    return wire.created(call, show_upload(call, upload))


def _check_name(conn: Connection, upload: Upload) -> File | None:
    """The file that the upload will replace, if any; `Refusal` UPLOAD_FILE_EXISTS when it may not."""
    present = files.in_folder(conn, upload.parent, upload.name)
    if present is not None and (present.folder or not upload.overwrite):
        raise Refusal(
            Fault.UPLOAD_FILE_EXISTS,
            f"{'A folder' if present.folder else 'A file'} named {upload.name[:80]!r} exists here already.",
        )
    return present


def _own(conn: Connection, call: Call) -> Upload:
    """The upload of the path; other people's do not exist for the caller."""
    upload = uploads.get(conn, call.path["upload"])
    if upload is None or upload.created_by != call.caller.username:
        raise Refusal(Fault.UPLOAD_NOT_FOUND, "Requested upload does not exist; it may be complete or aborted.")
    require_write(access.permissions_on(conn, call, upload.project), "upload files", _FORBIDDEN)
    return upload


def list_uploads(call: Call, services: Services) -> Answer:
    """``GET /upload/multipart``: the caller's own that are under way."""
    at = wire.window(call)
    with services.database.read() as conn:
        found = uploads.page(conn, username=call.caller.username, offset=at.offset, limit=at.limit)
    items = [show_upload(call, upload) for upload in found.items]
    return wire.page(call, items, total=found.total, at=at, default=LIST_FIELDS)


def get_upload(call: Call, services: Services) -> Answer:
    """``GET /upload/multipart/{id}``, with ``list_parts`` also what has arrived."""
    with services.database.read() as conn:
        upload = _own(conn, call)
        parts = uploads.parts(conn, upload.id)
    shown = show_upload(call, upload) | {"uploaded_parts_count": len(parts)}
    if call.flag("list_parts"):
        shown["parts"] = [_show_part(part) for part in parts]
    return wire.one(call, shown)


def _show_part(part: Part) -> dict[str, Any]:
    return {"part_number": part.number, "response": {"headers": {"ETag": part.etag}}}


def get_part(call: Call, services: Services) -> Answer:
    """``GET /upload/multipart/{id}/part/{n}``: where to put the bytes of the part."""
    number = check_part_number(call.path["number"])
    with services.database.read() as conn:
        upload = _own(conn, call)
    expires = services.clock() + services.settings.link_lifetime
    return Answer(
        value={
            "method": "PUT",
            "url": links.part_url(links.signing_key(services), call, upload.id, number, expires),
            "expires": wire.timestamp(expires),
            "headers": {},
            "success_codes": [200],
            "report": {"headers": ["ETag"]},
        }
    )


def report_part(call: Call, services: Services) -> Answer:
    """``POST /upload/multipart/{id}/part``: the client got this ETag; a second report changes nothing."""
    report = call.parse(ReportBody, Fault.UPLOAD_PART_INVALID)
    with services.database.write() as conn:
        upload = _own(conn, call)
        uploads.report_part(conn, upload.id, check_report(report, uploads.parts(conn, upload.id)))
    return Answer(value={})


def abort_upload(call: Call, services: Services) -> Answer:
    """``DELETE /upload/multipart/{id}``."""
    with services.database.write() as conn:
        upload = _own(conn, call)
        uploads.delete(conn, upload.id)
    part_files.discard(directory_of(services, upload.id))
    return NO_CONTENT


def complete_upload(call: Call, services: Services) -> Answer:
    """``POST /upload/multipart/{id}/complete``: all parts are here and become one file, at once, or nothing happens."""
    body = call.parse(CompleteBody, Fault.UPLOAD_PARTS_INVALID)
    with services.database.read() as conn:
        upload = _own(conn, call)
        arrived = uploads.parts(conn, upload.id)
    listed = {check_report(report, arrived) for report in body.parts or ()}
    parts = complete_parts(upload, arrived, listed)
    directory = directory_of(services, upload.id)
    try:
        with part_files.assembled(directory, parts) as whole:
            _check_whole(upload, whole, parts)
            file, orphan = _take_in(call, services, whole)
    except FileNotFoundError as error:
        raise Refusal(Fault.UPLOAD_INCOMPLETE, "The bytes of a part are gone: upload the file again.") from error
    part_files.discard(directory)
    drop_orphans(services, [orphan])
    return wire.created(call, show_file(call, file))


def _check_whole(upload: Upload, whole: Path, parts: Sequence[Part]) -> None:
    """Raise `Refusal` UPLOAD_INCOMPLETE when the file is not the one that was announced; its parts stay."""
    if upload.md5 is None:
        return
    arrived = part_files.md5_of(whole, parts)
    if arrived != upload.md5:
        raise Refusal(
            Fault.UPLOAD_INCOMPLETE,
            f"The file has the MD5 {arrived}, but {upload.md5} was announced: upload its parts again.",
        )


def _take_in(call: Call, services: Services, whole: Path) -> tuple[File, str | None]:
    """Bytes into storage, row into the database; also the location that lost its last row by being replaced."""
    (blob,) = services.storage.adopt(whole)
    try:
        with services.database.write() as conn:
            return _insert(conn, call, services, blob, whole)
    except BaseException:
        drop_orphans(services, [blob.location])
        raise


def _insert(conn: Connection, call: Call, services: Services, blob: Blob, whole: Path) -> tuple[File, str | None]:
    upload = _own(conn, call)
    projects.lock(conn, upload.project)  # before the turn, as everybody does: the other order would deadlock
    take_turn(conn, Turn.LOCATIONS)
    replaced, orphan = _check_name(conn, upload), None
    if replaced is not None:
        orphan = files.delete(conn, replaced.id)
    file = _new_file(upload, _kept(services, blob, whole), services.clock())
    files.insert(conn, file)
    if not uploads.delete(conn, upload.id):
        raise Refusal(Fault.UPLOAD_NOT_FOUND, "The upload was completed or aborted at the same time.")
    return file, orphan if orphan != blob.location else None


def _kept(services: Services, blob: Blob, whole: Path) -> Blob:
    """The blob, taken in again when the last other file with these bytes has just been deleted together with them."""
    try:
        services.storage.size(blob.location)
    except FileNotFoundError:
        (blob,) = services.storage.adopt(whole)
    return blob


def _new_file(upload: Upload, blob: Blob, now: datetime) -> File:
    return File(
        id=new_file_id(now.timestamp()),
        project=upload.project,
        parent=upload.parent,
        name=upload.name,
        size=blob.size,
        location=blob.location,
        created_on=now,
        modified_on=now,
    )


def sweep(services: Services) -> None:
    """Drop what uploads left behind that are no more: a crash between commit and clean-up can leave that."""
    directory = services.settings.uploads
    present = [entry.name for entry in directory.iterdir()] if directory.is_dir() else []
    with services.database.read() as conn:
        known = uploads.ids(conn)
    for name in present:
        if name not in known:
            part_files.discard(directory / name)


def directory_of(services: Services, upload: str) -> Path:
    """Where the parts of an upload lie. The id comes from the database, never from a caller."""
    return services.settings.uploads / upload


@dataclass(frozen=True, slots=True)
class _PartReceiver:
    services: Services
    upload: Upload
    file: part_files.PartFile
    md5: str | None
    by: str

    def write(self, data: bytes) -> None:
        self.file.write(data)

    def finish(self) -> Answer:
        try:
            part = self.file.finish(self.md5)
        except FileNotFoundError as error:
            raise Refusal(Fault.UPLOAD_NOT_FOUND, "The upload was aborted while this part arrived.") from error
        with self.services.database.write() as conn:
            links.check_still_allowed(conn, self.by, self.upload.project, Permission.WRITE)
            uploads.put_part(conn, self.upload.id, part)
        return Answer(value={}, headers=(("etag", f'"{part.etag}"'),))

    def abandon(self) -> None:
        self.file.abandon()


def put_part(call: Call, services: Services) -> _PartReceiver:
    """``PUT`` of a signed URL: the bytes of a part; the answer's ETag is their MD5."""
    upload_id, number = call.path["upload"], call.path["number"]
    path = f"upload/parts/{upload_id}/{number}"
    by = links.check_signature(links.signing_key(services), call, path, services.clock())
    with services.database.read() as conn:
        upload = uploads.get(conn, upload_id)
        if upload is None:
            raise Refusal(Fault.UPLOAD_NOT_FOUND, "Requested upload does not exist; it may be complete or aborted.")
        links.check_still_allowed(conn, by, upload.project, Permission.WRITE)
    directory = directory_of(services, upload.id)
    # Not the part size: a part of one byte more, and an empty last one, is what the Python client makes of some sizes.
    limit = MAX_PART if upload.size is None else min(upload.size, MAX_PART)
    file = part_files.PartFile(directory, check_part_number(number), limit)
    return _PartReceiver(services, upload, file, call.headers.get("content-md5"), by)


ROUTES = (
    Route("GET", "/upload/multipart", list_uploads, "Uploads under way", importance=3),
    Route("POST", "/upload/multipart", init_upload, "Start an upload", importance=1, shape=UploadBody),
    Route("GET", "/upload/multipart/{upload}", get_upload, "One upload", importance=3),
    Route("DELETE", "/upload/multipart/{upload}", abort_upload, "Abort an upload"),
    Route("GET", "/upload/multipart/{upload}/part/{number}", get_part, "Signed URL of a part", importance=1),
    Route("POST", "/upload/multipart/{upload}/part", report_part, "Report a part", importance=1, shape=ReportBody),
    Route("POST", "/upload/multipart/{upload}/complete", complete_upload, "Complete", importance=1, shape=CompleteBody),
    Route(
        "PUT", "/upload/parts/{upload}/{number}", put_part, "Bytes of a part",
        importance=1, auth=False, takes=Takes.STREAM,
    ),
)  # fmt: skip
