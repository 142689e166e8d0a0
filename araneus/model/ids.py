"""Identifiers in the platform's documented forms: making them and taking them apart.

Source: API reference, "Identifiers" (project ``owner/short-name``, app ``owner/project/app[/revision]``, task UUID,
file 24 hexadecimal characters, upload 64 alphanumeric characters, token 32 hexadecimal characters).
"""

import re
import secrets
import string
import unicodedata
import uuid
from dataclasses import dataclass

from araneus.model.errors import Fault, Refusal

_FILE_ID = re.compile(r"[0-9a-f]{24}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOKEN_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHORT_NAME = re.compile(r"[A-Za-z0-9_\-.]{1,100}")
_ALPHANUMERIC = string.ascii_letters + string.digits


def new_file_id(now: float) -> str:
    """A file or folder id: 4 bytes of time (seconds since 1970) and 8 random bytes, in hexadecimal.

    The leading time keeps new rows together in the index.
    """
    return f"{int(now) & 0xFFFFFFFF:08x}{secrets.token_hex(8)}"


def new_uuid() -> str:
    """A random UUID, version 4, in text form: tasks and billing groups."""
    return str(uuid.uuid4())


def new_upload_id() -> str:
    """64 random alphanumeric characters."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(64))


def new_token() -> str:
    """An authentication token: 32 lower-case hexadecimal characters."""
    return secrets.token_hex(16)


def is_token_digest(text: str) -> bool:
    """Whether the text has the form of the hash of a token."""
    return _TOKEN_DIGEST.fullmatch(text) is not None


def is_file_id(text: str) -> bool:
    """Whether the text has the form of a file id."""
    return _FILE_ID.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in its canonical 36-character form."""
    return _UUID.fullmatch(text) is not None


def short_name(name: str) -> str:
    """The short name that a project of this name gets: lower case, other characters than letters and digits as ``-``.

    Accents are dropped from their letters. A name without any usable character gives ``project``.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "project"


@dataclass(frozen=True, slots=True)
class ProjectId:
    """``owner/short-name``."""

    owner: str
    name: str

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"

    @classmethod
    def parse(cls, text: str, fault: Fault = Fault.PROJECT_ID_MALFORMED) -> "ProjectId":
        """Read ``owner/short-name``; raise `Refusal` with ``fault`` for any other form."""
        parts = text.strip("/").split("/")
        if len(parts) != 2 or not all(_SHORT_NAME.fullmatch(part) for part in parts):
            raise Refusal(fault, f"Malformed project id {text[:200]!r}: expected owner/project.")
        return cls(*parts)


@dataclass(frozen=True, slots=True)
class AppId:
    """``owner/project/app`` with an optional revision; a revision left out means the latest."""

    project: ProjectId
    name: str
    revision: int | None = None

    def __str__(self) -> str:
        base = f"{self.project}/{self.name}"
        return base if self.revision is None else f"{base}/{self.revision}"

    @classmethod
    def parse(cls, text: str) -> "AppId":
        """Read ``owner/project/app[/revision]``, with or without a trailing slash."""
        parts = text.strip("/").split("/")
        shaped = 3 <= len(parts) <= 4 and all(_SHORT_NAME.fullmatch(part) for part in parts)
        if not shaped or (len(parts) == 4 and not re.fullmatch(r"[0-9]{1,9}", parts[3])):
            raise Refusal(
                Fault.APP_ID_MALFORMED, f"Malformed app id {text[:200]!r}: expected owner/project/app[/revision]."
            )
        return cls(ProjectId(parts[0], parts[1]), parts[2], int(parts[3]) if len(parts) == 4 else None)

    def at(self, revision: int) -> "AppId":
        """The same app at a revision."""
        return AppId(self.project, self.name, revision)
