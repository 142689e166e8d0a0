"""Who may do what: the five permissions of a project member.

Source: API reference, projects, "Meaning of the permissions". Read is implied by membership; admin implies the rest.
"""

from dataclasses import asdict, dataclass
from enum import StrEnum

from araneus.model.errors import Fault, Refusal


class Permission(StrEnum):
    """One right inside a project."""

    READ = "read"
    COPY = "copy"
    WRITE = "write"
    EXECUTE = "execute"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Permissions:
    """What one member may do in one project."""

    read: bool = True
    copy: bool = False
    write: bool = False
    execute: bool = False
    admin: bool = False

    def allow(self, permission: Permission) -> bool:
        """Whether the permission is held, directly or through admin."""
        return self.admin or bool(getattr(self, permission.value))

    def __or__(self, other: "Permissions") -> "Permissions":
        """What one may do who holds both."""
        return Permissions(
            read=self.read or other.read,
            copy=self.copy or other.copy,
            write=self.write or other.write,
            execute=self.execute or other.execute,
            admin=self.admin or other.admin,
        )

    def as_dict(self) -> dict[str, bool]:
        """The permissions as the API shows them."""
        return asdict(self)


ALL_PERMISSIONS = Permissions(read=True, copy=True, write=True, execute=True, admin=True)


def require(held: Permissions, needed: Permission, fault: Fault, what: str) -> None:
    """Raise `Refusal` with ``fault`` unless the permission is held; ``what`` finishes "You need ... permission to"."""
    if not held.allow(needed):
        raise Refusal(fault, f"You need {needed.value} permission on the project to {what}.")
