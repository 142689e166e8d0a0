"""Strategies for tools whose command line is compared, with job objects that fit them (mostly)."""

import json
from typing import Any, Final

from hypothesis import strategies as st

from tests.oracle.case import Case
from tests.oracle.kinds import Kind, Pen, kind
from tests.oracle.scripts import LIBRARY, Scripts
from tests.oracle.values import VERSIONS, anything, plain_texts

_NAMES = ("x", "y", "in_file", "Zeta", "alpha", "long-name", "n2")
_PREFIXES = ("-x", "--long", "-o=", "a b", "-é", "--", "$x", "'q'", "")
_LOADED = {"v1.0": ("optional",), "v1.1": ("array", "optional"), "v1.2": ("array", "optional")}
"""What a port may be beside File when its contents are asked for; lists of v1.0 the other runner passes over."""
_SEPARATORS = (",", " ", ";", ", ", "''")


class Bindings:
    """Draws bindings. Until the inputs are known (``scripts`` None) they hold no reference to one.

    Not made: itemSeparator between items that are no single words (see `Kind.is_wordy`); the text has no word on it.
    """

    def __init__(self, pen: Pen, *, shell: bool) -> None:
        self._pen = pen
        self._shell = shell
        self.scripts: Scripts | None = None

    def maybe(self, place: str, bound: Kind) -> dict[str, Any] | None:
        """The binding of a field (mostly there), or of a type (seldom)."""
        return self.one(bound) if self._pen.chance(3 if place != "field" else 2) else None

    def one(self, bound: Kind | None) -> dict[str, Any]:
        """A binding; ``bound`` is what self holds (None: an argument, which has no self)."""
        pen = self._pen
        found: dict[str, Any] = {}
        if pen.chance(2):
            found["prefix"] = pen.one(*_PREFIXES)
        if pen.chance(2):
            found["position"] = pen.one(1, 2, 0, -1, 3, 100, -7)
            if pen.version != "v1.0" and self.scripts is not None and pen.chance(5):
                found["position"] = self.scripts.position(bound)
        if ("prefix" in found and pen.chance(3)) or pen.chance(60):
            found["separate"] = pen.one(False, True)
        if pen.chance(4) and (bound is None or ("array" in bound.holds and bound.is_wordy)):
            found["itemSeparator"] = pen.one(*_SEPARATORS)
        if self.scripts is not None and pen.chance(4):
            found["valueFrom"] = self.scripts.text(bound)
        elif self.scripts is None and bound is not None and pen.chance(12):
            found["valueFrom"] = pen.one("fixed", *_of_self(bound))
        if self._shell and pen.chance(2):
            found["shellQuote"] = pen.one(False, True)
        return found


def _of_self(bound: Kind) -> list[str]:
    return ["$(self)"] * bound.is_wordy + ["a$(self)b"] * bound.is_text + ["$(null)"]


@st.composite
def command_cases(draw: Any) -> Case:
    """A tool with everything that a command line is made of."""
    pen = Pen(draw=draw, version=draw(st.sampled_from(VERSIONS)), id=draw(st.sampled_from(["tool", None])))
    javascript, shell = not pen.chance(3), pen.chance(4)
    bindings = Bindings(pen, shell=shell)
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    kinds = {name: kind(pen, pen.one(0, 1, 1, 2), bindings.maybe) for name in names}
    scripts = bindings.scripts = Scripts(pen, kinds, javascript=javascript)
    document: dict[str, Any] = {"class": "CommandLineTool", "cwlVersion": pen.version}
    if pen.id:
        document["id"] = pen.id
    document["inputs"] = _inputs(pen, kinds, bindings)
    document["outputs"] = pen.one({}, [])
    base = pen.one("run", ["run"], ["run", "sub command"], ["a b", "-c"], [], None)
    if base is not None:
        document["baseCommand"] = base
    arguments = [_argument(pen, bindings, scripts) for _ in range(pen.one(0, 1, 2, 3))]
    if not base:
        arguments.insert(0, "program")
    if arguments or pen.chance(3):
        document["arguments"] = arguments
    for stream in ("stdin", "stdout", "stderr"):
        if pen.chance(6):
            document[stream] = _stream(pen, stream, kinds, scripts)
    required = _requirements(pen, scripts, javascript=javascript, shell=shell)
    document |= placed(pen, required)
    return Case(document=document, job=job(pen, kinds, document), files=pen.files)


_NUMBERS: Final = frozenset({"int", "long", "float", "double"})


def _inputs(pen: Pen, kinds: dict[str, Kind], bindings: Bindings) -> Any:
    found: dict[str, dict[str, Any]] = {}
    for name, each in kinds.items():
        entry: dict[str, Any] = {"type": each.schema}
        if not pen.chance(5):
            entry["inputBinding"] = bindings.one(each)
        if pen.chance(5):
            default = pen.wrong(each) if pen.chance(12) else each.value()
            # Null is none; the platform reads numbers as text where it wants text, and text as numbers.
            number = isinstance(default, bool | int | float) and "string" in each.holds
            numeral = isinstance(default, str) and not each.holds.isdisjoint(_NUMBERS)
            if default is not None and not number and not numeral:
                entry["default"] = default
        if "File" in each.holds and each.holds <= {"File", *_LOADED[pen.version]} and pen.chance(3):
            _ask_of_files(pen, entry, many="array" in each.holds)
        found[name] = entry
    if pen.chance(2):
        return [{"id": name, **entry} for name, entry in found.items()]
    return {
        name: entry["type"] if set(entry) == {"type"} and isinstance(entry["type"], str) and pen.chance(2) else entry
        for name, entry in found.items()
    }


def _ask_of_files(pen: Pen, entry: dict[str, Any], *, many: bool) -> None:
    """Contents, of which expressions and nothing else see something."""
    if pen.version == "v1.0":
        entry.setdefault("inputBinding", {})["loadContents"] = True
    else:
        entry["loadContents"] = True
    if "inputBinding" in entry and pen.chance(2):
        contents = "$(self[0].contents)" if many else "$(self.contents)"
        entry["inputBinding"]["valueFrom"] = pen.one(contents, f"c={contents}")


def _argument(pen: Pen, bindings: Bindings, scripts: Scripts) -> Any:
    if pen.chance(2):
        return scripts.text()
    return {"valueFrom": scripts.text()} | bindings.one(None)


def _stream(pen: Pen, stream: str, kinds: dict[str, Kind], scripts: Scripts) -> str:
    if stream != "stdin":
        return scripts.name()
    files = [name for name, each in kinds.items() if each.holds == {"File"} and "-" not in name]
    return str(pen.one(*(f"$(inputs.{name}.path)" for name in files), "some.txt"))


def _requirements(pen: Pen, scripts: Scripts, *, javascript: bool, shell: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if javascript:
        found.append({"class": "InlineJavascriptRequirement", "expressionLib": [LIBRARY]})
    if shell:
        found.append({"class": "ShellCommandRequirement"})
    resources: dict[str, Any] = {
        "class": "ResourceRequirement",
        "coresMin": pen.one(1, 2, 4),
        "ramMin": pen.one(100, 1024),
    }
    if pen.version == "v1.2" and pen.chance(4):
        resources["coresMin"] = pen.one(0.5, 1.5, 2.0)
    if pen.chance(5):
        resources["ramMin"] = pen.one("$(1 + 1)", "${return 3;}") if javascript else 64
    found.append(resources)
    if pen.chance(4):
        names = pen.draw(st.lists(st.sampled_from(["FOO", "BAR_2", "lower"]), min_size=1, max_size=2, unique=True))
        pairs = {name: scripts.certain_text() if pen.chance(2) else pen.draw(plain_texts) for name in names}
        listed = [{"envName": name, "envValue": text} for name, text in pairs.items()]
        found.append({"class": "EnvVarRequirement", "envDef": pen.one(pairs, listed)})
    if pen.named:
        found.insert(0, {"class": "SchemaDefRequirement", "types": pen.named})
    return found


def placed(pen: Pen, required: list[dict[str, Any]]) -> dict[str, Any]:
    """Requirements as a list or a map; some of them as hints."""
    sections: dict[str, list[dict[str, Any]]] = {"requirements": [], "hints": []}
    for each in required:
        hint = pen.chance(8) and each["class"] in {
            "ShellCommandRequirement",
            "ResourceRequirement",
            "EnvVarRequirement",
        }
        sections["hints" if hint else "requirements"].append(each)
    found: dict[str, Any] = {}
    for section, entries in sections.items():
        if entries:
            keyed = {each["class"]: {key: item for key, item in each.items() if key != "class"} for each in entries}
            found[section] = keyed if pen.chance(2) else entries
    return found


def job(pen: Pen, kinds: dict[str, Kind], document: dict[str, Any]) -> dict[str, Any]:
    """Values for the inputs: some left out, some null, a few wrong."""
    entries = document["inputs"]
    if isinstance(entries, list):
        entries = {entry["id"]: entry for entry in entries}
    found: dict[str, Any] = {}
    for name, each in kinds.items():
        entry = entries[name]
        dispensable = "optional" in each.holds or (isinstance(entry, dict) and "default" in entry)
        if pen.chance(3 if dispensable else 40):
            if pen.chance(3):
                found[name] = None
            continue
        found[name] = pen.wrong(each) if pen.chance(30) else each.value()
    if pen.chance(20) and "Object.keys(inputs)" not in json.dumps(document):
        found["unknown"] = pen.draw(anything)
    return found
