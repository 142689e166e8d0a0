"""Text that came from tools, documents and machines, made fit to be shown: in an answer, on a terminal, in a log.

Nothing in it steers a terminal or turns the reading direction, it has an end, and what looks like a password or a token
is covered. Values in, values out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

COVERED: Final = "***"

# Colours, cursor movements and titles, in the spellings of ECMA-48 (CSI, OSC and the two-character forms).
_STEERING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_OWNER = re.compile(r"(?<=://)[^/\s@\"'<>]+(?=@)")
_NAMES: Final = r"passw(?:or)?d|passphrase|secret|credential|api[_-]?key|access[_-]?key|private[_-]?key"
_QUERY = re.compile(rf"(?i)(?<=[?&;])([\w.-]*(?:token|signature|{_NAMES})[\w.-]*|sig|auth|key)=[^&;#\s\"'<>]*")
_GIVEN = re.compile(rf"(?i)(?<![\w.-])([\w.-]*(?:token|{_NAMES})[\w.-]*)(=[\"']?)(?!\*)[^\s\"'&;,<>]{{4,}}")
_HEADER = re.compile(
    rf"(?i)(?<![\w.-])([\w.-]*(?:[-_]token|{_NAMES})[\w.-]*)([\"']?:\s*[\"']?)(?!\*)[^\s\"'&;,<>]{{4,}}"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.~+/=-]{8,}")
_SECRET_VARIABLE = re.compile(rf"(?i).*(?:token|{_NAMES}).*|(?:.*_)?(?:auth|key|pass|pwd)(?:_.*)?")
_LONG_ENOUGH: Final = 6


def plain(text: str, limit: int) -> str:
    """The text without control characters (line ends and tabs stay) and secrets, at most ``limit`` characters long."""
    # What is far beyond the limit is not worth looking through, and the patterns are not to see megabytes.
    text = _STEERING.sub("", text[: 2 * limit])
    text = _UNSEEN.sub("", "\n".join(_as_seen(line) for line in text.split("\n")))
    return shortened(covered(_SURROGATES.sub("\ufffd", text)), limit)


def _as_seen(line: str) -> str:
    """A line as a terminal would show it in the end: progress bars return to its start and write again."""
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def covered(text: str) -> str:
    """The text without passwords in addresses, tokens, and whatever is assigned to a name of that sort."""
    text = _OWNER.sub(COVERED, text)
    text = _QUERY.sub(rf"\1={COVERED}", text)
    text = _BEARER.sub(rf"\1\2{COVERED}", text)
    return _HEADER.sub(rf"\1\2{COVERED}", _GIVEN.sub(rf"\1\2{COVERED}", text))


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """The values of environment variables whose name says that they are secret."""
    return [
        value
        for name, value in environment.items()
        if len(value) >= _LONG_ENOUGH and _SECRET_VARIABLE.fullmatch(name) is not None
    ]


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with each of the secrets covered."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, COVERED)
    return text


def shortened(text: str, limit: int) -> str:
    """At most ``limit`` characters, the last a sign that there was more."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
