"""Evaluating expressions: the strings of a document in which ``$(...)`` and ``${...}`` stand.

Parameter references are looked up here, in Python; what only JavaScript can say goes to `cwl.javascript`. What
sbg:draft-2 has instead is evaluated by `cwl.draft2.evaluation`.
Source: CWL v1.2, "Expressions".
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Protocol

from araneus.cwl.draft2.evaluation import ScriptEvaluator
from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.javascript import JavaScript
from araneus.cwl.known_files import with_known_files
from araneus.cwl.process import DRAFT_2, Process, Script
from araneus.cwl.templates import Expression, Segment, has_expression, template
from araneus.model.values import Value

_OLD_ESCAPES: Final = frozenset({"v1.0", "v1.1"})
_SHOWN = 120


class Evaluator(Protocol):
    """Evaluates the strings of one process."""

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
        """The value of a text; anything but a `Script` and (not in sbg:draft-2) a string with an expression in it is
        returned as it is.

        A text that is one expression has the expression's value, in all others values are put in as text (JSON for
        lists and objects). ``strip`` drops white space around the text first. ``where`` names the place for messages.
        Raises `ExpressionError`.
        """
        ...


def evaluator_for(process: Process, javascript: JavaScript) -> Evaluator:
    """The evaluator of a process: with JavaScript and its ``expressionLib`` if InlineJavascriptRequirement is there;
    in sbg:draft-2 always with JavaScript."""
    requirement = process.requirement("InlineJavascriptRequirement")
    modern = process.cwl_version not in _OLD_ESCAPES
    library = requirement.get("expressionLib") or () if requirement is not None else ()
    texts = (library,) if isinstance(library, str) else tuple(library)
    if not all(isinstance(text, str) for text in texts):
        raise ExpressionError(Problem("expressionLib", "each entry must be JavaScript text"))
    if process.cwl_version == DRAFT_2:
        return ScriptEvaluator(javascript, texts)
    scripts = ScriptEvaluator(javascript, ())
    if requirement is None:
        return _ProcessEvaluator(None, (), modern, scripts)
    return _ProcessEvaluator(javascript, texts, modern, scripts)


class _ProcessEvaluator:
    def __init__(
        self, javascript: JavaScript | None, library: tuple[str, ...], modern: bool, scripts: ScriptEvaluator
    ) -> None:
        self._scripts = scripts  # for what a workflow does in place of the tools of sbg:draft-2 in it
        self._javascript = javascript
        self._library = library
        self._modern = modern
        self._session = javascript.new_session() if javascript is not None else 0

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
        if isinstance(text, Script):
            return self._scripts.evaluate(text, inputs=inputs, self_=self_, runtime=runtime, where=where)
        if not isinstance(text, str) or not has_expression(text):
            return text
        variables = {"inputs": inputs, "self": self_, "runtime": runtime if runtime is not None else {}}
        try:
            parts = template(text.strip() if strip else text, self._modern)
            if len(parts) == 1 and isinstance(parts[0], Expression):
                return self._value(parts[0], variables)
            return "".join(
                part if isinstance(part, str) else value_text(self._value(part, variables)) for part in parts
            )
        except ExpressionError as error:
            raise ExpressionError(
                *(Problem(problem.where or where, problem.what) for problem in error.problems)
            ) from None

    def _value(self, expression: Expression, variables: Mapping[str, Value]) -> Value:
        failure = "it is not a parameter reference, and the process has no InlineJavascriptRequirement; add that to it"
        if expression.path is not None:
            try:
                return look_up(expression.path, variables)
            except LookupError as error:
                failure = str(error.args[0])
        if self._javascript is None:
            raise _failed(expression, failure)
        code = expression.source if expression.body else f"return ({expression.source}\n);"
        try:
            value = self._javascript.run(code, self._library, variables, self._session)
            return with_known_files(value, variables, variables["runtime"].get("outdir"))
        except ExpressionError as error:
            raise _failed(expression, error.problems[0].what) from None


def look_up(path: tuple[Segment, ...], variables: Mapping[str, Value]) -> Value:
    """The value of a parameter reference. Raises LookupError with a sentence that says which part is wrong.

    ``null`` alone is null; ``length`` at the end is the length of a list (v1.2, "Parameter references", algorithm).
    """
    if path == ("null",):
        return None
    value: Value = variables
    for number, key in enumerate(path):
        try:
            value = _member(value, key, last=number == len(path) - 1)
        except LookupError:
            raise LookupError(_no_member(path[:number], key, value)) from None
    return value


def _member(value: Value, key: Segment, *, last: bool) -> Value:
    if isinstance(key, int):
        if isinstance(value, list | str):
            return value[key]
    elif isinstance(value, Mapping):
        return value[key]
    elif key == "length" and last and isinstance(value, list):
        return len(value)
    raise LookupError


def _no_member(path: tuple[Segment, ...], key: Segment, value: Value) -> str:
    if not path:
        return f"there is no {key!r}: an expression sees inputs, self and runtime"
    parent = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
    if isinstance(value, Mapping) and isinstance(key, str):
        names = ", ".join(sorted(map(str, value))[:10]) or "nothing"
        return f"{parent} has no {key!r}; it has {names}"
    if isinstance(value, list) and isinstance(key, int):
        return f"{parent} has {len(value)} items, so there is no item {key}"
    return f"{parent} is {_kind(value)}, so it has no {key!r}"


def _kind(value: Value) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def value_text(value: Value) -> str:
    """A value as text inside other text: strings as they are, everything else as JSON with sorted keys, numbers without
    an exponent. Source: CWL v1.2, "String interpolation"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, sort_keys=True)
    return number_text(value)


def number_text(value: float) -> str:
    """A number in plain decimal notation: ``0.00001``, ``123000``."""
    if isinstance(value, int):
        return str(value)
    text = format(Decimal(repr(value)), "f")
    return text[:-2] if text.endswith(".0") else text


def _failed(expression: Expression, why: str) -> ExpressionError:
    source = f"${{{expression.source}}}" if expression.body else f"$({expression.source})"
    shown = source if len(source) <= _SHOWN else source[:_SHOWN] + "..."
    return ExpressionError(Problem("", f"expression {shown} failed: {why}"))
