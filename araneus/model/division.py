"""Divisions, the institutions of a server, and the teams inside them.

Source: API reference, "Divisions and teams". A user belongs to one division at most, and may be in any of its teams.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a user is in a division."""

    MEMBER = "MEMBER"
    ADMIN = "ADMIN"
    EXTERNAL_COLLABORATOR = "EXTERNAL_COLLABORATOR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """An institution; ``id`` is its short name."""

    id: str
    name: str
    created_on: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DivisionMember:
    """A user of a division."""

    username: str
    division: str
    role: Role = Role.MEMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Some users of a division, under a name."""

    id: str
    division: str
    name: str
    created_by: str
    created_on: datetime
