"""What ended tasks cost. Amounts are whole millionths of a dollar, so that sums of them are exact.

A task that names an instance type with a price pays for that instance from its first job to its last. Any other pays
for the cores that its jobs set aside, by the hour. Disk is paid for by what the jobs set aside.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from araneus.model.job import Resources
from araneus.model.project import Project
from araneus.model.task import Status, Task

CURRENCY: Final = "USD"
MILLION: Final = 10**6
GIGABYTE: Final = 10**9
_MEBIBYTES_PER_GIBIBYTE: Final = 1024
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars: for a core and hour, for a GiB of a job's disk and hour, for a GB of files and month, and for an hour of
    instances by type."""

    cpu_hour: float = 0.0
    disk_hour: float = 0.0
    storage_month: float = 0.0
    instances: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one attempt used: resources from one moment to another."""

    resources: Resources
    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        """How long it took."""
        return max(0.0, (self.end - self.start) / _HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Millionths of a dollar."""

    computation: int = 0
    storage: int = 0

    @property
    def total(self) -> int:
        """Both."""
        return self.computation + self.storage

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(computation=self.computation + other.computation, storage=self.storage + other.storage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """The bill of one task that has ended: what it says stays, whatever becomes of the task, its project and the
    prices. ``event`` is the number of the event that ended the task. The parent of a batch costs nothing itself."""

    task: str
    event: int
    billing_group: str
    project: str
    project_name: str
    locked: bool
    app: str
    name: str
    batch: bool
    parent: str | None
    ran_by: str
    status: Status
    started_on: datetime | None
    ended_on: datetime
    computation: int
    storage: int

    @property
    def cost(self) -> Cost:
        """What is to be paid."""
        return Cost(computation=self.computation, storage=self.storage)


def instance_type(settings: Mapping[str, Any]) -> str:
    """The instance type that execution settings name, such as ``c5.2xlarge``; empty for none."""
    named = settings.get("instance_type")
    return named.partition(";")[0].strip() if isinstance(named, str) else ""


def cost_of(settings: Mapping[str, Any], uses: Iterable[Use], prices: Prices) -> Cost:
    """What a task with these execution settings costs."""
    listed = list(uses)
    if not listed:
        return Cost()
    rate = prices.instances.get(instance_type(settings))
    if rate is not None:
        whole = Use(
            resources=listed[0].resources, start=min(use.start for use in listed), end=max(use.end for use in listed)
        )
        computation = whole.hours * rate
    else:
        computation = sum(use.hours * use.resources.cores for use in listed) * prices.cpu_hour
    disk = sum(use.hours * (use.resources.tmpdir + use.resources.outdir) for use in listed) / _MEBIBYTES_PER_GIBIBYTE
    return Cost(computation=_millionths(computation), storage=_millionths(disk * prices.disk_hour))


def _millionths(dollars: float) -> int:
    """Rounded up, so that nothing used at a price is free, except for what the arithmetic of floats has added."""
    return math.ceil(round(dollars * MILLION, 6))


def charge(task: Task, project: Project, event: int, cost: Cost) -> Charge:
    """The bill of a task that has ended."""
    assert task.end_time is not None
    return Charge(
        task=task.id,
        event=event,
        billing_group=project.billing_group,
        project=project.id,
        project_name=project.name,
        locked=bool(project.settings.get("locked")),
        app=task.app,
        name=task.name,
        batch=task.batch,
        parent=task.parent,
        ran_by=task.executed_by or task.created_by,
        status=task.status,
        started_on=task.start_time,
        ended_on=task.end_time,
        computation=cost.computation,
        storage=cost.storage,
    )


def text_of(amount: int) -> str:
    """An amount in dollars, exactly, with two decimals or more."""
    whole, rest = divmod(amount, MILLION)
    decimals = f"{rest:06}".rstrip("0")
    return f"{whole}.{decimals:0<2}"
