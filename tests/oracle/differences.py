"""What two runners make of a case, in spellings that are known to differ and mean the same.

A `Settle` takes the case and what both saw, and gives both back without the one difference that it is about. All else
is left as it was: what remains is compared whole.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, TypeAlias

from tests.oracle.case import Case, Seen, nodes

Settle: TypeAlias = Callable[[Case, Seen, Seen], tuple[Seen, Seen]]


def same(ours: Seen, theirs: Seen) -> bool:
    """Whether the runners agree: both refuse, or everything that was seen is equal."""
    if ours.refusal is not None or theirs.refusal is not None:
        return ours.refusal is not None and theirs.refusal is not None
    return ours == theirs


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


# Numbers


def plain_numbers(case: Case, ours: Seen, theirs: Seen) -> tuple[Seen, Seen]:
    """Numbers with a fraction or an exponent in decimal notation, where the case has such numbers; what stands so in a
    text of the case stays."""
    texts = " ".join(leaf for leaf in _leaves([case.job, case.document]) if isinstance(leaf, str))
    if not any(isinstance(leaf, float) for leaf in _leaves([case.job, case.document])) and "$" not in texts:
        return ours, theirs
    written = set(re.findall(_LOOSE, " ".join(leaf for leaf in _leaves(case.job) if isinstance(leaf, str))))

    def plain(match: re.Match[str]) -> str:
        return match[0] if match[0] in written else _decimal(match[0])

    def change(text: str) -> str:
        return _LOOSE.sub(plain, text)

    return _rewritten(ours, change), _rewritten(theirs, change)


_LOOSE: Final = re.compile(r"-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)")


def _decimal(text: str) -> str:
    plain = format(Decimal(text), "f")
    return re.sub(r"\.?0*$", "", plain) if "." in plain else plain


def _rewritten(seen: Seen, change: Callable[[str], str]) -> Seen:
    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list | tuple):
            return type(value)(map(walk, value))
        if isinstance(value, dict):
            return {key: walk(item) for key, item in value.items()}
        return value

    # Word by word: whether the shell's line quotes a word depends on the letters in it.
    command = walk(_words(seen))
    return replace(seen, command=command, environment=walk(seen.environment), streams=walk(seen.streams))


def _words(seen: Seen) -> tuple[str, ...]:
    """The words of a command; those of a shell's line one by one, as it would see them."""
    if seen.command[:2] != ("/bin/sh", "-c"):
        return seen.command
    try:
        return ("/bin/sh", "-c", *shlex.split(seen.command[2]))
    except ValueError:  # a quote that shellQuote: false left open
        return seen.command


# Outputs


def _outputs(seen: Seen, change: Callable[[Any], Any]) -> Seen:
    return replace(seen, outputs=_walked(seen.outputs, change)) if seen.outputs is not None else seen


def _walked(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with every list and mapping in it changed, from the leaves up."""
    if isinstance(value, list):
        return change([_walked(item, change) for item in value])
    if isinstance(value, dict):
        return change({key: _walked(item, change) for key, item in value.items()})
    return value


def _is_files(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and "basename" in each for each in value)


def files_once(case: Case, ours: Seen, theirs: Seen) -> tuple[Seen, Seen]:
    """A file that several patterns of one glob match stands once in the peer's list, where it is found first."""

    def change(item: Any) -> Any:
        if not _is_files(item):
            return item
        return [each for place, each in enumerate(item) if each not in item[:place]]

    outputs = case.document["outputs"]
    entries = outputs if isinstance(outputs, list) else [{"id": name, "of": each} for name, each in outputs.items()]
    several = {entry["id"] for entry in entries if any(_has_patterns(node.get("glob")) for node in nodes(entry))}
    if not isinstance(theirs.outputs, dict):
        return ours, theirs
    found = {name: _walked(value, change) if name in several else value for name, value in theirs.outputs.items()}
    return ours, replace(theirs, outputs=found)


def _has_patterns(glob: Any) -> bool:
    """Whether a glob may be several patterns."""
    return isinstance(glob, list) or (isinstance(glob, str) and "$" in glob)


def not_beside_itself(case: Case, ours: Seen, theirs: Seen) -> tuple[Seen, Seen]:
    """No file of the peer is a secondary file of itself."""

    def change(item: Any) -> Any:
        if not isinstance(item, dict) or "secondaryFiles" not in item:
            return item
        itself = {key: item.get(key) for key in ("basename", "checksum")}
        others = [each for each in item["secondaryFiles"] or () if {key: each.get(key) for key in itself} != itself]
        return {**item, "secondaryFiles": others}

    return ours, _outputs(theirs, change)


def plain_directories(case: Case, ours: Seen, theirs: Seen) -> tuple[Seen, Seen]:
    """The peer's directories without what only a File has."""

    def change(item: Any) -> Any:
        if not isinstance(item, dict) or item.get("class") != "Directory":
            return item
        return {key: each for key, each in item.items() if key not in {"nameroot", "nameext", "format"}}

    return ours, _outputs(theirs, change)


def sorted_names(case: Case, ours: Seen, theirs: Seen) -> tuple[Seen, Seen]:
    """Lists of files with names that an IRI quotes, in one order."""

    def change(item: Any) -> Any:
        if not _is_files(item) or all(re.fullmatch(r"[A-Za-z0-9._-]+", str(each["basename"])) for each in item):
            return item
        return sorted(item, key=lambda each: str(each["basename"]))

    return _outputs(ours, change), _outputs(theirs, change)


def names_before_clashes(case: Case, ours: Seen, theirs: Seen) -> tuple[Seen, Seen]:
    """Our files under the names that they had before two of one name met in the output directory."""
    found = {leaf for leaf in _leaves(theirs.outputs) if isinstance(leaf, str)}

    def change(item: Any) -> Any:
        if not isinstance(item, dict) or "basename" not in item:
            return item
        name = re.sub(r"^_\d+_", "", str(item["basename"]))
        if name == item["basename"] or name not in found:
            return item
        plain = {key: re.sub(r"^_\d+_", "", str(item[key])) for key in ("nameroot",) if key in item}
        return {**item, "basename": name, **plain}

    return _outputs(ours, change), theirs
