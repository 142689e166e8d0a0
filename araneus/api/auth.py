"""Who is calling: from the token in the headers to a user, by one query, every time: a revoked token dies at once.

Source: API reference, "Authentication".
"""

from collections.abc import Mapping

from araneus.api.services import Services
from araneus.model.errors import Fault, Refusal
from araneus.model.user import User, token_digest
from araneus.store import users

_ADVICE = "Send it as X-SBG-Auth-Token or as Authorization: Bearer; it may have expired or been revoked."


def token_of(headers: Mapping[str, str]) -> str | None:
    """The token that the headers carry, if any."""
    token = headers.get("x-sbg-auth-token", "").strip()
    if token:
        return token
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    return (rest.strip() or None) if scheme.lower() == "bearer" else None


def authenticate(headers: Mapping[str, str], services: Services) -> User:
    """The user whose valid token the headers carry; `Refusal` UNAUTHENTICATED for anyone else."""
    token = token_of(headers)
    if token is None:
        raise Refusal(Fault.UNAUTHENTICATED, f"Authentication token missing. {_ADVICE}")
    with services.database.read() as conn:
        user = users.by_token(conn, token_digest(token), services.clock())
    if user is None or user.disabled:
        raise Refusal(Fault.UNAUTHENTICATED, f"Authentication token not valid. {_ADVICE}")
    return user
