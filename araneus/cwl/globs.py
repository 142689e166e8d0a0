"""Glob patterns of outputs: taking them apart and matching names. Pure; `cwl.produced` walks the directories.

Source: CWL v1.2 CommandLineTool, "CommandOutputBinding" (POSIX glob(3)); braces as the platform accepts them.
"""

import fnmatch
import re
from functools import lru_cache
from typing import Final, TypeAlias

from araneus.cwl.errors import OutputError, Problem

MAX_ALTERNATIVES: Final = 1000
"""How many patterns the braces of one pattern may stand for."""

Component: TypeAlias = str | re.Pattern[str]
"""One name of a path: as it is, or to be matched. Empty at the end: only directories."""

_MAGIC: Final = re.compile(r"[*?\[\\]")


@lru_cache(maxsize=4096)
def patterns(text: str) -> tuple[tuple[Component, ...], ...]:
    """The alternatives of a pattern relative to the working directory, each as its path components.

    A path without components is the directory itself; an alternative that is empty matches nothing. Raises
    `OutputError` for patterns that leave the directory.
    """
    return tuple(tuple(_component(name) for name in _names(one)) for one in alternatives(text) if one)


def _names(pattern: str) -> list[str]:
    names: list[str] = []
    for name in pattern.split("/"):
        if name == ".." and names and not _MAGIC.search(names[-1]) and names[-1] != "..":
            names.pop()
        elif name not in {"", "."}:
            names.append(name)
    if pattern.startswith("/") or ".." in names or "\0" in pattern:
        raise OutputError(
            Problem("", f"glob {pattern[:120]!r} leaves the working directory; use a path relative to it")
        )
    return [*names, ""] if names and pattern.endswith("/") else names


def _component(name: str) -> Component:
    if not _MAGIC.search(name):
        return name
    escaped = re.sub(r"\\(.)", lambda match: f"[{match[1]}]" if match[1] in "*?[" else match[1], name)
    return re.compile(fnmatch.translate(escaped))


def fits(name: str, component: re.Pattern[str]) -> bool:
    """Whether a name matches; a leading dot is only matched by a dot."""
    hidden = name.startswith(".") and not component.pattern.startswith(r"(?s:\.")
    return not hidden and component.match(name) is not None


def alternatives(text: str) -> list[str]:
    """The pattern with its first-level braces expanded, again and again: ``{a,b}c`` gives ``ac`` and ``bc``."""
    waiting, done = [text], list[str]()
    while waiting:
        if len(waiting) + len(done) > MAX_ALTERNATIVES:
            raise OutputError(Problem("", f"glob {text[:120]!r} stands for more than {MAX_ALTERNATIVES} patterns"))
        one = waiting.pop(0)
        found = _brace(one)
        if found is None:
            done.append(one)
        else:
            start, end, parts = found
            waiting[:0] = [one[:start] + part + one[end + 1 :] for part in parts]
    return list(dict.fromkeys(done))


def _brace(text: str) -> tuple[int, int, list[str]] | None:
    """Start, end and parts of the first brace with a comma in it."""
    for start in (place for place, character in enumerate(text) if character == "{"):
        depth, parts, begin = 0, list[str](), start + 1
        for place in range(start, len(text)):
            character = text[place]
            if character == "{":
                depth += 1
            elif character == "," and depth == 1:
                parts.append(text[begin:place])
                begin = place + 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    if parts:
                        return start, place, [*parts, text[begin:place]]
                    break
    return None
