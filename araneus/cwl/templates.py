"""Finding expressions in strings: text is split into literal parts, parameter references and JavaScript.

Nothing is evaluated here; `cwl.expressions` does that. Parses are cached by text. Source: CWL v1.2, "Expressions",
"Parameter references" (grammar) and the rules for backslashes, which changed with v1.2.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

from araneus.cwl.errors import ExpressionError, Problem

Segment: TypeAlias = str | int
"""A key of an object, or an index of a list."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One ``$(...)`` or ``${...}``.

    ``source`` is what stands between the brackets, ``body`` tells the second form from the first, and ``path`` is the
    parsed parameter reference when it is one: its first symbol and the segments after it.
    """

    source: str
    body: bool = False
    path: tuple[Segment, ...] | None = None


Part: TypeAlias = str | Expression

_SEGMENT = r"""\.(\w+)|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]"""
_SEGMENTS: Final = re.compile(_SEGMENT)
_REFERENCE: Final = re.compile(r"""\$\((\w+)((?:\.\w+|\['(?:[^'\\]|\\.)*'\]|\["(?:[^"\\]|\\.)*"\]|\[\d+\])*)\)""")
_MARK: Final = re.compile(r"\$[({]|\\")
_QUOTED: Final = re.compile(r"\\(['\"\\])")
_REGEX: Final = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_WORD: Final = re.compile(r"[\w$]+")
_STRINGS: Final = {
    "'": re.compile(r"'(?:[^'\\\n]|\\.|\\\n)*'", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\\n]|\\.|\\\n)*"', re.DOTALL),
}
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_BEFORE_REGEX: Final = frozenset(
    "return typeof case in of delete void instanceof new throw do else yield await".split()  # noqa: SIM905 -- a word list
)
_VALUE_ENDS: Final = frozenset(")]'\"`")


def has_expression(text: str) -> bool:
    """Whether the text must be evaluated at all; text without ``$(`` and ``${`` is taken as it is."""
    return "$(" in text or "${" in text


@lru_cache(maxsize=4096)
def template(text: str, modern: bool) -> tuple[Part, ...]:
    """The parts of a text. ``modern`` selects the backslash rules of v1.2 over those of v1.0 and v1.1.

    Raises `ExpressionError` for an expression that never ends.
    """
    parts: list[Part] = []
    literal: list[str] = []
    position = 0
    while found := _MARK.search(text, position):
        literal.append(text[position : found.start()])
        if found[0] == "\\":
            replaced, position = _escape(text, found.start(), modern)
            literal.append(replaced)
            continue
        expression, position = _expression(text, found.start())
        if joined := "".join(literal):
            parts.append(joined)
        literal.clear()
        parts.append(expression)
    if joined := "".join([*literal, text[position:]]):
        parts.append(joined)
    return tuple(parts)


def _escape(text: str, start: int, modern: bool) -> tuple[str, int]:
    """What a backslash stands for, and where reading goes on."""
    if not modern:
        return text[start + 1 : start + 2] or "\\", start + 2
    if text.startswith(("\\$(", "\\${"), start):
        return text[start + 1 : start + 3], start + 3
    if text.startswith("\\\\", start):
        return "\\", start + 2
    return "\\", start + 1


def _expression(text: str, start: int) -> tuple[Expression, int]:
    reference = _REFERENCE.match(text, start)
    if reference:
        path = (reference[1], *map(_segment, _SEGMENTS.finditer(reference[2])))
        return Expression(text[start + 2 : reference.end() - 1], path=path), reference.end()
    end = closing(text, start + 1)
    if end is None:
        raise ExpressionError(Problem("", f"the expression that starts with {text[start : start + 60]!r} has no end"))
    return Expression(text[start + 2 : end], body=text[start + 1] == "{"), end + 1


def _segment(match: re.Match[str]) -> Segment:
    name, single, double, index = match.groups()
    if index is not None:
        return int(index[:18])
    if name is not None:
        return name
    return _QUOTED.sub(r"\1", single if single is not None else double)


def closing(text: str, start: int) -> int | None:
    """The place of the bracket that closes the one at ``start``, read as JavaScript; None when there is none.

    Strings, template literals, comments and regular expressions are stepped over.
    """
    stack: list[str] = []
    position = start
    before = ""
    while position < len(text):
        character = text[position]
        if character == "`" or (character == "}" and stack and stack[-1] == "`"):
            if character == "}":
                stack.pop()
            position, opened = _template_literal(text, position + 1)
            if opened:
                stack.append("`")
            before = "`" if not opened else "("
        elif character in _CLOSING:
            stack.append(_CLOSING[character])
            before, position = character, position + 1
        elif character in ")]}":
            if not stack or stack.pop() != character:
                return None
            if not stack:
                return position
            before, position = character, position + 1
        else:
            before, position = _token(text, position, before)
    return None


def _token(text: str, position: int, before: str) -> tuple[str, int]:
    """Step over one token that is not a bracket; gives what the next ``/`` must know and where reading goes on."""
    character = text[position]
    if character.isspace():
        return before, position + 1
    if character in _STRINGS:
        found = _STRINGS[character].match(text, position)
        return character, found.end() if found else len(text)
    if character == "/":
        return _slash(text, position, before)
    if word := _WORD.match(text, position):
        return word[0], word.end()
    return character, position + 1


def _slash(text: str, position: int, before: str) -> tuple[str, int]:
    if text.startswith("//", position):
        end = text.find("\n", position)
        return before, end if end >= 0 else len(text)
    if text.startswith("/*", position):
        end = text.find("*/", position + 2)
        return before, end + 2 if end >= 0 else len(text)
    value_before = before in _VALUE_ENDS or (_WORD.fullmatch(before) is not None and before not in _BEFORE_REGEX)
    found = None if value_before else _REGEX.match(text, position)
    return ("`", found.end()) if found else ("/", position + 1)


def _template_literal(text: str, position: int) -> tuple[int, bool]:
    """Step over template text; True when it stopped at ``${``, whose brace the caller must close."""
    while position < len(text):
        if text[position] == "\\":
            position += 2
        elif text[position] == "`":
            return position + 1, False
        elif text.startswith("${", position):
            return position + 2, True
        else:
            position += 1
    return position, False
