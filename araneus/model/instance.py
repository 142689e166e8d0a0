"""Instances: the machines that an app names, of which a task may have a few at once.

On one machine they are bounds: a task's jobs are packed as they would be on its instances, first fit. Pure. Source:
execution semantics of the platform, "Running a tool".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from araneus.model.charge import instance_type
from araneus.model.job import Resources

HINTS: Final = ("sbg:AWSInstanceType", "sbg:GoogleInstanceType", "sbg:AzureInstanceType")
PARALLEL: Final = "sbg:maxNumberOfParallelInstances"
_TOLERANCE: Final = 1e-9
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """A type with its size (memory in MiB), and how many instances of any type the task may have at once."""

    type: str
    cores: float
    memory: int
    parallel: int = 1

    def holds(self, resources: Resources) -> bool:
        """Whether a job of this size can ever run on it."""
        return resources.cores <= self.cores + _TOLERANCE and resources.memory <= self.memory


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceTypes:
    """The table of types: cores, and memory in MiB. ``default`` is what a task has that says how many instances it
    wants and not which, or names a type that is not in the table."""

    sizes: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    default: str = ""

    def of(self, named: str, parallel: int | None, asked: Resources) -> Instance | None:
        """The instance of a job that asks for so much; None where nothing bounds it. A type that is not known never
        makes a job fail: what stands for it is large enough."""
        size = self.sizes.get(named)
        if size is not None:
            return Instance(type=named, cores=size[0], memory=size[1], parallel=parallel or 1)
        if parallel is None or self.default not in self.sizes:
            return None
        cores, memory = self.sizes[self.default]
        return Instance(type=named, cores=max(cores, asked.cores), memory=max(memory, asked.memory), parallel=parallel)


def named_instance(settings: Mapping[str, Any], requirements: Mapping[str, Any]) -> str:
    """What execution settings name, else a job's requirements and hints, such as ``c5.xlarge;ebs-gp2;500``; empty for
    none. ``AUTO`` is none, and goes before a hint all the same."""
    hints = (requirements.get(name) for name in HINTS)
    values = [settings.get("instance_type"), *(hint.get("value") for hint in hints if isinstance(hint, Mapping))]
    texts = [value for value in values if isinstance(value, str) and value.isprintable()]
    named = next((text for text in texts if instance_type({"instance_type": text})), "")
    return "" if instance_type({"instance_type": named}).upper() == "AUTO" else named[:_LONGEST]


def named_type(settings: Mapping[str, Any], requirements: Mapping[str, Any]) -> str:
    """The type alone: ``c5.xlarge``."""
    return instance_type({"instance_type": named_instance(settings, requirements)})


def most_parallel(settings: Mapping[str, Any], requirements: Mapping[str, Any]) -> int | None:
    """How many instances a task may have at once, as its execution settings say, else the hint of its app; the hints of
    inner workflows do not count. None where nobody says."""
    hint = requirements.get(PARALLEL)
    given = settings.get("max_parallel_instances") or (hint.get("value") if isinstance(hint, Mapping) else None)
    try:
        number = int(given) if isinstance(given, int | float | str) else 0
    except (ValueError, OverflowError):
        return None
    return number if number >= 1 else None


def too_small(instance: Instance, resources: Resources) -> str:
    """What a job that never fits its instance asks for, beside what there is."""
    return (
        f"it asks for {resources.cores:g} cores and {resources.memory} MiB of memory, its instance type {instance.type}"
        f" has {instance.cores:g} cores and {instance.memory} MiB: name a larger one"
    )
