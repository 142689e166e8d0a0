"""Signed URLs: whoever has one may use it until it expires, without any header.

    /v2/downloads/{file}/{name}?expires=<Unix seconds>&signature=<HMAC-SHA256, hexadecimal>
    /v2/upload/parts/{upload}/{number}?expires=...&signature=...

The signature covers method, path and expiry under a secret of the server that never leaves the database.
"""

import hashlib
import hmac
from datetime import datetime

from araneus.api.call import Call
from araneus.api.services import Services
from araneus.api.urls import quote_path
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import secrets

_SECRET = "signed-urls"  # noqa: S105 -- the name of the secret, not the secret


def create_signing_key(services: Services) -> None:
    """Make the secret once, at start, so that signing needs no write later."""
    with services.database.write() as conn:
        secrets.get_or_create(conn, _SECRET)


def signing_key(services: Services) -> bytes:
    """The secret."""
    with services.database.read() as conn:
        return secrets.get_or_create(conn, _SECRET)


def download_url(key: bytes, base: str, file: File, expires: datetime) -> str:
    """Where the bytes of a file can be fetched."""
    return _signed(key, base, "GET", f"downloads/{file.id}/{file.name}", expires)


def part_url(key: bytes, base: str, upload: str, number: int, expires: datetime) -> str:
    """Where a part of an upload can be put."""
    return _signed(key, base, "PUT", f"upload/parts/{upload}/{number}", expires)


def check_signature(key: bytes, call: Call, path: str, now: datetime) -> None:
    """Raise `Refusal` FORBIDDEN unless the call's query signs its method and ``path`` (decoded, below ``/v2``)."""
    expires, signature = call.one("expires") or "", call.one("signature") or ""
    method = "GET" if call.method == "HEAD" else call.method
    expected = _signature(key, method, path, expires)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        raise Refusal(Fault.FORBIDDEN, "The signature of this URL is not valid: ask for a new URL.")
    if int(expires) < now.timestamp():
        raise Refusal(Fault.FORBIDDEN, "This URL has expired: ask for a new one.")


def _signed(key: bytes, base: str, method: str, path: str, expires: datetime) -> str:
    moment = str(int(expires.timestamp()))
    return f"{base}/v2/{quote_path(path)}?expires={moment}&signature={_signature(key, method, path, moment)}"


def _signature(key: bytes, method: str, path: str, expires: str) -> str:
    return hmac.new(key, f"{method}\n{path}\n{expires}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
