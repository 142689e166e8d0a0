"""From sources to one value: linkMerge and pickValue.

Second stage of the engine: it turns what workflow inputs and earlier steps gave into the value of a step input or of
a workflow output. Source: CWL v1.2 Workflow, "WorkflowStepInput", "Merging multiple inbound data links" and
"Picking non-null values among inbound data links".
"""

from collections.abc import Mapping, Sequence
from typing import Final

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.process import LinkMerge, OutputPort, PickValue, StepInput
from araneus.model.values import Value

_MAX_SOURCES: Final = 200


def gather(port: StepInput | OutputPort, values: Mapping[str, Value], *, where: str) -> Value:
    """The value that the sources of a port give together; null when it has none.

    ``values`` holds what is known by source name. One source without ``linkMerge`` is passed on as it is, also when
    the document writes it as a list of one; only ``all_non_null``, which gives a list, then makes one of it.
    Raises `InputError` when ``pickValue`` cannot be satisfied.
    """
    if not port.source:
        return None
    found = [values.get(source) for source in port.source]
    if len(found) > 1 or port.link_merge is not None:
        value: Value = _flattened(found) if port.link_merge is LinkMerge.FLATTENED else found
    else:
        value = found[0]
    if port.pick_value is PickValue.ALL_NON_NULL and port.source_is_list and not isinstance(value, list):
        value = [value]
    if port.pick_value is not None and isinstance(value, list):
        return _picked(port.pick_value, value, where, port.source)
    return value


def _flattened(values: Sequence[Value]) -> list[Value]:
    flat: list[Value] = []
    for value in values:
        if isinstance(value, list):
            flat.extend(value)
        else:
            flat.append(value)
    return flat


def _picked(method: PickValue, values: list[Value], where: str, source: Sequence[str]) -> Value:
    present = [value for value in values if value is not None]
    if method is PickValue.ALL_NON_NULL:
        return present
    named = ", ".join(source)[:_MAX_SOURCES]
    if not present:
        raise InputError(Problem(where, f"{method.value}: all of the {len(values)} values are null ({named})"))
    if method is PickValue.THE_ONLY_NON_NULL and len(present) > 1:
        what = f"{method.value}: {len(present)} of the values are not null, expected one ({named})"
        raise InputError(Problem(where, what))
    return present[0]
