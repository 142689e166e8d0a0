"""Evaluating the scripts of sbg:draft-2, in sloppy mode and with the variables of that dialect.

A script whose text starts with ``{`` is the body of a function; any other is a program, and its value is that of its
last statement. ``$job`` holds the inputs that have a value and what the job was given; ``$self`` depends on the place.
Texts that are no `Script` are taken as they are. Source: rabix/bunny, rabix-bindings-sb; docs/cwl.md.
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from araneus.cwl.bindings import Script
from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.javascript import JavaScript
from araneus.cwl.known_files import all_file_values, with_known_files
from araneus.model.values import FileValue, Value, is_file_value

MAIN_ENGINE: Final = "#cwl-js-engine"
_MAIN_NAME: Final = re.compile(r"(?:.*[#./])?cwl-js-engine", re.DOTALL)
POINTER_ENGINE: Final = "cwl:JsonPointer"
_SHOWN: Final = 120
_ENDS: Final = "; \t\r\n"
_WITHOUT_NAN: Final = (
    'return (function (value) { return typeof value === "number" && value !== value ? null : value; })'
)


class ScriptEvaluator:
    """The `cwl.expressions.Evaluator` of a process in sbg:draft-2. ``library`` are the texts of its engineConfig."""

    def __init__(self, javascript: JavaScript, library: tuple[str, ...]) -> None:
        self._javascript = javascript
        self._library = library

    def evaluate(
        self,
        text: Value,
        *,
        inputs: Mapping[str, Value],
        self_: Value = None,
        runtime: Mapping[str, Value] | None = None,
        where: str = "",
        strip: bool = True,
    ) -> Value:
        """The value of a `Script`; anything else is returned as it is. Raises `ExpressionError`."""
        if not isinstance(text, Script):
            return text
        try:
            if text.engine == POINTER_ENGINE:
                return _pointed(text.source, {"job": present(inputs), "context": self_})
            return self._run(text, inputs, self_, runtime or {})
        except ExpressionError as error:
            shown = text.source.strip()
            shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "..."
            what = f"expression {shown!r} failed: {error.problems[0].what}"
            raise ExpressionError(Problem(where, what)) from None

    def _run(self, script: Script, inputs: Mapping[str, Value], self_: Value, runtime: Mapping[str, Value]) -> Value:
        source = script.source.strip()
        if not source:
            return None
        job = job_object(inputs, runtime)
        # The job of other engines is the inputs; documents that take it for the platform's are served, too.
        seen = job if _MAIN_NAME.fullmatch(script.engine) else {**job, **job["inputs"]}
        variables = {"$job": seen, "$self": _seen(self_)}
        value = self._javascript.run(_code(source), self._library, variables)
        if isinstance(value, str):
            return value if script.shell_text else value.replace("\\$", "$")
        with_known_files(value, variables, runtime.get("outdir"))
        for made in all_file_values(value):
            _settle(made)
        return value


def job_object(inputs: Mapping[str, Value], runtime: Mapping[str, Value]) -> dict[str, Value]:
    """What ``$job`` is: inputs without a value are missing, not null. Memory is in MiB."""
    allocated = {key: runtime[name] for key, name in (("cpu", "cores"), ("mem", "ram")) if name in runtime}
    seen = {name: _seen(value) for name, value in present(inputs).items()}
    return {"inputs": seen, "allocatedResources": allocated}


def present(inputs: Mapping[str, Value]) -> dict[str, Value]:
    """The inputs that have a value."""
    return {name: value for name, value in inputs.items() if value is not None}


def _code(source: str) -> str:
    """The body of a function that gives the value of a script. Such a body is sloppy, and so is what eval gets."""
    if source.startswith("{"):
        return f"{_WITHOUT_NAN}((function () {source.rstrip(_ENDS)}\n)());"
    return f"{_WITHOUT_NAN}((0, eval)({json.dumps(source)}));"


def _seen(value: Value) -> Value:
    """The value as scripts see it: files have a ``name``, and metadata in any case. While they have no place yet, their
    ``path`` is the name, too: scripts take names from it."""
    if isinstance(value, list):
        return [_seen(item) for item in value]
    if not isinstance(value, dict):
        return value
    seen = {key: _seen(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if is_file_value(value):
        if "basename" in value:
            seen["name"] = value["basename"]
            seen.setdefault("path", value["basename"])
        seen["metadata"] = value.get("metadata") or {}
    return seen


def _settle(made: FileValue) -> None:
    """Take away what `_seen` added: the names of files are their basenames."""
    made.pop("name", None)
    if not made.get("metadata"):
        made.pop("metadata", None)


def _pointed(pointer: str, document: Mapping[str, Value]) -> Value:
    """What a JSON pointer (``job/reads/path``, ``context``) leads to; null when there is nothing."""
    value: Value = document
    for part in pointer.strip().strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name[:9]) < len(value):
            value = value[int(name[:9])]
        else:
            return None
    return value
