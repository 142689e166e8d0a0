"""The OpenAPI document for callers who know what there is: parameters and members that name things take real names,
and now and then anything else."""

import copy
from collections.abc import Mapping
from typing import Any

from tests.fuzz.examples import bodies
from tests.fuzz.world import World

_PLACES = {"project": "project_id", "id": "thing", "division_id": "division", "task_id": "task", "app_id": "app_id"}


def aimed(document: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The same operations and answers; what is sent is more often meant for something."""
    known, good = _named(world), bodies(world)
    aim = copy.deepcopy(dict(document))
    for path, operations in aim["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                place = parameter["name"] if parameter["in"] == "path" else _PLACES.get(parameter["name"])
                values = known.get(place or parameter["name"], ())
                _aim(parameter, "schema", values)
                if values and parameter["in"] == "path":
                    parameter["example"] = values[-1 if method == "delete" else 0]
            examples = good.get(f"{method.upper()} {path}", ())
            for content in operation.get("requestBody", {}).get("content", {}).values() if examples else ():
                content["examples"] = {f"good{number}": {"value": value} for number, value in enumerate(examples)}
    for name, schema in aim["components"]["schemas"].items():
        if name.endswith(("Body", "Item", "Change")):
            for member in schema.get("properties", {}):
                _aim_member(schema["properties"], member, known)
    return aim


def _named(world: World) -> dict[str, tuple[str, ...]]:
    values = dict(world.values)
    owner = world.values["owner"][0]
    values["project_id"] = tuple(f"{owner}/{name}" for name in world.values["project"])
    values["app_id"] = tuple(f"{values['project_id'][0]}/{name}" for name in world.values["app"])
    values["parent"] = values["folder"]
    values["file_ids"] = values["file"]
    values["task_ids"] = values["task"]
    values["billing_group"] = values["group"]
    return values


def _aim(place: dict[str, Any], name: str, values: tuple[str, ...]) -> None:
    if not values:
        return
    # Several times, as alternatives are chosen evenly: most calls are to reach something.
    sharp = {"type": "string", "enum": list(values)}
    first = {"type": "string", "enum": [values[0]]}
    place[name] = {"anyOf": [sharp, first, {"type": "string", "enum": list(values)[:3]}, place[name]]}


def _aim_member(members: dict[str, Any], name: str, known: Mapping[str, tuple[str, ...]]) -> None:
    place = _PLACES.get(name, name)
    if name in {"file_ids", "task_ids"}:
        members[name] = {"type": "array", "items": {"type": "string", "enum": list(known[name])}, "maxItems": 12}
    elif name == "app":
        _aim(members, name, known["app_id"])
    elif name != "name" and place in known:
        _aim(members, name, known[place])
