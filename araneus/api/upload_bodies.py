"""What callers send about uploads, and what a complete upload needs. Pure. Source: API reference, uploads."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from araneus.model.errors import Fault, Refusal
from araneus.model.file import check_file_name
from araneus.model.upload import MAX_PARTS, MAX_SIZE, Part, Upload

_MD5 = re.compile(r"[0-9a-f]{32}")


class UploadBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /upload/multipart``. Sizes are in bytes; some clients send them with a decimal point."""

    project: str | None = None
    parent: str | None = None
    name: str | None = None
    size: int | float | None = None
    part_size: int | float | None = None
    md5: str | None = None


class ReportBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /upload/multipart/{id}/part``, and an entry of the list in ``complete``."""

    part_number: int
    response: dict[str, Any]


class CompleteBody(msgspec.Struct, kw_only=True):
    """Body of ``POST /upload/multipart/{id}/complete``."""

    parts: list[ReportBody] | None = None


def check_upload_name(name: str | None) -> str:
    """The name of the file to be; `Refusal` UPLOAD_INIT_INVALID."""
    try:
        return check_file_name(name or "")
    except Refusal as refusal:
        raise Refusal(Fault.UPLOAD_INIT_INVALID, refusal.message) from refusal


def check_bytes(value: float | None, name: str, most: int) -> int | None:
    """A whole number of bytes; `Refusal` UPLOAD_INIT_INVALID for any other."""
    if value is None:
        return None
    if not 0 <= value <= most or value != int(value):
        raise Refusal(Fault.UPLOAD_INIT_INVALID, f"{name!r} must be a whole number of bytes from 0 to {most}.")
    return int(value)


def check_md5(text: str | None) -> str | None:
    """The MD5 that was announced for the whole file, None for none; `Refusal` UPLOAD_INIT_INVALID for another text."""
    if not text:
        return None
    if not _MD5.fullmatch(text.lower()):
        raise Refusal(Fault.UPLOAD_INIT_INVALID, "'md5' must be the MD5 of the whole file, 32 hexadecimal digits.")
    return text.lower()


def check_part_number(value: str | int) -> int:
    """The number of a part, from 1; `Refusal` UPLOAD_PART_NUMBER_INVALID."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_PARTS):
        raise Refusal(Fault.UPLOAD_PART_NUMBER_INVALID, f"Part numbers go from 1 to {MAX_PARTS}, not {text[:40]!r}.")
    return int(text)


def reported_etag(report: ReportBody) -> str:
    """The ETag that a client got for a part: with or without quotes, under a name in any case."""
    headers = report.response.get("headers")
    named = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, dict) else {}
    etag = named.get("etag")
    text = etag.strip().strip('"').lower() if isinstance(etag, str) else ""
    if not _MD5.fullmatch(text):
        raise Refusal(
            Fault.UPLOAD_PART_INVALID,
            f"Part {report.part_number}: response.headers.ETag must hold the ETag of the part's PUT; upload it again.",
        )
    return text


def check_report(report: ReportBody, parts: Sequence[Part]) -> int:
    """The number of a reported part whose bytes are here; `Refusal` UPLOAD_PART_INVALID."""
    number, etag = check_part_number(report.part_number), reported_etag(report)
    arrived = next((part for part in parts if part.number == number), None)
    if arrived is None:
        raise Refusal(Fault.UPLOAD_PART_INVALID, f"Part {number} has not arrived: PUT its bytes first.")
    if arrived.etag != etag:
        raise Refusal(Fault.UPLOAD_PART_INVALID, f"Part {number} arrived with another ETag: upload it again.")
    return number


def complete_parts(upload: Upload, parts: Sequence[Part], reported: set[int]) -> list[Part]:
    """The parts in order, when they make up the whole file; `Refusal` UPLOAD_INCOMPLETE says what is missing."""
    ordered = sorted((part for part in parts if part.reported or part.number in reported), key=lambda part: part.number)
    numbers = [part.number for part in ordered]
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    if missing:
        shown = ", ".join(str(number) for number in missing[:10])
        raise Refusal(Fault.UPLOAD_INCOMPLETE, f"Parts not uploaded or not reported: {shown}.")
    if not ordered and upload.size is None:
        raise Refusal(Fault.UPLOAD_INCOMPLETE, "No part was uploaded and reported; an empty file is one empty part.")
    total = sum(part.size for part in ordered)
    if upload.size is not None and total != upload.size:
        raise Refusal(
            Fault.UPLOAD_INCOMPLETE, f"The parts have {total} bytes together, but {upload.size} were announced."
        )
    if total > MAX_SIZE:
        raise Refusal(Fault.UPLOAD_INCOMPLETE, f"The file would be larger than {MAX_SIZE} bytes.")
    return ordered
