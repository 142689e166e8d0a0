"""How a scattered step multiplies, and how its results become lists again.

Third stage of the engine. Source: CWL v1.2 Workflow, "WorkflowStep", fields ``scatter`` and ``scatterMethod``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.process import ScatterMethod, Step
from araneus.model.values import Value


@dataclass(frozen=True, slots=True)
class Expansion:
    """The elements of a scattered step, numbered from 0 with the last scattered port turning fastest.

    ``columns`` are the scattered lists in the order of ``Step.scatter``; ``shape`` is how results nest: one length for
    a flat list, several for nested ones.
    """

    ports: tuple[str, ...]
    columns: tuple[Sequence[Value], ...]
    crossed: bool
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many times the step runs."""
        return prod(self.shape)

    def element(self, number: int) -> dict[str, Value]:
        """The values of the scattered ports for one element."""
        if not self.crossed:
            return {port: column[number] for port, column in zip(self.ports, self.columns, strict=True)}
        values: dict[str, Value] = {}
        for port, column in zip(reversed(self.ports), reversed(self.columns), strict=True):
            number, index = divmod(number, len(column))
            values[port] = column[index]
        return values

    def nest(self, results: Sequence[Value]) -> list[Value]:
        """The results of all elements, in element order, as the list that the step's output is."""
        nested = list(results)
        # Innermost first. A level of length 0 still needs its outer lists, which cannot be told from the results.
        for depth in range(len(self.shape) - 1, 0, -1):
            length = self.shape[depth]
            outer = prod(self.shape[:depth])
            nested = [nested[start * length : (start + 1) * length] for start in range(outer)]
        return nested


def expand(step: Step, values: Mapping[str, Value], *, where: str) -> Expansion:
    """The expansion of a scattered step. Raises `InputError` when a port is no list, or lengths differ (dotproduct).

    Several ports without a method are combined as a dot product, as the platform does.
    """
    columns: list[Sequence[Value]] = []
    problems: list[Problem] = []
    for port in step.scatter:
        value = values.get(port)
        if isinstance(value, list):
            columns.append(value)
        else:
            problems.append(
                Problem(f"{where}/{port}", f"the port is scattered, so it needs a list, got {_kind(value)}")
            )
    if problems:
        raise InputError(*problems)
    lengths = tuple(len(column) for column in columns)
    crossed = len(columns) > 1 and step.scatter_method in {
        ScatterMethod.FLAT_CROSSPRODUCT,
        ScatterMethod.NESTED_CROSSPRODUCT,
    }
    if not crossed:
        if len(set(lengths)) > 1:
            listed = ", ".join(f"{port}: {length}" for port, length in zip(step.scatter, lengths, strict=True))
            raise InputError(Problem(where, f"dotproduct needs lists of one length, got {listed}"))
        shape: tuple[int, ...] = lengths[:1]
    elif step.scatter_method is ScatterMethod.FLAT_CROSSPRODUCT:
        shape = (prod(lengths),)
    else:
        shape = lengths
    return Expansion(ports=step.scatter, columns=tuple(columns), crossed=crossed, shape=shape)


def _kind(value: Value) -> str:
    if isinstance(value, dict):
        return f"a {value['class']}" if value.get("class") in {"File", "Directory"} else "a record"
    return {type(None): "null", bool: "a boolean", str: "a string"}.get(type(value), "a number")
