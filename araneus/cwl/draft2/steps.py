"""The steps of a workflow in sbg:draft-2: ports are called ``#step.port``, and sources become ``step/port``.

Used by `araneus.cwl.draft2.processes`. Source: cwl-avro.yml of draft 2, "WorkflowStep"; rabix/bunny,
rabix-bindings-sb.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from araneus.cwl import fields
from araneus.cwl.draft2 import requirements, texts
from araneus.cwl.process import (
    MISSING,
    LinkMerge,
    OutputPort,
    PickValue,
    Process,
    ScatterMethod,
    Step,
    StepInput,
)
from araneus.cwl.references import place_files
from araneus.cwl.requirements import Inherited
from araneus.cwl.scope import Scope
from araneus.cwl.types import ANY, ArrayType, matches, options

Run: TypeAlias = Callable[[Any, Scope, Inherited], Process | None]

_PORTS: Final = ("inputs", "outputs")
_Entry: TypeAlias = tuple[str, Mapping[str, Any], Scope]


class StepReader:
    """Reads the steps of one workflow. ``run`` builds the process that a step runs."""

    def __init__(
        self, node: Mapping[str, Any], scope: Scope, inputs: list[str], inherited: Inherited, run: Run
    ) -> None:
        self._scope = scope
        self._inherited = inherited
        self._run = run
        self._entries = list(_steps(node, scope))
        self._inputs = frozenset(inputs)
        self._outputs: dict[str, set[str]] = {}
        self._produced: dict[str, str] = {}
        self._used: set[str] = set()

    def read(self, ports: tuple[OutputPort, ...]) -> tuple[tuple[Step, ...], tuple[OutputPort, ...]]:
        """The steps in document order, without those that cannot be built, and the workflow's outputs ``ports`` with
        their sources in short form."""
        fields.unique_ids(self._scope, [name for name, _, _ in self._entries], "steps")
        begun = [self._begun(*entry) for entry in self._entries]
        self._produced = _produced(self._outputs)
        fed: list[Step] = []
        for step, (_, entry, scope) in zip(begun, self._entries, strict=True):
            if step is not None:
                fed.append(replace(step, inputs=self._step_inputs(step, entry, scope)))
            else:
                for _, node, inner in _ports(entry, scope, "inputs"):  # whose mistakes are told as well
                    self._sources(node, inner)
        place = self._scope.at("outputs")
        outputs = tuple(self._linked(port, place.at(port.id)) for port in ports)
        return tuple(self._settled(step) for step in fed), outputs

    def _linked(self, port: OutputPort, scope: Scope) -> OutputPort:
        names = tuple(self._source(each, scope) for each in port.source if each)
        return replace(port, source=names, pick_value=_picked(names))

    def _begun(self, name: str, entry: Mapping[str, Any], scope: Scope) -> Step | None:
        """The step without its inputs. What it gives is known from here on."""
        own, hints = requirements.read(entry, scope)
        inside = self._inherited.with_own(own, hints) if own or hints else self._inherited
        listed = [_port(given, name) for given, _, _ in _ports(entry, scope, "outputs")]
        self._outputs[name] = set(listed)
        run = referenced(entry.get("run"))
        if run is None:
            scope.problem("is required", "run")
            return None
        process = self._run(run, scope.at("run", run), inside)
        if process is None:
            return None
        self._outputs[name].update(port.id for port in process.outputs)
        scatter = tuple(_port(given, name) for given in fields.texts(scope, entry, "scatter") if given)
        method = fields.choice(scope, entry, "scatterMethod", ScatterMethod) if entry.get("scatterMethod") else None
        return Step(
            id=name,
            run=process,
            inputs=(),
            outputs=tuple(dict.fromkeys(listed)),
            scatter=scatter,
            scatter_method=method or (ScatterMethod.DOTPRODUCT if len(scatter) > 1 else None),
            label=fields.title(scope, entry, "label"),
            hints={**hints, **own},
        )

    def _step_inputs(self, step: Step, entry: Mapping[str, Any], scope: Scope) -> tuple[StepInput, ...]:
        found: list[StepInput] = []
        for given, node, inner in _ports(entry, scope, "inputs"):
            source = node.get("source")
            names = self._sources(node, inner)
            port = _port(given, step.id)
            default = _default(step, port, node.get("default"))
            merge = fields.choice(inner, node, "linkMerge", LinkMerge) if node.get("linkMerge") else None
            found.append(
                StepInput(
                    id=port,
                    source=names,
                    source_is_list=isinstance(source, list),
                    link_merge=LinkMerge.FLATTENED if merge is None and _item_by_item(step, port, names) else merge,
                    pick_value=_picked(names),
                    default=place_files(default, inner.base) if default is not None else MISSING,
                )
            )
        fields.unique_ids(scope, [each.id for each in found], "inputs")
        return tuple(found)

    def _sources(self, node: Mapping[str, Any], scope: Scope) -> tuple[str, ...]:
        return tuple(self._source(each, scope) for each in fields.texts(scope, node, "source") if each)

    def _source(self, given: str, scope: Scope) -> str:
        """``#input`` or ``#step.output`` in short form."""
        name = texts.short(given)
        if name in self._inputs:
            return name
        if name in self._produced:
            self._used.add(self._produced[name])
            return self._produced[name]
        known = [*self._inputs, *(f"{step}.{port}" for step, ports in self._outputs.items() for port in ports)]
        scope.link(
            f"the source {given[:120]!r} is neither an input of the workflow nor an output of a step"
            f"{fields.meant(name, known)}"
        )
        return name

    def _settled(self, step: Step) -> Step:
        """The step with the outputs that its process has, and those that are used."""
        produced = [port.id for port in step.run.outputs]
        used = [out for out in (*step.outputs, *produced) if f"{step.id}/{out}" in self._used]
        kept = [out for out in step.outputs if out in produced]
        return replace(step, outputs=tuple(dict.fromkeys([*kept, *used])))


def _produced(outputs: Mapping[str, set[str]]) -> dict[str, str]:
    """What each step gives, ``step/port`` by ``step.port`` and ``step/port``. Both may have dots in their names; where
    that leaves a choice, the step with the shorter name has it."""
    return {
        f"{step}{separator}{port}": f"{step}/{port}"
        for step in sorted(outputs, key=len, reverse=True)
        for port in outputs[step]
        for separator in "./"
    }


def _default(step: Step, name: str, given: Any) -> Any:
    """The default of a step's input. An empty text where none fits is what an editor leaves, and nothing."""
    kinds = [port.type for port in step.run.inputs if port.id == name]
    return None if given == "" and kinds and matches(kinds[0], "") else given


def _item_by_item(step: Step, name: str, sources: tuple[str, ...]) -> bool:
    """Whether several sources feed a scattered port that takes single values: all of theirs are scattered then."""
    kinds = [port.type for port in step.run.inputs if port.id == name]
    single = not any(isinstance(option, ArrayType) or option == ANY for kind in kinds for option in options(kind))
    return len(sources) > 1 and name in step.scatter and single


def _picked(sources: tuple[str, ...]) -> PickValue | None:
    """Of several links those that give nothing are no items, as recorded runs show."""
    return PickValue.ALL_NON_NULL if len(sources) > 1 else None


def _steps(node: Mapping[str, Any], scope: Scope) -> Iterator[_Entry]:
    """The steps with their names. A step without an id is called as its first port says."""
    value = node.get("steps")
    inner = scope.at("steps", value)
    if isinstance(value, dict):
        value = [{"id": name, **entry} if isinstance(entry, dict) else entry for name, entry in value.items()]
    if not isinstance(value, list):
        if value is not None:
            inner.problem(f"must be a list, not {fields.kind_of(value)}")
        return
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            inner.problem(f"must be a mapping, not {fields.kind_of(entry)}", index)
            continue
        given = entry.get("id")
        name = texts.short(given) if isinstance(given, str) else _name_of_ports(entry)
        if not name:
            inner.problem("needs an 'id', or ports that are called '#step.port'", index)
            continue
        yield name, entry, inner.at(name, entry)


def _name_of_ports(entry: Mapping[str, Any]) -> str:
    for section in _PORTS:
        ports = entry.get(section)
        for port in ports if isinstance(ports, list) else []:
            given = port.get("id") if isinstance(port, dict) else None
            if isinstance(given, str) and "." in given:
                return texts.short(given).rpartition(".")[0]
    return ""


def _ports(entry: Mapping[str, Any], scope: Scope, section: str) -> Iterator[_Entry]:
    """The ports of a step; some documents have those of CWL v1 beside, or instead."""
    key = section if section in entry else {"inputs": "in", "outputs": "out"}[section]
    value = entry.get(key)
    if isinstance(value, list) and any(isinstance(item, str) for item in value):
        value = [{"id": item} if isinstance(item, str) else item for item in value]
    yield from fields.entries(scope, {key: value}, key, "id", "source")


def _port(given: str, step: str) -> str:
    """The port that ``#step.port`` (or ``step/port``, or ``port``) names."""
    name = texts.short(given)
    for mark in (".", "/"):
        if name.startswith(step + mark):
            return name[len(step) + 1 :]
    return name.rpartition("/")[2].rpartition(".")[2]


def referenced(run: Any) -> Any:
    """What a step runs: ``{import: path}`` is the reference of draft 2."""
    if isinstance(run, dict) and isinstance(run.get("import"), str) and "class" not in run:
        return run["import"]
    return run
