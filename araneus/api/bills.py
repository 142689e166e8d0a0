"""Bills: written once for every task that has ended, and asked for when a task is shown."""

from collections.abc import Sequence

from araneus.api.services import Services
from araneus.model.charge import Charge, Cost, Prices, charge, cost_of
from araneus.model.task import TERMINAL, Task
from araneus.store import charges, projects, tasks
from araneus.store.database import Connection

AT_ONCE = 50


def settle(services: Services) -> bool:
    """Write the bills of some tasks that have none; whether there were any."""
    with services.database.read() as conn:
        ended = charges.unsettled(conn, AT_ONCE)
        made = [bill for task, event in ended if (bill := _bill(conn, task, event, services.settings.prices))]
    if made:
        with services.database.write() as conn:
            charges.insert(conn, made)
    return bool(made)


def _bill(conn: Connection, task_id: str, event: int, prices: Prices) -> Charge | None:
    task = tasks.get(conn, task_id)
    project = projects.get(conn, task.project) if task is not None else None
    if task is None or project is None or task.end_time is None:
        return None
    uses = charges.uses(conn, [task_id]).get(task_id, ())
    return charge(task, project, event, cost_of(task.execution_settings, uses, prices))


def costs(conn: Connection, shown: Sequence[Task], prices: Prices) -> dict[str, Cost]:
    """What the tasks cost that have ended, by id: from their bills, or as these will be written in a moment."""
    ended = {task.id: task for task in shown if task.status in TERMINAL}
    found = charges.costs(conn, list(ended), [task.id for task in ended.values() if task.batch])
    missing = [task for task in ended.values() if task.id not in found]
    used = charges.uses(conn, [task.id for task in missing])
    for task in missing:
        each = charges.uses_of_children(conn, task.id) if task.batch else {task.id: used.get(task.id, [])}
        found[task.id] = sum((cost_of(task.execution_settings, uses, prices) for uses in each.values()), Cost())
    return found
