"""Secondary files: which names a pattern asks for, and which of them are there.

Used by `cwl.ready` for inputs and by `cwl.outputs` for outputs; the caller says how to look beside a primary file.
Source: CWL v1.2 CommandLineTool, "SecondaryFileSchema".
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from araneus.cwl.errors import CWLError, ExpressionError, Problem
from araneus.cwl.expressions import Evaluator
from araneus.cwl.files import check_basename, well_formed
from araneus.cwl.process import Script, SecondaryFile, Text
from araneus.cwl.templates import has_expression
from araneus.model.values import FileValue, Value, is_file_value


def secondary_name(basename: str, pattern: str) -> str:
    """The name that a pattern without expression makes of a primary file's: each ``^`` in front takes an extension."""
    while pattern.startswith("^"):
        pattern = pattern[1:]
        root, dot, _ = basename.rpartition(".")
        basename = root if dot and root else basename
    return basename + pattern


def is_fixed(pattern: Text) -> bool:
    """Whether a pattern asks for one name, which can be told before a run: no expression does."""
    return isinstance(pattern, str) and not has_expression(pattern)


def fixed_name(basename: str, pattern: Text) -> str | None:
    """The name that a pattern asks for; None for an expression."""
    return secondary_name(basename, pattern) if isinstance(pattern, str) and is_fixed(pattern) else None


def asked_name(basename: str, pattern: Text, result: str) -> str:
    """The name in what an expression gave: its own last part. In sbg:draft-2 a suffix (``.bai``, ``^.bai``) is one, and
    text is never an expression."""
    if isinstance(pattern, Script) and result.startswith((".", "^")) and "/" not in result:
        return secondary_name(basename, result)
    return secondary_name(basename, result) if result == pattern else result.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryRules:
    """How patterns are read for one port. ``default_required`` holds where the document does not say."""

    patterns: tuple[SecondaryFile, ...]
    default_required: bool
    evaluator: Evaluator
    inputs: Mapping[str, Value]
    runtime: Mapping[str, Value] | None
    where: str
    error: type[CWLError]


Beside = Callable[[FileValue, str], FileValue | None]
"""The file or directory of this name beside a primary file, or None."""


def with_secondary(primary: FileValue, rules: SecondaryRules, beside: Beside) -> FileValue:
    """The primary file with what the patterns ask for attached; raises ``rules.error`` for a required one missing."""
    present = {item["basename"]: item for item in primary.get("secondaryFiles") or []}
    for pattern in rules.patterns:
        for wanted in _wanted(primary, pattern, rules):
            name = check_basename(wanted["basename"], rules.where, rules.error)
            if name in present or name == primary["basename"]:
                continue
            found = wanted if "location" in wanted else beside(primary, _name_beside(wanted, rules))
            if found is not None:
                present[name] = {**found, "basename": name}
            elif _required(primary, pattern, rules):
                message = f"secondary file {name!r} of {primary['basename']!r} is missing (pattern {pattern.pattern!r})"
                raise rules.error(Problem(rules.where, message))
    return {**primary, "secondaryFiles": list(present.values())} if present else primary


def _name_beside(wanted: FileValue, rules: SecondaryRules) -> str:
    path = wanted.get("path", wanted["basename"])
    return check_basename(str(path).rsplit("/", 1)[-1], rules.where, rules.error)


def _wanted(primary: FileValue, pattern: SecondaryFile, rules: SecondaryRules) -> Iterator[FileValue]:
    """What a pattern asks for: a basename, with the location or the path that an expression gave."""
    text = pattern.pattern
    fixed = fixed_name(primary["basename"], text)
    if fixed is not None:
        yield {"basename": fixed}
        return
    try:
        result = rules.evaluator.evaluate(
            text, inputs=rules.inputs, self_=primary, runtime=rules.runtime, where=f"{rules.where}/secondaryFiles"
        )
    except ExpressionError:
        if isinstance(text, Script):  # none of its files must be there, and apps in use have scripts that never worked
            return
        raise
    for item in result if isinstance(result, list) else [result]:
        if isinstance(item, str) and (item or not isinstance(text, Script)):
            yield {"basename": asked_name(primary["basename"], text, item)}
        elif is_file_value(item) and ("location" in item or "path" in item):
            well_formed(item, rules.where, rules.error)
            place = str(item.get("location") or item["path"])
            yield {**item, "basename": item.get("basename") or unquote(place.rsplit("/", 1)[-1])}
        elif item is not None and item != "":
            shown = text.source if isinstance(text, Script) else text
            raise rules.error(Problem(rules.where, f"secondaryFiles {shown[:60]!r} gave neither a name nor a File"))


def _required(primary: FileValue, pattern: SecondaryFile, rules: SecondaryRules) -> bool:
    if pattern.required is None:
        return rules.default_required
    return bool(
        rules.evaluator.evaluate(
            pattern.required,
            inputs=rules.inputs,
            self_=primary,
            runtime=rules.runtime,
            where=f"{rules.where}/secondaryFiles/required",
        )
    )
