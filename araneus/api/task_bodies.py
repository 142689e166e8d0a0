"""The bodies of task requests, decoded and checked: what a caller wants, before anything is loaded. No I/O here.

Source: API reference, tasks, sections 4 to 6, 10 and 15.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from araneus.api.task_inputs import taken
from araneus.model.errors import Fault, Refusal
from araneus.model.ids import AppId, ProjectId
from araneus.model.output_location import check_place
from araneus.model.task import Task

MAX_NAME: Final = 1000
MAX_DESCRIPTION: Final = 100_000
MAX_CRITERIA: Final = 20
_BATCH_TYPES: Final = frozenset({"item", "criteria"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How a task is split; ``by`` is ``{"type": "item"}`` or ``{"type": "criteria", "criteria": [...]}``."""

    input: str
    by: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """The body of ``POST /tasks``. ``batch`` True without ``settings``: the app's own defaults are wanted."""

    project: ProjectId
    app: AppId
    name: str | None
    description: str | None
    inputs: dict[str, Any]
    batch: bool
    settings: BatchSettings | None
    use_interruptible_instances: bool | None
    execution_settings: dict[str, Any]
    output_location: dict[str, Any] | None


def new_task(body: Any) -> NewTask:
    """Decode the body of ``POST /tasks``. Raises `Refusal` with the code of the first rule that it breaks."""
    body = _object(body, "the body")
    settings = batch_settings(body)
    wanted = _flag(body, "batch")
    return NewTask(
        project=ProjectId.parse(_required(body, "project", Fault.BAD_REQUEST)),
        app=AppId.parse(_required(body, "app", Fault.TASK_APP_EMPTY)),
        name=_name(body),
        description=_line(body, "description", MAX_DESCRIPTION),
        inputs=taken(body.get("inputs")),
        batch=wanted if wanted is not None else settings is not None,
        settings=settings,
        use_interruptible_instances=_flag(body, "use_interruptible_instances"),
        execution_settings=execution_settings(body.get("execution_settings")),
        output_location=output_location(body.get("output_location")),
    )


def batch_settings(body: Mapping[str, Any]) -> BatchSettings | None:
    """``batch_input`` and ``batch_by`` of a body, None when neither is given. Raises `Refusal` 7018 to 7020, 7023."""
    if "batch_input" in body and body["batch_input"] == "":
        raise Refusal(Fault.BATCH_INPUT_INVALID, "batch_input is empty: name an input of the app or leave it out.")
    name, by = body.get("batch_input"), body.get("batch_by")
    if name is None and by is None:
        return None
    if name is None or by is None:
        raise Refusal(Fault.BATCH_INCOMPLETE, "batch_input and batch_by must be given together.")
    if not isinstance(name, str):
        raise Refusal(Fault.BATCH_INPUT_INVALID, "batch_input must be the id of an input, as text.")
    return BatchSettings(input=name.removeprefix("#"), by=batch_by(by))


def batch_by(value: Any) -> dict[str, Any]:
    """``batch_by`` in its normal form. Raises `Refusal` 7019 or 7020."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind.lower() not in _BATCH_TYPES:
        raise Refusal(Fault.BATCH_TYPE_INVALID, 'batch_by must be {"type": "item"} or {"type": "criteria", ...}.')
    if kind.lower() == "item":
        return {"type": "item"}
    criteria = value.get("criteria")
    if isinstance(criteria, str):
        criteria = [criteria]
    if not isinstance(criteria, list) or not criteria or not all(isinstance(key, str) and key for key in criteria):
        raise Refusal(
            Fault.BATCH_CRITERIA_MISSING, 'batch_by.criteria must list metadata keys such as "metadata.sample_id".'
        )
    if len(criteria) > MAX_CRITERIA:
        raise Refusal(Fault.BATCH_CRITERIA_MISSING, f"batch_by.criteria may list at most {MAX_CRITERIA} keys.")
    return {"type": "criteria", "criteria": [_clean(key, "batch_by.criteria", 200) for key in criteria]}


def execution_settings(value: Any) -> dict[str, Any]:
    """The known keys of ``execution_settings`` that are set; others are left out. Raises `Refusal` (400)."""
    if value is None or value == []:  # how R writes an object without members
        return {}
    given = _object(value, "execution_settings")
    settings: dict[str, Any] = {}
    instance = given.get("instance_type")
    if isinstance(instance, list) and len(instance) == 1:
        instance = instance[0]
    if instance is not None:
        if not isinstance(instance, str):
            raise _bad("execution_settings.instance_type must be text such as 'c4.2xlarge;ebs-gp2;2000' or 'AUTO'")
        settings["instance_type"] = _clean(instance, "execution_settings.instance_type", 200)
    parallel = given.get("max_parallel_instances")
    if parallel is not None:
        if isinstance(parallel, bool) or not isinstance(parallel, int) or not 1 <= parallel <= 1_000_000:
            raise _bad("execution_settings.max_parallel_instances must be an integer of at least 1")
        settings["max_parallel_instances"] = parallel
    for key in ("use_memoization", "use_elastic_disk"):
        flag = _flag(given, key, "execution_settings.")
        if flag is not None:
            settings[key] = flag
    return settings


def output_location(value: Any) -> dict[str, Any] | None:
    """The known keys of ``output_location``; paths lead into folders of the project. Raises `Refusal` (400)."""
    if value is None or value == []:
        return None
    given = _object(value, "output_location")
    location: dict[str, Any] = {}
    for key in ("main_location", "main_location_alias"):
        text = _place(given, key, "output_location.")
        if text is not None:
            location[key] = text
    override = _flag(given, "nodes_override", "output_location.")
    if override is not None:
        location["nodes_override"] = override
    nodes = given.get("nodes_location")
    if nodes is not None:
        location["nodes_location"] = {
            _clean(port, "output_location.nodes_location", MAX_NAME): _node_location(port, node)
            for port, node in _object(nodes, "output_location.nodes_location").items()
        }
    return location


def _node_location(port: str, value: Any) -> dict[str, Any]:
    where = f"output_location.nodes_location.{port[:80]}"
    node = _object(value, where)
    texts = {key: _place(node, key, f"{where}.") for key in ("output_location", "output_location_alias")}
    return {key: text for key, text in texts.items() if text is not None}


def _place(body: Mapping[str, Any], key: str, prefix: str) -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _bad(f"{prefix}{key} must be text")
    return check_place(value, prefix + key)


# ---- changes


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """The body of ``PATCH /tasks/{id}``. ``fields`` names what is given; ``inputs`` is still to be merged."""

    fields: frozenset[str]
    body: Mapping[str, Any]
    settings: BatchSettings | None
    app: AppId | None


_CHANGEABLE: Final = frozenset(
    {
        "name", "description", "inputs", "execution_settings", "use_interruptible_instances",
        "output_location", "batch", "batch_input", "batch_by", "app",
    }
)  # fmt: skip


_NULL_IS_UNSET: Final = frozenset(
    {"name", "description", "app", "project", "inputs", "batch", "use_interruptible_instances"}
)


def task_change(body: Any) -> TaskChange:
    """Decode the body of ``PATCH /tasks/{id}``; unknown keys are ignored. Raises `Refusal` (400).

    Null leaves a name, a description and the like as they are: `sevenbridges2` sends it for what its user has not
    given. What null clears are the settings, the output location, and both fields of a batch.
    """
    body = _object(body, "the body")
    body = {key: value for key, value in body.items() if value is not None or key not in _NULL_IS_UNSET}
    return TaskChange(
        fields=frozenset(body) & _CHANGEABLE,
        body=body,
        settings=batch_settings(body),
        app=AppId.parse(_required(body, "app", Fault.TASK_APP_EMPTY)) if "app" in body else None,
    )


def with_change(task: Task, change: TaskChange) -> Task:
    """The task with everything but ``inputs`` and ``app`` changed, which need the app. Raises `Refusal` (400)."""
    body, fields = change.body, change.fields
    if "name" in fields:
        name = _name(body)
        if name is None:
            raise _bad("name must not be empty")
        task = replace(task, name=name)
    if "description" in fields:
        task = replace(task, description=_line(body, "description", MAX_DESCRIPTION))
    if "execution_settings" in fields:
        task = replace(task, execution_settings=execution_settings(body["execution_settings"]))
    if "output_location" in fields:
        task = replace(task, output_location=output_location(body["output_location"]))
    interruptible = _flag(body, "use_interruptible_instances")
    if interruptible is not None:
        task = replace(task, use_interruptible_instances=interruptible)
    return _with_batch(task, change)


def _with_batch(task: Task, change: TaskChange) -> Task:
    wanted = _flag(change.body, "batch")
    cleared = {"batch_input", "batch_by"} <= change.fields and change.settings is None
    if wanted is False or (cleared and wanted is None):
        return replace(task, batch=False, batch_input=None, batch_by=None)
    if change.settings is not None:
        return replace(task, batch=True, batch_input=change.settings.input, batch_by=change.settings.by)
    if wanted and not task.batch_by:
        return replace(task, batch=True, batch_input=None, batch_by=None)
    return replace(task, batch=True) if wanted else task


# ---- single fields


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _bad(f"{where} must be a JSON object")
    return value


def _required(body: Mapping[str, Any], key: str, fault: Fault) -> str:
    value = body.get(key)
    if value is None or value == "":
        raise Refusal(fault, f"{key} is missing or empty.")
    if not isinstance(value, str):
        raise Refusal(fault, f"{key} must be text.")
    return value


def _flag(body: Mapping[str, Any], key: str, prefix: str = "") -> bool | None:
    value = body.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise _bad(f"{prefix}{key} must be true or false")


def _name(body: Mapping[str, Any]) -> str | None:
    name = _line(body, "name", MAX_NAME)
    return name if name and name.strip() else None


def _line(body: Mapping[str, Any], key: str, limit: int, prefix: str = "") -> str | None:
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _bad(f"{prefix}{key} must be text")
    return _clean(value, prefix + key, limit)


def _clean(text: str, where: str, limit: int) -> str:
    if len(text) > limit:
        raise _bad(f"{where} is longer than {limit} characters")
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in text):
        raise _bad(f"{where} holds a NUL or an unpaired surrogate character")
    return text


def _bad(what: str) -> Refusal:
    return Refusal(Fault.BAD_REQUEST, f"Bad task request: {what}.")
