"""Uploading through the API as the clients do it, for tests."""

import hashlib
from typing import Any

import httpx

from tests.api.conftest import Server


def start_upload(client: httpx.Client, name: str, size: int | None, query: str = "", **body: Any) -> dict[str, Any]:
    response = client.post(f"/v2/upload/multipart{query}", json={"name": name, "size": size, **body})
    assert response.status_code == 201, response.text
    started: dict[str, Any] = response.json()
    return started


def put_part(client: httpx.Client, upload: dict[str, Any], number: int, content: bytes) -> httpx.Response:
    """Put a part at its signed URL, without any header of ours, and report it."""
    where = client.get(f"{upload['href']}/part/{number}").json()
    assert where["method"] == "PUT"
    put = httpx.put(where["url"], content=content, timeout=60)
    assert put.status_code == 200, put.text
    assert put.headers["etag"] == f'"{hashlib.md5(content).hexdigest()}"'
    report = {"part_number": number, "response": {"headers": {"ETag": put.headers["etag"].strip('"')}}}
    return client.post(f"{upload['href']}/part/", json=report)


def upload_file(client: httpx.Client, name: str, content: bytes, query: str = "", **body: Any) -> dict[str, Any]:
    """A file of one part, uploaded to ``project`` or ``parent``."""
    upload = start_upload(client, name, len(content), query, **body)
    assert put_part(client, upload, 1, content).status_code == 200
    done = client.post(f"{upload['href']}/complete", content=b"null")
    assert done.status_code == 201, done.text
    made: dict[str, Any] = done.json()
    return made


def download_url(client: httpx.Client, file_id: str) -> str:
    answer = client.get(f"/v2/files/{file_id}/download_info")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"url"}
    return str(answer.json()["url"])


def blob_files(server: Server) -> list[str]:
    """Every stored blob: files named by a hash."""
    return sorted(path.name for path in (server.directory / "blobs").rglob("?" * 64) if path.is_file())
