"""A good body for each call that takes one: the first requests are made of them."""

from typing import Any

from tests.fuzz.world import TOOL, World


def bodies(world: World) -> dict[str, list[Any]]:
    """Bodies by operation, ``POST /tasks``, each of which the server grants the first time that it is sent."""
    of = {name: values[0] for name, values in world.values.items()}
    spare = {name: values[-1] for name, values in world.values.items()}
    project = f"{of['owner']}/{of['project']}"
    file, folder, other = of["file"], world.values["folder"][0], world.values["folder"][-1]
    task: dict[str, Any] = {"project": project, "app": f"{project}/{of['app']}", "name": "made", "inputs": {}}
    batch = {
        **task, "batch": True, "batch_input": "texts", "batch_by": {"type": "ITEM"},
        "inputs": {"texts": [{"class": "File", "path": one} for one in world.values["plain"][:3]]},
    }  # fmt: skip
    app, permissions = "/apps/{owner}/{project}/{app}", {"read": True, "write": True, "copy": True}
    whole = {**permissions, "execute": True, "admin": True}
    report = {"part_number": 1, "response": {"headers": {"ETag": "d41d8cd98f00b204e9800998ecf8427e"}}}
    ids, items = {"file_ids": list(world.values["plain"][:3])}, [{"file": file, "parent": folder}]
    return {
        "POST /users": [{"username": "made", "email": "made@example.org"}],
        "PATCH /users/{username}": [{"first_name": "Ada"}],
        "POST /users/{username}/tokens": [{"label": "made", "days": 3}],
        "POST /teams": [{"name": "made", "division": of["division"]}],
        "PATCH /teams/{team}": [{"name": "renamed"}],
        "POST /teams/{team}/members": [{"id": world.me}],
        "POST /projects": [{"name": "Made", "description": "x", "tags": ["a"], "settings": {"use_memoization": True}}],
        "PATCH /projects/{owner}/{project}": [{"description": "changed", "tags": None}],
        "POST /projects/{owner}/{project}/members": [{"username": "person2", "permissions": permissions}],
        "PATCH /projects/{owner}/{project}/members/{username}/permissions": [{"write": True}],
        "PUT /projects/{owner}/{project}/members/{username}/permissions": [whole],
        "PATCH /files/{file}": [{"name": "renamed.txt", "metadata": {"a": "b"}, "tags": ["t"]}],
        "POST /files/{file}/actions/copy": [{"project": project}, {"parent": folder, "name": "copy.txt"}],
        "POST /files/{file}/actions/move": [{"parent": other, "name": "moved.txt"}],
        "POST /files": [{"name": "made", "type": "folder", "project": project}],
        "POST /files/search": [{"query": f'IN "{project}" RECURSIVE WHERE type = "FILE"'}],
        "PATCH /files/{file}/metadata": [{"sample_id": "x", "gone": None}],
        "PUT /files/{file}/metadata": [{"sample_id": "x"}],
        "PUT /files/{file}/tags": [["a", "b"]],
        "POST /upload/multipart": [{"name": "made.txt", "size": 3, "project": project}],
        "POST /upload/multipart/{upload}/part": [report],
        "POST /upload/multipart/{upload}/complete": [{"parts": [report]}, {}],
        "POST /bulk/files/get": [ids],
        "POST /bulk/files/delete": [{"file_ids": [spare["plain"], "0" * 24]}],
        "POST /bulk/files/update": [{"items": [{"id": file, "metadata": {"a": "b"}}]}],
        "POST /bulk/files/edit": [{"items": [{"id": file, "tags": ["edited"]}]}],
        "POST /action/files/copy": [{"project": project, **ids}],
        "POST /action/files/get_ids": [[f"{project}/file-0.txt", f"{project}/none"]],
        "POST /async/files/copy": [{"items": items}],
        "POST /async/files/move": [{"items": items}],
        "POST /async/files/delete": [{"items": [{"file": spare["plain"]}]}],
        f"POST {app}/raw": [TOOL],
        f"POST {app}/{{revision}}/raw": [TOOL],
        f"POST {app}/actions/copy": [{"project": f"{of['owner']}/{spare['project']}"}],
        f"POST {app}/{{revision}}/actions/copy": [{"project": project, "name": "another"}],
        "POST /tasks": [task, batch],
        "PATCH /tasks/{task}": [{"name": "renamed", "inputs": {"message": "x"}}],
        "PATCH /tasks/{task}/inputs": [{"message": "y"}],
        "POST /bulk/tasks/get": [{"task_ids": list(world.values["task"][:3])}],
    }  # fmt: skip
