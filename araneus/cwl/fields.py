"""Reading single fields of a document's mappings: what is not of the right kind is noted in the scope's report.

Every reader gives a usable value in any case, so that reading goes on and finds the next problem.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final, TypeVar

from araneus.cwl.scope import Scope, short

MAX_UNKNOWN: Final = 100
MAX_ID: Final = 256
_LIKENESS: Final = 0.84
SWITCHES: Final = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
"""Booleans of YAML 1.1, which are text in YAML 1.2."""
_FORMER: Final = {"source": "outputSource", "description": "doc", "command": "baseCommand", "name": "id"}
_LATER: Final = dict.fromkeys(("when", "pickValue"), ": it needs cwlVersion v1.2")
_KINSHIP: Final = 0.6
_MAX_COMPARED: Final = 200
_Choice = TypeVar("_Choice", bound=StrEnum)


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "null"
    for kind, words in ((bool, "a boolean"), (str, "text"), (int | float, "a number"), (list, "a list")):
        if isinstance(value, kind):
            return words
    return "a mapping"


def is_foreign(key: str) -> bool:
    """Whether a field belongs to somebody else's vocabulary (``sbg:x``) or to the preprocessor (``$schemas``)."""
    return ":" in key or key.startswith("$")


def known_fields(scope: Scope, node: Mapping[str, Any], allowed: Collection[str]) -> None:
    """Note every field that is neither allowed nor foreign, with the name that was probably meant.

    No field of CWL has an underscore: such a field is the bookkeeping of some site and let through, unless it is an
    allowed one in another spelling (``output_binding``).
    """
    unknown = [key for key in node if key not in allowed and not is_foreign(key)]
    for count, key in enumerate(unknown):
        if count >= MAX_UNKNOWN:
            scope.problem(f"has more than {MAX_UNKNOWN} unknown fields")
            return
        near = likely(key, allowed)
        if near is not None or "_" not in key:
            hint = f"; did you mean {near!r}?" if near else _LATER.get(key, "")
            scope.problem(f"unknown field {key[:80]!r} in CWL v1.{scope.version}{hint}")


def likely(key: str, allowed: Collection[str]) -> str | None:
    """The allowed field that was probably meant by another spelling of it, or by the word of an earlier draft."""
    if _FORMER.get(key) in allowed:
        return _FORMER[key]
    plain = {each.casefold(): each for each in allowed}
    near = get_close_matches(key[:80].replace("_", "").casefold(), plain, n=1, cutoff=_LIKENESS)
    return plain[near[0]] if near else None


def meant(name: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown name: ``; did you mean 'reads'?``, or nothing when none is near."""
    plain = {each.casefold(): each for each in sorted(known)}
    given = name[-MAX_ID:].casefold()
    near = [given] if given in plain else []
    if not near and len(plain) <= _MAX_COMPARED:
        near = get_close_matches(given[-80:], plain, n=1, cutoff=_KINSHIP)
    near = near or [each for each in plain if short(each) == short(given)]
    return f"; did you mean {plain[near[0]][:80]!r}?" if near else ""


def foreign_fields(node: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of other vocabularies."""
    return {key: value for key, value in node.items() if ":" in key}


def text(scope: Scope, node: Mapping[str, Any], key: str) -> str | None:
    """A text, or None when it is absent or null."""
    value = node.get(key)
    if value is None or isinstance(value, str):
        return value
    scope.problem(f"must be text, not {kind_of(value)}{quotes(value)}", key)
    return None


def quotes(value: Any) -> str:
    """The end of a sentence about a value that would be text in quotes."""
    return "; put quotes around it" if isinstance(value, bool | int | float) else ""


def title(scope: Scope, node: Mapping[str, Any], key: str) -> str | None:
    """A text that is only shown: a number will do."""
    value = node.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return text(scope, node, key)


def prose(scope: Scope, node: Mapping[str, Any], key: str) -> str | None:
    """A text or a list of texts, which become one."""
    value = node.get(key)
    if isinstance(value, list) and all(isinstance(line, str | int | float) for line in value):
        return "\n".join(map(str, value))
    return title(scope, node, key)


def flag(scope: Scope, node: Mapping[str, Any], key: str, default: bool) -> bool:
    """A boolean."""
    value = node.get(key)
    if value is None:
        return default
    if isinstance(value, str) and value.casefold() in SWITCHES:
        scope.doubt(f"{value!r} is text in YAML 1.2, and taken for a boolean: write true or false", key)
        return SWITCHES[value.casefold()]
    if not isinstance(value, bool):
        scope.problem(f"must be true or false, not {kind_of(value)}", key)
        return default
    return value


def texts(scope: Scope, node: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A text or a list of texts."""
    value = node.get(key)
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        scope.problem(f"must be text or a list of texts, not {kind_of(value)}", key)
        return ()
    for item in value:
        if not isinstance(item, str):
            scope.problem(f"must be a list of texts, but holds {kind_of(item)}{quotes(item)}", key)
    return tuple(item for item in value if isinstance(item, str))


def choice(scope: Scope, node: Mapping[str, Any], key: str, choices: type[_Choice]) -> _Choice | None:
    """One of the words of an enumeration."""
    value = node.get(key)
    if value is None:
        return None
    try:
        return choices(short(value) if isinstance(value, str) else value)
    except ValueError:
        words = ", ".join(each.value for each in choices)
        near = meant(value, words.split(", ")) if isinstance(value, str) else ""
        scope.problem(f"must be one of {words}, not {str(value)[:80]!r}{near}", key)
        return None


def codes(scope: Scope, node: Mapping[str, Any], key: str) -> frozenset[int]:
    """A list of exit codes."""
    value = node.get(key)
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not all(isinstance(code, int) and not isinstance(code, bool) for code in value):
        scope.problem("must be a list of integers", key)
        return frozenset()
    return frozenset(value)


def entries(
    scope: Scope, node: Mapping[str, Any], field: str, key: str, predicate: str | None = None, *, required: bool = False
) -> Iterator[tuple[str, Mapping[str, Any], Scope]]:
    """The entries of a field that is a list of mappings with ``key``, or a map from ``key`` to them.

    In the map form a value that is no mapping stands for ``{predicate: value}``. Gives (key's value, entry, its scope).
    Source: CWL v1.2, "Map" and SchemaSalad "Identifier maps".
    """
    value = node.get(field)
    inner = scope.at(field, value)
    if value is None:
        if required:
            scope.problem("is required", field)
    elif isinstance(value, dict):
        yield from _map_entries(inner, value, key, predicate)
    elif isinstance(value, list):
        yield from _list_entries(inner, value, key, predicate)
    else:
        inner.problem(f"must be a list or a mapping, not {kind_of(value)}")


def _map_entries(
    scope: Scope, value: Mapping[str, Any], key: str, predicate: str | None
) -> Iterator[tuple[str, Mapping[str, Any], Scope]]:
    for name, entry in value.items():
        inner = scope.at(short(name) if key == "id" else name, entry)
        if isinstance(entry, dict):
            yield name, entry, inner
        elif key == "class" and ":" in name:
            yield name, {} if entry is None else {"value": entry}, inner
        elif predicate is not None and (entry is not None or predicate != "type"):
            yield name, {predicate: entry}, inner
        elif entry is None and predicate is None:
            yield name, {}, inner
        else:
            dash = "; put a space after the dash" if name.startswith("-") else ""
            inner.problem(f"must be a mapping, not {kind_of(entry)}{dash}")


def _list_entries(
    scope: Scope, value: list[Any], key: str, predicate: str | None
) -> Iterator[tuple[str, Mapping[str, Any], Scope]]:
    for index, entry in enumerate(value):
        if isinstance(entry, list):  # an $import of a whole list
            yield from _list_entries(scope.at(index, entry), entry, key, predicate)
            continue
        if not isinstance(entry, dict):
            scope.problem(f"must be a mapping, not {kind_of(entry)}", index)
            continue
        name = entry.get(key)
        if not isinstance(name, str) or not name:
            scope.problem(f"needs {key!r}: a text that is not empty{_as_class(entry, key)}", index)
            continue
        yield name, entry, scope.at(short(name) if key == "id" else name, entry)


def _as_class(entry: Mapping[str, Any], key: str) -> str:
    """What to write instead of ``- InlineJavascriptRequirement: {}``."""
    name = next(iter(entry)) if len(entry) == 1 and key == "class" else ""
    return f"; write - class: {name[:80]}" if name[:1].isupper() else ""


def unique_ids(scope: Scope, found: list[str], field: str) -> None:
    """Note every id that stands twice, or is too long to be shown, stored or typed."""
    seen: set[str] = set()
    for name in found:
        if len(name) > MAX_ID:
            scope.problem(f"the id {name[:80]!r}... is longer than {MAX_ID} characters", field)
        if name in seen:
            scope.problem(f"the id {name[:80]!r} is given twice", field)
        seen.add(name)
