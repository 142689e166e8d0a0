"""Recognising differences between two runners: what `tests.oracle.explained` says of them is found out here.

A `Recognise` is given a case and what both saw. It looks at the document, at the words of a refusal, or changes both
sides in the way that is explained and asks whether they are then equal.
"""

import ast
import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from tests.oracle.case import Case, Seen

Recognise = Callable[[Case, Seen, Seen], bool]


def same(ours: Seen, theirs: Seen) -> bool:
    """Whether the runners agree: both refuse, or everything that was seen is equal."""
    if ours.refusal is not None or theirs.refusal is not None:
        return ours.refusal is not None and theirs.refusal is not None
    return ours == theirs


# Looking at documents


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def only_theirs(words: str) -> Recognise:
    """The peer alone refuses, in these words (a pattern)."""

    def recognise(_case: Case, ours: Seen, theirs: Seen) -> bool:
        return ours.refusal is None and theirs.refusal is not None and bool(re.search(words, _flat(theirs.refusal)))

    return recognise


def only_ours(words: str) -> Recognise:
    """We alone refuse, in these words (a pattern)."""

    def recognise(_case: Case, ours: Seen, theirs: Seen) -> bool:
        return theirs.refusal is None and ours.refusal is not None and bool(re.search(words, ours.refusal))

    return recognise


def _flat(text: str) -> str:
    return " ".join(re.sub(r"\S*tool\.cwl(:\d+)*:?", "", text).split())


def after(change: Callable[[Seen], Seen]) -> Recognise:
    """The two are equal after a change to both."""

    def recognise(_case: Case, ours: Seen, theirs: Seen) -> bool:
        accepted = ours.refusal is None and theirs.refusal is None
        return accepted and same(change(ours), change(theirs))

    return recognise


def rewritten(rewrite: Callable[[str], str]) -> Callable[[Seen], Seen]:
    def change(seen: Seen) -> Seen:
        def walk(value: Any) -> Any:
            if isinstance(value, str):
                return rewrite(value)
            if isinstance(value, list | tuple):
                return type(value)(map(walk, value))
            if isinstance(value, dict):
                return {key: walk(item) for key, item in value.items()}
            return value

        # Word by word: the quotes of a shell's line would hide what is rewritten.
        shell = ("<shell>",) if seen.command[:2] == ("/bin/sh", "-c") else ()
        return replace(
            seen, command=(*shell, *walk(_words(seen))), environment=walk(seen.environment), streams=walk(seen.streams)
        )

    return change


def file_or_list(document: dict[str, Any]) -> bool:
    """Whether a port takes a File or Directory as well as a list."""
    kinds = [node["type"] for node in _nodes(document) if isinstance(node.get("type"), list)]
    return any({"File", "Directory"} & {str(each) for each in kind} and "array" in json.dumps(kind) for kind in kinds)


# Words that one of the runners has and the other has not


def _words(seen: Seen) -> list[str]:
    """The words of a command; those of a shell's line one by one."""
    if seen.command[:2] != ("/bin/sh", "-c"):
        return list(seen.command)
    try:
        return shlex.split(seen.command[2])
    except ValueError:  # a quote that shellQuote: false left open
        return seen.command[2].split(" ")


def _missing(short: list[str], long: list[str]) -> list[str] | None:
    """What the longer list has more, in order; None when the shorter is no part of it."""
    extra, place = [], 0
    for word in long:
        if place < len(short) and short[place] == word:
            place += 1
        else:
            extra.append(word)
    return extra if place == len(short) else None


def _they_have_more(case: Case, ours: Seen, theirs: Seen) -> list[str]:
    """The words that only the peer has, when it has all of ours and all else is equal."""
    if ours.refusal or theirs.refusal:
        return []
    ours, theirs = settled(ours), settled(theirs)
    if not same(replace(ours, command=()), replace(theirs, command=())):
        return []
    return _missing(_item_words(_words(ours)), _item_words(_words(theirs))) or []


def _prefix_words(nodes: Iterator[dict[str, Any]]) -> set[str]:
    """The prefixes of bindings, as they may stand on a command line or come out of a shell's."""
    plain = {str(node["prefix"]) for node in nodes if isinstance(node.get("prefix"), str)}
    return {word for prefix in plain for word in (prefix, *prefix.split(" "), *shlex.split(prefix))}


def prefix_of_nothing(case: Case, ours: Seen, theirs: Seen) -> bool:
    more = _they_have_more(case, ours, theirs)
    allowed = _prefix_words(node for node in _nodes(case.document) if "valueFrom" in node)
    return bool(more) and set(more) <= allowed


def value_of_named_type(case: Case, ours: Seen, theirs: Seen) -> bool:
    bound = [node for node in _nodes(case.document) if "valueFrom" in (node.get("inputBinding") or {})]
    named = any("named" in json.dumps(node.get("type")) for node in bound)
    return named and bool(_they_have_more(case, ours, theirs))


def _same_words(ours: Seen, theirs: Seen) -> bool:
    """The same words, in another order."""
    ours, theirs = settled(ours), settled(theirs)
    rest = same(replace(ours, command=()), replace(theirs, command=()))
    return _accepted(ours, theirs) and rest and sorted(_item_words(_words(ours))) == sorted(_item_words(_words(theirs)))


def index_first(case: Case, ours: Seen, theirs: Seen) -> bool:
    bound = any(node.get("type") == "array" and "inputBinding" in node for node in _nodes(case.document))
    return bound and _same_words(ours, theirs)


_WORDLESS: Final = ("True", "False", "true", "false", "None", "null")
"""What items without a binding become in the peer, where they are no text, number, file or list."""


def _pythonic(word: str) -> str:
    """A list as Python shows it, whose words have been settled."""
    words = {"null": "None", "true": "True", "false": "False"}
    return re.sub(r"\b(null|true|false)\b", lambda match: words[match[0]], word)


def _item_words(words: list[str]) -> list[str]:
    """The words without those of items that add none, and the items of lists as words of their own."""
    found: list[str] = []
    for word in words:
        shown = _shown_list(word)
        if shown is not None:
            found += _item_words([plain_numbers(str(item)) for item in shown])
        elif word not in _WORDLESS and not re.fullmatch(r"\{.*\}", word, re.DOTALL):
            found.append(word)
    return found


def _shown_list(word: str) -> list[Any] | None:
    """The list that a word shows, in JSON or as Python writes it."""
    if not re.fullmatch(r"\[.*\]", word, re.DOTALL):
        return None
    for read in (json.loads, lambda text: ast.literal_eval(_pythonic(text))):
        try:
            value = read(word)
        except (ValueError, SyntaxError):
            continue
        return value if isinstance(value, list) else None
    return None


def items_without_words(case: Case, ours: Seen, theirs: Seen) -> bool:
    """The two are equal but for the items of lists that a valueFrom gave."""
    given = any("valueFrom" in node for node in _nodes(case.document)) or case.document.get("arguments")
    ours, theirs = settled(ours), settled(theirs)
    rest = same(replace(ours, command=()), replace(theirs, command=()))
    equal = _item_words(_words(ours)) == _item_words(_words(theirs))
    return bool(given) and _accepted(ours, theirs) and ours.outputs is None and rest and equal


def nested_items_joined(case: Case, ours: Seen, theirs: Seen) -> bool:
    """Only words that show lists or objects differ, and those by spelling."""
    ours, theirs = settled(ours), settled(theirs)
    if not _accepted(ours, theirs) or not same(replace(ours, command=()), replace(theirs, command=())):
        return False
    mine, other = _item_words(list(ours.command)), _item_words(list(theirs.command))
    differing = [pair for pair in zip(mine, other, strict=False) if pair[0] != pair[1]]
    shown = all("[" in one + two or "{" in one + two for one, two in differing)
    return len(mine) == len(other) and shown and all(_spelled(one) == _spelled(two) for one, two in differing)


def _spelled(word: str) -> list[str]:
    """The letters and digits of a word, in no order: objects are sorted by one runner only."""
    plain = unquote(re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), word))
    plain = re.sub(r"""(["'])location\1: \1_:[^"']*\1|\\[nt]""", "", plain)
    return sorted(re.sub(r"\W", "", plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")))


def list_of_any(case: Case, ours: Seen, theirs: Seen) -> bool:
    """Something of type Any with a binding may hold a list or an object; all but the command is equal."""
    typed = json.dumps([case.document["inputs"], case.document.get("requirements"), case.document.get("hints")])
    given = [*case.job.values(), *(node["default"] for node in _nodes(case.document) if "default" in node)]
    structured = any("[" in json.dumps(value) or "{" in json.dumps(value) for value in given)
    rest = same(replace(settled(ours), command=()), replace(settled(theirs), command=()))
    return '"Any' in typed and structured and rest and _accepted(ours, theirs) and ours.outputs is None


def _accepted(ours: Seen, theirs: Seen) -> bool:
    return ours.refusal is None and theirs.refusal is None


def staged_twice(case: Case, ours: Seen, theirs: Seen) -> bool:
    """One input stands twice in the working directory's listing, and only what the tool found there differs."""
    listings = [json.dumps(node["listing"]) for node in _nodes(case.document) if "listing" in node]
    names = [name for listing in listings for name in re.findall(r"inputs\.(f|d|fs)\b", listing)]
    if len(names) == len(set(names)) or not _accepted(ours, theirs) or not isinstance(ours.outputs, dict):
        return False
    return all(value == theirs.outputs.get(name) for name, value in ours.outputs.items() if name != "report")


# Outputs that one runner writes otherwise


def _rebuilt(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value changed from the leaves up."""
    if isinstance(value, list):
        return change([_rebuilt(item, change) for item in value])
    if isinstance(value, dict):
        return change({key: _rebuilt(item, change) for key, item in value.items()})
    return change(value)


def once(value: Any) -> Any:
    """Every list of files without repetitions."""

    def change(item: Any) -> Any:
        if not isinstance(item, list) or not all(isinstance(each, dict) and "basename" in each for each in item):
            return item
        return [each for place, each in enumerate(item) if each not in item[:place]]

    return _rebuilt(value, change)


def not_itself(value: Any) -> Any:
    """Every file without secondary files of its own name."""

    def change(item: Any) -> Any:
        if not isinstance(item, dict) or "secondaryFiles" not in item:
            return item
        others = [each for each in item["secondaryFiles"] if each.get("basename") != item.get("basename")]
        return {**item, "secondaryFiles": others}

    return _rebuilt(value, change)


def plain_directories(value: Any) -> Any:
    """Directories without what only a File has."""

    def change(item: Any) -> Any:
        if not isinstance(item, dict) or item.get("class") != "Directory":
            return item
        return {key: each for key, each in item.items() if key not in {"nameroot", "nameext", "format"}}

    return _rebuilt(value, change)


def sorted_names(value: Any) -> Any:
    """Lists of files with unusual names, in one order."""

    def change(item: Any) -> Any:
        if not isinstance(item, list) or not all(isinstance(each, dict) and "basename" in each for each in item):
            return item
        usual = all(re.fullmatch(r"[A-Za-z0-9._-]+", each["basename"]) for each in item)
        return item if usual else sorted(item, key=lambda each: str(each["basename"]))

    return _rebuilt(value, change)


def outputs_after(change: Callable[[Any], Any]) -> Recognise:
    def recognise(_case: Case, ours: Seen, theirs: Seen) -> bool:
        ran = _accepted(ours, theirs) and ours.outputs is not None
        return ran and bool(change(ours.outputs) == change(theirs.outputs))

    return recognise


def all_non_null_of_one(case: Case, ours: Seen, theirs: Seen) -> bool:
    """A link in the document picks all of one source that is written as a list."""
    picked = [node for node in _nodes(case.document) if node.get("pickValue") == "all_non_null"]
    sources = [node.get("source", node.get("outputSource")) for node in picked]
    alone = any(isinstance(source, list) and len(source) == 1 for source in sources)
    return alone and (_accepted(ours, theirs) or only_theirs("not valid|incompatible")(case, ours, theirs))


def defaults_seen_by_steps(case: Case, ours: Seen, theirs: Seen) -> bool:
    """A process that a step runs has a default, and the step looks at its inputs before they reach the process."""
    steps = [node for node in _nodes(case.document) if "run" in node]
    looking = [step for step in steps if "when" in step or "valueFrom" in json.dumps(step.get("in"))]
    return any('"default"' in json.dumps(step["run"]) for step in looking) and _accepted(ours, theirs)


def of_tool(recognise: Recognise) -> Recognise:
    """Only where the document is a tool."""
    return lambda case, ours, theirs: case.document["class"] == "CommandLineTool" and recognise(case, ours, theirs)


def names_before_clashes(value: Any) -> Any:
    """Files under the names that they had before two of one name met in the output directory."""

    def change(item: Any) -> Any:
        if not isinstance(item, dict) or "basename" not in item:
            return item
        return {
            key: re.sub(r"^_\d+_", "", each) if key in {"basename", "nameroot"} else each for key, each in item.items()
        }

    return _rebuilt(value, change)


_EXPONENT: Final = re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+")


def plain_numbers(text: str) -> str:
    plain = _EXPONENT.sub(lambda match: format(Decimal(match[0]), "f"), text)
    return re.sub(r"(\d)\.0(?=\d+\.0(?!\d)|(?![\d.]))", r"\1", plain)


def plain_booleans(text: str) -> str:
    words = {"True": "true", "False": "false", "None": "null"}
    return re.sub(r"(True|False|None)(?!\w)", lambda match: words[match[0]], text)


def plain_literals(text: str) -> str:
    return re.sub(r'"location": "_:[0-9a-f-]{36}", ', "", text)


def plain_locations(text: str) -> str:
    """The text with the locations in it unquoted, whatever quoted them."""

    def plain(match: re.Match[str]) -> str:
        return unquote(re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), match[0]))

    return re.sub(r'file://<case>/[^"]*', plain, text)


def without_unknown(text: str) -> str:
    """The text without the name of the input that no tool has."""
    return re.sub(r",unknown\b|\bunknown,", "", text)


def settled(seen: Seen) -> Seen:
    """With all the differences of spelling that are explained below taken away."""
    return rewritten(lambda text: plain_locations(plain_literals(plain_booleans(plain_numbers(text)))))(seen)
