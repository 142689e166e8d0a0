"""Projects and their members.

Source: API reference, projects.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from araneus.model.access import Permissions

DEFAULT_SETTINGS: dict[str, Any] = {
    "locked": False,
    "controlled": False,
    "location": "local",
    "use_interruptible_instances": True,
    "use_memoization": False,
    "use_elastic_disk": False,
    "allow_network_access": False,
    "intermediate_files": {"retention": "LIMITED", "duration": 24},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A place for files, apps and tasks. ``id`` is ``owner/short-name`` and never changes."""

    id: str
    name: str
    description: str = ""
    type: str = "v2"
    category: str = "PRIVATE"
    billing_group: str
    tags: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=lambda: dict(DEFAULT_SETTINGS))
    root_folder: str
    created_by: str
    created_on: datetime
    modified_on: datetime


class Crowd(StrEnum):
    """Users that become members together."""

    TEAM = "TEAM"
    DIVISION = "DIVISION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user inside a project, with the permissions that he was given himself."""

    project: str
    username: str
    permissions: Permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdMember:
    """A team or division inside a project: each of its users may do there what it may."""

    project: str
    crowd: Crowd
    id: str
    permissions: Permissions
