"""Ids of files by their paths."""

from typing import Any

import httpx
import pytest

from tests.api.test_edge import error
from tests.api.test_files import UNKNOWN, make_folder
from tests.api.test_projects import make_project
from tests.api.uploading import upload_file


def test_paths_become_ids(client: httpx.Client, other: httpx.Client) -> None:
    project = make_project(client)
    folder = make_folder(client, "f", project=project["id"])
    made = upload_file(client, "a b", b"x", parent=folder["id"])
    here = project["id"]
    paths = [f"{here}/f/a b", f"/{here}/f/", here, f"{here}/f/a b/c", "x", "a/b/c", ""]
    expected = [made["id"], folder["id"], project["root_folder"], None, None, None, None]
    answer = client.post("/v2/action/files/get_ids", json=paths)
    assert (answer.status_code, answer.json()) == (200, expected)
    assert client.post("/v2/action/files/get_ids", json={"paths": paths[:1]}).json() == expected[:1]
    assert client.post("/v2/action/files/get_ids", json={"x": paths[0]}).json() == expected[:1]
    assert other.post("/v2/action/files/get_ids", json=paths).json() == [None] * len(paths)


@pytest.mark.parametrize(
    ("body", "code"),
    [([], 10234), (None, 10234), ({}, 10234), ([1], 10232), ("x", 10232), ([UNKNOWN], 10233), (["a/b/c"] * 101, 10232)],
)
def test_bad_paths(client: httpx.Client, body: Any, code: int) -> None:
    assert error(client.post("/v2/action/files/get_ids", json=body)) == (400, code)
