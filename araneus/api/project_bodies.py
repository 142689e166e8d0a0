"""What callers send about projects, and the rules of project settings. Pure. Source: API reference, "Settings"."""

from collections.abc import Mapping
from typing import Any

import msgspec

from araneus.model.errors import Fault, Refusal

_FLAGS = frozenset(
    {
        "locked", "controlled", "use_interruptible_instances", "use_memoization", "use_elastic_disk",
        "allow_network_access",
    }
)  # fmt: skip
_RETENTIONS = {"LIMITED", "UNLIMITED"}


class ProjectBody(msgspec.Struct, kw_only=True):
    """Body of ``POST`` and ``PATCH /projects``. Some pages of the reference show settings at the top level; an old one
    calls the name of a new project ``project``."""

    name: str | None = None
    project: str | None = None
    description: str | None = None
    billing_group: str | None = None
    tags: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    settings: dict[str, Any] | None = None
    type: str | None = None
    category: str | None = None
    use_interruptible_instances: bool | None = None
    use_memoization: bool | None = None
    use_elastic_disk: bool | None = None
    allow_network_access: bool | None = None
    intermediate_files: dict[str, Any] | None = None

    def all_settings(self) -> dict[str, Any]:
        """The settings from both places; those under ``settings`` win."""
        names = ("use_interruptible_instances", "use_memoization", "use_elastic_disk", "allow_network_access")
        above = {name: getattr(self, name) for name in (*names, "intermediate_files")}
        return {name: value for name, value in above.items() if value is not None} | (self.settings or {})

    def given(self) -> set[str]:
        """The names of the fields that the body sets."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {
            name
            for name, value in values.items()
            if value is not msgspec.UNSET and (value is not None or name == "tags")
        }


def check_text(text: str, field: str, longest: int) -> str:
    """The text itself unless it is too long or holds control characters other than white space."""
    if len(text) > longest:
        raise Refusal(Fault.BAD_REQUEST, f"{field!r} is longer than {longest} characters.")
    if any(ord(character) < 32 and character not in "\t\n\r" for character in text):
        raise Refusal(Fault.BAD_REQUEST, f"{field!r} holds a control character.")
    return text


def check_type(kind: str | None) -> None:
    """Raise `Refusal` (3010) unless the type is v2 or left out."""
    if kind not in {None, "", "v2"}:
        raise Refusal(Fault.PROJECT_TYPE_INVALID, f"Project type must be v2, not {kind[:80]!r}.")


def merge_settings(old: Mapping[str, Any], changes: Mapping[str, Any], *, new: bool) -> dict[str, Any]:
    """The settings after the changes, key by key. Unknown keys are ignored; the location is set at creation only."""
    merged = dict(old)
    for name, value in changes.items():
        if value is None:
            continue
        if name in _FLAGS:
            merged[name] = _flag(name, value)
        elif name == "intermediate_files":
            merged[name] = _intermediate_files(old.get(name) or {}, value)
        elif name == "location" and new:
            merged[name] = _location(value)
    return merged


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Refusal(Fault.BAD_REQUEST, f"Setting {name!r} must be true or false.")
    return value


def _location(value: Any) -> str:
    if not isinstance(value, str):
        raise Refusal(Fault.BAD_REQUEST, "Setting 'location' must be text.")
    return check_text(value, "location", 100)


def _intermediate_files(old: Mapping[str, Any], value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refusal(Fault.BAD_REQUEST, "Setting 'intermediate_files' must be an object.")
    merged = {**old, **{name: item for name, item in value.items() if name in {"retention", "duration"}}}
    duration = merged.get("duration")
    if merged.get("retention") not in _RETENTIONS:
        raise Refusal(Fault.BAD_REQUEST, "'intermediate_files.retention' must be LIMITED or UNLIMITED.")
    if isinstance(duration, bool) or not isinstance(duration, int) or not 1 <= duration <= 120:
        raise Refusal(Fault.BAD_REQUEST, "'intermediate_files.duration' must be a number of hours from 1 to 120.")
    return merged
