"""Names of container images: which are accepted, how the settings rewrite them, and what is said when one is missing.

Decisions only. A name comes from a document, so it is held to the grammar of image references before any program sees
it: nothing that could be an option, a path, or a transport of the container tools (``dir:/``, ``oci-archive:/``).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from araneus.executors.base import Image
from araneus.executors.errors import CannotStartError
from araneus.model.job import Reason

_DOMAIN = (
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])"
)
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(
    rf"(?:{_DOMAIN}(?::[0-9]{{1,5}})?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")
_LONGEST: Final = 512
_HUB: Final = "docker.io/"
# Container tools may take "dir:x" for a directory of this machine. Nobody needs these as the names of repositories.
_TRANSPORTS: Final = frozenset(
    {"containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "ostree", "sif"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be made available. ``reference`` is the name that the registry or the engine is asked for; ``given``
    is what the document says, which differs when the settings rewrite it."""

    given: str
    reference: str

    def __str__(self) -> str:
        if self.given == self.reference:
            return repr(self.given)
        return f"{self.given!r} (asked for as {self.reference!r}, as jobs.images says)"


def pulled(image: Image, table: Mapping[str, str]) -> Wanted:
    """The image that has to come from a registry or be there already. Raises IMAGE_UNAVAILABLE for what is no name."""
    given = image.pull or image.image_id or ""
    if not given:
        raise unavailable("''", "DockerRequirement names no image: give dockerPull or dockerImageId")
    return named(given, table)


def named(given: str, table: Mapping[str, str]) -> Wanted:
    """A name and what the table makes of it; both are held to the grammar. Raises IMAGE_UNAVAILABLE."""
    given = given.removeprefix("docker://")
    check(given)
    wanted = Wanted(given=given, reference=rewritten(given, table))
    if wanted.reference != given and not is_name(wanted.reference):
        raise unavailable(
            repr(given), f"jobs.images makes {wanted.reference!r} of it, which is not the name of an image"
        )
    return wanted


def check(name: str) -> None:
    """Raise IMAGE_UNAVAILABLE unless this is the name or the id of an image."""
    if not is_name(name) and not is_id(name):
        raise unavailable(
            repr(name[:200]), "that is not the name of an image (such as quay.io/biocontainers/samtools:1.9)"
        )


def is_name(name: str) -> bool:
    """Whether this is an image reference: ``[registry[:port]/]path[:tag][@sha256:digest]``."""
    return len(name) <= _LONGEST and _NAME.fullmatch(name) is not None and name.partition(":")[0] not in _TRANSPORTS


def is_id(name: str) -> bool:
    """Whether this is the id of an image, as ``docker images`` shows it, perhaps shortened."""
    return _ID.fullmatch(name) is not None


def full_name(name: str) -> str:
    """The name with its registry, which is Docker Hub when it says none."""
    first, slash, _ = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return _HUB + name.removeprefix("index.docker.io/") if first == "index.docker.io" else name
    return f"{_HUB}{name}" if slash else f"{_HUB}library/{name}"


def rewritten(name: str, table: Mapping[str, str]) -> str:
    """The image name with the longest entry of the table that fits replaced.

    An entry that ends in ``/`` is a prefix. Another one fits a whole path: ``/``, ``:``, ``@`` or nothing follows it,
    so that ``quay.io/bio`` is not taken for the start of ``quay.io/biology``. The empty entry fits all. A name without
    a registry is also looked for under ``docker.io/``.
    """
    best: tuple[int, str] | None = None
    for spelling in dict.fromkeys((name, full_name(name))):
        for entry, replacement in table.items():
            if _fits(spelling, entry) and (best is None or len(entry) > best[0]):
                best = (len(entry), replacement + spelling.removeprefix(entry))
    return name if best is None else best[1]


def key(image: Image) -> str:
    """A short word that is the same for all images of the same origin, and that nobody else can choose."""
    parts = (image.pull, image.load, image.file, image.import_, image.image_id)
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def describe(image: Image) -> str:
    """The image in words."""
    name = image.pull or image.image_id or image.load or image.import_
    return repr(name) if name else "of a Dockerfile"


def unavailable(image: object, why: str, advice: str = "") -> CannotStartError:
    """The error for an image that cannot be had. ``image`` names it; ``why`` are the registry's or engine's words."""
    advice = advice or advice_for(why)
    why = why.strip().rstrip(".")
    return CannotStartError(
        Reason.IMAGE_UNAVAILABLE, f"The container image {image} is not available: {why}.{' ' if advice else ''}{advice}"
    )


def advice_for(why: str) -> str:
    """What to do about a registry's refusal."""
    said = why.lower()
    if any(word in said for word in ("unauthorized", "denied", "authentication required", "403", "401")):
        return (
            "Check its name; if it needs a login, log in as the server's user (docker login, podman login, skopeo login"
            " or apptainer registry login). If it has moved, name its new place in jobs.images."
        )
    if any(word in said for word in ("manifest unknown", "not found", "name unknown", "404", "no such image")):
        return "Check its name and tag; if it has moved to another registry, name its new place in jobs.images."
    if any(word in said for word in ("no space left", "disk quota")):
        return "Free some space for images and run the task again."
    return (
        "Check its name and that this machine can reach its registry; if the image has moved, name its new place in"
        " jobs.images."
    )


_TRANSIENT = re.compile(
    r"timeout|timed out|connection (?:reset|refused)|unexpected eof|\beof\b|broken pipe|temporary failure|try again"
    r"|too ?many ?requests|\b(?:429|500|502|503|504)\b|internal server error|bad gateway|service unavailable"
    r"|handshake failure|no route to host|network is unreachable|incomplete read|connection aborted",
    re.IGNORECASE,
)


def is_transient(why: str) -> bool:
    """Whether asking again may help, from the words of a registry, an engine or the network."""
    return _TRANSIENT.search(why) is not None


def _fits(name: str, entry: str) -> bool:
    if not name.startswith(entry):
        return False
    rest = name.removeprefix(entry)
    return not entry or not rest or entry[-1] in "/:@" or rest[0] in "/:@"
