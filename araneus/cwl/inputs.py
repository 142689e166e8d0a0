"""Values against the input ports of a process: what is wrong with them, and what is left to fill in.

Stands between whoever has values (a draft task in the API, a job order, the engine) and the ports. A null counts as
not given, as everywhere in CWL. Source: CWL v1.2 Workflow, "Input binding" and "default" of input parameters.
"""

from collections.abc import Mapping
from typing import Any

from araneus.cwl.errors import InputError, Problem
from araneus.cwl.process import MISSING, Process
from araneus.cwl.types import describe, is_optional, matches
from araneus.model.values import Value


def check_values(process: Process, values: Mapping[str, Value]) -> list[Problem]:
    """What keeps the values from being the inputs of the process, all of it; empty when they will do.

    ``where`` is a port and a path in its value: ``reads``, ``reads[2].class``. Values for ports that do not exist are
    ignored. A File needs a class and one of path, location and contents; whether it exists is for others to find out.
    """
    found: list[Problem] = []
    for port in process.inputs:
        value = values.get(port.id)
        if value is None:
            if port.default is MISSING and not is_optional(port.type):
                found.append(Problem(port.id, f"is required ({describe(port.type)}); give it a value"))
            elif port.default is None and not is_optional(port.type):
                found.append(Problem(port.id, f"is required ({describe(port.type)}), but its default is null"))
            continue
        found.extend(Problem(f"{port.id}{each.where}", each.what) for each in matches(port.type, value))
    return found


def complete(process: Process, values: Mapping[str, Value]) -> dict[str, Value]:
    """The input object of the process: every port, in order, with its value, else its default, else null.

    Values for ports that do not exist are left out. Raises `InputError` with every problem; defaults are checked too.
    """
    found: dict[str, Any] = {}
    for port in process.inputs:
        value = values.get(port.id)
        if value is None and port.default is not MISSING:
            value = port.default
        found[port.id] = value
    problems = check_values(process, found)
    if problems:
        raise InputError(*problems)
    return found
