"""Strategies for the strings of tools that may hold expressions.

What the specification leaves open is not made, because a difference there would say nothing of either runner:

- JavaScript that gives undefined, NaN or infinity, and references to what may be out of range (v1.2, Expressions:
  "Other return values must result in a permanentFailure"; the platform takes undefined for null);
- lists whose items are booleans, nulls, objects or lists, where they are to become words (`Kind.is_wordy`);
- the JSON of a File or Directory (`Kind.is_text`);
- variables and amounts of resources that are no text and no number (EnvironmentDef, ResourceRequirement);
- positions of arguments that are no integers, and positions that are booleans: mistakes, of which the other runner
  finds but some; and positions below -1000000, which it sorts before the command;
- comments with brackets in them, which the other runner's scanner takes for code.
"""

import json
import re

from tests.oracle.kinds import Kind, Pen

_JAVASCRIPT = [
    "${return null;}", "${return [1, 'a b'];}", "${return [];}", "${return {\"a\": [1, null, \"x\"]};}",
    "$(1 + 1)", "$(1.5)",
    "${return 1e21;}", "${return 1e-7;}", "$('a' + 'b')", "$(true)", "$(false)", "${return '';}", "$([1, 2].join('+'))",
    "${var s = '}'; return s + ')';}", "$(runtime.cores * 2)", "${return -0.5;}", "${return 123456789012;}",
    "a${return 1;}b$(2)", "$({'k': 'v'}['k'])", "$('$(' + ')')", "$(\"it's\")",
    "${return '\\n';}",
    "x${return [[1, 2], [3]];}", "$(Object.keys(inputs).sort().join(','))", "$(JSON.stringify(inputs.nothing || null))",
    "x$(1e-7)y", "x$(2.0)y", "x${return [1.5, 'é'];}y", "x$(null)y", "x$(true)y", "x${return {'b': 1, 'a': 2};}y",
    "$(helper('z'))",
]  # fmt: skip
_JAVASCRIPT_OF_SELF = [
    "$(self === null ? 'null' : typeof self)", "$(Array.isArray(self))", "$(JSON.stringify(self) === undefined)",
    "$(self ? 1 : 0)",
]  # fmt: skip
_JAVASCRIPT_OF_WORDS = ["${return self;}", "${return Array.isArray(self) ? self.slice().reverse() : self;}"]
_ESCAPES = [
    "\\$(x)", "\\${x}", "a\\$(inputs.x)b", "\\\\$(runtime.cores)", "\\n", "a\\b", "\\\\", "$(runtime.cores)\\n",
    "\\\\\\$(x)", "\\$$(runtime.cores)", "$(runtime.cores)\\$(x)", "\\$",
]  # fmt: skip
_CONSTANTS = ["fixed", "", " spaced ", "a b", "-v", "it's", "é", "$", "100%", "a$b", "$HOME", "$x(", "{}", "()"]
_RUNTIME = ["$(runtime.cores)", "$(runtime.ram)", "$(runtime.outdir)/x", "$(runtime.tmpdir)", "p$(runtime.cores)s"]

LIBRARY = "function helper(x) { return 'lib-' + x; }"


class Scripts:
    """Draws strings for a tool with these inputs, with JavaScript if it has that."""

    def __init__(self, pen: Pen, inputs: dict[str, Kind], *, javascript: bool) -> None:
        self._pen = pen
        self._inputs = inputs
        self._names = [name for name in inputs if "-" not in name]
        self._has_javascript = javascript

    def text(self, bound: Kind | None = None) -> str:
        """A string; ``bound`` is what self is (None: there is no self)."""
        ways = [self._constant, self._constant, self._runtime, self._escape, self._mixed]
        if self._names:
            ways += [self._reference] * 4
        if self._has_javascript:
            ways += [lambda: str(self._pen.one(*_JAVASCRIPT))] * 3
        if bound is not None:
            ways += [lambda: self._self(bound)] * 4
        return str(self._pen.one(*ways)())

    def certain_text(self) -> str:
        """A string whose value is text, whatever the inputs are."""
        strings = [f"$(inputs.{name})" for name in self._names if self._inputs[name].holds <= {"string", "enum"}]
        ways = [self._constant, self._escape, lambda: f"v{self._mixed()}"]
        ways += [lambda: str(self._pen.one(*strings))] * (2 if strings else 0)
        return str(self._pen.one(*ways)())

    def position(self, bound: Kind | None = None) -> str:
        """An expression that gives an integer: mostly for an input, always for an argument."""
        choices = ["$(null)"]
        choices += [f"$(inputs.{name})" for name in self._names if self._inputs[name].holds == {"int"}] * 2
        if self._has_javascript:
            choices += ["$(1 + 1)", "$(-2)", "${return 0;}"]
        if bound is not None:
            choices += [
                f"$(inputs.{name})" for name in self._names if not self._inputs[name].holds & {"boolean", "Any", "long"}
            ]
            choices += ["$(self)"] * (bound.holds == {"int"})
            choices += ["$(self ? 3 : -3)", "$(1.5)", "$('3')"] * self._has_javascript
        return str(self._pen.one(*choices))

    def name(self) -> str:
        """The name of a file to write to, mostly a good one."""
        choices = ["out.txt", "a b.log", "-dash", "ünï.out", "$(runtime.cores).txt"]
        choices += [f"$(inputs.{name}.nameroot).out" for name in self._names if self._inputs[name].is_file]
        choices += [f"$(inputs.{name}).txt" for name in self._names if self._inputs[name].holds == {"int"}]
        return str(self._pen.one(*choices))

    def _constant(self) -> str:
        return str(self._pen.one(*_CONSTANTS))

    def _runtime(self) -> str:
        return str(self._pen.one(*_RUNTIME))

    def _escape(self) -> str:
        return str(self._pen.one(*_ESCAPES))

    def _reference(self) -> str:
        name = self._pen.one(*self._names)
        kind = self._inputs[name]
        choices = ["fixed"]
        if kind.is_wordy:
            choices += [f"$(inputs.{name})", f"$(inputs['{name}'])", f'$(inputs["{name}"])', f" $(inputs.{name}) "]
        if kind.is_file:
            keys = ("basename", "nameroot", "nameext", "size", "path", "class", "dirname")
            choices += [f"$(inputs.{name}.{key})" for key in keys]
        if "array" in kind.holds and not kind.holds & {"record", "union", "Any"}:
            choices.append(f"$(inputs.{name}.length)")
            if kind.is_wordy and self._has_javascript:
                choices.append(f"${{return inputs.{name}.length ? inputs.{name}[0] : 'none';}}")
        elif "record" in kind.holds and not kind.holds & {"Any", "array"}:
            choices += [f"$(inputs.{name}.{field})" for field in _certain_fields(kind)]
            choices += [f"$(inputs.{name}['{field}'])" for field in _certain_fields(kind)]
        return str(self._pen.one(*choices))

    def _mixed(self) -> str:
        """A reference inside of text."""
        names = [name for name in self._names if self._inputs[name].is_text]
        inner = self._pen.one("$(runtime.cores)", *(f"$(inputs.{name})" for name in names))
        before = self._pen.one("pre-", " x", "a b ", "$")
        after = self._pen.one("-post", "", "/", " ", f"/{inner}")
        return str(self._pen.one(f"{before}{inner}{after}", f"{inner}-post"))

    def _self(self, bound: Kind) -> str:
        choices = ["$(null)"]
        if bound.is_wordy:
            choices.append("$(self)")
        if bound.is_text:
            choices += ["v=$(self)", "$(self)/$(self)"]
        if bound.is_file:
            keys = ("basename", "nameroot", "size", "path", "nameext")
            choices += [f"$(self.{key})" for key in keys] + ["$(self.nameroot).out"]
        if "array" in bound.holds and not bound.holds & {"record", "union", "Any"}:
            choices.append("$(self.length)")
        if self._has_javascript:
            choices += _JAVASCRIPT_OF_SELF
            choices += _JAVASCRIPT_OF_WORDS * bound.is_wordy
            choices += ["$(self && self.basename)"] * (bound.holds <= {"File", "Directory", "optional"})
            choices += ["${return [self, self];}"] * (
                bound.holds <= {"int", "long", "float", "double", "string", "File"}
            )
            choices += ["${return 'v' + self;}"] * bound.is_text
        return str(self._pen.one(*choices))


def _certain_fields(record: Kind) -> list[str]:
    """The fields that a value has: those of a record that is written in place, and that may not be null."""
    if not isinstance(record.schema, dict):
        return []
    fields = record.schema["fields"]
    entries = fields if isinstance(fields, list) else [{"name": name, **field} for name, field in fields.items()]
    return [entry["name"] for entry in entries if not re.search(r"null|\?", json.dumps(entry["type"]))]
