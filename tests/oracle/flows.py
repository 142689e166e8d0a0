"""Strategies for small workflows of expression tools and shell tools, whose outputs are compared.

What the specification leaves open, or the platform does otherwise on purpose, is not made:

- a File where File[] is wanted or the reverse (the platform settles it at run time; the text has no word on it);
- links between types that have only null in common, or a boolean and a number ("must be compatible types": whether
  types or values are looked at, is open);
- one source in brackets with pickValue (the platform picks from the list that the source gives);
- null for an output of type Any ("must be non-null"), and outputs of workflows of a type that they cannot have (v1.2,
  Generic execution process: "Validate the output object"; the other runner does not look);
- defaults of a tool whose step has ``when`` or valueFrom: whether these see the defaults, the text does not say.
"""

import json
from typing import Any, Final

from hypothesis import strategies as st

from tests.oracle.case import Case
from tests.oracle.kinds import Pen
from tests.oracle.values import VERSIONS, texts

_TYPES: Final = ("int", "string", "int[]", "string[]", "int?", "string?", "File", "File[]", "boolean", "Any?")
_VALUES: Final = {
    "int": st.integers(-5, 9),
    "string": texts,
    "boolean": st.booleans(),
    "Any": st.sampled_from([1, "any", [1, 2]]),
}
_VALUES_FROM: Final = (
    "$(inputs.x)", "v", "$(self === null ? 'none' : self)", "$(1)", "$([self, self])",
    "${return Array.isArray(self) ? self.length : -1;}",
)  # fmt: skip
_REQUIRED: Final = (
    "StepInputExpressionRequirement", "ScatterFeatureRequirement", "MultipleInputFeatureRequirement",
    "SubworkflowFeatureRequirement", "InlineJavascriptRequirement",
)  # fmt: skip


class _Flow:
    """One workflow in the making: what may be a source, by type."""

    def __init__(self, pen: Pen) -> None:
        self.pen = pen
        self.sources: dict[str, str] = {}
        self.steps: dict[str, Any] = {}

    def of_type(self, *kinds: str) -> list[str]:
        """The sources of one of these types."""
        return [source for source, kind in self.sources.items() if kind in kinds]

    def misfits(self, wanted: str) -> list[str]:
        """Sources that may not fit, and then certainly do not: none is null, or a boolean for a number."""
        if "File" in wanted or wanted.endswith("?"):
            return []
        return [source for source, kind in self.sources.items() if not kind.endswith("?") and kind != "boolean"]

    def picked(self, wanted: str) -> tuple[list[str], list[str]]:
        """Sources to pick from for a sink of a type, with the ways to pick."""
        if "File" in wanted:
            return [], []
        if wanted.endswith("[]"):
            item = wanted[:-2]
            return self.of_type("Any?", item, f"{item}?"), ["all_non_null"]
        plain = wanted.rstrip("?")
        return self.of_type("Any?", plain, f"{plain}?"), ["first_non_null", "the_only_non_null"]


@st.composite
def flow_cases(draw: Any) -> Case:
    """A workflow of one to four steps."""
    pen = Pen(draw=draw, version=draw(st.sampled_from(VERSIONS)))
    flow = _Flow(pen)
    inputs: dict[str, Any] = {}
    job: dict[str, Any] = {}
    for number in range(pen.one(2, 3, 4)):
        name, kind = f"in{number}", pen.one(*_TYPES)
        inputs[name] = {"type": kind}
        flow.sources[name] = kind
        if pen.chance(6) and "File" not in kind:
            inputs[name]["default"] = _value(pen, kind)
        if not (("default" in inputs[name] or kind.endswith("?")) and pen.chance(2)):
            job[name] = _value(pen, kind)
    for number in range(pen.one(1, 2, 2, 3, 4)):
        _step(flow, f"s{number}", nested=pen.chance(6))
    document = {
        "class": "Workflow", "cwlVersion": pen.version, "requirements": {name: {} for name in _REQUIRED},
        "inputs": inputs,
        "steps": flow.steps, "outputs": _outputs(flow),
    }  # fmt: skip
    return Case(document=document, job=job, files=pen.files)


def _value(pen: Pen, kind: str) -> Any:
    if kind.endswith("?"):
        return None if pen.chance(2) else _value(pen, kind[:-1])
    if kind.endswith("[]"):
        return [_value(pen, kind[:-2]) for _ in range(pen.one(0, 1, 2, 2, 3))]
    return pen.file(["a.txt", "b.txt"]) if kind == "File" else pen.draw(_VALUES[kind])


def _step(flow: _Flow, name: str, *, nested: bool) -> None:
    """A step with one or two inputs ``x`` and ``y``, scattered or not, conditional or not."""
    pen = flow.pen
    ports = ["x", "y"][: pen.one(1, 2)]
    kinds = {
        port: pen.one("int", "string", "Any", "int[]", "string[]", "File", "File[]", "int?", "string?")
        for port in ports
    }
    entries = {port: _step_input(flow, kind) for port, kind in kinds.items()}
    step: dict[str, Any] = {"in": {port: entry for port, (entry, _) in entries.items()}, "out": ["out"]}
    scattered = [port for port, (_, scatter) in entries.items() if scatter]
    if scattered:
        step["scatter"] = scattered if len(scattered) > 1 or pen.chance(2) else scattered[0]
        if len(scattered) > 1 or pen.chance(8):
            step["scatterMethod"] = pen.one("dotproduct", "nested_crossproduct", "flat_crossproduct")
    if pen.version == "v1.2" and pen.chance(3):
        port = ports[0]
        step["when"] = pen.one(f"$(inputs.{port} != null)", "$(false)", "$(true)", f"$(inputs.{port} == 1)",
        "$(inputs.more)",
                               f"${{return inputs.{port} > 2;}}")  # fmt: skip
        if step["when"] == "$(inputs.more)":
            step["in"]["more"] = {"default": pen.one(True, False)}
    looks = "when" in step or '"valueFrom"' in json.dumps(step["in"])
    step["run"] = _nested(flow, kinds, looks=looks) if nested else _tool(flow, kinds, looks=looks)
    flow.steps[name] = step
    result = "File" if step["run"]["class"] == "CommandLineTool" else "Any"
    depth = (len(scattered) if step.get("scatterMethod") == "nested_crossproduct" else 1) if scattered else 0
    may_be_null = "when" in step or (depth == 0 and step["run"]["outputs"]["out"] not in ("Any", "stdout"))
    flow.sources[f"{name}/out"] = "Any?" if may_be_null else f"{result}{'[]' * min(depth, 2)}"


def _step_input(flow: _Flow, kind: str) -> tuple[dict[str, Any], bool]:
    """An input of a step, and whether it is to be scattered."""
    pen = flow.pen
    entry: dict[str, Any] = {}
    scatter = False
    wild = () if "File" in kind else ("Any",)
    exact = flow.of_type(kind, kind.rstrip("?"), *wild)
    lists = flow.of_type(f"{kind}[]", *(f"{each}[]" for each in wild))
    items = flow.of_type(kind[:-2], kind) if kind.endswith("[]") else []
    if lists and pen.chance(2):
        entry["source"], scatter = pen.one(*lists), True
    elif items and pen.chance(2):
        entry["source"] = [pen.one(*items) for _ in range(pen.one(1, 2, 2, 3))]
        entry["linkMerge"] = pen.one(
            "merge_flattened", "merge_flattened", "merge_nested" if wild else "merge_flattened"
        )
    elif exact and not pen.chance(12):
        entry["source"] = pen.one(*exact)
    elif pen.chance(3) and flow.misfits(kind):
        entry["source"] = pen.one(*flow.misfits(kind))
    sources, ways = flow.picked(kind)
    if pen.version == "v1.2" and not scatter and pen.chance(4) and sources:
        entry = {"source": [pen.one(*sources) for _ in range(pen.one(2, 2, 3))], "pickValue": pen.one(*ways)}
    if pen.chance(3) or "source" not in entry:
        value = kind if "File" not in kind else "string"  # paths in a default of a step are relative to nothing
        entry["default"] = [_value(pen, value), _value(pen, value)] if scatter else _value(pen, value)
    if pen.chance(5):
        of_files = ["$(self)", "${return self;}"]
        entry["valueFrom"] = pen.one(*of_files, *(() if "File" in kind else _VALUES_FROM))
    return entry, scatter


def _tool(flow: _Flow, kinds: dict[str, str], *, looks: bool) -> dict[str, Any]:
    pen = flow.pen
    inputs = {port: {"type": "Any?" if pen.chance(2) else kind} for port, kind in kinds.items()}
    if pen.chance(8) and not looks and "File" not in kinds["x"]:
        inputs["x"]["default"] = _value(pen, kinds["x"])
    names = "[" + ", ".join(f"inputs.{port}" for port in kinds) + "]"
    plain = "function(k, v) { return v && v['class'] ? v.basename : v; }"
    if pen.chance(4):
        text = f"$(JSON.stringify({names}, {plain}))"
        return {
            "class": "CommandLineTool", "cwlVersion": pen.version, "requirements": {"InlineJavascriptRequirement": {}},
            "inputs": inputs, "baseCommand": ["printf", "%s"], "arguments": [text], "stdout": "said.txt",
            "outputs": {"out": "stdout"},
        }  # fmt: skip
    certain = [f"JSON.stringify({names}, {plain})", names, f"{names}.length", "typeof inputs.x"]
    result = pen.one(*certain, "inputs.x", "null")
    return {
        "class": "ExpressionTool", "cwlVersion": pen.version, "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": inputs, "outputs": {"out": "Any" if result in certain else ["null", "Any"]},
        "expression": f"${{return {{'out': {result}}};}}",
    }  # fmt: skip


def _nested(flow: _Flow, kinds: dict[str, str], *, looks: bool) -> dict[str, Any]:
    """A workflow of one step in the place of a tool."""
    pen = flow.pen
    ports = {port: {"type": kind} for port, kind in kinds.items()}
    return {
        "class": "Workflow",
        "cwlVersion": pen.version, "inputs": ports, "requirements": {name: {} for name in _REQUIRED},
        "outputs": {"out": {"type": ["null", "Any"], "outputSource": "inner/out"}},
        "steps": {"inner": {"in": {port: port for port in kinds}, "out": ["out"],
                            "run": _tool(flow, kinds, looks=looks)}},
    }  # fmt: skip


def _outputs(flow: _Flow) -> dict[str, Any]:
    pen = flow.pen
    found: dict[str, Any] = {}
    for number, (source, kind) in enumerate(flow.sources.items()):
        if source.endswith("/out") or pen.chance(4):
            wide = pen.one("Any?", "Any") if not kind.endswith("?") else "Any?"
            found[f"o{number}"] = {"type": wide if pen.chance(4) else _long(kind), "outputSource": source}
    if pen.chance(3):
        found["merged"] = _merged(flow)
    return found


def _merged(flow: _Flow) -> dict[str, Any]:
    """An output of several sources, of a type that it can have."""
    pen = flow.pen
    pick = pen.one(None, "first_non_null", "the_only_non_null", "all_non_null") if pen.version == "v1.2" else None
    sources = [pen.one(*flow.sources) for _ in range(pen.one(2, 2, 3) if pick else pen.one(1, 2, 3))]
    merged: dict[str, Any] = {"type": "Any?", "outputSource": sources}
    if pen.chance(2):
        merged["linkMerge"] = pen.one("merge_nested", "merge_flattened")
    if pick:
        merged["pickValue"] = pick
    if pick in (None, "all_non_null") and (len(sources) > 1 or "linkMerge" in merged) and pen.chance(2):
        merged["type"] = {"type": "array", "items": ["null", "Any"]}
    return merged


def _long(kind: str) -> Any:
    """The type of a source; what a scattered expression gives may be null."""
    if not kind.endswith("[]"):
        return kind
    inner = _long(kind[:-2])
    return {"type": "array", "items": ["null", "Any"] if inner == "Any" else inner}
