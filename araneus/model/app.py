"""Apps: CWL documents with integer revisions that never change, and the bookkeeping keys that the platform adds.

Source: API reference, apps ("raw").
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One revision of an app. ``raw`` is the document as it came, without the server's own keys.

    ``content`` is the SHA-256 of the document in canonical JSON: the key under which its normal form is cached.
    """

    project: str
    name: str
    revision: int
    label: str
    raw: dict[str, Any]
    content: str
    notes: str | None = None
    validation_errors: tuple[str, ...] = ()
    copy_of: str | None = None
    created_by: str
    created_on: datetime

    @property
    def id(self) -> str:
        """``owner/project/app/revision``."""
        return f"{self.project}/{self.name}/{self.revision}"


def content_hash(raw: dict[str, Any]) -> str:
    """SHA-256 in hexadecimal of the document in canonical JSON (sorted keys, no white space)."""
    text = json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def app_label(raw: dict[str, Any], name: str) -> str:
    """The human name of an app: its ``label``, else ``sbg:name``, else its short name."""
    for key in ("label", "sbg:name"):
        if isinstance(raw.get(key), str) and raw[key].strip():
            return str(raw[key])
    return name
