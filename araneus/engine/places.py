"""Where in a workflow a job stands, for people: the steps that lead to it, and which elements of their scatters.

Built only when something has failed, from the places that `engine.execution` keeps.
"""

from dataclasses import dataclass

from araneus.engine.calls import Call, Place
from araneus.model.values import Value, file_values

_MAX_LABEL = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A step on the way to a job. When the step is scattered: ``number`` (from 1) of ``count`` elements, and ``label``,
    what is scattered there when that can be said shortly: the name of a file, a text, a number."""

    step: str
    number: int = 0
    count: int = 0
    label: str = ""


def way_to(place: Place) -> tuple[Element, ...]:
    """The steps from the outermost workflow to a place; empty for the process of the execution itself."""
    way = []
    while place is not None:
        call, number = place
        way.append(_element(call, number))
        place = call.scope.place
    return tuple(reversed(way))


def _element(call: Call, number: int) -> Element:
    expansion = call.expansion
    if expansion is None:
        return Element(step=call.step.id)
    labels = filter(None, map(_label, expansion.element(number).values()))
    label = ", ".join(labels)[:_MAX_LABEL]
    return Element(step=call.step.id, number=number + 1, count=expansion.count, label=label)


def _label(value: Value) -> str:
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, str | int | float):
        return str(value)[:_MAX_LABEL]
    first = next(file_values(value), None)
    return str(first.get("basename") or "")[:_MAX_LABEL] if first is not None else ""
