"""The links of a workflow that stands in normal form: what is certainly wrong with them.

Last stage of `araneus.cwl.load`. What depends on values is left to the run; a File for a list of Files (and the other
way round) is let through, as the platform does. Source: CWL v1.2 Workflow, "WorkflowStep", "Data links".
"""

from araneus.cwl.fields import meant
from araneus.cwl.process import (
    MISSING,
    InputPort,
    LinkMerge,
    OutputPort,
    PickValue,
    ScatterMethod,
    Step,
    StepInput,
    Workflow,
)
from araneus.cwl.scope import Scope
from araneus.cwl.types import (
    ANY,
    DIRECTORY,
    FILE,
    NULL,
    ArrayType,
    RecordType,
    Type,
    compatible,
    describe,
    is_optional,
    options,
    union,
    without_null,
)


def check(workflow: Workflow, scope: Scope) -> None:
    """Note everything that is certainly wrong with the links of a workflow."""
    given: dict[str, Type] = {port.id: port.type for port in workflow.inputs}
    for step in workflow.steps:
        given.update(_results(step))
    for step in workflow.steps:
        place = scope.at("steps").at(step.id)
        _check_ports(step, place)
        _check_scatter(step, place)
        ports = {port.id: port for port in step.run.inputs}
        for each in step.inputs:
            _check_step_input(each, ports.get(each.id), each.id in step.scatter, given, place.at("in").at(each.id))
    for port in workflow.outputs:
        _check_output(port, given, scope.at("outputs").at(port.id))
    _check_cycles(workflow, scope)


def _results(step: Step) -> dict[str, Type]:
    """The types of a step's outputs as the workflow sees them: lists where scattered, null where it may not run."""
    found: dict[str, Type] = {}
    for port in step.run.outputs:
        kind = port.type
        nested = step.scatter_method is ScatterMethod.NESTED_CROSSPRODUCT
        for _ in range((len(step.scatter) if nested else 1) if step.scatter else 0):
            kind = ArrayType(items=kind)
        if step.when is not None:
            kind = union([NULL, kind])
        found[f"{step.id}/{port.id}"] = kind
    return found


def _check_ports(step: Step, scope: Scope) -> None:
    produced = {port.id for port in step.run.outputs}
    for out in step.outputs:
        if out not in produced:
            near = meant(out, produced)
            scope.link(f"what the step runs has no output {out[:80]!r}, which is used elsewhere{near}", "out")
    fed = {each.id for each in step.inputs if each.source or each.default is not MISSING or each.value_from is not None}
    for port in step.run.inputs:
        if port.id not in fed and port.default is MISSING and not is_optional(port.type):
            what = f"the required input {port.id[:80]!r} ({describe(port.type)}) is not connected"
            (scope.doubt if scope.draft2 else scope.link)(what, "in")


def _check_scatter(step: Step, scope: Scope) -> None:
    known = {each.id for each in step.inputs}
    for name in step.scatter:
        if name not in known:
            scope.link(f"{name[:80]!r} is not an input of the step{meant(name, known)}", "scatter")
    if len(set(step.scatter)) != len(step.scatter):
        scope.link("names an input twice", "scatter")
    if len(step.scatter) > 1 and step.scatter_method is None:
        scope.link("several scattered inputs need a scatterMethod: dotproduct is the usual one", "scatterMethod")


def _check_step_input(
    each: StepInput, port: InputPort | None, scattered: bool, given: dict[str, Type], scope: Scope
) -> None:
    sources = [(name, given[name]) for name in each.source if name in given]
    if each.value_from is not None or port is None:
        if not scattered:
            return
        sink: Type = ANY
    else:
        sink = union([NULL, port.type]) if port.default is not MISSING else port.type
    if scattered:
        sink = ArrayType(items=sink if sink != ANY else union([NULL, ANY]))
    _check_link(sources, sink, each, scope)


def _check_output(port: OutputPort, given: dict[str, Type], scope: Scope) -> None:
    sources = [(name, given[name]) for name in port.source if name in given]
    if not port.source and not is_optional(port.type):
        scope.doubt("has no outputSource and will always be null", "outputSource")
    _check_link(sources, port.type, port, scope)


def _merges(link: StepInput | OutputPort) -> bool:
    """Whether the values of the sources become a list: several sources, or linkMerge on a list of one."""
    return len(link.source) > 1 or (link.source_is_list and link.link_merge is not None)


def _check_link(sources: list[tuple[str, Type]], sink: Type, link: StepInput | OutputPort, scope: Scope) -> None:
    merges, pick = _merges(link), link.pick_value
    if pick is not None and not merges:
        return  # picks from a list that is one source's value
    if pick is PickValue.FIRST_NON_NULL or pick is PickValue.THE_ONLY_NON_NULL:
        wanted: Type | None = sink
        sources = [(name, without_null(kind)) for name, kind in sources]
    elif merges:
        wanted = _items(sink)
        if link.link_merge is LinkMerge.FLATTENED:
            sources = [(name, _flattened(kind)) for name, kind in sources]
        if pick is PickValue.ALL_NON_NULL:
            sources = [(name, without_null(kind)) for name, kind in sources]
        if wanted is None:
            _mismatch(f"gets a list from its sources, but takes {describe(sink)}", scope)
            return
    else:
        wanted = sink
    for name, kind in sources:
        if wanted is not None and not _fits(kind, wanted):
            why = _why_not(kind, wanted)
            _mismatch(f"the source {name!r} gives {describe(kind)}, which cannot be {describe(wanted)}{why}", scope)
        elif wanted is not None and _only_null_fits(kind, wanted):
            scope.doubt(f"the source {name!r} gives {describe(kind)}, of which {describe(wanted)} takes null alone")
        elif wanted is not None and not merges and not scope.draft2 and _only_lists(kind) and _takes_no_list(wanted):
            scope.doubt(
                f"the source {name!r} gives {describe(kind)}, of which {describe(wanted)} takes the first alone"
            )


def _only_null_fits(source: Type, sink: Type) -> bool:
    if not (is_optional(source) and is_optional(sink)) or NULL in (source, sink):
        return False
    return not _fits(without_null(source), without_null(sink))


def _only_lists(kind: Type) -> bool:
    return all(isinstance(option, ArrayType) for option in options(without_null(kind)))


def _takes_no_list(kind: Type) -> bool:
    return not any(isinstance(option, ArrayType) or option == ANY for option in options(kind))


def _mismatch(what: str, scope: Scope) -> None:
    """Types that do not go together. In sbg:draft-2 they say what is meant, not what comes: the run will tell."""
    (scope.doubt if scope.draft2 else scope.link)(what)


def _items(sink: Type) -> Type | None:
    """What the elements of a list may be where this type is wanted; None where no list is."""
    found: list[Type] = []
    for option in options(sink):
        if isinstance(option, ArrayType):
            found.append(option.items)
        elif option == ANY:
            found.append(union([NULL, ANY]))
        elif option in (FILE, DIRECTORY):
            found.append(option)  # a list for a single file is settled when there is one
    return union(found) if found else None


def _flattened(kind: Type) -> Type:
    return union([option.items if isinstance(option, ArrayType) else option for option in options(kind)])


def _fits(source: Type, sink: Type) -> bool:
    if compatible(source, sink):
        return True
    return not _file_kinds(source).isdisjoint(_file_kinds(sink))


def _why_not(source: Type, sink: Type) -> str:
    """What keeps one record from being another, or records in a list; their names alone do not tell."""
    given, wanted = _record(source), _record(sink)
    if given is None or wanted is None:
        return ""
    types = {each.name: each.type for each in given.fields}
    for each in wanted.fields:
        if each.name not in types and not is_optional(each.type):
            return f": it has no field {each.name[:80]!r}"
        if each.name in types and not compatible(types[each.name], each.type):
            return (
                f": its field {each.name[:80]!r} is {describe(types[each.name])}, where {describe(each.type)} is wanted"
            )
    return ""


def _record(kind: Type) -> RecordType | None:
    kind = without_null(kind)
    while isinstance(kind, ArrayType):
        kind = without_null(kind.items)
    return kind if isinstance(kind, RecordType) else None


def _file_kinds(kind: Type) -> set[Type]:
    """File and Directory, where the type is one of them or a list (of lists) of them."""
    found: set[Type] = set()
    for option in options(kind):
        if isinstance(option, ArrayType):
            found |= _file_kinds(option.items)
        elif option in (FILE, DIRECTORY):
            found.add(option)
    return found


def _check_cycles(workflow: Workflow, scope: Scope) -> None:
    """Take away steps that wait for nothing until none is left; what stays waits for itself."""
    waits: dict[str, set[str]] = {step.id: set() for step in workflow.steps}
    for step in workflow.steps:
        for each in step.inputs:
            for source in each.source:
                name, slash, _ = source.partition("/")
                if slash and name in waits:
                    waits[step.id].add(name)
    feeds: dict[str, list[str]] = {name: [] for name in waits}
    for name, needed in waits.items():
        for other in needed:
            feeds[other].append(name)
    free = [name for name, needed in waits.items() if not needed]
    while free:
        name = free.pop()
        for other in feeds[name]:
            waits[other].discard(name)
            if not waits[other]:
                free.append(other)
    left = [name for name, needed in waits.items() if needed]
    if left:
        shown = ", ".join(_circle(left[0], waits)[:10])
        scope.link(f"these steps wait for each other in a circle: {shown}", "steps")


def _circle(start: str, waits: dict[str, set[str]]) -> list[str]:
    path: dict[str, None] = {}
    name = start
    while name not in path:
        path[name] = None
        name = min(waits[name])
    names = list(path)
    return names[names.index(name) :]
