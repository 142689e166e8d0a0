"""Strategies for small workflows of expression tools and shell tools, whose outputs are compared."""

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
    step["run"] = _nested(flow, kinds) if nested else _tool(flow, kinds)
    flow.steps[name] = step
    result = "Any" if step["run"]["class"] == "Workflow" or not _says_file(step["run"]) else "File"
    depth = (len(scattered) if step.get("scatterMethod") == "nested_crossproduct" else 1) if scattered else 0
    flow.sources[f"{name}/out"] = f"{result}{'[]' * min(depth, 2)}" if "when" not in step else "Any?"


def _says_file(tool: dict[str, Any]) -> bool:
    return bool(tool["class"] == "CommandLineTool")


def _step_input(flow: _Flow, kind: str) -> tuple[dict[str, Any], bool]:
    """An input of a step, and whether it is to be scattered."""
    pen = flow.pen
    entry: dict[str, Any] = {}
    scatter = False
    exact, lists = flow.of_type(kind, kind.rstrip("?"), "Any"), flow.of_type(f"{kind}[]", "Any[]")
    items = flow.of_type(kind[:-2], kind) if kind.endswith("[]") else []
    if lists and pen.chance(2):
        entry["source"], scatter = pen.one(*lists), True
    elif items and pen.chance(2):
        entry["source"] = [pen.one(*items) for _ in range(pen.one(1, 2, 2, 3))]
        entry["linkMerge"] = pen.one("merge_flattened", "merge_flattened", "merge_nested")
    elif exact and not pen.chance(12):
        entry["source"] = pen.one(*exact)
    elif flow.sources and pen.chance(3):
        entry["source"] = pen.one(*flow.sources)
    if pen.version == "v1.2" and pen.chance(6) and flow.of_type("Any?", "int?", "string?"):
        entry = {"source": [pen.one(*flow.of_type("Any?", "int?", "string?", kind)) for _ in range(pen.one(1, 2, 3))]}
        entry["pickValue"] = pen.one("first_non_null", "the_only_non_null", "all_non_null")
    if pen.chance(3) or "source" not in entry:
        value = kind if "File" not in kind else "string"  # paths in a default of a step are relative to nothing
        entry["default"] = [_value(pen, value), _value(pen, value)] if scatter else _value(pen, value)
    if pen.chance(5):
        entry["valueFrom"] = pen.one("$(self)", "$(inputs.x)", "${return self;}", "v",
        "$(self === null ? 'none' : self)", "$(1)",
                                     "$([self, self])",
                                     "${return Array.isArray(self) ? self.length : -1;}")  # fmt: skip
    return entry, scatter


def _tool(flow: _Flow, kinds: dict[str, str]) -> dict[str, Any]:
    pen = flow.pen
    inputs = {port: {"type": "Any?" if pen.chance(2) else kind} for port, kind in kinds.items()}
    if pen.chance(8) and "File" not in kinds["x"]:
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
    results = [f"JSON.stringify({names}, {plain})", "inputs.x", names, f"{names}.length", "null", "typeof inputs.x"]
    return {
        "class": "ExpressionTool", "cwlVersion": pen.version, "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": inputs, "outputs": {"out": "Any" if pen.version == "v1.0" or not pen.chance(3) else "Any?"},
        "expression": f"${{return {{'out': {pen.one(*results)}}};}}",
    }  # fmt: skip


def _nested(flow: _Flow, kinds: dict[str, str]) -> dict[str, Any]:
    """A workflow of one step in the place of a tool."""
    pen = flow.pen
    ports = {port: {"type": kind} for port, kind in kinds.items()}
    return {
        "class": "Workflow",
        "cwlVersion": pen.version, "inputs": ports, "requirements": {name: {} for name in _REQUIRED},
        "outputs": {"out": {"type": pen.one(*["Any", "Any?"] * 4, "File"), "outputSource": "inner/out"}},
        "steps": {"inner": {"in": {port: port for port in kinds}, "out": ["out"], "run": _tool(flow, kinds)}},
    }  # fmt: skip


def _outputs(flow: _Flow) -> dict[str, Any]:
    pen = flow.pen
    found: dict[str, Any] = {}
    for number, source in enumerate(flow.sources):
        if source.endswith("/out") or pen.chance(4):
            kind = flow.sources[source]
            long = {"type": "array", "items": {"type": "array", "items": kind[:-4]}} if kind.endswith("[][]") else kind
            found[f"o{number}"] = {
                "type": pen.one(long, "Any", "Any?") if pen.chance(3) else long,
                "outputSource": source,
            }
    if pen.chance(3):
        sources = [pen.one(*flow.sources) for _ in range(pen.one(1, 2, 3))]
        merged: dict[str, Any] = {
            "type": pen.one("Any", "Any?", {"type": "array", "items": ["null", "Any"]}),
            "outputSource": sources,
        }
        if pen.chance(2):
            merged["linkMerge"] = pen.one("merge_nested", "merge_flattened")
        if pen.version == "v1.2" and pen.chance(2):
            merged["pickValue"] = pen.one("first_non_null", "the_only_non_null", "all_non_null")
        found["merged"] = merged
    return found
