"""The steps of a workflow to the normal form: sources become short, what a step runs is built, links are checked.

Used by `araneus.cwl.processes`, which builds what steps run. Source: CWL v1.2 Workflow, "WorkflowStep",
"WorkflowStepInput", "Workflow step output".
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from araneus.cwl import fields, requirements
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
        self._outs: list[tuple[str, ...]] = []
        for given, entry, inner in self._entries:
            outs = _outs(entry, inner)
            self._outs.append(outs)
            self._known.update(f"{short(given)}/{out}" for out in outs)

    def steps(self) -> tuple[Step, ...]:
        """The steps in document order, without those that cannot be built."""
        fields.unique_ids(self._scope, [short(given) for given, _, _ in self._entries], "steps")
        built = [self._step(*entry, outs) for entry, outs in zip(self._entries, self._outs, strict=True)]
        return tuple(step for step in built if step is not None)

    def outputs(self, ports: tuple[OutputPort, ...]) -> tuple[OutputPort, ...]:
        """The workflow's outputs with their sources in short form."""
        scope = self._scope.at("outputs")
        return tuple(replace(port, source=self._sources(port.source, scope.at(port.id))) for port in ports)

    def _sources(self, given: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
        return tuple(self._source(each, scope) for each in given)

    def _source(self, given: str, scope: Scope) -> str:
        path = given.rpartition("#")[2]
        full = path != given
        if self._prefix and path.startswith(f"{self._prefix}/"):
            rest = path[len(self._prefix) + 1 :]
            if rest in self._known:
                return rest
        if path in self._known:
            return path
        parts = path.rsplit("/", 2) if full else []
        for rest in ("/".join(parts[-2:]), "".join(parts[-1:])):
            if rest in self._known:
                return rest
        scope.link(f"the source {given[:120]!r} is neither an input of the workflow nor an output of a step")
        return given

    def _step(self, given: str, entry: Mapping[str, Any], scope: Scope, outs: tuple[str, ...]) -> Step | None:
        fields.known_fields(scope, entry, _STEP | ({"when"} if scope.version >= 2 else set()))
        fields.prose(scope, entry, "doc")
        own, hints = requirements.read(entry, scope)
        names = requirements.type_names(entry, scope, self._inherited.types)
        inside = self._inherited
        if own or hints or names is not inside.types:
            inside = inside.with_own(own, hints, names)
        inputs = self._inputs(entry, scope)
        scatter = tuple(short(each) for each in fields.texts(scope, entry, "scatter"))
        process = None
        if entry.get("run") is None:
            scope.problem("is required", "run")
        else:
            process = self._run(entry["run"], scope.at("run", entry["run"]), inside)
        if process is None:
            return None
        return Step(
            id=short(given),
            run=process,
            inputs=inputs,
            outputs=outs,
            scatter=scatter,
            scatter_method=fields.choice(scope, entry, "scatterMethod", ScatterMethod),
            when=_when(entry, scope),
            label=fields.text(scope, entry, "label"),
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
                    label=fields.text(inner, node, "label"),
                )
            )
        fields.unique_ids(scope, [each.id for each in found], "in")
        return tuple(found)


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
    fields.unique_ids(scope, found, "out")
    return tuple(found)
