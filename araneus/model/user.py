"""People and their tokens."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from araneus.model.errors import Fault, Refusal

_USERNAME = re.compile(r"[A-Za-z0-9_\-.]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person with an account. ``username`` is case-sensitive and is the owner part of project ids."""

    username: str
    email: str
    first_name: str = ""
    last_name: str = ""
    affiliation: str = ""
    admin: bool = False
    disabled: bool = False
    billing_group: str
    created_on: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A credential of a user. Only its hash is kept: the text is shown once, when it is made."""

    digest: str
    username: str
    label: str
    created_on: datetime
    expires_on: datetime | None = None


def new_user(username: str, *, email: str = "", admin: bool = False, billing_group: str, now: datetime) -> User:
    """A fresh account; `Refusal` when the name cannot be one. Without an address it gets one that leads nowhere."""
    checked = check_username(username)
    return User(
        username=checked,
        email=email or f"{checked}@localhost",
        admin=admin,
        billing_group=billing_group,
        created_on=now,
    )


def check_not_last_admin(user: User, others: Iterable[User]) -> None:
    """Raise `Refusal` when nobody else could administer the server once this user is disabled."""
    left = [other for other in others if other.admin and not other.disabled and other.username != user.username]
    if user.admin and not left:
        raise Refusal(Fault.BAD_REQUEST, "The last administrator of the server cannot be disabled: name another first.")


def token_digest(token: str) -> str:
    """SHA-256 of a token in hexadecimal. Tokens hold 128 random bits, so no salt or slow hash is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def check_username(name: str) -> str:
    """The name itself when it may stand in a project id; else `Refusal`."""
    if not _USERNAME.fullmatch(name) or name in {".", ".."}:
        raise Refusal(
            Fault.BAD_REQUEST, f"{name[:80]!r} cannot be a username: use 1 to 64 letters, digits, '-', '_' or '.'."
        )
    return name
