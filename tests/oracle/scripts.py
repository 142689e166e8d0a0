"""Strategies for the strings of tools that may hold expressions."""

from tests.oracle.kinds import Kind, Pen

_JAVASCRIPT = [
    "${return null;}", "${return [1, 'a b', true];}", "${return [];}", "${return {\"a\": [1, null, \"x\"]};}",
    "$(1 + 1)", "$(1.5)",
    "${return 1e21;}", "${return 1e-7;}", "$('a' + 'b')", "$(true)", "$(false)", "${return '';}", "$([1, 2].join('+'))",
    "${var s = '}'; return s + ')';}", "$(runtime.cores * 2)", "${return -0.5;}", "${return 123456789012;}",
    "$(undefined)",
    "a${return 1;}b$(2)", "$({'k': 'v'}['k'])", "${ /* ) } */ return 'c'; }", "$('$(' + ')')", "$(\"it's\")",
    "${return '\\n';}",
    "${return [[1, 2], [3]];}", "$(Object.keys(inputs).sort().join(','))", "$(JSON.stringify(inputs.nothing || null))",
    "x$(1e-7)y", "x$(2.0)y", "x${return [1.5, 'é'];}y", "x$(null)y", "x$(true)y", "x${return {'b': 1, 'a': 2};}y",
    "$(helper('z'))",
]  # fmt: skip
_JAVASCRIPT_OF_SELF = [
    "$(self === null ? 'null' : typeof self)", "${return self;}", "$(Array.isArray(self))", "$(self && self.basename)",
    "${return [self, self];}", "$(JSON.stringify(self) === undefined)", "${return 'v' + self;}", "$(self ? 1 : 0)",
    "${return Array.isArray(self) ? self.slice().reverse() : self;}",
]  # fmt: skip
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

    def text(self, self_: frozenset[str] | None = None) -> str:
        """A string; ``self_`` names what the type of self holds (None: there is no self)."""
        ways = [self._constant, self._constant, self._runtime, self._escape, self._mixed]
        if self._names:
            ways += [self._reference] * 4
        if self._has_javascript:
            ways += [lambda: str(self._pen.one(*_JAVASCRIPT))] * 3
        if self_ is not None:
            ways += [lambda: self._self(self_)] * 4
        return str(self._pen.one(*ways)())

    def integer(self, self_: frozenset[str] | None = None) -> str:
        """An expression that mostly gives an integer."""
        choices = [f"$(inputs.{name})" for name in self._names if "int" in self._inputs[name].holds] or ["$(inputs.x)"]
        if self._has_javascript:
            choices += ["$(1 + 1)", "$(-2)", "${return 0;}", "$(1.5)", "$(null)", "$('3')"]
        if self_ is not None:
            choices += ["$(self)"] if "int" in self_ else []
            choices += ["$(self ? 3 : -3)"] if self._has_javascript else []
        return str(self._pen.one(*choices))

    def name(self) -> str:
        """The name of a file to write to, mostly a good one."""
        choices = ["out.txt", "a b.log", "-dash", "ünï.out", "$(runtime.cores).txt"]
        choices += [f"$(inputs.{name}.nameroot).out" for name in self._names if "File" in self._inputs[name].holds]
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
        holds = self._inputs[name].holds
        choices = [f"$(inputs.{name})", f"$(inputs['{name}'])", f'$(inputs["{name}"])', f" $(inputs.{name}) "]
        if "File" in holds:
            keys = ("basename", "nameroot", "nameext", "size", "path", "class", "dirname")
            choices += [f"$(inputs.{name}.{key})" for key in keys]
        if "array" in holds:
            choices += [f"$(inputs.{name}.length)", f"$(inputs.{name}[0])", f"$(inputs.{name}[1])"]
        if "record" in holds:
            choices += [f"$(inputs.{name}.f)", f"$(inputs.{name}['alpha'])"]
        return str(self._pen.one(*choices))

    def _mixed(self) -> str:
        inner = self._pen.one("$(runtime.cores)", *(f"$(inputs.{name})" for name in self._names))
        before = self._pen.one("pre-", "", " ", "a b ", "$")
        after = self._pen.one("-post", "", "/", " ", f"/{inner}")
        return f"{before}{inner}{after}"

    def _self(self, holds: frozenset[str]) -> str:
        choices = ["$(self)", "v=$(self)", "$(self)/$(self)", "$(null)"]
        if "File" in holds:
            keys = ("basename", "nameroot", "size", "path", "nameext")
            choices += [f"$(self.{key})" for key in keys] + ["$(self.nameroot).out"]
        if "array" in holds:
            choices += ["$(self[0])", "$(self.length)"]
        if self._has_javascript:
            choices += self._pen.one(_JAVASCRIPT_OF_SELF, _JAVASCRIPT_OF_SELF[:2])
        return str(self._pen.one(*choices))
