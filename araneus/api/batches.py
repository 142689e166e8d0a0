"""Splitting a batch: from the value of the batch input to one group, and one child task, per item or per distinct
combination of metadata. No I/O here. Source: API reference, tasks, section 10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from araneus.api.task_bodies import MAX_NAME
from araneus.api.task_inputs import takes_list
from araneus.api.task_views import FileRows
from araneus.cwl.process import InputPort, Process
from araneus.model.errors import Fault, Refusal
from araneus.model.file import File
from araneus.model.ids import new_uuid
from araneus.model.task import Status, Task
from araneus.model.values import Value, is_file_value

MAX_CHILDREN: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One child's share of the batch input: its items, the text that names it and the fields that make it."""

    value: str
    fields: dict[str, str]
    items: tuple[Value, ...]


def groups(by: Mapping[str, Any], items: Sequence[Value], files: FileRows) -> list[Group]:
    """The groups in the order in which they first occur. Items without the metadata share the empty value."""
    if by.get("type") == "item":
        return [Group(value=_item_name(item, files), fields={}, items=(item,)) for item in items]
    criteria = tuple(str(key) for key in by.get("criteria") or ())
    found: dict[tuple[str, ...], list[Value]] = {}
    for item in items:
        row = _row_of(item, files)
        found.setdefault(tuple(_criterion(row, key) for key in criteria), []).append(item)
    return [
        Group(
            value=", ".join(values) if any(values) else "",
            fields=dict(zip(criteria, values, strict=True)),
            items=tuple(members),
        )
        for values, members in found.items()
    ]


def _row_of(item: Value, files: FileRows) -> File | None:
    """The file by whose metadata an item is grouped: of a list of files, as paired reads are, the first."""
    first = next(iter(item), None) if isinstance(item, list) else item
    return files.get(str(first.get("path"))) if isinstance(first, dict) and is_file_value(first) else None


def _item_name(item: Value, files: FileRows) -> str:
    row = _row_of(item, files)
    if row is not None:
        return row.name
    return str(item.get("path") if is_file_value(item) else item)[:200]


def _criterion(row: File | None, key: str) -> str:
    if row is None:
        return ""
    if key in {"name", "file.name", "sbg:name"}:
        return row.name
    value = row.metadata.get(key.removeprefix("metadata."), "")
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def children(parent: Task, process: Process, files: FileRows, *, actor: str, now: datetime) -> list[Task]:
    """The child drafts of a batch parent. Raises `Refusal` when there is nothing to split or too much."""
    port = batch_port(parent, process)
    found = groups(parent.batch_by or {}, items_of(parent), files)
    if not found:
        raise Refusal(Fault.TASK_HAS_ERRORS, f"Batch input {port.id} is empty: there is nothing to split.")
    if len(found) > MAX_CHILDREN:
        raise Refusal(
            Fault.TASK_HAS_ERRORS, f"The batch would make {len(found)} tasks; at most {MAX_CHILDREN} are allowed."
        )
    shared = next((group for group in found if len(group.items) > 1), None)
    if shared is not None and not takes_list(port.type):
        raise Refusal(
            Fault.TASK_HAS_ERRORS,
            f"Batch input {port.id} takes one item, but {len(shared.items)} share the value {shared.value[:200]!r}.",
        )
    return [
        _child(parent, group, actor=actor, now=now + timedelta(microseconds=number), inputs=_share(parent, port, group))
        for number, group in enumerate(found)
    ]


def batch_port(parent: Task, process: Process) -> InputPort:
    """The port whose value is split. Raises `Refusal` when the app has none of that name."""
    port = next((port for port in process.inputs if port.id == parent.batch_input), None)
    if port is None or parent.batch_by is None:
        raise Refusal(Fault.BATCH_INPUT_INVALID, f"batch_input {parent.batch_input!r} is not an input of the app.")
    return port


def items_of(task: Task) -> list[Value]:
    """What stands at the batch input of a task, as a list without nulls."""
    value = task.inputs.get(task.batch_input or "")
    return [item for item in (value if isinstance(value, list) else [value]) if item is not None]


def _share(parent: Task, port: InputPort, group: Group) -> dict[str, Value]:
    value = list(group.items) if takes_list(port.type) else group.items[0]
    return {**parent.inputs, port.id: value}


def _child(parent: Task, group: Group, *, actor: str, now: datetime, inputs: dict[str, Value]) -> Task:
    return replace(
        parent,
        id=new_uuid(),
        name=(f"{parent.name} - {group.value}" if group.value else parent.name)[:MAX_NAME],
        status=Status.DRAFT,
        version=0,
        created_by=actor,
        created_time=now,
        batch=False,
        batch_input=None,
        batch_by=None,
        parent=parent.id,
        batch_group={"value": group.value, "fields": group.fields},
        inputs=inputs,
        errors=(),
        warnings=(),
    )
