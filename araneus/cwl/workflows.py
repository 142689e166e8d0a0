"""The steps of a workflow to the normal form: what a step runs is built, sources become short, links are checked.

What each step runs is built before any source is looked up, since a source may name an output that the process has
and the step's ``out`` forgot. Used by `araneus.cwl.processes`, which builds what steps run.
Source: CWL v1.2 Workflow, "WorkflowStep", "WorkflowStepInput", "Workflow step output".
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from araneus.cwl import fields, requirements
from araneus.cwl.defaults import respelled
from araneus.cwl.links import check
from araneus.cwl.process import (
    MISSING,
    LinkMerge,
    Listing,
    OutputPort,
    PickValue,
    Process,
    ScatterMethod,
    Step,
    StepInput,
)
from araneus.cwl.references import place_files
from araneus.cwl.requirements import Inherited
from araneus.cwl.scope import Scope, short

__all__ = ["Run", "StepReader", "check"]

Run: TypeAlias = Callable[[Any, Scope, Inherited], Process | None]

_STEP: Final = frozenset(
    {"id", "in", "out", "run", "requirements", "hints", "label", "doc", "scatter", "scatterMethod"}
)
_STEP_INPUT: Final = frozenset(
    {"id", "source", "linkMerge", "default", "valueFrom", "label", "loadContents", "loadListing"}
)


class StepReader:
    """Reads the steps of one workflow. ``run`` builds the process that a step runs."""

    def __init__(
        self, node: Mapping[str, Any], scope: Scope, inputs: list[str], inherited: Inherited, run: Run
    ) -> None:
        self._scope = scope
        self._inherited = inherited
        self._run = run
        name = node.get("id")
        self._prefix = name.rpartition("#")[2] if isinstance(name, str) else ""
        self._entries = list(fields.entries(scope, node, "steps", "id", required=True))
        self._known = set(inputs)
        self._unlisted: set[str] = set()
        self._used: set[str] = set()

    def read(self, ports: tuple[OutputPort, ...]) -> tuple[tuple[Step, ...], tuple[OutputPort, ...]]:
        """The steps in document order, without those that cannot be built, and the workflow's outputs ``ports`` with
        their sources in short form."""
        fields.unique_ids(self._scope, [short(given) for given, _, _ in self._entries], "steps")
        begun = [self._begun(*entry) for entry in self._entries]
        inputs = [self._inputs(entry, scope) for _, entry, scope in self._entries]
        steps = [_fed(step, own) for step, own in zip(begun, inputs, strict=True) if step is not None]
        scope = self._scope.at("outputs")
        outputs = tuple(replace(port, source=self._sources(port.source, scope.at(port.id))) for port in ports)
        return tuple(self._settled(step) for step in steps), outputs

    def _sources(self, given: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
        return tuple(self._source(each, scope) for each in given)

    def _source(self, given: str, scope: Scope) -> str:
        found = self._named(given, self._known) or self._named(given, self._unlisted)
        if found is not None:
            self._used.add(found)
            return found
        near = fields.meant(given, self._known)
        scope.link(f"the source {given[:120]!r} is neither an input of the workflow nor an output of a step{near}")
        return given

    def _named(self, given: str, known: Container[str]) -> str | None:
        path = given.rpartition("#")[2]
        full = path != given
        if not full and path in known:
            return path  # where a workflow and a step have the same id
        if self._prefix and path.startswith(f"{self._prefix}/"):
            rest = path[len(self._prefix) + 1 :]
            if rest in known:
                return rest
        if path in known:
            return path
        parts = path.rsplit("/", 2) if full else []
        for rest in ("/".join(parts[-2:]), "".join(parts[-1:])):
            if rest in known:
                return rest
        return None

    def _settled(self, step: Step) -> Step:
        """The step with the outputs that its process has: those that nobody uses need not exist, and those that
        somebody uses need not be listed."""
        produced = [port.id for port in step.run.outputs]
        listed = [out for out in step.outputs if out in produced or f"{step.id}/{out}" in self._used]
        place = self._scope.at("steps").at(step.id)
        for out in step.outputs:
            if out not in produced and out not in listed:
                near = fields.meant(out, produced)
                place.doubt(f"what the step runs has no output {out[:80]!r}, which nothing uses{near}", "out")
        for out in produced:
            if out not in step.outputs and f"{step.id}/{out}" in self._used:
                listed.append(out)
                place.doubt(f"the output {out[:80]!r} is used, but not listed", "out")
        return step if tuple(listed) == step.outputs else replace(step, outputs=tuple(listed))

    def _begun(self, given: str, entry: Mapping[str, Any], scope: Scope) -> Step | None:
        """The step without its inputs. What it gives is known from here on."""
        outs = _outs(entry, scope)
        self._known.update(f"{short(given)}/{out}" for out in outs)
        fields.known_fields(scope, entry, _STEP | ({"when"} if scope.version >= 2 else set()))
        fields.prose(scope, entry, "doc")
        own, hints = requirements.read(entry, scope)
        names = requirements.type_names(entry, scope, self._inherited.types)
        inside = self._inherited
        if own or hints or names is not inside.types:
            inside = inside.with_own(own, hints, names)
        scatter = tuple(short(each) for each in fields.texts(scope, entry, "scatter"))
        process = None
        if entry.get("run") is None:
            scope.problem("is required", "run")
        else:
            process = self._run(entry["run"], scope.at("run", entry["run"]), inside)
        if process is None:
            return None
        self._unlisted.update(f"{short(given)}/{port.id}" for port in process.outputs)
        return Step(
            id=short(given),
            run=process,
            inputs=(),
            outputs=outs,
            scatter=scatter,
            scatter_method=fields.choice(scope, entry, "scatterMethod", ScatterMethod),
            when=_when(entry, scope),
            label=fields.title(scope, entry, "label"),
            hints={**hints, **own},
        )

    def _inputs(self, entry: Mapping[str, Any], scope: Scope) -> tuple[StepInput, ...]:
        allowed = _STEP_INPUT | ({"pickValue"} if scope.version >= 2 else set())
        found: list[StepInput] = []
        for given, node, inner in fields.entries(scope, entry, "in", "id", "source", required=True):
            fields.known_fields(inner, node, allowed)
            source = node.get("source")
            found.append(
                StepInput(
                    id=short(given),
                    source=self._sources(fields.texts(inner, node, "source"), inner),
                    source_is_list=isinstance(source, list),
                    link_merge=fields.choice(inner, node, "linkMerge", LinkMerge),
                    pick_value=fields.choice(inner, node, "pickValue", PickValue),
                    default=place_files(node["default"], inner.base) if "default" in node else MISSING,
                    value_from=fields.text(inner, node, "valueFrom"),
                    load_contents=fields.flag(inner, node, "loadContents", False),
                    load_listing=fields.choice(inner, node, "loadListing", Listing),
                    label=fields.title(inner, node, "label"),
                )
            )
        fields.unique_ids(scope, [each.id for each in found], "in")
        return tuple(found)


def _fed(step: Step, inputs: tuple[StepInput, ...]) -> Step:
    """The step with its inputs; their defaults are spelled as the ports behind them want."""
    types = {port.id: port.type for port in step.run.inputs}
    settled = [
        replace(each, default=respelled(types[each.id], each.default))
        if each.id in types and each.default is not MISSING and not step.scatter and each.value_from is None
        else each
        for each in inputs
    ]
    return replace(step, inputs=tuple(settled))


def _when(entry: Mapping[str, Any], scope: Scope) -> str | None:
    value = entry.get("when")
    if isinstance(value, bool):
        scope.problem("must be an expression such as $(inputs.run_this), not a boolean", "when")
        return None
    return fields.text(scope, entry, "when")


def _outs(entry: Mapping[str, Any], scope: Scope) -> tuple[str, ...]:
    value = entry.get("out")
    if not isinstance(value, list):
        scope.problem("is required" if value is None else f"must be a list, not {fields.kind_of(value)}", "out")
        return ()
    found: list[str] = []
    for item in value:
        name = item.get("id") if isinstance(item, dict) else item
        if isinstance(name, str) and name:
            found.append(short(name))
        else:
            scope.problem("must be a list of output ids", "out")
    once = list(dict.fromkeys(found))
    if len(once) < len(found):
        scope.doubt("an output is listed twice", "out")
    fields.unique_ids(scope, once, "out")
    return tuple(once)
