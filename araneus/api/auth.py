"""Who is calling: from the token in the headers to a user, by one query, every time: a revoked token dies at once.

Source: API reference, "Authentication".
"""

from collections.abc import Collection, Mapping
from typing import TypeAlias

from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.user import User, token_digest
from araneus.store import users

Known: TypeAlias = Mapping[str, User]
"""Users by the digests of their valid tokens."""
_ADVICE = "Send it as X-SBG-Auth-Token or as Authorization: Bearer; it may have expired or been revoked."


def token_of(headers: Mapping[str, str]) -> str | None:
    """The token that the headers carry, if any."""
    token = headers.get("x-sbg-auth-token", "").strip()
    if token:
        return token
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    return (rest.strip() or None) if scheme.lower() == "bearer" else None


def digest_of(headers: Mapping[str, str]) -> str | None:
    """The digest of the token that the headers carry, if any."""
    token = token_of(headers)
    return None if token is None else token_digest(token)


def identify(services: Services, digests: Collection[str]) -> Known:
    """The users whose valid tokens have these digests, by digest."""
    with services.database.read() as conn:
        return users.by_tokens(conn, digests, services.clock())


def authenticate(digest: str | None, known: Known) -> User:
    """The user whose valid token this is the digest of; `Refusal` UNAUTHENTICATED for anyone else. ``known`` is what
    `identify` gave."""
    if digest is None:
        raise Refusal(Fault.UNAUTHENTICATED, f"Authentication token missing. {_ADVICE}")
    user = known.get(digest)
    if user is None or user.disabled:
        raise Refusal(Fault.UNAUTHENTICATED, f"Authentication token not valid. {_ADVICE}")
    return user
