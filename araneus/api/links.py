"""Signed URLs: whoever has one may use it until it expires, without any header.

    /v2/downloads/{file}/{name}?expires=<Unix seconds>&by=<username>&signature=<HMAC-SHA256, hexadecimal>
    /v2/upload/parts/{upload}/{number}?expires=...&by=...&signature=...

The signature covers method, path, expiry and who asked for the URL, under a secret of the server that never leaves the
database. A URL is worth what its asker may do: it ends with his account and with his rights on the project.
"""

import hashlib
import hmac
from datetime import datetime
from urllib.parse import quote

from araneus.api.call import Call
from araneus.api.services import Services
from araneus.api.urls import quote_path
from araneus.model.access import Permission
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.store import projects, secrets, users
from araneus.store.database import Connection

_SECRET = "signed-urls"  # noqa: S105 -- the name of the secret, not the secret


def create_signing_key(services: Services) -> None:
    """Make the secret once, at start, so that signing needs no write later."""
    with services.database.write() as conn:
        secrets.get_or_create(conn, _SECRET)


def signing_key(services: Services) -> bytes:
    """The secret."""
    with services.database.read() as conn:
        return secrets.get_or_create(conn, _SECRET)


def download_url(key: bytes, call: Call, file: File, expires: datetime) -> str:
    """Where the caller can fetch the bytes of a file."""
    return _signed(key, call, "GET", f"downloads/{file.id}/{file.name}", expires)


def part_url(key: bytes, call: Call, upload: str, number: int, expires: datetime) -> str:
    """Where the caller can put a part of an upload."""
    return _signed(key, call, "PUT", f"upload/parts/{upload}/{number}", expires)


def check_signature(key: bytes, call: Call, path: str, now: datetime) -> str:
    """Who asked for this URL. Raises `Refusal` FORBIDDEN unless the query signs the call's method and ``path``
    (decoded, below ``/v2``)."""
    expires, by, signature = (call.one(name) or "" for name in ("expires", "by", "signature"))
    method = "GET" if call.method == "HEAD" else call.method
    expected = _signature(key, method, path, expires, by)
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        raise Refusal(Fault.FORBIDDEN, "The signature of this URL is not valid: ask for a new URL.")
    if int(expires) < now.timestamp():
        raise Refusal(Fault.FORBIDDEN, "This URL has expired: ask for a new one.")
    return by


def check_still_allowed(conn: Connection, by: str, project: str, needed: Permission) -> None:
    """Raise `Refusal` FORBIDDEN unless the asker of a URL has an account that works and the permission today."""
    user, held = users.get(conn, by), projects.permissions(conn, project, by)
    if user is None or user.disabled or held is None or not held.allow(needed):
        raise Refusal(Fault.FORBIDDEN, "Whoever asked for this URL may not do this any more.")


def _signed(key: bytes, call: Call, method: str, path: str, expires: datetime) -> str:
    moment, by = str(int(expires.timestamp())), call.caller.username
    signature = _signature(key, method, path, moment, by)
    return f"{call.base}/v2/{quote_path(path)}?expires={moment}&by={quote(by, safe='')}&signature={signature}"


def _signature(key: bytes, method: str, path: str, expires: str, by: str) -> str:
    signed = f"{method}\n{path}\n{expires}\n{by}".encode("utf-8", "surrogatepass")
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
