"""One case for each class of explained differences: small, always the same, with this one difference and no other."""

from dataclasses import dataclass, field
from typing import Any, Final

from tests.oracle.case import Case


@dataclass(frozen=True, kw_only=True)
class Example:
    """``more``: further cases that the class explains. ``run``: whether it is about outputs. ``hides``: mutations that
    the class cannot see, because they are what it explains."""

    case: Case
    more: tuple[Case, ...] = ()
    run: bool = False
    hides: frozenset[str] = field(default_factory=frozenset)


def _command(inputs: dict[str, Any], job: dict[str, Any], files: tuple[str, ...] = (), **more: Any) -> Case:
    """A tool whose command line is looked at: with a few words that no class is about."""
    document = {"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": "run", "outputs": {}, **more}
    inputs = {"a": {"type": "string", "inputBinding": {"prefix": "-a"}}, **inputs}
    document |= {"arguments": [{"valueFrom": "last", "position": 9}], "inputs": inputs}
    return Case(document=document, job={"a": "text", **job}, files=dict.fromkeys(files, "x"))


def _run(script: str, outputs: dict[str, Any], **more: Any) -> Case:
    """A shell script whose outputs are looked at."""
    document = {"class": "CommandLineTool", "cwlVersion": "v1.2", "baseCommand": ["sh", "-c", script]}
    return Case(document={**document, "inputs": {}, "outputs": outputs, **more}, job={})


def _globbed(kind: str, glob: Any, **more: Any) -> dict[str, Any]:
    return {"type": kind, "outputBinding": {"glob": glob}, **more}


_NAMED: Final = {"name": "named", "type": "enum", "symbols": ["one"], "inputBinding": {"prefix": "--named"}}
_ENUMS: Final = {"type": "array", "items": {"type": "enum", "symbols": ["one", "two"]}}
_DIGITS: Final = {"type": "enum", "name": "digits", "symbols": ["0", "1"]}
_LOOSE: Final = {"type": "record", "name": "loose", "fields": [{"name": "may", "type": ["null", "boolean"]}]}
_SCRIPT: Final[dict[str, Any]] = {"InlineJavascriptRequirement": {}}

EXAMPLES: Final = {
    "spelling of numbers": Example(case=_command({"x": {"type": "double", "inputBinding": {}}}, {"x": 10.0})),
    "directories with the fields of files": Example(
        case=_run("mkdir d; echo a > d/a", {"d": _globbed("Directory", "d")}), run=True
    ),
    "globs that overlap": Example(
        case=_run("echo a > a.txt; echo b > b.txt", {"o": _globbed("File[]", ["*.txt", "a.txt"])}), run=True
    ),
    "a file as its own secondary file": Example(
        case=_run("echo a > x.bai", {"o": _globbed("File", "x.bai", secondaryFiles=["^.bai"])}), run=True
    ),
    "order of unusual names": Example(
        case=_run("echo a > z.txt; echo b > é.txt", {"o": _globbed("File[]", "*.txt")}),
        run=True,
        hides=frozenset({"swap"}),
    ),
    "names that clash": Example(
        case=_run(
            "mkdir d e; echo a > d/x.txt; echo b > e/x.txt",
            {"one": _globbed("File", "d/x.txt"), "two": _globbed("File", "e/x.txt")},
        ),
        run=True,
    ),
    "null position": Example(
        case=_command({"x": {"type": "int", "inputBinding": {"position": "$(null)"}}}, {"x": 1})
    ),
    "separate without prefix": Example(
        case=_command({"x": {"type": "int", "inputBinding": {"separate": False}}}, {"x": 1})
    ),
    "prefix of an empty list": Example(
        case=_command(
            {"x": {"type": "int", "inputBinding": {"prefix": "-x", "valueFrom": "${return [];}"}}},
            {"x": 1},
            requirements=_SCRIPT,
        )
    ),
    "index before position": Example(
        case=_command(
            {
                "x": {"type": {"type": "array", "items": "int", "inputBinding": {"position": 2}}},
                "y": {"type": "int", "inputBinding": {"position": 1}},
            },
            {"x": [3, 4], "y": 5},
        )
    ),
    "lists in Any": Example(
        case=_command({"x": {"type": "Any", "inputBinding": {"prefix": "-x"}}}, {"x": ["one", "two"]})
    ),
    "bindings of named types": Example(
        case=_command(
            {"x": {"type": "named"}}, {"x": "one"}, requirements=[{"class": "SchemaDefRequirement", "types": [_NAMED]}]
        )
    ),
    "names of types met twice": Example(
        case=_command({"x": {"type": _ENUMS, "inputBinding": {}, "default": ["one"]}}, {"x": ["two"]})
    ),
    "secondary files as directories, or missing": Example(
        case=_command(
            {"x": {"type": "File", "secondaryFiles": [".d"], "inputBinding": {}}},
            {"x": {"class": "File", "path": "in/x.bam"}},
            files=("in/x.bam", "in/x.bam.d/inner"),
        ),
        more=(
            _command(
                {"x": {"type": "File", "secondaryFiles": [".d", ".d"], "inputBinding": {}}},
                {"x": {"class": "File", "path": "in/x.bam"}},
                files=("in/x.bam", "in/x.bam.d/inner"),
            ),
        ),
    ),
    "files taken for records": Example(
        case=_command(
            {"x": {"type": [_LOOSE, "Directory"], "inputBinding": {}}},
            {"x": {"class": "Directory", "path": "in"}},
            files=("in/x",),
        )
    ),
    "contents of literals": Example(
        case=_command(
            {"x": {"type": "File", "loadContents": True, "inputBinding": {"valueFrom": "$(self.contents)"}}},
            {"x": {"class": "File", "basename": "literal", "contents": "said"}},
        )
    ),
    "booleans are integers in Python": Example(
        case=_command({"x": {"type": "int", "inputBinding": {}}}, {"x": True}),
        more=(
            _command({"x": "long"}, {"x": True}),
            _command({"x": "int[]?"}, {"x": [1, True]}),
            _command({"x": {"type": ["int", "string"], "inputBinding": {}}}, {"x": True}),
            _command({"x": {"type": ["string", "int", {"type": "array", "items": "int"}]}}, {"x": True}),
            _command({"x": {"type": ["null", "float"], "default": False}}, {}),
        ),
    ),
    "booleans are integers in Python, of outputs": Example(
        case=_run(":", {"n": {"type": "float", "outputBinding": {"outputEval": "$(1 > 2)"}}}, requirements=_SCRIPT),
        more=(
            _run(":", {"n": {"type": "int", "outputBinding": {"outputEval": "${return true;}"}}}, requirements=_SCRIPT),
            _run("echo '{\"n\": true}' > cwl.output.json", {"n": "int"}),
            _run("echo '{\"n\": true}' > cwl.output.json", {"n": {"type": ["string", "int"]}}),
        ),
        run=True,
    ),
    "defaults in another spelling": Example(
        case=_command({"x": {"type": "int", "default": 2.0, "inputBinding": {}}}, {}),
        more=(
            _command({"x": {"type": ["boolean", "long"], "default": 2.0, "inputBinding": {}}}, {}),
            _command({"x": {"type": "long[]", "default": [1, 3.0], "inputBinding": {}}}, {}),
            _command({"x": {"type": "string", "default": 7, "inputBinding": {}}}, {}),
            _command({"x": {"type": "int", "default": "42", "inputBinding": {}}}, {}),
            _command({"x": {"type": _DIGITS, "default": 1, "inputBinding": {}}}, {}),
        ),
    ),
}  # fmt: skip
