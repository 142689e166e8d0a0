"""What a job asks for: ResourceRequirement, the platform's own hints, time and network.

Called by the scheduler before a job is prepared, and by `cwl.command`. Source: CWL v1.2 CommandLineTool,
"ResourceRequirement", "ToolTimeLimit", "NetworkAccess"; the platform's defaults: 1 core, 1024 MiB.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from araneus.cwl.errors import ExpressionError, Problem
from araneus.cwl.expressions import Evaluator, value_text
from araneus.cwl.files import Locate, local_path
from araneus.cwl.process import DRAFT_2, Process, Script
from araneus.cwl.ready import described_inputs
from araneus.cwl.staging import Stage
from araneus.model.job import Resources
from araneus.model.values import Value

_DEFAULTS: Final = Resources()
_LARGEST: Final = 2**53
_INPUTS: Final = "/inputs"
"""The scripts of sbg:draft-2 take the names of files from their paths; there is no job directory yet."""


def resources(
    tool: Process, inputs: Mapping[str, Value], evaluator: Evaluator, *, locate: Locate = local_path
) -> Resources:
    """Cores, memory and disk of a job. The Min of a pair is set aside, the Max where there is no Min. An expression
    that gives null or an empty text counts as not written, and in sbg:draft-2 one that gives 0.

    Raises `ExpressionError` for what is no amount.
    """
    requirement = tool.requirement("ResourceRequirement") or {}
    cores_hint = tool.requirement("sbg:CPURequirement")
    memory_hint = tool.requirement("sbg:MemRequirement")
    asked: dict[str, tuple[Any, ...]] = {
        name: (requirement.get(f"{name}Min"), requirement.get(f"{name}Max"))
        for name in ("cores", "ram", "tmpdir", "outdir")
    }
    most = {name: (requirement.get(f"{name}Max"),) for name in ("cores", "ram")}
    if cores_hint is not None:
        asked["cores"] = (cores_hint.get("value"), *asked["cores"])
    if memory_hint is not None:
        asked["ram"] = (memory_hint.get("value"), *asked["ram"])
    written = any(isinstance(item, str | Script) for items in asked.values() for item in items)
    known = described_inputs(inputs, locate) if written else inputs
    if written and tool.cwl_version == DRAFT_2:
        stage = Stage(_INPUTS, plain_names=True)
        known = {port: stage.place_inputs(value, f"inputs/{port}") for port, value in known.items()}
    amounts = _amounts(asked, known, evaluator)
    if tool.cwl_version == DRAFT_2:
        amounts = {name: amount for name, amount in amounts.items() if amount}
    upper = _amounts(most, known, evaluator)
    return Resources(
        cores=amounts.get("cores") or _DEFAULTS.cores,
        memory=math.ceil(amounts.get("ram", _DEFAULTS.memory)),
        tmpdir=math.ceil(amounts.get("tmpdir", _DEFAULTS.tmpdir)),
        outdir=math.ceil(amounts.get("outdir", _DEFAULTS.outdir)),
        memory_stated="ram" in amounts,
        memory_max=math.ceil(upper.get("ram", 0)) or None,
        cores_max=upper.get("cores") or None,
    )


def _amounts(
    asked: Mapping[str, tuple[Any, ...]], known: Mapping[str, Value], evaluator: Evaluator
) -> dict[str, float]:
    """The first of each that is an amount."""
    found: dict[str, float] = {}
    for name, items in asked.items():
        for item in items:
            amount = _amount(item, known, evaluator, f"ResourceRequirement/{name}")
            if amount is not None:
                found[name] = amount
                break
    return found


def _amount(value: Value, inputs: Mapping[str, Value], evaluator: Evaluator, where: str) -> float | None:
    result = evaluator.evaluate(value, inputs=inputs, runtime={}, where=where)
    if result is None or result == "":
        return None
    if isinstance(result, str):
        try:
            result = float(result)
        except ValueError:
            raise ExpressionError(Problem(where, f"must be a number, not {result[:60]!r}")) from None
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise ExpressionError(Problem(where, f"must be a number, not {value_text(result)[:60]}"))
    if not 0 <= result <= _LARGEST:
        raise ExpressionError(Problem(where, f"must be between 0 and 2^53, not {result}"))
    return result


def runtime_for(resources: Resources, *, work: str, temporary: str) -> dict[str, Value]:
    """The ``runtime`` object that expressions see. Fractional cores are rounded up (v1.2, "Runtime environment")."""
    return {
        "outdir": work,
        "tmpdir": temporary,
        "cores": max(1, math.ceil(resources.cores)),
        "ram": resources.memory,
        "outdirSize": resources.outdir,
        "tmpdirSize": resources.tmpdir,
    }


def time_limit(
    tool: Process, inputs: Mapping[str, Value], runtime: Mapping[str, Value], evaluator: Evaluator
) -> float | None:
    """Seconds of ToolTimeLimit; None for no limit, which 0 also means."""
    requirement = tool.requirement("ToolTimeLimit")
    if requirement is None:
        return None
    where = "ToolTimeLimit/timelimit"
    result = evaluator.evaluate(requirement.get("timelimit"), inputs=inputs, runtime=runtime, where=where)
    if isinstance(result, bool) or not isinstance(result, int | float) or result < 0:
        raise ExpressionError(Problem(where, f"must be a number of seconds, 0 or more, not {value_text(result)[:60]}"))
    return float(result) or None


def network(tool: Process, inputs: Mapping[str, Value], runtime: Mapping[str, Value], evaluator: Evaluator) -> bool:
    """Whether the tool may use the network: always in v1.0 and sbg:draft-2, later only with NetworkAccess."""
    requirement = tool.requirement("NetworkAccess")
    if requirement is None:
        return tool.cwl_version in {"v1.0", DRAFT_2}
    where = "NetworkAccess/networkAccess"
    result = evaluator.evaluate(requirement.get("networkAccess"), inputs=inputs, runtime=runtime, where=where)
    if not isinstance(result, bool):
        raise ExpressionError(Problem(where, f"must be true or false, not {value_text(result)[:60]}"))
    return result
